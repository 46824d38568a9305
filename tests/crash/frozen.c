/* SPDX-License-Identifier: MIT */
/*
 * frozen.c -- what a peer does while the victim stands still inside.
 *
 * It uses and frees small blocks, which nobody may keep it from, and pages as
 * long as the victim has not the lock for them.  What it has changed goes into
 * report->base, so that the survivor can tell that from what the victim did.
 */
#include "config.h"

#include "api/pool.h"

#include "../tap.h"
#include "crash.h"
#include "scenes.h"

enum { PEER_MS = 5, ROUNDS = 24 };

static void forget_block(size_t index)
{
    struct live *live = &report->base;
    live->count--;
    memmove(&live->blocks[index], &live->blocks[index + 1],
            (live->count - index) * sizeof live->blocks[0]);
}

static void note_block(char *ptr, size_t size)
{
    struct live *live = &report->base;
    size_t at = live->count;
    if (at == LIVE_MAX)
        _exit(1);
    /* The victim has freed it: it is ours now. */
    if (ptr == report->stage.ptr)
        for (size_t i = 0; i < live->count; i++)
            if (live->blocks[i].ptr == ptr) {
                report->reused = true;
                live->blocks[i].size = size;
                fill(&live->blocks[i]);
                return;
            }
    while (at > 0 && live->blocks[at - 1].ptr > ptr) {
        live->blocks[at] = live->blocks[at - 1];
        at--;
    }
    live->blocks[at] = (struct block){ptr, size};
    live->count++;
    fill(&live->blocks[at]);
}

static bool has_inside(const struct block *block, const void *ptr)
{
    return (const char *)ptr >= block->ptr &&
           (const char *)ptr < block->ptr + block->size;
}

/* Not what the victim works on. */
static bool is_ours(const struct block *block)
{
    const struct stage *stage = &report->stage;
    return (block->ptr != stage->ptr || report->reused) &&
           !has_inside(block, stage->where) && !has_inside(block, stage->other);
}

static void take_one(size_t size, bool must)
{
    char *ptr = mm_malloc(report->stage.mm, size);
    if (ptr)
        note_block(ptr, size);
    else if (must)
        find("%zu bytes could not be had beside the victim: %s", size,
             mm_error());
}

static void give_one(uint64_t *seed, size_t most)
{
    if (report->base.count == 0)
        return;
    size_t which = next_random(seed) % report->base.count;
    struct block block = report->base.blocks[which];
    if (!is_ours(&block) || block.size > most)
        return;
    errno = 0;
    mm_free(report->stage.mm, block.ptr);
    int error = errno;
    /* It may be freed although something else had to wait. */
    if (error == 0 || mm_sizeof(report->stage.mm, block.ptr) == (size_t)-1)
        forget_block(which);
    if (error != 0 && error != ETIMEDOUT)
        find("a free failed beside the victim: %s", strerror(error));
    errno = error;
}

/* Nobody waits for the user lock, as the victim may have it. */
static void try_lock(void)
{
    MM *mm = report->stage.mm;
    if (mm_trylock(mm, MM_LOCK_RD))
        mm_unlock(mm);
    if (mm_trylock(mm, MM_LOCK_RW))
        mm_unlock(mm);
}

void work_beside(void)
{
    static const size_t small[] = {48, 100, 16, 64, 300};
    static const size_t large[] = {700, 5000, 2000, 17000};
    const struct stage *stage = &report->stage;
    uint64_t seed = report->seed + 7;
    bool full = scene_now->flags & SCENE_FULL;
    mmi_segment_find(stage->mm)->lock.timeout = PEER_MS;

    /* There are free blocks of these, in spans that nobody works in. */
    take_one(80, !full);
    take_one(128, !full);
    for (int i = 0; i < 6; i++)
        give_one(&seed, 128);
    try_lock();
    for (int i = 0; i < ROUNDS; i++) {
        errno = 0;
        take_one(i % 3 ? small[i % 5] : large[i / 3 % 4], false);
        if (errno == ETIMEDOUT)
            break;
        give_one(&seed, SIZE_MAX);
        if (errno == ETIMEDOUT)
            break;
    }
}
