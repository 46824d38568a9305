/* SPDX-License-Identifier: MIT */
/*
 * heap_exact.c -- allocations that change together with a word of the pool.
 *
 * Whoever dies in an ordinary allocation may have taken a block that nobody
 * knows of.  Here the caller names a *cell*, a word of the pool that holds the
 * offset of a block in the heap's block, or 0, and at each instruction the live
 * blocks are exactly those that cells say: the store to the cell is the commit.
 *
 * All of it happens under the internal lock.  First an *intent* is noted: the
 * cell, what it holds, and what it will hold.  Then the new block is taken by a
 * compare-and-swap that also sets the flag PENDING of its word, and the same
 * flag is set for the old one: so whoever repairs knows for certain that the
 * block is in the hands of the dead, although others take and free blocks
 * without the lock.  After the commit both are settled.  A repair settles them
 * by the same function: the cell says whether the commit came to pass.  Page
 * runs change under the lock only and need no flag.
 *
 * The old block is known to others, who may free it by its address before
 * anybody repairs.  So its size becomes MARK_PENDING for that time: whoever
 * meets it takes the lock first.
 *
 * The detectable single-word updates of Friedman et al. (2018) and of memento
 * style allocators need versions and announcements; one lock holder at a time
 * and a spare bit in the word are enough here.
 *
 * A resize that moves is the same with a cell of the heap's own, so that there
 * is one block at each instant, the old or the new one.
 */
#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/fail.h"
#include "base/fault.h"
#include "heap/heap_parts.h"

/* What is asked for: CELL holds OLD, and will hold a block of SIZE bytes, or
 * nothing if SIZE is 0. */
struct exchange {
    _Atomic size_t *cell;
    size_t old;
    size_t old_size;
    size_t size;
    size_t new;      /* the result */
    bool only_empty; /* it may not hold anything */
    bool done;
    bool failed; /* the reason is recorded */
};

static size_t offset_of(const struct heap *heap, const void *ptr)
{
    return (size_t)((uintptr_t)ptr - (uintptr_t)heap->block);
}

static char *address_of(const struct heap *heap, size_t offset)
{
    return (char *)((uintptr_t)heap->block + offset);
}

/* The cell at OFFSET; NULL if there can be none. */
static _Atomic size_t *find_cell(const struct heap *heap, size_t offset)
{
    char *at = address_of(heap, offset);
    if (offset == offset_of(heap, (char *)&heap->control->moving))
        return &heap->control->moving;
    /* Payload ends at a page, so that an aligned word lies in it as a whole. */
    if (!mmi_heap_contains(heap, at) ||
        (uintptr_t)at % _Alignof(_Atomic size_t) != 0)
        return NULL;
    return (_Atomic size_t *)(void *)at;
}

/* --- settling ------------------------------------------------------------ */

/* The block at PLACE is not in anybody's hands any more: it stays taken if it
 * is to be KEPT, else it is free.  False if that was done before. */
static bool settle_block(struct heap *heap, const struct place *place,
                         bool kept)
{
    uint16_t mark = MARK_PENDING;
    uint16_t size = (uint16_t)get(&heap->control->intent_size);
    if (kept && size < MARK_FIRST)
        atomic_compare_exchange_strong(place->size, &mark, size);
    uint64_t word = get(place->word);
    uint64_t bit = kept ? 0 : UINT64_C(1) << place->bit;
    if (!(word & WORD_PENDING))
        return false;
    if (!kept)
        set(place->size, 0);
    uint64_t settled;
    do {
        if (!word_is(word, place->tag) || !(word & WORD_PENDING))
            return false;
        settled = (word & ~WORD_PENDING) | bit;
    } while (!atomic_compare_exchange_weak(place->word, &word, settled));
    /* Others passed over the word meanwhile. */
    if ((uint32_t)settled != 0)
        mmi_heap_space_set(heap, place->class, place->unit);
    return true;
}

/* The same for whatever is at OFFSET.  While the chain is mended, runs are not
 * merged. */
static void settle_at(struct heap *heap, size_t offset, bool kept, bool mending)
{
    struct place place;
    struct run run;
    bool settled = false;
    if (offset == 0 || !place_find(heap, address_of(heap, offset), &place))
        return;
    if (place.kind == KIND_SMALL) {
        settled = settle_block(heap, &place, kept);
    } else if (!kept && !mending) {
        mmi_heap_run_release(heap, place.unit);
    } else if (!kept && run_read(heap, place.unit, &run)) {
        put(&heap->entries[run.unit].head,
            entry_make(KIND_FREE, 0, run.length));
        settled = true;
    }
    if (settled && mending && !kept)
        mmi_heap_note_dead(heap, 0, 1);
}

/* Whatever was begun is completed if the cell says so, else undone. */
static void settle(struct heap *heap, bool mending)
{
    struct control *control = heap->control;
    uint64_t old = get(&control->intent_old);
    uint64_t new = get(&control->intent_new);
    uint64_t offset = get(&control->intent_cell);
    const _Atomic size_t *cell =
        offset <= SIZE_MAX ? find_cell(heap, (size_t)offset) : NULL;
    if (offset != 0 && cell && old <= SIZE_MAX && new <= SIZE_MAX) {
        bool committed = atomic_load(cell) == new;
        settle_at(heap, (size_t) new, committed, mending);
        settle_at(heap, (size_t)old, !committed, mending);
    }
    put(&control->intent_cell, 0);
}

void mmi_heap_exact_mend(struct heap *heap)
{
    if (get(&heap->control->intent_cell) != 0 && !MUTANT(exact_not_settled))
        settle(heap, true);
}

/* --- taking, under the internal lock -------------------------------------- */

/* Take a block of the word that HINT names, if there is one. */
static bool take_pending(struct heap *heap, struct heap_hint *hint,
                         unsigned class, struct exchange *exchange)
{
    _Atomic uint64_t *where = &heap->words[hint->word];
    uint64_t word = atomic_load(where);
    hint->last = 0; /* the word changes behind its back */
    while (word >> 32 == hint->tag && ((uint32_t)word & hint->mask)) {
        unsigned bit = (unsigned)__builtin_ctz((uint32_t)word & hint->mask);
        char *ptr = hint->first + (size_t)bit * mmi_heap_class_size[class];
        uint64_t taken = (word & ~(UINT64_C(1) << bit)) |
                         (MUTANT(exact_no_pending) ? 0 : WORD_PENDING);
        put(&heap->control->intent_new, offset_of(heap, ptr));
        if (atomic_compare_exchange_strong(where, &word, taken)) {
            set(&hint->sizes[bit], (uint16_t)exchange->size);
            exchange->new = offset_of(heap, ptr);
            return true;
        }
    }
    return false;
}

static bool take_small(struct heap *heap, struct heap_hints *hints,
                       struct exchange *exchange)
{
    unsigned class = class_of(exchange->size);
    struct heap_hint *hint = &hints->small[class];
    /* Others may take what was found, but not so often, unless they lie. */
    for (size_t turns = 0; turns < turns_max(heap); turns++) {
        if (hint->tag && take_pending(heap, hint, class, exchange))
            return true;
        if (!mmi_heap_span_find(heap, hints, class, &exchange->failed))
            return false;
    }
    return false;
}

static bool take_large(struct heap *heap, struct exchange *exchange)
{
    size_t length = units_for(heap, exchange->size);
    struct run run;
    bool *failed = &exchange->failed;
    if (!mmi_heap_run_find(heap, length, 1, HEAP_CLASS_COUNT, &run, failed) &&
        (*failed || !mmi_heap_magazine_sweep(heap) ||
         !mmi_heap_run_find(heap, length, 1, HEAP_CLASS_COUNT, &run, failed)))
        return false;
    exchange->new = offset_of(heap, unit_address(heap, run.unit));
    put(&heap->control->intent_new, exchange->new);
    set(&heap->entries[run.unit].link, exchange->size);
    mmi_heap_run_commit(heap, &run, length, KIND_LARGE, 0);
    return true;
}

/* Have the block that the cell holds in hand; -1 after mmi_fail_as(). */
static int take_old(struct heap *heap, struct exchange *exchange)
{
    struct place place;
    const char *ptr = address_of(heap, exchange->old);
    struct run run;
    if (!place_find(heap, ptr, &place))
        return mmi_heap_fail_no_allocation();
    if (place.kind == KIND_LARGE) {
        if (!run_read(heap, place.unit, &run) || run.kind != KIND_LARGE)
            return mmi_heap_fail_no_allocation();
        exchange->old_size = run_size(heap, &run);
        return 0;
    }
    uint16_t size = get(place.size);
    if (!place_taken(&place))
        return mmi_heap_fail_no_allocation();
    exchange->old_size = clip_size(size, place.class);
    /* It was another one that had to move.  One word has one PENDING: the old
     * block and the new one are never of the same class. */
    if (exchange->size != 0 &&
        exchange->size <= mmi_heap_class_size[place.class])
        return mmi_heap_fail_changed();
    put(&heap->control->intent_size, size);
    if (size >= MARK_FIRST ||
        (!MUTANT(exact_no_mark) &&
         !atomic_compare_exchange_strong(place.size, &size, MARK_PENDING)))
        return mmi_heap_fail_no_allocation();
    uint64_t word = get(place.word);
    do {
        if (!word_is(word, place.tag) || (word >> place.bit & 1))
            return mmi_heap_fail_no_allocation();
    } while (
        !atomic_compare_exchange_weak(place.word, &word, word | WORD_PENDING));
    return 0;
}

/* All but the lock.  Done, or nothing was changed. */
static bool exchange_locked(struct heap *heap, struct heap_hints *hints,
                            struct exchange *exchange)
{
    struct control *control = heap->control;
    set(&control->intent_old, exchange->old);
    set(&control->intent_new, 0);
    if (!MUTANT(exact_intent_late))
        put(&control->intent_cell, offset_of(heap, (char *)exchange->cell));
    FAULT_POINT("heap.exact.intent");
    bool done =
        exchange->size == 0 ||
        (is_large(heap, exchange->size) ? take_large(heap, exchange)
                                        : take_small(heap, hints, exchange));
    if (done && exchange->old != 0 && take_old(heap, exchange) < 0) {
        exchange->failed = true;
        done = false;
    }
    if (done) {
        size_t size = exchange->old_size < exchange->size ? exchange->old_size
                                                          : exchange->size;
        /* They overlap only if a peer lied. */
        if (exchange->old != 0 && size != 0)
            memmove(address_of(heap, exchange->new),
                    address_of(heap, exchange->old), size);
        FAULT_POINT("heap.exact.ready");
        atomic_store(exchange->cell, exchange->new);
        FAULT_POINT("heap.exact.committed");
    }
    if (MUTANT(exact_intent_late))
        put(&control->intent_cell, offset_of(heap, (char *)exchange->cell));
    settle(heap, false);
    return done;
}

/* --- the operations ------------------------------------------------------ */

/* What the cell holds, under the lock; false after mmi_fail_as(). */
static bool read_cell(const struct heap *heap, struct exchange *exchange)
{
    if (exchange->cell == &heap->control->moving) {
        atomic_store(exchange->cell, exchange->old);
        return true;
    }
    size_t old = atomic_load(exchange->cell);
    if (exchange->only_empty && old != 0) {
        mmi_fail_as(EEXIST, "mm:alloc: the cell holds something already");
        return false;
    }
    exchange->old = old;
    return true;
}

static void exchange_once(struct heap *heap, struct heap_hints *hints,
                          struct exchange *exchange)
{
    exchange->failed = true;
    if (mmi_heap_enter(heap) < 0)
        return;
    if (read_cell(heap, exchange)) {
        exchange->failed = false;
        exchange->done = exchange_locked(heap, hints, exchange);
    }
    mmi_heap_leave(heap);
}

/* Put what EXCHANGE asks for into effect, the budget included.  0, or -1 after
 * mmi_fail(). */
static int exchange_blocks(struct heap *heap, struct heap_hints *hints,
                           struct exchange *exchange)
{
    int64_t cost = exchange->size != 0 ? cost_of(exchange->size) : 0;
    if (cost != 0 && mmi_heap_budget_take(heap, hints, cost) < 0)
        return -1;
    exchange_once(heap, hints, exchange);
    /* What this thread keeps for itself may be all that there is. */
    if (!exchange->done && !exchange->failed &&
        mmi_heap_magazine_empty(heap, hints))
        exchange_once(heap, hints, exchange);

    if (!exchange->done) {
        if (cost != 0)
            mmi_heap_budget_give(heap, hints, cost);
        return exchange->failed
                   ? -1
                   : mmi_heap_fail_fragmented(heap, exchange->size);
    }
    if (exchange->old != 0) {
        mmi_heap_budget_give(heap, hints, cost_of(exchange->old_size));
        tell_starving(heap);
    }
    return 0;
}

void *mmi_heap_move(struct heap *heap, struct heap_hints *hints, void *ptr,
                    size_t size)
{
    struct exchange exchange = {
        .cell = &heap->control->moving,
        .old = offset_of(heap, ptr),
        .size = size,
    };
    return exchange_blocks(heap, hints, &exchange) < 0
               ? NULL
               : address_of(heap, exchange.new);
}

static _Atomic size_t *check_cell(const struct heap *heap, const void *where)
{
    _Atomic size_t *cell = NULL;
    if (mmi_heap_contains(heap, where))
        cell = find_cell(heap, offset_of(heap, where));
    if (!cell)
        mmi_fail_as(EINVAL, "mm:alloc: %p is no aligned word of the pool",
                    where);
    return cell;
}

void *mmi_heap_alloc_at(struct heap *heap, struct heap_hints *hints,
                        size_t size, void *where)
{
    struct exchange exchange = {
        .cell = check_cell(heap, where), .size = size, .only_empty = true};
    if (!exchange.cell || !mmi_heap_is_possible(heap, size) ||
        exchange_blocks(heap, hints, &exchange) < 0)
        return NULL;
    return address_of(heap, exchange.new);
}

int mmi_heap_free_at(struct heap *heap, struct heap_hints *hints, void *where)
{
    struct exchange exchange = {.cell = check_cell(heap, where)};
    if (!exchange.cell)
        return -1;
    return exchange_blocks(heap, hints, &exchange);
}

void *mmi_heap_resize_at(struct heap *heap, struct heap_hints *hints,
                         void *where, size_t size)
{
    struct exchange exchange = {.cell = check_cell(heap, where), .size = size};
    if (!exchange.cell || !mmi_heap_is_possible(heap, size))
        return NULL;
    size_t held = atomic_load(exchange.cell);
    if (held != 0) {
        const struct heap_cell cell = {exchange.cell, held};
        char *ptr = address_of(heap, held);
        int result = mmi_heap_resize_in_place(heap, hints, ptr, size, &cell);
        if (result != 0)
            return result < 0 ? NULL : ptr;
    }
    return exchange_blocks(heap, hints, &exchange) < 0
               ? NULL
               : address_of(heap, exchange.new);
}
