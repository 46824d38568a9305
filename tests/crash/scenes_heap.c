/* SPDX-License-Identifier: MIT */
/*
 * scenes_heap.c -- allocating, freeing, resizing, in each state that makes a
 * difference.
 *
 * What belongs to a thread (hints, magazines) is made by the victim itself,
 * before its mark.
 */
#include "config.h"

#include "heap/heap_parts.h"

#include "../tap.h"
#include "crash.h"
#include "scenes.h"

/* --- operations
 * --------------------------------------------------------------- */

/* The victim writes into what it got. */
static void spoil(struct stage *stage, char *ptr)
{
    stage->result = ptr;
    if (ptr)
        for (size_t i = 0; i < stage->size && i < 16; i++)
            ptr[i] = (char)0xee;
}

static void do_malloc(struct stage *stage)
{
    spoil(stage, mm_malloc(stage->mm, stage->size));
}

static void do_calloc(struct stage *stage)
{
    spoil(stage, mm_calloc(stage->mm, 1, stage->size));
}

static void do_memalign(struct stage *stage)
{
    spoil(stage, mm_memalign(stage->mm, stage->align, stage->size));
}

static void do_free(struct stage *stage)
{
    mm_free(stage->mm, stage->ptr);
}

static void do_realloc(struct stage *stage)
{
    stage->result = mm_realloc(stage->mm, stage->ptr, stage->size);
}

static void do_reset(struct stage *stage)
{
    mm_reset(stage->mm);
}

static void do_available(struct stage *stage)
{
    mm_available(stage->mm);
}

/* --- what the victim does before
 * ---------------------------------------------- */

/* So that it is no stranger; of a size that nothing here is about. */
static void warm_up(struct stage *stage)
{
    mm_free(stage->mm, make(stage, 48));
}

static void warm_up_hint(struct stage *stage)
{
    warm_up(stage);
    make(stage, stage->size);
}

/* Its magazine has three blocks of a class. */
static void warm_up_magazine(struct stage *stage)
{
    warm_up(stage);
    char *first = make(stage, 64);
    char *second = make(stage, 60);
    char *third = make(stage, 50);
    mm_free(stage->mm, first);
    mm_free(stage->mm, second);
    mm_free(stage->mm, third);
    const struct heap_magazine *magazine = &hints_of(stage)->magazines[3];
    if (magazine->top == magazine->bottom)
        bail("%s: the magazine is empty", scene_now->name);
}

static void warm_up_own(struct stage *stage)
{
    warm_up(stage);
    stage->ptr = make(stage, 100);
}

static void warm_up_own_magazine(struct stage *stage)
{
    warm_up_magazine(stage);
    stage->ptr = make(stage, 64);
}

static void warm_up_no_magazine(struct stage *stage)
{
    hints_of(stage)->mark_refused = true;
    warm_up(stage);
}

/* --- states
 * --------------------------------------------------------------------- */

/* Some of everything: full spans, half-full ones, runs, gaps. */
static void set_up(struct stage *stage)
{
    char *some[12];
    for (int i = 0; i < 12; i++) {
        some[i] = make(stage, (size_t)20000 + 1000 * (size_t)(i % 3));
        make(stage, 100);
        make(stage, 700);
    }
    for (int i = 0; i < 70; i++)
        make(stage, 48);
    make_peers_sizes(stage);
    for (int i = 1; i < 12; i += 3)
        mm_free(stage->mm, some[i]);
}

static void set_up_100(struct stage *stage)
{
    set_up(stage);
    stage->size = 100;
}

static void set_up_magazine(struct stage *stage)
{
    set_up(stage);
    stage->size = 55;
}

static void set_up_new_span(struct stage *stage)
{
    set_up(stage);
    stage->size = 30;
}

/* A class whose spans are full, but for one that the space bits know of. */
static void set_up_space(struct stage *stage)
{
    char *some[20];
    set_up(stage);
    for (int i = 0; i < 20; i++)
        some[i] = make(stage, 500);
    mm_free(stage->mm, some[9]);
    stage->size = 500;
}

static char *take(struct stage *stage, size_t size)
{
    char *ptr = mm_malloc(stage->mm, size);
    if (ptr)
        fill(&(struct block){ptr, size});
    return ptr;
}

/* No pages are left, but spans are empty. */
static void set_up_reclaim(struct stage *stage)
{
    char *some[40];
    lift_budget(stage);
    set_up(stage);
    for (int i = 0; i < 40; i++)
        some[i] = make(stage, 300);
    while (take(stage, 60000))
        ;
    while (take(stage, 5000))
        ;
    char *ptr;
    while ((ptr = mm_memalign(stage->mm, 2048, 1024)))
        fill(&(struct block){ptr, 1024});
    for (int i = 0; i < 40; i++)
        mm_free(stage->mm, some[i]);
    stage->size = 30;
}

static void set_up_full(struct stage *stage)
{
    set_up_reclaim(stage);
    while (take(stage, 5000))
        ;
    while (take(stage, stage->size))
        ;
}

/* Nothing is left, but that a free block's space bits are not set. */
static void set_up_hidden(struct stage *stage)
{
    set_up_full(stage);
    char *some = make(stage, 100);
    while (take(stage, 100))
        ;
    mm_free(stage->mm, some);
    struct heap *heap = heap_of(stage);
    for (unsigned class = 0; class < HEAP_CLASS_COUNT; class ++)
        for (size_t unit = mmi_heap_space_next(heap, class, 0);
             unit != SIZE_MAX;
             unit = mmi_heap_space_next(heap, class, unit + 1))
            mmi_heap_space_clear(heap, class, unit);
    stage->size = 100;
}

/* The budget comes to its end. */
static void set_up_low(struct stage *stage)
{
    set_up(stage);
    while (mm_available(stage->mm) > POOL_SIZE / 14)
        make(stage, 4000);
    stage->size = 100;
}

static void set_up_spent(struct stage *stage)
{
    set_up(stage);
    while (take(stage, 4000))
        ;
    while (take(stage, 100))
        ;
    stage->size = 100;
}

static void set_up_large(struct stage *stage)
{
    set_up(stage);
    stage->size = 17000;
    stage->align = 8192;
}

static void set_up_small_aligned(struct stage *stage)
{
    set_up(stage);
    stage->size = 100;
    stage->align = 64;
}

static void set_up_gap(struct stage *stage)
{
    set_up(stage);
    stage->size = 21000;
}

static void keep_and_die(struct stage *stage)
{
    char *blocks[6];
    for (int i = 0; i < 6; i++)
        blocks[i] = make(stage, 16);
    for (int i = 0; i < 6; i++)
        mm_free(stage->mm, blocks[i]);
    const struct heap_magazine *magazine = &hints_of(stage)->magazines[0];
    if (magazine->top == magazine->bottom)
        _exit(1);
}

/* Pages only after the blocks of a dead thread were freed. */
static void set_up_dead(struct stage *stage)
{
    lift_budget(stage);
    set_up(stage);
    let_die(keep_and_die, stage);
    leave_spans(stage);
    hints_of(stage)->mark_refused = true;
    while (take(stage, 60000))
        ;
    while (take(stage, 1500))
        ;
    set(&heap_of(stage)->control->sweeps, 0);
    stage->size = 1500;
}

/* The magazines of a pool's other owners are all dead ones. */
static void set_up_peers(struct stage *stage)
{
    set_up(stage);
    struct heap *heap = heap_of(stage);
    for (uint32_t i = 0; i < heap->owner_count; i++)
        let_die(keep_and_die, stage);
    stage->ptr = make(stage, 100);
}

static void set_up_free(struct stage *stage)
{
    set_up(stage);
    stage->ptr = make(stage, 100);
}

/* A word without a free block gets one. */
static void set_up_free_full(struct stage *stage)
{
    set_up(stage);
    char *last = NULL;
    for (int i = 0; i < 4; i++)
        last = make(stage, 500);
    stage->ptr = last;
}

/* Three runs in a row between others, the middle one in question. */
static void three_runs(struct stage *stage, char **left, char **right)
{
    set_up(stage);
    make(stage, 3000);
    *left = make(stage, 3000);
    stage->ptr = make(stage, 3000);
    *right = make(stage, 3000);
    make(stage, 3000);
}

static void set_up_no_neighbour(struct stage *stage)
{
    char *left;
    char *right;
    three_runs(stage, &left, &right);
    stage->size = 4000;
}

static void set_up_left(struct stage *stage)
{
    char *left;
    char *right;
    three_runs(stage, &left, &right);
    mm_free(stage->mm, left);
    stage->size = 2000;
}

static void set_up_right(struct stage *stage)
{
    char *left;
    char *right;
    three_runs(stage, &left, &right);
    mm_free(stage->mm, right);
    stage->size = 3100;
}

/* The neighbour on the right is as long as what is wanted. */
static void set_up_right_all(struct stage *stage)
{
    set_up_right(stage);
    stage->size = 6 << 10;
}

static void set_up_right_one(struct stage *stage)
{
    set_up_no_neighbour(stage);
    stage->ptr = mm_realloc(stage->mm, stage->ptr, 2 << 10);
    fill(&(struct block){stage->ptr, 2 << 10});
    stage->size = 3 << 10;
}

static void set_up_both(struct stage *stage)
{
    char *left;
    char *right;
    three_runs(stage, &left, &right);
    mm_free(stage->mm, left);
    mm_free(stage->mm, right);
    stage->size = 1;
}

static void set_up_in_place(struct stage *stage)
{
    set_up_free(stage);
    stage->size = 111;
}

static void set_up_shrink(struct stage *stage)
{
    set_up(stage);
    stage->ptr = make(stage, 111);
    stage->size = 98;
}

static void set_up_move(struct stage *stage)
{
    set_up_free(stage);
    stage->size = 300;
}

static void set_up_become_large(struct stage *stage)
{
    set_up_free(stage);
    stage->size = 17000;
}

/* The new block is wanted where no page is left. */
static void set_up_move_full(struct stage *stage)
{
    set_up_full(stage);
    struct heap *heap = heap_of(stage);
    struct run run;
    for (size_t unit = 0; unit < heap->unit_count && run_read(heap, unit, &run);
         unit += run.length)
        if (run.kind == KIND_LARGE)
            stage->ptr = unit_address(heap, unit);
    stage->size = 61000;
}

const struct scene heap_scenes[] = {
    {"malloc, first call", 0, set_up_100, NULL, do_malloc},
    {"malloc, by hint", 0, set_up_100, warm_up_hint, do_malloc},
    {"malloc, has space", 0, set_up_space, warm_up, do_malloc},
    {"malloc, magazine", 0, set_up_magazine, warm_up_magazine, do_malloc},
    {"malloc, new span", SCENE_EACH, set_up_new_span, warm_up, do_malloc},
    {"malloc, empty spans", SCENE_FULL, set_up_reclaim, warm_up_no_magazine,
     do_malloc},
    {"malloc, lost space bits", SCENE_FULL, set_up_hidden, NULL, do_malloc},
    {"malloc, no pages", SCENE_FULL, set_up_full, NULL, do_malloc},
    {"malloc, low budget", SCENE_FULL, set_up_low, warm_up, do_malloc},
    {"malloc, no budget", SCENE_FULL, set_up_spent, NULL, do_malloc},
    {"malloc, large", SCENE_EACH, set_up_large, warm_up, do_malloc},
    {"malloc, large, fits", 0, set_up_gap, warm_up, do_malloc},
    {"malloc, what the dead kept", SCENE_FULL | SCENE_DEAD, set_up_dead,
     warm_up_no_magazine, do_malloc},
    {"calloc", 0, set_up_100, warm_up, do_calloc},
    {"memalign, small", 0, set_up_small_aligned, warm_up, do_memalign},
    {"memalign, large", 0, set_up_large, warm_up, do_memalign},
    {"free, by hint", 0, set_up, warm_up_own, do_free},
    {"free, another's", 0, set_up_free, warm_up_no_magazine, do_free},
    {"free, of a full word", 0, set_up_free_full, warm_up_no_magazine, do_free},
    {"free, first call", 0, set_up_free, NULL, do_free},
    {"free, magazine", 0, set_up, warm_up_own_magazine, do_free},
    {"free, marks of the dead", SCENE_DEAD, set_up_peers, NULL, do_free},
    {"free, large", 0, set_up_no_neighbour, warm_up, do_free},
    {"free, joins left", 0, set_up_left, warm_up, do_free},
    {"free, joins right", 0, set_up_right, warm_up, do_free},
    {"free, joins both", SCENE_EACH, set_up_both, warm_up, do_free},
    {"realloc, in place", 0, set_up_in_place, warm_up, do_realloc},
    {"realloc, smaller", 0, set_up_shrink, warm_up, do_realloc},
    {"realloc, moves", SCENE_EACH, set_up_move, warm_up, do_realloc},
    {"realloc, becomes large", 0, set_up_become_large, warm_up, do_realloc},
    {"realloc, shrinks", 0, set_up_left, warm_up, do_realloc},
    {"realloc, to one page", 0, set_up_both, warm_up, do_realloc},
    {"realloc, extends", SCENE_EACH, set_up_right, warm_up, do_realloc},
    {"realloc, over all", 0, set_up_right_all, warm_up, do_realloc},
    {"realloc, by one page", 0, set_up_right_one, warm_up, do_realloc},
    {"realloc, large, moves", 0, set_up_no_neighbour, warm_up, do_realloc},
    {"realloc, no room", SCENE_FULL, set_up_move_full, warm_up_no_magazine,
     do_realloc},
    {"reset", SCENE_RESET | SCENE_EACH, set_up, warm_up_magazine, do_reset},
    {"available, low budget", SCENE_FULL, set_up_spent, NULL, do_available},
    {0},
};
