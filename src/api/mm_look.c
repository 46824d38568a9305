/* SPDX-License-Identifier: MIT */
/*
 * mm_look.c -- mm_*: sizes, offsets, and looking at what a pool holds.
 *
 * Nothing here changes a pool.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <mm.h>
#include <stdbool.h>

#include "api/pool.h"
#include "base/fail.h"
#include "base/page.h"

size_t mm_sizeof(MM *mm, const void *ptr)
{
    struct pool *pool = mmi_pool_find(mm);
    return pool ? mmi_heap_sizeof(&pool->heap, ptr) : (size_t)-1;
}

size_t mm_usable_size(MM *mm, const void *ptr)
{
    struct pool *pool = mmi_pool_find(mm);
    if (!pool)
        return 0;
    size_t size = mmi_heap_usable(&pool->heap, ptr);
    return size == SIZE_MAX ? 0 : size;
}

/* The largest request whose block still fits: block sizes grow with it. */
size_t mmi_pool_max_size(void)
{
    size_t room = mmi_segment_max_size();
    size_t fits = 0;
    for (size_t step = SIZE_MAX / 2 + 1; step != 0; step /= 2) {
        size_t block = mmi_heap_block_size(fits | step, true);
        if (block != 0 && block <= room)
            fits |= step;
    }
    return fits;
}

size_t mm_maxsize(void)
{
    size_t most = mmi_pool_max_size();
    size_t shown = INT_MAX - mmi_page_size();
    return most < shown ? most : shown;
}

size_t mm_available(MM *mm)
{
    struct pool *pool = mmi_pool_find(mm);
    if (!pool)
        return 0;
    size_t available = mmi_heap_available(&pool->heap);
    return available == SIZE_MAX ? 0 : available;
}

int mm_walk(MM *mm, int (*visit)(void *argument, void *ptr, size_t size),
            void *argument)
{
    struct pool *pool = mmi_pool_find(mm);
    if (!pool)
        return -1;
    if (!visit)
        return mmi_fail_as(EINVAL, "mm:alloc: mm_walk() without a function");
    return mmi_heap_walk(&pool->heap, visit, argument);
}

int mm_check(MM *mm)
{
    struct pool *pool = mmi_pool_find(mm);
    return pool ? mmi_heap_check(&pool->heap) : -1;
}

size_t mm_offset(MM *mm, const void *ptr)
{
    struct pool *pool = mmi_pool_find(mm);
    if (!pool)
        return (size_t)-1;
    if (!mmi_heap_contains(&pool->heap, ptr)) {
        mmi_fail_as(EINVAL, "mm:alloc: %p does not lie in the pool", ptr);
        return (size_t)-1;
    }
    return (size_t)((const char *)ptr - (const char *)mm);
}

void *mm_pointer(MM *mm, size_t offset)
{
    struct pool *pool = mmi_pool_find(mm);
    if (!pool)
        return NULL;
    void *ptr = (void *)((uintptr_t)mm + offset);
    if (!mmi_heap_contains(&pool->heap, ptr)) {
        mmi_fail_as(EINVAL, "mm:alloc: offset %zu does not lie in the pool",
                    offset);
        return NULL;
    }
    return ptr;
}
