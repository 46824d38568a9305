/* SPDX-License-Identifier: MIT */
/*
 * lock_local.c -- the threads of one process, for variants without
 * LOCK_THREADS.
 *
 * Kernel locks let readers overtake waiting writers, for ever if there are
 * enough of them.  So who waits to be the writer says so in the shared notes,
 * and new readers hold back for a few milliseconds.  Whether a writer died
 * inside is noted there, too.  Both are hints: a peer that writes nonsense into
 * them costs a reader those milliseconds and makes up a death, no more.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>

#include "base/fail.h"
#include "base/thread.h"
#include "lock/lock_local.h"
#include "lock/lock_wait.h"

enum { HOLD_BACK_MS = 5, WANT_AGAIN_MS = 50, WANT_TIMES = 40 };

struct notes {
    _Atomic uint32_t wanted; /* threads that wait to be the writer */
    /* Thread id of the writer, 0 if it left; WRITER_DIED: one did, and nobody
     * was told yet. */
    _Atomic uint32_t writer;
};

#define WRITER_DIED UINT32_C(0x80000000)

_Static_assert(sizeof(struct notes) <= LOCK_NOTES_SIZE, "notes fit");

static const uint64_t RESETTING = UINT64_C(1) << 63;
static const struct timespec only_try;

static struct notes *notes_of(const struct lock *lock)
{
    return (struct notes *)(void *)lock->shared;
}

/* -- the internal lock -- */

static uint64_t name_thread(void)
{
    uint64_t tid = mmi_thread_id();
    struct thread *self = mmi_thread();
    return self ? self->generation << 32 | tid : 0;
}

static int enter_process(struct lock_local *local,
                         const struct timespec *deadline)
{
    uint64_t name = name_thread();
    if (name == 0)
        return mmi_fail("mm:core: no private memory for this thread");
    struct lock_wait wait = {.deadline = deadline};
    uint64_t inside = atomic_load(&local->inside);
    for (;;) {
        if (inside == name)
            return mmi_fail_as(EDEADLK, "mm:core: this thread is inside the "
                                        "internal lock already");
        if (inside == 0 || inside >> 32 != name >> 32) {
            if (atomic_compare_exchange_weak(&local->inside, &inside, name))
                return 0;
            continue;
        }
        if (!mmi_lock_pause(&wait)) {
            errno = ETIMEDOUT;
            return -1;
        }
        inside = atomic_load(&local->inside);
    }
}

int mmi_lock_local_enter(struct lock_local *local, struct lock *lock,
                         const struct timespec *deadline)
{
    int cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    int result = enter_process(local, deadline);
    if (result == 0) {
        result = lock->variant->acquire(lock, LOCK_INTERNAL, LOCK_EXCLUSIVE,
                                        deadline);
        if (result < 0)
            atomic_store(&local->inside, 0);
    }
    pthread_setcancelstate(cancel, NULL);
    return result;
}

void mmi_lock_local_leave(struct lock_local *local, struct lock *lock)
{
    if (atomic_load(&local->inside) != name_thread())
        return;
    lock->variant->release(lock, LOCK_INTERNAL);
    atomic_store(&local->inside, 0);
}

/* -- the user lock -- */

static void reset(struct lock_local *local)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&local->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&local->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    local->readers = 0;
    local->writer = 0;
    local->upgrading = false;
    local->busy = false;
}

/* Lock the mutex of this process: in a fork child the parent's may be held by
 * a thread that does not exist here, so the first one makes everything new. */
static void begin(struct lock_local *local)
{
    uint64_t now = mmi_thread()->generation;
    uint64_t was =
        atomic_load_explicit(&local->generation, memory_order_acquire);
    while (was != now) {
        if (was != (now | RESETTING) &&
            atomic_compare_exchange_strong(&local->generation, &was,
                                           now | RESETTING)) {
            reset(local);
            atomic_store(&local->generation, now);
            break;
        }
        sched_yield();
        was = atomic_load(&local->generation);
    }
    pthread_mutex_lock(&local->mutex);
}

static void end(struct lock_local *local)
{
    pthread_mutex_unlock(&local->mutex);
}

static int wait_for_change(struct lock_local *local,
                           const struct timespec *deadline)
{
    int error = ETIMEDOUT;
    if (!deadline)
        error = pthread_cond_wait(&local->changed, &local->mutex);
    else if (!lock_only_tries(deadline))
        error =
            pthread_cond_timedwait(&local->changed, &local->mutex, deadline);
    if (error == 0)
        return 0;
    errno = ETIMEDOUT;
    return -1;
}

static void want(struct lock *lock)
{
    atomic_fetch_add(&notes_of(lock)->wanted, 1);
}

static void want_no_more(struct lock *lock)
{
    struct notes *notes = notes_of(lock);
    uint32_t wanted = atomic_load(&notes->wanted);
    while (wanted > 0 &&
           !atomic_compare_exchange_weak(&notes->wanted, &wanted, wanted - 1))
        ;
}

/* Let writers go first, but not for ever: the one who wants to be may be dead,
 * or wait for a reader that waits for us. */
static void hold_back(struct lock *lock, const struct timespec *deadline)
{
    struct notes *notes = notes_of(lock);
    if (atomic_load(&notes->wanted) == 0 || lock_only_tries(deadline))
        return;
    struct timespec until = mmi_lock_deadline(HOLD_BACK_MS);
    struct lock_wait wait = {.deadline = &until};
    while (atomic_load(&notes->wanted) != 0)
        if (!mmi_lock_pause(&wait) ||
            (deadline && mmi_lock_left(deadline) == 0)) {
            atomic_store(&notes->wanted, 0);
            break;
        }
}

/* Wait to be the writer.  Who holds back for one says so no more, so this is
 * repeated; later the kernel may wait alone. */
static int wait_as_writer(struct lock *lock, enum lock_mode mode,
                          const struct timespec *deadline)
{
    int result = -1;
    for (int i = 0; result < 0; i++) {
        struct timespec slice = mmi_lock_deadline(WANT_AGAIN_MS);
        bool last = i == WANT_TIMES || (deadline && mmi_lock_left(deadline) <
                                                        mmi_lock_left(&slice));
        want(lock);
        result = lock->variant->acquire(lock, LOCK_USER, mode,
                                        last ? deadline : &slice);
        want_no_more(lock);
        if (last || (result < 0 && errno != ETIMEDOUT))
            break;
    }
    return result;
}

/* Have the process take the lock.  While it waits for others, the threads
 * beside this one find the process busy. */
static int ask_variant(struct lock_local *local, struct lock *lock,
                       enum lock_mode mode, const struct timespec *deadline)
{
    const struct lock_variant *variant = lock->variant;
    int result = variant->acquire(lock, LOCK_USER, mode, &only_try);
    if (result == 0 || errno != ETIMEDOUT || lock_only_tries(deadline))
        return result;
    local->busy = true;
    end(local);
    result = mode == LOCK_SHARED
                 ? variant->acquire(lock, LOCK_USER, mode, deadline)
                 : wait_as_writer(lock, mode, deadline);
    int saved = errno;
    begin(local);
    local->busy = false;
    pthread_cond_broadcast(&local->changed);
    errno = saved;
    return result;
}

/* The process got the lock in MODE: whoever is noted as inside is dead.  One
 * word says so and who comes next, so that whoever dies in here loses no death,
 * and readers that come together report one once. */
static void look_for_dead_writer(struct lock *lock, enum lock_mode mode)
{
    struct notes *notes = notes_of(lock);
    uint32_t writer = mode == LOCK_SHARED ? 0 : mmi_thread_id();
    uint32_t seen = atomic_load(&notes->writer);
    uint32_t died;
    /* Its name stands until that is done, or whoever comes after us does it. */
    if (seen & ~WRITER_DIED)
        mmi_lock_owner_died(lock);
    do {
        died = seen != 0 ? WRITER_DIED : 0;
        if (seen == (died | writer))
            return;
    } while (
        !atomic_compare_exchange_weak(&notes->writer, &seen, died | writer));
}

static int acquire_shared(struct lock_local *local, struct lock *lock,
                          const struct timespec *deadline)
{
    while (local->writer != 0 || local->busy)
        if (wait_for_change(local, deadline) < 0)
            return -1;
    if (local->readers == 0) {
        if (ask_variant(local, lock, LOCK_SHARED, deadline) < 0)
            return -1;
        look_for_dead_writer(lock, LOCK_SHARED);
    }
    local->readers++;
    return 0;
}

static int acquire_exclusive(struct lock_local *local, struct lock *lock,
                             unsigned readers, const struct timespec *deadline)
{
    enum lock_mode mode = readers ? LOCK_UPGRADE : LOCK_EXCLUSIVE;
    int result = 0;
    if (local->writer != 0 || local->busy || local->readers != readers) {
        want(lock);
        while (result == 0 &&
               (local->writer != 0 || local->busy || local->readers != readers))
            result = wait_for_change(local, deadline);
        want_no_more(lock);
    }
    if (result < 0 || ask_variant(local, lock, mode, deadline) < 0)
        return -1;
    look_for_dead_writer(lock, LOCK_EXCLUSIVE);
    local->readers = 0;
    local->writer = mmi_thread_id();
    return 0;
}

static int upgrade(struct lock_local *local, struct lock *lock,
                   const struct timespec *deadline)
{
    if (local->upgrading)
        return mmi_fail_as(EDEADLK, "mm:core: cannot upgrade the lock: another "
                                    "reader is upgrading");
    local->upgrading = true;
    int result = acquire_exclusive(local, lock, 1, deadline);
    local->upgrading = false;
    return result;
}

int mmi_lock_local_acquire(struct lock_local *local, struct lock *lock,
                           enum lock_mode mode, const struct timespec *deadline)
{
    int cancel;
    int result;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    if (mode == LOCK_SHARED)
        hold_back(lock, deadline);
    begin(local);
    if (mode == LOCK_SHARED)
        result = acquire_shared(local, lock, deadline);
    else if (mode == LOCK_EXCLUSIVE)
        result = acquire_exclusive(local, lock, 0, deadline);
    else
        result = upgrade(local, lock, deadline);
    end(local);
    pthread_setcancelstate(cancel, NULL);
    return result;
}

int mmi_lock_local_release(struct lock_local *local, struct lock *lock,
                           enum lock_mode mode)
{
    int result = 0;
    begin(local);
    if (mode == LOCK_EXCLUSIVE) {
        local->writer = 0;
        atomic_fetch_and(&notes_of(lock)->writer, WRITER_DIED);
    } else {
        local->readers--;
    }
    if (local->readers == 0)
        result = lock->variant->release(lock, LOCK_USER);
    pthread_cond_broadcast(&local->changed);
    end(local);
    return result;
}

int mmi_lock_local_state(struct lock_local *local, struct lock *lock,
                         struct lock_state *state)
{
    int result = 0;
    *state = (struct lock_state){0};
    begin(local);
    if (local->writer != 0) {
        state->holder = (pid_t)local->writer;
    } else {
        if (lock->variant->state)
            result = lock->variant->state(lock, state);
        /* The variant counts this process as one. */
        if (local->readers > 0 && state->readers > 0)
            state->readers--;
        state->readers += local->readers;
    }
    if (result == 0)
        state->owner_died =
            atomic_fetch_and(&notes_of(lock)->writer, ~WRITER_DIED) &
            WRITER_DIED;
    end(local);
    return result;
}
