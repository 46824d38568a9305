/* SPDX-License-Identifier: MIT */
/*
 * exact.c -- mm can allocate, free and resize together with a word of the pool,
 * and refuses what is no such word.
 */
#include "api.h"

static int count_block(void *count, void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
    ++*(size_t *)count;
    return 0;
}

static size_t count_blocks(MM *mm)
{
    size_t count = 0;
    mm_walk(mm, count_block, &count);
    return count;
}

static bool is_all(const char *ptr, char byte, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (ptr[i] != byte)
            return false;
    return true;
}

static void test_one(MM *mm, size_t *cell, size_t size)
{
    size_t before = mm_available(mm);
    char *ptr = mm_malloc_at(mm, size, cell);
    ok(ptr && *cell == mm_offset(mm, ptr) && mm_pointer(mm, *cell) == ptr,
       "%zu bytes: the cell says where they are", size);
    is_int(mm_sizeof(mm, ptr), size, "they have their size");
    is_int(mm_available(mm), before - COST(size), "and their cost");
    memset(ptr, 'x', size);
    fails(mm_malloc_at(mm, size, cell) == NULL, EEXIST, "cell");
    is_int(*cell, mm_offset(mm, ptr), "which changes nothing");

    size_t wanted[] = {size + 1, 2 * size, 3 * size + 70000, size, 1};
    bool good = true;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char *moved = mm_realloc_at(mm, cell, wanted[i]);
        size_t kept = wanted[i] < size ? wanted[i] : size;
        good = good && moved && *cell == mm_offset(mm, moved) &&
               mm_sizeof(mm, moved) == wanted[i] && is_all(moved, 'x', kept) &&
               mm_available(mm) == before - COST(wanted[i]);
    }
    ok(good, "resizing keeps contents, cell and cost");
    is_int(mm_free_at(mm, cell), 0, "they are freed");
    ok(*cell == 0 && mm_available(mm) == before, "the cell is empty");
    is_int(mm_free_at(mm, cell), 0, "an empty cell frees nothing");
    ok(mm_realloc_at(mm, cell, size) && *cell != 0, "an empty cell is filled");
    ok(!mm_realloc_at(mm, cell, 0) && *cell == 0, "a size of 0 empties it");
}

static void test_refusals(MM *mm, size_t *cell)
{
    size_t outside = 0;
    size_t blocks = count_blocks(mm);
    size_t available = mm_available(mm);
    size_t *odd = (size_t *)(void *)((char *)cell + 4);
    fails(mm_malloc_at(mm, 10, &outside) == NULL, EINVAL, "word");
    fails(mm_malloc_at(mm, 10, NULL) == NULL, EINVAL, "word");
    fails(mm_malloc_at(mm, 10, odd) == NULL, EINVAL, "word");
    fails(mm_malloc_at(mm, 10, (size_t *)mm) == NULL, EINVAL, "word");
    fails(mm_free_at(mm, odd) == -1, EINVAL, "word");
    fails(mm_realloc_at(mm, odd, 10) == NULL, EINVAL, "word");
    fails(mm_malloc_at(mm, 0, cell) == NULL, EINVAL, "size");
    fails(mm_malloc_at(mm, SIZE_MAX, cell) == NULL, ENOMEM, "memory");
    fails(mm_malloc_at(NULL, 10, cell) == NULL, EINVAL, "");
    fails(mm_free_at(NULL, cell) == -1, EINVAL, "");
    fails(mm_realloc_at(NULL, cell, 10) == NULL, EINVAL, "");
    is_int(*cell, 0, "the cell is empty as before");

    /* What is no allocation cannot be freed; an interior address neither. */
    char *ptr = mm_malloc(mm, 100);
    size_t wrong[] = {1, SIZE_MAX, mm_offset(mm, ptr) + 16, 4096};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        *cell = wrong[i];
        fails(mm_free_at(mm, cell) == -1, EINVAL, "allocation");
        fails(mm_realloc_at(mm, cell, 5000) == NULL, EINVAL, "allocation");
        fails(mm_realloc_at(mm, cell, 1) == NULL, EINVAL, "allocation");
        is_int(*cell, wrong[i], "the cell stays as it was");
    }
    *cell = mm_offset(mm, ptr);
    mm_free(mm, ptr);
    fails(mm_free_at(mm, cell) == -1, EINVAL, "allocation");
    *cell = 0;
    is_int(count_blocks(mm), blocks, "nothing came or went");
    is_int(mm_available(mm), available, "nothing was lost");
}

/* All that a pool has can be had exactly, what the thread itself keeps
 * included. */
static void test_full(void)
{
    MM *mm = make_pool(65536);
    size_t *cells = mm_calloc(mm, 1000, sizeof *cells);
    size_t before = mm_available(mm);
    size_t count = 0;
    while (count < 1000 && mm_malloc_at(mm, 100, &cells[count]))
        count++;
    is_int(count, before / COST(100), "the pool is filled to the brim");
    fails(mm_malloc_at(mm, 100, &cells[count]) == NULL, ENOMEM, "memory");
    is_int(cells[count], 0, "a cell that could not be filled is empty");
    size_t held = cells[0];
    fails(mm_realloc_at(mm, &cells[0], 60000) == NULL, ENOMEM, "memory");
    is_int(cells[0], held, "a block that could not grow is where it was");
    is_int(mm_sizeof(mm, mm_pointer(mm, held)), 100, "and as large");

    /* Freed by address they are the thread's; the cells must find them. */
    for (size_t i = 0; i < count; i++) {
        mm_free(mm, mm_pointer(mm, cells[i]));
        cells[i] = 0;
    }
    size_t again = 0;
    while (again < count && mm_malloc_at(mm, 100, &cells[again]))
        again++;
    is_int(again, count, "what the thread keeps is found");
    is_int(mm_check(mm), 0, "the pool is sound");
    mm_destroy(mm);
}

/* Threads of a crowd use a cell each, and one in common. */
struct crowd {
    MM *mm;
    size_t *cells;
};

static int use_cells(void *argument, int number)
{
    struct crowd *crowd = argument;
    MM *mm = crowd->mm;
    uint64_t seed = (uint64_t)number + 1;
    for (int i = 0; i < 3000; i++) {
        size_t *cell = &crowd->cells[next_random(&seed) % 3 ? number + 1 : 0];
        size_t size = 1 + next_random(&seed) % 2000;
        int error = 0;
        errno = 0;
        switch (next_random(&seed) % 3) {
        case 0:
            error = mm_malloc_at(mm, size, cell) ? 0 : errno;
            break;
        case 1:
            error = mm_free_at(mm, cell) == 0 ? 0 : errno;
            break;
        default:
            error = mm_realloc_at(mm, cell, size) ? 0 : errno;
        }
        /* The common cell may change at any time. */
        if (error != 0 && error != EEXIST &&
            !(cell == crowd->cells && (error == EBUSY || error == EINVAL)))
            return 1;
    }
    return 0;
}

static void test_crowd(void)
{
    enum { COUNT = 4 };
    struct crowd crowd = {.mm = make_pool(1 << 20)};
    crowd.cells = mm_calloc(crowd.mm, COUNT + 1, sizeof *crowd.cells);
    pid_t children[COUNT];
    for (int i = 0; i < COUNT; i++)
        children[i] = start_child(use_cells, &crowd, i);
    for (int i = 0; i < COUNT; i++)
        ok(end_child(children[i]) == 0, "process %d uses cells", i);
    size_t held = 0;
    for (int i = 0; i <= COUNT; i++)
        held += crowd.cells[i] != 0;
    is_int(count_blocks(crowd.mm), held + 1, "each block has its cell");
    is_int(mm_check(crowd.mm), 0, "the pool is sound");
    mm_destroy(crowd.mm);
}

int main(void)
{
    MM *mm = make_pool(1 << 20);
    size_t *cell = mm_calloc(mm, 1, sizeof *cell);
    test_one(mm, cell, 40);
    test_one(mm, cell, 3000);
    test_one(mm, cell, 40000);
    test_refusals(mm, cell);
    is_int(mm_check(mm), 0, "the pool is sound");
    mm_destroy(mm);
    test_full();
    test_crowd();
    return done();
}
