/* SPDX-License-Identifier: MIT */
/*
 * lock_futex.c -- FUTEX: words of shared memory that say who has them.
 *
 * Nobody enters the kernel for a lock that is free.  Shared memory holds
 * nothing but names of threads (base/life.h) and counters.
 *
 * The internal lock also tells the kernel where it is, by the slot that the C
 * library's list of robust mutexes keeps for the one being locked: private
 * memory of the thread, whose former value is put back.  So its death wakes the
 * next at once.  That only saves time: the kernel gives up on lists that others
 * damaged, and some systems have none; then a waiter notices in a millisecond.
 *
 * Thread ids mean nothing in another PID namespace, so whoever is in another
 * one than the creator is refused.  A thread that calls exec() is still the
 * same: it loses the internal lock, but keeps the user lock until it ends.
 */
#include "config.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/life.h"
#include "base/thread.h"
#include "lock/futex_fence.h"
#include "lock/futex_user.h"
#include "lock/futex_word.h"
#include "lock/lock.h"
#include "lock/lock_wait.h"

struct futex_shared {
    _Alignas(64) struct futex_word internal;
    struct futex_user user;
};

/* Private memory of the process. */
struct futex {
    uint64_t id;    /* of what each thread keeps */
    uint64_t space; /* PID namespace of the creator */
    bool fences;    /* asymmetric ones: the same for all who have the lock */
};

static struct futex_shared *shared_of(struct lock *lock)
{
    return (struct futex_shared *)lock->shared;
}

static int futex_create(struct lock *lock)
{
    const struct life *self = mmi_life_self();
    if (!self)
        return -1;
    struct futex *futex = malloc(sizeof *futex);
    if (!futex)
        return mmi_fail("mm:core: cannot create a lock");
    futex->space = self->space;
    futex->fences = mmi_futex_fence_join();
    futex->id = mmi_object_id();
    if (futex->id == 0) {
        free(futex);
        return -1;
    }
    lock->private = futex;
    return 0;
}

static void futex_destroy(struct lock *lock)
{
    int saved = errno;
    struct futex *futex = lock->private;
    mmi_object_retire(futex->id);
    free(futex);
    lock->private = NULL;
    errno = saved;
}

static void wake_writer(struct lock_hold *base)
{
    struct futex_hold *hold = (struct futex_hold *)base;
    mmi_futex_wake_writer(&shared_of(hold->lock)->user);
}

/* What the calling thread knows about LOCK, for the first time. */
static struct futex_hold *make_hold(struct lock *lock)
{
    const struct futex *futex = lock->private;
    const struct life *self = mmi_life_self();
    struct futex_hold *hold = mmi_thread_local(futex->id, sizeof *hold);
    if (!self || !hold || hold->base.name != 0)
        return self ? hold : NULL;
    if (mmi_life_is_foreign(self, futex->space, lock->creator)) {
        mmi_fail_as(ENOTSUP, MMI_FOREIGN_TEXT, "FUTEX");
        return NULL;
    }
    struct futex_user *user = &shared_of(lock)->user;
    hold->lock = lock;
    hold->robust = self->robust;
    hold->fences = futex->fences;
    hold->quick = futex->fences && mmi_futex_fence_join();
    hold->base.word = &user->word.owner;
    hold->base.now = &user->era;
    hold->base.drain = &user->drain;
    hold->base.era = UINT64_MAX;
    hold->base.biased = hold->quick ? self->name | WORD_BIAS : UINT64_MAX;
    hold->base.wake = wake_writer;
    hold->base.reads = self->name | SLOT_READING;
    hold->base.writes = self->name | SLOT_READING | SLOT_WRITING;
    hold->base.name = self->name;
    return hold;
}

static inline struct futex_hold *find_hold(struct lock *lock)
{
    const struct futex *futex = lock->private;
    struct futex_hold *hold = mmi_thread_recall(futex->id);
    return hold && hold->base.name != 0 ? hold : make_hold(lock);
}

/* Tell the kernel about WORD, whoever has it; take that back with unlist(). */
static void enlist(struct futex_hold *hold, struct futex_word *word)
{
    if (hold->robust) {
        char *futex = (char *)word_futex(word);
        hold->pending = hold->robust->list_op_pending;
        hold->robust->list_op_pending =
            (struct robust_list *)(futex - hold->robust->futex_offset);
    }
    atomic_signal_fence(memory_order_seq_cst);
}

static void unlist(struct futex_hold *hold)
{
    atomic_signal_fence(memory_order_seq_cst);
    if (hold->robust)
        hold->robust->list_op_pending = hold->pending;
}

static int enter(struct lock *lock, struct futex_hold *hold,
                 const struct timespec *deadline)
{
    struct futex_word *word = &shared_of(lock)->internal;
    uint64_t before;
    if (hold->inside)
        return mmi_fail_as(EDEADLK,
                           "mm:core: cannot enter the heap: this thread is "
                           "inside already, in a signal handler perhaps");
    hold->inside = true;
    enlist(hold, word);
    if (!word_try(word, hold->base.name) &&
        (lock_only_tries(deadline) ||
         mmi_word_acquire(word, hold->base.name, mmi_futex_until(deadline),
                          NULL, &before) < 0)) {
        unlist(hold);
        hold->inside = false;
        errno = ETIMEDOUT;
        return -1;
    }
    return 0;
}

static void leave(struct lock *lock, struct futex_hold *hold)
{
    word_release(&shared_of(lock)->internal, hold->base.name);
    unlist(hold);
    hold->inside = false;
}

static int futex_acquire(struct lock *lock, enum lock_which which,
                         enum lock_mode mode, const struct timespec *deadline)
{
    struct futex_hold *hold = find_hold(lock);
    if (!hold)
        return -1;
    if (which == LOCK_INTERNAL)
        return enter(lock, hold, deadline);

    struct futex_user *user = &shared_of(lock)->user;
    /* An attempt to enter quickly may have kept a writer waiting. */
    if (hold->base.tries && atomic_load(&user->drain) & 1)
        mmi_futex_wake_writer(user);
    int result = mode == LOCK_SHARED ? futex_share(user, hold, deadline)
                                     : futex_exclude(user, hold, deadline);
    hold->base.tries = hold->quick && hold->slot != 0 &&
                       (atomic_load(&user->era) == hold->base.era ||
                        atomic_load(&user->word.owner) == hold->base.biased);
    return result;
}

static int futex_release(struct lock *lock, enum lock_which which)
{
    struct futex_hold *hold = find_hold(lock);
    if (!hold)
        return -1;
    if (which == LOCK_INTERNAL ? !hold->inside
                               : hold->base.seat == SEAT_OUTSIDE)
        return mmi_fail_as(EPERM, "mm:core: cannot release a lock that this "
                                  "thread does not have");
    if (which == LOCK_INTERNAL)
        leave(lock, hold);
    else
        futex_leave(&shared_of(lock)->user, hold);
    return 0;
}

static struct lock_hold *futex_hold(struct lock *lock)
{
    struct futex_hold *hold = find_hold(lock);
    return hold ? &hold->base : NULL;
}

static int futex_state(struct lock *lock, struct lock_state *state)
{
    const struct futex_hold *hold = find_hold(lock);
    if (!hold)
        return -1;
    mmi_futex_state(&shared_of(lock)->user, hold, state);
    return 0;
}

const struct lock_variant mmi_lock_futex = {
    .name = "FUTEX",
    .summary = "words in shared memory, no system call unless somebody waits",
    .traits = LOCK_READERS | LOCK_THREADS | LOCK_RECOVERS |
              LOCK_SAFE_FROM_PEERS | LOCK_UPGRADES,
    .shared_size = sizeof(struct futex_shared),
    .shared_start = offsetof(struct futex_shared, user.slots),
    .create = futex_create,
    .acquire = futex_acquire,
    .release = futex_release,
    .destroy = futex_destroy,
    .hold = futex_hold,
    .state = futex_state,
};
