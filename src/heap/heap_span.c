/* SPDX-License-Identifier: MIT */
/*
 * heap_span.c -- spans: runs of units that are divided into small blocks.
 *
 * Spans belong to nobody: there is none to give back when a process dies.
 * Threads choose different ones where they can.  A span is opened by the commit
 * of its head, and closed, under the internal lock, by taking all its words
 * while all its blocks are free.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "heap/heap_parts.h"

/* Spans that others left, in search of an own one. */
enum { LOOK_MAX = 16 };

static size_t span_groups(size_t blocks)
{
    size_t groups = (blocks + 31) / 32;
    return groups > UINT16_MAX + 1 ? UINT16_MAX + 1 : groups;
}

/* The first word of RUN from group FROM on with a free block becomes HINT. */
static bool look_into_span(const struct heap *heap, const struct run *run,
                           size_t from, struct heap_hint *hint)
{
    size_t blocks = span_blocks(heap, run);
    size_t groups = span_groups(blocks);
    if (from >= groups) /* it was longer when FROM was found */
        from = 0;
    for (size_t i = 0; i < groups; i++) {
        size_t group = from + i < groups ? from + i : from + i - groups;
        uint64_t index = span_word(heap, run->unit, group);
        uint64_t word = atomic_load(&heap->words[index]);
        uint32_t tag = word_tag(run->class, group);
        uint32_t mask = word_mask(blocks, group);
        if (word >> 32 == tag && ((uint32_t)word & mask)) {
            hint->last = word;
            hint->tag = tag;
            hint->mask = mask;
            hint->word = index;
            hint->first = unit_address(heap, run->unit) +
                          group * 32 * mmi_heap_class_size[run->class];
            hint->sizes = span_sizes(heap, run->unit, run->class) + group * 32;
            return true;
        }
    }
    return false;
}

/* Who works in a span, or did last: a wish to be left alone, so that threads
 * do not share lines; nothing depends on it. */
static const uint32_t LEFT = UINT32_C(1) << 31;

static void leave_span(struct heap *heap, const struct heap_hints *hints,
                       size_t unit)
{
    if (get(&heap->users[unit]) == hints->self)
        set(&heap->users[unit], hints->self | LEFT);
}

/* A thread's first choice: spans of nobody, and those that it left, as what it
 * frees lies there. */
static bool claim_span(struct heap *heap, const struct heap_hints *hints,
                       size_t unit)
{
    uint32_t user = get(&heap->users[unit]);
    return user == hints->self ||
           ((user == 0 || user == (hints->self | LEFT)) &&
            atomic_compare_exchange_strong(&heap->users[unit], &user,
                                           hints->self));
}

/* The second: the span at UNIT, which another thread left. */
static bool inherit_span(struct heap *heap, const struct heap_hints *hints,
                         unsigned class, size_t unit, struct heap_hint *hint)
{
    struct run run;
    uint32_t user = get(&heap->users[unit]);
    return run_read(heap, unit, &run) && run.kind == KIND_SMALL &&
           run.class == class && look_into_span(heap, &run, 0, hint) &&
           (user & LEFT) &&
           atomic_compare_exchange_strong(&heap->users[unit], &user,
                                          hints->self);
}

/* The span at UNIT has no free block: say so, unless one was freed just now.
 * True if there is one after all, in HINT. */
static bool retire_span(struct heap *heap, unsigned class, size_t unit,
                        struct heap_hint *hint)
{
    mmi_heap_space_clear(heap, class, unit);
    struct run run;
    if (!run_read(heap, unit, &run) || run.kind != KIND_SMALL ||
        run.class != class || !look_into_span(heap, &run, 0, hint))
        return false;
    mmi_heap_space_set(heap, class, unit);
    return true;
}

/* Find a span of CLASS with a free block: one that this thread left, else one
 * that another left, else, if SHARE or if there are many already, one that
 * somebody works in. */
static bool find_span(struct heap *heap, struct heap_hints *hints,
                      unsigned class, bool share, struct heap_hint *hint)
{
    size_t crowd = share ? 1 : heap->crowds[class];
    size_t taken = 0;
    size_t left = 0;
    size_t candidate = SIZE_MAX;
    size_t inheritance = SIZE_MAX;
    for (size_t unit = mmi_heap_space_next(heap, class, 0); unit != SIZE_MAX;
         unit = mmi_heap_space_next(heap, class, unit + 1)) {
        struct run run;
        bool usable = run_read(heap, unit, &run) && run.kind == KIND_SMALL &&
                      run.class == class && look_into_span(heap, &run, 0, hint);
        if (!usable && !retire_span(heap, class, unit, hint))
            continue;
        if (claim_span(heap, hints, unit))
            return true;
        if (get(&heap->users[unit]) & LEFT) {
            if (inheritance == SIZE_MAX)
                inheritance = unit;
            if (++left >= LOOK_MAX)
                break;
            continue;
        }
        /* Any of them will do, but not the same one for everybody. */
        taken++;
        if (candidate == SIZE_MAX || hints->self % taken == 0)
            candidate = unit;
        if (taken >= crowd && (!share || taken >= heap->host.parallel))
            break;
    }
    if (inheritance != SIZE_MAX &&
        inherit_span(heap, hints, class, inheritance, hint))
        return true;
    struct run run;
    if (candidate == SIZE_MAX || (!share && taken < crowd) ||
        !run_read(heap, candidate, &run) || run.kind != KIND_SMALL ||
        run.class != class || !look_into_span(heap, &run, 0, hint))
        return false;
    /* Whoever worked in it may be dead; now it is our wish that counts. */
    set(&heap->users[candidate], hints->self);
    return true;
}

bool mmi_heap_span_open_words(struct heap *heap, const struct run *run)
{
    size_t blocks = span_blocks(heap, run);
    bool any = false;
    for (size_t group = 0; group < span_groups(blocks); group++) {
        _Atomic uint64_t *word =
            &heap->words[span_word(heap, run->unit, group)];
        uint64_t now = get(word);
        if (now >> 32 == 0) {
            now = word_make(word_tag(run->class, group),
                            word_mask(blocks, group));
            put(word, now);
        }
        any = any || (uint32_t)now != 0;
    }
    return any;
}

void mmi_heap_span_close_words(struct heap *heap, const struct run *run)
{
    size_t blocks = span_blocks(heap, run);
    for (size_t group = 0; group < span_groups(blocks); group++)
        put(&heap->words[span_word(heap, run->unit, group)], 0);
    _Atomic uint16_t *sizes = span_sizes(heap, run->unit, run->class);
    for (size_t block = 0; block < blocks; block++)
        if (get(&sizes[block]) != 0)
            set(&sizes[block], 0);
}

/* Make the RUN taken a span of LENGTH units, and its first word HINT. */
static void open_span(struct heap *heap, const struct heap_hints *hints,
                      struct run *run, size_t length, unsigned class,
                      struct heap_hint *hint)
{
    uint64_t head = entry_make(KIND_SMALL, class, length);
    for (size_t i = 1; i < length; i++)
        set(&heap->entries[run->unit + i].head, entry_cont(head, i));
    set(&heap->users[run->unit], hints->self);
    if (MUTANT(heap_words_first))
        mmi_heap_span_open_words(
            heap,
            &(struct run){.unit = run->unit, .length = length, .class = class});
    mmi_heap_run_commit(heap, run, length, KIND_SMALL, class);
    run->length = length;
    run->class = class;
    mmi_heap_span_open_words(heap, run);
    FAULT_POINT("heap.span.opened");
    mmi_heap_space_set(heap, class, run->unit);
    look_into_span(heap, run, 0, hint);
}

/* Close the span RUN if all its blocks are free.  *END then becomes the unit
 * after what became one free run. */
static bool close_span(struct heap *heap, const struct run *run, size_t *end)
{
    size_t blocks = span_blocks(heap, run);
    size_t groups = span_groups(blocks);
    for (size_t group = 0; group < groups; group++) {
        uint64_t free_word =
            word_make(word_tag(run->class, group), word_mask(blocks, group));
        if (!atomic_compare_exchange_strong(
                &heap->words[span_word(heap, run->unit, group)], &free_word,
                0)) {
            mmi_heap_span_open_words(heap, run);
            mmi_heap_space_set(heap, run->class, run->unit);
            return false;
        }
    }
    FAULT_POINT("heap.span.closed");
    mmi_heap_space_clear(heap, run->class, run->unit);
    *end = mmi_heap_run_release(heap, run->unit);
    return true;
}

bool mmi_heap_span_reclaim(struct heap *heap, unsigned keep)
{
    bool any = false;
    struct run run;
    size_t next;
    for (size_t unit = 0; unit < heap->unit_count && run_read(heap, unit, &run);
         unit = next) {
        next = unit + run.length;
        if (run.kind != KIND_SMALL || run.class == keep)
            continue;
        /* A look without writing spares the spans in use. */
        uint64_t first = get(&heap->words[span_word(heap, unit, 0)]);
        if ((uint32_t)first == word_mask(span_blocks(heap, &run), 0) &&
            close_span(heap, &run, &next))
            any = true;
    }
    return any;
}

/* Under the internal lock: a block of CLASS, wherever it may come from.  False
 * if there is none; *FAILED if that was recorded. */
static bool refill_locked(struct heap *heap, struct heap_hints *hints,
                          unsigned class, struct heap_hint *hint, bool *failed)
{
    struct run run;
    bool no_pages = false;
    /* If the pool is in pieces, a shorter span will do, down to one block. */
    size_t least = units_for(heap, mmi_heap_class_size[class]);
    size_t length = entry_length(heap->classes[class].head);
    for (;;) {
        if (mmi_heap_run_find(heap, length, 1, class, &run, failed)) {
            open_span(heap, hints, &run, length, class, hint);
            return true;
        }
        no_pages = no_pages || *failed;
        if (length <= least)
            break;
        length = length / 2 > least ? length / 2 : least;
    }

    /* The space bits may have died with those who were to set them. */
    bool found = false;
    for (size_t unit = 0;
         !found && unit < heap->unit_count && run_read(heap, unit, &run);
         unit += run.length)
        if (run.kind == KIND_SMALL && run.class == class &&
            look_into_span(heap, &run, 0, hint)) {
            mmi_heap_space_set(heap, class, unit);
            found = true;
        }
    *failed = no_pages && !found;
    return found;
}

/* Let HINT name another word with a free block, of spans that there are. */
static bool refill_from_spans(struct heap *heap, struct heap_hints *hints,
                              unsigned class, struct heap_hint *hint)
{
    if (hint->tag) {
        size_t group = hint->tag >> 16;
        size_t unit = (hint->word - group) >> heap->words_shift;
        struct run run;
        if (run_read(heap, unit, &run) && run.kind == KIND_SMALL &&
            run.class == class && look_into_span(heap, &run, group + 1, hint))
            return true;
        leave_span(heap, hints, unit);
        hint->last = 0;
        hint->tag = 0;
    }
    return find_span(heap, hints, class, false, hint);
}

/* Or of anything that can be found under the internal lock: in the end, after
 * the blocks that dead threads had in magazines were freed. */
static bool refill_from_pages(struct heap *heap, struct heap_hints *hints,
                              unsigned class, struct heap_hint *hint,
                              bool *failed)
{
    return refill_locked(heap, hints, class, hint, failed) ||
           (mmi_heap_magazine_sweep(heap) &&
            refill_locked(heap, hints, class, hint, failed));
}

bool mmi_heap_span_find(struct heap *heap, struct heap_hints *hints,
                        unsigned class, bool *failed)
{
    struct heap_hint *hint = &hints->small[class];
    *failed = false;
    return refill_from_spans(heap, hints, class, hint) ||
           refill_from_pages(heap, hints, class, hint, failed) ||
           (!*failed && find_span(heap, hints, class, true, hint));
}

int mmi_heap_span_refill(struct heap *heap, struct heap_hints *hints,
                         unsigned class, bool *nothing)
{
    struct heap_hint *hint = &hints->small[class];
    if (refill_from_spans(heap, hints, class, hint))
        return 0;
    if (!mmi_heap_try_enter(heap)) {
        /* Somebody is inside, and may be stopped.  Do not wait for him while
         * there is a block to be had. */
        if (find_span(heap, hints, class, true, hint))
            return 0;
        if (mmi_heap_enter(heap) < 0)
            return -1;
    }
    bool failed;
    bool found = refill_from_pages(heap, hints, class, hint, &failed);
    mmi_heap_leave(heap);
    if (failed)
        return -1;
    if (!found && !find_span(heap, hints, class, true, hint)) {
        *nothing = true;
        return -1;
    }
    return 0;
}
