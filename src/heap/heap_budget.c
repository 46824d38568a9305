/* SPDX-License-Identifier: MIT */
/*
 * heap_budget.c -- the space contract of old programs.
 *
 * A pool of REQUEST bytes is full when the cost of its allocations, n + 16
 * rounded up to 8 each, reaches REQUEST, whatever they cost really.
 *
 * No operation may write a line that others write each time, so a thread keeps
 * a private *allowance* that it took from the common rest (unreserved) in one
 * piece, and to which it adds what it frees.  Allowances are valid in one turn.
 * When the rest runs low, TURN_DIRECT is set in the next turn: allowances are
 * void, the rest is counted anew from the live allocations, and everybody works
 * on it directly until there is plenty again.  What a dead thread had taken is
 * found again by that count; nothing has to be known about threads.
 *
 * While allowances are void the rest errs on the high side only: a block is
 * paid for before it is taken and given back after it is freed, and a thread
 * that used an allowance in the instant it became void has not paid.  Nor has
 * who allocated unseen while the rest was counted.  A count beside which others
 * worked is marked rough, and refusals count again; so several threads may
 * together get a little more than there is, and nobody is refused wrongly.
 */
#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "heap/heap_parts.h"

enum {
    QUANTUM_MIN = 64,
    TRY_MAX = 64, /* turns that may begin and end while one thread asks */
};

/* Below this rest allowances are void, above twice of it valid again. */
static int64_t low_mark(const struct heap *heap)
{
    return (int64_t)(heap->request / 16);
}

/* What a thread takes at once.  A scribbled value is brought into bounds. */
static int64_t quantum_of(const struct heap *heap)
{
    int64_t quantum = get(&heap->control->quantum);
    int64_t most = (int64_t)(heap->request / 256);
    if (quantum > most)
        quantum = most;
    return quantum < QUANTUM_MIN ? QUANTUM_MIN : quantum;
}

/* The turn after TURN, with or without TURN_DIRECT. */
static uint64_t next_turn(uint64_t turn, uint64_t direct)
{
    return ((turn & ~(uint64_t)TURN_DIRECT) | direct) + TURN_STEP;
}

void mmi_heap_budget_reset(struct heap *heap)
{
    struct control *control = heap->control;
    atomic_fetch_add(&control->resets, 1);
    atomic_store(&control->quantum, (int64_t)(heap->request / 256));
    atomic_store(&control->unreserved, (int64_t)heap->request);
    atomic_store(&control->rest, REST_EXACT);
    /* Last: who sees this turn finds all of the above. */
    uint64_t turn = atomic_load(&control->turn) & ~(uint64_t)TURN_RESET;
    atomic_store(&control->turn, next_turn(turn, 0));
}

static int64_t count_span(const struct heap *heap, const struct run *run)
{
    _Atomic uint16_t *sizes = span_sizes(heap, run->unit, run->class);
    size_t blocks = span_blocks(heap, run);
    int64_t cost = 0;
    for (size_t group = 0; group * 32 < blocks && group <= UINT16_MAX;
         group++) {
        uint64_t word = get(&heap->words[span_word(heap, run->unit, group)]);
        if (!word_is(word, word_tag(run->class, group)))
            continue;
        uint32_t taken = ~(uint32_t)word & word_mask(blocks, group);
        for (; taken; taken &= taken - 1) {
            unsigned bit = (unsigned)__builtin_ctz(taken);
            size_t size = get(&sizes[group * 32 + bit]);
            if (size < MARK_FIRST)
                cost += cost_of(clip_size(size, run->class));
        }
    }
    return cost;
}

int mmi_heap_budget_count(struct heap *heap, int64_t *cost)
{
    int64_t sum = 0;
    struct run run;
    for (size_t unit = 0; unit < heap->unit_count; unit += run.length) {
        if (!run_read(heap, unit, &run))
            return mmi_heap_fail_damaged(heap, unit);
        if (run.kind == KIND_SMALL)
            sum += count_span(heap, &run);
        else if (run.kind == KIND_LARGE)
            sum += cost_of(run_size(heap, &run));
    }
    *cost = sum;
    return 0;
}

static uint64_t turn_now(struct heap *heap)
{
    return atomic_load(&heap->control->turn) & ~(uint64_t)TURN_STARVING;
}

/* COUNTED plus what lies between; scribbled values may overflow. */
static int64_t plus(int64_t counted, int64_t now, int64_t before)
{
    return (int64_t)((uint64_t)counted + (uint64_t)now - (uint64_t)before);
}

/* Correct the rest by counting, unless allowances become valid meanwhile.  What
 * others take or give while we count stays in; where it cannot be told whether
 * we saw it, the higher figure stands.  If nobody did, the figure is QUIET. */
static int recount(struct heap *heap, enum rest quiet)
{
    struct control *control = heap->control;
    if (mmi_heap_enter_to_look(heap) < 0)
        return -1;
    uint64_t turn = turn_now(heap);
    int64_t before = atomic_load(&control->unreserved);
    int64_t cost = 0;
    int result = 0;
    if (turn & TURN_DIRECT)
        result = mmi_heap_budget_count(heap, &cost);
    if (result == 0 && (turn & TURN_DIRECT) && turn_now(heap) == turn) {
        int64_t counted = (int64_t)heap->request - cost;
        int64_t now = before;
        int64_t rest = counted;
        while (!atomic_compare_exchange_weak(&control->unreserved, &now, rest))
            rest = now > before ? plus(counted, now, before) : counted;
        atomic_store(&control->rest, now == before ? quiet : REST_ROUGH);
    }
    mmi_heap_leave_looking(heap);
    return result;
}

/* Allowances become void; the rest is counted. */
static int begin_direct(struct heap *heap, uint64_t turn)
{
    struct control *control = heap->control;
    /* Nobody may be refused for what is still in allowances. */
    atomic_store(&control->rest, REST_UNKNOWN);
    atomic_compare_exchange_strong(&control->turn, &turn,
                                   next_turn(turn, TURN_DIRECT));
    /* A free that is under way may still add to an allowance: a refusal needs
     * one more count. */
    atomic_store(&control->refusals, 0);
    if (recount(heap, REST_ROUGH) < 0)
        return -1;
    /* Most of it was in allowances: there are many threads, or were. */
    if (atomic_load(&control->unreserved) > 2 * low_mark(heap))
        atomic_store(&control->quantum, quantum_of(heap) / 2);
    return 0;
}

static void end_direct(struct heap *heap, uint64_t turn)
{
    if ((turn & TURN_DIRECT) &&
        atomic_load(&heap->control->unreserved) > 2 * low_mark(heap))
        atomic_compare_exchange_strong(&heap->control->turn, &turn,
                                       next_turn(turn, 0));
}

/* Take COST from the rest if it stays at LEAST at least.  A rest beyond the
 * whole pool is not believed. */
static bool take_rest(struct heap *heap, int64_t cost, int64_t least)
{
    _Atomic int64_t *rest = &heap->control->unreserved;
    int64_t now = atomic_load(rest);
    do {
        if (now > (int64_t)heap->request)
            atomic_store(&heap->control->rest, REST_UNKNOWN);
        if (now > (int64_t)heap->request || now < least + cost)
            return false;
    } while (!atomic_compare_exchange_weak(rest, &now, now - cost));
    return true;
}

/* A refusal needs a count that agrees; where the count was rough, not each: the
 * first, the second, the fourth, up to every 64th. */
static bool worth_counting(struct heap *heap)
{
    struct control *control = heap->control;
    uint32_t rest = atomic_load(&control->rest);
    if (rest != REST_ROUGH)
        return rest == REST_UNKNOWN;
    uint64_t refusals = atomic_fetch_add(&control->refusals, 1) + 1;
    return (refusals & (refusals - 1)) == 0 || refusals % 64 == 0;
}

/* Let the thread's memory belong to TURN. */
static void enter_turn(struct heap *heap, struct heap_hints *hints,
                       uint64_t turn)
{
    turn &= ~(uint64_t)TURN_STARVING;
    if (hints->turn == turn)
        return;
    if (hints->resets != get(&heap->control->resets))
        mmi_heap_magazine_drop(heap, hints);
    hints->turn = turn;
    hints->allowance = 0;
}

/* Take COST and a quantum more from the rest, while allowances are valid. */
static bool take_allowance(struct heap *heap, struct heap_hints *hints,
                           uint64_t turn, int64_t cost)
{
    struct control *control = heap->control;
    enter_turn(heap, hints, turn);
    if (hints->allowance >= cost) {
        hints->allowance -= cost;
        return true;
    }
    int64_t quantum = quantum_of(heap);
    int64_t wanted = cost - hints->allowance + quantum;
    if (!take_rest(heap, wanted, low_mark(heap)))
        return false;
    hints->allowance = quantum;
    hints->allowance_limit = 3 * quantum;
    /* If allowances became void meanwhile, this one may have come out of the
     * new rest. */
    if (turn_now(heap) != hints->turn) {
        atomic_fetch_add(&control->unreserved, quantum);
        hints->allowance = 0;
    }
    return true;
}

/* Let a reset be completed, by us if need be. */
static int wait_for_reset(struct heap *heap)
{
    if (mmi_heap_enter_to_look(heap) < 0)
        return -1;
    atomic_fetch_and(&heap->control->turn, ~(uint64_t)TURN_RESET);
    mmi_heap_leave_looking(heap);
    return 0;
}

int mmi_heap_budget_take(struct heap *heap, struct heap_hints *hints,
                         int64_t cost)
{
    struct control *control = heap->control;
    for (int tries = 0; tries < TRY_MAX; tries++) {
        uint64_t turn = atomic_load(&control->turn);
        if (turn & TURN_RESET) {
            if (wait_for_reset(heap) < 0)
                return -1;
            continue;
        }
        if (!(turn & TURN_DIRECT)) {
            if (take_allowance(heap, hints, turn, cost))
                return 0;
            if (begin_direct(heap, turn) < 0)
                return -1;
            turn = atomic_load(&control->turn);
        }
        if (take_rest(heap, cost, 0)) {
            end_direct(heap, turn);
            return 0;
        }
        if (!(turn & TURN_DIRECT))
            continue;
        if (!worth_counting(heap))
            break;
        if (recount(heap, REST_EXACT) < 0)
            return -1;
    }
    atomic_fetch_add(&control->failed, 1);
    int64_t rest = atomic_load(&control->unreserved);
    return mmi_fail_as(ENOMEM,
                       "mm:alloc: out of memory: wanted %lld bytes, %lld left",
                       (long long)cost, (long long)(rest < 0 ? 0 : rest));
}

void mmi_heap_budget_give(struct heap *heap, struct heap_hints *hints,
                          int64_t cost)
{
    struct control *control = heap->control;
    uint64_t turn = atomic_load(&control->turn);
    if (hints->turn == (turn & ~(uint64_t)TURN_STARVING)) {
        hints->allowance += cost;
        if (hints->allowance > hints->allowance_limit) {
            /* Keep a quantum for what comes next. */
            int64_t keep = hints->allowance_limit / 3;
            atomic_fetch_add(&control->unreserved, hints->allowance - keep);
            hints->allowance = keep;
        }
        return;
    }
    atomic_fetch_add(&control->unreserved, cost);
    end_direct(heap, turn);
}

size_t mmi_heap_available(struct heap *heap)
{
    struct control *control = heap->control;
    if (mmi_heap_enter_to_look(heap) < 0)
        return SIZE_MAX;
    int64_t cost = 0;
    int result = mmi_heap_budget_count(heap, &cost);
    mmi_heap_leave_looking(heap);
    if (result < 0)
        return SIZE_MAX;
    /* Nobody can be refused, or served, against what is said here. */
    if (atomic_load(&control->turn) & TURN_DIRECT)
        recount(heap, REST_EXACT);
    return cost > (int64_t)heap->request ? 0 : heap->request - (size_t)cost;
}
