/* SPDX-License-Identifier: MIT */
/*
 * lock_fcntl.c -- FCNTL: POSIX record locks, one per process.
 *
 * All processes use the descriptor they inherited: these locks belong to the
 * process, not to the open file.  They vanish when a process closes any
 * descriptor of the file, so nothing here opens it a second time.  The kernel
 * frees them when the process ends, however it ends.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fail.h"
#include "lock/lock_record.h"

static const struct record_commands commands = {
    .try = F_SETLK, .wait = F_SETLKW, .get = F_GETLK};

static int fcntl_create(struct lock *lock)
{
    struct lock_file *file = malloc(sizeof *file);
    if (!file)
        return mmi_fail("mm:core: cannot create a lock");
    if (mmi_lock_file_create(file) < 0) {
        free(file);
        return -1;
    }
    lock->private = file;
    return 0;
}

static int fcntl_acquire(struct lock *lock, enum lock_which which,
                         enum lock_mode mode, const struct timespec *deadline)
{
    int fd = mmi_lock_file_shared(lock->private);
    return fd < 0 ? -1
                  : mmi_record_acquire(&commands, fd, which, mode, deadline);
}

static int fcntl_release(struct lock *lock, enum lock_which which)
{
    int fd = mmi_lock_file_shared(lock->private);
    return fd < 0 ? -1 : mmi_record_release(&commands, fd, which);
}

static void fcntl_destroy(struct lock *lock)
{
    mmi_lock_file_destroy(lock->private);
    free(lock->private);
}

static int fcntl_state(struct lock *lock, struct lock_state *state)
{
    int fd = mmi_lock_file_shared(lock->private);
    return fd < 0 ? -1 : mmi_record_state(&commands, fd, state);
}

const struct lock_variant mmi_lock_fcntl = {
    .name = "FCNTL",
    .summary = "fcntl(2) record locks on a nameless file",
    .traits = LOCK_READERS | LOCK_RECOVERS | LOCK_SAFE_FROM_PEERS |
              LOCK_UPGRADES | LOCK_NEEDS_FD,
    .shared_size = LOCK_NOTES_SIZE,
    .create = fcntl_create,
    .acquire = fcntl_acquire,
    .release = fcntl_release,
    .destroy = fcntl_destroy,
    .state = fcntl_state,
};
