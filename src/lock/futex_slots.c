/* SPDX-License-Identifier: MIT */
/*
 * futex_slots.c -- the slots of the readers of FUTEX.
 *
 * Slots are never given back: whoever needs one takes that of a dead thread, or
 * the next that was never used.  That of a thread that died WRITING is left to
 * who owns the word, for he has to see to what the dead left.
 */
#include "config.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/page.h"
#include "lock/futex_slots.h"

enum {
    CLAIM_LOOKS = 4,  /* slots looked at before a new one is used */
    CLAIM_TRIES = 64, /* against others who claim at the same time */
    BURY_LOOKS = 16   /* slots looked after at a time */
};

uint32_t mmi_futex_slots(struct futex_user *user)
{
    uint32_t high = atomic_load(&user->high);
    return high < FUTEX_SLOTS ? high : FUTEX_SLOTS;
}

static bool has(struct futex_user *user, uint32_t at, uint64_t state)
{
    return (atomic_load(&user->slots[at].state) & state) == state;
}

uint32_t mmi_futex_next(struct futex_user *user, uint64_t state, uint32_t at,
                        uint32_t high)
{
    while (at < high) {
        uint64_t map =
            atomic_load(&user->active[at / FUTEX_GROUP]) >> at % FUTEX_GROUP;
        if (map == 0) {
            at = (at | (FUTEX_GROUP - 1)) + 1;
            continue;
        }
        at += (uint32_t)__builtin_ctzll(map);
        if (at < high && has(user, at, state))
            return at;
        at++;
    }
    return high;
}

bool mmi_futex_busy(struct futex_user *user, const struct futex_hold *hold,
                    uint64_t state)
{
    uint32_t high = mmi_futex_slots(user);
    uint32_t at = mmi_futex_next(user, state, 0, high);
    if (at + 1 == hold->slot)
        at = mmi_futex_next(user, state, at + 1, high);
    return at < high;
}

void mmi_futex_tell(struct futex_user *user, const struct futex_hold *hold)
{
    atomic_store(&user->died, 1);
    mmi_lock_owner_died(hold->lock);
}

bool mmi_futex_bury(struct futex_user *user, const struct futex_hold *hold,
                    uint32_t at)
{
    uint64_t seen = atomic_load(&user->slots[at].state);
    if (!(seen & SLOT_READING) || !mmi_life_ended(seen) ||
        !atomic_compare_exchange_strong(&user->slots[at].state, &seen, 0))
        return false;
    mmi_futex_tell(user, hold);
    return true;
}

void mmi_futex_bury_some(struct futex_user *user, const struct futex_hold *hold,
                         uint64_t state, unsigned *first)
{
    uint32_t high = mmi_futex_slots(user);
    unsigned number = 0;
    uint32_t at = mmi_futex_next(user, state, 0, high);
    for (; at < high; at = mmi_futex_next(user, state, at + 1, high)) {
        if (number >= *first + BURY_LOOKS)
            break;
        if (number >= *first)
            mmi_futex_bury(user, hold, at);
        number++;
    }
    *first = at < high ? number : 0;
}

void mmi_futex_forget(struct futex_user *user)
{
    uint32_t high = mmi_futex_slots(user);
    for (uint32_t at = 0; at < high; at += FUTEX_GROUP) {
        uint64_t map = atomic_load(&user->active[at / FUTEX_GROUP]);
        uint64_t idle = 0;
        for (; map != 0; map &= map - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(map);
            if (!has(user, at + bit, SLOT_READING))
                idle |= UINT64_C(1) << bit;
        }
        if (idle != 0)
            atomic_fetch_and(&user->active[at / FUTEX_GROUP], ~idle);
    }
}

void mmi_futex_show(struct futex_user *user, const struct futex_hold *hold)
{
    uint32_t at = hold->slot - 1;
    atomic_fetch_or(&user->active[at / FUTEX_GROUP], UINT64_C(1)
                                                         << at % FUTEX_GROUP);
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

static bool take_slot(struct futex_user *user, struct futex_hold *hold,
                      uint32_t at, uint64_t seen)
{
    if (!atomic_compare_exchange_strong(&user->slots[at].state, &seen,
                                        hold->base.name))
        return false;
    if (seen & SLOT_READING)
        mmi_futex_tell(user, hold);
    hold->slot = at + 1;
    hold->base.slot = &user->slots[at].state;
    return true;
}

bool mmi_futex_claim(struct futex_user *user, struct futex_hold *hold)
{
    uint32_t high = mmi_futex_slots(user);
    for (int i = 0; i < CLAIM_LOOKS && (uint32_t)i < high; i++) {
        uint32_t at = atomic_fetch_add(&user->cursor, 1) % high;
        uint64_t seen = atomic_load(&user->slots[at].state);
        if ((seen == 0 || (!(seen & SLOT_WRITING) && mmi_life_ended(seen))) &&
            take_slot(user, hold, at, seen))
            return true;
    }
    for (int i = 0; i < CLAIM_TRIES && high < FUTEX_SLOTS; i++) {
        if (!is_backed(user, high))
            return false;
        uint32_t at = high;
        if (atomic_compare_exchange_strong(&user->high, &high, at + 1) &&
            take_slot(user, hold, at, 0))
            return true;
        high = mmi_futex_slots(user);
    }
    return false;
}
