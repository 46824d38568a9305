/* SPDX-License-Identifier: MIT */
/*
 * workload.h -- repeatable random work for an allocator, and what it costs in
 * memory.
 *
 * Shared by the benchmark and by the tests of the space bars, so that both
 * judge the same thing.  Nothing here depends on time: one seed, one sequence.
 */
#ifndef TESTS_WORKLOAD_H
#define TESTS_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* An allocator, as the work below sees it. */
struct workbench {
    void *(*alloc)(void *context, size_t size);
    void (*release)(void *context, void *ptr);
    void *context;
};

struct dice {
    uint64_t state;
};

static inline uint64_t dice_roll(struct dice *dice)
{
    uint64_t x = dice->state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline size_t dice_below(struct dice *dice, size_t bound)
{
    return (size_t)(((dice_roll(dice) >> 32) * (uint64_t)bound) >> 32);
}

/* Log-uniform: every doubling from 16 to 16 << DOUBLINGS is equally likely. */
static inline size_t dice_size(struct dice *dice, unsigned doublings)
{
    enum { STEPS = 128 };
    static double table[STEPS];
    if (table[0] == 0) {
        double size = 16;
        for (int i = 0; i < STEPS; i++, size *= 1.005429901112803)
            table[i] = size; /* the 128th root of 2 */
    }
    unsigned step = (unsigned)dice_below(dice, (size_t)STEPS * doublings);
    return (size_t)(table[step % STEPS] * (double)(1u << step / STEPS));
}

enum { SIZES_TO_2048 = 7, SIZES_TO_256 = 4 };

/* Bytes of [FROM, TO) that are in memory, whoever brought them there. */
static inline size_t resident_in(uintptr_t from, uintptr_t to)
{
    enum { STRIDE = 1 << 14 };
    static unsigned char pages[STRIDE];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), sum = 0;
    for (; from < to; from += STRIDE * page) {
        size_t count = (to - from) / page;
        if (count > STRIDE)
            count = STRIDE;
        if (mincore((void *)from, count * page, pages) != 0)
            continue;
        for (size_t i = 0; i < count; i++)
            sum += (pages[i] & 1) * page;
    }
    return sum;
}

/* Bytes of memory this process occupies.  Shared mappings count whole, also
 * pages that only another process or a reservation has touched. */
static inline size_t resident_bytes(void)
{
    static char buffer[1 << 16], line[512];
    FILE *file = fopen("/proc/self/smaps", "r");
    if (!file)
        return 0;
    setvbuf(file, buffer, _IOFBF, sizeof buffer);
    size_t sum = 0, kib;
    bool shared = false;
    while (fgets(line, sizeof line, file)) {
        unsigned long from, to;
        char permissions[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, permissions) == 3) {
            shared = permissions[3] == 's';
            if (shared)
                sum += resident_in((uintptr_t)from, (uintptr_t)to);
        } else if (!shared && sscanf(line, "Rss: %zu kB", &kib) == 1) {
            sum += kib << 10;
        }
    }
    fclose(file);
    return sum;
}

/* Pages that it touches to create and destroy a pool of SIZE bytes, itself or
 * the system for it.  Not the first pool of a process, which also sets the
 * library up. */
static inline size_t touched_pages(void *(*create)(size_t, const char *),
                                   void (*destroy)(void *), size_t size)
{
    struct rusage start, created, again, destroyed;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *pool = create(size, NULL);
    if (!pool)
        return SIZE_MAX;
    destroy(pool);
    size_t resident = resident_bytes();
    getrusage(RUSAGE_SELF, &start);
    pool = create(size, NULL);
    getrusage(RUSAGE_SELF, &created);
    if (!pool)
        return SIZE_MAX;
    size_t pages = (resident_bytes() - resident) / page;
    getrusage(RUSAGE_SELF, &again);
    destroy(pool);
    getrusage(RUSAGE_SELF, &destroyed);
    size_t faults = (size_t)(created.ru_minflt - start.ru_minflt +
                             destroyed.ru_minflt - again.ru_minflt);
    return faults > pages ? faults : pages;
}

/* Allocate and touch objects of SIZE bytes (0: log-uniform 16 to 2048) until
 * LIMIT bytes are reached or one fails.  Returns the bytes asked for; keeps
 * nothing. */
static inline size_t fill_bytes(const struct workbench *bench, size_t size,
                                size_t limit, struct dice *dice)
{
    size_t sum = 0;
    for (;;) {
        size_t next = size ? size : dice_size(dice, SIZES_TO_2048);
        if (next > limit - sum)
            return sum;
        void *ptr = bench->alloc(bench->context, next);
        if (!ptr)
            return sum;
        memset(ptr, 1, next);
        sum += next;
    }
}

/* What a pool of POOL bytes yields after long use. */
struct yield {
    double payload; /* bytes asked for at the first failure, of POOL */
    double largest; /* largest block, of the bytes free, at 70 % payload */
    bool early;     /* one failed before the pool was 70 % full */
};

struct live {
    void *ptr;
    size_t size;
};

struct live_set {
    const struct workbench *bench;
    struct live *blocks;
    size_t count, bytes, limit;
};

static inline bool live_grow(struct live_set *set, size_t size)
{
    if (set->count == set->limit)
        return false;
    void *ptr = set->bench->alloc(set->bench->context, size);
    if (!ptr)
        return false;
    set->blocks[set->count++] = (struct live){ptr, size};
    set->bytes += size;
    return true;
}

static inline void live_drop(struct live_set *set, size_t victim)
{
    struct live block = set->blocks[victim];
    set->bench->release(set->bench->context, block.ptr);
    set->blocks[victim] = set->blocks[--set->count];
    set->bytes -= block.size;
}

static inline size_t largest_block(const struct workbench *bench, size_t limit)
{
    size_t fits = 0, fails = limit;
    while (fails - fits > 16) {
        size_t middle = fits + (fails - fits) / 2;
        void *ptr = bench->alloc(bench->context, middle);
        if (ptr) {
            bench->release(bench->context, ptr);
            fits = middle;
        } else {
            fails = middle;
        }
    }
    return fits;
}

/* Fill to 70 %, replace every block twenty times over, look for the largest
 * block, then fill until the first failure. */
static inline struct yield measure_yield(const struct workbench *bench,
                                         size_t pool, uint64_t seed)
{
    struct dice dice = {seed};
    struct yield yield = {0};
    struct live_set set = {.bench = bench, .limit = pool / 16};
    set.blocks = calloc(set.limit, sizeof *set.blocks);
    if (!set.blocks)
        return yield;
    size_t level = pool / 10 * 7;
    while (set.bytes < level &&
           live_grow(&set, dice_size(&dice, SIZES_TO_2048)))
        ;
    for (size_t turns = 20 * set.count; turns > 0 && set.count > 0; turns--) {
        live_drop(&set, dice_below(&dice, set.count));
        while (set.bytes < level)
            if (!live_grow(&set, dice_size(&dice, SIZES_TO_2048))) {
                yield.early = true;
                break;
            }
    }
    yield.largest =
        (double)largest_block(bench, pool) / (double)(pool - set.bytes);
    while (live_grow(&set, dice_size(&dice, SIZES_TO_2048)))
        ;
    yield.payload = (double)set.bytes / (double)pool;
    while (set.count > 0)
        live_drop(&set, set.count - 1);
    free(set.blocks);
    return yield;
}

#endif
