/* SPDX-License-Identifier: MIT */
/*
 * lock_user.c -- what mm_lock() takes: counted, upgradable, and the same for
 * all variants.
 *
 * How deep a thread is inside, and in which mode, is its private memory and
 * forgotten in a fork child.  The variant is asked on the way from outside to
 * inside, for an upgrade, and on the way out.  Variants without LOCK_THREADS
 * are asked through lock_local.c.  Where a variant has no shared mode, readers
 * are exclusive.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fault.h"
#include "base/thread.h"
#include "lock/lock.h"
#include "lock/lock_local.h"
#include "lock/lock_wait.h"

static const struct timespec only_try;

struct user {
    uint64_t id; /* of what each thread keeps */
    bool threads;
    bool readers;
    struct lock_local local;
};

struct lock_hold *mmi_lock_hold(struct lock *lock)
{
    const struct user *user = lock->user;
    if (lock->variant->hold)
        return lock->variant->hold(lock);
    struct lock_hold *hold = mmi_thread_recall(user->id);
    return hold ? hold : mmi_thread_local(user->id, sizeof *hold);
}

/* The hold of the calling thread, up to date; put back with put_hold(). */
static struct lock_hold *get_hold(struct lock *lock)
{
    struct lock_hold *hold = mmi_lock_hold(lock);
    if (!hold || hold->quick == QUICK_NEVER)
        return hold;
    hold->depth = hold->quick == QUICK_OUTSIDE ? 0 : 1;
    hold->mode = hold->quick == QUICK_WRITES ? LOCK_EXCLUSIVE : LOCK_SHARED;
    hold->seat = hold->quick == QUICK_OUTSIDE ? SEAT_OUTSIDE
                 : hold->quick == QUICK_READS ? SEAT_READS
                                              : SEAT_WRITES;
    hold->quick = QUICK_NEVER;
    return hold;
}

static void put_hold(struct lock_hold *hold)
{
    if (!hold->tries)
        return;
    if (hold->depth == 0)
        hold->quick = QUICK_OUTSIDE;
    else if (hold->depth == 1 && hold->seat == SEAT_READS)
        hold->quick = QUICK_READS;
    else if (hold->depth == 1 && hold->seat == SEAT_WRITES)
        hold->quick = QUICK_WRITES;
}

int mmi_lock_create(struct lock *lock, const struct lock_variant *variant,
                    char *shared, uint64_t id, long timeout)
{
    *lock = (struct lock){.variant = variant,
                          .id = id,
                          .shared = shared,
                          .timeout = timeout,
                          .creator = getpid()};
    struct user *user = calloc(1, sizeof *user);
    if (!user)
        return mmi_fail("mm:core: cannot create a lock");
    user->threads = variant->traits & LOCK_THREADS;
    user->readers = variant->traits & LOCK_READERS;
    user->id = mmi_object_id();
    if (user->id == 0)
        goto undo_memory;
    lock->user = user;
    if (variant->create(lock) < 0)
        goto undo_id;
    return 0;

undo_id:
    mmi_object_retire(user->id);
undo_memory:
    free(user);
    lock->user = NULL;
    return -1;
}

void mmi_lock_destroy(struct lock *lock)
{
    int saved = errno;
    struct user *user = lock->user;
    lock->variant->destroy(lock);
    mmi_object_retire(user->id);
    free(user);
    lock->user = NULL;
    errno = saved;
}

/* Nearly always the lock is free, and no deadline need be made up. */
static int enter_variant(struct lock *lock)
{
    const struct lock_variant *variant = lock->variant;
    int result = variant->acquire(lock, LOCK_INTERNAL, LOCK_EXCLUSIVE,
                                  lock->timeout > 0 ? &only_try : NULL);
    if (result == 0 || errno != ETIMEDOUT)
        return result;
    struct timespec deadline = mmi_lock_deadline(lock->timeout);
    return variant->acquire(lock, LOCK_INTERNAL, LOCK_EXCLUSIVE, &deadline);
}

static int enter_local(struct lock *lock)
{
    struct user *user = lock->user;
    if (lock->timeout == 0)
        return mmi_lock_local_enter(&user->local, lock, NULL);
    struct timespec deadline = mmi_lock_deadline(lock->timeout);
    return mmi_lock_local_enter(&user->local, lock, &deadline);
}

int mmi_lock_enter(struct lock *lock)
{
    struct user *user = lock->user;
    int result = user->threads ? enter_variant(lock) : enter_local(lock);
    if (result < 0 && errno == ETIMEDOUT)
        return mmi_fail_as(ETIMEDOUT,
                           "mm:core: the internal lock was not free within %ld "
                           "ms: its holder is stopped or hostile",
                           lock->timeout);
    if (result == 0)
        FAULT_POINT("internal.held");
    return result;
}

bool mmi_lock_try_enter(struct lock *lock)
{
    struct user *user = lock->user;
    int result = user->threads
                     ? lock->variant->acquire(lock, LOCK_INTERNAL,
                                              LOCK_EXCLUSIVE, &only_try)
                     : mmi_lock_local_enter(&user->local, lock, &only_try);
    return result == 0;
}

void mmi_lock_leave(struct lock *lock)
{
    struct user *user = lock->user;
    if (user->threads)
        lock->variant->release(lock, LOCK_INTERNAL);
    else
        mmi_lock_local_leave(&user->local, lock);
}

static int ask(struct lock *lock, enum lock_mode mode,
               const struct timespec *deadline)
{
    struct user *user = lock->user;
    int result;
    if (user->threads)
        result = lock->variant->acquire(
            lock, LOCK_USER, mode == LOCK_SHARED ? mode : LOCK_EXCLUSIVE,
            deadline);
    else
        result = mmi_lock_local_acquire(&user->local, lock, mode, deadline);
    if (result == 0 || errno != ETIMEDOUT)
        return result;
    const char *what = mode == LOCK_SHARED      ? "lock for reading"
                       : mode == LOCK_EXCLUSIVE ? "lock for writing"
                                                : "upgrade the lock";
    if (lock_only_tries(deadline))
        return mmi_fail_as(EBUSY, "mm:core: cannot %s: somebody else is inside",
                           what);
    return mmi_fail_as(ETIMEDOUT,
                       "mm:core: cannot %s: somebody else stayed inside until "
                       "the deadline",
                       what);
}

static int acquire_again(struct lock *lock, struct lock_hold *hold,
                         enum lock_mode mode, const struct timespec *deadline)
{
    if (hold->depth == UINT32_MAX)
        return mmi_fail_as(EOVERFLOW, "mm:core: cannot lock: locked too often");
    if (mode == LOCK_EXCLUSIVE && hold->mode == LOCK_SHARED) {
        if (ask(lock, LOCK_UPGRADE, deadline) < 0)
            return -1;
        hold->mode = LOCK_EXCLUSIVE;
    }
    hold->depth++;
    return 0;
}

static int acquire(struct lock *lock, struct lock_hold *hold,
                   enum lock_mode mode, const struct timespec *deadline)
{
    struct user *user = lock->user;
    if (!user->readers)
        mode = LOCK_EXCLUSIVE;
    if (hold->depth > 0)
        return acquire_again(lock, hold, mode, deadline);
    if (ask(lock, mode, deadline) < 0)
        return -1;
    hold->depth = 1;
    hold->mode = mode;
    FAULT_POINT("lock.held");
    if (!user->threads)
        mmi_thread()->user_locks++;
    return 0;
}

int mmi_lock_acquire(struct lock *lock, enum lock_mode mode,
                     const struct timespec *deadline)
{
    struct lock_hold *hold = get_hold(lock);
    if (!hold)
        return -1;
    int result = acquire(lock, hold, mode, deadline);
    put_hold(hold);
    return result;
}

static int release(struct lock *lock, struct lock_hold *hold)
{
    struct user *user = lock->user;
    if (hold->depth == 0)
        return mmi_fail_as(EPERM,
                           "mm:core: cannot unlock: this thread does not "
                           "hold the lock");
    if (--hold->depth > 0)
        return 0;
    if (user->threads)
        return lock->variant->release(lock, LOCK_USER);
    mmi_thread()->user_locks--;
    return mmi_lock_local_release(&user->local, lock,
                                  (enum lock_mode)hold->mode);
}

int mmi_lock_release(struct lock *lock)
{
    struct lock_hold *hold = get_hold(lock);
    if (!hold)
        return -1;
    int result = release(lock, hold);
    put_hold(hold);
    return result;
}

int mmi_lock_state(struct lock *lock, struct lock_state *state)
{
    struct user *user = lock->user;
    int result = 0;
    *state = (struct lock_state){0};
    struct lock_hold *hold = get_hold(lock);
    if (!hold)
        return -1;
    if (!user->threads)
        result = mmi_lock_local_state(&user->local, lock, state);
    else if (lock->variant->state)
        result = lock->variant->state(lock, state);
    state->depth = hold->depth;
    put_hold(hold);
    return result;
}

void mmi_lock_owner_died(struct lock *lock)
{
    if (!lock->owner_died)
        return;
    int saved = errno;
    struct thread *self = mmi_thread();
    struct thread_failure failure = {0};
    if (self)
        failure = self->failure;
    lock->owner_died(lock->context);
    if (self)
        self->failure = failure;
    errno = saved;
}
