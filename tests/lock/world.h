/* SPDX-License-Identifier: MIT */
/*
 * world.h -- one lock, some shared numbers, and somebody who tries to get in.
 *
 * Each test of the locks runs over all variants of the build; their traits say
 * what to expect.
 */
#ifndef TESTS_LOCK_WORLD_H
#define TESTS_LOCK_WORLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "base/fail.h"
#include "base/thread.h"
#include "lock/lock.h"

#include "../children.h"

struct numbers {
    _Atomic int stage;
    _Atomic int count;
    _Atomic int wrong;
    volatile long first; /* equal unless somebody is inside */
    volatile long second;
    _Atomic int more[16];
};

struct world {
    struct lock lock;
    char *shared;
    struct numbers *numbers;
    const char *name;
    unsigned traits;
};

static const struct timespec world_try;

__attribute__((unused)) static struct timespec soon(long ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += ms % 1000 * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

__attribute__((unused)) static void nap(long us)
{
    struct timespec time = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&time, NULL);
}

/* Wait until *STAGE is at least WANTED.  A test that hangs is killed by its
 * alarm. */
__attribute__((unused)) static void await(_Atomic int *stage, int wanted)
{
    while (*stage < wanted)
        nap(100);
}

static void make_world(struct world *world, const struct lock_variant *variant,
                       long timeout)
{
    size_t size = (variant->shared_size + 4095) / 4096 * 4096;
    *world = (struct world){.name = variant->name, .traits = variant->traits};
    char *base = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    world->numbers = (struct numbers *)(void *)base;
    world->shared = base + 4096;
    if (mmi_lock_create(&world->lock, variant, world->shared, mmi_object_id(),
                        timeout) < 0)
        bail("%s: %s", variant->name, mmi_fail_text());
}

static void end_world(struct world *world)
{
    mmi_lock_destroy(&world->lock);
    munmap((char *)world->numbers,
           4096 + (world->lock.variant->shared_size + 4095) / 4096 * 4096);
}

/* Run TEST in a new world of each variant. */
__attribute__((unused)) static void
for_each_variant(void (*test)(struct world *world))
{
    signal(SIGALRM, SIG_DFL);
    for (size_t i = 0; mmi_lock_at(i); i++) {
        struct world world;
        alarm(CHILD_SECONDS);
        make_world(&world, mmi_lock_at(i), 10000);
        test(&world);
        end_world(&world);
    }
}

__attribute__((unused)) static int take(struct world *world,
                                        enum lock_mode mode)
{
    int result = mmi_lock_acquire(&world->lock, mode, NULL);
    if (result < 0)
        fprintf(stderr, "# %s: %s\n", world->name, mmi_fail_text());
    return result;
}

__attribute__((unused)) static int give(struct world *world)
{
    int result = mmi_lock_release(&world->lock);
    if (result < 0)
        fprintf(stderr, "# %s: %s\n", world->name, mmi_fail_text());
    return result;
}

struct intruder {
    struct world *world;
    enum lock_mode mode;
    int result;
};

/* Try to get in, and leave again: 0 or the errno. */
__attribute__((unused)) static int intrude(void *argument, int mode)
{
    struct world *world = argument;
    if (mmi_lock_acquire(&world->lock, (enum lock_mode)mode, &world_try) < 0)
        return errno;
    return mmi_lock_release(&world->lock) < 0 ? 200 : 0;
}

__attribute__((unused)) static void *intrude_as_thread(void *argument)
{
    struct intruder *intruder = argument;
    intruder->result = intrude(intruder->world, (int)intruder->mode);
    return NULL;
}

/* What another process gets when it tries. */
__attribute__((unused)) static int process_gets(struct world *world,
                                                enum lock_mode mode)
{
    return end_child(start_child(intrude, world, (int)mode));
}

/* What another thread gets when it tries. */
__attribute__((unused)) static int thread_gets(struct world *world,
                                               enum lock_mode mode)
{
    struct intruder intruder = {world, mode, -1};
    pthread_t thread;
    if (pthread_create(&thread, NULL, intrude_as_thread, &intruder) != 0)
        bail("no thread");
    pthread_join(thread, NULL);
    return intruder.result;
}

/* One test point: whoever tries RD gets READER, whoever tries RW gets WRITER,
 * be it a process or a thread. */
__attribute__((unused)) static void others_get(struct world *world, int reader,
                                               int writer, const char *when)
{
    int got[4] = {process_gets(world, LOCK_SHARED),
                  thread_gets(world, LOCK_SHARED),
                  process_gets(world, LOCK_EXCLUSIVE),
                  thread_gets(world, LOCK_EXCLUSIVE)};
    if (!ok(got[0] == reader && got[1] == reader && got[2] == writer &&
                got[3] == writer,
            "%s: %s", world->name, when))
        diag("reader: process %d, thread %d, wanted %d; writer: process %d, "
             "thread %d, wanted %d",
             got[0], got[1], reader, got[2], got[3], writer);
}

#endif
