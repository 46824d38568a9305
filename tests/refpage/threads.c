/* SPDX-License-Identifier: MIT */
/*
 * threads.c -- threads make, map and close reference pages at once, also the
 * same ones, while one of them forks.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "refpage.h"

enum { THREADS = 4, TURNS = 60, FORKS = 20 };

static struct mm_refpage *common;
static atomic_int mistakes;

static int one_turn(struct mm_refpage *ref, size_t length, uint64_t pattern)
{
    unsigned char *start = mm_refpage_map(ref, length);
    if (!start || !shows(start, length, &pattern, 8))
        return 1;
    start[length / 2] ^= 1;
    return mm_refpage_unmap(start, length) == 0 ? 0 : 1;
}

static void *work(void *number)
{
    uint64_t own = (uint64_t)(size_t)number * UINT64_C(0x0123456789abcdef);
    for (int i = 0; i < TURNS; i++) {
        struct mm_refpage *ref = mm_refpage_create(&own, 8, 0);
        if (!ref || one_turn(ref, 100000, own) ||
            one_turn(common, i % 8 ? 50000 : 5 * MIB, 7) ||
            mm_refpage_close(ref) != 0) {
            const char *why = mm_error();
            diag("turn %d: %s", i, why ? why : "wrong contents");
            atomic_fetch_add(&mistakes, 1);
        }
    }
    return NULL;
}

static int child(void *unused, int number)
{
    uint64_t own = (uint64_t)number;
    (void)unused;
    struct mm_refpage *ref = mm_refpage_create(&own, 8, 0);
    return !ref || one_turn(ref, 70000, own) || one_turn(common, 70000, 7);
}

int main(void)
{
    if (strcmp(mm_query(NULL, "refpage"), "NONE") == 0)
        skip_all("this system has no reference pages");
    uint64_t seven = 7;
    common = make_ref(&seven, 8);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(i + 1)) != 0)
            bail("pthread_create");
    int bad = 0;
    for (int i = 0; i < FORKS; i++)
        bad += end_child(start_child(child, NULL, i)) != 0;
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    is_int(mistakes, 0, "threads do not disturb each other");
    is_int(bad, 0, "nor children that are forked meanwhile");
    is_int(mm_refpage_close(common), 0, "the common reference is closed");
    return done();
}
