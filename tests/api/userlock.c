/* SPDX-License-Identifier: MIT */
/*
 * userlock.c -- mm can try a lock, wait a while for it, say who holds it, and
 * give it to the next one when its holder dies.
 */
#include <signal.h>
#include <time.h>

#include "api.h"

/* In the pool: lets a child say that it is where the test wants it. */
struct signs {
    _Atomic int ready;
    _Atomic int go;
    int counter;
};

static MM *mm;
static struct signs *signs;

static void wait_for(_Atomic int *flag, int value)
{
    struct timespec pause = {0, 1000000};
    while (*flag != value)
        nanosleep(&pause, NULL);
}

static struct timespec in_ms(long ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

/* Take the lock and keep it until killed. */
static int hold(void *argument, int mode)
{
    (void)argument;
    if (mm_lock(mm, (mm_lock_mode)mode) != 1)
        return 1;
    signs->ready++;
    for (;;)
        pause();
}

static pid_t start_holder(mm_lock_mode mode)
{
    int before = signs->ready;
    pid_t pid = start_child(hold, NULL, mode);
    wait_for(&signs->ready, before + 1);
    return pid;
}

static void end_holder(pid_t pid)
{
    kill(pid, SIGKILL);
    is_int(end_child(pid), 1000 + SIGKILL, "the holder is killed");
}

static void test_try_and_timed(void)
{
    struct timespec soon = in_ms(30);
    is_int(mm_trylock(mm, MM_LOCK_RW), 1, "a free lock can be had by trying");
    is_int(mm_unlock(mm), 1, "and given back");
    is_int(mm_timedlock(mm, MM_LOCK_RD, &soon), 1, "and with a deadline");
    is_int(mm_unlock(mm), 1, "and given back");

    pid_t holder = start_holder(MM_LOCK_RW);
    fails(mm_trylock(mm, MM_LOCK_RW) == 0, EBUSY, "mm:core: ");
    fails(mm_trylock(mm, MM_LOCK_RD) == 0, EBUSY, "mm:core: ");
    soon = in_ms(30);
    fails(mm_timedlock(mm, MM_LOCK_RW, &soon) == 0, ETIMEDOUT, "mm:core: ");
    soon = in_ms(30);
    fails(mm_timedlock(mm, MM_LOCK_RD, &soon) == 0, ETIMEDOUT, "mm:core: ");
    soon = in_ms(-2000);
    fails(mm_timedlock(mm, MM_LOCK_RW, &soon) == 0, ETIMEDOUT, "mm:core: ");
    void *ptr = mm_malloc(mm, 100000);
    ok(ptr != NULL, "allocation does not wait for this lock");
    mm_free(mm, ptr);
    end_holder(holder);

    struct timespec bad = {0, 1000000000};
    fails(mm_timedlock(mm, MM_LOCK_RW, NULL) == 0, EINVAL, "deadline");
    fails(mm_timedlock(mm, MM_LOCK_RW, &bad) == 0, EINVAL, "deadline");
    bad.tv_nsec = -1;
    fails(mm_timedlock(mm, MM_LOCK_RW, &bad) == 0, EINVAL, "deadline");
    fails(mm_lock(mm, (mm_lock_mode)7) == 0, EINVAL, "mode 7");
    fails(mm_trylock(mm, (mm_lock_mode)-1) == 0, EINVAL, "mode -1");
}

static void test_sharing(void)
{
    pid_t holder = start_holder(MM_LOCK_RD);
    is_int(mm_trylock(mm, MM_LOCK_RD), 1, "a reader may join another");
    fails(mm_trylock(mm, MM_LOCK_RW) == 0, EBUSY, "mm:core: ");
    is_int(mm_trylock(mm, MM_LOCK_RD), 1, "still a reader");
    mm_unlock(mm);
    is_int(mm_unlock(mm), 1, "twice");
    end_holder(holder);

    /* Two of five die; the others count on. */
    pid_t readers[5];
    for (int i = 0; i < 5; i++)
        readers[i] = start_holder(MM_LOCK_RD);
    end_holder(readers[1]);
    end_holder(readers[3]);
    fails(mm_trylock(mm, MM_LOCK_RW) == 0, EBUSY, "mm:core: ");
    is_int(mm_trylock(mm, MM_LOCK_RD), 1, "readers may still join");
    mm_unlock(mm);
    end_holder(readers[0]);
    end_holder(readers[2]);
    fails(mm_trylock(mm, MM_LOCK_RW) == 0, EBUSY, "mm:core: ");
    end_holder(readers[4]);
    is_int(mm_lock(mm, MM_LOCK_RW), 1, "a writer after the last one");
    mm_unlock(mm);
}

/* A killed holder of either kind. */
static void test_death(mm_lock_mode mode, const char *what)
{
    struct mm_lock_state state;
    const char *lock = mm_query(mm, "lock");
    bool tells = strcmp(lock, "FUTEX") == 0 || strcmp(lock, "PTHREAD") == 0;
    is_int(mm_lock_state(mm, &state), 1, "the state can be asked");
    ok(state.holder == 0 && state.depth == 0, "%s: nobody holds it", what);

    pid_t holder = start_holder(mode);
    is_int(mm_lock_state(mm, &state), 1, "while it is held, too");
    if (mode == MM_LOCK_RW)
        ok(state.holder == holder || (!tells && state.holder == -1),
           "%s: the state names the holder", what);
    else
        ok(state.holder == 0 && (state.readers == 1 || !tells),
           "%s: the state counts the reader", what);
    ok(state.depth == 0, "%s: depth is the asking thread's", what);
    end_holder(holder);

    is_int(mm_lock(mm, MM_LOCK_RW), 1, "the next one gets the lock");
    is_int(mm_lock(mm, MM_LOCK_RW), 1, "twice");
    is_int(mm_lock_state(mm, &state), 1, "and can ask");
    ok((state.holder == getpid() || (!tells && state.holder == -1)) &&
           state.depth == 2,
       "%s: the state names oneself", what);
    if (tells) {
        ok(state.owner_died, "%s: the death is reported", what);
        mm_lock_state(mm, &state);
        ok(!state.owner_died, "%s: once", what);
    }
    mm_unlock(mm);
    mm_unlock(mm);
}

/* Ends without unlocking, while its own child lives. */
static int hold_and_leave(void *argument, int number)
{
    (void)argument;
    if (mm_lock(mm, MM_LOCK_RW) != 1)
        return 1;
    if (fork() == 0) {
        alarm(CHILD_SECONDS);
        wait_for(&signs->go, 1);
        _exit(0);
    }
    return number;
}

static void test_leftover_child(void)
{
    signs->go = 0;
    is_int(end_child(start_child(hold_and_leave, NULL, 0)), 0,
           "a holder ends without unlocking, its child lives");
    struct timespec later = in_ms(10000);
    is_int(mm_timedlock(mm, MM_LOCK_RW, &later), 1, "the lock is free again");
    mm_unlock(mm);
    signs->go = 1;
}

/* A in, B in, A out, B out, B ends: free, though A still lives. */
static int in_and_out(void *argument, int number)
{
    (void)argument;
    if (mm_lock(mm, MM_LOCK_RD) != 1)
        return 1;
    signs->ready++;
    wait_for(&signs->go, 1 + number);
    return mm_unlock(mm) == 1 ? 0 : 2;
}

static void test_crossed_readers(void)
{
    signs->ready = signs->go = 0;
    pid_t child = start_child(in_and_out, NULL, 0);
    wait_for(&signs->ready, 1);
    is_int(mm_lock(mm, MM_LOCK_RD), 1, "two readers");
    signs->go = 1;
    is_int(end_child(child), 0, "one leaves and ends");
    is_int(mm_unlock(mm), 1, "the other leaves");
    is_int(mm_trylock(mm, MM_LOCK_RW), 1, "then it is free");
    mm_unlock(mm);
}

/* Of two readers that both want more, one gets it, one hears EDEADLK. */
static int upgrade(void *argument, int number)
{
    (void)argument;
    if (mm_lock(mm, MM_LOCK_RD) != 1)
        return 1;
    signs->ready++;
    wait_for(&signs->ready, 2);
    errno = 0;
    int got = mm_lock(mm, MM_LOCK_RW);
    int error = errno;
    if (got == 1) {
        signs->counter++;
        mm_unlock(mm);
    }
    mm_unlock(mm);
    return got == 1 ? 10 : error == EDEADLK ? 20 : 2 + number;
}

static void test_two_upgrades(void)
{
    signs->ready = signs->counter = 0;
    pid_t one = start_child(upgrade, NULL, 0);
    pid_t two = start_child(upgrade, NULL, 1);
    int first = end_child(one);
    int second = end_child(two);
    if (!ok(first + second == 30, "the second upgrader gets EDEADLK"))
        diag("%d and %d", first, second);
    is_int(signs->counter, 1, "the first gets the lock");
    is_int(mm_trylock(mm, MM_LOCK_RW), 1, "all is free afterwards");
    mm_unlock(mm);
}

static int count_up(void *argument, int number)
{
    (void)argument;
    for (int i = 0; i < 300; i++) {
        if (mm_lock(mm, MM_LOCK_RW) != 1)
            return 1;
        int seen = *(volatile int *)&signs->counter;
        if (i % 16 == number)
            mm_free(mm, mm_malloc(mm, 5000));
        *(volatile int *)&signs->counter = seen + 1;
        if (mm_unlock(mm) != 1)
            return 2;
    }
    return 0;
}

int main(void)
{
    mm = make_pool(1 << 20);
    signs = mm_calloc(mm, 1, sizeof *signs);
    test_try_and_timed();
    test_death(MM_LOCK_RW, "writer");
    test_death(MM_LOCK_RD, "reader");
    test_sharing();
    test_crossed_readers();
    test_two_upgrades();
    test_leftover_child();
    signs->counter = 0;
    children_ok(4, count_up, NULL, "processes count under the lock");
    is_int(signs->counter, 1200, "and miss nothing");
    is_int(mm_check(mm), 0, "the pool is sound in the end");
    mm_destroy(mm);
    return done();
}
