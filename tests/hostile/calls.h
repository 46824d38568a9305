/* SPDX-License-Identifier: MIT */
/*
 * calls.h -- every public function, on a pool that somebody scribbles on.
 *
 * Whatever a call reports is fine; what it hands out must lie in the pool.  The
 * user lock is only ever asked for with a deadline: whoever holds it may do so
 * for ever, hostile or not.
 */
#ifndef TESTS_CALLS_H
#define TESTS_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <mm.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "chance.h"

enum { SLOT_COUNT = 48, TOUCH_MAX = 20000, MISSES_MAX = 200 };

struct guest {
    MM *mm;
    size_t request;      /* as the pool was created */
    long wait_ms;        /* for the user lock */
    const char *finding; /* what went wrong, NULL: nothing so far */
    void *slots[SLOT_COUNT];
    size_t sizes[SLOT_COUNT];
    int visits;         /* until a walk ends */
    size_t first, last; /* offsets where allocations can lie */
};

static inline void find_fault(struct guest *guest, const char *finding)
{
    if (!guest->finding)
        guest->finding = finding;
}

/* Do the SIZE bytes at PTR lie in the pool? */
static inline bool lies_inside(struct guest *guest, const void *ptr,
                               size_t size)
{
    const char *last = (const char *)ptr + (size ? size - 1 : 0);
    return size <= PTRDIFF_MAX && mm_offset(guest->mm, ptr) != (size_t)-1 &&
           last >= (const char *)ptr &&
           mm_offset(guest->mm, last) != (size_t)-1;
}

/* PTR was handed out for SIZE bytes: use them. */
static inline void take_block(struct guest *guest, size_t slot, void *ptr,
                              size_t size, size_t align)
{
    if (!ptr)
        return;
    if ((uintptr_t)ptr % align != 0)
        find_fault(guest, "a block is not aligned");
    if (!lies_inside(guest, ptr, size)) {
        find_fault(guest, "a block is not in the pool");
        return;
    }
    memset(ptr, 0x5a, size < TOUCH_MAX ? size : TOUCH_MAX);
    guest->slots[slot] = ptr;
    guest->sizes[slot] = size;
}

static inline size_t any_size(struct guest *guest, struct chance *chance)
{
    switch (pick(chance, 12)) {
    case 0:
        return pick(chance, guest->request);
    case 1:
        return pick(chance, guest->request / 4 + 1);
    case 2:
        return 16384 - pick(chance, 4000);
    case 3:
        return 0;
    default:
        return 1 + pick(chance, (size_t)16 << pick(chance, 9));
    }
}

static inline void find_bounds(struct guest *guest)
{
    size_t step;
    size_t all = mm_core_size(guest->mm);
    for (guest->first = 0; !mm_pointer(guest->mm, guest->first);)
        guest->first += 4096; /* pages begin there */
    guest->last = guest->first;
    for (step = all & ~(size_t)15; step >= 16; step = step / 2 & ~(size_t)15)
        while (mm_pointer(guest->mm, guest->last + step))
            guest->last += step;
}

/* An address such as programs keep in shared memory themselves, where it may
 * become any: a block, a page's start, most of all near the end. */
static inline void *any_address(struct guest *guest, struct chance *chance)
{
    if (guest->last == 0)
        find_bounds(guest);
    size_t room = guest->last - guest->first;
    size_t back = pick(chance, 64);
    switch (pick(chance, 6)) {
    case 0:
        return mm_pointer(guest->mm, guest->last - 16 * back);
    case 1:
        return mm_pointer(guest->mm, guest->last + 16 - 1024 * back);
    case 2:
        return mm_pointer(guest->mm,
                          guest->first + (pick(chance, room + 1) & ~15ul));
    default:
        return guest->slots[pick(chance, SLOT_COUNT)];
    }
}

/* --- blocks --------------------------------------------------------------- */

static inline void call_malloc(struct guest *guest, struct chance *chance)
{
    size_t size = any_size(guest, chance);
    take_block(guest, pick(chance, SLOT_COUNT), mm_malloc(guest->mm, size),
               size, 16);
}

static inline void call_calloc(struct guest *guest, struct chance *chance)
{
    size_t size = any_size(guest, chance);
    size_t number = 1 + pick(chance, 3);
    take_block(guest, pick(chance, SLOT_COUNT),
               mm_calloc(guest->mm, number, size), number * size, 16);
}

static inline void call_memalign(struct guest *guest, struct chance *chance)
{
    size_t size = any_size(guest, chance);
    size_t align = (size_t)16 << pick(chance, 14);
    take_block(guest, pick(chance, SLOT_COUNT),
               mm_memalign(guest->mm, align, size), size, align);
}

static inline void call_copies(struct guest *guest, struct chance *chance)
{
    static const char text[] = "a string of the program's own";
    size_t slot = pick(chance, SLOT_COUNT);
    take_block(guest, slot, mm_strdup(guest->mm, text), sizeof text, 16);
    take_block(guest, slot, mm_strndup(guest->mm, text, 8), 9, 16);
    take_block(guest, slot, mm_memdup(guest->mm, text, 20), 20, 16);
    void *other = guest->slots[pick(chance, SLOT_COUNT)];
    if (other)
        take_block(guest, slot, mm_memdup(guest->mm, other, 16), 16, 16);
}

static inline void call_free(struct guest *guest, struct chance *chance)
{
    size_t slot = pick(chance, SLOT_COUNT);
    mm_free(guest->mm, guest->slots[slot]);
    if (pick(chance, 8))
        guest->slots[slot] = NULL;
}

static inline void call_free_any(struct guest *guest, struct chance *chance)
{
    mm_free(guest->mm, any_address(guest, chance));
}

static inline void call_realloc(struct guest *guest, struct chance *chance)
{
    size_t slot = pick(chance, SLOT_COUNT);
    size_t size = any_size(guest, chance);
    void *ptr = mm_realloc(guest->mm, guest->slots[slot], size);
    if (size == 0)
        guest->slots[slot] = NULL;
    take_block(guest, slot, ptr, size, 16);
}

static inline void call_sizes(struct guest *guest, struct chance *chance)
{
    const void *ptr = any_address(guest, chance);
    size_t size = mm_sizeof(guest->mm, ptr);
    if (size != (size_t)-1 && !lies_inside(guest, ptr, size))
        find_fault(guest, "mm_sizeof() says more than the pool has");
    size = mm_usable_size(guest->mm, ptr);
    if (size != 0 && !lies_inside(guest, ptr, size))
        find_fault(guest, "mm_usable_size() says more than the pool has");
}

/* The cell is a word of the pool that programs keep, and peers write to. */
static inline void call_exact(struct guest *guest, struct chance *chance)
{
    size_t size = any_size(guest, chance);
    size_t slot = pick(chance, SLOT_COUNT);
    size_t *cell = any_address(guest, chance);
    if (cell && mm_offset(guest->mm, cell) != (size_t)-1 && pick(chance, 2))
        *cell = pick(chance, 3) ? 0 : guest->first + 16 * pick(chance, 5000);
    take_block(guest, slot, mm_malloc_at(guest->mm, size, cell), size, 16);
    size = any_size(guest, chance);
    take_block(guest, slot, mm_realloc_at(guest->mm, cell, size), size, 16);
    if (pick(chance, 2))
        mm_free_at(guest->mm, cell);
}

/* --- the pool ------------------------------------------------------------- */

static int visit_block(void *argument, void *ptr, size_t size)
{
    struct guest *guest = argument;
    if (!lies_inside(guest, ptr, size))
        find_fault(guest, "mm_walk() shows a block that is not in the pool");
    return guest->visits-- <= 0;
}

static inline void call_walk(struct guest *guest, struct chance *chance)
{
    guest->visits = pick(chance, 4) ? 300 : 100000;
    mm_walk(guest->mm, visit_block, guest);
}

static inline void call_check(struct guest *guest, struct chance *chance)
{
    (void)chance;
    mm_check(guest->mm);
}

static inline void call_stat(struct guest *guest, struct chance *chance)
{
    struct mm_stat stat = {0};
    char text[300];
    size_t size = pick(chance, sizeof text + 1);
    if (mm_stat(guest->mm, &stat, sizeof stat) == 0 &&
        (stat.size != guest->request || stat.largest_free > guest->request))
        find_fault(guest, "mm_stat() tells what cannot be");
    int length = mm_stat_json(guest->mm, text, size);
    if (length >= 0 && size > 0 && !memchr(text, '\0', size))
        find_fault(guest, "mm_stat_json() wrote no string");
}

static inline void call_queries(struct guest *guest, struct chance *chance)
{
    static const char *const keys[] = {
        "shm",    "lock", "lock.timeout", "name",      "id",         "size",
        "mapped", "unit", "creator",      "available", "no such key"};
    const char *key = keys[pick(chance, sizeof keys / sizeof *keys)];
    const char *answer = mm_query(guest->mm, key);
    if (answer && strlen(answer) > 500)
        find_fault(guest, "mm_query() answers too much");
    if (mm_available(guest->mm) > guest->request)
        find_fault(guest, "mm_available() says more than the pool has");
    if (mm_core_size(guest->mm) < guest->request)
        find_fault(guest, "mm_core_size() changed");
    size_t offset = pick(chance, 4 * guest->request + (8 << 20));
    void *ptr = mm_pointer(guest->mm, offset);
    if (ptr && mm_offset(guest->mm, ptr) != offset)
        find_fault(guest, "mm_pointer() leads out of the pool");
}

/* Nobody wants to read it. */
static inline void call_display(struct guest *guest, struct chance *chance)
{
    int null = pick(chance, 4) ? -1 : open("/dev/null", O_WRONLY | O_CLOEXEC);
    int kept = null < 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    if (kept >= 0) {
        fflush(stderr);
        dup2(null, STDERR_FILENO);
        mm_display_info(guest->mm);
        dup2(kept, STDERR_FILENO);
        close(kept);
    }
    if (null >= 0)
        close(null);
}

static inline void call_reset(struct guest *guest, struct chance *chance)
{
    if (pick(chance, 4) != 0)
        return;
    mm_reset(guest->mm);
    memset(guest->slots, 0, sizeof guest->slots);
}

static inline void call_permission(struct guest *guest, struct chance *chance)
{
    static const mode_t modes[] = {0600, 0640, 0660, 0666};
    mm_permission(guest->mm, modes[pick(chance, 4)], (uid_t)-1, (gid_t)-1);
    mm_core_permission(guest->mm, 0600, geteuid(), getegid());
}

/* --- the user lock -------------------------------------------------------- */

static inline struct timespec soon_enough(long ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_nsec += ms * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_nsec -= 1000000000;
        time.tv_sec++;
    }
    return time;
}

static inline void call_lock(struct guest *guest, struct chance *chance)
{
    mm_lock_mode mode = pick(chance, 2) ? MM_LOCK_RD : MM_LOCK_RW;
    struct timespec deadline = soon_enough(guest->wait_ms);
    struct mm_lock_state state;
    int depth = mm_timedlock(guest->mm, mode, &deadline);
    depth += depth > 0 && mm_trylock(guest->mm, MM_LOCK_RW);
    depth += mm_trylock(guest->mm, MM_LOCK_RD);
    if (mm_lock_state(guest->mm, &state) == 1 && state.depth != (unsigned)depth)
        find_fault(guest, "the lock's depth is wrong");
    if (pick(chance, 4) == 0) {
        /* Under the lock, as programs do it. */
        call_malloc(guest, chance);
        call_free(guest, chance);
    }
    while (depth-- > 0)
        mm_unlock(guest->mm);
    mm_unlock(guest->mm);
}

/* --- all of them ---------------------------------------------------------- */

static const struct call {
    const char *name;
    void (*make)(struct guest *guest, struct chance *chance);
    int often; /* more often than the others */
} calls[] = {
    {"mm_malloc", call_malloc, 6},
    {"mm_free", call_free, 6},
    {"mm_realloc", call_realloc, 3},
    {"mm_calloc", call_calloc, 2},
    {"mm_memalign", call_memalign, 1},
    {"mm_strdup, mm_strndup, mm_memdup", call_copies, 1},
    {"mm_free of any address", call_free_any, 1},
    {"mm_sizeof, mm_usable_size", call_sizes, 2},
    {"mm_malloc_at, mm_realloc_at, mm_free_at", call_exact, 4},
    {"mm_walk", call_walk, 1},
    {"mm_check", call_check, 1},
    {"mm_stat, mm_stat_json", call_stat, 1},
    {"mm_query, mm_available, mm_core_size, mm_pointer", call_queries, 1},
    {"mm_display_info", call_display, 1},
    {"mm_reset", call_reset, 1},
    {"mm_permission, mm_core_permission", call_permission, 1},
    {"mm_timedlock, mm_trylock, mm_unlock, mm_lock_state", call_lock, 2},
};
enum { CALL_COUNT = sizeof calls / sizeof *calls };

/* One of the calls; its number. */
__attribute__((unused)) static size_t pick_call(struct chance *chance)
{
    int total = 0;
    for (size_t i = 0; i < CALL_COUNT; i++)
        total += calls[i].often;
    int left = (int)pick(chance, (size_t)total);
    size_t which = 0;
    while ((left -= calls[which].often) >= 0)
        which++;
    return which;
}

#endif
