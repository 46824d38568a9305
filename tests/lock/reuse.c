/* SPDX-License-Identifier: MIT */
/*
 * reuse.c -- a lock is not taken for held because somebody else has the thread
 * id of its dead holder now.
 *
 * A holder is killed and reaped, and a new process gets its very number before
 * anybody else asks for the lock.
 */
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>

#include "world.h"

/* Take a lock and stay: MODE of the user lock, or, -1, the internal one. */
static int hold(void *argument, int mode)
{
    struct world *world = argument;
    int result = mode < 0 ? mmi_lock_enter(&world->lock)
                          : take(world, (enum lock_mode)mode);
    if (result < 0)
        return 1;
    world->numbers->stage = 1;
    for (;;)
        pause();
}

/* A process with the number PID, which lives until it is killed; -1 if that
 * cannot be had. */
static pid_t start_numbered(pid_t pid)
{
    struct clone_args arguments = {
        .exit_signal = SIGCHLD,
        .set_tid = (uint64_t)(uintptr_t)&pid,
        .set_tid_size = 1,
    };
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    while (child == 0)
        pause();
    return (pid_t)child;
}

static void test_mode(struct world *world, int mode, const char *what)
{
    world->numbers->stage = 0;
    pid_t holder = start_child(hold, world, mode);
    await(&world->numbers->stage, 1);
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    pid_t other = start_numbered(holder);
    if (other < 0) {
        skip(1, "no process can be given a number of its own choice here");
    } else {
        struct timespec deadline = soon(3000);
        int result;
        if (mode < 0) {
            result = mmi_lock_enter(&world->lock);
            if (result == 0)
                mmi_lock_leave(&world->lock);
        } else {
            result = mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &deadline);
            if (result == 0)
                give(world);
        }
        ok(other == holder && result == 0,
           "%s, %s: whoever has the number now does not hold the lock",
           world->name, what);
        kill(other, SIGKILL);
        waitpid(other, NULL, 0);
    }
}

static void test_variant(struct world *world)
{
    test_mode(world, LOCK_EXCLUSIVE, "writer");
    test_mode(world, LOCK_SHARED, "reader");
    test_mode(world, -1, "inside");
}

int main(void)
{
    for_each_variant(test_variant);
    return done();
}
