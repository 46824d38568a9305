/* SPDX-License-Identifier: MIT */
/*
 * futex_word.c -- exclusive ownership in one 64-bit word of shared memory.
 *
 * What lies in the word may be nonsense or change all the time: each turn of a
 * loop that does not sleep is counted, and after WAIT_SPINS of them the clock
 * is asked.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lock/futex_word.h"

enum { RELEASE_TRIES = 64 };

void mmi_futex_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

uint64_t mmi_futex_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t mmi_futex_until(const struct timespec *deadline)
{
    if (!deadline || deadline->tv_sec >= INT64_MAX / 1000000000)
        return UINT64_MAX;
    if (deadline->tv_sec < 0)
        return 0;
    return (uint64_t)deadline->tv_sec * 1000000000 +
           (uint64_t)deadline->tv_nsec;
}

void mmi_futex_sleep(_Atomic uint32_t *futex, uint32_t value, uint64_t ns)
{
    /* What the kernel calls a timespec; that of the C library may differ. */
    long time[2] = {(long)(ns / 1000000000), (long)(ns % 1000000000)};
    syscall(SYS_futex, futex, FUTEX_WAIT, value, time, NULL, 0);
}

int mmi_futex_wake(_Atomic uint32_t *futex, int count)
{
    long woken = syscall(SYS_futex, futex, FUTEX_WAKE, count, NULL, NULL, 0);
    return woken > 0 ? (int)woken : 0;
}

/* Is it this waiter's turn to look after the owner? */
static bool is_looking(struct futex_word *word, struct futex_wait *wait,
                       uint64_t now)
{
    uint64_t looked = atomic_load_explicit(&word->looked, memory_order_relaxed);
    /* Sleeps are up to an eighth shorter, and one must do. */
    if (now - wait->looked < WAIT_LOOK - WAIT_LOOK / 8)
        return false;
    /* Another time namespace has another clock, which may run ahead. */
    if (looked != wait->looked && now - looked < 2 * WAIT_LOOK) {
        if (wait->interval < WAIT_LONG)
            wait->interval *= 2;
        return false;
    }
    atomic_store_explicit(&word->looked, now, memory_order_relaxed);
    wait->looked = now;
    wait->interval = WAIT_LOOK;
    return true;
}

/* Wait one turn for WORD, which has SEEN in it, and for FIRST.
 *  0: look again, 1: the owner is dead, -1: no time left. */
static int wait_turn(struct futex_word *word, uint64_t seen,
                     _Atomic uint64_t *first, struct futex_wait *wait)
{
    uint64_t now = mmi_futex_now();
    bool late = now >= wait->until;
    if (wait->looked == 0 && !late) {
        wait->looked = now;
        return 0;
    }
    if (is_looking(word, wait, now)) {
        uint64_t ahead = first ? atomic_load(first) : 0;
        if (ahead != 0 && mmi_life_ended(ahead))
            atomic_compare_exchange_strong(first, &ahead, 0);
        if (word_tid(seen) != 0 && mmi_life_ended(seen))
            return 1;
    }
    if (late)
        return -1;
    if (!(seen & WORD_WAITERS) && !atomic_compare_exchange_strong(
                                      &word->owner, &seen, seen | WORD_WAITERS))
        return 0;
    /* Waiters that started together do not look together. */
    uint64_t ns = wait->interval - (now >> 4) % (wait->interval / 8);
    wait->slept = true;
    mmi_futex_sleep(word_futex(word), (uint32_t)(seen | WORD_WAITERS),
                    ns < wait->until - now ? ns : wait->until - now);
    return 0;
}

/* This waiter waits no more: nobody may rely on it to look. */
static void leave_rota(struct futex_word *word, const struct futex_wait *wait)
{
    if (wait->slept)
        atomic_store_explicit(&word->looked, 0, memory_order_relaxed);
}

int mmi_word_acquire(struct futex_word *word, uint64_t me, uint64_t until,
                     _Atomic uint64_t *first, uint64_t *before)
{
    struct futex_wait wait = {.until = until, .interval = WAIT_LOOK};
    *before = 0;
    for (unsigned turns = 0;; turns++) {
        uint64_t seen = atomic_load(&word->owner);
        uint32_t tid = word_tid(seen);
        bool stands_back = first && atomic_load(first) != 0;
        /* The caller has it not, so whoever left his number there is dead. */
        bool is_free = tid == 0 || word_is_biased(seen);
        bool takes = (is_free && !stands_back) || tid == word_tid(me);
        if (!takes && (turns == 0 || turns >= WAIT_SPINS)) {
            int turn = wait_turn(word, seen, first, &wait);
            if (turn < 0) {
                leave_rota(word, &wait);
                return -1;
            }
            takes = turn > 0;
        }
        if (takes) {
            uint64_t found = tid != 0 ? seen & ~WORD_WAITERS : 0;
            uint64_t mine = word_taken(me, found) | (seen & WORD_WAITERS) |
                            (wait.slept ? WORD_WAITERS : 0);
            if (atomic_compare_exchange_strong(&word->owner, &seen, mine)) {
                *before = found;
                leave_rota(word, &wait);
                return 0;
            }
            if (turns >= WAIT_SPINS && mmi_futex_now() >= until)
                return -1;
        }
        if (turns < WAIT_SPINS)
            mmi_futex_relax();
    }
}

void mmi_word_leave(struct futex_word *word, uint64_t me, uint64_t before)
{
    uint64_t seen = atomic_load(&word->owner);
    for (int i = 0; i < RELEASE_TRIES && (seen & ~WORD_WAITERS) == me; i++) {
        uint64_t left = before | (seen & WORD_WAITERS);
        if (!atomic_compare_exchange_strong(&word->owner, &seen, left))
            continue;
        if (left & WORD_WAITERS && mmi_futex_wake(word_futex(word), 1) == 0)
            atomic_compare_exchange_strong(&word->owner, &left,
                                           left & ~WORD_WAITERS);
        return;
    }
}
