/* SPDX-License-Identifier: MIT */
/*
 * core.c -- mm can make raw segments, and takes pools for them.
 */
#include "api.h"

static bool all_zero(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

static int fill_half(void *argument, int number)
{
    char *core = argument;
    size_t half = mm_core_size(core) / 2;
    if (mm_core_lock(core, MM_LOCK_RW) != 1)
        return 1;
    memset(core + (size_t)number * half, 'a' + number, half);
    if (mm_core_unlock(core) != 1)
        return 2;
    return 0;
}

static void test_segment(size_t size)
{
    char *core = mm_core_create(size, NULL);
    if (!ok(core != NULL, "a segment of %zu bytes", size)) {
        diag("%s", mm_error());
        return;
    }
    long page = sysconf(_SC_PAGESIZE);
    is_int((long)((uintptr_t)core % (size_t)page), 0, "is page-aligned");
    is_int(mm_core_size(core), size, "has exactly this size");
    ok(all_zero(core, size), "is zero");
    memset(core, 'x', size);
    is_int(mm_core_permission(core, 0600, (uid_t)-1, (gid_t)-1), 0,
           "takes permissions");
    is_int(mm_core_lock(core, MM_LOCK_RD), 1, "can be locked for reading");
    is_int(mm_core_unlock(core), 1, "and unlocked");
    if (size >= 2) {
        children_ok(2, fill_half, core, "is shared with children");
        ok(core[0] == 'a' && core[size / 2 - 1] == 'a' &&
               core[size / 2] == 'b' && core[size / 2 * 2 - 1] == 'b',
           "who write to it from end to end");
    }
    fails(mm_malloc(core, 10) == NULL, EINVAL, "raw segment");
    fails(mm_available(core) == 0, EINVAL, "raw segment");
    complains(mm_free(core, core), EINVAL, "raw segment");
    mm_core_delete(core);
    fails(mm_core_size(core) == 0, EINVAL, "mm:core: ");
    complains(mm_core_delete(core), EINVAL, "mm:core: ");
}

static void test_pool_as_segment(void)
{
    MM *mm = make_pool(100000);
    is_int(mm_core_size(mm), 100000, "the segment of a pool has its size");
    is_int(mm_core_lock(mm, MM_LOCK_RW), 1, "mm_core_lock() takes a pool");
    is_int(mm_unlock(mm), 1, "it is the same lock as the pool's");
    fails(mm_unlock(mm) != 1 || errno == EPERM, EPERM, "mm:core: ");
    is_int(mm_core_permission(mm, 0600, (uid_t)-1, (gid_t)-1), 0,
           "mm_core_permission() takes a pool");
    mm_core_delete(mm);
    fails(mm_malloc(mm, 1) == NULL, EINVAL, "mm:core: ");
    void *core = mm_core_create(5000, NULL);
    mm_destroy(core);
    fails(mm_core_size(core) == 0, EINVAL, "mm:core: ");
}

static void test_rounding(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    is_int(mm_core_align2word(0), 0, "0 is a word's multiple");
    is_int(mm_core_align2word(1), 8, "1 rounds up to a word");
    is_int(mm_core_align2word(8), 8, "8 is a word");
    is_int(mm_core_align2word(9), 16, "9 rounds up to two");
    is_int(mm_core_align2word(NONE), 0, "what does not fit is 0");
    is_int(mm_core_align2page(0), 0, "0 is a page's multiple");
    is_int(mm_core_align2page(1), page, "1 rounds up to a page");
    is_int(mm_core_align2page(page), page, "a page is a page");
    is_int(mm_core_align2page(page + 1), 2 * page, "and one more is two");
    is_int(mm_core_align2page(NONE), 0, "what does not fit is 0");
}

int main(void)
{
    test_segment(1);
    test_segment(4096);
    test_segment(100001);
    test_pool_as_segment();
    test_rounding();

    fails(mm_core_create(0, NULL) == NULL, EINVAL, "0 bytes");
    fails(mm_core_create(NONE, NULL) == NULL, EINVAL, "mm:core: ");
    fails(mm_core_create(NONE - 4095, NULL) == NULL, EINVAL, "mm:core: ");
    fails(mm_core_lock(NULL, MM_LOCK_RD) == 0, EINVAL, "mm:core: ");
    fails(mm_core_unlock(NULL) == 0, EINVAL, "mm:core: ");
    fails(mm_core_size(NULL) == 0, EINVAL, "mm:core: ");
    fails(mm_core_permission(NULL, 0600, 0, 0) == -1, EINVAL, "mm:core: ");
    complains(mm_core_delete(NULL), EINVAL, "mm:core: ");
    size_t most = mm_core_maxsegsize();
    ok(most > 8192 && most <= 0x7fffffff,
       "the size shown to programs fits into an int");
    return done();
}
