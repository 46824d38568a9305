/* SPDX-License-Identifier: MIT */
/*
 * destroy.c -- mm can give a pool up without disturbing those who go on with
 * it, at no cost, leaving nothing behind.
 */
#include <dirent.h>
#include <sys/resource.h>

#include "api.h"

static int count_entries(const char *directory)
{
    DIR *dir = opendir(directory);
    int count = 0;
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

static int count_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    int count = 0;
    for (int c; file && (c = getc(file)) != EOF;)
        count += c == '\n';
    if (file)
        fclose(file);
    return count;
}

static int destroy_in_child(void *argument, int number)
{
    mm_destroy(argument);
    clear_failure();
    return mm_malloc(argument, 10) == NULL && errno == EINVAL ? 0 : 1 + number;
}

static void test_child(void)
{
    MM *mm = make_pool(1 << 20);
    char *text = mm_strdup(mm, "contents");
    size_t before = mm_available(mm);
    children_ok(3, destroy_in_child, mm, "children destroy their parent's");
    is_str(text, "contents", "the parent keeps the contents");
    is_int(mm_available(mm), before, "and the room");
    is_int(mm_lock(mm, MM_LOCK_RW), 1, "and the lock");
    is_int(mm_unlock(mm), 1, "and can unlock");
    void *large = mm_malloc(mm, 200000);
    ok(large && mm_malloc(mm, 10), "and can allocate");
    mm_free(mm, large);
    is_int(mm_check(mm), 0, "the pool is sound");
    mm_destroy(mm);
}

struct orphan {
    MM *mm;
    char *text;
    int go[2]; /* a pipe */
};

/* Uses the pool after its creator destroyed it. */
static int go_on(void *argument, int number)
{
    struct orphan *orphan = argument;
    char sign = 0;
    if (read(orphan->go[0], &sign, 1) != 1)
        return 1;
    if (strcmp(orphan->text, "contents") != 0)
        return 2;
    char *ptr = mm_malloc(orphan->mm, 100000);
    if (!ptr)
        return 3;
    memset(ptr, number, 100000);
    mm_free(orphan->mm, ptr);
    return mm_check(orphan->mm) == 0 ? 0 : 4;
}

static void test_creator(void)
{
    struct orphan orphan = {.mm = make_pool(1 << 20)};
    orphan.text = mm_strdup(orphan.mm, "contents");
    bool lasts = strcmp(mm_query(orphan.mm, "lock"), "IPCSEM") != 0;
    if (pipe(orphan.go) != 0)
        bail("pipe: %s", strerror(errno));
    pid_t child = start_child(go_on, &orphan, 1);
    mm_destroy(orphan.mm);
    if (write(orphan.go[1], "x", 1) != 1)
        bail("write: %s", strerror(errno));
    int result = end_child(child);
    if (lasts)
        is_int(result, 0, "a child goes on after the creator destroyed");
    else
        ok(result == 0 || result == 3,
           "a child keeps the contents, but the semaphores are gone");
    close(orphan.go[0]);
    close(orphan.go[1]);
}

static void test_twice(void)
{
    MM *mm = make_pool(100000);
    void *ptr = mm_malloc(mm, 10);
    mm_destroy(mm);
    complains(mm_destroy(mm), EINVAL, "mm:core: ");
    fails(mm_malloc(mm, 10) == NULL, EINVAL, "mm:core: ");
    fails(mm_lock(mm, MM_LOCK_RW) == 0, EINVAL, "mm:core: ");
    complains(mm_free(mm, ptr), EINVAL, "mm:core: ");
    complains(mm_reset(mm), EINVAL, "mm:core: ");
    fails(mm_available(mm) == 0, EINVAL, "mm:core: ");
    /* A new one at the same address is a new one. */
    MM *next = make_pool(100000);
    is_int(mm_available(next), 100000, "a new pool starts empty");
    mm_destroy(next);
}

static void test_leftovers(void)
{
    mm_destroy(make_pool(100000));
    int fds = count_entries("/proc/self/fd");
    int maps = count_lines("/proc/self/maps");
    for (int i = 0; i < 200; i++) {
        MM *mm = make_pool(100000);
        mm_free(mm, mm_malloc(mm, 5000));
        mm_lock(mm, MM_LOCK_RW);
        if (i % 2)
            mm_unlock(mm);
        mm_destroy(mm);
        mm_core_delete(mm_core_create(10000, NULL));
    }
    is_int(count_entries("/proc/self/fd"), fds, "no descriptor is left");
    int now = count_lines("/proc/self/maps");
    if (!ok(now <= maps + 8, "no mapping is left"))
        diag("%d mappings, then %d", maps, now);
}

static void test_cost(void)
{
    struct rusage before, after;
    mm_destroy(make_pool(0));
    getrusage(RUSAGE_SELF, &before);
    mm_destroy(make_pool(0));
    getrusage(RUSAGE_SELF, &after);
    long touched = after.ru_minflt - before.ru_minflt;
    if (!ok(touched < 64, "a pool of 64 MiB touches fewer than 64 pages"))
        diag("%ld pages", touched);
}

int main(void)
{
    test_child();
    test_creator();
    test_twice();
    test_leftovers();
    if (getenv("SANITIZERS") && *getenv("SANITIZERS"))
        skip(1, "a sanitizer touches pages of its own");
    else
        test_cost();
    return done();
}
