/* SPDX-License-Identifier: MIT */
/*
 * heap_fast.h -- what most allocations and frees do, to be compiled into their
 * callers: use a block that the thread's magazine has, or put one there.
 *
 * All that is a question of a few private figures and one store to the block's
 * size; whenever anything is not as usual, the slow path does it all.
 */
#ifndef MMI_HEAP_FAST_H
#define MMI_HEAP_FAST_H

#include "heap/heap_parts.h"

void *mmi_heap_alloc_slowly(struct heap *heap, struct heap_hints *hints,
                            size_t size);
int mmi_heap_free_slowly(struct heap *heap, struct heap_hints *hints,
                         void *ptr);

/* As mmi_heap_alloc(). */
static inline void *heap_alloc(struct heap *heap, struct heap_hints *hints,
                               size_t size)
{
    if (size - 1 < SMALL_MAX && turn_is_ours(heap, hints)) {
        int64_t allowance = hints->allowance - cost_of(size);
        struct heap_magazine *magazine = &hints->magazines[class_of(size)];
        if (allowance >= 0 && magazine->top != magazine->bottom) {
            hints->allowance = allowance;
            return magazine_take(magazine, size);
        }
    }
    return mmi_heap_alloc_slowly(heap, hints, size);
}

/* As mmi_heap_free(). */
static inline int heap_free(struct heap *heap, struct heap_hints *hints,
                            void *ptr)
{
    size_t offset = (size_t)((uintptr_t)ptr - (uintptr_t)heap->payload);
    size_t unit = offset >> heap->unit_shift;
    if (unit >= heap->unit_count || !turn_is_ours(heap, hints))
        return mmi_heap_free_slowly(heap, hints, ptr);

    /* As place_find(), for what is most frequent: the thread's magazine has
     * room for a block in use, of a span of the usual length.  The address lies
     * in the payload, so where the size of its block would be lies in the
     * sizes, whatever the entry says. */
    const struct entry *at = &heap->entries[unit];
    uint64_t entry = get(&at->head);
    size_t distance = entry_distance(entry);
    unsigned class = entry_class(entry);
    unit -= distance;
    /* A span of the usual length that begins later would be a forged one: its
     * blocks reach beyond the payload. */
    if (unit > heap->usual_last || class >= HEAP_CLASS_COUNT)
        return mmi_heap_free_slowly(heap, hints, ptr);
    const struct heap_class *info = &heap->classes[class];
    size_t inside = offset - unit_bytes(heap, unit);
    size_t block = class_block(info, inside);
    if (get(&(at - distance)->head) != info->head ||
        block * info->size != inside || inside > info->span_last)
        return mmi_heap_free_slowly(heap, hints, ptr);

    _Atomic uint16_t *size = &info->sizes[(unit << info->sizes_shift) + block];
    size_t asked = get(size);
    struct heap_magazine *magazine = &hints->magazines[class];
    struct heap_kept *kept = magazine->top;
    /* As signed numbers marks are negative. */
    if ((int16_t)asked <= 0 || kept == magazine->end)
        return mmi_heap_free_slowly(heap, hints, ptr);

    put(size, hints->mark);
    *kept = (struct heap_kept){ptr, size};
    magazine->top = kept + 1;
    /* Beyond its limit at most by what magazines hold. */
    hints->allowance += cost_of(asked);
    return 0;
}

#endif
