/* SPDX-License-Identifier: MIT */
/*
 * lock_record.c -- what FCNTL and OFD share: record locks on single bytes.
 *
 * The kernel looks for deadlocks among FCNTL's locks and takes a process for
 * the unit that waits.  With threads it can be wrong: P's first thread holds A,
 * its second waits for B, and a thread of Q the other way round.  So for the
 * internal lock, whose holders never wait, its EDEADLK only means "try again".
 * For the user lock it is believed if the calling thread is inside some user
 * lock and the kernel has kept saying so for a second.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/thread.h"
#include "lock/lock_record.h"
#include "lock/lock_wait.h"

enum { BYTE_INTERNAL, BYTE_USER, BYTE_UPGRADE };
enum { DEADLOCK_MS = 1000 };

static int set_byte(int fd, int command, off_t byte, short type)
{
    struct flock range;
    memset(&range, 0, sizeof range); /* OFD locks want l_pid to be 0 */
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = byte;
    range.l_len = 1;
    return fcntl(fd, command, &range);
}

static bool believe_deadlock(enum lock_which which, struct timespec *until)
{
    if (which == LOCK_INTERNAL || mmi_thread()->user_locks == 0)
        return false;
    if (until->tv_sec == 0)
        *until = mmi_lock_deadline(DEADLOCK_MS);
    return mmi_lock_left(until) == 0;
}

static int wait_for_byte(const struct record_commands *commands, int fd,
                         enum lock_which which, short type,
                         const struct timespec *deadline)
{
    off_t byte = which == LOCK_INTERNAL ? BYTE_INTERNAL : BYTE_USER;
    struct lock_wait wait = {.deadline = deadline};
    struct timespec deadlock = {0};
    for (;;) {
        bool block = lock_may_block(&wait);
        int command = block ? commands->wait : commands->try;
        if (set_byte(fd, command, byte, type) == 0)
            return 0;
        switch (errno) {
        case EINTR:
            continue;
        case EDEADLK:
            if (believe_deadlock(which, &deadlock))
                return mmi_fail("mm:core: cannot lock: processes would wait "
                                "for each other");
            break;
        case EAGAIN:
        case EACCES:
            break;
        default:
            return mmi_fail("mm:core: cannot lock a byte of the lock file");
        }
        if (!mmi_lock_pause(&wait)) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
}

int mmi_record_acquire(const struct record_commands *commands, int fd,
                       enum lock_which which, enum lock_mode mode,
                       const struct timespec *deadline)
{
    if (mode == LOCK_UPGRADE &&
        set_byte(fd, commands->try, BYTE_UPGRADE, F_WRLCK) < 0) {
        if (errno != EAGAIN && errno != EACCES)
            return mmi_fail("mm:core: cannot lock a byte of the lock file");
        return mmi_fail_as(EDEADLK, "mm:core: cannot upgrade the lock: another "
                                    "reader is upgrading");
    }
    int result = wait_for_byte(
        commands, fd, which, mode == LOCK_SHARED ? F_RDLCK : F_WRLCK, deadline);
    if (mode == LOCK_UPGRADE) {
        int saved = errno;
        set_byte(fd, commands->try, BYTE_UPGRADE, F_UNLCK);
        errno = saved;
    }
    return result;
}

int mmi_record_release(const struct record_commands *commands, int fd,
                       enum lock_which which)
{
    off_t byte = which == LOCK_INTERNAL ? BYTE_INTERNAL : BYTE_USER;
    if (set_byte(fd, commands->try, byte, F_UNLCK) < 0)
        return mmi_fail("mm:core: cannot unlock a byte of the lock file");
    return 0;
}

int mmi_record_state(const struct record_commands *commands, int fd,
                     struct lock_state *state)
{
    struct flock range;
    memset(&range, 0, sizeof range);
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = BYTE_USER;
    range.l_len = 1;
    if (fcntl(fd, commands->get, &range) < 0)
        return mmi_fail("mm:core: cannot ask who holds the lock");
    if (range.l_type == F_WRLCK)
        state->holder = range.l_pid > 0 ? range.l_pid : -1;
    return 0;
}
