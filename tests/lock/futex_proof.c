/* SPDX-License-Identifier: MIT */
/*
 * futex_proof.c -- FUTEX takes nothing away without proof of death, and does
 * not wait for those who never were.
 */
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "futex.h"

enum { NOBODY_ID = 65534 };

/* Take both locks that are words within a moment: 0, or 1 with errno
 * ETIMEDOUT. */
static int try_words(void)
{
    struct timespec deadline = in_ms(200);
    if (take(INTERNAL, NULL) < 0)
        return errno == ETIMEDOUT ? 1 : 2;
    give(INTERNAL);
    if (take(WRITE, &deadline) < 0)
        return errno == ETIMEDOUT ? 1 : 2;
    give(WRITE);
    return 0;
}

static void forge(uint64_t name, int expected, const char *what)
{
    bytes->internal.owner = name;
    bytes->user.word.owner = name;
    is_int(try_words(), expected, what);
    bytes->internal.owner = 0;
    bytes->user.word.owner = 0;
}

static void forge_names(void)
{
    numbers->stage = 0;
    pid_t other = start_child(hold_for_ever, NULL, WRITE);
    await(1);
    uint64_t name = bytes->user.word.owner & ~WORD_WAITERS;
    is_int((long long)(name & LIFE_TID), other, "the word names the holder");
    ok(name >> 32 != 0, "and what makes him unique");

    forge(name, 1, "somebody alive keeps what is his");
    forge(name & LIFE_TID, 1, "also if only his number is known");
    forge(name ^ UINT64_C(1) << 32, 0, "an earlier thread of that number not");
    forge(name ^ UINT64_C(3) << 62, 1, "another kind of identity is no proof");
    forge(mmi_thread_id() | UINT64_C(77) << 32, 0,
          "this thread's number is nobody else's");
    forge(LIFE_TID, 0, "a number too large is nobody's");
    forge(WORD_WAITERS, 0, "waiters but no owner: free");
    kill(other, SIGKILL);
    end_child(other);
    forge(name, 0, "the dead keep nothing");
    forge(name & LIFE_TID, 0, "nor does their number");
    struct lock_state state;
    mmi_lock_state(&futex, &state);
}

/* Where no process of others can be looked at: another user, no process table,
 * and an old kernel. */
static int see_nothing(void *directory, int number)
{
    (void)number;
    if (chroot(directory) < 0 || chdir("/") < 0 || setgid(NOBODY_ID) < 0 ||
        setuid(NOBODY_ID) < 0 || !forbid(SYS_pidfd_open))
        return 3;
    return try_words();
}

static void look_in_the_dark(void)
{
    char directory[] = "/tmp/futex-XXXXXX";
    if (geteuid() != 0 || !mkdtemp(directory)) {
        skip(2, "only root can enter an empty root directory");
        return;
    }
    numbers->stage = 0;
    pid_t holder = start_child(hold_for_ever, NULL, INTERNAL);
    pid_t other = start_child(hold_for_ever, NULL, WRITE);
    await(2);
    is_int(end_child(start_child(see_nothing, directory, 0)), 1,
           "who cannot be looked at counts as alive");
    kill(holder, SIGKILL);
    kill(other, SIGKILL);
    end_child(holder);
    end_child(other);
    is_int(end_child(start_child(see_nothing, directory, 0)), 0,
           "and is found to be dead nevertheless");
    rmdir(directory);
}

static int try_elsewhere(void *argument, int number)
{
    (void)argument;
    (void)number;
    int refused = 0;
    for (int way = INTERNAL; way <= READ; way++)
        if (take(way, NULL) < 0 && errno == ENOTSUP &&
            strstr(mmi_fail_text(), "PID namespace"))
            refused++;
    return refused;
}

static int enter_namespace(void *argument, int number)
{
    if (unshare(CLONE_NEWPID) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
        return 77;
    return end_child(start_child(try_elsewhere, argument, number));
}

static void cross_namespaces(void)
{
    int status = end_child(start_child(enter_namespace, NULL, 0));
    if (status == 77)
        skip(1, "no PID namespace can be made here");
    else
        is_int(status, 3, "a child in another PID namespace is refused");
    is_int(try_words(), 0, "and does no harm");
}

static int start_unlocked(void *argument, int number)
{
    (void)argument;
    (void)number;
    struct lock_state state;
    if (mmi_lock_state(&futex, &state) < 0 || state.holder != getppid())
        return 1;
    if (mmi_lock_release(&futex) == 0 || errno != EPERM)
        return 2;
    if (take(WRITE, &at_once) == 0 || errno != EBUSY)
        return 3;
    if (take(READ, &at_once) == 0 || errno != EBUSY)
        return 4;
    struct timespec deadline = in_ms(100);
    return take(WRITE, &deadline) < 0 && errno == ETIMEDOUT ? 0 : 5;
}

static void fork_inside(void)
{
    take(WRITE, NULL);
    take(INTERNAL, NULL);
    ok(take(INTERNAL, NULL) < 0 && errno == EDEADLK,
       "the internal lock does not nest");
    is_int(end_child(start_child(start_unlocked, NULL, 0)), 0,
           "a child forked inside starts outside");
    give(INTERNAL);
    is_int(mmi_lock_release(&futex), 0, "and does not take from its parent");
}

int main(void)
{
    make_futex(200);
    forge_names();
    look_in_the_dark();
    cross_namespaces();
    fork_inside();
    return done();
}
