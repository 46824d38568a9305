/* SPDX-License-Identifier: MIT */
/*
 * variants.h -- a pool for each lock variant, and processes that stay where the
 * test wants them.
 */
#ifndef TESTS_TORTURE_VARIANTS_H
#define TESTS_TORTURE_VARIANTS_H

#include <mm.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "../children.h"
#include "../tap.h"

/* In memory of its own. */
struct signs {
    _Atomic int stage;
    _Atomic int count;
    _Atomic int told;
    _Atomic int wrong;
    _Atomic int inside;
    _Atomic long first, second; /* equal unless somebody writes */
};

static MM *mm;
static struct signs *signs;
static const char *variant; /* of the lock of mm */

__attribute__((unused)) static void nap(long us)
{
    struct timespec time = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&time, NULL);
}

/* A test that hangs is killed by its alarm. */
__attribute__((unused)) static void await(int wanted)
{
    while (signs->stage < wanted)
        nap(100);
}

__attribute__((unused)) static bool is_variant(const char *name)
{
    return strcmp(variant, name) == 0;
}

/* The death of readers is seen, and threads are told apart. */
__attribute__((unused)) static bool knows_threads(void)
{
    return is_variant("FUTEX") || is_variant("PTHREAD");
}

/* Take the lock and keep it until killed. */
__attribute__((unused)) static int hold(void *argument, int mode)
{
    (void)argument;
    if (mm_lock(mm, (mm_lock_mode)mode) != 1)
        return 1;
    signs->stage++;
    for (;;)
        pause();
}

__attribute__((unused)) static pid_t start_holder(mm_lock_mode mode)
{
    int before = signs->stage;
    pid_t pid = start_child(hold, NULL, (int)mode);
    await(before + 1);
    return pid;
}

/* 1 if that was told, 0, or -1. */
__attribute__((unused)) static int ask_death(void)
{
    struct mm_lock_state state;
    return mm_lock_state(mm, &state) == 1 ? state.owner_died : -1;
}

/* The lock within ten seconds: 0, or the errno. */
__attribute__((unused)) static int take_in_time(mm_lock_mode mode)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += 10;
    return mm_timedlock(mm, mode, &deadline) == 1 ? 0 : errno;
}

/* Run TEST with a pool of each lock variant, or that named LOCK. */
__attribute__((unused)) static void for_each_variant(const char *lock,
                                                     void (*test)(void))
{
    char names[256], option[32];
    signal(SIGALRM, SIG_DFL);
    signs = mmap(NULL, sizeof *signs, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (signs == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    snprintf(names, sizeof names, "%s",
             lock ? lock : mm_query(NULL, "lock.variants"));
    for (char *rest = names; (variant = strtok_r(rest, ", ", &rest));) {
        snprintf(option, sizeof option, "lock=%s", variant);
        if (mm_options(option) != 0 || !(mm = mm_create(1 << 20, NULL)))
            bail("%s: %s", option, mm_error());
        *signs = (struct signs){0};
        alarm(CHILD_SECONDS);
        test();
        alarm(0);
        mm_destroy(mm);
    }
    munmap(signs, sizeof *signs);
}

#endif
