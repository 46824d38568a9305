/* SPDX-License-Identifier: MIT */
/*
 * heap_space.c -- bitmaps of the spans that may have free blocks: a bit for
 * each unit and class, in three levels.
 *
 * A bit stays while any block is free; whoever finds none clears it and looks
 * once more.  A lost bit costs time only: the sweep before a failure looks into
 * every span.
 */
#include "config.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/heap_parts.h"

static _Atomic uint64_t *space_word(const struct heap *heap, int level,
                                    unsigned class, size_t position)
{
    return &heap->space[level][(position >> 6) * HEAP_CLASS_COUNT + class];
}

/* Each level is tested by itself: whoever died may have set only some. */
void mmi_heap_space_set(struct heap *heap, unsigned class, size_t unit)
{
    size_t position = unit;
    for (int level = 0; level < HEAP_SPACE_LEVELS; level++, position >>= 6) {
        _Atomic uint64_t *word = space_word(heap, level, class, position);
        uint64_t bit = UINT64_C(1) << (position & 63);
        if (!(atomic_load(word) & bit))
            atomic_fetch_or(word, bit);
    }
}

void mmi_heap_space_clear(struct heap *heap, unsigned class, size_t unit)
{
    size_t position = unit;
    for (int level = 0; level < HEAP_SPACE_LEVELS; level++, position >>= 6) {
        _Atomic uint64_t *word = space_word(heap, level, class, position);
        uint64_t bit = UINT64_C(1) << (position & 63);
        uint64_t others = atomic_fetch_and(word, ~bit) & ~bit;
        /* The word below was empty when we left it.  If it filled meanwhile,
         * whoever did that may have seen our bit still set. */
        if (level > 0 &&
            atomic_load(space_word(heap, level - 1, class, position << 6))) {
            atomic_fetch_or(word, bit);
            return;
        }
        if (others)
            return;
    }
}

size_t mmi_heap_space_next(const struct heap *heap, unsigned class, size_t from)
{
    size_t position = from;
    int level = 0;
    for (;;) {
        if (position >> 6 >= heap->space_count[level])
            return SIZE_MAX;
        uint64_t bits = get(space_word(heap, level, class, position)) &
                        (UINT64_MAX << (position & 63));
        if (bits) {
            position = (position & ~(size_t)63) | (size_t)__builtin_ctzll(bits);
            if (level == 0)
                return position < heap->unit_count ? position : SIZE_MAX;
            level--;
            position <<= 6;
        } else if (level < HEAP_SPACE_LEVELS - 1) {
            level++;
            position = (position >> 6) + 1;
        } else {
            position = ((position >> 6) + 1) << 6;
        }
    }
}
