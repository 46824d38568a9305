/* SPDX-License-Identifier: MIT */
/*
 * heap_repair.c -- what the next holder of the lock does after a death.
 *
 * Whoever takes the internal lock and finds the busy mark walks the chain of
 * heads once: it settles an exact call, finishes a reset, merges free
 * neighbours, rewrites tails and ends, opens closed words, and fills bins and
 * space bits anew.  Only the chain and the words are believed; nothing is read
 * from the caches.  Small allocations and frees of others go on meanwhile.
 * Whoever dies in here leaves the mark, and the next one begins again.
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

/* Free every run, keeping its length, so that the chain stays as it is. */
static int finish_reset(struct heap *heap)
{
    struct run run;
    for (size_t unit = 0; unit < heap->unit_count; unit += run.length) {
        if (!run_read(heap, unit, &run))
            return mmi_heap_fail_damaged(heap, unit);
        if (run.kind == KIND_SMALL && !MUTANT(heap_reset_keeps_words))
            mmi_heap_span_close_words(heap, &run);
        if (run.kind != KIND_FREE)
            put(&heap->entries[unit].head,
                entry_make(KIND_FREE, 0, run.length));
    }
    mmi_heap_budget_reset(heap);
    atomic_fetch_add(&heap->control->epoch, 1);
    return 0;
}

/* Make the free RUN as long as the free heads that follow allow. */
static void merge_following(struct heap *heap, struct run *run)
{
    struct run next;
    size_t length = run->length;
    while (run->unit + length < heap->unit_count &&
           run_read(heap, run->unit + length, &next) && next.kind == KIND_FREE)
        length += next.length;
    if (length != run->length)
        put(&heap->entries[run->unit].head, entry_make(KIND_FREE, 0, length));
    run->length = length;
}

int mmi_heap_mend(struct heap *heap)
{
    struct control *control = heap->control;
    mmi_heap_exact_mend(heap);
    if (get(&control->resetting) && finish_reset(heap) < 0)
        return -1;

    mmi_heap_run_clear_bins(heap);
    struct run run;
    for (size_t unit = 0; unit < heap->unit_count; unit += run.length) {
        if (!run_read(heap, unit, &run))
            return mmi_heap_fail_damaged(heap, unit);
        if (run.kind == KIND_FREE) {
            merge_following(heap, &run);
            if (!MUTANT(heap_repair_no_bins))
                mmi_heap_run_insert(heap, unit, run.length);
        } else if (run.kind == KIND_LARGE) {
            mmi_heap_run_write_end(heap, unit, run.length);
        } else if (!MUTANT(heap_repair_keeps_shut) &&
                   mmi_heap_span_open_words(heap, &run)) {
            mmi_heap_space_set(heap, run.class, unit);
        }
    }
    set(&control->changes, get(&control->changes) + 1);
    put(&control->resetting, 0);
    return 0;
}

int mmi_heap_reset(struct heap *heap)
{
    if (mmi_heap_enter(heap) < 0)
        return -1;
    /* In this order: whoever allocates after the commit waits for the end, even
     * if we die, as what it got would be forgotten with the rest. */
    atomic_fetch_or(&heap->control->turn, TURN_RESET);
    put(&heap->control->resetting, 1);
    FAULT_POINT("heap.resetting");
    if (mmi_heap_mend(heap) < 0) {
        /* Still busy: for the next one to try. */
        mmi_heap_leave_looking(heap);
        return -1;
    }
    mmi_heap_leave(heap);
    return 0;
}

int mmi_heap_repair(struct heap *heap)
{
    if (mmi_heap_enter_to_look(heap) < 0)
        return -1;
    mmi_heap_leave_looking(heap);
    return 0;
}

void mmi_heap_owner_died(struct heap *heap)
{
    mmi_heap_note_dead(heap, 1, 0);
    mmi_heap_repair(heap);
}

int mmi_heap_fail_damaged(struct heap *heap, size_t unit)
{
    return mmi_fail_as(EUCLEAN,
                       "mm:alloc: the pool is damaged at offset %zu: no page "
                       "run can begin there",
                       unit_bytes(heap, unit));
}
