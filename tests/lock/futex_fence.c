/* SPDX-License-Identifier: MIT */
/*
 * futex_fence.c -- a process that may not call membarrier() any more either
 * locks as before, or is told that it cannot, and spoils nothing for others.
 */
#include <sys/syscall.h>

#include "futex.h"

static int try_once(int way)
{
    if (take(way, &at_once) < 0)
        return errno;
    give(way);
    return 0;
}

/* What somebody gets who has to do without: as errno. */
static int do_without(void *argument, int way)
{
    (void)argument;
    if (!forbid(SYS_membarrier))
        return 255;
    int got = try_once(way);
    if (got != 0 && got != EBUSY &&
        (got != ENOSYS || !strstr(mmi_fail_text(), "membarrier")))
        return 254;
    /* It was no accident. */
    return try_once(way) == got ? got : 253;
}

static int get(int way)
{
    return end_child(start_child(do_without, NULL, way));
}

static int lock_all_the_time(void *argument, int number)
{
    (void)argument;
    (void)number;
    if (!forbid(SYS_membarrier))
        return 255;
    for (int i = 0; i < 4 * BIAS_WRITES; i++)
        if (try_once(WRITE) != 0 || try_once(READ) != 0 || is_mine())
            return 1;
    return 0;
}

int main(void)
{
    make_futex(10000);
    if (!has_fences())
        skip_all("there is no membarrier() here");
    int status = end_child(start_child(lock_all_the_time, NULL, 0));
    if (status == 255)
        skip_all("system calls cannot be forbidden here");
    is_int(status, 0, "without membarrier() one locks the slow way");

    ok(begin_era(), "another one reads without fences");
    is_int(get(READ), 0, "others read beside it");
    is_int(get(WRITE), ENOSYS, "but are told that they cannot write");
    take(READ, NULL);
    is_int(get(READ), 0, "it reads: others do, too");
    is_int(get(WRITE), ENOSYS, "and are told that they cannot write");
    give(READ);
    uint64_t era = bytes->user.era;
    is_int(take(WRITE, &at_once), 0, "who can, writes");
    give(WRITE);
    ok(bytes->user.era == era + 1, "which ends the era");
    is_int(get(WRITE), 0, "then the others write, too");

    ok(become_biased(), "the lock becomes biased");
    is_int(get(READ), ENOSYS, "others are told that they cannot read");
    is_int(get(WRITE), ENOSYS, "nor write");
    ok(is_mine(), "which leaves it biased");
    take(WRITE, NULL);
    is_int(get(WRITE), ENOSYS, "nor while it is inside");
    struct lock_state state;
    mmi_lock_state(&futex, &state);
    is_int(state.holder, (int)mmi_thread_id(), "where it stays");
    give(WRITE);
    return done();
}
