/* SPDX-License-Identifier: MIT */
/*
 * lock_flock.c -- FLOCK: flock(2) of nameless files.
 *
 * These locks belong to open files; each process has its own (lock_file.c).
 * They are freed when the process ends, however it ends.  Needs the process
 * file system at /proc.
 *
 * flock() lets go of a shared lock before it waits for the exclusive one, and a
 * writer could slip in between.  So the user lock is two files.  A reader locks
 * ALL and READERS shared, a writer locks ALL exclusive: it has to wait until
 * nobody is inside in any way.  Whoever upgrades keeps ALL shared and waits for
 * READERS exclusive; that no two do so at once is what UPGRADE is for.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fail.h"
#include "lock/lock.h"
#include "lock/lock_file.h"
#include "lock/lock_wait.h"

enum { FILE_INTERNAL, FILE_ALL, FILE_READERS, FILE_UPGRADE, FILE_COUNT };

static const struct timespec only_try;

static int flock_create(struct lock *lock)
{
    struct lock_file *files = calloc(FILE_COUNT, sizeof *files);
    if (!files)
        return mmi_fail("mm:core: cannot create a lock");
    for (int i = 0; i < FILE_COUNT; i++) {
        int result = mmi_lock_file_create(&files[i]);
        /* Better now than at the first lock. */
        if (result == 0 && mmi_lock_file_own(&files[i]) >= 0)
            continue;
        for (int last = result < 0 ? i - 1 : i; last >= 0; last--)
            mmi_lock_file_destroy(&files[last]);
        free(files);
        return -1;
    }
    lock->private = files;
    return 0;
}

static int lock_one(struct lock *lock, int which, int operation,
                    const struct timespec *deadline)
{
    int fd = mmi_lock_file_own((struct lock_file *)lock->private + which);
    if (fd < 0)
        return -1;
    struct lock_wait wait = {.deadline = deadline};
    for (;;) {
        bool block = lock_may_block(&wait);
        if (flock(fd, block ? operation : operation | LOCK_NB) == 0)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            return mmi_fail("mm:core: cannot lock a lock file");
        if (!mmi_lock_pause(&wait)) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
}

static int unlock_one(struct lock *lock, int which)
{
    int fd = mmi_lock_file_own((struct lock_file *)lock->private + which);
    if (fd < 0)
        return -1;
    return flock(fd, LOCK_UN) == 0
               ? 0
               : mmi_fail("mm:core: cannot unlock a lock file");
}

static int acquire_shared(struct lock *lock, const struct timespec *deadline)
{
    if (lock_one(lock, FILE_ALL, LOCK_SH, deadline) < 0)
        return -1;
    if (lock_one(lock, FILE_READERS, LOCK_SH, deadline) == 0)
        return 0;
    int saved = errno;
    unlock_one(lock, FILE_ALL);
    errno = saved;
    return -1;
}

static int upgrade(struct lock *lock, const struct timespec *deadline)
{
    if (lock_one(lock, FILE_UPGRADE, LOCK_EX, &only_try) < 0)
        return errno != ETIMEDOUT
                   ? -1
                   : mmi_fail_as(EDEADLK, "mm:core: cannot upgrade the lock: "
                                          "another reader is upgrading");
    int result = lock_one(lock, FILE_READERS, LOCK_EX, deadline);
    int saved = errno;
    /* Only readers can have come: writers need ALL, others UPGRADE. */
    if (result < 0)
        lock_one(lock, FILE_READERS, LOCK_SH, NULL);
    unlock_one(lock, FILE_UPGRADE);
    errno = saved;
    return result;
}

static int flock_acquire(struct lock *lock, enum lock_which which,
                         enum lock_mode mode, const struct timespec *deadline)
{
    if (which == LOCK_INTERNAL)
        return lock_one(lock, FILE_INTERNAL, LOCK_EX, deadline);
    if (mode == LOCK_SHARED)
        return acquire_shared(lock, deadline);
    if (mode == LOCK_EXCLUSIVE)
        return lock_one(lock, FILE_ALL, LOCK_EX, deadline);
    return upgrade(lock, deadline);
}

static int flock_release(struct lock *lock, enum lock_which which)
{
    if (which == LOCK_INTERNAL)
        return unlock_one(lock, FILE_INTERNAL);
    int result = unlock_one(lock, FILE_READERS);
    return unlock_one(lock, FILE_ALL) < 0 ? -1 : result;
}

static void flock_destroy(struct lock *lock)
{
    for (int i = 0; i < FILE_COUNT; i++)
        mmi_lock_file_destroy((struct lock_file *)lock->private + i);
    free(lock->private);
}

/* Whether somebody locks file WHICH exclusive.  Looks through another open
 * file, because a thread of this process may be waiting on its own. */
static int is_exclusive(struct lock *lock, int which)
{
    int fd = mmi_lock_file_open((struct lock_file *)lock->private + which);
    if (fd < 0)
        return -1;
    int exclusive = flock(fd, LOCK_SH | LOCK_NB) < 0;
    close(fd);
    return exclusive;
}

static int flock_state(struct lock *lock, struct lock_state *state)
{
    int all = is_exclusive(lock, FILE_ALL);
    int readers = all == 0 ? is_exclusive(lock, FILE_READERS) : all;
    if (readers < 0)
        return -1;
    state->holder = readers ? -1 : 0;
    return 0;
}

const struct lock_variant mmi_lock_flock = {
    .name = "FLOCK",
    .summary = "flock(2) of nameless files, open files per process",
    .traits = LOCK_READERS | LOCK_RECOVERS | LOCK_SAFE_FROM_PEERS |
              LOCK_UPGRADES | LOCK_NEEDS_FD,
    .shared_size = LOCK_NOTES_SIZE,
    .create = flock_create,
    .acquire = flock_acquire,
    .release = flock_release,
    .destroy = flock_destroy,
    .state = flock_state,
};
