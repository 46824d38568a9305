/* SPDX-License-Identifier: MIT */
/*
 * speed.c -- nanoseconds of CPU time in one process.
 */
#include <stdlib.h>

#include "../workload.h"
#include "bench.h"

enum { TABLE = 1 << 15, POOL = 48 * MIB };

struct job {
    struct peer peer;
    void *pool;
    size_t size; /* pair, holes: of the block */
    void **live; /* churn: what there is */
    uint32_t at; /* and the next entry of these */
    uint16_t sizes[TABLE];
    uint32_t victims[TABLE];
};

/* The one place that knows the two ways to call; POOLED is a constant at each
 * use. */
static inline __attribute__((always_inline)) void *
take(const struct job *job, bool pooled, size_t size)
{
    void *ptr = pooled ? job->peer.pool_alloc(job->pool, size)
                       : job->peer.heap_alloc(size);
    if (!ptr)
        bench_give_up("out of memory");
    *(volatile char *)ptr = 1;
    return ptr;
}

static inline __attribute__((always_inline)) void give(const struct job *job,
                                                       bool pooled, void *ptr)
{
    if (pooled)
        job->peer.pool_free(job->pool, ptr);
    else
        job->peer.heap_free(ptr);
}

static void *take_one(struct job *job, size_t size)
{
    return take(job, job->peer.pooled, size);
}

static void give_one(struct job *job, void *ptr)
{
    give(job, job->peer.pooled, ptr);
}

static inline __attribute__((always_inline)) void pair(struct job *job,
                                                       bool pooled, long count)
{
    for (; count > 0; count--)
        give(job, pooled, take(job, pooled, job->size));
}

static void pair_slice(void *job, long count)
{
    if (((struct job *)job)->peer.pooled)
        pair(job, true, count);
    else
        pair(job, false, count);
}

static inline __attribute__((always_inline)) void churn(struct job *job,
                                                        bool pooled, long count)
{
    uint32_t at = job->at;
    for (; count > 0; count--, at = (at + 1) % TABLE) {
        void **slot = &job->live[job->victims[at]];
        give(job, pooled, *slot);
        *slot = take(job, pooled, job->sizes[at]);
    }
    job->at = at;
}

static void churn_slice(void *job, long count)
{
    if (((struct job *)job)->peer.pooled)
        churn(job, true, count);
    else
        churn(job, false, count);
}

static struct job *start_job(const struct peer *peer, size_t pool)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        bench_give_up("out of memory");
    job->peer = *peer;
    job->pool = bench_pool(peer, pool);
    return job;
}

static double run_job(struct job *job, void (*slice)(void *, long))
{
    double ns = bench_time(slice, job);
    if (job->peer.pooled)
        job->peer.destroy(job->pool);
    return ns;
}

/* COUNT live blocks, and the tables for replacing them. */
static void prepare_churn(struct job *job, size_t count, unsigned doublings)
{
    struct dice dice = {7};
    job->live = calloc(count, sizeof *job->live);
    if (!job->live)
        bench_give_up("out of memory");
    for (size_t i = 0; i < count; i++)
        job->live[i] = take_one(job, dice_size(&dice, doublings));
    for (size_t i = 0; i < TABLE; i++) {
        job->sizes[i] = (uint16_t)dice_size(&dice, doublings);
        job->victims[i] = (uint32_t)dice_below(&dice, count);
    }
    churn_slice(job, bench_smoke ? 10 : (long)(2 * count));
}

static double run_pair(const struct peer *peer, long size)
{
    struct job *job = start_job(peer, POOL);
    job->size = (size_t)size;
    return run_job(job, pair_slice);
}

static double run_churn(const struct peer *peer, long count)
{
    struct job *job = start_job(peer, POOL);
    prepare_churn(job, (size_t)count, SIZES_TO_2048);
    return run_job(job, churn_slice);
}

/* Blocks of SIZE bytes with COUNT free ones between them.  Freed from the end:
 * the original keeps a sorted list and would take minutes otherwise. */
static void prepare_holes(struct job *job, size_t count, size_t size)
{
    void **blocks = malloc(2 * count * sizeof *blocks);
    if (!blocks)
        bench_give_up("out of memory");
    for (size_t i = 0; i < 2 * count; i++)
        blocks[i] = take_one(job, size);
    for (size_t i = count; i-- > 0;)
        give_one(job, blocks[2 * i]);
    free(blocks);
}

/* Malloc and free of a size that no hole holds. */
static double run_holes(const struct peer *peer, long count)
{
    struct job *job = start_job(peer, POOL);
    prepare_holes(job, (size_t)count, 64);
    job->size = 256;
    return run_job(job, pair_slice);
}

/* The same with holes of two pages, for a request of six. */
static double run_gaps(const struct peer *peer, long count)
{
    struct job *job = start_job(peer, (size_t)count * 2 * 8208 + POOL);
    prepare_holes(job, (size_t)count, 8192);
    job->size = 24576;
    return run_job(job, pair_slice);
}

/* Replace a random live block among holes of all sizes. */
static double run_random(const struct peer *peer, long count)
{
    struct job *job = start_job(peer, POOL);
    struct dice dice = {11};
    size_t live = (size_t)count;
    void **holes = calloc(live, sizeof *holes);
    if (!holes)
        bench_give_up("out of memory");
    job->live = calloc(live, sizeof *job->live);
    if (!job->live)
        bench_give_up("out of memory");
    for (size_t i = 0; i < live; i++) {
        holes[i] = take_one(job, dice_size(&dice, SIZES_TO_256));
        job->live[i] = take_one(job, dice_size(&dice, SIZES_TO_256));
    }
    for (size_t i = live; i-- > 0;)
        give_one(job, holes[i]);
    free(holes);
    for (size_t i = 0; i < TABLE; i++) {
        job->sizes[i] = (uint16_t)dice_size(&dice, SIZES_TO_256);
        job->victims[i] = (uint32_t)dice_below(&dice, live);
    }
    return run_job(job, churn_slice);
}

static inline __attribute__((always_inline)) void
lock_slice(struct job *job, long count, mm_lock_mode mode)
{
    for (; count > 0; count--) {
        job->peer.lock(job->pool, mode);
        job->peer.unlock(job->pool);
    }
}

static void write_slice(void *job, long count)
{
    lock_slice(job, count, MM_LOCK_RW);
}

static void read_slice(void *job, long count)
{
    lock_slice(job, count, MM_LOCK_RD);
}

static double run_lock(const struct peer *peer, long mode)
{
    return run_job(start_job(peer, MIB),
                   mode == MM_LOCK_RW ? write_slice : read_slice);
}

static void create_slice(void *job, long count)
{
    const struct peer *peer = &((struct job *)job)->peer;
    for (; count > 0; count--)
        peer->destroy(bench_pool(peer, 64 * MIB));
}

static double run_create(const struct peer *peer, long unused)
{
    (void)unused;
    return run_job(start_job(peer, MIB), create_slice) / 1e3;
}

const struct row bench_speed_rows[] = {
    {"pair-16", "ns", 1, ALL_PEERS, true, run_pair, 16},
    {"pair-64", "ns", 1, ALL_PEERS, true, run_pair, 64},
    {"pair-1024", "ns", 1, ALL_PEERS, true, run_pair, 1024},
    {"churn", "ns", 1, ALL_PEERS, true, run_churn, 10000},
    {"holes-100", "ns", 1, ALL_PEERS, true, run_holes, 100},
    {"holes-10k", "ns", 1, ALL_PEERS, true, run_holes, 10000},
    {"holes-100k", "ns", 1, ALL_PEERS, true, run_holes, 100000},
    {"gaps-100", "ns", 1, ONLY_LIBMM, true, run_gaps, 100},
    {"gaps-100k", "ns", 1, ONLY_LIBMM, true, run_gaps, 100000},
    {"random-100k", "ns", 1, ALL_PEERS, true, run_random, 100000},
    {"lock-rw", "ns", 1, ONLY_POOLS, true, run_lock, MM_LOCK_RW},
    {"lock-rd", "ns", 1, ONLY_POOLS, true, run_lock, MM_LOCK_RD},
    {"create", "us", 1, ONLY_POOLS, true, run_create, 0},
    {0},
};
