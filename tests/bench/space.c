/* SPDX-License-Identifier: MIT */
/*
 * space.c -- memory: what is resident, what a pool yields, what creating one
 * touches.  Nothing here depends on time.
 */
#include <stdio.h>

#include "../workload.h"
#include "bench.h"

static void *heap_take(void *peer, size_t size)
{
    return ((const struct peer *)peer)->heap_alloc(size);
}

static void heap_give(void *peer, void *ptr)
{
    ((const struct peer *)peer)->heap_free(ptr);
}

static struct workbench bench_of(const struct peer *peer, void *pool)
{
    if (peer->pooled)
        return (struct workbench){peer->pool_alloc, peer->pool_free, pool};
    return (struct workbench){heap_take, heap_give, (void *)(uintptr_t)peer};
}

/* Resident bytes per object of SIZE bytes with the pool full; SIZE 0: per byte
 * of log-uniform payload in 90 % of the pool. */
static double run_resident(const struct peer *peer, long size)
{
    struct dice dice = {3};
    size_t pool = 64 * MIB;
    size_t limit =
        size ? pool / (size_t)(size + 16) * (size_t)size : pool / 10 * 9;
    size_t before = resident_bytes();
    struct workbench bench = bench_of(peer, bench_pool(peer, pool));
    size_t sum = fill_bytes(&bench, (size_t)size, limit, &dice);
    size_t after = resident_bytes();
    if (sum == 0)
        bench_give_up("no allocation succeeds");
    if (peer->pooled)
        peer->destroy(bench.context);
    return (double)(after - before) / (double)sum * (double)(size ? size : 1);
}

/* Median of three seeds. */
static double run_yield(const struct peer *peer, size_t size, bool largest)
{
    double values[3];
    for (int i = 0; i < 3; i++) {
        struct workbench bench = bench_of(peer, bench_pool(peer, size));
        struct yield yield = measure_yield(&bench, size, (uint64_t)i + 1);
        values[i] = 100 * (largest ? yield.largest : yield.payload);
        peer->destroy(bench.context);
    }
    return bench_median(values, 3);
}

static double run_payload(const struct peer *peer, long size)
{
    return run_yield(peer, (size_t)size, false);
}

static double run_largest(const struct peer *peer, long size)
{
    return run_yield(peer, (size_t)size, true);
}

/* What only another program, which sees the inside, can measure. */
static double ask_bare(const char *arguments)
{
    char command[4096];
    double value;
    if (!bench_bare)
        bench_give_up("needs --bare=PROGRAM");
    snprintf(command, sizeof command, "'%s' %s", bench_bare, arguments);
    FILE *output = popen(command, "r");
    if (!output || fscanf(output, "%lf", &value) != 1)
        bench_give_up("the program of --bare failed");
    pclose(output);
    return value;
}

static double run_bare(const struct peer *peer, long size)
{
    char arguments[32];
    (void)peer;
    snprintf(arguments, sizeof arguments, "%ld", size);
    return ask_bare(arguments);
}

/* 64 MiB with 200,000 live objects; 1 GiB of 16-byte objects, and of runs with
 * gaps. */
static double run_repair(const struct peer *peer, long which)
{
    static const char *const heaps[] = {"67108864 48 400000",
                                        "1073741824 16 30000000",
                                        "1073741824 17000 50000"};
    (void)peer;
    return ask_bare(heaps[which]);
}

static double run_pages(const struct peer *peer, long size)
{
    size_t pages = touched_pages(peer->create, peer->destroy, (size_t)size);
    if (pages == SIZE_MAX)
        bench_give_up("no pool");
    return (double)pages;
}

const struct row bench_space_rows[] = {
    {"create-pages", "pages", 0, ONLY_POOLS, false, run_pages, 64 * MIB},
    {"space-16", "bytes", 2, ALL_PEERS, false, run_resident, 16},
    {"space-64", "bytes", 2, ALL_PEERS, false, run_resident, 64},
    {"space-mix", "bytes", 3, ALL_PEERS, false, run_resident, 0},
    {"yield-512K", "%", 1, ONLY_POOLS, false, run_payload, 512 << 10},
    {"yield-8M", "%", 1, ONLY_POOLS, false, run_payload, 8 * MIB},
    {"bare-512K", "%", 1, ONLY_LIBMM, false, run_bare, 512 << 10},
    {"bare-8M", "%", 1, ONLY_LIBMM, false, run_bare, 8 * MIB},
    {"repair-64M", "us", 1, ONLY_LIBMM, false, run_repair, 0},
    {"repair-1G-16", "us", 1, ONLY_LIBMM, false, run_repair, 1},
    {"repair-1G-run", "us", 1, ONLY_LIBMM, false, run_repair, 2},
    {"largest-8M", "%", 1, ONLY_POOLS, false, run_largest, 8 * MIB},
    {0},
};
