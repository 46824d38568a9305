/* SPDX-License-Identifier: MIT */
/*
 * heap_check.c -- verify every invariant of a heap.
 *
 * Works under the internal lock, beside small allocations and frees of others,
 * and believes nothing: a heap that was scribbled on yields a finding.
 *
 *   - the chain of heads tiles the payload; no two free runs are neighbours
 *   - a free run has its tail, and is in the right bin, once
 *   - a large run's size fits, its end does not look like a free tail
 *   - a span's entries point to its head, its words are open, name the right
 *     class and number, and have no blocks that the span has not; its blocks
 *     in magazines have owners
 *   - what was never committed is one free run
 */
#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "heap/heap_parts.h"

static int fail_at(const struct heap *heap, size_t unit, const char *finding)
{
    return mmi_fail_as(EUCLEAN,
                       "mm:alloc: the pool is damaged at offset %zu: %s",
                       unit_bytes(heap, unit), finding);
}

static int check_free(const struct heap *heap, const struct run *run,
                      bool after_free)
{
    size_t end = run->unit + run->length;
    if (after_free)
        return fail_at(heap, run->unit, "two free runs are neighbours");
    if (run->length > 1 && end < heap->unit_count &&
        get(&heap->entries[end - 1].head) !=
            entry_make(KIND_TAIL, 0, run->length))
        return fail_at(heap, run->unit, "a free run has no tail");
    return 0;
}

static int check_large(const struct heap *heap, const struct run *run)
{
    uint64_t size = get(&heap->entries[run->unit].link);
    if (size == 0 || size > unit_bytes(heap, run->length))
        return fail_at(heap, run->unit, "the size of an allocation is wrong");
    unsigned end =
        entry_kind(get(&heap->entries[run->unit + run->length - 1].head));
    if (run->length > 1 && (end == KIND_TAIL || end == KIND_FREE))
        return fail_at(heap, run->unit, "a run in use ends like a free one");
    return 0;
}

/* Blocks in magazines belong to somebody. */
static int check_marks(const struct heap *heap, const struct run *run,
                       size_t blocks)
{
    _Atomic uint16_t *sizes = span_sizes(heap, run->unit, run->class);
    for (size_t block = 0; block < blocks; block++) {
        size_t size = get(&sizes[block]);
        uint64_t word =
            get(&heap->words[span_word(heap, run->unit, block / 32)]);
        /* Who frees beside a reset may mark a block that is free already. */
        if (size >= MARK_FIRST && !(word >> block % 32 & 1) &&
            (size - MARK_FIRST >= heap->owner_count ||
             get(&heap->owners[size - MARK_FIRST]) == 0) &&
            get(&sizes[block]) == size)
            return fail_at(heap, run->unit,
                           "a block is in the magazine of nobody");
    }
    return 0;
}

static int check_span(const struct heap *heap, const struct run *run)
{
    for (size_t i = 1; i < run->length; i++)
        if (get(&heap->entries[run->unit + i].head) !=
            entry_cont(entry_make(KIND_SMALL, run->class, run->length), i))
            return fail_at(heap, run->unit + i,
                           "an entry of a span does not lead to its head");
    size_t blocks = span_blocks(heap, run);
    if (blocks == 0)
        return fail_at(heap, run->unit, "a span has no room for a block");
    for (size_t group = 0; group * 32 < blocks; group++) {
        uint64_t word = get(&heap->words[span_word(heap, run->unit, group)]);
        if (word >> 32 != word_tag(run->class, group))
            return fail_at(heap, run->unit, "a word of a span is wrong");
        if ((uint32_t)word & ~word_mask(blocks, group))
            return fail_at(heap, run->unit,
                           "a word has blocks beyond the end of its span");
    }
    return check_marks(heap, run, blocks);
}

static int check_chain(const struct heap *heap, size_t *free_count)
{
    size_t used_end = 0;
    bool after_free = false;
    struct run run;
    for (size_t unit = 0; unit < heap->unit_count; unit += run.length) {
        if (!run_read(heap, unit, &run))
            return fail_at(heap, unit, "no page run can begin there");
        int result;
        if (run.kind == KIND_FREE)
            result = check_free(heap, &run, after_free);
        else if (run.kind == KIND_LARGE)
            result = check_large(heap, &run);
        else
            result = check_span(heap, &run);
        if (result < 0)
            return -1;
        after_free = run.kind == KIND_FREE;
        if (after_free)
            ++*free_count;
        else
            used_end = unit + run.length;
    }
    if (used_end > get(&heap->control->committed))
        return fail_at(heap, used_end, "pages are used that were never had");
    return 0;
}

/* Every bin holds runs of its lengths only, linked both ways; with as many in
 * all as the chain has free runs, each is there once. */
static int check_bins(const struct heap *heap, size_t free_count)
{
    const struct control *control = heap->control;
    size_t seen = 0;
    for (unsigned bin = 0; bin < HEAP_BIN_COUNT; bin++) {
        uint32_t link = get(&control->bins[bin]);
        uint32_t previous = 0;
        if ((link != 0) != (get(&control->bin_map[bin / 64]) >> bin % 64 & 1))
            return fail_at(heap, 0, "the map of the bins is wrong");
        while (link != 0) {
            struct run run;
            if (link > heap->unit_count || seen++ > free_count ||
                !run_read(heap, link - 1, &run) || run.kind != KIND_FREE ||
                mmi_heap_run_bin(run.length) != bin ||
                (uint32_t)get(&heap->entries[link - 1].link) != previous)
                return fail_at(heap, link - 1, "a bin of free runs is wrong");
            previous = link;
            link = (uint32_t)(get(&heap->entries[link - 1].link) >> 32);
        }
    }
    if (seen != free_count)
        return fail_at(heap, 0, "a free run is in no bin");
    return 0;
}

int mmi_heap_check(struct heap *heap)
{
    if (mmi_heap_enter_to_look(heap) < 0)
        return -1;
    size_t free_count = 0;
    int result = check_chain(heap, &free_count);
    if (result == 0)
        result = check_bins(heap, free_count);
    mmi_heap_leave_looking(heap);
    return result;
}
