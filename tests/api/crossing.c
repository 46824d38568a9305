/* SPDX-License-Identifier: MIT */
/*
 * crossing.c -- mm can be used on two pools by threads of two processes that
 * wait for each other crosswise, without a deadlock and without a false one.
 *
 * Where the kernel looks for deadlocks it looks at processes: one thread waits
 * for the user lock of one pool, another for the internal lock of the other, in
 * both processes, and that looks like a circle though it is none.
 */
#include <pthread.h>

#include "api.h"

enum { ROUNDS = 200, BLOCKS = 10000 };

static MM *pools[2];

struct job {
    int pool; /* whose internal lock is used */
    int bad;
    int error;
};

/* mm_check() holds the lock longest. */
static void *allocate(void *argument)
{
    struct job *job = argument;
    for (int i = 0; i < ROUNDS; i++) {
        void *ptr = mm_malloc(pools[job->pool], 40000);
        if (!ptr || mm_check(pools[job->pool]) != 0) {
            job->error = errno;
            job->bad++;
        }
        mm_free(pools[job->pool], ptr);
    }
    return NULL;
}

/* One thread allocates from one pool, the other locks the other pool, and
 * allocates from both under its lock. */
static int work(void *argument, int number)
{
    (void)argument;
    struct job job = {.pool = number % 2};
    MM *locked = pools[1 - number % 2];
    pthread_t thread;
    if (pthread_create(&thread, NULL, allocate, &job) != 0)
        return 100;
    int bad = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (mm_lock(locked, i % 8 ? MM_LOCK_RW : MM_LOCK_RD) != 1) {
            fprintf(stderr, "# %s\n", mm_error());
            bad++;
            continue;
        }
        void *first = mm_malloc(pools[0], 30000);
        void *second = mm_malloc(pools[1], 30000);
        bad += !first || !second;
        mm_free(pools[0], first);
        mm_free(pools[1], second);
        bad += mm_unlock(locked) != 1;
    }
    pthread_join(thread, NULL);
    if (job.bad)
        fprintf(stderr, "# %d allocations failed: %s\n", job.bad,
                strerror(job.error));
    return bad || job.bad ? 1 : 0;
}

int main(void)
{
    /* Without a time limit the kernel waits, where it can. */
    mm_options("lock.timeout=0");
    pools[0] = make_pool(4 << 20);
    pools[1] = make_pool(4 << 20);
    for (int i = 0; i < 2 * BLOCKS; i++)
        mm_malloc(pools[i % 2], 100);
    size_t before = mm_available(pools[0]);
    children_ok(4, work, NULL, "locks of two pools are used crosswise");
    is_int(mm_check(pools[0]), 0, "one pool is sound");
    is_int(mm_check(pools[1]), 0, "so is the other");
    is_int(mm_available(pools[0]), before, "all was given back");
    is_int(mm_available(pools[1]), before, "to both");
    mm_destroy(pools[0]);
    mm_destroy(pools[1]);
    return done();
}
