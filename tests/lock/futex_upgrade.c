/* SPDX-License-Identifier: MIT */
/*
 * futex_upgrade.c -- a reader of the FUTEX lock becomes its writer, whoever
 * else wants it.
 */
#include "futex.h"

/* Wait until somebody sleeps or spins for the word, or announced an upgrade. */
static void await_queue(void)
{
    while (bytes->user.word.owner == 0 && bytes->user.upgrader == 0)
        nap(100);
    nap(5000);
}

static int write_once(void *argument, int number)
{
    (void)argument;
    (void)number;
    numbers->stage++;
    if (take(WRITE, NULL) < 0)
        return 1;
    numbers->tag++;
    give(WRITE);
    return 0;
}

/* Read, then upgrade when the parent says so: 10 if that is refused. */
static int read_and_upgrade(void *argument, int number)
{
    (void)argument;
    if (take(READ, NULL) < 0)
        return 1;
    numbers->stage++;
    await(100);
    int result = 0;
    struct timespec deadline = in_ms(number ? number : CHILD_SECONDS * 1000);
    if (take(WRITE, &deadline) < 0) {
        result = errno == EDEADLK ? 10 : errno == ETIMEDOUT ? 11 : 2;
    } else {
        numbers->count++;
        give(WRITE);
    }
    give(READ);
    return result;
}

static void upgrade_alone(void)
{
    take(READ, NULL);
    is_int(take(WRITE, &at_once), 0, "the only reader upgrades at once");
    struct lock_state state;
    mmi_lock_state(&futex, &state);
    ok(state.holder == (pid_t)mmi_thread_id() && state.readers == 0,
       "it is the holder then, and no reader");
    give(WRITE);
    mmi_lock_state(&futex, &state);
    is_int(state.holder, (int)mmi_thread_id(),
           "and stays so until the outermost release");
    give(READ);
    mmi_lock_state(&futex, &state);
    ok(state.holder == 0 && state.readers == 0, "then all is free");
}

static void upgrade_before_writer(void)
{
    numbers->stage = numbers->tag = 0;
    take(READ, NULL);
    pid_t writer = start_child(write_once, NULL, 0);
    await(1);
    await_queue();
    is_int(take(WRITE, NULL), 0, "an upgrade goes before a waiting writer");
    is_int(numbers->tag, 0, "which did not get in between");
    give(WRITE);
    give(READ);
    is_int(end_child(writer), 0, "the writer gets in afterwards");
}

static void upgrade_twice(void)
{
    numbers->stage = numbers->count = 0;
    pid_t first = start_child(read_and_upgrade, NULL, 0);
    pid_t second = start_child(read_and_upgrade, NULL, 0);
    await(2);
    numbers->stage = 100;
    int sum = end_child(first) + end_child(second);
    ok(sum == 10 || sum == 0, "of two upgrades at most one is refused");
    diag("%d refused", sum / 10);

    numbers->stage = 0;
    take(READ, NULL);
    first = start_child(read_and_upgrade, NULL, 0);
    await(1);
    numbers->stage = 100;
    await_queue();
    ok(take(WRITE, NULL) < 0 && errno == EDEADLK,
       "the second upgrade is refused with EDEADLK");
    give(READ);
    is_int(end_child(first), 0, "and the first one succeeds");
}

static void give_up(void)
{
    numbers->stage = numbers->tag = 0;
    take(READ, NULL);
    pid_t other = start_child(read_and_upgrade, NULL, 100);
    await(1);
    pid_t writer = start_child(write_once, NULL, 0);
    numbers->stage = 100;
    is_int(end_child(other), 11, "an upgrade gives up at its deadline");
    is_int(numbers->tag, 0, "nobody wrote meanwhile");
    is_int(take(WRITE, NULL), 0, "then another upgrade is possible");
    give(WRITE);
    give(READ);
    is_int(end_child(writer), 0, "and writers are");
}

static void die_upgrading(void)
{
    numbers->stage = 0;
    take(READ, NULL);
    pid_t other = start_child(read_and_upgrade, NULL, 0);
    await(1);
    numbers->stage = 100;
    await_queue();
    kill(other, SIGKILL);
    end_child(other);
    is_int(take(WRITE, NULL), 0, "a dead upgrade is no obstacle to the next");
    give(WRITE);
    give(READ);

    numbers->stage = 0;
    take(READ, NULL);
    other = start_child(read_and_upgrade, NULL, 0);
    await(1);
    numbers->stage = 100;
    await_queue();
    kill(other, SIGKILL);
    end_child(other);
    give(READ);
    can_take(WRITE, "killed while upgrading");
}

int main(void)
{
    make_futex(10000);
    upgrade_alone();
    upgrade_before_writer();
    upgrade_twice();
    give_up();
    die_upgrading();
    return done();
}
