/* SPDX-License-Identifier: MIT */
/*
 * scenes_exact.c -- the exact calls, after which nothing at all may be lost.
 */
#include "config.h"

#include "../tap.h"
#include "crash.h"
#include "scenes.h"

/* A cell in the pool, which has SIZE bytes or, with 0, nothing; neighbours that
 * end where the library puts a block of that size. */
static void set_up_cell(struct stage *stage, size_t size)
{
    for (int i = 0; i < 6; i++) {
        make(stage, 100);
        make(stage, 5000);
        make(stage, 48);
    }
    make_peers_sizes(stage);
    stage->where = (size_t *)(void *)make(stage, 400);
    memset(stage->where, 0, 400);
    if (size == 0)
        return;
    stage->ptr = mm_malloc_at(stage->mm, size, stage->where);
    if (!stage->ptr)
        bail("%s: %s", scene_now->name, mm_error());
    fill(&(struct block){stage->ptr, size});
    make(stage, size);
}

static void set_up_small(struct stage *stage)
{
    set_up_cell(stage, 0);
    stage->size = 100;
}

static void set_up_new_span(struct stage *stage)
{
    set_up_cell(stage, 0);
    stage->size = 200;
}

static void set_up_large(struct stage *stage)
{
    set_up_cell(stage, 0);
    stage->size = 9000;
}

static void set_up_free_small(struct stage *stage)
{
    set_up_cell(stage, 100);
}

static void set_up_free_large(struct stage *stage)
{
    set_up_cell(stage, 9000);
}

static void set_up_in_place(struct stage *stage)
{
    set_up_cell(stage, 100);
    stage->size = 110;
}

static void set_up_moves(struct stage *stage)
{
    set_up_cell(stage, 100);
    stage->size = 300;
}

static void set_up_grows_large(struct stage *stage)
{
    set_up_cell(stage, 100);
    stage->size = 9000;
}

static void set_up_large_moves(struct stage *stage)
{
    set_up_cell(stage, 9000);
    stage->size = 17000;
}

static void set_up_shrinks(struct stage *stage)
{
    set_up_cell(stage, 9000);
    stage->size = 2000;
}

static void warm_up(struct stage *stage)
{
    mm_free(stage->mm, make(stage, 48));
}

/* Its magazine has blocks of the size. */
static void warm_up_magazine(struct stage *stage)
{
    char *first = make(stage, 100);
    char *second = make(stage, 100);
    mm_free(stage->mm, first);
    mm_free(stage->mm, second);
}

static void do_malloc_at(struct stage *stage)
{
    mm_malloc_at(stage->mm, stage->size, stage->where);
}

static void do_free_at(struct stage *stage)
{
    mm_free_at(stage->mm, stage->where);
}

static void do_realloc_at(struct stage *stage)
{
    mm_realloc_at(stage->mm, stage->where, stage->size);
}

const struct scene exact_scenes[] = {
    {"malloc_at", SCENE_EXACT, set_up_small, warm_up, do_malloc_at},
    {"malloc_at, first call", SCENE_EXACT, set_up_small, NULL, do_malloc_at},
    {"malloc_at, magazine", SCENE_EXACT, set_up_small, warm_up_magazine,
     do_malloc_at},
    {"malloc_at, new span", SCENE_EXACT, set_up_new_span, warm_up,
     do_malloc_at},
    {"malloc_at, large", SCENE_EXACT, set_up_large, warm_up, do_malloc_at},
    {"free_at", SCENE_EXACT | SCENE_EACH, set_up_free_small, warm_up,
     do_free_at},
    {"free_at, magazine", SCENE_EXACT, set_up_free_small, warm_up_magazine,
     do_free_at},
    {"free_at, large", SCENE_EXACT, set_up_free_large, warm_up, do_free_at},
    {"realloc_at, in place", SCENE_EXACT, set_up_in_place, warm_up,
     do_realloc_at},
    {"realloc_at, moves", SCENE_EXACT, set_up_moves, warm_up, do_realloc_at},
    {"realloc_at, becomes large", SCENE_EXACT | SCENE_EACH, set_up_grows_large,
     warm_up, do_realloc_at},
    {"realloc_at, large, moves", SCENE_EXACT, set_up_large_moves, warm_up,
     do_realloc_at},
    {"realloc_at, shrinks", SCENE_EXACT, set_up_shrinks, warm_up,
     do_realloc_at},
    {0},
};
