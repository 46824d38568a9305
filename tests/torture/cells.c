/* SPDX-License-Identifier: MIT */
/*
 * cells.c -- whoever gets the lock after the death of one who was inside an
 * exact call may move what the cells hold: the call is completed or undone, not
 * later.
 *
 * Needs fault points: the child dies just before or after the cell changes.
 */
#include "variants.h"

enum call { ALLOCATE, FREE, RESIZE, CALLS };
static const char *const call_names[CALLS] = {"allocate", "free", "resize"};

static struct pair {
    size_t cell;  /* that the dead one used */
    size_t other; /* where its block is moved */
} * pair;

static int die_in_call(void *point, int call)
{
    setenv("MM_FAULT", point, 1); /* before this process passes any */
    if (mm_lock(mm, MM_LOCK_RW) != 1)
        return 1;
    if (call == ALLOCATE)
        mm_malloc_at(mm, 100, &pair->cell);
    else if (call == FREE)
        mm_free_at(mm, &pair->cell);
    else
        mm_realloc_at(mm, &pair->cell, 3000);
    return 2;
}

/* Does BLOCK still belong to nobody else? */
static bool is_ours(size_t block)
{
    enum { COUNT = 200 };
    size_t size = mm_sizeof(mm, mm_pointer(mm, block));
    void *taken[COUNT];
    bool ours = size == 100 || size == 3000;
    for (int i = 0; i < COUNT; i++) {
        taken[i] = mm_malloc(mm, size);
        ours = ours && taken[i] && mm_offset(mm, taken[i]) != block;
    }
    for (int i = 0; i < COUNT; i++)
        mm_free(mm, taken[i]);
    return ours;
}

static int count_block(void *argument, void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
    ++*(int *)argument;
    return 0;
}

static void try_call(enum call call, char *point)
{
    pair = mm_calloc(mm, 1, sizeof *pair);
    bool right = pair != NULL;
    if (call != ALLOCATE)
        right = right && mm_malloc_at(mm, 100, &pair->cell);
    int status = end_child(start_child(die_in_call, point, (int)call));
    right = right && status == 1000 + SIGKILL;
    right = mm_lock(mm, MM_LOCK_RW) == 1 && right;
    pair->other = *(volatile size_t *)&pair->cell;
    *(volatile size_t *)&pair->cell = 0;
    /* This takes the internal lock. */
    mm_free(mm, mm_malloc(mm, 100000));
    int blocks = 0;
    right = right && mm_walk(mm, count_block, &blocks) == 0 &&
            blocks == (pair->other ? 2 : 1);
    right = right && (!pair->other || is_ours(pair->other));
    right = mm_unlock(mm) == 1 && mm_check(mm) == 0 && right;
    if (!ok(right, "%s, %s: what the cell held could be moved, dead at %s",
            variant, call_names[call], point))
        diag("status %d, %d blocks, moved %#zx", status, blocks, pair->other);
    mm_free_at(mm, &pair->other);
    mm_free(mm, pair);
    ask_death();
}

static void test(void)
{
    static char ready[] = "heap.exact.ready";
    static char committed[] = "heap.exact.committed";
    for (int call = 0; call < CALLS; call++) {
        try_call((enum call)call, ready);
        try_call((enum call)call, committed);
    }
}

int main(int argc, char **argv)
{
    need_proc();
    for_each_variant(argc > 1 ? argv[1] : NULL, test);
    return done();
}
