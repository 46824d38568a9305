/* SPDX-License-Identifier: MIT */
/*
 * misuse.c -- mm can tell that a pointer is no allocation, and stays unharmed.
 */
#include "api.h"

static MM *mm;
static size_t available;

static void refuse(void *ptr, const char *what)
{
    size_t before = mm_available(mm);
    clear_failure();
    mm_free(mm, ptr);
    ok(errno == EINVAL && mm_error() && !strncmp(mm_error(), "mm:alloc: ", 10),
       "mm_free() of %s is refused", what);
    clear_failure();
    ok(mm_realloc(mm, ptr, 50) == NULL && errno == EINVAL && mm_error(),
       "mm_realloc() of %s is refused", what);
    clear_failure();
    ok(mm_realloc(mm, ptr, 0) == NULL && errno == EINVAL && mm_error(),
       "mm_realloc() to 0 of %s is refused", what);
    clear_failure();
    ok(mm_sizeof(mm, ptr) == NONE && errno == EINVAL && mm_error(),
       "mm_sizeof() of %s is refused", what);
    clear_failure();
    ok(mm_usable_size(mm, ptr) == 0 && errno == EINVAL && mm_error(),
       "mm_usable_size() of %s is refused", what);
    ok(mm_available(mm) == before && mm_check(mm) == 0, "%s does no damage",
       what);
}

/* Around one allocation of SIZE bytes. */
static void test_size(size_t size)
{
    char text[100];
    char *first = mm_malloc(mm, size);
    char *ptr = mm_malloc(mm, size);
    char *last = mm_malloc(mm, size);
    memset(ptr, 'x', size);

    static const size_t inside[] = {1, 8, 15, 16, 32, 4096};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        if (inside[i] < size) {
            snprintf(text, sizeof text, "%zu bytes inside of %zu", inside[i],
                     size);
            refuse(ptr + inside[i], text);
        }
    ok(mm_sizeof(mm, ptr) == size && ptr[0] == 'x' && ptr[size - 1] == 'x',
       "the allocation of %zu is as it was", size);

    mm_free(mm, ptr);
    snprintf(text, sizeof text, "a freed block of %zu", size);
    refuse(ptr, text);
    mm_free(mm, first);
    mm_free(mm, last);
    snprintf(text, sizeof text, "a freed and merged block of %zu", size);
    refuse(ptr, text);
    refuse(last, text);
    is_int(mm_available(mm), available, "all can be freed once");
}

int main(void)
{
    mm = make_pool(1 << 20);
    MM *other = make_pool(1 << 20);
    available = mm_available(mm);
    test_size(1);
    test_size(64);
    test_size(1000);
    test_size(5000);
    test_size(100000);

    int local;
    char *foreign = mm_malloc(other, 100);
    char *heap = malloc(100);
    refuse(&local, "the stack");
    refuse(heap, "the private heap");
    refuse((void *)(uintptr_t)main, "code");
    refuse(foreign, "an allocation of another pool");
    refuse(mm, "the pool itself");
    refuse((char *)mm + 4096, "the pool's own pages");
    refuse((void *)(uintptr_t)16, "a small number");
    refuse((void *)(UINTPTR_MAX - 15), "a large number");
    refuse((char *)mm + ((size_t)1 << 40), "what lies far behind the pool");
    is_int(mm_sizeof(other, foreign), 100, "the other pool is as it was");
    free(heap);

    /* NULL is no allocation, but may be freed. */
    errno = 0;
    mm_free(mm, NULL);
    is_int(errno, 0, "mm_free() of NULL is fine");
    fails(mm_sizeof(mm, NULL) == NONE, EINVAL, "mm:alloc: ");
    fails(mm_usable_size(mm, NULL) == 0, EINVAL, "mm:alloc: ");
    is_int(mm_available(mm), available, "nothing was lost");
    mm_destroy(other);
    mm_destroy(mm);
    return done();
}
