/* SPDX-License-Identifier: MIT */
/*
 * reported.c -- mm can say once, and to no more than one, that a holder of the
 * user lock died, whoever comes next and whatever becomes of him.
 */
#include "variants.h"

enum { ASKERS = 6, ROUNDS = 8 };

static void kill_holder(mm_lock_mode mode)
{
    pid_t pid = start_holder(mode);
    kill(pid, SIGKILL);
    end_child(pid);
}

/* Each gets the lock and asks, READ beside the others. */
static int take_and_ask(void *argument, int number)
{
    mm_lock_mode mode = argument && number % 2 ? MM_LOCK_RD : MM_LOCK_RW;
    signs->count++;
    while (signs->count < ASKERS)
        nap(50);
    if (take_in_time(mode) != 0)
        return 1;
    int told = ask_death();
    if (told < 0)
        return 2;
    signs->told += told;
    return mm_unlock(mm) == 1 ? 0 : 3;
}

static void ask_at_once(mm_lock_mode mode, bool readers_too)
{
    int wrong = 0, bad = 0;
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pids[ASKERS];
        signs->told = signs->count = 0;
        kill_holder(mode);
        for (int i = 0; i < ASKERS; i++)
            pids[i] = start_child(take_and_ask, readers_too ? signs : NULL, i);
        for (int i = 0; i < ASKERS; i++)
            bad += end_child(pids[i]) != 0;
        wrong += signs->told != 1;
    }
    ok(wrong == 0 && bad == 0, "%s: one of %d is told that a %s died%s",
       variant, ASKERS, mode == MM_LOCK_RW ? "writer" : "reader",
       readers_too ? ", readers among them" : "");
}

/* Somebody is the first to have the lock after the death, but does not ask:
 * goes away, is killed, or ends. */
static int pass_by(void *argument, int number)
{
    (void)argument;
    if (take_in_time(number & 1 ? MM_LOCK_RD : MM_LOCK_RW) != 0)
        return 1;
    if (number & 2)
        mm_unlock(mm);
    if (number & 4)
        kill(getpid(), SIGKILL);
    return 0;
}

static void ask_late(void)
{
    int wrong = 0;
    for (int way = 0; way < 8; way++) {
        kill_holder(MM_LOCK_RW);
        int status = end_child(start_child(pass_by, NULL, way));
        wrong += status != 0 && status != 1000 + SIGKILL;
        if (take_in_time(MM_LOCK_RW) != 0 || ask_death() != 1) {
            diag("%s: nobody was told, way %d", variant, way);
            wrong++;
        }
        wrong += ask_death() != 0;
        mm_unlock(mm);
    }
    is_int(wrong, 0, "a death is told even if others came before");
}

/* The one who was told dies before he could do anything about it. */
static int ask_and_die(void *argument, int number)
{
    (void)argument;
    (void)number;
    if (take_in_time(MM_LOCK_RW) != 0 || ask_death() != 1)
        return 1;
    kill(getpid(), SIGKILL);
    return 2;
}

static void die_told(void)
{
    int bad = 0;
    kill_holder(MM_LOCK_RW);
    for (int i = 0; i < ROUNDS; i++)
        bad += end_child(start_child(ask_and_die, NULL, 0)) != 1000 + SIGKILL;
    bad += take_in_time(MM_LOCK_RW) != 0 || ask_death() != 1;
    mm_unlock(mm);
    is_int(bad, 0, "if who was told dies, the next one is told");
}

/* Whoever leaves properly, or never had it, is no death to report. */
static int wait_for_ever(void *argument, int number)
{
    (void)argument;
    (void)number;
    signs->stage++;
    return mm_lock(mm, MM_LOCK_RW) == 1 ? 0 : 1;
}

static void cry_no_wolf(void)
{
    int bad = end_child(start_child(pass_by, NULL, 2 | 4)) != 1000 + SIGKILL;
    bad += mm_lock(mm, MM_LOCK_RW) != 1 || ask_death() != 0;
    signs->stage = 0;
    pid_t waiter = start_child(wait_for_ever, NULL, 0);
    await(1);
    nap(10000);
    kill(waiter, SIGKILL);
    bad += end_child(waiter) != 1000 + SIGKILL;
    mm_unlock(mm);
    bad += take_in_time(MM_LOCK_RW) != 0 || ask_death() != 0;
    mm_unlock(mm);
    is_int(bad, 0, "those who died outside, or waiting, are not reported");
}

static void test(void)
{
    ask_at_once(MM_LOCK_RW, false);
    ask_at_once(MM_LOCK_RW, true);
    if (knows_threads())
        ask_at_once(MM_LOCK_RD, false);
    ask_late();
    die_told();
    cry_no_wolf();
}

int main(void)
{
    need_proc();
    for_each_variant(NULL, test);
    return done();
}
