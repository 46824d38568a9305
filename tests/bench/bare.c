/* SPDX-License-Identifier: MIT */
/*
 * bare.c -- what a heap yields that is mapped without the hidden slack.
 *
 * bare BYTES prints the percentage of BYTES that is payload at the first
 * failure after churn (median of three seeds).  The slack is what lets a pool
 * keep the old space contract; without it one sees what the heap itself loses.
 * One process, private memory: the host's functions do nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "heap/heap.h"

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

static double measure(size_t request, uint64_t seed)
{
    const struct heap_host host = {
        .enter = enter, .leave = leave, .commit = commit};
    static struct bare bare;
    bare = (struct bare){0};
    size_t size = mmi_heap_block_size(request, false);
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED ||
        mmi_heap_create(&bare.heap, block, size, request, &host) != 0)
        return -1;
    struct workbench bench = {bare_alloc, bare_free, &bare};
    struct yield yield = measure_yield(&bench, request, seed);
    munmap(block, size);
    return 100 * yield.payload;
}

int main(int argc, char **argv)
{
    size_t request = argc == 2 ? strtoull(argv[1], NULL, 0) : 0;
    if (request == 0) {
        fprintf(stderr, "usage: bare BYTES\n");
        return 2;
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
