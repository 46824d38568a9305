/* SPDX-License-Identifier: MIT */
/*
 * futex_torture.c -- FUTEX survives killing after killing: those who are left
 * never meet inside, never hang, and the lock is free in the end.
 */
#include <pthread.h>

#include "futex.h"

enum { WORKERS = 4, KILLS = 2000, SECONDS = 5, LONGEST = 600 };

static bool is_alone(_Atomic int *tag)
{
    int mine = (int)mmi_thread_id();
    *tag = mine;
    for (volatile int i = 0; i < 50; i++)
        continue;
    return *tag == mine;
}

/* Somebody who writes changes the tag. */
static bool is_unchanged(_Atomic int *tag)
{
    int before = *tag;
    for (volatile int i = 0; i < 50; i++)
        continue;
    return *tag == before;
}

static bool turn(int way, unsigned random)
{
    if (take(way, NULL) < 0)
        return false;
    bool good = way == INTERNAL ? is_alone(&numbers->internal_tag)
                : way == WRITE  ? is_alone(&numbers->tag)
                                : is_unchanged(&numbers->tag);
    if (way == READ && (random >> 20) % 8 == 0 && take(WRITE, NULL) == 0) {
        good = good && is_alone(&numbers->tag);
        give(WRITE);
    }
    if (way == WRITE && (random >> 20) % 2 == 0) {
        good = good && take(INTERNAL, NULL) == 0 &&
               is_alone(&numbers->internal_tag);
        give(INTERNAL);
    }
    give(way);
    return good;
}

static int work(void *argument, int number)
{
    (void)argument;
    unsigned random = (unsigned)number * 2654435761u;
    for (;;) {
        random = random * 1103515245 + 12345;
        /* Long enough for a bias or an era, or short. */
        int way = (int)(random >> 16) % 3;
        int length = random >> 24 & 1 ? 1 : (int)(random >> 18) % LONGEST;
        for (; length >= 0; length--) {
            random = random * 1103515245 + 12345;
            if (!turn(way, random)) {
                numbers->wrong++;
                return 1;
            }
            if (is_mine())
                numbers->stage++;
            numbers->count++;
        }
    }
}

int main(void)
{
    make_futex(20000);
    unsigned seed = (unsigned)getpid();
    diag("seed %u", seed);
    srandom(seed);
    struct timespec now, end = in_ms(SECONDS * 1000);
    pid_t pids[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        pids[i] = start_child(work, NULL, (int)random());
    int kills = 0, bad = 0, stuck = 0, before = 0;
    do {
        nap(random() % 2000);
        int victim = (int)(random() % WORKERS);
        kill(pids[victim], SIGKILL);
        bad += end_child(pids[victim]) != 1000 + SIGKILL;
        pids[victim] = start_child(work, NULL, (int)random());
        if (++kills % 100 == 0) {
            stuck += numbers->count == before;
            before = numbers->count;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (kills < KILLS && now.tv_sec < end.tv_sec);
    diag("%d kills in %d turns, %d of them biased", kills, numbers->count,
         numbers->stage);
    for (int i = 0; i < WORKERS; i++) {
        kill(pids[i], SIGKILL);
        end_child(pids[i]);
    }
    ok(bad == 0 && numbers->wrong == 0, "whoever was inside was alone");
    is_int(stuck, 0, "there was always progress");
    for (int way = INTERNAL; way <= READ; way++)
        can_take(way, "all are dead");
    struct lock_state state;
    mmi_lock_state(&futex, &state);
    ok(state.holder == 0 && state.readers == 0, "nobody is left inside");
    diag("%u slots", bytes->user.high);
    return done();
}
