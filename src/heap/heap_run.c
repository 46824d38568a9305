/* SPDX-License-Identifier: MIT */
/*
 * heap_run.c -- runs of units: find, split, merge, resize.
 *
 * Everything here is called under the internal lock, between the busy mark and
 * its removal.  Each change of the chain of heads is one store; what is written
 * before it cannot be reached by the chain yet, and what is written after it
 * (bins, tails) is a cache that mmi_heap_mend() rebuilds from the chain.
 *
 * Free runs are kept in bins by length, four for each doubling, as in the
 * two-level segregated fit of Masmano et al. (2004); links are unit numbers in
 * the entries, so that free payload is never touched.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "heap/heap_parts.h"

enum {
    LOOK_FIRST = 16,          /* runs of the exact bin tried for a good fit */
    COMMIT_MAX = 1024 * 1024, /* bytes set aside at once */
    COMMIT_MIN = 64 * 1024,
};

unsigned mmi_heap_run_bin(size_t length)
{
    unsigned log = 63u - (unsigned)__builtin_clzll(length);
    unsigned quarter =
        log >= 2 ? (length >> (log - 2)) & 3 : (length << (2 - log)) & 3;
    return log * 4 + quarter;
}

/* Links of a free run: the units after and before it in its bin, plus one. */
static uint64_t make_links(uint32_t next, uint32_t previous)
{
    return (uint64_t)next << 32 | previous;
}

static uint32_t next_of(const struct heap *heap, size_t unit)
{
    return (uint32_t)(get(&heap->entries[unit].link) >> 32);
}

static uint32_t previous_of(const struct heap *heap, size_t unit)
{
    return (uint32_t)get(&heap->entries[unit].link);
}

/* A scribbled link must not lead out of the entries. */
static bool is_link(const struct heap *heap, uint32_t link)
{
    return link != 0 && link <= heap->unit_count;
}

void mmi_heap_run_clear_bins(struct heap *heap)
{
    for (unsigned bin = 0; bin < HEAP_BIN_COUNT; bin++)
        set(&heap->control->bins[bin], 0);
    for (unsigned i = 0; i < HEAP_BIN_COUNT / 64; i++)
        set(&heap->control->bin_map[i], 0);
}

void mmi_heap_run_insert(struct heap *heap, size_t unit, size_t length)
{
    struct control *control = heap->control;
    /* The run at the very end needs no tail: nobody looks back from there, and
     * its page stays untouched. */
    if (length > 1 && unit + length < heap->unit_count)
        put(&heap->entries[unit + length - 1].head,
            entry_make(KIND_TAIL, 0, length));

    unsigned bin = mmi_heap_run_bin(length);
    uint32_t first = get(&control->bins[bin]);
    if (!is_link(heap, first))
        first = 0;
    set(&heap->entries[unit].link, make_links(first, 0));
    if (first)
        set(&heap->entries[first - 1].link,
            make_links(next_of(heap, first - 1), (uint32_t)unit + 1));
    set(&control->bins[bin], (uint32_t)unit + 1);
    set(&control->bin_map[bin / 64],
        get(&control->bin_map[bin / 64]) | UINT64_C(1) << bin % 64);
}

static void remove_run(struct heap *heap, size_t unit, size_t length)
{
    struct control *control = heap->control;
    unsigned bin = mmi_heap_run_bin(length);
    uint32_t next = next_of(heap, unit);
    uint32_t previous = previous_of(heap, unit);
    if (is_link(heap, next))
        set(&heap->entries[next - 1].link,
            make_links(next_of(heap, next - 1), previous));
    else
        next = 0;
    if (is_link(heap, previous)) {
        set(&heap->entries[previous - 1].link,
            make_links(next, previous_of(heap, previous - 1)));
        return;
    }
    set(&control->bins[bin], next);
    if (next == 0)
        set(&control->bin_map[bin / 64],
            get(&control->bin_map[bin / 64]) & ~(UINT64_C(1) << bin % 64));
}

/* Units from the start of RUN to the first address that is a multiple of
 * ALIGN. */
static size_t units_to_alignment(const struct heap *heap, size_t unit,
                                 size_t align)
{
    uintptr_t at = (uintptr_t)unit_address(heap, unit);
    uintptr_t aligned = (at + (align - 1)) & ~(uintptr_t)(align - 1);
    return (aligned - at) >> heap->unit_shift;
}

static bool run_fits(const struct heap *heap, const struct run *run,
                     size_t length, size_t align)
{
    size_t skip = units_to_alignment(heap, run->unit, align);
    return run->kind == KIND_FREE && run->length >= length &&
           skip <= run->length - length;
}

/* The first run in BIN that fits.  *LIMIT bounds how many are tried: scribbled
 * links may form circles. */
static bool find_in_bin(const struct heap *heap, unsigned bin, size_t length,
                        size_t align, size_t *limit, struct run *run)
{
    uint32_t link = get(&heap->control->bins[bin]);
    while (is_link(heap, link) && *limit > 0) {
        --*limit;
        if (run_read(heap, link - 1, run) && run_fits(heap, run, length, align))
            return true;
        link = next_of(heap, link - 1);
    }
    return false;
}

/* The next bin from BIN on that is not empty; HEAP_BIN_COUNT if all are. */
static unsigned next_bin(const struct heap *heap, unsigned bin)
{
    while (bin < HEAP_BIN_COUNT) {
        uint64_t map = get(&heap->control->bin_map[bin / 64]) >> bin % 64;
        if (map)
            return bin + (unsigned)__builtin_ctzll(map);
        bin = (bin / 64 + 1) * 64;
    }
    return HEAP_BIN_COUNT;
}

/* A good fit: a few of the bin that may hold runs too short, else the first of
 * the next bin, else whatever fits. */
static bool find_run(const struct heap *heap, size_t length, size_t align,
                     struct run *run)
{
    unsigned own = mmi_heap_run_bin(length);
    size_t few = LOOK_FIRST;
    size_t limit = 2 * heap->unit_count;
    if (find_in_bin(heap, own, length, align, &few, run))
        return true;
    for (unsigned bin = next_bin(heap, own + 1); bin < HEAP_BIN_COUNT;
         bin = next_bin(heap, bin + 1))
        if (find_in_bin(heap, bin, length, align, &limit, run))
            return true;
    return find_in_bin(heap, own, length, align, &limit, run);
}

/* Have [first, last) of the array at BASE with elements of SIZE committed. */
static int commit_range(struct heap *heap, const void *base, size_t size,
                        size_t first, size_t last)
{
    size_t start = (size_t)((const char *)base - heap->block);
    return heap->host.commit(heap->host.context, start + first * size,
                             (last - first) * size);
}

/* Have the first END units, and all that describes them, set aside. */
static int commit_units(struct heap *heap, size_t end)
{
    size_t from = get(&heap->control->committed);
    if (from > heap->unit_count)
        from = 0;
    if (end <= from)
        return 0;

    size_t step = heap->request / 4;
    step = step > COMMIT_MAX   ? COMMIT_MAX
           : step < COMMIT_MIN ? COMMIT_MIN
                               : step;
    size_t units = units_for(heap, step);
    if (end - from < units)
        end = heap->unit_count - from < units ? heap->unit_count : from + units;

    size_t words = (size_t)1 << heap->words_shift;
    /* One entry more: a remainder may begin at END. */
    size_t entry_end = end < heap->unit_count ? end + 1 : end;
    if (commit_range(heap, heap->payload, unit_bytes(heap, 1), from, end) < 0 ||
        commit_range(heap, heap->words, words * 8, from, end) < 0 ||
        commit_range(heap, heap->entries, sizeof(struct entry), from,
                     entry_end) < 0 ||
        commit_range(heap, heap->users, sizeof *heap->users, from, end) < 0)
        return -1;
    for (unsigned granule = 0; granule < HEAP_GRANULES; granule++)
        if (commit_range(heap, heap->sizes[granule],
                         (size_t)2
                             << (heap->unit_shift - granule_shift(granule)),
                         from, end) < 0)
            return -1;
    size_t shift = 6;
    for (int level = 0; level < HEAP_SPACE_LEVELS; level++, shift += 6)
        if (commit_range(heap, heap->space[level], 8 * HEAP_CLASS_COUNT,
                         from >> shift, ((end - 1) >> shift) + 1) < 0)
            return -1;
    put(&heap->control->committed, end);
    return 0;
}

static void note_change(struct heap *heap)
{
    set(&heap->control->changes, get(&heap->control->changes) + 1);
}

/* Take RUN, just found, out of its bin, and let it begin at ALIGN. */
static bool take_run(struct heap *heap, size_t length, size_t align,
                     struct run *run)
{
    size_t skip = units_to_alignment(heap, run->unit, align);
    if (commit_units(heap, run->unit + skip + length) < 0)
        return false;
    remove_run(heap, run->unit, run->length);
    if (skip > 0) {
        /* Two free runs for a moment: the second head cannot be reached until
         * the first one is made shorter. */
        size_t unit = run->unit;
        run->unit += skip;
        run->length -= skip;
        put(&heap->entries[run->unit].head,
            entry_make(KIND_FREE, 0, run->length));
        put(&heap->entries[unit].head, entry_make(KIND_FREE, 0, skip));
        note_change(heap);
        mmi_heap_run_insert(heap, unit, skip);
    }
    return true;
}

bool mmi_heap_run_find(struct heap *heap, size_t length, size_t align,
                       unsigned keep, struct run *run, bool *failed)
{
    struct control *control = heap->control;
    *failed = false;
    if (length == 0 || length > heap->unit_count)
        return false;

    bool found = find_run(heap, length, align, run);
    /* Empty spans are worth a search before new pages are used; not each time,
     * so that its cost stays in proportion to the growth. */
    uint64_t committed = get(&control->committed);
    if (!found || (run->unit + length > committed &&
                   committed >= get(&control->reclaim_at))) {
        set(&control->reclaim_at, committed + committed / 4);
        if (mmi_heap_span_reclaim(heap, keep))
            found = find_run(heap, length, align, run);
    }
    if (!found)
        return false;
    if (take_run(heap, length, align, run))
        return true;
    /* There are no more pages: what empty spans have will do. */
    if (mmi_heap_span_reclaim(heap, keep) &&
        find_run(heap, length, align, run) &&
        take_run(heap, length, align, run))
        return true;
    *failed = true;
    return false;
}

void mmi_heap_run_write_end(struct heap *heap, size_t unit, size_t length)
{
    if (length > 1)
        put(&heap->entries[unit + length - 1].head,
            entry_make(KIND_END, 0, length));
}

void mmi_heap_run_commit(struct heap *heap, const struct run *run,
                         size_t length, unsigned kind, unsigned class)
{
    size_t rest = run->length - length;
    if (MUTANT(heap_rest_late))
        put(&heap->entries[run->unit].head, entry_make(kind, class, length));
    if (rest > 0)
        put(&heap->entries[run->unit + length].head,
            entry_make(KIND_FREE, 0, rest));
    FAULT_POINT("heap.run.ready");
    put(&heap->entries[run->unit].head, entry_make(kind, class, length));
    FAULT_POINT("heap.run.committed");
    /* Not before: a run that grew by one unit ends where a head was. */
    if (kind == KIND_LARGE)
        mmi_heap_run_write_end(heap, run->unit, length);
    note_change(heap);
    if (rest > 0)
        mmi_heap_run_insert(heap, run->unit + length, rest);
}

size_t mmi_heap_run_release(struct heap *heap, size_t unit)
{
    struct run run;
    if (!run_read(heap, unit, &run))
        return unit + 1;
    size_t length = run.length;
    put(&heap->entries[unit].head, entry_make(KIND_FREE, 0, length));
    FAULT_POINT("heap.run.freed");

    struct run next;
    if (unit + length < heap->unit_count &&
        run_read(heap, unit + length, &next) && next.kind == KIND_FREE) {
        remove_run(heap, next.unit, next.length);
        length += next.length;
        put(&heap->entries[unit].head, entry_make(KIND_FREE, 0, length));
    }
    if (unit > 0) {
        uint64_t tag = get(&heap->entries[unit - 1].head);
        size_t back = entry_kind(tag) == KIND_TAIL   ? entry_length(tag)
                      : entry_kind(tag) == KIND_FREE ? 1
                                                     : 0;
        struct run before;
        if (back > 0 && back <= unit && run_read(heap, unit - back, &before) &&
            before.kind == KIND_FREE && before.length == back) {
            remove_run(heap, before.unit, back);
            unit -= back;
            length += back;
            put(&heap->entries[unit].head, entry_make(KIND_FREE, 0, length));
        }
    }
    note_change(heap);
    if (MUTANT(heap_busy_early))
        put(&heap->control->busy, 0);
    mmi_heap_run_insert(heap, unit, length);
    return unit + length;
}

bool mmi_heap_run_extend(struct heap *heap, const struct run *run,
                         size_t length, bool *failed)
{
    *failed = false;
    struct run next;
    size_t end = run->unit + run->length;
    if (length > heap->unit_count - run->unit || end >= heap->unit_count ||
        !run_read(heap, end, &next) || next.kind != KIND_FREE ||
        run->length + next.length < length)
        return false;
    if (commit_units(heap, run->unit + length) < 0) {
        *failed = true;
        return false;
    }
    remove_run(heap, next.unit, next.length);
    struct run joined = *run;
    joined.length += next.length;
    mmi_heap_run_commit(heap, &joined, length, KIND_LARGE, 0);
    return true;
}

void mmi_heap_run_shorten(struct heap *heap, const struct run *run,
                          size_t length)
{
    size_t rest = run->unit + length;
    if (MUTANT(heap_shorten_head_first))
        put(&heap->entries[run->unit].head, entry_make(KIND_LARGE, 0, length));
    put(&heap->entries[rest].head,
        entry_make(KIND_FREE, 0, run->length - length));
    mmi_heap_run_write_end(heap, run->unit, length);
    put(&heap->entries[run->unit].head, entry_make(KIND_LARGE, 0, length));
    /* The rest is a free run of its own by now: merge and bin it. */
    mmi_heap_run_release(heap, rest);
}
