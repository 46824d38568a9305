/* SPDX-License-Identifier: MIT */
/*
 * lock_pthread.c -- PTHREAD: robust process-shared mutexes of the C library.
 *
 * Only between processes of equal privilege: the C library keeps a list of held
 * mutexes *inside* the mutexes and writes through its links, so a peer that
 * overwrites them chooses an address that we write to.
 *
 * No mutex can be shared, so the user lock has many: a reader takes one of the
 * slots, a writer the gate and then all slots.  While the gate bears a name
 * readers queue for it as writers do, so neither kind starves the other.  Who
 * upgrades takes the token instead of the gate and keeps its slot; everybody
 * else waits while the token bears a name.  Nobody waits with slots in hand but
 * a reader for its upgrade.  More readers than slots wait for one.
 *
 * The C library gives the mutexes of the dead to the next who asks.  If one of
 * them bears a name marked INSIDE, its holder had the lock, and that is told;
 * the client sees to what it left before anybody else gets that mutex. The
 * kernel looks after 2048 mutexes of a thread, that is some 60 user locks.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/life.h"
#include "base/thread.h"
#include "lock/lock.h"
#include "lock/lock_wait.h"

enum { INTERNAL, GATE, TOKEN, SLOT, SEATS = SLOT + 32 }; /* seat numbers */

/* Flag of a name; and what is left of one when its death was told. */
#define INSIDE (LIFE_TID + 1)
#define TOLD   (INSIDE << 1)

struct seat {
    _Alignas(64) pthread_mutex_t mutex;
    _Atomic uint64_t name; /* who has it, where others want to know; or 0 */
};

struct seats {
    struct seat seat[SEATS];
    _Atomic uint32_t died; /* a holder did, and nobody was told yet */
};

/* Private memory of the process. */
struct private
{
    uint64_t id;    /* of what each thread keeps */
    uint64_t space; /* PID namespace of the creator */
};

/* What a thread knows about its part in one lock. */
struct hold {
    uint64_t name; /* 0: all of this is still to be filled in */
    int slot;      /* seat as a reader, or the last such, or the first to try */
    int seat;      /* SLOT: is a reader; GATE, TOKEN: the writer; 0: neither */
};

static const struct timespec only_try;

static struct seats *seats_of(const struct lock *lock)
{
    return (struct seats *)(void *)lock->shared;
}

static int make_mutexes(struct seats *seats)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error)
        return error;
    error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (!error)
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (!error)
        error =
            pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    for (int i = 0; !error && i < SEATS; i++)
        error = pthread_mutex_init(&seats->seat[i].mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return error;
}

static int pthread_create_lock(struct lock *lock)
{
    const struct life *self = mmi_life_self();
    if (!self)
        return -1;
    struct private *private = malloc(sizeof *private);
    int error = private ? make_mutexes(seats_of(lock)) : ENOMEM;
    if (error) {
        free(private);
        return mmi_fail_as(error, "mm:core: cannot make a robust "
                                  "process-shared mutex");
    }
    private->space = self->space;
    private->id = mmi_object_id();
    if (private->id == 0) {
        free(private);
        return -1;
    }
    lock->private = private;
    return 0;
}

/* The mutexes stay: other processes go on, and they own nothing outside. */
static void pthread_destroy(struct lock *lock)
{
    int saved = errno;
    struct private *private = lock->private;
    mmi_object_retire(private->id);
    free(private);
    lock->private = NULL;
    errno = saved;
}

static struct hold *find_hold(struct lock *lock)
{
    const struct private *private = lock->private;
    struct hold *hold = mmi_thread_recall(private->id);
    if (hold && hold->name != 0)
        return hold;
    const struct life *self = mmi_life_self();
    hold = self ? mmi_thread_local(private->id, sizeof *hold) : NULL;
    if (hold && hold->name == 0) {
        if (mmi_life_is_foreign(self, private->space, lock->creator)) {
            mmi_fail_as(ENOTSUP, MMI_FOREIGN_TEXT, "PTHREAD");
            return NULL;
        }
        uint32_t tid = mmi_thread_id() & LIFE_TID;
        hold->name = self->name ? self->name : tid;
        hold->slot = SLOT + (int)(tid % (SEATS - SLOT));
    }
    return hold;
}

static int wait_for_mutex(pthread_mutex_t *mutex,
                          const struct timespec *deadline)
{
    if (!deadline)
        return pthread_mutex_lock(mutex);
    int error = pthread_mutex_trylock(mutex);
    if (error != EBUSY)
        return error;
    if (lock_only_tries(deadline))
        return ETIMEDOUT;
#ifdef HAVE_PTHREAD_MUTEX_CLOCKLOCK
    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, deadline);
#else
    struct lock_wait wait = {.deadline = deadline};
    while (error == EBUSY) {
        if (!mmi_lock_pause(&wait))
            return ETIMEDOUT;
        error = pthread_mutex_trylock(mutex);
    }
    return error;
#endif
}

static void put_name(struct lock *lock, int number, uint64_t name)
{
    atomic_store(&seats_of(lock)->seat[number].name, name);
}

static bool is_named(struct lock *lock, int number)
{
    return atomic_load(&seats_of(lock)->seat[number].name) != 0;
}

/* 0 or an errno, here and below. */
static int take_seat(struct lock *lock, int number,
                     const struct timespec *deadline)
{
    struct seats *seats = seats_of(lock);
    struct seat *seat = &seats->seat[number];
    int error = wait_for_mutex(&seat->mutex, deadline);
    if (error == EOWNERDEAD)
        error = pthread_mutex_consistent(&seat->mutex);
    if (error)
        return error;
    uint64_t dead = atomic_load(&seat->name);
    if (dead & INSIDE)
        atomic_store(&seats->died, 1);
    /* Nobody else is the writer while this thread has the seat of the last. */
    if (dead & INSIDE || dead == TOLD)
        mmi_lock_owner_died(lock);
    if (dead != 0)
        put_name(lock, number, 0);
    return 0;
}

static int give_seat(struct lock *lock, int number)
{
    if (is_named(lock, number))
        put_name(lock, number, 0);
    return pthread_mutex_unlock(&seats_of(lock)->seat[number].mutex);
}

/* Does somebody upgrade, who has not died? */
static bool sees_upgrade(struct lock *lock)
{
    if (!is_named(lock, TOKEN))
        return false;
    if (take_seat(lock, TOKEN, &only_try) != 0)
        return true;
    give_seat(lock, TOKEN);
    return false;
}

static int try_one_slot(struct lock *lock, struct hold *hold)
{
    int error = ETIMEDOUT;
    for (int i = SLOT; error == ETIMEDOUT && i < SEATS; i++) {
        error = take_seat(lock, hold->slot, &only_try);
        if (error == ETIMEDOUT && ++hold->slot == SEATS)
            hold->slot = SLOT;
    }
    return error;
}

/* All that are not mine, or none. */
static int try_all_slots(struct lock *lock, const struct hold *hold)
{
    int mine = hold->seat == SLOT ? hold->slot : 0;
    int error = 0;
    int at = SLOT;
    for (; at < SEATS; at++) {
        error = at == mine ? 0 : take_seat(lock, at, &only_try);
        if (error)
            break;
    }
    while (error && --at >= SLOT)
        if (at != mine)
            give_seat(lock, at);
    return error;
}

static int wait_for_slots(struct lock *lock, struct hold *hold,
                          enum lock_mode mode, const struct timespec *deadline)
{
    struct lock_wait wait = {.deadline = deadline};
    for (;;) {
        int error = ETIMEDOUT;
        if (mode == LOCK_UPGRADE || !sees_upgrade(lock))
            error = mode == LOCK_SHARED ? try_one_slot(lock, hold)
                                        : try_all_slots(lock, hold);
        if (error != ETIMEDOUT || !mmi_lock_pause(&wait))
            return error;
    }
}

static int share(struct lock *lock, struct hold *hold,
                 const struct timespec *deadline)
{
    int error = ETIMEDOUT;
    if (!is_named(lock, GATE) && !is_named(lock, TOKEN))
        error = try_one_slot(lock, hold);
    if (error == ETIMEDOUT) {
        error = take_seat(lock, GATE, deadline);
        if (error)
            return error;
        error = wait_for_slots(lock, hold, LOCK_SHARED, deadline);
        give_seat(lock, GATE);
    }
    if (error)
        return error;
    put_name(lock, hold->slot, hold->name | INSIDE);
    hold->seat = SLOT;
    return 0;
}

/* Whoever only looked at it, in sees_upgrade(), has put no name on it. */
static int take_token(struct lock *lock, const struct timespec *deadline)
{
    struct lock_wait wait = {.deadline = deadline};
    for (;;) {
        int error = take_seat(lock, TOKEN, &only_try);
        if (error == ETIMEDOUT && is_named(lock, TOKEN))
            return EDEADLK;
        if (error != ETIMEDOUT || !mmi_lock_pause(&wait))
            return error;
    }
}

static int exclude(struct lock *lock, struct hold *hold,
                   const struct timespec *deadline)
{
    bool upgrades = hold->seat == SLOT;
    int seat = upgrades ? TOKEN : GATE;
    enum lock_mode mode = upgrades ? LOCK_UPGRADE : LOCK_EXCLUSIVE;
    int error =
        upgrades ? take_token(lock, deadline) : take_seat(lock, GATE, deadline);
    if (error)
        return error;
    put_name(lock, seat, hold->name);
    error = wait_for_slots(lock, hold, mode, deadline);
    if (error) {
        give_seat(lock, seat);
        return error;
    }
    put_name(lock, seat, hold->name | INSIDE);
    if (upgrades)
        put_name(lock, hold->slot, 0);
    hold->seat = seat;
    return 0;
}

/* The slots come last: no reader finds the token taken without need. */
static int leave(struct lock *lock, struct hold *hold)
{
    int seat = hold->seat == SLOT ? hold->slot : hold->seat;
    int error = give_seat(lock, seat);
    if (seat < SLOT)
        for (int at = SLOT; !error && at < SEATS; at++)
            error = give_seat(lock, at);
    hold->seat = 0;
    return error;
}

static int pthread_acquire(struct lock *lock, enum lock_which which,
                           enum lock_mode mode, const struct timespec *deadline)
{
    struct hold *hold = find_hold(lock);
    if (!hold)
        return -1;
    int error = which == LOCK_INTERNAL ? take_seat(lock, INTERNAL, deadline)
                : mode == LOCK_SHARED  ? share(lock, hold, deadline)
                                       : exclude(lock, hold, deadline);
    if (which == LOCK_USER && error == EDEADLK && hold->seat == SLOT)
        return mmi_fail_as(EDEADLK,
                           "mm:core: cannot upgrade the lock: another thread, "
                           "which also reads, is upgrading already");
    if (!error)
        return 0;
    errno = error;
    return error == ETIMEDOUT ? -1 : mmi_fail("mm:core: cannot lock a mutex");
}

static int pthread_release(struct lock *lock, enum lock_which which)
{
    struct hold *hold = which == LOCK_USER ? find_hold(lock) : NULL;
    if (which == LOCK_USER && !hold)
        return -1;
    int error = EPERM;
    if (!hold)
        error = give_seat(lock, INTERNAL);
    else if (hold->seat != 0)
        error = leave(lock, hold);
    return error ? mmi_fail_as(error, "mm:core: cannot unlock a mutex") : 0;
}

/* Who left its name in seat NUMBER, inside; 0: nobody who lives.  *DIED if he
 * is dead and nobody else will tell.  Takes no mutex, so nobody's attempt fails
 * because of it. */
static uint64_t look_at(struct lock *lock, int number, bool knows_dead,
                        bool *died)
{
    _Atomic uint64_t *name = &seats_of(lock)->seat[number].name;
    uint64_t seen = atomic_load(name);
    if (!(seen & INSIDE))
        return 0;
    if (!knows_dead || !mmi_life_ended(seen & ~INSIDE))
        return seen;
    if (atomic_compare_exchange_strong(name, &seen, TOLD))
        *died = true;
    return 0;
}

static int pthread_state(struct lock *lock, struct lock_state *state)
{
    struct seats *seats = seats_of(lock);
    const struct private *private = lock->private;
    const struct life *self = mmi_life_self();
    if (!self)
        return -1;
    bool knows_dead = self->space != 0 && self->space == private->space;
    bool died = false;
    uint64_t writer = look_at(lock, GATE, knows_dead, &died) |
                      look_at(lock, TOKEN, knows_dead, &died);
    state->holder = (pid_t)(writer & LIFE_TID);
    for (int at = SLOT; at < SEATS; at++)
        if (look_at(lock, at, knows_dead, &died) != 0)
            state->readers++;
    state->owner_died = atomic_exchange(&seats->died, 0) != 0 || died;
    return 0;
}

const struct lock_variant mmi_lock_pthread = {
    .name = "PTHREAD",
    .summary = "robust mutexes, for processes of equal privilege only",
    .traits = LOCK_READERS | LOCK_THREADS | LOCK_RECOVERS | LOCK_UPGRADES,
    .shared_size = sizeof(struct seats),
    .create = pthread_create_lock,
    .acquire = pthread_acquire,
    .release = pthread_release,
    .destroy = pthread_destroy,
    .state = pthread_state,
};
