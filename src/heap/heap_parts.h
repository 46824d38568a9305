/* SPDX-License-Identifier: MIT */
/*
 * heap_parts.h -- what the files of src/heap have for each other.
 */
#ifndef MMI_HEAP_PARTS_H
#define MMI_HEAP_PARTS_H

#include "heap/heap_layout.h"

/* heap.c: take the internal lock, repairing first what a dead holder left; say
 * that an update begins, and that it is complete. */
int mmi_heap_enter(struct heap *heap);
bool mmi_heap_try_enter(struct heap *heap);
void mmi_heap_leave(struct heap *heap);
int mmi_heap_enter_to_look(struct heap *heap);
void mmi_heap_leave_looking(struct heap *heap);
/* OWNERS dead threads were found holding something, BLOCKS of it came back. */
void mmi_heap_note_dead(struct heap *heap, uint64_t owners, uint64_t blocks);
int mmi_heap_fail_damaged(struct heap *heap, size_t unit);
int mmi_heap_fail_no_allocation(void);
int mmi_heap_fail_changed(void);
/* Only a size that does not fit even an empty pool is impossible. */
bool mmi_heap_is_possible(struct heap *heap, size_t size);
/* Whether allocations of SIZE bytes get a run of their own. */
static inline bool is_large(const struct heap *heap, size_t size)
{
    return size > SMALL_MAX ||
           entry_length(heap->classes[class_of(size)].head) == 0;
}
int mmi_heap_fail_fragmented(struct heap *heap, size_t size);

/* heap_run.c, all under the internal lock.  Find a free run of at least LENGTH
 * units that begins at an address that is a multiple of ALIGN bytes, and take
 * it out of the bins.  If there is none, or only one never used before, all
 * empty spans are closed first, except those of class KEEP.  False if there is
 * none even so; *FAILED then says whether that was recorded by mmi_fail(), as
 * pages could not be had. */
bool mmi_heap_run_find(struct heap *heap, size_t length, size_t align,
                       unsigned keep, struct run *run, bool *failed);
/* Make the first LENGTH units of the RUN taken a run of KIND: one store of its
 * head.  For LARGE and SMALL, everything else must be in place. */
void mmi_heap_run_commit(struct heap *heap, const struct run *run,
                         size_t length, unsigned kind, unsigned class);
/* Turn the run at UNIT into a free one, and merge it with free neighbours.  The
 * unit after it. */
size_t mmi_heap_run_release(struct heap *heap, size_t unit);
/* Make the large run longer, in place; false if its neighbour is in use. */
bool mmi_heap_run_extend(struct heap *heap, const struct run *run,
                         size_t length, bool *failed);
void mmi_heap_run_shorten(struct heap *heap, const struct run *run,
                          size_t length);
/* Put a free run into its bin, write its tail. */
void mmi_heap_run_insert(struct heap *heap, size_t unit, size_t length);
void mmi_heap_run_clear_bins(struct heap *heap);
/* The last unit of a run in use must not look like the tail of a free one. */
void mmi_heap_run_write_end(struct heap *heap, size_t unit, size_t length);
unsigned mmi_heap_run_bin(size_t length);

/* heap_small.c */
void *mmi_heap_small_alloc(struct heap *heap, struct heap_hints *hints,
                           unsigned class, size_t size);
/* Clear the size and set the bit of the block at PLACE.  -1 after
 * mmi_fail_as(EINVAL) if it is set.  HINTS may be NULL. */
int mmi_heap_block_give(struct heap *heap, struct heap_hints *hints,
                        const struct place *place);

/* heap_span.c.  Let the hint of CLASS name another word with a free block.  0;
 * -1 after mmi_fail(), or with *NOTHING set if there is no room. */
int mmi_heap_span_refill(struct heap *heap, struct heap_hints *hints,
                         unsigned class, bool *nothing);
/* The same under the internal lock.  False if there is none; *FAILED if that
 * was recorded. */
bool mmi_heap_span_find(struct heap *heap, struct heap_hints *hints,
                        unsigned class, bool *failed);
/* Close all spans of which every block is free, except those of class KEEP;
 * under the internal lock.  True if there was one. */
bool mmi_heap_span_reclaim(struct heap *heap, unsigned keep);
/* Open the words of a span that are closed; true if a block is free. */
bool mmi_heap_span_open_words(struct heap *heap, const struct run *run);
void mmi_heap_span_close_words(struct heap *heap, const struct run *run);

/* heap_space.c: a span of CLASS at UNIT may have free blocks; has none; the
 * first such span from FROM on, SIZE_MAX if there is none. */
void mmi_heap_space_set(struct heap *heap, unsigned class, size_t unit);
void mmi_heap_space_clear(struct heap *heap, unsigned class, size_t unit);
size_t mmi_heap_space_next(const struct heap *heap, unsigned class,
                           size_t from);

/* heap_magazine.c: give the thread a mark; forget what its magazines held
 * before a reset. */
void mmi_heap_magazine_prepare(struct heap *heap, struct heap_hints *hints);
void mmi_heap_magazine_drop(struct heap *heap, struct heap_hints *hints);
/* Free what dead threads have in magazines; under the internal lock.  True if
 * there was something. */
bool mmi_heap_magazine_sweep(struct heap *heap);

/* The same with the caller's own, which keeps its mark.  True if there was
 * something. */
bool mmi_heap_magazine_empty(struct heap *heap, struct heap_hints *hints);

/* A word of the pool that says where a block is, and what it was seen to say.
 */
struct heap_cell {
    const _Atomic size_t *where;
    size_t held;
};

/* heap.c: make PTR hold SIZE bytes where it is, if CELL, which may be NULL,
 * still names it.  1; 0 if it would have to move; -1 after mmi_fail(). */
int mmi_heap_resize_in_place(struct heap *heap, struct heap_hints *hints,
                             const void *ptr, size_t size,
                             const struct heap_cell *cell);

/* heap_exact.c: complete or undo what a dead thread was about, before the chain
 * is mended. */
void mmi_heap_exact_mend(struct heap *heap);
/* Let SIZE bytes elsewhere take the place of the allocation at PTR: at each
 * instant one of both is live.  NULL after mmi_fail(), PTR as it was. */
void *mmi_heap_move(struct heap *heap, struct heap_hints *hints, void *ptr,
                    size_t size);

/* heap_budget.c */
/* Take COST out of the budget before an allocation.  0, or -1 after
 * mmi_fail_as(ENOMEM). */
int mmi_heap_budget_take(struct heap *heap, struct heap_hints *hints,
                         int64_t cost);
/* Put COST back, after the allocation is gone. */
void mmi_heap_budget_give(struct heap *heap, struct heap_hints *hints,
                          int64_t cost);
void mmi_heap_budget_reset(struct heap *heap);
/* Live allocations' cost, by walking; under the internal lock. */
int mmi_heap_budget_count(struct heap *heap, int64_t *cost);

/* heap_repair.c: bring every cache in line with the chain of heads, under the
 * internal lock and the busy mark.  May be begun anew at any time. */
int mmi_heap_mend(struct heap *heap);

/* Searches for a block after which whoever keeps changing the words is taken
 * for hostile. */
static inline size_t turns_max(const struct heap *heap)
{
    return 2 * heap->unit_count + 1024;
}

/* Whether all that the thread remembers holds, and nobody waits for memory. */
static inline bool turn_is_ours(const struct heap *heap,
                                const struct heap_hints *hints)
{
    return hints->turn == get(&heap->control->turn);
}

/* Something was freed: tell those who found nothing.  Sequentially consistent
 * beside the update that freed it. */
static inline void tell_starving(struct heap *heap)
{
    struct control *control = heap->control;
    if (atomic_load(&control->turn) & TURN_STARVING) {
        atomic_fetch_add(&control->epoch, 1);
        atomic_fetch_and(&control->turn, ~(uint64_t)TURN_STARVING);
    }
}

/* Ask to be told.  True if that had been asked already; else a new epoch
 * begins, as nobody was told of what was freed since it was asked last. */
static inline bool ask_to_be_told(struct heap *heap)
{
    struct control *control = heap->control;
    if (atomic_fetch_or(&control->turn, TURN_STARVING) & TURN_STARVING)
        return true;
    atomic_fetch_add(&control->epoch, 1);
    return false;
}

/* Whether a failure in EPOCH, which is the present one, still stands.  Of those
 * who die with blocks in their magazines nobody tells: look now and then. */
static inline bool failure_holds(const struct heap *heap,
                                 struct heap_hints *hints)
{
    return (atomic_load(&heap->control->turn) & TURN_STARVING) &&
           ++hints->refusals % LOOK_AGAIN != 0;
}

/* Take the block on top of MAGAZINE, which is valid and not empty: the size is
 * the commit. */
static inline void *magazine_take(struct heap_magazine *magazine, size_t size)
{
    const struct heap_kept *kept = --magazine->top;
    put(kept->size, (uint16_t)size);
    return kept->ptr;
}

#endif
