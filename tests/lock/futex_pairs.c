/* SPDX-License-Identifier: MIT */
/*
 * futex_pairs.c -- two processes that read and write a pair of numbers under a
 * FUTEX lock never see one half of a change: with the bias and the eras coming
 * and going, and the same without membarrier().
 *
 * Each round is a stretch of the same kind, long enough for a bias or an era to
 * begin, or short.
 */
#include <sys/syscall.h>

#include "futex.h"

enum { TURNS = 1500000, FEWER_TURNS = 200000, LONGEST = 600 };
enum { STAYS = 10000, FAR_STORES = 16, FAR_SIZE = 1 << 24 };

static struct pair {
    _Alignas(64) _Atomic long first;
    _Alignas(64) _Atomic long second;
    _Atomic long written[2];
} * pair;

static long turns;
static volatile char far_away[FAR_SIZE];

static void read_pair(void)
{
    long first = atomic_load_explicit(&pair->first, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&pair->second, memory_order_relaxed) != first)
        numbers->wrong++;
}

static void write_pair(void)
{
    long first = atomic_load_explicit(&pair->first, memory_order_relaxed);
    atomic_store_explicit(&pair->first, first + 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    long second = atomic_load_explicit(&pair->second, memory_order_relaxed);
    if (first != second)
        numbers->wrong++;
    atomic_store_explicit(&pair->second, second + 1, memory_order_relaxed);
}

static int work(void *argument, int number)
{
    (void)argument;
    unsigned random = (unsigned)number * 7919 + 1;
    long written = 0;
    for (long i = 0; i < turns;) {
        random = random * 1103515245 + 12345;
        int way = random >> 16 & 1 ? READ : WRITE;
        long length = random >> 17 & 1 ? (random >> 18) % LONGEST : 3;
        for (; length >= 0 && i < turns; length--, i++) {
            if (take(way, NULL) < 0)
                return 1;
            if (way == READ && random >> 28 == 0 && take(WRITE, NULL) == 0) {
                write_pair();
                written++;
                give(WRITE);
            } else if (way == READ) {
                read_pair();
            } else {
                write_pair();
                written++;
            }
            give(way);
        }
    }
    pair->written[number] = written;
    return 0;
}

/* Fill the store buffer of the processor: what is stored next becomes visible
 * late, unless there is a fence. */
static void store_far_away(unsigned random)
{
    for (int i = 0; i < FAR_STORES; i++) {
        random = random * 1103515245 + 12345;
        far_away[(random >> 8) % (FAR_SIZE / 64) * 64] = 1;
    }
}

/* Enter as often as it takes to do so without fences, and a few times more. */
static int reside(int way, unsigned random)
{
    for (int i = 0; i < 300; i++) {
        if (is_mine() ||
            (way == READ && mmi_lock_hold(&futex)->era == bytes->user.era))
            store_far_away(random + (unsigned)i);
        if (take(way, NULL) < 0)
            return -1;
        if (way == READ)
            read_pair();
        else
            write_pair();
        give(way);
    }
    return way == WRITE ? 300 : 0;
}

static int visit(int way)
{
    if (take(way, NULL) < 0)
        return -1;
    if (way == READ)
        read_pair();
    else
        write_pair();
    give(way);
    for (volatile int i = 0; i < 3000; i++)
        continue;
    return way == WRITE;
}

/* Number 0 resides, number 1 visits. */
static int meet(void *argument, int number)
{
    (void)argument;
    unsigned random = 17;
    for (int i = 0; number == 0 ? i < STAYS : numbers->stage == 0; i++) {
        random = random * 1103515245 + 12345;
        int way = random >> 16 & 3 ? WRITE : READ;
        int written =
            number == 0 ? reside(i & 64 ? READ : WRITE, random) : visit(way);
        if (written < 0)
            return 1;
        pair->written[number] += written;
    }
    numbers->stage = 1;
    return 0;
}

static void run_both(int (*job)(void *argument, int number), const char *what)
{
    numbers->wrong = numbers->stage = 0;
    *pair = (struct pair){0};
    children_ok(2, job, NULL, what);
    is_int(numbers->wrong, 0, "nobody saw half a change");
    long written = pair->written[0] + pair->written[1];
    ok(pair->first == written && pair->second == written, "no change was lost");
}

static int run_without(void *argument, int number)
{
    (void)argument;
    (void)number;
    if (!forbid(SYS_membarrier))
        return 77;
    make_futex(10000);
    pair = (struct pair *)(void *)numbers->page;
    turns = FEWER_TURNS;
    pid_t pids[2];
    for (int i = 0; i < 2; i++)
        pids[i] = start_child(work, NULL, i);
    int bad = end_child(pids[0]) != 0;
    bad += end_child(pids[1]) != 0;
    long written = pair->written[0] + pair->written[1];
    return has_fences() || bad || numbers->wrong || pair->first != written ||
           pair->second != written || bytes->user.era != 0;
}

int main(void)
{
    make_futex(20000);
    pair = (struct pair *)(void *)numbers->page;
    turns = TURNS;
    run_both(work, "processes read and write");
    run_both(meet, "one resides, one visits");
    diag("%s, %llu eras", has_fences() ? "with membarrier()" : "without",
         (unsigned long long)bytes->user.era / 2);
    int status = end_child(start_child(run_without, NULL, 0));
    if (status == 77)
        skip(1, "system calls cannot be forbidden here");
    else
        is_int(status, 0, "the same without membarrier()");
    return done();
}
