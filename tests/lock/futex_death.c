/* SPDX-License-Identifier: MIT */
/*
 * futex_death.c -- whoever dies with the FUTEX lock leaves it to the next: with
 * the help of the kernel's robust list, without it, and without any modern way
 * to look at another process.
 */
#include <pthread.h>
#include <sys/syscall.h>

#include "futex.h"

static void report_once(bool expected, const char *what)
{
    struct lock_state state = {0};
    mmi_lock_state(&futex, &state);
    ok(state.owner_died == expected, "%s: the death is %sreported", what,
       expected ? "" : "not ");
    mmi_lock_state(&futex, &state);
    ok(!state.owner_died && state.holder == 0 && state.readers == 0,
       "%s: afterwards all is quiet", what);
}

/* Kill the holder; with REAP it is gone, else a zombie. */
static void kill_holder(int way, bool reap)
{
    char what[64];
    snprintf(what, sizeof what, "%s holder killed%s", way_names[way],
             reap ? "" : ", a zombie");
    numbers->stage = 0;
    pid_t pid = start_child(hold_for_ever, NULL, way);
    await(1);
    if (way != INTERNAL)
        ok(take(WRITE, &at_once) < 0 && errno == EBUSY,
           "%s holder lives: nobody enters", way_names[way]);
    kill(pid, SIGKILL);
    if (reap)
        end_child(pid);
    can_take(way == INTERNAL ? INTERNAL : WRITE, what);
    report_once(way != INTERNAL, what);
    if (!reap)
        end_child(pid);
}

static void *hold_and_leave(void *way)
{
    take((int)(intptr_t)way, NULL);
    return NULL;
}

static void exit_holding(int way)
{
    pthread_t thread;
    pthread_create(&thread, NULL, hold_and_leave, (void *)(intptr_t)way);
    pthread_join(thread, NULL);
    can_take(way == INTERNAL ? INTERNAL : WRITE, "holding thread ended");
    report_once(way != INTERNAL, "holding thread ended");
}

static void *stay(void *unused)
{
    (void)unused;
    numbers->stage++;
    while (numbers->stage > 0)
        pause();
    return NULL;
}

/* The first thread of a process leaves; the process lives on. */
static int leave_others(void *argument, int way)
{
    (void)argument;
    pthread_t thread;
    pthread_create(&thread, NULL, stay, NULL);
    if (take(way, NULL) < 0)
        return 1;
    numbers->stage++;
    pthread_exit(NULL);
    return 0;
}

static void exit_first_thread(int way)
{
    numbers->stage = 0;
    pid_t pid = start_child(leave_others, NULL, way);
    await(2);
    can_take(way == INTERNAL ? INTERNAL : WRITE, "holding first thread ended");
    report_once(way != INTERNAL, "holding first thread ended");
    kill(pid, SIGKILL);
    end_child(pid);
}

/* The kernel walks the list of robust mutexes until it faults. */
static int spoil_robust_list(void *argument, int way)
{
    pthread_mutexattr_t robust;
    pthread_mutex_t *mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &robust);
    pthread_mutex_lock(mutex);
    munmap(mutex, 4096);
    return hold_for_ever(argument, way);
}

static void damage_list(void)
{
    numbers->stage = 0;
    pid_t pid = start_child(spoil_robust_list, NULL, INTERNAL);
    await(1);
    kill(pid, SIGKILL);
    end_child(pid);
    can_take(INTERNAL, "holder with a damaged robust list killed");
}

/* A sleeper is woken, but killed before it could take the lock, while somebody
 * else got in: the other sleeper must not depend on it. */
static int enter_once(void *argument, int way)
{
    (void)argument;
    numbers->stage++;
    if (take(way, NULL) < 0)
        return 1;
    give(way);
    return 0;
}

static void kill_woken(int way)
{
    numbers->stage = 0;
    take(way, NULL);
    pid_t first = start_child(enter_once, NULL, way);
    await(1);
    nap(5000);
    pid_t second = start_child(enter_once, NULL, way);
    await(2);
    nap(5000);
    kill(first, SIGSTOP);
    give(way);
    take(way, NULL);
    kill(first, SIGKILL);
    give(way);
    is_int(end_child(second), 0, "a woken waiter killed: the other gets in");
    end_child(first);
}

static void die_in_all_ways(void)
{
    for (int way = INTERNAL; way <= READ; way++) {
        kill_holder(way, true);
        kill_holder(way, false);
        exit_holding(way);
        exit_first_thread(way);
    }
    damage_list();
    kill_woken(INTERNAL);
    kill_woken(WRITE);
}

int main(void)
{
    need_proc();
    make_futex(10000);
    die_in_all_ways();

    /* Threads and processes made from now on must do without. */
    static const struct {
        const char *name;
        long number;
    } calls[] = {{"get_robust_list", SYS_get_robust_list},
                 {"pidfd_open", SYS_pidfd_open}};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (!forbid(calls[i].number)) {
            skip(1, "system calls cannot be forbidden here");
            continue;
        }
        diag("without %s", calls[i].name);
        die_in_all_ways();
    }
    return done();
}
