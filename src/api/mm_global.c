/* SPDX-License-Identifier: MIT */
/*
 * mm_global.c -- MM_*: the functions of mm_pool.c on the one global pool.
 *
 * Which pool that is, is private memory: a child starts with its parent's, and
 * may destroy it and make its own without the parent noticing.
 */
#include "config.h"

#include <errno.h>
#include <mm.h>
#include <stdatomic.h>

#include "base/fail.h"

static _Atomic(MM *) global;

/* The global pool; NULL after mmi_fail_as() without one. */
static MM *find_global(void)
{
    MM *mm = atomic_load_explicit(&global, memory_order_acquire);
    if (!mm)
        mmi_fail_as(EINVAL, "mm:core: there is no global pool, MM_create() "
                            "has not been called");
    return mm;
}

int MM_create(size_t size, const char *file)
{
    MM *none = NULL;
    MM *mm = NULL;
    if (!atomic_load(&global)) {
        mm = mm_create(size, file);
        if (!mm)
            return 0;
        if (atomic_compare_exchange_strong(&global, &none, mm))
            return 1;
        mm_destroy(mm);
    }
    mmi_fail_as(EEXIST, "mm:core: there is a global pool already");
    return 0;
}

int MM_permission(mode_t mode, uid_t owner, gid_t group)
{
    MM *mm = find_global();
    return mm ? mm_permission(mm, mode, owner, group) : -1;
}

void MM_reset(void)
{
    MM *mm = find_global();
    if (mm)
        mm_reset(mm);
}

void MM_destroy(void)
{
    MM *mm = find_global();
    if (mm && atomic_compare_exchange_strong(&global, &mm, NULL))
        mm_destroy(mm);
}

int MM_lock(mm_lock_mode mode)
{
    MM *mm = find_global();
    return mm ? mm_lock(mm, mode) : 0;
}

int MM_unlock(void)
{
    MM *mm = find_global();
    return mm ? mm_unlock(mm) : 0;
}

void *MM_malloc(size_t size)
{
    MM *mm = find_global();
    return mm ? mm_malloc(mm, size) : NULL;
}

void *MM_realloc(void *ptr, size_t size)
{
    MM *mm = find_global();
    return mm ? mm_realloc(mm, ptr, size) : NULL;
}

void MM_free(void *ptr)
{
    MM *mm = find_global();
    if (mm)
        mm_free(mm, ptr);
}

void *MM_calloc(size_t number, size_t size)
{
    MM *mm = find_global();
    return mm ? mm_calloc(mm, number, size) : NULL;
}

char *MM_strdup(const char *str)
{
    MM *mm = find_global();
    return mm ? mm_strdup(mm, str) : NULL;
}

size_t MM_sizeof(const void *ptr)
{
    MM *mm = find_global();
    return mm ? mm_sizeof(mm, ptr) : (size_t)-1;
}

size_t MM_maxsize(void)
{
    return mm_maxsize();
}

size_t MM_available(void)
{
    MM *mm = find_global();
    return mm ? mm_available(mm) : (size_t)-1;
}

char *MM_error(void)
{
    return mm_error();
}
