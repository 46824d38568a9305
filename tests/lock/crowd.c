/* SPDX-License-Identifier: MIT */
/*
 * crowd.c -- mm can lock for many processes and threads at once.
 */
#include "config.h"

#include "world.h"

static void read_numbers(struct numbers *numbers)
{
    if (numbers->first != numbers->second)
        numbers->wrong++;
}

static void write_numbers(struct numbers *numbers)
{
    if (numbers->first != numbers->second)
        numbers->wrong++;
    numbers->first++;
    if (numbers->first % 64 == 0)
        nap(1);
    numbers->second++;
}

/* ROUNDS times a reader, a writer, and somebody in the internal lock. */
static int take_part(struct world *world, int rounds)
{
    struct numbers *numbers = world->numbers;
    for (int i = 0; i < rounds; i++) {
        if (take(world, LOCK_SHARED) < 0)
            return 1;
        read_numbers(numbers);
        if (give(world) < 0 || take(world, LOCK_EXCLUSIVE) < 0)
            return 2;
        write_numbers(numbers);
        if (give(world) < 0 || mmi_lock_enter(&world->lock) < 0)
            return 3;
        int inside = numbers->more[0];
        numbers->more[0] = inside + 1;
        mmi_lock_leave(&world->lock);
    }
    return 0;
}

static void is_counted(struct world *world, long times)
{
    struct numbers *numbers = world->numbers;
    if (!ok(numbers->first == times && numbers->second == times &&
                numbers->more[0] == times && numbers->wrong == 0,
            "%s: each of %ld was alone", world->name, times))
        diag("%ld, %ld, %d; %d wrong", numbers->first, numbers->second,
             numbers->more[0], numbers->wrong);
}

static int take_part_once(void *argument, int number)
{
    (void)number;
    return take_part(argument, 1);
}

static void *take_part_as_thread(void *argument)
{
    struct intruder *intruder = argument;
    intruder->result = take_part(intruder->world, 50);
    return NULL;
}

static int take_part_with_threads(void *argument, int number)
{
    (void)number;
    struct intruder intruders[3];
    pthread_t threads[3];
    int result = 0;
    for (int i = 0; i < 3; i++) {
        intruders[i] = (struct intruder){argument, LOCK_SHARED, -1};
        if (pthread_create(&threads[i], NULL, take_part_as_thread,
                           &intruders[i]) != 0)
            return 100;
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        result |= intruders[i].result;
    }
    return result;
}

static void test_exclusion(struct world *world)
{
    children_ok(4, take_part_with_threads, world, "threads of processes");
    is_counted(world, 4 * 3 * 50);
}

static int live_long(void *argument, int number)
{
    struct world *world = argument;
    int result = take_part_once(argument, number);
    world->numbers->count++;
    await(&world->numbers->stage, 1);
    return result | take_part_once(argument, number);
}

static void test_many_children(struct world *world)
{
    enum { COUNT = 60 };
    pid_t pids[COUNT];
    for (int i = 0; i < COUNT; i++)
        pids[i] = start_child(live_long, world, i);
    await(&world->numbers->count, COUNT);
    children_ok(COUNT, take_part_once, world, "short-lived beside long-lived");
    world->numbers->stage = 1;
    int bad = 0;
    for (int i = 0; i < COUNT; i++)
        bad += end_child(pids[i]) != 0;
    is_int(bad, 0, "the long-lived go on");
    is_counted(world, 3 * COUNT);
}

static int go_deeper(void *argument, int depth)
{
    int result = take_part(argument, 20);
    if (depth < 6) {
        pid_t pids[2];
        for (int i = 0; i < 2; i++)
            pids[i] = start_child(go_deeper, argument, depth + 1);
        result |= take_part(argument, 5);
        for (int i = 0; i < 2; i++)
            result |= end_child(pids[i]);
    }
    return result;
}

static void test_grandchildren(struct world *world)
{
    is_int(end_child(start_child(go_deeper, world, 2)), 0,
           "grandchildren to the sixth generation lock");
    is_counted(world, 31 * 20 + 15 * 5);
}

struct pair {
    struct world *a;
    struct world *b;
    bool a_first;
    int result;
};

/* One lock at a time, always held by somebody: nobody waits in a circle, though
 * processes seem to. */
static void *cross(void *argument)
{
    struct pair *pair = argument;
    pair->result = 0;
    for (int i = 0; i < 60; i++) {
        struct world *world = (i % 2 == 0) == pair->a_first ? pair->a : pair->b;
        pair->result |= take(world, LOCK_EXCLUSIVE) < 0;
        struct world *other = world == pair->a ? pair->b : pair->a;
        pair->result |= mmi_lock_enter(&other->lock) < 0;
        write_numbers(world->numbers);
        mmi_lock_leave(&other->lock);
        nap(50);
        pair->result |= give(world) < 0;
    }
    return NULL;
}

static int cross_with_threads(void *argument, int number)
{
    (void)number;
    struct pair pairs[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        pairs[i] = *(struct pair *)argument;
        pairs[i].a_first = i == 0;
        pthread_create(&threads[i], NULL, cross, &pairs[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return pairs[0].result | pairs[1].result;
}

static void test_crossing(struct world *world)
{
    struct world second;
    make_world(&second, world->lock.variant, 0);
    struct pair pair = {.a = world, .b = &second};
    children_ok(3, cross_with_threads, &pair, "two locks crosswise");
    is_int(world->numbers->wrong + second.numbers->wrong, 0, "alone each time");
    end_world(&second);
}

static void *wait_for_other(void *argument)
{
    struct pair *pair = argument;
    struct world *other = pair->a_first ? pair->b : pair->a;
    pair->result = take(other, LOCK_SHARED) < 0 || give(other) < 0;
    return NULL;
}

/* Each process holds a lock, and another thread of it waits for the other's:
 * no deadlock, though it takes knowing the threads to see that. */
static int hold_one_want_other(void *argument, int number)
{
    struct pair pair = *(struct pair *)argument;
    pair.a_first = number;
    struct world *mine = number ? pair.a : pair.b;
    if (take(mine, LOCK_EXCLUSIVE) < 0)
        return 1;
    pair.a->numbers->stage++;
    await(&pair.a->numbers->stage, 2);
    pthread_t thread;
    pthread_create(&thread, NULL, wait_for_other, &pair);
    nap(50000);
    int result = give(mine) < 0;
    pthread_join(thread, NULL);
    return result | pair.result;
}

static void test_seeming_deadlock(struct world *world)
{
    struct world second;
    make_world(&second, world->lock.variant, 0);
    struct pair pair = {.a = world, .b = &second};
    children_ok(2, hold_one_want_other, &pair, "a seeming deadlock is none");
    end_world(&second);
}

static int lock_both(void *argument, int number)
{
    struct pair *pair = argument;
    struct world *first = number ? pair->a : pair->b;
    struct world *second = number ? pair->b : pair->a;
    if (take(first, LOCK_EXCLUSIVE) < 0)
        return 1;
    pair->a->numbers->stage++;
    await(&pair->a->numbers->stage, 2);
    struct timespec deadline = soon(100);
    bool told = strcmp(first->name, "FCNTL") == 0;
    if (mmi_lock_acquire(&second->lock, LOCK_EXCLUSIVE,
                         told ? NULL : &deadline) == 0)
        pair->a->numbers->count++;
    else if (errno != (told ? EDEADLK : ETIMEDOUT))
        return 2;
    else
        return give(first) < 0;
    return give(second) < 0 || give(first) < 0;
}

static void test_deadlock(struct world *world)
{
    struct world second;
    make_world(&second, world->lock.variant, 0);
    struct pair pair = {.a = world, .b = &second};
    children_ok(2, lock_both, &pair, "a true deadlock ends");
    ok(world->numbers->count < 2, "%s: at most one gets both", world->name);
    others_get(world, 0, 0, "free in the end");
    end_world(&second);
}

/* Overlapping readers, so that there is always one inside. */
static void *read_on(void *argument)
{
    struct intruder *intruder = argument;
    struct numbers *numbers = intruder->world->numbers;
    while (numbers->stage == 0) {
        if (take(intruder->world, LOCK_SHARED) < 0)
            numbers->wrong++;
        numbers->count++;
        nap(300);
        if (give(intruder->world) < 0)
            numbers->wrong++;
    }
    return NULL;
}

static int read_on_with_threads(void *argument, int number)
{
    (void)number;
    struct intruder intruder = {argument, LOCK_SHARED, 0};
    pthread_t thread;
    pthread_create(&thread, NULL, read_on, &intruder);
    read_on(&intruder);
    pthread_join(thread, NULL);
    return 0;
}

static void test_starvation(struct world *world)
{
    pid_t pids[3];
    for (int i = 0; i < 3; i++)
        pids[i] = start_child(read_on_with_threads, world, i);
    await(&world->numbers->count, 20);
    bool good = true;
    for (int i = 0; i < 10; i++) {
        struct timespec deadline = soon(30000);
        good &= mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE,
                                 i % 2 ? &deadline : NULL) == 0;
        good &= mmi_lock_release(&world->lock) == 0;
        nap(500);
    }
    ok(good, "%s: a writer gets in among many readers", world->name);
    world->numbers->stage = 1;
    for (int i = 0; i < 3; i++)
        good &= end_child(pids[i]) == 0;
    ok(good && world->numbers->wrong == 0, "%s: and so do the readers",
       world->name);
}

int main(void)
{
    need_proc();
    for_each_variant(test_exclusion);
    for_each_variant(test_many_children);
    for_each_variant(test_grandchildren);
    for_each_variant(test_crossing);
    for_each_variant(test_seeming_deadlock);
    for_each_variant(test_deadlock);
    for_each_variant(test_starvation);
    return done();
}
