/* SPDX-License-Identifier: MIT */
/*
 * namespaces.c -- mm can lock from other PID namespaces, or says why it cannot,
 * and never takes a process for dead because it cannot see it.
 *
 * FUTEX names threads by numbers that mean nothing elsewhere, and refuses;
 * PTHREAD's mutexes hold such numbers, too; with the others the kernel knows
 * who is who.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "variants.h"

enum { NOT_PERMITTED = 77, ROUNDS = 200, NOBODY = 65534 };

/* What a child in another namespace found. */
enum { WORKS = 0, REFUSED = 10, LIES = 20 };

/* A refusal says what is the matter, and is the same for all that locks. */
static int be_refused(void)
{
    const char *text = mm_error();
    if (errno != ENOTSUP || !text || !strstr(text, "PID namespace"))
        return LIES;
    if (mm_trylock(mm, MM_LOCK_RD) == 1 || errno != ENOTSUP)
        return LIES + 1;
    if (mm_malloc(mm, 100000) || errno != ENOTSUP)
        return LIES + 2;
    return REFUSED;
}

static int count(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (mm_lock(mm, MM_LOCK_RW) != 1)
            return i == 0 ? be_refused() : 1;
        long seen = signs->first;
        signs->first = seen + 1;
        if (mm_unlock(mm) != 1)
            return 2;
        void *ptr = mm_malloc(mm, 40000 + (size_t)i);
        if (!ptr)
            return 3;
        mm_free(mm, ptr);
    }
    return mm_check(mm) == 0 ? WORKS : 4;
}

static int count_as_child(void *argument, int number)
{
    (void)argument;
    (void)number;
    return count();
}

/* Children of this process are in a new namespace from now on. */
static bool leave_namespace(void)
{
    return unshare(CLONE_NEWPID) == 0 ||
           unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0;
}

/* DEPTH more namespaces between us and the child that counts. */
static int go_down(void *argument, int depth)
{
    if (!leave_namespace())
        return NOT_PERMITTED;
    return end_child(depth > 0 ? start_child(go_down, argument, depth - 1)
                               : start_child(count_as_child, argument, 0));
}

/* Variants that say who has the lock by numbers of threads. */
static bool needs_names(void)
{
    return is_variant("FUTEX") || is_variant("PTHREAD");
}

static void count_in_namespaces(void)
{
    signs->first = 0;
    int status[4];
    pid_t pids[4];
    for (int i = 0; i < 4; i++)
        pids[i] = i < 2 ? start_child(count_as_child, NULL, i)
                        : start_child(go_down, NULL, i - 2);
    for (int i = 0; i < 4; i++)
        status[i] = end_child(pids[i]);
    if (status[2] == NOT_PERMITTED || status[3] == NOT_PERMITTED) {
        skip(2, "no PID namespace can be made here");
        return;
    }
    bool works = status[2] == WORKS && status[3] == WORKS;
    bool refused = status[2] == REFUSED && status[3] == REFUSED;
    if (!ok(needs_names() ? refused : works,
            "%s: in other PID namespaces, one or two levels deep: %s", variant,
            needs_names() ? "refused" : "works"))
        diag("%d and %d", status[2], status[3]);
    is_int(signs->first, (works ? 4 : 2) * ROUNDS,
           "whoever was let in was alone");
}

/* Somebody in another namespace holds the lock: we wait, and he who holds it
 * here is not dead there, though his number may be free there. */
static int hold_with_parent(void *argument, int mode)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return hold(argument, mode);
}

static int hold_below(void *argument, int mode)
{
    if (!leave_namespace())
        return NOT_PERMITTED;
    return end_child(start_child(hold_with_parent, argument, mode));
}

static int try_below(void *argument, int number)
{
    (void)argument;
    (void)number;
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_nsec += 100000000;
    deadline.tv_sec += deadline.tv_nsec / 1000000000;
    deadline.tv_nsec %= 1000000000;
    struct mm_lock_state state;
    if (mm_lock_state(mm, &state) == 1 && state.owner_died)
        return 1;
    if (mm_timedlock(mm, MM_LOCK_RW, &deadline) == 1)
        return 2;
    return errno == ETIMEDOUT || errno == ENOTSUP ? 0 : 3;
}

static int look_below(void *argument, int number)
{
    if (!leave_namespace())
        return NOT_PERMITTED;
    return end_child(start_child(try_below, argument, number));
}

static void hold_across(void)
{
    int wrong = 0, status = 0;
    for (int mode = MM_LOCK_RD; mode <= MM_LOCK_RW; mode++) {
        pid_t pid = start_holder((mm_lock_mode)mode);
        status = end_child(start_child(look_below, NULL, 0));
        wrong += status != 0;
        kill(pid, SIGKILL);
        end_child(pid);
        wrong += take_in_time(MM_LOCK_RW) != 0 || mm_unlock(mm) != 1;
        ask_death();
    }
    if (status == NOT_PERMITTED)
        skip(1, "no PID namespace can be made here");
    else
        is_int(wrong, 0, "a holder is alive for other namespaces, too");
    if (status == NOT_PERMITTED || needs_names())
        return;

    signs->stage = 0;
    pid_t pid = start_child(hold_below, NULL, MM_LOCK_RW);
    await(1);
    bool right = end_child(start_child(try_below, NULL, 0)) == 0;
    struct mm_lock_state state = {0};
    right &= mm_lock_state(mm, &state) == 1 && !state.owner_died &&
             state.holder != 0;
    if (!ok(right, "%s: a holder in another namespace is alive", variant))
        diag("holder %ld, died %d", (long)state.holder, state.owner_died);
    kill(pid, SIGKILL);
    end_child(pid);
    is_int(take_in_time(MM_LOCK_RW), 0, "until it is killed");
    mm_unlock(mm);
    ask_death();
}

/* --- in the dark ---------------------------------------------------------- */

/* Waits for somebody who cannot be seen: another user, no process table. */
static int try_in_the_dark(void *directory, int number)
{
    if (number && (unshare(CLONE_NEWNS) != 0 ||
                   mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
                   mount("none", "/proc", "tmpfs", 0, NULL) != 0))
        return NOT_PERMITTED;
    if (!number && (chroot(directory) != 0 || chdir("/") != 0))
        return NOT_PERMITTED;
    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        return NOT_PERMITTED;
    int result = try_below(NULL, 0);
    /* They cannot open their files without a process table. */
    return result == 3 && (is_variant("OFD") || is_variant("FLOCK")) ? 0
                                                                     : result;
}

static void look_in_the_dark(void)
{
    char directory[] = "/tmp/mm-dark-XXXXXX";
    if (geteuid() != 0 || !mkdtemp(directory)) {
        skip(4, "only root can hide the process table");
        return;
    }
    /* System V semaphores ask who uses them each time. */
    if (is_variant("IPCSEM"))
        mm_permission(mm, 0600, NOBODY, (gid_t)-1);
    for (int i = 0; i < 4; i++) {
        pid_t pid = start_holder(i & 1 ? MM_LOCK_RW : MM_LOCK_RD);
        int status = end_child(start_child(try_in_the_dark, directory, i / 2));
        if (status == NOT_PERMITTED)
            skip(1, "the process table cannot be hidden here");
        else
            is_int(status, 0, "a holder that cannot be seen is alive");
        kill(pid, SIGKILL);
        end_child(pid);
        if (take_in_time(MM_LOCK_RW) == 0)
            mm_unlock(mm);
        ask_death();
    }
    rmdir(directory);
}

static void test(void)
{
    count_in_namespaces();
    hold_across();
    look_in_the_dark();
}

int main(int argc, char **argv)
{
    need_proc();
    for_each_variant(argc > 1 ? argv[1] : NULL, test);
    return done();
}
