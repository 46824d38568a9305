/* SPDX-License-Identifier: MIT */
/*
 * lock_ofd.c -- OFD: record locks that belong to an open file.
 *
 * Each process has an open file of its own (lock_file.c), so the locks are the
 * process's; unlike FCNTL's they survive that somebody closes another
 * descriptor of the file, and the kernel does not look for deadlocks.  They are
 * freed when the process ends, however it ends.  Needs the process file system
 * at /proc.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fail.h"
#include "lock/lock_record.h"

static const struct record_commands commands = {
    .try = F_OFD_SETLK, .wait = F_OFD_SETLKW, .get = F_OFD_GETLK};

static int ofd_create(struct lock *lock)
{
    struct lock_file *file = malloc(sizeof *file);
    if (!file)
        return mmi_fail("mm:core: cannot create a lock");
    if (mmi_lock_file_create(file) < 0)
        goto undo_memory;
    /* Better now than at the first lock. */
    if (mmi_lock_file_own(file) < 0)
        goto undo_file;
    lock->private = file;
    return 0;

undo_file:
    mmi_lock_file_destroy(file);
undo_memory:
    free(file);
    return -1;
}

static int ofd_acquire(struct lock *lock, enum lock_which which,
                       enum lock_mode mode, const struct timespec *deadline)
{
    int fd = mmi_lock_file_own(lock->private);
    return fd < 0 ? -1
                  : mmi_record_acquire(&commands, fd, which, mode, deadline);
}

static int ofd_release(struct lock *lock, enum lock_which which)
{
    int fd = mmi_lock_file_own(lock->private);
    return fd < 0 ? -1 : mmi_record_release(&commands, fd, which);
}

static void ofd_destroy(struct lock *lock)
{
    mmi_lock_file_destroy(lock->private);
    free(lock->private);
}

static int ofd_state(struct lock *lock, struct lock_state *state)
{
    int fd = mmi_lock_file_own(lock->private);
    return fd < 0 ? -1 : mmi_record_state(&commands, fd, state);
}

const struct lock_variant mmi_lock_ofd = {
    .name = "OFD",
    .summary = "fcntl(2) locks of an open file, one open file per process",
    .traits = LOCK_READERS | LOCK_RECOVERS | LOCK_SAFE_FROM_PEERS |
              LOCK_UPGRADES | LOCK_NEEDS_FD,
    .shared_size = LOCK_NOTES_SIZE,
    .create = ofd_create,
    .acquire = ofd_acquire,
    .release = ofd_release,
    .destroy = ofd_destroy,
    .state = ofd_state,
};
