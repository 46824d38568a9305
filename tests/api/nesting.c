/* SPDX-License-Identifier: MIT */
/*
 * nesting.c -- mm can keep a lock while its holder uses the pool.
 *
 * The table of what went wrong with the old library, inverted: the holder does
 * something under its lock, then other processes and threads try to come in.
 * Nobody enters who must not, nobody hangs.
 */
#include <pthread.h>
#include <time.h>

#include "api.h"

static MM *mm;
static void *block; /* of 100 bytes */

static void nothing(void)
{
}

static void use_malloc(void)
{
    void *ptr = mm_malloc(mm, 64);
    ok(ptr && mm_malloc(mm, 20000), "  allocation works");
    mm_free(mm, ptr);
}

static void use_free(void)
{
    mm_free(mm, mm_malloc(mm, 64));
    mm_free(mm, mm_malloc(mm, 40000));
}

static void use_available(void)
{
    mm_available(mm);
    mm_sizeof(mm, block);
}

static void use_realloc_moving(void)
{
    void *moved = mm_realloc(mm, block, 30000);
    void *in_the_way = mm_malloc(mm, 30000);
    moved = mm_realloc(mm, moved, 300000);
    ok(moved != NULL, "  realloc works");
    mm_free(mm, in_the_way);
    block = mm_realloc(mm, moved, 100);
}

static void use_realloc_in_place(void)
{
    block = mm_realloc(mm, block, 99);
    block = mm_realloc(mm, block, 100);
}

static void use_others(void)
{
    mm_free(mm, mm_calloc(mm, 10, 1000));
    mm_free(mm, mm_strdup(mm, "text"));
    mm_free(mm, mm_memalign(mm, 4096, 10));
    mm_check(mm);
    struct mm_stat stat;
    mm_stat(mm, &stat, sizeof stat);
    mm_query(mm, "available");
    mm_permission(mm, 0600, (uid_t)-1, (gid_t)-1);
}

static void use_failure(void)
{
    ok(!mm_malloc(mm, NONE) && !mm_malloc(mm, 0), "  failing allocations");
    mm_free(mm, &block);
}

static void lock_rw_again(void)
{
    mm_lock(mm, MM_LOCK_RW);
    mm_unlock(mm);
}

static void lock_rd_again(void)
{
    mm_lock(mm, MM_LOCK_RD);
    mm_unlock(mm);
}

static void lock_rd_deeper(void)
{
    mm_lock(mm, MM_LOCK_RD);
}

static void lock_rw_deeper(void)
{
    mm_lock(mm, MM_LOCK_RW);
}

static void lock_core_again(void)
{
    mm_core_lock(mm, MM_LOCK_RW);
    mm_core_unlock(mm);
}

static void lock_three_times(void)
{
    for (int i = 0; i < 3; i++)
        mm_lock(mm, i & 1 ? MM_LOCK_RW : MM_LOCK_RD);
    for (int i = 0; i < 3; i++)
        mm_unlock(mm);
}

static void try_again(void)
{
    ok(mm_trylock(mm, MM_LOCK_RW) == 1, "  the holder may try");
    mm_unlock(mm);
}

static void child_unlocks(void);

static const struct row {
    mm_lock_mode mode;
    const char *what;
    void (*act)(void);
    bool reader_enters;
    int depth;
} rows[] = {
    {MM_LOCK_RW, "RW", nothing, false, 1},
    {MM_LOCK_RD, "RD", nothing, true, 1},
    {MM_LOCK_RW, "RW + malloc", use_malloc, false, 1},
    {MM_LOCK_RW, "RW + free", use_free, false, 1},
    {MM_LOCK_RW, "RW + available", use_available, false, 1},
    {MM_LOCK_RW, "RW + moving realloc", use_realloc_moving, false, 1},
    {MM_LOCK_RW, "RW + realloc in place", use_realloc_in_place, false, 1},
    {MM_LOCK_RW, "RW + other calls", use_others, false, 1},
    {MM_LOCK_RW, "RW + failing calls", use_failure, false, 1},
    {MM_LOCK_RW, "RW + lock RW + unlock", lock_rw_again, false, 1},
    {MM_LOCK_RW, "RW + lock RD + unlock", lock_rd_again, false, 1},
    {MM_LOCK_RW, "RW + lock RD", lock_rd_deeper, false, 2},
    {MM_LOCK_RW, "RW + lock RW", lock_rw_deeper, false, 2},
    {MM_LOCK_RW, "RW + core lock + unlock", lock_core_again, false, 1},
    {MM_LOCK_RW, "RW + trylock", try_again, false, 1},
    {MM_LOCK_RW, "RW + unlock by a child", child_unlocks, false, 1},
    {MM_LOCK_RD, "RD + malloc", use_malloc, true, 1},
    {MM_LOCK_RD, "RD + free", use_free, true, 1},
    {MM_LOCK_RD, "RD + moving realloc", use_realloc_moving, true, 1},
    {MM_LOCK_RD, "RD + other calls", use_others, true, 1},
    {MM_LOCK_RD, "RD + lock RD", lock_rd_deeper, true, 2},
    {MM_LOCK_RD, "RD + lock RW", lock_rw_deeper, false, 2},
    {MM_LOCK_RD, "RD + lock RW + unlock", lock_rw_again, false, 1},
    {MM_LOCK_RD, "RD + three and back", lock_three_times, false, 1},
    {MM_LOCK_RD, "RD + unlock by a child", child_unlocks, true, 1},
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

static int unlock_in_child(void *argument, int number)
{
    (void)argument;
    clear_failure();
    return mm_unlock(mm) == 1 && errno == EPERM ? 0 : number + 1;
}

static void child_unlocks(void)
{
    children_ok(1, unlock_in_child, NULL,
                "  a child does not hold its parent's lock");
}

/* 1: came in; 0: was kept out; 2: failed otherwise. */
static int try(mm_lock_mode mode)
{
    errno = 0;
    if (mm_trylock(mm, mode) == 1)
        return mm_unlock(mm) == 1 ? 1 : 2;
    return errno == EBUSY ? 0 : 2;
}

static int try_in_process(void *argument, int number)
{
    (void)argument;
    return try(number ? MM_LOCK_RW : MM_LOCK_RD);
}

static void *try_in_thread(void *argument)
{
    mm_lock_mode *mode = argument;
    return (void *)(intptr_t)try(*mode);
}

static int outcome(bool thread, mm_lock_mode mode)
{
    if (!thread)
        return end_child(start_child(try_in_process, NULL, mode == MM_LOCK_RW));
    pthread_t id;
    void *result;
    if (pthread_create(&id, NULL, try_in_thread, &mode) != 0)
        bail("pthread_create");
    pthread_join(id, &result);
    return (int)(intptr_t)result;
}

static int wait_in_process(void *argument, int number)
{
    int *count = argument;
    if (mm_lock(mm, MM_LOCK_RW) != 1)
        return 1;
    ++*count;
    return mm_unlock(mm) == 1 ? 0 : 2 + number;
}

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void test_row(const struct row *row)
{
    int *count = mm_calloc(mm, 1, sizeof *count);
    if (!count || mm_lock(mm, row->mode) != 1)
        bail("%s: %s", row->what, mm_error());
    pid_t waiting = start_child(wait_in_process, count, 0);
    sleep_ms(5); /* the more of them wait already, the harder the test */
    row->act();
    for (int thread = 0; thread < 2; thread++) {
        const char *who = thread ? "thread" : "process";
        is_int(outcome(thread, MM_LOCK_RW), 0, row->what);
        int reader = outcome(thread, MM_LOCK_RD);
        /* With a writer waiting a reader may be asked to wait, too. */
        ok(reader == 0 || (row->reader_enters && reader == 1),
           "%s: a reading %s", row->what, who);
    }
    is_int(*(volatile int *)count, 0, "nobody came in by waiting");
    struct mm_lock_state state;
    ok(mm_lock_state(mm, &state) == 1 && (int)state.depth == row->depth,
       "%s: depth %d", row->what, row->depth);
    for (int i = 1; i < row->depth; i++)
        mm_unlock(mm);
    is_int(*(volatile int *)count, 0, "nor while it was undone");
    is_int(mm_unlock(mm), 1, "the last unlock");
    is_int(end_child(waiting), 0, "lets who waits come in");
    is_int(*count, 1, "once");
    is_int(outcome(false, MM_LOCK_RW), 1, "then all is free");
    clear_failure();
    ok(mm_unlock(mm) == 1 && errno == EPERM, "and the holder holds nothing");
    mm_free(mm, count);
}

/* A reader enters beside a reader when no writer waits. */
static void test_readers(void)
{
    mm_lock(mm, MM_LOCK_RD);
    is_int(outcome(false, MM_LOCK_RD), 1, "a process reads beside another");
    is_int(outcome(true, MM_LOCK_RD), 1, "a thread reads beside another");
    mm_unlock(mm);
}

int main(void)
{
    mm = make_pool(2 << 20);
    block = mm_malloc(mm, 100);
    test_readers();
    for (int i = 0; i < ROW_COUNT; i++)
        test_row(&rows[i]);
    is_int(mm_check(mm), 0, "the pool is sound in the end");
    mm_destroy(mm);
    return done();
}
