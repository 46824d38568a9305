/* SPDX-License-Identifier: MIT */
/*
 * heap_small.c -- small objects: one bit in a self-describing word.
 *
 * An allocation is one compare-and-swap that clears a bit, a free one that sets
 * it.  What threads keep for themselves is in heap_magazine.c.  Where a thread
 * looks first is a private hint, verified by the compare-and-swap itself.
 */
#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/fault.h"
#include "heap/heap_parts.h"

enum { RETRY_MAX = 3 }; /* sweeps while others keep freeing */

/* Take a block of the word that HINT names, if there is one.  The word is
 * expected to be as we left it: reading it right after our own last update
 * would wait for that update to complete. */
static void *block_take(const struct heap *heap, struct heap_hint *hint,
                        unsigned class, size_t size)
{
    _Atomic uint64_t *where = &heap->words[hint->word];
    uint64_t word = hint->last;
    if (!((uint32_t)word & hint->mask))
        word = get(where);
    while (word >> 32 == hint->tag && ((uint32_t)word & hint->mask)) {
        unsigned bit = (unsigned)__builtin_ctz((uint32_t)word & hint->mask);
        uint64_t left = word & ~(UINT64_C(1) << bit);
        if (atomic_compare_exchange_strong_explicit(where, &word, left,
                                                    memory_order_acquire,
                                                    memory_order_relaxed)) {
            hint->last = left;
            set(&hint->sizes[bit], (uint16_t)size);
            return hint->first + (size_t)bit * mmi_heap_class_size[class];
        }
    }
    return NULL;
}

void *mmi_heap_small_alloc(struct heap *heap, struct heap_hints *hints,
                           unsigned class, size_t size)
{
    struct control *control = heap->control;
    for (int tries = 0; tries < RETRY_MAX; tries++) {
        uint64_t epoch = atomic_load(&control->epoch);
        if (hints->failed[class] == epoch + 1 && failure_holds(heap, hints))
            break;
        bool nothing = false;
        bool found = true;
        /* Others may take what was found, but not so often, unless they lie. */
        for (size_t turns = 0; found && turns < turns_max(heap); turns++) {
            struct heap_hint *hint = &hints->small[class];
            void *ptr = hint->tag ? block_take(heap, hint, class, size) : NULL;
            if (ptr)
                return ptr;
            found = mmi_heap_span_refill(heap, hints, class, &nothing) == 0;
        }
        if (!nothing && !found)
            return NULL;
        /* Nothing there.  Once more if that was before we asked to be told of
         * frees, or if there was one meanwhile. */
        if (ask_to_be_told(heap) && atomic_load(&control->epoch) == epoch)
            hints->failed[class] = epoch + 1;
    }
    mmi_heap_fail_fragmented(heap, size);
    return NULL;
}

int mmi_heap_block_give(struct heap *heap, struct heap_hints *hints,
                        const struct place *place)
{
    struct heap_hint *hint = hints ? &hints->small[place->class] : NULL;
    uint64_t bit = UINT64_C(1) << place->bit;
    if (!MUTANT(heap_size_late))
        set(place->size, 0);
    FAULT_POINT("heap.small.unsized");
    bool hinted = hint && &heap->words[hint->word] == place->word;
    uint64_t word = hinted ? hint->last : get(place->word);
    for (;;) {
        bool live = word_is(word, place->tag) && !(word & bit);
        if (live && atomic_compare_exchange_strong_explicit(
                        place->word, &word, word | bit, memory_order_seq_cst,
                        memory_order_relaxed))
            break;
        if (!live && get(place->word) == word)
            return mmi_fail_as(
                EINVAL, "mm:alloc: chunk of memory already in free list");
        word = get(place->word);
    }
    if (MUTANT(heap_size_late))
        set(place->size, 0);
    FAULT_POINT("heap.small.freed");
    if (hinted)
        hint->last = word | bit;
    if ((uint32_t)word == 0)
        mmi_heap_space_set(heap, place->class, place->unit);
    return 0;
}
