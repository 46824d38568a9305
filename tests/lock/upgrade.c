/* SPDX-License-Identifier: MIT */
/*
 * upgrade.c -- mm can turn a reader into a writer, and nobody gets in between.
 */
#include "config.h"

#include "world.h"

/* Read, meet the other one, upgrade: 0 if that worked, EDEADLK, or 200. */
static int meet_and_upgrade(struct world *world, int others)
{
    struct numbers *numbers = world->numbers;
    if (take(world, LOCK_SHARED) < 0)
        return 200;
    numbers->stage++;
    await(&numbers->stage, others);
    long seen = numbers->first;
    int result = mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, NULL);
    int error = result < 0 ? errno : 0;
    if (result == 0) {
        if (numbers->first != seen)
            numbers->wrong++;
        numbers->first++;
        mmi_lock_release(&world->lock);
    } else {
        numbers->count++;
        /* Still a reader: nobody has written. */
        if (numbers->first != seen)
            numbers->wrong++;
    }
    mmi_lock_release(&world->lock);
    return error;
}

static int upgrade_process(void *argument, int number)
{
    (void)number;
    return meet_and_upgrade(argument, 2);
}

static void *upgrade_thread(void *argument)
{
    struct intruder *intruder = argument;
    intruder->result = meet_and_upgrade(intruder->world, 2);
    return NULL;
}

static void test_two_upgraders(struct world *world)
{
    struct numbers *numbers = world->numbers;
    int good = 0;
    for (int round = 0; round < 20; round++) {
        numbers->stage = 0;
        pid_t first = start_child(upgrade_process, world, 0);
        pid_t second = start_child(upgrade_process, world, 1);
        int a = end_child(first);
        int b = end_child(second);
        good += a + b == EDEADLK && (a == 0 || b == 0);
    }
    ok(good == 20 && numbers->wrong == 0,
       "%s: of two processes that upgrade one gets EDEADLK", world->name);
    good = 0;
    for (int round = 0; round < 20; round++) {
        numbers->stage = 0;
        struct intruder two[2] = {{world, LOCK_SHARED, -1},
                                  {world, LOCK_SHARED, -1}};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            pthread_create(&threads[i], NULL, upgrade_thread, &two[i]);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        good += two[0].result + two[1].result == EDEADLK &&
                (two[0].result == 0 || two[1].result == 0);
    }
    ok(good == 20 && numbers->wrong == 0,
       "%s: of two threads that upgrade one gets EDEADLK", world->name);
}

static int write_when_free(void *argument, int number)
{
    struct world *world = argument;
    world->numbers->count++;
    if (take(world, LOCK_EXCLUSIVE) < 0)
        return 1;
    world->numbers->first = 100 + number;
    return give(world) < 0;
}

static void *write_as_thread(void *argument)
{
    struct intruder *intruder = argument;
    intruder->result = write_when_free(intruder->world, 1);
    return NULL;
}

/* Writers wait already: the upgrade must neither wait for them nor let them
 * get in between. */
static void test_waiting_writers(struct world *world)
{
    struct numbers *numbers = world->numbers;
    int bad = 0;
    for (int round = 0; round < 5; round++) {
        numbers->count = 0;
        numbers->first = round;
        struct intruder thread_writer = {world, LOCK_EXCLUSIVE, -1};
        pthread_t thread;
        take(world, LOCK_SHARED);
        pid_t pids[2];
        for (int i = 0; i < 2; i++)
            pids[i] = start_child(write_when_free, world, i);
        bool threaded = round % 2;
        if (threaded)
            pthread_create(&thread, NULL, write_as_thread, &thread_writer);
        await(&numbers->count, threaded ? 3 : 2);
        nap(8000);
        struct timespec deadline = soon(10000);
        bad += mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &deadline) != 0;
        bad += numbers->first != round;
        numbers->first = 50;
        give(world);
        nap(1000);
        bad += numbers->first != 50;
        give(world);
        for (int i = 0; i < 2; i++)
            bad += end_child(pids[i]) != 0;
        if (threaded) {
            pthread_join(thread, NULL);
            bad += thread_writer.result != 0;
        }
        bad += numbers->first < 100;
    }
    is_int(bad, 0, "an upgrade goes before writers that wait");
    others_get(world, 0, 0, "free in the end");
}

static int read_until_told(void *argument, int number)
{
    struct world *world = argument;
    (void)number;
    if (take(world, LOCK_SHARED) < 0)
        return 1;
    world->numbers->stage = 1;
    await(&world->numbers->stage, 2);
    return give(world) < 0;
}

static void test_upgrade_in_vain(struct world *world)
{
    world->numbers->stage = 0;
    pid_t reader = start_child(read_until_told, world, 0);
    await(&world->numbers->stage, 1);
    take(world, LOCK_SHARED);
    is_int(mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &world_try), -1,
           "trying to upgrade beside a reader fails");
    is_int(errno, EBUSY, "with EBUSY");
    struct timespec deadline = soon(20);
    is_int(mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &deadline), -1,
           "a deadline passes");
    is_int(errno, ETIMEDOUT, "with ETIMEDOUT");
    world->numbers->stage = 2;
    end_child(reader);
    others_get(world, 0, EBUSY, "the reader is a reader still");
    give(world);
    others_get(world, 0, 0, "free in the end");
}

/* Everybody reads, upgrades if nobody else does, and adds one. */
static int count_by_upgrade(void *argument, int number)
{
    struct world *world = argument;
    struct numbers *numbers = world->numbers;
    for (int done = 0; done < 60;) {
        if (take(world, LOCK_SHARED) < 0)
            return 1;
        long seen = numbers->first;
        if (seen != numbers->second)
            numbers->wrong++;
        if (mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, NULL) == 0) {
            if (numbers->first != seen)
                numbers->wrong++;
            numbers->first = seen + 1;
            numbers->second = seen + 1;
            done++;
            give(world);
        } else if (errno != EDEADLK) {
            return 2;
        }
        give(world);
        if ((done + number) % 8 == 0)
            nap(10);
    }
    return 0;
}

static void *count_as_thread(void *argument)
{
    struct intruder *intruder = argument;
    intruder->result = count_by_upgrade(intruder->world, 1);
    return NULL;
}

static int count_by_threads(void *argument, int number)
{
    struct intruder intruder = {argument, LOCK_SHARED, -1};
    pthread_t thread;
    pthread_create(&thread, NULL, count_as_thread, &intruder);
    int result = count_by_upgrade(argument, number);
    pthread_join(thread, NULL);
    return result | intruder.result;
}

static void test_counting(struct world *world)
{
    children_ok(4, count_by_threads, world, "many upgrade");
    is_int(world->numbers->first, 4L * 2 * 60, "each counted");
    is_int(world->numbers->second, 4L * 2 * 60, "completely");
    is_int(world->numbers->wrong, 0, "and alone");
}

int main(void)
{
    need_proc();
    for_each_variant(test_two_upgraders);
    for_each_variant(test_waiting_writers);
    for_each_variant(test_upgrade_in_vain);
    for_each_variant(test_counting);
    return done();
}
