/* SPDX-License-Identifier: MIT */
/*
 * futex.h -- a FUTEX lock, what it keeps in shared memory, and processes that
 * hold it.
 */
#ifndef TESTS_LOCK_FUTEX_H
#define TESTS_LOCK_FUTEX_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/fail.h"
#include "base/thread.h"
#include "lock/futex_user.h"
#include "lock/lock.h"
#include "lock/lock_fast.h"

#include "../children.h"

/* What the three ways to hold a lock have in common. */
enum { INTERNAL, WRITE, READ };
static const char *const way_names[] = {"internal", "exclusive", "shared"};

/* As at the start of the shared bytes. */
struct futex_bytes {
    _Alignas(64) struct futex_word internal;
    struct futex_user user;
};

static struct lock futex;
static struct futex_bytes *bytes;
static struct numbers {
    _Atomic int stage;
    _Atomic int count;
    _Atomic int wrong;
    _Atomic int tag; /* of whoever is inside alone */
    _Atomic int internal_tag;
    _Alignas(64) char page[4096];
} * numbers;

static const struct timespec at_once;

__attribute__((unused)) static struct timespec in_ms(long ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_nsec += ms % 1000 * 1000000;
    time.tv_sec += ms / 1000 + time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

__attribute__((unused)) static void nap(long us)
{
    struct timespec time = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&time, NULL);
}

/* Make the system call NUMBER fail with ENOSYS from now on. */
__attribute__((unused)) static bool forbid(long number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Wait for a stage of the other process; children's alarms end a hang. */
__attribute__((unused)) static void await(int stage)
{
    while (numbers->stage < stage)
        nap(100);
}

static void make_futex(long timeout)
{
    const struct lock_variant *variant = mmi_lock_find("FUTEX");
    if (!variant)
        skip_all("FUTEX is not built");
    signal(SIGALRM, SIG_DFL);
    alarm(CHILD_SECONDS);
    numbers = mmap(NULL, sizeof *numbers, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bytes = mmap(NULL, variant->shared_size, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (numbers == MAP_FAILED || bytes == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    if (mmi_lock_create(&futex, variant, (char *)bytes, mmi_object_id(),
                        timeout) < 0)
        bail("%s", mmi_fail_text());
}

/* Hold the lock in one of the ways, as mm_lock() does it; -1 with errno as the
 * lock says. */
__attribute__((unused)) static int take(int way,
                                        const struct timespec *deadline)
{
    if (way == INTERNAL)
        return mmi_lock_enter(&futex);
    struct lock_hold *hold = mmi_lock_hold(&futex);
    if (hold &&
        (way == READ ? lock_share_quickly(hold) : lock_exclude_quickly(hold)))
        return 0;
    return mmi_lock_acquire(&futex, way == READ ? LOCK_SHARED : LOCK_EXCLUSIVE,
                            deadline);
}

__attribute__((unused)) static void give(int way)
{
    if (way == INTERNAL)
        mmi_lock_leave(&futex);
    else if (!lock_leave_quickly(mmi_lock_hold(&futex)) &&
             mmi_lock_release(&futex) < 0)
        bail("%s", mmi_fail_text());
}

/* Does the word say that the lock is biased towards this thread? */
__attribute__((unused)) static bool is_mine(void)
{
    const struct lock_hold *hold = mmi_lock_hold(&futex);
    return hold && bytes->user.word.owner == hold->biased;
}

/* Write often enough for that; false where it cannot be. */
__attribute__((unused)) static bool become_biased(void)
{
    for (int i = 0; i < 2 * BIAS_WRITES && !is_mine(); i++) {
        if (take(WRITE, NULL) < 0)
            return false;
        give(WRITE);
    }
    return is_mine();
}

/* Read often enough to do so without fences. */
__attribute__((unused)) static bool begin_era(void)
{
    for (int i = 0; i < 2 * ERA_READS; i++) {
        if (take(READ, NULL) < 0)
            return false;
        give(READ);
    }
    return mmi_lock_hold(&futex)->era == bytes->user.era;
}

__attribute__((unused)) static bool has_fences(void)
{
    const struct lock_hold *hold = mmi_lock_hold(&futex);
    return ((const struct futex_hold *)hold)->quick;
}

/* In a child: hold the lock and say so, until killed. */
__attribute__((unused)) static int hold_for_ever(void *argument, int way)
{
    (void)argument;
    if (take(way, NULL) < 0)
        return 1;
    numbers->stage++;
    for (;;)
        pause();
}

/* One test point: the lock is free in the sense of WAY, or becomes so. */
__attribute__((unused)) static bool can_take(int way, const char *what)
{
    struct timespec deadline = in_ms(5000);
    bool could = take(way, &deadline) == 0;
    if (could)
        give(way);
    else
        diag("%s", mmi_fail_text());
    return ok(could, "%s: then %s is to be had", what, way_names[way]);
}

#endif
