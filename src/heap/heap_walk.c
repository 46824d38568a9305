/* SPDX-License-Identifier: MIT */
/*
 * heap_walk.c -- looking at a heap: its allocations, its free runs, its
 * figures.
 *
 * The chain of heads is followed under the internal lock only.  Allocations are
 * collected in batches and shown without the lock, so that whoever looks may
 * use the heap; the place to go on from is an offset, found again if the chain
 * changed meanwhile.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/heap_parts.h"

enum { BATCH = 128 };

struct allocation {
    void *ptr;
    size_t size;
};

struct cursor {
    size_t unit;      /* a head, while changes stays the same */
    size_t offset;    /* in the payload: allocations before it were shown */
    uint64_t changes; /* of the chain, when unit was a head */
};

struct batch {
    struct allocation items[BATCH];
    size_t count;
};

/* Add what lives in the span RUN from CURSOR on; false if the batch is full. */
static bool collect_span(const struct heap *heap, const struct run *run,
                         struct cursor *cursor, struct batch *batch)
{
    size_t size = mmi_heap_class_size[run->class];
    size_t blocks = span_blocks(heap, run);
    size_t start = unit_bytes(heap, run->unit);
    size_t first =
        cursor->offset > start ? (cursor->offset - start + size - 1) / size : 0;
    for (size_t block = first; block < blocks; block++) {
        size_t live = live_size(heap, run, block);
        if (live == 0)
            continue;
        if (batch->count == BATCH)
            return false;
        batch->items[batch->count++] =
            (struct allocation){heap->payload + start + block * size, live};
        cursor->offset = start + (block + 1) * size;
    }
    return true;
}

static bool collect_run(const struct heap *heap, const struct run *run,
                        struct cursor *cursor, struct batch *batch)
{
    size_t start = unit_bytes(heap, run->unit);
    if (run->kind == KIND_SMALL)
        return collect_span(heap, run, cursor, batch);
    if (run->kind != KIND_LARGE || cursor->offset > start)
        return true;
    if (batch->count == BATCH)
        return false;
    batch->items[batch->count++] =
        (struct allocation){heap->payload + start, run_size(heap, run)};
    cursor->offset = start + 1;
    return true;
}

/* The next allocations from CURSOR on, none at the end. */
static int collect(struct heap *heap, struct cursor *cursor,
                   struct batch *batch)
{
    batch->count = 0;
    if (mmi_heap_enter_to_look(heap) < 0)
        return -1;
    uint64_t changes = get(&heap->control->changes);
    if (changes != cursor->changes)
        cursor->unit = 0;
    cursor->changes = changes;

    struct run run;
    int result = 0;
    while (cursor->unit < heap->unit_count) {
        if (!run_read(heap, cursor->unit, &run)) {
            result = mmi_heap_fail_damaged(heap, cursor->unit);
            break;
        }
        if (unit_bytes(heap, cursor->unit + run.length) > cursor->offset &&
            !collect_run(heap, &run, cursor, batch))
            break;
        cursor->unit += run.length;
    }
    mmi_heap_leave_looking(heap);
    return result;
}

int mmi_heap_walk(struct heap *heap,
                  int (*visit)(void *argument, void *ptr, size_t size),
                  void *argument)
{
    struct cursor cursor = {0};
    struct batch batch;
    do {
        if (collect(heap, &cursor, &batch) < 0)
            return -1;
        for (size_t i = 0; i < batch.count; i++) {
            int result =
                visit(argument, batch.items[i].ptr, batch.items[i].size);
            if (result != 0)
                return result;
        }
    } while (batch.count > 0);
    return 0;
}

int mmi_heap_free_runs(struct heap *heap,
                       void (*visit)(void *argument, void *ptr, size_t size),
                       void *argument)
{
    if (mmi_heap_enter_to_look(heap) < 0)
        return -1;
    int result = 0;
    struct run run;
    for (size_t unit = 0; unit < heap->unit_count; unit += run.length) {
        if (!run_read(heap, unit, &run)) {
            result = mmi_heap_fail_damaged(heap, unit);
            break;
        }
        if (run.kind == KIND_FREE)
            visit(argument, unit_address(heap, unit),
                  unit_bytes(heap, run.length));
    }
    mmi_heap_leave_looking(heap);
    return result;
}

static void add_span(const struct heap *heap, const struct run *run,
                     struct heap_stat *stat)
{
    size_t blocks = span_blocks(heap, run);
    stat->spans++;
    for (size_t block = 0; block < blocks; block++) {
        size_t live = live_size(heap, run, block);
        stat->small_count += live != 0;
        stat->used += live;
    }
}

int mmi_heap_stat(struct heap *heap, struct heap_stat *stat)
{
    struct control *control = heap->control;
    *stat = (struct heap_stat){0};
    size_t longest = 0;
    int64_t cost = 0;
    if (mmi_heap_enter_to_look(heap) < 0)
        return -1;
    int result = mmi_heap_budget_count(heap, &cost);
    struct run run;
    for (size_t unit = 0; result == 0 && unit < heap->unit_count;
         unit += run.length) {
        if (!run_read(heap, unit, &run)) {
            result = mmi_heap_fail_damaged(heap, unit);
        } else if (run.kind == KIND_FREE) {
            stat->free_runs++;
            longest = run.length > longest ? run.length : longest;
        } else if (run.kind == KIND_LARGE) {
            stat->large_count++;
            stat->used += run_size(heap, &run);
        } else {
            add_span(heap, &run, stat);
        }
    }
    mmi_heap_leave_looking(heap);
    if (result < 0)
        return -1;

    stat->used_count = stat->small_count + stat->large_count;
    stat->available =
        cost > (int64_t)heap->request ? 0 : heap->request - (size_t)cost;
    /* Both the budget and the pages limit a single allocation. */
    size_t budget = stat->available > 16 ? (stat->available - 16) & ~7ul : 0;
    size_t pages = unit_bytes(heap, longest);
    stat->largest_free = budget < pages ? budget : pages;
    size_t committed = get(&control->committed);
    stat->committed = unit_bytes(
        heap, committed < heap->unit_count ? committed : heap->unit_count);
    stat->repairs = get(&control->repairs);
    stat->failed = get(&control->failed);
    stat->dead_owners = get(&control->dead_owners);
    stat->reclaimed = get(&control->reclaimed);
    return 0;
}
