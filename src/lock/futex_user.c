/* SPDX-License-Identifier: MIT */
/*
 * futex_user.c -- the user lock of FUTEX: readers in slots, writers in a word.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>

#include "base/fail.h"
#include "base/fault.h"
#include "lock/futex_fence.h"
#include "lock/futex_slots.h"
#include "lock/futex_user.h"

enum {
    FORGET_WRITES = 64 /* exclusive locks of a thread among readers' bits */
};

/* A writer may sleep until a slot is idle: one just became so. */
void mmi_futex_wake_writer(struct futex_user *user)
{
    uint32_t seen = atomic_load(&user->drain);
    if (seen & 1 &&
        atomic_compare_exchange_strong(&user->drain, &seen, seen + 1))
        mmi_futex_wake(&user->drain, INT_MAX);
}

/* Owning the word, which had BEFORE in it, have those seen who entered without
 * a fence.  0, or -1 after mmi_fail(). */
static int see_others(struct futex_user *user, const struct futex_hold *hold,
                      uint64_t before)
{
    uint64_t era = atomic_load(&user->era);
    if (!hold->fences || (before == 0 && !(era & 1)))
        return 0;
    if (era & 1)
        atomic_store(&user->era, era + 1);
    if (mmi_futex_fence())
        return 0;
    atomic_store(&user->era, era);
    return mmi_fail("mm:core: cannot lock: membarrier() fails here, though it "
                    "worked where the lock was made");
}

/* Owning the word, wait until nobody else is READING, or WRITING: as STATE
 * says.  0: so it is, 1: an upgrade has precedence, -1: no time left. */
static int drain(struct futex_user *user, const struct futex_hold *hold,
                 uint64_t state, uint64_t until)
{
    bool yields = hold->base.seat == SEAT_OUTSIDE;
    unsigned first = 0;
    uint64_t start = 0;
    for (unsigned turns = 0; mmi_futex_busy(user, hold, state); turns++) {
        if (yields && atomic_load(&user->upgrader) != 0)
            return 1;
        if (turns > 0 && turns < WAIT_SPINS) {
            mmi_futex_relax();
            continue;
        }
        uint64_t now = mmi_futex_now();
        bool late = now >= until;
        if (turns == 0)
            start = now;
        uint64_t looked = late ? atomic_load(&user->word.looked) : start;
        if (now - looked >= WAIT_LOOK) {
            atomic_store(&user->word.looked, now);
            mmi_futex_bury_some(user, hold, state, &first);
            start = now;
        }
        if (late)
            return mmi_futex_busy(user, hold, state) ? -1 : 0;
        if (turns == 0)
            continue;
        uint32_t seen = atomic_fetch_or(&user->drain, 1) | 1;
        /* Who leaves looks at that without a fence.  Where it fails nobody
         * wakes us, and the sleep is over in a millisecond. */
        if (hold->fences)
            mmi_futex_fence();
        if (mmi_futex_busy(user, hold, state) &&
            !(yields && atomic_load(&user->upgrader) != 0))
            mmi_futex_sleep(&user->drain, seen,
                            until - now < WAIT_LOOK ? until - now : WAIT_LOOK);
    }
    return 0;
}

/* Take the word for ME, the name of HOLD perhaps with WORD_MARK. */
static int take_word(struct futex_user *user, const struct futex_hold *hold,
                     uint64_t me, uint64_t until, uint64_t *before)
{
    _Atomic uint64_t *first =
        hold->base.seat == SEAT_OUTSIDE ? &user->upgrader : NULL;
    *before = 0;
    /* Only who waits finds out that the one ahead is dead. */
    bool stands_back = first && atomic_load(first) != 0;
    if ((stands_back || !word_try(&user->word, me)) &&
        mmi_word_acquire(&user->word, me, until, first, before) < 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    if (*before != 0)
        FAULT_POINT("lock.revoked");
    return 0;
}

/* Did somebody leave BEFORE in the word who may have been inside?  Readers that
 * only passed through a free word held nothing of the client's. */
static bool is_death(uint64_t before)
{
    return before != 0 && !word_is_biased(before) &&
           (before & WORD_BIAS || !(before & WORD_MARK));
}

/* Take the word for *ME, and wait for those with STATE in their slots.
 * HAS_WORD says that it is taken, and was free before.  *ME is then what is in
 * the word. */
static int take_over(struct futex_user *user, const struct futex_hold *hold,
                     uint64_t *me, uint64_t state, uint64_t until,
                     bool has_word)
{
    for (;;) {
        uint64_t before = 0;
        if (!has_word && take_word(user, hold, *me, until, &before) < 0)
            return -1;
        has_word = false;
        if (MUTANT(lock_no_rescan) && !word_is_biased(before))
            before = 0;
        /* No writer can be inside by a slot while the word is free. */
        if (before == 0 && state & SLOT_WRITING)
            return 0;
        uint64_t mine = word_taken(*me, before);
        int turn = -1;
        int result = see_others(user, hold, before);
        if (result == 0) {
            turn = drain(user, hold, state, until);
            if (turn == 0) {
                if (is_death(before))
                    mmi_futex_tell(user, hold);
                *me = mine;
                return 0;
            }
        }
        mmi_word_leave(&user->word, mine, before);
        if (result < 0)
            return -1;
        if (turn < 0 || mmi_futex_now() >= until) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
}

/* The thread is alone inside. */
static void settle_down(struct futex_user *user, struct futex_hold *hold)
{
    hold->base.seat = SEAT_OWNS;
    futex_count(user, hold);
    if (++hold->writes % FORGET_WRITES == 0)
        mmi_futex_forget(user);
    if (atomic_load(&user->high) > FUTEX_GROUP || futex_others(user, hold) != 0)
        hold->streak = 0;
}

/* Become the writer, who owns the word already if HAS_WORD. */
static int take_alone(struct futex_user *user, struct futex_hold *hold,
                      uint64_t until, bool has_word)
{
    uint64_t me = hold->base.name;
    if (take_over(user, hold, &me, SLOT_READING, until, has_word) < 0)
        return -1;
    settle_down(user, hold);
    return 0;
}

/* Become the writer of a lock that is biased towards this thread. */
static bool use_bias(struct futex_user *user, struct futex_hold *hold)
{
    if (!hold->quick || hold->slot == 0 ||
        atomic_load(&user->word.owner) != hold->base.biased)
        return false;
    bool reads = hold->base.seat == SEAT_READS;
    uint64_t idle = hold->base.name | (reads ? SLOT_READING : 0);
    _Atomic uint64_t *state = &user->slots[hold->slot - 1].state;
    atomic_store(state, hold->base.name | SLOT_READING | SLOT_WRITING);
    if (atomic_load(&user->word.owner) == hold->base.biased) {
        hold->base.seat = SEAT_WRITES;
        return true;
    }
    atomic_store(state, idle);
    mmi_futex_wake_writer(user);
    return false;
}

/* Announce an upgrade, unless there is one. */
static int announce(struct futex_user *user, uint64_t me)
{
    uint64_t other = 0;
    if (atomic_compare_exchange_strong(&user->upgrader, &other, me))
        return 0;
    if ((word_tid(other) == word_tid(me) || mmi_life_ended(other)) &&
        atomic_compare_exchange_strong(&user->upgrader, &other, me))
        return 0;
    return mmi_fail_as(EDEADLK,
                       "mm:core: cannot upgrade the lock: thread %u, which "
                       "also reads, is upgrading already",
                       word_tid(other));
}

static int upgrade(struct futex_user *user, struct futex_hold *hold,
                   uint64_t until)
{
    if (announce(user, hold->base.name) < 0)
        return -1;
    mmi_futex_wake_writer(user);
    int result = take_alone(user, hold, until, false);
    atomic_store(&user->upgrader, 0);
    if (result == 0)
        atomic_store(&user->slots[hold->slot - 1].state, hold->base.name);
    else
        mmi_futex_wake(word_futex(&user->word), 1); /* who stood back */
    return result;
}

int mmi_futex_exclude(struct futex_user *user, struct futex_hold *hold,
                      const struct timespec *deadline)
{
    switch (hold->base.seat) {
    case SEAT_READS:
        return use_bias(user, hold)
                   ? 0
                   : upgrade(user, hold, mmi_futex_until(deadline));
    case SEAT_OUTSIDE:
        return use_bias(user, hold)
                   ? 0
                   : take_alone(user, hold, mmi_futex_until(deadline), false);
    case SEAT_WRITES:
    case SEAT_OWNS:
        break; /* asked to share, but had no slot */
    }
    return 0;
}

int mmi_futex_settle(struct futex_user *user, struct futex_hold *hold,
                     const struct timespec *deadline)
{
    return take_alone(user, hold, mmi_futex_until(deadline), true);
}

bool mmi_futex_leave_biased(struct futex_user *user, struct futex_hold *hold)
{
    uint64_t owns = hold->base.name;
    if (hold->slot == 0 && !mmi_futex_claim(user, hold)) {
        hold->streak = 0;
        return false;
    }
    mmi_futex_show(user, hold);
    hold->base.tries = atomic_compare_exchange_strong(&user->word.owner, &owns,
                                                      hold->base.biased);
    return hold->base.tries;
}

/* Inside as a reader, after quite a few times: do without fences from now on.
 * The word is free after the era was seen, so whoever owns it next sees the
 * era, too. */
void mmi_futex_begin_era(struct futex_user *user, struct futex_hold *hold)
{
    uint64_t era = atomic_load(&user->era);
    if (era == hold->base.era)
        return;
    if (!(era & 1)) {
        if (++hold->reads < ERA_READS || atomic_load(&user->word.owner) != 0 ||
            !atomic_compare_exchange_strong(&user->era, &era, era + 1))
            return;
        era++;
    }
    if (atomic_load(&user->word.owner) != 0)
        return;
    hold->reads = 0;
    hold->base.era = era;
}

int mmi_futex_share(struct futex_user *user, struct futex_hold *hold,
                    const struct timespec *deadline)
{
    if (hold->slot == 0 && !mmi_futex_claim(user, hold))
        return mmi_futex_exclude(user, hold, deadline);
    _Atomic uint64_t *state = &user->slots[hold->slot - 1].state;
    uint64_t name = hold->base.name;
    mmi_futex_show(user, hold);
    if (!futex_reads(user, hold)) {
        /* Queue as writers do; while the word is ours nobody clears bits. */
        uint64_t passing = name | WORD_MARK;
        hold->reads = 0;
        atomic_store(state, name);
        mmi_futex_wake_writer(user);
        if (take_over(user, hold, &passing, SLOT_READING | SLOT_WRITING,
                      mmi_futex_until(deadline), false) < 0)
            return -1;
        atomic_store(&user->last, 0);
        atomic_store(state, name | SLOT_READING);
        mmi_futex_show(user, hold);
        word_release(&user->word, passing);
    }
    hold->base.seat = SEAT_READS;
    return 0;
}

/* By who is not the writer: free the word of the dead, which has OWNER in it,
 * unless somebody else is inside. */
static void show_out(struct futex_user *user, const struct futex_hold *hold,
                     uint64_t owner)
{
    uint64_t mine = hold->base.name | WORD_MARK | WORD_BIAS;
    uint64_t seen = atomic_load(&user->word.owner);
    if ((seen & ~WORD_WAITERS) != owner ||
        !atomic_compare_exchange_strong(&user->word.owner, &seen,
                                        mine | (seen & WORD_WAITERS)))
        return;
    unsigned first = 0;
    uint64_t state = SLOT_READING | SLOT_WRITING;
    bool seen_all = !hold->fences || mmi_futex_fence();
    if (seen_all)
        mmi_futex_bury_some(user, hold, state, &first);
    if (!seen_all || mmi_futex_busy(user, hold, state)) {
        mmi_word_leave(&user->word, mine, owner);
        return;
    }
    if (is_death(owner))
        mmi_futex_tell(user, hold);
    mmi_word_leave(&user->word, mine, 0);
}

static uint64_t look_at_owner(struct futex_user *user)
{
    uint64_t owner = atomic_load(&user->word.owner) & ~WORD_WAITERS;
    return word_tid(owner) != 0 ? owner : 0;
}

/* Count those who are inside by a slot, and show the dead out.  The name of the
 * one who writes; 0: nobody. */
static uint64_t look_at_slots(struct futex_user *user,
                              const struct futex_hold *hold, unsigned *readers)
{
    uint64_t writer = 0;
    uint32_t high = mmi_futex_slots(user);
    uint32_t at = mmi_futex_next(user, SLOT_READING, 0, high);
    for (; at < high; at = mmi_futex_next(user, SLOT_READING, at + 1, high)) {
        uint64_t seen = atomic_load(&user->slots[at].state);
        bool ended = at + 1 != hold->slot && mmi_life_ended(seen);
        if (ended && seen & SLOT_WRITING)
            show_out(user, hold, look_at_owner(user));
        else if (ended)
            mmi_futex_bury(user, hold, at);
        else if (seen & SLOT_WRITING)
            writer = seen;
        else if (seen & SLOT_READING)
            ++*readers;
    }
    return writer;
}

void mmi_futex_state(struct futex_user *user, const struct futex_hold *hold,
                     struct lock_state *state)
{
    if (hold->base.seat == SEAT_WRITES || hold->base.seat == SEAT_OWNS) {
        state->holder = (pid_t)word_tid(hold->base.name);
    } else {
        uint64_t owner = look_at_owner(user);
        if (owner != 0 && !word_is_biased(owner) && mmi_life_ended(owner))
            show_out(user, hold, owner);
        uint64_t writer = look_at_slots(user, hold, &state->readers);
        owner = look_at_owner(user);
        if (owner & (WORD_MARK | WORD_BIAS))
            owner = 0;
        /* Whoever writes by a slot goes before who waits for that; but who just
         * lost the bias may seem to write, though another one is inside. */
        if (writer != 0 && (owner == 0 || atomic_load(&user->last) != owner)) {
            state->holder = (pid_t)word_tid(writer);
            state->readers = 0;
        } else if (state->readers == 0) {
            state->holder = (pid_t)word_tid(owner);
        }
    }
    state->owner_died = atomic_exchange(&user->died, 0) != 0;
}
