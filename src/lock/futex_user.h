/* SPDX-License-Identifier: MIT */
/*
 * futex_user.h -- the user lock of FUTEX: readers in slots, writers in a word.
 *
 * Each thread that ever read has a slot of its own, and entering or leaving as
 * a reader writes nothing else.  A writer takes the word and waits until all
 * slots are idle.  A reader that finds a writer queues for the word as if it
 * were one, so neither kind starves the other, and hands it on at once.
 *
 * The order that makes both see each other, and keeps the map of slots worth
 * scanning complete even if somebody dies in between:
 *   - a reader makes its slot READING, then looks at the word, then at its bit
 *     in the map; it is inside if the word was free and the bit then set;
 *   - a writer owns the word before it scans, and while it clears bits, and
 *     only clears those of slots that it then found idle.
 * Store, then load, on both sides: one of the two sees the other, if a fence
 * stands between.  The functions here use sequentially consistent operations.
 *
 * Where membarrier(2) works the fences are asymmetric (lock_fast.h):
 *   - A reader that was inside often enough in a row makes the era odd, and
 *     then reads without a fence of its own as long as the era is the same.
 *     Who owns the word and finds it odd has everybody execute a fence and
 * makes it even, before it scans or clears bits.  Eras begin while a reader is
 *     inside, so a writer that is alone need not fear that one begins; and a
 *     reader's bit is set when it enters its era.
 *   - A thread that took the word often enough in a row leaves it BIASED, kept
 *     for itself, its bit in the map set.  It enters with READING and WRITING
 * in its slot, if the word then still says so.  While it does, nobody else is
 *     inside, so it also upgrades like that.  Others take a biased word like a
 *     free one, but have everybody execute a fence before they scan.  A reader
 *     waits then only until nobody is WRITING.
 *   - Between taking a biased word and having scanned, whoever took it may die,
 *     or run out of time.  So who takes a word that was not free, for whatever
 *     reason, does all that.  Who gives up puts back what was in the word.
 *
 * An upgrade is announced in a word of its own.  Whoever got the writers' word
 * and waits for readers gives it back then, or both would wait for ever.
 *
 * Holders that died are found by those who wait for them, and shown out.
 */
#ifndef MMI_FUTEX_USER_H
#define MMI_FUTEX_USER_H

#include <stdatomic.h>
#include <stdint.h>

#include "lock/futex_word.h"
#include "lock/lock.h"
#include "lock/lock_fast.h"

enum { FUTEX_SLOTS = 16384, FUTEX_GROUP = 64 };
enum {
    ERA_READS = 128,  /* in a row, and the thread begins an era */
    BIAS_WRITES = 256 /* in a row, and the lock becomes biased */
};

struct futex_slot {
    /* A thread's name, perhaps with SLOT_READING or that and SLOT_WRITING; 0:
     * nobody's. */
    _Alignas(64) _Atomic uint64_t state;
};

/* In shared memory, zeroed to begin with.  Pages beyond the slots in use are
 * not touched. */
struct futex_user {
    _Alignas(64) struct futex_word word;
    _Atomic uint64_t upgrader; /* name of the reader that wants the word */
    _Atomic uint32_t drain; /* futex; odd: a writer sleeps until slots idle */
    _Atomic uint32_t died;  /* a holder did, and nobody was told yet */
    _Atomic uint64_t era;   /* odd: there are readers without fences */
    _Atomic uint64_t last;  /* writer inside last; 0 after a queueing reader */
    _Alignas(64) _Atomic uint32_t high; /* slots ever in use */
    _Atomic uint32_t cursor;            /* where to look for a slot next */
    _Alignas(64) _Atomic uint64_t active[FUTEX_SLOTS / FUTEX_GROUP];
    struct futex_slot slots[FUTEX_SLOTS];
};

/* What a thread knows about its part in one lock: private memory. */
struct futex_hold {
    struct lock_hold base; /* first; name 0: all is still to be filled in */
    struct lock *lock;
    struct robust_list_head *robust;
    struct robust_list *pending;
    bool inside;     /* has the internal lock, or is about to */
    bool fences;     /* the lock has asymmetric ones */
    bool quick;      /* and this process executes those of others */
    uint32_t slot;   /* number from 1 */
    uint32_t reads;  /* shared locks in a row, not quick */
    uint32_t writes; /* exclusive locks until it clears the map */
    uint32_t streak; /* exclusive locks in a row */
};

/* Asked by a holder it makes no system call about that thread. */
void mmi_futex_state(struct futex_user *user, const struct futex_hold *hold,
                     struct lock_state *state);

/* What the functions below do when there is more to do: share and exclude when
 * they cannot just enter, settle when the word was taken but somebody may read,
 * begin_era when a thread reads and reads, leave_biased when it writes and
 * writes, and wake_writer when one sleeps. */
int mmi_futex_share(struct futex_user *user, struct futex_hold *hold,
                    const struct timespec *deadline);
int mmi_futex_exclude(struct futex_user *user, struct futex_hold *hold,
                      const struct timespec *deadline);
int mmi_futex_settle(struct futex_user *user, struct futex_hold *hold,
                     const struct timespec *deadline);
void mmi_futex_begin_era(struct futex_user *user, struct futex_hold *hold);
bool mmi_futex_leave_biased(struct futex_user *user, struct futex_hold *hold);
void mmi_futex_wake_writer(struct futex_user *user);

/* Make the slot of HOLD READING: is there no writer, and will those who come
 * see it? */
static inline bool futex_reads(struct futex_user *user, struct futex_hold *hold)
{
    uint32_t at = hold->slot - 1;
    atomic_store(&user->slots[at].state, hold->base.name | SLOT_READING);
    uint64_t seen = atomic_load(&user->word.owner);
    return (word_tid(seen) == 0 ||
            (seen & (WORD_MARK | WORD_BIAS)) == WORD_MARK ||
            seen == hold->base.biased) &&
           atomic_load(&user->active[at / FUTEX_GROUP]) >> at % FUTEX_GROUP & 1;
}

/* Take USER for the thread of HOLD, which has it not; or, exclusive, which
 * shares it.  Without a slot to be had, readers are exclusive.  0, or -1 with
 * errno ETIMEDOUT, or -1 after mmi_fail(). */
static inline int futex_share(struct futex_user *user, struct futex_hold *hold,
                              const struct timespec *deadline)
{
    if (hold->slot == 0 || !futex_reads(user, hold))
        return mmi_futex_share(user, hold, deadline);
    hold->base.seat = SEAT_READS;
    if (hold->quick)
        mmi_futex_begin_era(user, hold);
    return 0;
}

/* Bits of the first group that belong to others. */
static inline uint64_t futex_others(struct futex_user *user,
                                    const struct futex_hold *hold)
{
    uint64_t map = atomic_load(&user->active[0]);
    if (hold->slot - 1 < FUTEX_GROUP)
        map &= ~(UINT64_C(1) << (hold->slot - 1));
    return map;
}

/* The thread got in as a writer: was it the last one, too? */
static inline void futex_count(struct futex_user *user, struct futex_hold *hold)
{
    bool again = atomic_load_explicit(&user->last, memory_order_relaxed) ==
                 hold->base.name;
    hold->streak = again ? hold->streak + 1 : 0;
    if (!again)
        atomic_store_explicit(&user->last, hold->base.name,
                              memory_order_relaxed);
}

static inline int futex_exclude(struct futex_user *user,
                                struct futex_hold *hold,
                                const struct timespec *deadline)
{
    if (hold->base.seat != SEAT_OUTSIDE ||
        !word_try(&user->word, hold->base.name))
        return mmi_futex_exclude(user, hold, deadline);
    if (atomic_load(&user->era) & 1 || atomic_load(&user->high) > FUTEX_GROUP ||
        futex_others(user, hold) != 0)
        return mmi_futex_settle(user, hold, deadline);
    futex_count(user, hold);
    hold->base.seat = SEAT_OWNS;
    return 0;
}

static inline void futex_leave(struct futex_user *user, struct futex_hold *hold)
{
    if (hold->base.seat != SEAT_OWNS) {
        atomic_store(&user->slots[hold->slot - 1].state, hold->base.name);
        if (atomic_load(&user->drain) & 1)
            mmi_futex_wake_writer(user);
    } else if (hold->streak < BIAS_WRITES || !hold->quick ||
               !mmi_futex_leave_biased(user, hold)) {
        word_release(&user->word, hold->base.name);
    }
    hold->base.seat = SEAT_OUTSIDE;
}

#endif
