/* SPDX-License-Identifier: MIT */
/*
 * global.c -- mm can be used without a handle, on one global pool.
 */
#include "api.h"

static void test_without_pool(void)
{
    fails(MM_lock(MM_LOCK_RW) == 0, EINVAL, "no global pool");
    fails(MM_unlock() == 0, EINVAL, "no global pool");
    fails(MM_permission(0600, 0, 0) == -1, EINVAL, "no global pool");
    fails(MM_malloc(10) == NULL, EINVAL, "no global pool");
    fails(MM_calloc(1, 10) == NULL, EINVAL, "no global pool");
    fails(MM_realloc(NULL, 10) == NULL, EINVAL, "no global pool");
    fails(MM_strdup("x") == NULL, EINVAL, "no global pool");
    fails(MM_sizeof("x") == NONE, EINVAL, "no global pool");
    fails(MM_available() == NONE, EINVAL, "no global pool");
    complains(MM_free(NULL), EINVAL, "no global pool");
    complains(MM_reset(), EINVAL, "no global pool");
    complains(MM_destroy(), EINVAL, "no global pool");
    ok(MM_maxsize() == mm_maxsize() && MM_maxsize() > 8192,
       "MM_maxsize() needs no pool");
}

static void test_pool(void)
{
    is_int(MM_create(100000, NULL), 1, "MM_create() returns 1");
    is_int(MM_available(), 100000, "the pool has the size asked for");
    fails(MM_create(100000, NULL) == 0, EEXIST, "already");
    is_int(MM_permission(0600, (uid_t)-1, (gid_t)-1), 0,
           "MM_permission() returns 0");
    is_int(MM_lock(MM_LOCK_RW), 1, "MM_lock() returns 1");
    char *text = MM_strdup("text");
    is_str(text, "text", "MM_strdup()");
    is_int(MM_sizeof(text), 5, "MM_sizeof()");
    text = MM_realloc(text, 1000);
    is_str(text, "text", "MM_realloc()");
    is_int(MM_unlock(), 1, "MM_unlock() returns 1");
    char *zero = MM_calloc(10, 10);
    ok(zero && zero[0] == 0 && zero[99] == 0, "MM_calloc()");
    MM_free(zero);
    MM_free(text);
    is_int(MM_available(), 100000, "MM_free() gives all back");
    ok(MM_malloc(1000) != NULL, "MM_malloc()");
    MM_reset();
    is_int(MM_available(), 100000, "MM_reset() forgets allocations");
}

static int replace_pool(void *argument, int number)
{
    (void)number;
    MM_destroy();
    if (MM_available() != NONE || MM_malloc(1) != NULL)
        return 1;
    if (MM_create(50000, NULL) != 1 || MM_available() != 50000)
        return 2;
    char *mine = MM_strdup("child's");
    if (!mine || MM_available() != 50000 - COST(8))
        return 3;
    MM_destroy();
    (void)argument;
    return 0;
}

static int use_pool(void *argument, int number)
{
    char **where = argument;
    if (MM_lock(MM_LOCK_RW) != 1)
        return 1;
    *where = MM_strdup("from the child");
    if (MM_unlock() != 1)
        return 2;
    return number;
}

int main(void)
{
    test_without_pool();
    test_pool();

    char **where = MM_calloc(1, sizeof *where);
    children_ok(1, use_pool, where, "a child uses its parent's global pool");
    is_str(*where, "from the child", "and the parent sees it");
    size_t before = MM_available();
    children_ok(3, replace_pool, NULL,
                "children replace the global pool by their own");
    is_int(MM_available(), before, "the parent's stays as it was");
    is_str(*where, "from the child", "contents included");

    MM_destroy();
    is_int(MM_available(), NONE, "after MM_destroy() there is no pool");
    is_int(MM_create(0, NULL), 1, "but a new one can be made");
    is_int(MM_available(), 64 << 20, "0 means 64 MiB");
    MM_destroy();
    return done();
}
