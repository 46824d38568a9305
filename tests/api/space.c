/* SPDX-License-Identifier: MIT */
/*
 * space.c -- what objects and pools cost in memory.
 *
 * The old contract fixes what an object costs in units of the pool; these are
 * the real costs: resident bytes, everything included, payload that a pool
 * yields after long use, and pages that creating one touches.
 */
#include <mm.h>

#include "../tap.h"
#include "../workload.h"

enum { MIB = 1 << 20 };

static struct workbench bench_of(size_t size)
{
    struct workbench bench = {mm_malloc, mm_free, mm_create(size, NULL)};
    if (!bench.context)
        bail("no pool: %s", mm_error());
    return bench;
}

/* Resident bytes per byte of payload. */
static double resident_share(size_t size, size_t limit)
{
    struct dice dice = {3};
    size_t before = resident_bytes();
    struct workbench bench = bench_of(64 * MIB);
    size_t sum = fill_bytes(&bench, size, limit, &dice);
    size_t grown = resident_bytes() - before;
    mm_destroy(bench.context);
    ok(sum + 2048 > limit, "%zu of %zu bytes can be had", sum, limit);
    return (double)grown / (double)sum;
}

static void small_objects(size_t size, double bar)
{
    size_t count = 64 * MIB / (size + 16);
    double each = resident_share(size, count * size) * (double)size;
    ok(each <= bar,
       "%zu objects of %zu bytes: %.2f resident bytes each, %g at "
       "most",
       count, size, each, bar);
}

static void mixed_objects(void)
{
    double share = resident_share(0, 64 * MIB / 10 * 9);
    ok(share <= 1.2,
       "90 %% of 64 MiB in sizes 16 to 2048: %.3f resident bytes per byte, 1.2 "
       "at most",
       share);
}

/* LARGEST 0: such a small pool has no large block to ask for. */
static void yield_of(size_t size, double bar, double largest)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct workbench bench = bench_of(size);
        size_t empty = mm_available(bench.context);
        struct yield yield = measure_yield(&bench, size, seed);
        ok(yield.payload * 100 >= bar && !yield.early,
           "%zu KiB after churn, seed %d: %.1f %% is payload at the first "
           "failure, %g at least",
           size >> 10, (int)seed, yield.payload * 100, bar);
        ok(yield.largest * 100 >= largest,
           "and the largest block had %.0f %% of the free bytes, %g at least",
           yield.largest * 100, largest);
        is_int((long long)mm_available(bench.context), (long long)empty,
               "and freeing all returns to the start");
        mm_destroy(bench.context);
    }
}

int main(void)
{
    const char *sanitizers = getenv("SANITIZERS");
    if (sanitizers && *sanitizers)
        skip_all("a sanitizer's own memory would be counted");
    const char *shm = mm_query(NULL, "shm");
    if (strcmp(shm, "MMFILE") == 0 || strcmp(shm, "MMPOSX") == 0)
        skip_all("files are committed in large steps");
    small_objects(16, 19);
    small_objects(64, 70);
    mixed_objects();
    yield_of(512 << 10, 78, 0);
    yield_of(8 * MIB, 90, 40);
    size_t pages = touched_pages(mm_create, mm_destroy, 64 * MIB);
    ok(pages < 64,
       "creating and destroying 64 MiB touches %zu pages, fewer "
       "than 64",
       pages);
    return done();
}
