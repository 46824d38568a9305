/* SPDX-License-Identifier: MIT */
/*
 * scenes_lock.c -- the user lock: taking it, leaving it, and all that nests.
 */
#include "config.h"

#include <time.h>

#include "../tap.h"
#include "crash.h"
#include "scenes.h"

static void set_up(struct stage *stage)
{
    for (int i = 0; i < 4; i++) {
        make(stage, 100);
        make(stage, 5000);
    }
    make_peers_sizes(stage);
    stage->size = 100;
}

static void lock(struct stage *stage, mm_lock_mode mode)
{
    if (!mm_lock(stage->mm, mode))
        bail("cannot set %s up: %s", scene_now->name, mm_error());
}

static void hold_write(struct stage *stage)
{
    lock(stage, MM_LOCK_RW);
}

static void hold_read(struct stage *stage)
{
    lock(stage, MM_LOCK_RD);
}

static void set_up_dead_writer(struct stage *stage)
{
    set_up(stage);
    let_die(hold_write, stage);
}

static void set_up_dead_reader(struct stage *stage)
{
    set_up(stage);
    let_die(hold_read, stage);
}

/* So that it is no stranger. */
static void warm_up(struct stage *stage)
{
    lock(stage, MM_LOCK_RD);
    mm_unlock(stage->mm);
    lock(stage, MM_LOCK_RW);
    mm_unlock(stage->mm);
}

static void warm_up_read(struct stage *stage)
{
    warm_up(stage);
    lock(stage, MM_LOCK_RD);
}

static void warm_up_write(struct stage *stage)
{
    warm_up(stage);
    lock(stage, MM_LOCK_RW);
}

static void warm_up_upgraded(struct stage *stage)
{
    warm_up_read(stage);
    lock(stage, MM_LOCK_RW);
    mm_unlock(stage->mm);
}

static void warm_up_write_and_use(struct stage *stage)
{
    warm_up_write(stage);
    mm_free(stage->mm, make(stage, 48));
}

static void do_read(struct stage *stage)
{
    mm_lock(stage->mm, MM_LOCK_RD);
}

static void do_write(struct stage *stage)
{
    mm_lock(stage->mm, MM_LOCK_RW);
}

static void do_try_write(struct stage *stage)
{
    mm_trylock(stage->mm, MM_LOCK_RW);
}

static void do_timed_write(struct stage *stage)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += PATIENCE;
    mm_timedlock(stage->mm, MM_LOCK_RW, &deadline);
}

static void do_unlock(struct stage *stage)
{
    mm_unlock(stage->mm);
}

static void do_state(struct stage *stage)
{
    struct mm_lock_state state;
    mm_lock_state(stage->mm, &state);
}

static void do_malloc(struct stage *stage)
{
    stage->result = mm_malloc(stage->mm, stage->size);
}

enum {
    ALONE = SCENE_LOCKED | SCENE_ALONE,
    BECOMES = ALONE | SCENE_WROTE,
    STAYS = BECOMES | SCENE_WRITES,
    LEAVES = ALONE | SCENE_WRITES,
};

const struct scene lock_scenes[] = {
    {"lock RD", SCENE_LOCKED | SCENE_EACH, set_up, warm_up, do_read},
    {"lock RD, first call", SCENE_LOCKED, set_up, NULL, do_read},
    {"lock RW", BECOMES | SCENE_EACH, set_up, warm_up, do_write},
    {"lock RW, first call", BECOMES, set_up, NULL, do_write},
    {"trylock RW", BECOMES, set_up, warm_up, do_try_write},
    {"timedlock RW", BECOMES, set_up, warm_up, do_timed_write},
    {"unlock RD", SCENE_LOCKED, set_up, warm_up_read, do_unlock},
    {"unlock RW", LEAVES | SCENE_EACH, set_up, warm_up_write, do_unlock},
    {"unlock, not locked", SCENE_LOCKED, set_up, warm_up, do_unlock},
    {"upgrade", BECOMES | SCENE_EACH, set_up, warm_up_read, do_write},
    {"unlock, upgraded", LEAVES, set_up, warm_up_upgraded, do_unlock},
    {"lock RD in RD", SCENE_LOCKED, set_up, warm_up_read, do_read},
    {"lock RW in RW", STAYS, set_up, warm_up_write, do_write},
    {"lock RD in RW", STAYS, set_up, warm_up_write, do_read},
    {"lock RW, dead writer", STAYS | SCENE_EACH, set_up_dead_writer, NULL,
     do_write},
    {"lock RD, dead writer", SCENE_LOCKED, set_up_dead_writer, NULL, do_read},
    {"lock RW, dead reader", BECOMES, set_up_dead_reader, NULL, do_write},
    {"lock state", SCENE_LOCKED, set_up, warm_up, do_state},
    {"lock state, dead writer", SCENE_LOCKED, set_up_dead_writer, NULL,
     do_state},
    {"malloc, locked", STAYS, set_up, warm_up_write_and_use, do_malloc},
    {0},
};
