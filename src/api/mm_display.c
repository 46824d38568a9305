/* SPDX-License-Identifier: MIT */
/*
 * mm_display.c -- mm_display_info(): a pool for people, on stderr.
 *
 * Title, labels and their order are what the mm library has always printed;
 * scripts read them.  Nothing is printed while a lock is held: the stream may
 * be a pipe that nobody empties.
 */
#include "config.h"

#include <mm.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/pool.h"
#include "base/fail.h"

struct run {
    uintptr_t start;
    size_t size;
};

struct runs {
    struct run *list;
    size_t room;
    size_t seen; /* may exceed the room */
};

static void collect_run(void *argument, void *ptr, size_t size)
{
    struct runs *runs = argument;
    if (runs->seen < runs->room)
        runs->list[runs->seen] = (struct run){(uintptr_t)ptr, size};
    runs->seen++;
}

/* All stretches of free pages, in *RUNS; the list is made larger until it holds
 * them all. */
static int collect_runs(struct heap *heap, struct runs *runs)
{
    do {
        runs->room = runs->seen + 64;
        runs->seen = 0;
        struct run *list = realloc(runs->list, runs->room * sizeof *runs->list);
        if (!list)
            return mmi_fail("mm:core: no private memory for a list");
        runs->list = list;
        if (mmi_heap_free_runs(heap, collect_run, runs) < 0)
            return -1;
    } while (runs->seen > runs->room);
    return 0;
}

static void print_summary(const struct pool *pool, const struct heap_stat *stat,
                          size_t run_count)
{
    uintptr_t start = (uintptr_t)pool->segment->user;
    size_t fresh =
        stat->committed < pool->size ? pool->size - stat->committed : 0;
    size_t spare = fresh < stat->available ? fresh : stat->available;
    fprintf(stderr, "Information for MM\n");
    fprintf(stderr, "    memory area     = 0x%jx - 0x%jx\n", (uintmax_t)start,
            (uintmax_t)start + pool->segment->user_size);
    fprintf(stderr, "    memory size     = %zu\n", pool->size);
    fprintf(stderr, "    memory offset   = %zu\n", pool->size - spare);
    fprintf(stderr, "    bytes spare     = %zu\n", spare);
    fprintf(stderr, "    bytes free      = %zu (%zu chunk%s)\n",
            stat->available - spare, run_count, run_count == 1 ? "" : "s");
    fprintf(stderr, "    bytes allocated = %zu\n",
            pool->size - stat->available);
    fprintf(stderr,
            "    repairs         = %zu (%zu dead owner%s, %zu block%s "
            "reclaimed)\n",
            stat->repairs, stat->dead_owners, stat->dead_owners == 1 ? "" : "s",
            stat->reclaimed, stat->reclaimed == 1 ? "" : "s");
}

void mm_display_info(MM *mm)
{
    struct pool *pool = mmi_pool_find(mm);
    struct heap_stat stat;
    struct runs runs = {0};
    if (!pool || mmi_heap_stat(&pool->heap, &stat) < 0)
        return;
    if (collect_runs(&pool->heap, &runs) == 0) {
        print_summary(pool, &stat, runs.seen);
        fprintf(stderr, "    List of free chunks:\n");
        for (size_t i = 0; i < runs.seen; i++)
            fprintf(stderr, "        chunk #%03zu: 0x%jx-0x%jx (%zu bytes)\n",
                    i + 1, (uintmax_t)runs.list[i].start,
                    (uintmax_t)runs.list[i].start + runs.list[i].size,
                    runs.list[i].size);
        if (runs.seen == 0)
            fprintf(stderr, "        <empty-list>\n");
    }
    free(runs.list);
}
