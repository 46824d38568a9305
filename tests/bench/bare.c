/* SPDX-License-Identifier: MIT */
/*
 * bare.c -- what can be measured of a bare heap only.
 *
 * bare BYTES prints the percentage of BYTES that is payload at the first
 * failure after churn (median of three seeds), in a heap that is mapped without
 * the hidden slack.  The slack is what lets a pool keep the old space contract;
 * without it one sees what the heap itself loses.
 *
 * bare BYTES SIZE COUNT prints how many microseconds it takes to repair a heap
 * of BYTES that holds COUNT objects of SIZE bytes, of which every second was
 * freed again: the shortest of many repairs.
 *
 * One process, private memory: the host's functions do nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "heap/heap_layout.h"

#include "../workload.h"

struct bare {
    struct heap heap;
    struct heap_hints hints;
};

static int enter(void *context)
{
    (void)context;
    return 0;
}

static void leave(void *context)
{
    (void)context;
}

static int commit(void *context, size_t offset, size_t size)
{
    (void)context;
    (void)offset;
    (void)size;
    return 0;
}

static void *bare_alloc(void *bare, size_t size)
{
    struct bare *self = bare;
    return mmi_heap_alloc(&self->heap, &self->hints, size);
}

static void bare_free(void *bare, void *ptr)
{
    struct bare *self = bare;
    mmi_heap_free(&self->heap, &self->hints, ptr);
}

static bool make_heap(struct bare *bare, size_t request, bool slack)
{
    const struct heap_host host = {
        .enter = enter, .leave = leave, .commit = commit};
    *bare = (struct bare){0};
    size_t size = mmi_heap_block_size(request, slack);
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return block != MAP_FAILED &&
           mmi_heap_create(&bare->heap, block, size, request, &host) == 0;
}

static double measure(size_t request, uint64_t seed)
{
    static struct bare bare;
    if (!make_heap(&bare, request, false))
        return -1;
    struct workbench bench = {bare_alloc, bare_free, &bare};
    struct yield yield = measure_yield(&bench, request, seed);
    munmap(bare.heap.block, bare.heap.block_size);
    return 100 * yield.payload;
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double measure_repair(size_t request, size_t size, size_t count)
{
    enum { TIMES = 50 };
    static struct bare bare;
    if (!make_heap(&bare, request, true))
        return -1;
    char *previous = NULL;
    for (size_t i = 0; i < count; i++) {
        char *ptr = bare_alloc(&bare, size);
        if (!ptr)
            return -1;
        if (i % 2 == 1)
            bare_free(&bare, previous);
        previous = ptr;
    }
    double least = -1;
    for (int i = 0; i < TIMES; i++) {
        put(&bare.heap.control->busy, 1); /* as a dead holder leaves it */
        double start = now_us();
        if (mmi_heap_repair(&bare.heap) < 0)
            return -1;
        double took = now_us() - start;
        if (least < 0 || took < least)
            least = took;
    }
    return least;
}

int main(int argc, char **argv)
{
    size_t request = argc == 2 || argc == 4 ? strtoull(argv[1], NULL, 0) : 0;
    if (request == 0) {
        fprintf(stderr, "usage: bare BYTES [SIZE COUNT]\n");
        return 2;
    }
    if (argc == 4) {
        double took = measure_repair(request, strtoull(argv[2], NULL, 0),
                                     strtoull(argv[3], NULL, 0));
        printf("%.3f\n", took);
        return took < 0;
    }
    double a = measure(request, 1);
    double b = measure(request, 2);
    double c = measure(request, 3);
    double low = a < b ? a : b, high = a < b ? b : a;
    double median = c < low ? low : c > high ? high : c;
    if (low < 0 || c < 0) {
        fprintf(stderr, "bare: cannot make a heap\n");
        return 1;
    }
    printf("%.3f\n", median);
    return 0;
}
