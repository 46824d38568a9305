/* SPDX-License-Identifier: MIT */
/*
 * huge.c -- mm can make pools to 16 TiB, which take up what is used of them.
 */
#include "api.h"

#define TIB ((size_t)1 << 40)

/* Pages in memory, as the system counts them. */
static size_t resident(void)
{
    size_t size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%zu %zu", &size, &pages) != 2)
        bail("no /proc/self/statm");
    fclose(file);
    return pages;
}

static int touch_ends(void *argument, int number)
{
    size_t *size = argument;
    char *ptr = (char *)(size + 1);
    (void)number;
    return ptr[0] == 'a' && ptr[*size - 1] == 'z' ? 0 : 1;
}

static void test_size(size_t size)
{
    size_t before = resident();
    MM *mm = mm_create(size, NULL);
    if (!ok(mm != NULL, "a pool of %zu GiB", size >> 30)) {
        diag("%s", mm_error());
        return;
    }
    is_int(mm_available(mm), size, "has this much room");
    is_int(mm_core_size(mm), size, "and is as large as it says");
    size_t most = size / 8 * 7;
    char *small = mm_malloc(mm, 50);
    size_t *large = mm_malloc(mm, most);
    ok(small && large, "most of it can be allocated at once");
    if (large) {
        char *bytes = (char *)(large + 1);
        *large = most - sizeof *large;
        bytes[0] = 'a';
        bytes[*large - 1] = 'z';
        children_ok(1, touch_ends, large, "and used from end to end");
        is_int(mm_sizeof(mm, large), most, "its size is known");
        is_int(mm_available(mm), size - COST(50) - COST(most),
               "the rest is exact");
        struct mm_stat stat;
        ok(mm_stat(mm, &stat, sizeof stat) == 0 && stat.mapped >= size &&
               stat.used == most + 50,
           "so are the figures");
        is_int(mm_offset(mm, bytes + *large - 1),
               bytes + *large - 1 - (char *)mm, "so are offsets");
    }
    ok(mm_malloc(mm, size) == NULL && errno == ENOMEM, "no more than that");
    mm_free(mm, large);
    mm_free(mm, small);
    is_int(mm_available(mm), size, "all comes back");
    is_int(mm_check(mm), 0, "the pool is sound");
    size_t grown = resident() - before;
    if (!ok(grown < 4096, "what is not used takes no memory"))
        diag("%zu pages", grown);
    mm_destroy(mm);
}

/* With strict accounting the system refuses what it could not back. */
static bool strict_accounting(void)
{
    FILE *file = fopen("/proc/sys/vm/overcommit_memory", "r");
    int mode = file ? getc(file) : 0;
    if (file)
        fclose(file);
    return mode == '2';
}

int main(void)
{
    need_proc();
    if (strict_accounting())
        skip_all("vm.overcommit_memory is 2");
    const char *shm = mm_query(NULL, "shm");
    if (strcmp(shm, "MMFILE") == 0 || strcmp(shm, "MMPOSX") == 0)
        skip_all("what is allocated is committed in a file");
    test_size((size_t)5 << 30);
    test_size(TIB);
    test_size(16 * TIB);
    ok(strtoull(mm_query(NULL, "maxsize"), NULL, 10) >= 16 * TIB,
       "maxsize tells of it");
    return done();
}
