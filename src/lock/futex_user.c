/* SPDX-License-Identifier: MIT */
/*
 * futex_user.c -- the user lock of FUTEX: readers in slots, writers in a word.
 *
 * Slots are never given back: whoever needs one takes that of a dead thread, or
 * the next that was never used.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>

#include "base/fail.h"
#include "base/page.h"
#include "lock/futex_user.h"

enum {
    CLAIM_LOOKS = 4,   /* slots looked at before a new one is used */
    CLAIM_TRIES = 64,  /* against others who claim at the same time */
    READER_LOOKS = 16, /* readers looked after at a time */
    FORGET_WRITES = 64 /* exclusive locks of a thread until it clears the map */
};

static uint32_t count_slots(struct futex_user *user)
{
    uint32_t high = atomic_load(&user->high);
    return high < FUTEX_SLOTS ? high : FUTEX_SLOTS;
}

/* The first slot from AT on that somebody reads in; HIGH if none. */
static uint32_t next_reader(struct futex_user *user, uint32_t at, uint32_t high)
{
    while (at < high) {
        uint64_t map =
            atomic_load(&user->active[at / FUTEX_GROUP]) >> at % FUTEX_GROUP;
        if (map == 0) {
            at = (at | (FUTEX_GROUP - 1)) + 1;
            continue;
        }
        at += (uint32_t)__builtin_ctzll(map);
        if (at < high && atomic_load(&user->slots[at].state) & SLOT_READING)
            return at;
        at++;
    }
    return high;
}

/* Does any thread read but that of HOLD? */
static bool is_read(struct futex_user *user, const struct futex_hold *hold)
{
    uint32_t high = count_slots(user);
    uint32_t at = next_reader(user, 0, high);
    if (at + 1 == hold->slot)
        at = next_reader(user, at + 1, high);
    return at < high;
}

/* A writer may sleep until a slot is idle: one just became so. */
void mmi_futex_wake_writer(struct futex_user *user)
{
    uint32_t seen = atomic_load(&user->drain);
    if (seen & 1 &&
        atomic_compare_exchange_strong(&user->drain, &seen, seen + 1))
        mmi_futex_wake(&user->drain, INT_MAX);
}

/* Free slot AT if its owner is dead. */
static bool bury_reader(struct futex_user *user, uint32_t at)
{
    uint64_t seen = atomic_load(&user->slots[at].state);
    if (!(seen & SLOT_READING) || !mmi_life_ended(seen) ||
        !atomic_compare_exchange_strong(&user->slots[at].state, &seen, 0))
        return false;
    atomic_store(&user->died, 1);
    return true;
}

/* Look after some of the readers, starting with number *FIRST, and move *FIRST
 * on. */
static void bury_readers(struct futex_user *user, unsigned *first)
{
    uint32_t high = count_slots(user);
    unsigned number = 0;
    uint32_t at = next_reader(user, 0, high);
    for (; at < high; at = next_reader(user, at + 1, high)) {
        if (number >= *first + READER_LOOKS)
            break;
        if (number >= *first)
            bury_reader(user, at);
        number++;
    }
    *first = at < high ? number : 0;
}

/* Clear the bits of idle slots; the caller owns the word. */
static void forget_readers(struct futex_user *user)
{
    uint32_t high = count_slots(user);
    for (uint32_t at = 0; at < high; at += FUTEX_GROUP) {
        uint64_t map = atomic_load(&user->active[at / FUTEX_GROUP]);
        uint64_t idle = 0;
        for (; map != 0; map &= map - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(map);
            if (!(atomic_load(&user->slots[at + bit].state) & SLOT_READING))
                idle |= UINT64_C(1) << bit;
        }
        if (idle != 0)
            atomic_fetch_and(&user->active[at / FUTEX_GROUP], ~idle);
    }
}

/* Owning the word, wait until nobody else reads.
 *  0: so it is, 1: an upgrade has precedence, -1: no time left. */
static int drain(struct futex_user *user, const struct futex_hold *hold,
                 uint64_t until, bool yields)
{
    unsigned first = 0;
    uint64_t start = 0;
    for (unsigned turns = 0; is_read(user, hold); turns++) {
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
            bury_readers(user, &first);
            start = now;
        }
        if (late)
            return is_read(user, hold) ? -1 : 0;
        if (turns == 0)
            continue;
        uint32_t seen = atomic_fetch_or(&user->drain, 1) | 1;
        if (is_read(user, hold) &&
            !(yields && atomic_load(&user->upgrader) != 0))
            mmi_futex_sleep(&user->drain, seen,
                            until - now < WAIT_LOOK ? until - now : WAIT_LOOK);
    }
    return 0;
}

static int take_word(struct futex_user *user, uint64_t me, uint64_t until,
                     _Atomic uint64_t *first)
{
    uint64_t dead = 0;
    /* Only who waits finds out that the one ahead is dead. */
    bool stands_back = first && atomic_load(first) != 0;
    if (!stands_back && word_try(&user->word, me))
        return 0;
    if (mmi_word_acquire(&user->word, me, until, first, &dead) < 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    /* Readers that only pass through hold nothing of the client's. */
    if (dead != 0 && !(dead & WORD_MARK))
        atomic_store(&user->died, 1);
    return 0;
}

/* Become the writer, who owns the word already if HAS_WORD. */
static int take_alone(struct futex_user *user, struct futex_hold *hold,
                      uint64_t until, bool has_word)
{
    bool yields = hold->mode == HOLDS_NOTHING;
    for (;;) {
        if (!has_word && take_word(user, hold->name, until,
                                   yields ? &user->upgrader : NULL) < 0)
            return -1;
        int turn = drain(user, hold, until, yields);
        if (turn == 0)
            break;
        word_release(&user->word, hold->name);
        has_word = false;
        if (turn < 0 || mmi_futex_now() >= until) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
    hold->mode = HOLDS_EXCLUSIVE;
    if (++hold->writes % FORGET_WRITES == 0)
        forget_readers(user);
    return 0;
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
    if (announce(user, hold->name) < 0)
        return -1;
    mmi_futex_wake_writer(user);
    int result = take_alone(user, hold, until, false);
    atomic_store(&user->upgrader, 0);
    if (result == 0)
        atomic_store(&user->slots[hold->slot - 1].state, hold->name);
    else
        mmi_futex_wake(word_futex(&user->word), 1); /* who stood back */
    return result;
}

int mmi_futex_exclude(struct futex_user *user, struct futex_hold *hold,
                      const struct timespec *deadline)
{
    switch (hold->mode) {
    case HOLDS_SHARED:
        return upgrade(user, hold, mmi_futex_until(deadline));
    case HOLDS_NOTHING:
        return take_alone(user, hold, mmi_futex_until(deadline), false);
    case HOLDS_EXCLUSIVE:
        break; /* asked to share, but had no slot */
    }
    return 0;
}

int mmi_futex_settle(struct futex_user *user, struct futex_hold *hold,
                     const struct timespec *deadline)
{
    return take_alone(user, hold, mmi_futex_until(deadline), true);
}

/* Can slot AT be touched?  File systems may have no page left for it. */
static bool is_backed(struct futex_user *user, uint32_t at)
{
    size_t page = mmi_page_size();
    uintptr_t address = (uintptr_t)&user->slots[at];
    if (address % page >= sizeof user->slots[at])
        return true;
#ifdef MADV_POPULATE_WRITE
    int saved = errno;
    void *start = (void *)(address & ~(page - 1));
    bool backed = madvise(start, page, MADV_POPULATE_WRITE) == 0 ||
                  (errno != ENOMEM && errno != EFAULT && errno != ENOSPC);
    errno = saved;
    return backed;
#else
    return true;
#endif
}

static bool claim_slot(struct futex_user *user, struct futex_hold *hold)
{
    uint32_t high = count_slots(user);
    for (int i = 0; i < CLAIM_LOOKS && (uint32_t)i < high; i++) {
        uint32_t at = atomic_fetch_add(&user->cursor, 1) % high;
        uint64_t seen = atomic_load(&user->slots[at].state);
        if ((seen == 0 || mmi_life_ended(seen)) &&
            atomic_compare_exchange_strong(&user->slots[at].state, &seen,
                                           hold->name)) {
            if (seen & SLOT_READING)
                atomic_store(&user->died, 1);
            hold->slot = at + 1;
            return true;
        }
    }
    for (int i = 0; i < CLAIM_TRIES && high < FUTEX_SLOTS; i++) {
        if (!is_backed(user, high))
            return false;
        uint32_t at = high;
        uint64_t nobody = 0;
        if (atomic_compare_exchange_strong(&user->high, &high, at + 1) &&
            atomic_compare_exchange_strong(&user->slots[at].state, &nobody,
                                           hold->name)) {
            hold->slot = at + 1;
            return true;
        }
        high = count_slots(user);
    }
    return false;
}

int mmi_futex_share(struct futex_user *user, struct futex_hold *hold,
                    const struct timespec *deadline)
{
    if (hold->slot == 0 && !claim_slot(user, hold))
        return mmi_futex_exclude(user, hold, deadline);
    uint32_t at = hold->slot - 1;
    _Atomic uint64_t *state = &user->slots[at].state;
    _Atomic uint64_t *map = &user->active[at / FUTEX_GROUP];
    uint64_t bit = UINT64_C(1) << at % FUTEX_GROUP;
    atomic_fetch_or(map, bit);
    if (!futex_reads(user, hold)) {
        /* Queue as writers do; while the word is ours nobody clears bits. */
        uint64_t passing = hold->name | WORD_MARK;
        atomic_store(state, hold->name);
        mmi_futex_wake_writer(user);
        if (take_word(user, passing, mmi_futex_until(deadline),
                      &user->upgrader) < 0)
            return -1;
        atomic_store(state, hold->name | SLOT_READING);
        atomic_fetch_or(map, bit);
        word_release(&user->word, passing);
    }
    hold->mode = HOLDS_SHARED;
    return 0;
}

void mmi_futex_state(struct futex_user *user, const struct futex_hold *hold,
                     struct lock_state *state)
{
    uint64_t owner = atomic_load(&user->word.owner);
    bool mine = (owner & ~(WORD_WAITERS | WORD_MARK)) == hold->name;
    if (word_tid(owner) != 0 && !mine && mmi_life_ended(owner)) {
        if (!(owner & WORD_MARK))
            atomic_store(&user->died, 1);
        word_release(&user->word, owner & ~WORD_WAITERS);
        owner = 0;
    }
    uint32_t high = count_slots(user);
    uint32_t at = next_reader(user, 0, high);
    for (; at < high; at = next_reader(user, at + 1, high))
        if (at + 1 == hold->slot || !bury_reader(user, at))
            state->readers++;
    if (hold->mode == HOLDS_EXCLUSIVE)
        state->readers = 0; /* they only looked whether there is a writer */
    if (state->readers == 0 && !(owner & WORD_MARK))
        state->holder = (pid_t)word_tid(owner);
    state->owner_died = atomic_exchange(&user->died, 0) != 0;
}
