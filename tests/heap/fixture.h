/* SPDX-License-Identifier: MIT */
/*
 * fixture.h -- a heap on plain memory, for one process or for several.
 *
 * For one process the lock is a flag that notices nesting.  After share_heap()
 * it is a robust mutex, and threads have the names by which their death can be
 * proven.  Commits are recorded.  Pages that nobody may touch lie before and
 * after the block.
 */
#ifndef TESTS_HEAP_FIXTURE_H
#define TESTS_HEAP_FIXTURE_H

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/life.h"
#include "heap/heap_parts.h"

#include "../tap.h"

enum { GUARD_SIZE = 1 << 20, PAGE_BYTES = 4096 };

struct fixture {
    struct heap heap;
    struct heap_hints hints;
    char *block;
    size_t block_size;
    int entered;      /* depth of the lock: 0 or 1 ... */
    int *held;        /* ... is here */
    bool impatient;   /* enter() fails if another has the lock */
    int enter_errno;  /* make enter() fail with it once ... */
    int enter_after;  /* ... after so many that do not */
    int commit_errno; /* make commit() fail with it ... */
    int commit_after; /* ... after so many that do not */
    unsigned enters;
    unsigned commits;
    uint64_t name;         /* of the thread; all others are dead */
    pthread_mutex_t *lock; /* if several processes use it */
};

static int fixture_enter(void *context)
{
    struct fixture *fixture = context;
    fixture->enters++;
    if (fixture->enter_errno && fixture->enter_after-- <= 0) {
        int error = fixture->enter_errno;
        fixture->enter_errno = 0;
        return mmi_fail_as(error, "mm:core: no lock");
    }
    if (fixture->lock) {
        int result = pthread_mutex_lock(fixture->lock);
        if (result == EOWNERDEAD)
            result = pthread_mutex_consistent(fixture->lock);
        if (result)
            bail("pthread_mutex_lock: %s", strerror(result));
    }
    if (fixture->impatient && *fixture->held)
        return mmi_fail_as(EBUSY, "mm:core: the lock is held");
    if ((*fixture->held)++ != 0)
        bail("the internal lock was taken twice");
    return 0;
}

static void fixture_leave(void *context)
{
    struct fixture *fixture = context;
    if (--*fixture->held != 0)
        bail("the internal lock was left twice");
    if (fixture->lock)
        pthread_mutex_unlock(fixture->lock);
}

static int fixture_commit(void *context, size_t offset, size_t size)
{
    struct fixture *fixture = context;
    fixture->commits++;
    if (offset > fixture->block_size || size > fixture->block_size - offset)
        bail("commit beyond the block: %zu + %zu", offset, size);
    if (fixture->commit_errno && fixture->commit_after-- <= 0)
        return mmi_fail_as(fixture->commit_errno, "mm:core: no pages");
    return 0;
}

static uint64_t fixture_name(void *context)
{
    const struct fixture *fixture = context;
    return fixture->lock ? mmi_life_self()->name : fixture->name;
}

static bool fixture_ended(void *context, uint64_t name)
{
    const struct fixture *fixture = context;
    return fixture->lock ? mmi_life_ended(name) : name != fixture->name;
}

/* A heap for REQUEST bytes in a block of SIZE that begins PAGES pages after an
 * address that is a multiple of GUARD_SIZE. */
__attribute__((unused)) static void
make_heap_at(struct fixture *fixture, size_t request, size_t size, size_t pages)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->held = &fixture->entered;
    size = (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    size_t all = size + pages * PAGE_BYTES + 3 * (size_t)GUARD_SIZE;
    char *map = mmap(NULL, all, PROT_NONE,
                     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    char *start = map + GUARD_SIZE;
    start += -(uintptr_t)start % GUARD_SIZE;
    fixture->block_size = size;
    fixture->block = start + pages * PAGE_BYTES;
    if (mprotect(fixture->block, size, PROT_READ | PROT_WRITE) < 0)
        bail("mprotect: %s", strerror(errno));
    const struct heap_host host = {
        .enter = fixture_enter,
        .leave = fixture_leave,
        .commit = fixture_commit,
        .context = fixture,
        .name = fixture_name,
        .ended = fixture_ended,
        .parallel = 2,
    };
    fixture->name = 1;
    fixture->hints.self = 1;
    if (mmi_heap_create(&fixture->heap, fixture->block, size, request, &host) <
        0)
        bail("mmi_heap_create: %s", mmi_fail_text());
}

__attribute__((unused)) static void make_heap_in(struct fixture *fixture,
                                                 size_t request, size_t size)
{
    make_heap_at(fixture, request, size, 0);
}

__attribute__((unused)) static void make_heap(struct fixture *fixture,
                                              size_t request)
{
    make_heap_in(fixture, request, mmi_heap_block_size(request, true));
}

/* SIZE bytes of zeroed memory that children share. */
__attribute__((unused)) static void *map_shared(size_t size)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    return map;
}

/* Fork children may use the heap, too, from now on. */
__attribute__((unused)) static void share_heap(struct fixture *fixture)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    fixture->lock = map_shared(PAGE_BYTES);
    pthread_mutex_init(fixture->lock, &attributes);
    fixture->hints.self = (uint32_t)getpid();
}

/* What the library does for a new thread, or a fork child. */
__attribute__((unused)) static void join_heap(struct fixture *fixture)
{
    memset(&fixture->hints, 0, sizeof fixture->hints);
    fixture->hints.self = (uint32_t)getpid();
}

__attribute__((unused)) static void drop_heap(struct fixture *fixture)
{
    munmap(fixture->block, fixture->block_size);
    if (fixture->lock)
        munmap(fixture->lock, PAGE_BYTES);
}

__attribute__((unused)) static void *take(struct fixture *fixture, size_t size)
{
    return mmi_heap_alloc(&fixture->heap, &fixture->hints, size);
}

__attribute__((unused)) static int give(struct fixture *fixture, void *ptr)
{
    return mmi_heap_free(&fixture->heap, &fixture->hints, ptr);
}

/* What mmi_heap_check() leaves out, as it works beside others: blocks that are
 * free have no size, units outside of spans no open words. */
__attribute__((unused)) static const char *
find_fault(const struct fixture *fixture)
{
    const struct heap *heap = &fixture->heap;
    struct run run;
    for (size_t unit = 0; unit < get(&heap->control->committed);
         unit += run.length) {
        if (!run_read(heap, unit, &run))
            return "the chain is broken";
        if (run.kind != KIND_SMALL) {
            size_t end = span_word(heap, unit + run.length, 0);
            if (unit + run.length > get(&heap->control->committed))
                end = span_word(heap, get(&heap->control->committed), 0);
            for (size_t i = span_word(heap, unit, 0); i < end; i++)
                if (get(&heap->words[i]) != 0)
                    return "a word outside of spans is open";
            continue;
        }
        _Atomic uint16_t *sizes = span_sizes(heap, unit, run.class);
        for (size_t block = 0; block < span_blocks(heap, &run); block++)
            if ((get(&heap->words[span_word(heap, unit, block / 32)]) >>
                     block % 32 &
                 1) &&
                get(&sizes[block]) != 0)
                return "a free block has a size";
    }
    return NULL;
}

__attribute__((unused)) static bool is_sound(struct fixture *fixture,
                                             const char *when)
{
    bool sound = mmi_heap_check(&fixture->heap) == 0;
    const char *finding = sound ? find_fault(fixture) : mmi_fail_text();
    if (!ok(!finding, "the heap is sound %s", when))
        diag("%s", finding);
    return sound;
}

__attribute__((unused)) static bool holds(const char *ptr, size_t size,
                                          char value)
{
    for (size_t i = 0; i < size; i++)
        if (ptr[i] != value)
            return false;
    return true;
}

/* A small generator of repeatable numbers (xorshift64*, Vigna 2016). */
__attribute__((unused)) static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

/* Between 1 and MOST, small sizes as likely as large ones. */
__attribute__((unused)) static size_t random_size(uint64_t *state, size_t most)
{
    unsigned bits = 1;
    while (bits < 40 && (size_t)1 << bits < most)
        bits++;
    size_t limit = (size_t)1 << (1 + next_random(state) % bits);
    size_t size = 1 + next_random(state) % limit;
    return size > most ? most : size;
}

#endif
