/* SPDX-License-Identifier: MIT */
/*
 * lock_fast.h -- what most calls of mm_lock() and mm_unlock() do, to be
 * compiled into their callers: enter by one plain store, leave by another.
 *
 * A variant may give each thread a slot of shared memory, where the thread says
 * that it is inside.  It stores that, and looks at the lock's word afterwards;
 * whoever takes the word looks at the slots afterwards.  One of the two must
 * see the other, which takes a fence between store and load on both sides.
 * Here there is none: whoever takes the word has the kernel make one for all
 * threads that are running (an asymmetric fence, membarrier(2), as in RCU of
 * user space).  So to enter costs no more than two stores and some loads, and
 * all of the price is paid when somebody else comes.
 *
 * A thread enters shared while the era is the one that it knows: eras end, with
 * a fence, when somebody writes, so that readers who meet writers go the slow
 * way (as in BRAVO, by Dice and Kogan).  It enters exclusive while the word
 * says that the lock is biased towards it, and shared as well (biased locking,
 * as by Kawachiya, Koseki and Onodera).
 *
 * For anything but that the slow path does it all.
 */
#ifndef MMI_LOCK_FAST_H
#define MMI_LOCK_FAST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

/* What a slot has beside the name of its thread.  WRITING never stands alone.
 */
#define SLOT_READING UINT64_C(0x80000000)
#define SLOT_WRITING UINT64_C(0x40000000)

/* Whether this thread may go the quick way, and where it then is. */
enum lock_quick { QUICK_NEVER, QUICK_OUTSIDE, QUICK_READS, QUICK_WRITES };

/* How a thread is inside, for a variant with slots: by its slot, or because it
 * owns the word. */
enum lock_seat { SEAT_OUTSIDE, SEAT_READS, SEAT_WRITES, SEAT_OWNS };

/* What a thread knows about its part in a user lock: private memory. */
struct lock_hold {
    enum lock_quick quick; /* unless NEVER, the next three are out of date */
    uint32_t depth;
    int mode; /* of enum lock_mode */
    enum lock_seat seat;
    bool tries;             /* the quick way will do, as far as is known */
    _Atomic uint64_t *slot; /* of this thread */
    uint64_t name;          /* is in it when this thread is outside */
    uint64_t reads, writes; /* and when it is inside */
    const _Atomic uint64_t *word;
    uint64_t biased; /* is in that when biased towards this thread */
    const _Atomic uint64_t *now;
    uint64_t era; /* is in that while this thread reads without fences */
    const _Atomic uint32_t *drain; /* odd: somebody sleeps until slots idle */
    void (*wake)(struct lock_hold *hold); /* him */
};

/* Enter shared, or exclusive; false, and outside, if that takes more.  The
 * caller then goes the slow way, which also wakes whoever waited for this
 * attempt. */
static inline bool lock_share_quickly(struct lock_hold *hold)
{
    if (hold->quick != QUICK_OUTSIDE)
        return false;
    _Atomic uint64_t *slot = hold->slot;
    atomic_store_explicit(slot, hold->reads, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    if (atomic_load_explicit(hold->now, memory_order_acquire) != hold->era &&
        atomic_load_explicit(hold->word, memory_order_acquire) !=
            hold->biased) {
        atomic_store_explicit(slot, hold->name, memory_order_release);
        return false;
    }
    hold->quick = QUICK_READS;
    FAULT_POINT("lock.held");
    return true;
}

static inline bool lock_exclude_quickly(struct lock_hold *hold)
{
    const _Atomic uint64_t *word = hold->word;
    /* Others wait for whoever seems to write: do not, without need. */
    if (hold->quick != QUICK_OUTSIDE ||
        atomic_load_explicit(word, memory_order_relaxed) != hold->biased)
        return false;
    _Atomic uint64_t *slot = hold->slot;
    atomic_store_explicit(slot, hold->writes, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    if (atomic_load_explicit(word, memory_order_acquire) != hold->biased) {
        atomic_store_explicit(slot, hold->name, memory_order_release);
        return false;
    }
    hold->quick = QUICK_WRITES;
    FAULT_POINT("lock.held");
    return true;
}

/* Leave; false, and nothing changed, if that takes more. */
static inline bool lock_leave_quickly(struct lock_hold *hold)
{
    if (hold->quick < QUICK_READS)
        return false;
    hold->quick = QUICK_OUTSIDE;
    atomic_store_explicit(hold->slot, hold->name, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    if (atomic_load_explicit(hold->drain, memory_order_relaxed) & 1)
        hold->wake(hold);
    return true;
}

#endif
