/* SPDX-License-Identifier: MIT */
/*
 * pool.c -- mm can allocate, resize and free as malloc(3) does.
 */
#include "api.h"

static bool all_bytes(const void *ptr, int value, size_t size)
{
    const unsigned char *bytes = ptr;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (unsigned char)value)
            return false;
    return true;
}

static void test_malloc(MM *mm)
{
    static const size_t sizes[] = {1,     7,     8,     16,     17,     48,
                                   64,    100,   1000,  4096,   5000,   16384,
                                   20000, 65536, 70000, 300000, 1000000};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    char *ptrs[COUNT];
    size_t before = mm_available(mm);
    size_t cost = 0;
    bool aligned = true, sized = true, usable = true, intact = true;
    for (int i = 0; i < COUNT; i++) {
        ptrs[i] = mm_malloc(mm, sizes[i]);
        if (!ptrs[i])
            bail("mm_malloc(%zu): %s", sizes[i], mm_error());
        memset(ptrs[i], i + 1, sizes[i]);
        cost += COST(sizes[i]);
        aligned &= (uintptr_t)ptrs[i] % 16 == 0;
        sized &= mm_sizeof(mm, ptrs[i]) == sizes[i];
        usable &= mm_usable_size(mm, ptrs[i]) >= sizes[i];
    }
    for (int i = 0; i < COUNT; i++)
        intact &= all_bytes(ptrs[i], i + 1, sizes[i]);
    ok(aligned, "everything is aligned to 16");
    ok(sized, "mm_sizeof() is what was asked for");
    ok(usable, "mm_usable_size() is at least that");
    ok(intact, "allocations do not overlap");
    is_int(before - mm_available(mm), cost, "the cost is that of old");

    for (int i = 0; i < COUNT; i++)
        memset(ptrs[i], i + 1, mm_usable_size(mm, ptrs[i]));
    for (int i = 0; i < COUNT; i++)
        intact &= all_bytes(ptrs[i], i + 1, mm_usable_size(mm, ptrs[i]));
    ok(intact, "all of the usable bytes are one's own");
    is_int(mm_check(mm), 0, "using them does no damage");
    for (int i = 0; i < COUNT; i++)
        mm_free(mm, ptrs[i]);
    is_int(mm_available(mm), before, "freeing all returns to the start");
    is_int(mm_check(mm), 0, "the pool is sound");
}

static void test_realloc(MM *mm)
{
    size_t before = mm_available(mm);
    char *ptr = mm_realloc(mm, NULL, 10);
    ok(ptr && mm_sizeof(mm, ptr) == 10, "realloc of NULL allocates");
    memset(ptr, 'a', 10);
    bool kept = true, sized = true;
    static const size_t steps[] = {12,      40,   300, 5000, 100000,
                                   1000000, 5000, 100, 33,   11};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char *next = mm_realloc(mm, ptr, steps[i]);
        if (!ok(next != NULL, "realloc to %zu", steps[i]))
            break;
        ptr = next;
        kept &= all_bytes(ptr, 'a', 10);
        sized &= mm_sizeof(mm, ptr) == steps[i];
    }
    ok(kept, "realloc keeps the contents");
    ok(sized, "and notes the new size");
    is_int(before - mm_available(mm), COST(11), "it costs its size only");

    fails(mm_realloc(mm, ptr, mm_available(mm) + 100000) == NULL, ENOMEM,
          "mm:alloc: ");
    ok(mm_sizeof(mm, ptr) == 11 && all_bytes(ptr, 'a', 10),
       "a failed realloc leaves the old block");
    errno = 42;
    ok(mm_realloc(mm, ptr, 0) == NULL && errno == 42,
       "realloc to 0 returns NULL without an error");
    is_int(mm_available(mm), before, "and frees");
}

static void test_calloc(MM *mm)
{
    bool zero = true;
    for (int round = 0; round < 3; round++) {
        static const size_t sizes[] = {1, 5, 100, 3000, 50000};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            char *ptr = mm_calloc(mm, sizes[i], 3);
            zero &= ptr && all_bytes(ptr, 0, 3 * sizes[i]);
            if (ptr)
                memset(ptr, 0xff, 3 * sizes[i]);
            mm_free(mm, ptr);
        }
    }
    ok(zero, "mm_calloc() clears, reused memory too");
}

static void test_copies(MM *mm)
{
    char *copy = mm_strdup(mm, "hello");
    is_str(copy, "hello", "mm_strdup()");
    is_int(mm_sizeof(mm, copy), 6, "with room for the string only");
    mm_free(mm, copy);
    copy = mm_strdup(mm, "");
    is_str(copy, "", "mm_strdup() of an empty string");
    mm_free(mm, copy);
    copy = mm_strndup(mm, "hello", 3);
    is_str(copy, "hel", "mm_strndup() cuts");
    mm_free(mm, copy);
    copy = mm_strndup(mm, "hello", NONE);
    is_str(copy, "hello", "mm_strndup() without need to cut");
    mm_free(mm, copy);
    static const char data[] = "a\0b";
    copy = mm_memdup(mm, data, sizeof data);
    ok(copy && memcmp(copy, data, sizeof data) == 0, "mm_memdup()");
    mm_free(mm, copy);
}

static void test_memalign(MM *mm)
{
    size_t before = mm_available(mm);
    bool aligned = true;
    for (size_t align = 1; align <= 65536; align *= 2) {
        static const size_t sizes[] = {1, 100, 5000};
        for (int i = 0; i < 3; i++) {
            char *ptr = mm_memalign(mm, align, sizes[i]);
            if (!ptr || (uintptr_t)ptr % align != 0 ||
                mm_sizeof(mm, ptr) != sizes[i]) {
                diag("align %zu size %zu: %p %s", align, sizes[i], (void *)ptr,
                     mm_error());
                aligned = false;
            }
            if (ptr)
                memset(ptr, 1, sizes[i]);
            mm_free(mm, ptr);
        }
    }
    ok(aligned, "mm_memalign() aligns from 1 to 65536");
    is_int(mm_available(mm), before, "and everything can be freed");
    fails(mm_memalign(mm, 0, 8) == NULL, EINVAL, "power of two");
    fails(mm_memalign(mm, 48, 8) == NULL, EINVAL, "power of two");
    fails(mm_memalign(mm, 64, 0) == NULL, EINVAL, "mm:alloc: ");
    fails(mm_memalign(mm, NONE / 2 + 1, 64) == NULL, ENOMEM, "mm:alloc: ");
}

static void test_offsets(MM *mm)
{
    char *ptr = mm_malloc(mm, 100);
    size_t offset = mm_offset(mm, ptr);
    is_int(offset, ptr - (char *)mm, "an offset counts from the pool");
    ok(mm_pointer(mm, offset) == ptr, "and can be turned back");
    ok(mm_pointer(mm, mm_offset(mm, ptr + 99)) == ptr + 99,
       "so can one inside of an allocation");
    mm_free(mm, ptr);
    int local;
    fails(mm_offset(mm, &local) == NONE, EINVAL, "does not lie");
    fails(mm_offset(mm, NULL) == NONE, EINVAL, "does not lie");
    fails(mm_offset(mm, mm) == NONE, EINVAL, "does not lie");
    fails(mm_pointer(mm, 0) == NULL, EINVAL, "does not lie");
    fails(mm_pointer(mm, NONE) == NULL, EINVAL, "does not lie");
    fails(mm_pointer(mm, NONE - 4096) == NULL, EINVAL, "does not lie");
    fails(mm_pointer(mm, (size_t)1 << 45) == NULL, EINVAL, "does not lie");
}

static void test_errno(MM *mm)
{
    errno = 42;
    char *ptr = mm_malloc(mm, 64);
    ptr = mm_realloc(mm, ptr, 200000);
    mm_free(mm, mm_calloc(mm, 3, 5));
    mm_free(mm, ptr);
    mm_free(mm, NULL);
    mm_lock(mm, MM_LOCK_RW);
    mm_unlock(mm);
    mm_available(mm);
    mm_check(mm);
    is_int(errno, 42, "calls that succeed leave errno alone");
}

static void test_reset(MM *mm)
{
    size_t before = mm_available(mm);
    for (size_t size = 1; size < 100000; size *= 3)
        if (!mm_malloc(mm, size))
            bail("mm_malloc(%zu): %s", size, mm_error());
    ok(mm_available(mm) < before, "allocations take room");
    mm_reset(mm);
    is_int(mm_available(mm), before, "mm_reset() forgets them all");
    is_int(mm_check(mm), 0, "a pool is sound after it");
    char *ptr = mm_malloc(mm, 5000);
    ok(ptr && mm_sizeof(mm, ptr) == 5000, "and can be used again");
    mm_reset(mm);
}

int main(void)
{
    MM *mm = make_pool(4 << 20);
    test_malloc(mm);
    test_realloc(mm);
    test_calloc(mm);
    test_copies(mm);
    test_memalign(mm);
    test_offsets(mm);
    test_errno(mm);
    test_reset(mm);
    is_int(mm_check(mm), 0, "the pool is sound in the end");
    mm_destroy(mm);
    return done();
}
