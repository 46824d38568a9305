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
 * only clears those of slots that it then found idle.
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

enum { FUTEX_SLOTS = 16384, FUTEX_GROUP = 64 };

#define SLOT_READING UINT64_C(0x80000000)

struct futex_slot {
    /* A thread's name, perhaps with SLOT_READING; 0: nobody's. */
    _Alignas(64) _Atomic uint64_t state;
};

/* In shared memory, zeroed to begin with.  Pages beyond the slots in use are
 * not touched. */
struct futex_user {
    _Alignas(64) struct futex_word word;
    _Atomic uint64_t upgrader; /* name of the reader that wants the word */
    _Atomic uint32_t drain; /* futex; odd: a writer sleeps until slots idle */
    _Atomic uint32_t died;  /* a holder did, and nobody was told yet */
    _Alignas(64) _Atomic uint32_t high; /* slots ever in use */
    _Atomic uint32_t cursor;            /* where to look for a slot next */
    _Alignas(64) _Atomic uint64_t active[FUTEX_SLOTS / FUTEX_GROUP];
    struct futex_slot slots[FUTEX_SLOTS];
};

/* What a thread knows about its part in one lock: private memory. */
struct futex_hold {
    uint64_t name; /* 0: all of this is still to be filled in */
    struct robust_list_head *robust;
    struct robust_list *pending;
    bool inside; /* has the internal lock, or is about to */
    enum { HOLDS_NOTHING, HOLDS_SHARED, HOLDS_EXCLUSIVE } mode;
    uint32_t slot; /* number from 1 */
    uint32_t writes;
};

/* Asked by a holder it makes no system call about that thread. */
void mmi_futex_state(struct futex_user *user, const struct futex_hold *hold,
                     struct lock_state *state);

/* What the functions below do when there is more to do: share and exclude when
 * they cannot just enter, settle when the word was taken but somebody may read,
 * and wake_writer when one sleeps. */
int mmi_futex_share(struct futex_user *user, struct futex_hold *hold,
                    const struct timespec *deadline);
int mmi_futex_exclude(struct futex_user *user, struct futex_hold *hold,
                      const struct timespec *deadline);
int mmi_futex_settle(struct futex_user *user, struct futex_hold *hold,
                     const struct timespec *deadline);
void mmi_futex_wake_writer(struct futex_user *user);

/* Make the slot of HOLD READING: is there no writer, and will those who come
 * see it? */
static inline bool futex_reads(struct futex_user *user, struct futex_hold *hold)
{
    uint32_t at = hold->slot - 1;
    atomic_store(&user->slots[at].state, hold->name | SLOT_READING);
    uint64_t seen = atomic_load(&user->word.owner);
    return (word_tid(seen) == 0 || seen & WORD_MARK) &&
           atomic_load(&user->active[at / FUTEX_GROUP]) >> at % FUTEX_GROUP & 1;
}

/* Take USER for the thread of HOLD, which has it not; or, exclusive, which
 * shares it.  Without a slot to be had, readers are exclusive.  0, or -1 with
 * errno ETIMEDOUT, or -1 after mmi_fail_as(EDEADLK). */
static inline int futex_share(struct futex_user *user, struct futex_hold *hold,
                              const struct timespec *deadline)
{
    if (hold->slot == 0 || !futex_reads(user, hold))
        return mmi_futex_share(user, hold, deadline);
    hold->mode = HOLDS_SHARED;
    return 0;
}

static inline int futex_exclude(struct futex_user *user,
                                struct futex_hold *hold,
                                const struct timespec *deadline)
{
    if (hold->mode != HOLDS_NOTHING || !word_try(&user->word, hold->name))
        return mmi_futex_exclude(user, hold, deadline);
    if (atomic_load(&user->high) > FUTEX_GROUP ||
        atomic_load(&user->active[0]) != 0)
        return mmi_futex_settle(user, hold, deadline);
    hold->mode = HOLDS_EXCLUSIVE;
    return 0;
}

static inline void futex_leave(struct futex_user *user, struct futex_hold *hold)
{
    if (hold->mode == HOLDS_EXCLUSIVE) {
        word_release(&user->word, hold->name);
    } else {
        atomic_store(&user->slots[hold->slot - 1].state, hold->name);
        if (atomic_load(&user->drain) & 1)
            mmi_futex_wake_writer(user);
    }
    hold->mode = HOLDS_NOTHING;
}

#endif
