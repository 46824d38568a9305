/* SPDX-License-Identifier: MIT */
/*
 * errors.c -- mm can be given nonsense: each call returns what is documented,
 * sets errno, says what and why, and the pool stays healthy.
 */
#include <fcntl.h>

#include "api.h"

static int visit_nothing(void *argument, void *ptr, size_t size)
{
    (void)argument;
    (void)ptr;
    (void)size;
    return 0;
}

/* Every function with MM, which is none. */
static void test_no_pool(MM *mm, const char *what)
{
    struct mm_stat stat;
    struct mm_lock_state state;
    char text[10];
    diag("%s", what);
    fails(mm_permission(mm, 0600, 0, 0) == -1, EINVAL, "mm:core: ");
    complains(mm_reset(mm), EINVAL, "mm:core: ");
    complains(mm_destroy(mm), EINVAL, "mm:core: ");
    fails(mm_lock(mm, MM_LOCK_RD) == 0, EINVAL, "mm:core: ");
    fails(mm_unlock(mm) == 0, EINVAL, "mm:core: ");
    fails(mm_malloc(mm, 10) == NULL, EINVAL, "mm:core: ");
    fails(mm_realloc(mm, NULL, 10) == NULL, EINVAL, "mm:core: ");
    fails(mm_realloc(mm, text, 10) == NULL, EINVAL, "mm:core: ");
    fails(mm_realloc(mm, text, 0) == NULL, EINVAL, "mm:core: ");
    complains(mm_free(mm, text), EINVAL, "mm:core: ");
    fails(mm_calloc(mm, 1, 10) == NULL, EINVAL, "mm:core: ");
    fails(mm_calloc(mm, NONE, NONE) == NULL, EINVAL, "mm:core: ");
    fails(mm_strdup(mm, "x") == NULL, EINVAL, "mm:core: ");
    fails(mm_sizeof(mm, text) == NONE, EINVAL, "mm:core: ");
    fails(mm_available(mm) == 0, EINVAL, "mm:core: ");
    complains(mm_display_info(mm), EINVAL, "mm:core: ");
    fails(mm_memalign(mm, 16, 10) == NULL, EINVAL, "mm:core: ");
    fails(mm_usable_size(mm, text) == 0, EINVAL, "mm:core: ");
    fails(mm_strndup(mm, "x", 1) == NULL, EINVAL, "mm:core: ");
    fails(mm_memdup(mm, "x", 1) == NULL, EINVAL, "mm:core: ");
    fails(mm_walk(mm, visit_nothing, NULL) == -1, EINVAL, "mm:core: ");
    fails(mm_check(mm) == -1, EINVAL, "mm:core: ");
    fails(mm_stat(mm, &stat, sizeof stat) == -1, EINVAL, "mm:core: ");
    fails(mm_stat_json(mm, text, sizeof text) == -1, EINVAL, "mm:core: ");
    fails(mm_offset(mm, text) == NONE, EINVAL, "mm:core: ");
    fails(mm_pointer(mm, 4096) == NULL, EINVAL, "mm:core: ");
    fails(mm_trylock(mm, MM_LOCK_RW) == 0, EINVAL, "mm:core: ");
    fails(mm_timedlock(mm, MM_LOCK_RW, &(struct timespec){0, 0}) == 0, EINVAL,
          "mm:core: ");
    fails(mm_lock_state(mm, &state) == 0, EINVAL, "mm:core: ");
}

static void test_sizes(MM *mm)
{
    size_t before = mm_available(mm);
    char *ptr = mm_malloc(mm, 10);
    strcpy(ptr, "contents");
    fails(mm_malloc(mm, 0) == NULL, EINVAL, "mm:alloc: ");
    fails(mm_calloc(mm, 0, 10) == NULL, EINVAL, "mm:alloc: ");
    fails(mm_calloc(mm, 10, 0) == NULL, EINVAL, "mm:alloc: ");
    fails(mm_realloc(mm, NULL, 0) == NULL, EINVAL, "mm:alloc: ");
    fails(mm_memdup(mm, "x", 0) == NULL, EINVAL, "mm:alloc: ");
    fails(mm_memdup(mm, NULL, 1) == NULL, EINVAL, "mm:alloc: ");
    fails(mm_strdup(mm, NULL) == NULL, EINVAL, "mm:alloc: ");
    fails(mm_strndup(mm, NULL, 1) == NULL, EINVAL, "mm:alloc: ");
    static const size_t sizes[] = {
        SIZE_MAX,         SIZE_MAX - 1,    SIZE_MAX - 7,     SIZE_MAX - 8,
        SIZE_MAX - 15,    SIZE_MAX - 16,   SIZE_MAX - 17,    SIZE_MAX - 4095,
        SIZE_MAX - 65536, SIZE_MAX / 2,    SIZE_MAX / 2 + 1, (size_t)1 << 48,
        (size_t)1 << 33,  (size_t)1 << 32, (size_t)1 << 31,  1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i];
        diag("size %zu", size);
        fails(mm_malloc(mm, size) == NULL, ENOMEM, "mm:alloc: ");
        fails(mm_realloc(mm, ptr, size) == NULL, ENOMEM, "mm:alloc: ");
        fails(mm_memalign(mm, 4096, size) == NULL, ENOMEM, "mm:alloc: ");
    }
    fails(mm_calloc(mm, ((size_t)1 << 62) + 1, 4) == NULL, ENOMEM,
          "mm:alloc: ");
    fails(mm_calloc(mm, SIZE_MAX, SIZE_MAX) == NULL, ENOMEM, "mm:alloc: ");
    fails(mm_calloc(mm, SIZE_MAX, 1) == NULL, ENOMEM, "mm:alloc: ");
    fails(mm_calloc(mm, 2, SIZE_MAX / 2 + 1) == NULL, ENOMEM, "mm:alloc: ");
    is_str(ptr, "contents", "the block that was there is as it was");
    mm_free(mm, ptr);
    is_int(mm_available(mm), before, "nothing was lost");
    is_int(mm_check(mm), 0, "the pool is sound");
}

static void test_create(void)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4095, SIZE_MAX / 2 + 1,
                                   (size_t)1 << 60};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fails(mm_create(sizes[i], NULL) == NULL, ENOMEM, "mm:core: ");
        fails(MM_create(sizes[i], NULL) == 0, ENOMEM, "mm:core: ");
        fails(mm_core_create(sizes[i], NULL) == NULL, EINVAL, "mm:core: ");
    }
}

/* Take all that there is in pieces of SIZE, then as many again. */
static void test_exhaustion(MM *mm, size_t size)
{
    size_t before = mm_available(mm);
    void **last = NULL;
    size_t count = 0, again = 0;
    for (void **ptr; (ptr = mm_malloc(mm, size)) != NULL; count++) {
        *ptr = last;
        last = ptr;
    }
    fails(mm_malloc(mm, size) == NULL, ENOMEM, "mm:alloc: ");
    fails(last && mm_realloc(mm, last, before) == NULL, ENOMEM, "mm:alloc: ");
    is_int(mm_check(mm), 0, "a full pool is sound");
    while (last) {
        void **next = *last;
        mm_free(mm, last);
        last = next;
    }
    is_int(mm_available(mm), before, "all of it can be given back");
    for (void **ptr; (ptr = mm_malloc(mm, size)) != NULL; again++) {
        *ptr = last;
        last = ptr;
    }
    ok(count > 0 && again == count, "pieces of %zu fit %zu times, %zu again",
       size, count, again);
    mm_reset(mm);
}

static void test_unlock(MM *mm)
{
    clear_failure();
    is_int(mm_unlock(mm), 1, "unlocking what is not locked returns 1");
    ok(errno == EPERM && mm_error() != NULL, "but says so");
    mm_lock(mm, MM_LOCK_RW);
    mm_unlock(mm);
    clear_failure();
    is_int(mm_core_unlock(mm), 1, "unlocking once too often, too");
    ok(errno == EPERM && mm_error() != NULL, "is said");
}

/* Names that variants with files cannot use; the others ignore them. */
static void test_file(const char *variant)
{
    char option[32], name[40], file[64], link[64];
    static char longer[20001];
    memset(longer, 'x', sizeof longer - 1);
    snprintf(option, sizeof option, "shm=%s", variant);
    if (!strstr(mm_query(NULL, "shm.variants"), variant) ||
        mm_options(option) != 0) {
        skip(1, "a variant is not in this build");
        return;
    }
    diag("%s", variant);
    fails(mm_create(8192, longer) == NULL, ENAMETOOLONG, "mm:core: ");
    fails(mm_core_create(8192, longer) == NULL, ENAMETOOLONG, "mm:core: ");
    if (strcmp(variant, "MMFILE") != 0)
        return;
    fails(mm_create(8192, "/nonexistent/dir/pool") == NULL, ENOENT,
          "mm:core: ");
    fails(mm_create(8192, "/dev/null/pool") == NULL, ENOTDIR, "mm:core: ");

    /* What is there already is left alone, and a link is not followed. */
    snprintf(name, sizeof name, "errors-%ld", (long)getpid());
    snprintf(file, sizeof file, "%s.mem", name);
    snprintf(link, sizeof link, "%s-link", name);
    int fd = open(file, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (fd < 0 || write(fd, "precious", 8) != 8)
        bail("%s: %s", file, strerror(errno));
    close(fd);
    fails(mm_create(8192, name) == NULL, EEXIST, "mm:core: ");
    snprintf(longer, sizeof longer, "%s.mem", link);
    if (symlink(file, longer) != 0)
        bail("%s: %s", longer, strerror(errno));
    fails(mm_create(8192, link) == NULL, EEXIST, "mm:core: ");
    struct stat info;
    ok(stat(file, &info) == 0 && info.st_size == 8, "the file is untouched");
    ok(lstat(longer, &info) == 0 && S_ISLNK(info.st_mode), "so is the link");
    unlink(longer);
    unlink(file);
}

int main(void)
{
    int local;
    MM *mm = make_pool(100000);
    test_no_pool(NULL, "NULL");
    test_no_pool(&local, "a variable");
    test_no_pool((char *)mm + 4096, "the inside of a pool");
    test_no_pool((MM *)(uintptr_t)8, "a small number");
    test_sizes(mm);
    test_unlock(mm);
    fails(mm_lock_state(mm, NULL) == 0, EINVAL, "mm:core: ");
    test_exhaustion(mm, 8);
    test_exhaustion(mm, 500);
    test_exhaustion(mm, 5000);
    test_exhaustion(mm, 20000);
    is_int(mm_available(mm), 100000, "in the end the pool is empty");
    mm_destroy(mm);
    test_create();
    unsetenv("MM_OPTIONS");
    test_file("MMFILE");
    test_file("MMPOSX");
    return done();
}
