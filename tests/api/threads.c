/* SPDX-License-Identifier: MIT */
/*
 * threads.c -- mm can be used by the threads of several processes at once.
 */
#include <pthread.h>

#include "api.h"

enum { THREADS = 4, ROUNDS = 2000, LIVE = 64 };

static MM *mm;
static struct {
    int counter;
    int inside;
} * shared;

struct job {
    int number;
    int bad;
    pthread_t id;
};

static size_t size_of(uint64_t *state)
{
    return 1 + next_random(state) % (1u << (2 + next_random(state) % 13));
}

/* Each block carries its owner's mark from end to end. */
static void *allocate(void *argument)
{
    struct job *job = argument;
    unsigned char *live[LIVE] = {0};
    size_t sizes[LIVE];
    uint64_t state = (uint64_t)job->number;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned at = next_random(&state) % LIVE;
        if (live[at]) {
            unsigned char mark = (unsigned char)(job->number * LIVE + (int)at);
            if (live[at][0] != mark || live[at][sizes[at] - 1] != mark ||
                mm_sizeof(mm, live[at]) != sizes[at])
                job->bad++;
            mm_free(mm, live[at]);
        }
        sizes[at] = size_of(&state);
        live[at] = mm_malloc(mm, sizes[at]);
        if (!live[at])
            job->bad++;
        else
            memset(live[at], job->number * LIVE + (int)at, sizes[at]);
    }
    for (int i = 0; i < LIVE; i++)
        mm_free(mm, live[i]);
    return NULL;
}

static void *count(void *argument)
{
    struct job *job = argument;
    for (int i = 0; i < ROUNDS / 10; i++) {
        if (mm_lock(mm, MM_LOCK_RW) != 1)
            job->bad++;
        if (shared->inside++ != 0)
            job->bad++;
        mm_free(mm, mm_malloc(mm, 100));
        int seen = *(volatile int *)&shared->counter;
        if (i % 16 == 0)
            sched_yield();
        *(volatile int *)&shared->counter = seen + 1;
        shared->inside--;
        if (mm_unlock(mm) != 1)
            job->bad++;
    }
    return NULL;
}

/* Errors and answers are each thread's own. */
static void *own_errors(void *argument)
{
    struct job *job = argument;
    char wanted[32];
    if (mm_error() != NULL)
        job->bad++;
    for (int i = 0; i < 200; i++) {
        snprintf(wanted, sizeof wanted, "mm:core: thread %d", job->number);
        mm_lib_error_set(2, wanted + 9);
        const char *name = mm_query(mm, "size");
        sched_yield();
        if (strcmp(mm_error(), wanted) != 0 || strcmp(name, "8388608") != 0)
            job->bad++;
    }
    return NULL;
}

static int run_threads(void *(*work)(void *), int number)
{
    struct job jobs[THREADS];
    int bad = 0;
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.number = number * THREADS + i};
        if (pthread_create(&jobs[i].id, NULL, work, &jobs[i]) != 0)
            return 1000;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(jobs[i].id, NULL);
        bad += jobs[i].bad;
    }
    return bad;
}

static int run_in_child(void *argument, int number)
{
    void *(**work)(void *) = argument;
    return run_threads(*work, number) ? 1 : 0;
}

/* A child of a thread has its own depth, id and hints. */
static int work_after_fork(void *argument, int number)
{
    struct job job = {.number = number + 100};
    (void)argument;
    clear_failure();
    if (mm_unlock(mm) != 1 || errno != EPERM || mm_trylock(mm, MM_LOCK_RW))
        return 1;
    allocate(&job);
    return job.bad ? 2 : 0;
}

static void *fork_inside(void *argument)
{
    struct job *job = argument;
    if (mm_lock(mm, MM_LOCK_RW) != 1)
        job->bad++;
    if (end_child(start_child(work_after_fork, NULL, job->number)) != 0)
        job->bad++;
    if (mm_unlock(mm) != 1)
        job->bad++;
    return NULL;
}

int main(void)
{
    mm = make_pool(8 << 20);
    shared = mm_calloc(mm, 1, sizeof *shared);
    size_t before = mm_available(mm);
    is_int(run_threads(own_errors, 0), 0, "each thread has its own errors");
    is_int(run_threads(allocate, 0), 0, "threads allocate and free");
    void *(*work)(void *) = allocate;
    children_ok(2, run_in_child, &work, "so do threads of several processes");
    is_int(run_threads(count, 0), 0, "the lock keeps threads apart");
    is_int(shared->counter, THREADS * (ROUNDS / 10), "none was lost");
    work = count;
    shared->counter = 0;
    children_ok(2, run_in_child, &work, "threads and processes");
    is_int(shared->counter, 2 * THREADS * (ROUNDS / 10), "none was lost");
    is_int(run_threads(fork_inside, 0), 0, "threads may fork under the lock");
    is_int(mm_available(mm), before, "all was given back");
    is_int(mm_check(mm), 0, "the pool is sound");
    mm_destroy(mm);
    return done();
}
