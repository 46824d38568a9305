/* SPDX-License-Identifier: MIT */
/*
 * death.c -- mm can go on when the holder of a lock is killed.
 */
#include "config.h"

#include "world.h"

enum { INTERNAL = 100 }; /* beside enum lock_mode: which lock to die in */

static int die_inside(void *argument, int what)
{
    struct world *world = argument;
    if (what == INTERNAL ? mmi_lock_enter(&world->lock) < 0
                         : take(world, (enum lock_mode)what) < 0)
        return 1;
    kill(getpid(), SIGKILL);
    return 2;
}

static int enter_and_leave(struct world *world)
{
    if (mmi_lock_enter(&world->lock) < 0)
        return errno;
    mmi_lock_leave(&world->lock);
    return 0;
}

static void test_killed_holder(struct world *world)
{
    struct lock_state state;
    struct timespec deadline;
    is_int(end_child(start_child(die_inside, world, INTERNAL)), 1000 + SIGKILL,
           "a process dies in the internal lock");
    is_int(enter_and_leave(world), 0, "the next one enters");

    is_int(end_child(start_child(die_inside, world, LOCK_SHARED)),
           1000 + SIGKILL, "a reader dies");
    deadline = soon(10000);
    is_int(mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &deadline), 0,
           "a writer enters");
    give(world);
    mmi_lock_state(&world->lock, &state);

    for (int mode = LOCK_SHARED; mode <= LOCK_EXCLUSIVE; mode++) {
        is_int(end_child(start_child(die_inside, world, LOCK_EXCLUSIVE)),
               1000 + SIGKILL, "a writer dies");
        deadline = soon(10000);
        is_int(mmi_lock_acquire(&world->lock, (enum lock_mode)mode, &deadline),
               0, mode == LOCK_SHARED ? "a reader enters" : "a writer enters");
        is_int(mmi_lock_state(&world->lock, &state), 0, "asked for the state");
        ok(state.owner_died, "%s: it says that the owner died", world->name);
        mmi_lock_state(&world->lock, &state);
        ok(!state.owner_died, "%s: once", world->name);
        give(world);
        others_get(world, 0, 0, "free again");
    }
}

/* What the client left must be seen to before anybody else can write. */
static void see_to_it(void *context)
{
    struct world *world = context;
    world->numbers->count++;
    if (process_gets(world, LOCK_EXCLUSIVE) != EBUSY)
        world->numbers->wrong++;
    if (enter_and_leave(world) != 0)
        world->numbers->wrong++;
    mmi_fail_as(ENOTTY, "mm:core: of no interest");
}

static void test_client(struct world *world)
{
    struct numbers *numbers = world->numbers;
    world->lock.owner_died = see_to_it;
    world->lock.context = world;
    others_get(world, 0, 0, "nobody died");
    is_int(numbers->count, 0, "so the client has nothing to do");
    for (int mode = LOCK_SHARED; mode <= LOCK_EXCLUSIVE; mode++)
        for (int asked = 0; asked < 2; asked++) {
            struct lock_state state;
            struct timespec deadline = soon(10000);
            end_child(start_child(die_inside, world, LOCK_EXCLUSIVE));
            numbers->count = 0;
            /* Who asks may do it, if he has the lock for the moment. */
            if (asked)
                mmi_lock_state(&world->lock, &state);
            mmi_fail_clear();
            errno = EDOM;
            is_int(
                mmi_lock_acquire(&world->lock, (enum lock_mode)mode, &deadline),
                0, mode == LOCK_SHARED ? "a reader comes" : "a writer comes");
            ok(!mmi_fail_text(), "%s: nothing failed", world->name);
            if (!ok(numbers->count == 1 && numbers->wrong == 0,
                    "%s: the client saw to it once, alone", world->name))
                diag("%d times, %d wrong", numbers->count, numbers->wrong);
            give(world);
            others_get(world, 0, 0, "free again");
            is_int(numbers->count, 1, "nothing more to do");
            mmi_lock_state(&world->lock, &state);
        }
    world->lock.owner_died = NULL;
}

static int wait_for_dead(void *argument, int mode)
{
    struct world *world = argument;
    world->numbers->count++;
    struct timespec deadline = soon(20000);
    if (mmi_lock_acquire(&world->lock, (enum lock_mode)mode, &deadline) < 0)
        return 1;
    return give(world) < 0;
}

static int hold_for_ever(void *argument, int what)
{
    struct world *world = argument;
    if (what == INTERNAL ? mmi_lock_enter(&world->lock) < 0
                         : take(world, (enum lock_mode)what) < 0)
        return 1;
    world->numbers->stage++;
    for (;;)
        pause();
}

static void test_waiters_of_dead(struct world *world)
{
    struct numbers *numbers = world->numbers;
    for (int mode = LOCK_SHARED; mode <= LOCK_EXCLUSIVE; mode++) {
        numbers->stage = numbers->count = 0;
        pid_t holder = start_child(hold_for_ever, world, mode);
        await(&numbers->stage, 1);
        pid_t waiters[3];
        for (int i = 0; i < 3; i++)
            waiters[i] = start_child(wait_for_dead, world,
                                     i ? LOCK_EXCLUSIVE : LOCK_SHARED);
        await(&numbers->count, 3);
        nap(10000);
        kill(holder, SIGKILL);
        end_child(holder);
        int bad = 0;
        for (int i = 0; i < 3; i++)
            bad |= end_child(waiters[i]);
        is_int(bad, 0, "who waits for a holder that is killed gets the lock");
    }
}

/* Processes that wait, or hold for a moment, are killed at random. */
static int come_and_go(void *argument, int number)
{
    struct world *world = argument;
    for (unsigned i = (unsigned)number;; i++) {
        enum lock_mode mode = i % 3 ? LOCK_EXCLUSIVE : LOCK_SHARED;
        if (i % 5 == 0 ? enter_and_leave(world) != 0
                       : take(world, mode) < 0 || give(world) < 0)
            return 1;
    }
}

static void test_random_kills(struct world *world)
{
    enum { COUNT = 6, ROUNDS = 12 };
    bool good = true;
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pids[COUNT];
        for (int i = 0; i < COUNT; i++)
            pids[i] = start_child(come_and_go, world, i);
        nap(3000 + round * 300);
        for (int i = 0; i < COUNT; i++)
            kill(pids[i], SIGKILL);
        for (int i = 0; i < COUNT; i++)
            good &= end_child(pids[i]) == 1000 + SIGKILL;
        struct timespec deadline = soon(10000);
        good &= mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &deadline) == 0;
        good &= mmi_lock_release(&world->lock) == 0;
        good &= enter_and_leave(world) == 0;
        if (!good)
            diag("round %d: %s", round, mmi_fail_text());
    }
    ok(good, "%s: killed while they lock, wait and unlock", world->name);
    others_get(world, 0, 0, "free in the end");
}

/* The holder forks; the child, which never locks, outlives it. */
static int leave_child_behind(void *argument, int what)
{
    struct world *world = argument;
    if (what == INTERNAL ? mmi_lock_enter(&world->lock) < 0
                         : take(world, (enum lock_mode)what) < 0)
        return 1;
    if (fork() == 0) {
        alarm(CHILD_SECONDS);
        world->numbers->stage = 1;
        await(&world->numbers->stage, 2);
        world->numbers->stage = 3;
        _exit(0);
    }
    return 0;
}

static void test_surviving_child(struct world *world)
{
    int what[] = {LOCK_SHARED, LOCK_EXCLUSIVE, INTERNAL};
    for (int i = 0; i < 3; i++) {
        world->numbers->stage = 0;
        end_child(start_child(leave_child_behind, world, what[i]));
        await(&world->numbers->stage, 1);
        struct timespec deadline = soon(5000);
        int result =
            what[i] == INTERNAL
                ? enter_and_leave(world)
                : mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &deadline);
        is_int(result, 0, "a child of the dead holder does not hold the lock");
        if (what[i] != INTERNAL)
            give(world);
        world->numbers->stage = 2;
        await(&world->numbers->stage, 3);
    }
}

static int upgrade_for_ever(void *argument, int number)
{
    struct world *world = argument;
    if (take(world, LOCK_SHARED) < 0)
        return 1;
    world->numbers->stage = 1;
    await(&world->numbers->stage, number);
    return take(world, LOCK_EXCLUSIVE) < 0 ? 2 : 3;
}

/* A reader is killed while it waits for its upgrade, beside another reader and
 * a writer that wait, too. */
static void test_killed_upgrader(struct world *world)
{
    struct numbers *numbers = world->numbers;
    for (int upgrades = 0; upgrades < 2; upgrades++) {
        numbers->stage = numbers->count = 0;
        take(world, LOCK_SHARED);
        pid_t upgrader = start_child(upgrade_for_ever, world, 0);
        await(&numbers->stage, 1);
        nap(10000);
        pid_t writer = start_child(wait_for_dead, world, LOCK_EXCLUSIVE);
        await(&numbers->count, 1);
        nap(10000);
        kill(upgrader, SIGKILL);
        is_int(end_child(upgrader), 1000 + SIGKILL, "an upgrader is killed");
        if (upgrades) {
            struct timespec deadline = soon(10000);
            is_int(mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &deadline), 0,
                   "another one upgrades");
            give(world);
        }
        give(world);
        is_int(end_child(writer), 0, "then the writer that waits enters");
        is_int(end_child(start_child(wait_for_dead, world, LOCK_SHARED)), 0,
               "and a reader");
        is_int(end_child(start_child(wait_for_dead, world, LOCK_EXCLUSIVE)), 0,
               "and a writer");
        others_get(world, 0, 0, "free in the end");
    }
}

/* The writer is stopped and knows nothing of the upgrade until it failed. */
static void test_killed_before_writer(struct world *world)
{
    struct numbers *numbers = world->numbers;
    numbers->stage = numbers->count = 0;
    pid_t upgrader = start_child(upgrade_for_ever, world, 2);
    await(&numbers->stage, 1);
    pid_t writer = start_child(wait_for_dead, world, LOCK_EXCLUSIVE);
    await(&numbers->count, 1);
    nap(10000);
    kill(writer, SIGSTOP);
    waitpid(writer, NULL, WUNTRACED);
    numbers->stage = 2;
    nap(10000);
    kill(upgrader, SIGKILL);
    end_child(upgrader);
    kill(writer, SIGCONT);
    is_int(end_child(writer), 0, "a writer goes on after a dead upgrader");
    others_get(world, 0, 0, "free in the end");
}

/* A stopped holder of the internal lock must not stop others for ever. */
static void test_stopped_holder(struct world *world)
{
    struct world impatient;
    make_world(&impatient, world->lock.variant, 50);
    pid_t holder = start_child(hold_for_ever, &impatient, INTERNAL);
    await(&impatient.numbers->stage, 1);
    kill(holder, SIGSTOP);
    is_int(mmi_lock_enter(&impatient.lock), -1, "a stopped holder keeps it");
    is_int(errno, ETIMEDOUT, "the call gives up with ETIMEDOUT");
    ok(strstr(mmi_fail_text(), "50 ms") != NULL, "%s: and a message: %s",
       world->name, mmi_fail_text());
    is_int(process_gets(&impatient, LOCK_EXCLUSIVE), 0,
           "the user lock is not touched by that");
    kill(holder, SIGKILL);
    end_child(holder);
    is_int(enter_and_leave(&impatient), 0, "free when the holder is dead");
    end_world(&impatient);
}

static void test_nested_enter(struct world *world)
{
    is_int(mmi_lock_enter(&world->lock), 0, "the internal lock is taken");
    is_int(mmi_lock_enter(&world->lock), -1, "a second time is refused");
    is_int(errno, EDEADLK, "with EDEADLK");
    mmi_lock_leave(&world->lock);
    is_int(enter_and_leave(world), 0, "and harmless");
}

int main(void)
{
    need_proc();
    for_each_variant(test_killed_holder);
    for_each_variant(test_client);
    for_each_variant(test_waiters_of_dead);
    for_each_variant(test_random_kills);
    for_each_variant(test_surviving_child);
    for_each_variant(test_killed_upgrader);
    for_each_variant(test_killed_before_writer);
    for_each_variant(test_stopped_holder);
    for_each_variant(test_nested_enter);
    return done();
}
