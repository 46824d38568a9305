/* SPDX-License-Identifier: MIT */
/*
 * mm_lock.c -- the user lock of pools and raw segments.
 *
 * The allocator never takes this lock, so that any function may be called
 * while it is held.
 */
#include "config.h"

#include <errno.h>
#include <mm.h>
#include <stdbool.h>
#include <time.h>

#include "api/pool.h"
#include "base/fail.h"

/* The calling thread's part in the lock at ADDRESS if that was the last one it
 * took, else NULL. */
static inline struct lock_hold *recall_hold(const void *address)
{
    uint64_t epoch =
        atomic_load_explicit(&mmi_process.epoch, memory_order_acquire);
    if (mmi_thread_lock.address != address || mmi_thread_lock.epoch != epoch)
        return NULL;
    struct lock_hold *hold = mmi_thread_lock.found;
    if (!hold)
        __builtin_unreachable();
    return hold;
}

static void remember_hold(const void *address, struct lock *lock)
{
    struct lock_hold *hold = mmi_lock_hold(lock);
    struct thread *self = mmi_thread();
    if (hold && self)
        mmi_thread_lock = (struct thread_lock){address, self->epoch, hold};
}

/* The lock of the pool or segment at ADDRESS; NULL after mmi_fail_as(). */
static struct lock *find_lock(const void *address)
{
    struct segment *segment = mmi_segment_find(address);
    return segment ? &segment->lock : NULL;
}

__attribute__((noinline)) static int
acquire(const void *address, mm_lock_mode mode, const struct timespec *deadline)
{
    int saved = errno;
    struct lock *lock = find_lock(address);
    if (!lock)
        return 0;
    if (mode != MM_LOCK_RD && mode != MM_LOCK_RW) {
        mmi_fail_as(EINVAL, "mm:core: cannot lock: unknown mode %d", (int)mode);
        return 0;
    }
    enum lock_mode wanted = mode == MM_LOCK_RD ? LOCK_SHARED : LOCK_EXCLUSIVE;
    if (mmi_lock_acquire(lock, wanted, deadline) < 0)
        return 0;
    if (!recall_hold(address))
        remember_hold(address, lock);
    errno = saved;
    return 1;
}

__attribute__((noinline)) static int release(const void *address)
{
    int saved = errno;
    struct lock *lock = find_lock(address);
    if (!lock)
        return 0;
    if (mmi_lock_release(lock) < 0)
        return errno == EPERM; /* nothing to undo: has always been success */
    errno = saved;
    return 1;
}

static inline int enter(const void *address, mm_lock_mode mode)
{
    struct lock_hold *hold = recall_hold(address);
    if (hold && (mode == MM_LOCK_RD   ? lock_share_quickly(hold)
                 : mode == MM_LOCK_RW ? lock_exclude_quickly(hold)
                                      : false))
        return 1;
    return acquire(address, mode, NULL);
}

static inline int leave(const void *address)
{
    struct lock_hold *hold = recall_hold(address);
    if (hold && lock_leave_quickly(hold))
        return 1;
    return release(address);
}

int mm_lock(MM *mm, mm_lock_mode mode)
{
    return enter(mm, mode);
}

int mm_unlock(MM *mm)
{
    return leave(mm);
}

int mm_core_lock(const void *core, mm_lock_mode mode)
{
    return enter(core, mode);
}

int mm_core_unlock(const void *core)
{
    return leave(core);
}

int mm_trylock(MM *mm, mm_lock_mode mode)
{
    static const struct timespec past;
    return acquire(mm, mode, &past);
}

int mm_timedlock(MM *mm, mm_lock_mode mode, const struct timespec *deadline)
{
    if (!deadline || deadline->tv_nsec < 0 || deadline->tv_nsec > 999999999) {
        mmi_fail_as(EINVAL, "mm:core: cannot lock: the deadline is no time");
        return 0;
    }
    return acquire(mm, mode, deadline);
}

int mm_lock_state(MM *mm, struct mm_lock_state *state)
{
    struct lock *lock = find_lock(mm);
    if (!lock)
        return 0;
    if (!state) {
        mmi_fail_as(EINVAL, "mm:core: no place for the state of the lock");
        return 0;
    }
    struct lock_state found = {0};
    if (mmi_lock_state(lock, &found) < 0)
        return 0;
    *state = (struct mm_lock_state){
        .holder = found.holder,
        .readers = found.readers,
        .depth = found.depth,
        .owner_died = found.owner_died,
    };
    return 1;
}
