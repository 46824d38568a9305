/* SPDX-License-Identifier: MIT */
/*
 * futex_fence.c -- a fence that others execute: membarrier(2).
 *
 * The global expedited kind, since Linux 4.16: it reaches the processors that
 * run a thread of a registered process; the scheduler does the rest.  Forked
 * children are registered like their parents, but say so again: it costs
 * nothing.  The system's header may be older than the kernel.
 */
#include "config.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "lock/futex_fence.h"

enum { GLOBAL_EXPEDITED = 1 << 1, REGISTER_GLOBAL_EXPEDITED = 1 << 2 };

static long membarrier(int command)
{
#ifdef SYS_membarrier
    return syscall(SYS_membarrier, command, 0, 0);
#else
    (void)command;
    errno = ENOSYS;
    return -1;
#endif
}

bool mmi_futex_fence(void)
{
    return MUTANT(lock_no_fence) || membarrier(GLOBAL_EXPEDITED) == 0;
}

bool mmi_futex_fence_join(void)
{
    int saved = errno;
    bool works =
        membarrier(REGISTER_GLOBAL_EXPEDITED) == 0 && mmi_futex_fence();
    errno = saved;
    return works;
}
