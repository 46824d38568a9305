/* SPDX-License-Identifier: MIT */
/*
 * lock_wait.c -- waiting for locks that cannot be waited for until a deadline.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>

#include "lock/lock_wait.h"

enum { YIELDS = 16, SHORTEST_NS = 20000, LONGEST_NS = 1000000 };

long long mmi_lock_left(const struct timespec *deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (deadline->tv_sec < now.tv_sec)
        return 0;
    long long seconds = deadline->tv_sec - now.tv_sec;
    if (seconds > 1000000000)
        seconds = 1000000000;
    long long left = seconds * 1000000000 + deadline->tv_nsec - now.tv_nsec;
    return left > 0 ? left : 0;
}

bool mmi_lock_pause(struct lock_wait *wait)
{
    if (lock_only_tries(wait->deadline))
        return false;
    long long left = wait->deadline ? mmi_lock_left(wait->deadline) : 0;
    if (wait->deadline && left == 0)
        return false;
    if (wait->tries++ < YIELDS) {
        sched_yield();
        return true;
    }
    long long time = SHORTEST_NS;
    for (unsigned i = YIELDS; i < wait->tries && time < LONGEST_NS; i += 4)
        time *= 2;
    if (time > LONGEST_NS)
        time = LONGEST_NS;
    if (wait->deadline && time > left)
        time = left;
    struct timespec sleep = {.tv_nsec = (long)time};
    nanosleep(&sleep, NULL);
    return true;
}

struct timespec mmi_lock_deadline(long ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += ms % 1000 * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_nsec -= 1000000000;
        time.tv_sec++;
    }
    return time;
}
