/* SPDX-License-Identifier: MIT */
/*
 * readers.c -- mm can let a writer in among readers that never pause, and
 * counts none of the dead among those who read.
 *
 * Turns are counted, not seconds: the readers give up after very many.
 */
#include "variants.h"

enum { READERS = 4, WRITES = 20, CROWD = 40, MASSACRES = 3 };

/* Turns of all readers together; a writer needs to wait for a few thousand. */
static const int turns_most = 100 * 1000 * 1000;

/* Whoever is inside waits a while for another one, so that there is nearly
 * always somebody. */
static void wait_for_another(void)
{
    enum { LOOKS = 20000 };
    signs->inside++;
    for (int i = 0; i < LOOKS && signs->inside < 2; i++)
        continue;
    signs->inside--;
}

static int read_on(void *argument, int number)
{
    (void)argument;
    (void)number;
    /* Counted now and then: they should meet in the lock alone. */
    enum { AT_ONCE = 100 };
    while (signs->stage == 0 && signs->count < turns_most) {
        for (int i = 0; i < AT_ONCE && signs->stage == 0; i++) {
            if (mm_lock(mm, MM_LOCK_RD) != 1)
                return 1;
            if (signs->first != signs->second)
                signs->wrong++;
            wait_for_another();
            if (mm_unlock(mm) != 1)
                return 2;
        }
        signs->count += AT_ONCE;
    }
    return 0;
}

static int write_among(void *argument, int number)
{
    (void)argument;
    (void)number;
    for (int i = 0; i < WRITES; i++) {
        if (mm_lock(mm, MM_LOCK_RW) != 1)
            return 1;
        signs->first++;
        signs->second++;
        signs->told = i + 1;
        if (mm_unlock(mm) != 1)
            return 2;
    }
    return 0;
}

static void do_not_starve(void)
{
    pid_t readers[READERS];
    for (int i = 0; i < READERS; i++)
        readers[i] = start_child(read_on, NULL, i);
    while (signs->count == 0)
        nap(100);
    int bad = end_child(start_child(write_among, NULL, 0));
    int count = signs->count;
    signs->stage = 1;
    for (int i = 0; i < READERS; i++)
        bad += end_child(readers[i]);
    ok(bad == 0 && signs->wrong == 0 && signs->told == WRITES &&
           count < turns_most,
       "%s: a writer gets in among %d readers that never pause", variant,
       READERS);
    diag("%s: %d turns of readers for %d writes", variant, count, WRITES);
}

/* Many read, a few wait to, others to write or upgrade; all die at once. */
static int stay(void *argument, int number)
{
    mm_lock_mode mode = number % 10 == 9 ? MM_LOCK_RW : MM_LOCK_RD;
    if (number % 10 != 8)
        return hold(argument, (int)mode);
    mm_lock(mm, MM_LOCK_RD);
    signs->stage++;
    mm_lock(mm, MM_LOCK_RW);
    for (;;)
        pause();
}

static void kill_crowd(void)
{
    int wrong = 0;
    for (int round = 0; round < MASSACRES; round++) {
        pid_t pids[CROWD];
        signs->stage = 0;
        for (int i = 0; i < CROWD; i++)
            pids[i] = start_child(stay, NULL, i);
        await(1);
        nap(10000);
        for (int i = 0; i < CROWD; i++)
            kill(pids[i], SIGKILL);
        for (int i = 0; i < CROWD; i++)
            wrong += end_child(pids[i]) != 1000 + SIGKILL;
        struct mm_lock_state state = {.readers = 1};
        wrong += take_in_time(MM_LOCK_RW) != 0 || mm_unlock(mm) != 1;
        ask_death();
        wrong += mm_lock_state(mm, &state) != 1 || state.readers != 0 ||
                 state.holder != 0 || state.owner_died;
        wrong += take_in_time(MM_LOCK_RD) != 0;
        wrong += mm_lock_state(mm, &state) != 1 || state.readers != 1;
        mm_unlock(mm);
    }
    is_int(wrong, 0, "after a massacre none of the dead counts as a reader");
}

static void test(void)
{
    do_not_starve();
    kill_crowd();
}

int main(int argc, char **argv)
{
    need_proc();
    for_each_variant(argc > 1 ? argv[1] : NULL, test);
    return done();
}
