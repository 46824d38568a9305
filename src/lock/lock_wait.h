/* SPDX-License-Identifier: MIT */
/*
 * lock_wait.h -- waiting for locks that cannot be waited for until a deadline.
 *
 * Most kernel locks either wait for ever or not at all.  Waiting until a
 * deadline means trying again and again: at once at first, because most locks
 * are held for microseconds, then after ever longer sleeps, a millisecond at
 * most.
 */
#ifndef MMI_LOCK_WAIT_H
#define MMI_LOCK_WAIT_H

#include <stdbool.h>
#include <time.h>

struct lock_wait {
    const struct timespec *deadline; /* CLOCK_MONOTONIC; NULL: none */
    unsigned tries;
};

/* Whether the caller of a lock function only wants to try. */
static inline bool lock_only_tries(const struct timespec *deadline)
{
    return deadline && deadline->tv_sec <= 0;
}

/* Let some time pass.  False, at once, when the deadline is over. */
bool mmi_lock_pause(struct lock_wait *wait);

/* Whether it is time to ask the kernel to wait, if it can. */
static inline bool lock_may_block(const struct lock_wait *wait)
{
    return !wait->deadline && wait->tries >= 16;
}

/* The time MS milliseconds from now. */
struct timespec mmi_lock_deadline(long ms);

/* Nanoseconds until DEADLINE, 0 if it is over. */
long long mmi_lock_left(const struct timespec *deadline);

#endif
