/* SPDX-License-Identifier: MIT */
/*
 * mm_exact.c -- mm_*_at: allocations that change together with a word of the
 * pool.
 */
#include "config.h"

#include <errno.h>
#include <mm.h>
#include <stdbool.h>

#include "api/pool.h"

void *mm_malloc_at(MM *mm, size_t size, size_t *where)
{
    struct pool_view *view = mmi_pool_view(mm);
    if (!view)
        return NULL;
    void *ptr = mmi_heap_alloc_at(&view->pool->heap, &view->hints, size, where);
    if (MM_CHECKS)
        mmi_pool_check(view->pool);
    return ptr;
}

int mm_free_at(MM *mm, size_t *where)
{
    struct pool_view *view = mmi_pool_view(mm);
    if (!view)
        return -1;
    int result = mmi_heap_free_at(&view->pool->heap, &view->hints, where);
    if (MM_CHECKS)
        mmi_pool_check(view->pool);
    return result;
}

void *mm_realloc_at(MM *mm, size_t *where, size_t size)
{
    if (size == 0) {
        mm_free_at(mm, where);
        return NULL;
    }
    struct pool_view *view = mmi_pool_view(mm);
    if (!view)
        return NULL;
    void *ptr =
        mmi_heap_resize_at(&view->pool->heap, &view->hints, where, size);
    if (MM_CHECKS)
        mmi_pool_check(view->pool);
    return ptr;
}
