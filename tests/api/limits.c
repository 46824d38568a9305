/* SPDX-License-Identifier: MIT */
/*
 * limits.c -- mm can have thousands of pools, and fails politely where the
 * system sets a limit.
 */
#include <fcntl.h>
#include <sys/resource.h>

#include "api.h"

enum { POOLS = 2000 };

static MM *pools[POOLS];
static char *texts[POOLS];

static int use_all(void *argument, int number)
{
    (void)argument;
    for (int i = number; i < POOLS; i += 7) {
        if (mm_lock(pools[i], MM_LOCK_RW) != 1)
            return 1;
        void *ptr = mm_malloc(pools[i], 100);
        if (!ptr || atoi(texts[i]) != i)
            return 2;
        mm_free(pools[i], ptr);
        if (mm_unlock(pools[i]) != 1)
            return 3;
    }
    return 0;
}

static void test_many(void)
{
    int made = 0;
    for (; made < POOLS; made++) {
        char text[20];
        pools[made] = mm_create(8192, NULL);
        snprintf(text, sizeof text, "%d", made);
        if (!pools[made] || !(texts[made] = mm_strdup(pools[made], text)))
            break;
    }
    if (!ok(made == POOLS, "%d pools", made)) {
        diag("%s", mm_error());
    } else {
        is_int(use_all(NULL, 0), 0, "each can be used");
        children_ok(2, use_all, NULL, "by children, too");
        for (int i = 0; i < POOLS; i += 2) {
            mm_destroy(pools[i]);
            pools[i] = NULL;
        }
        bool kept = true;
        for (int i = 1; i < POOLS; i += 2)
            kept &= mm_available(pools[i]) < 8192 && atoi(texts[i]) == i;
        ok(kept, "when half of them are gone the others are as before");
    }
    for (int i = 0; i < made; i++)
        if (pools[i])
            mm_destroy(pools[i]);
}

/* 0: the call worked or said WANTED.  A limit never breaks what exists. */
static int create_within(MM *existing, size_t size, int wanted)
{
    clear_failure();
    MM *mm = mm_create(size, NULL);
    if (!mm && (errno != wanted || !mm_error())) {
        fprintf(stderr, "errno %d, %s\n", errno, mm_error());
        return 1;
    }
    mm_destroy(mm);
    void *ptr = mm_malloc(existing, 10000);
    if (!ptr || mm_lock(existing, MM_LOCK_RW) != 1)
        return 2;
    mm_unlock(existing);
    mm_free(existing, ptr);
    return mm_check(existing) == 0 ? 0 : 3;
}

static int without_descriptors(void *argument, int number)
{
    struct rlimit limit = {64, 64};
    (void)number;
    /* Some locks open a file of their own when a process first uses them. */
    if (mm_lock(argument, MM_LOCK_RW) != 1 || mm_unlock(argument) != 1)
        return 9;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 10;
    while (open("/dev/null", O_RDONLY) >= 0)
        continue;
    return create_within(argument, 100000, EMFILE);
}

static int without_address_space(void *argument, int number)
{
    struct rlimit limit = {(rlim_t)256 << 20, (rlim_t)256 << 20};
    (void)number;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 10;
    clear_failure();
    if (mm_create((size_t)1 << 30, NULL) || errno != ENOMEM || !mm_error())
        return 11;
    if (mm_core_create((size_t)1 << 30, NULL) || !mm_error())
        return 12;
    return create_within(argument, 100000, ENOMEM);
}

/* Lock and allocation fail or work, but nothing crashes. */
static int without_heap(void *argument, int number)
{
    struct rlimit limit = {0, 0};
    (void)number;
    if (setrlimit(RLIMIT_AS, &limit) != 0 ||
        setrlimit(RLIMIT_DATA, &limit) != 0)
        return 10;
    for (int i = 0; i < 100; i++) {
        clear_failure();
        MM *mm = mm_create(100000, NULL);
        if (!mm && (errno == 0 || !mm_error()))
            return 1;
    }
    for (int i = 0; i < 100; i++)
        if (!mm_malloc(argument, 100) && errno == 0)
            return 2;
    return 0;
}

int main(void)
{
    const char *sanitizers = getenv("SANITIZERS");
    test_many();
    MM *mm = make_pool(1 << 20);
    children_ok(1, without_descriptors, mm, "out of descriptors");
    if (sanitizers && *sanitizers) {
        skip(2, "sanitizers need address space");
    } else {
        children_ok(1, without_address_space, mm, "out of address space");
        children_ok(1, without_heap, mm, "out of everything");
    }
    is_int(mm_check(mm), 0, "the pool is sound");
    mm_destroy(mm);
    return done();
}
