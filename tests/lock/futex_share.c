/* SPDX-License-Identifier: MIT */
/*
 * futex_share.c -- readers of the FUTEX lock are together, writers alone, be
 * they threads or processes; the table of readers' slots does not wear out.
 */
#include <pthread.h>
#include <sched.h>

#include "futex.h"

enum { THREADS = 3, PROCESSES = 3, ROUNDS = 1500, CHILDREN = 300 };

static _Atomic int *together; /* the most readers ever seen at once */

/* Work inside; count what must not be. */
static void work(int way, int round)
{
    if (way == READ) {
        int readers = ++numbers->count;
        if (readers > *together)
            *together = readers;
        int tag = numbers->tag;
        if (round % 64 == 0)
            sched_yield();
        if (tag != 0 || numbers->tag != 0)
            numbers->wrong++;
        numbers->count--;
    } else {
        _Atomic int *tag =
            way == WRITE ? &numbers->tag : &numbers->internal_tag;
        int mine = (int)mmi_thread_id();
        if (*tag != 0 || (way == WRITE && numbers->count != 0))
            numbers->wrong++;
        *tag = mine;
        if (round % 64 == 0)
            sched_yield();
        if (*tag != mine || (way == WRITE && numbers->count != 0))
            numbers->wrong++;
        *tag = 0;
    }
}

static void *take_turns(void *seed)
{
    unsigned random = (unsigned)(uintptr_t)seed * 7919 + 1;
    for (int i = 0; i < ROUNDS; i++) {
        random = random * 1103515245 + 12345;
        int way = (int)(random >> 16) % 3;
        bool upgrades = way == READ && (random >> 20) % 16 == 0;
        if (take(way, NULL) < 0) {
            numbers->wrong++;
            return NULL;
        }
        if (upgrades && take(WRITE, NULL) == 0) {
            work(WRITE, i);
            give(WRITE);
            work(WRITE, i);
        } else {
            work(way, i);
        }
        give(way);
    }
    return NULL;
}

static int run_threads(void *argument, int number)
{
    (void)argument;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, take_turns,
                           (void *)(intptr_t)(number * THREADS + i)))
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static int read_once(void *argument, int number)
{
    (void)argument;
    (void)number;
    struct lock_state state;
    if (take(READ, NULL) < 0)
        return 1;
    bool counted = mmi_lock_state(&futex, &state) == 0 && state.readers == 1;
    give(READ);
    return counted ? 0 : 2;
}

static int try_to_read(void *argument, int number)
{
    (void)argument;
    (void)number;
    return take(READ, &at_once) == 0 ? 0 : errno == EBUSY ? 10 : 1;
}

static void reuse_slots(void)
{
    int bad = 0;
    for (int i = 0; i < CHILDREN; i++)
        bad += end_child(start_child(read_once, NULL, i)) != 0;
    is_int(bad, 0, "each of many short-lived processes can read");
    ok(bytes->user.high < 32, "they need few slots");
    diag("%u slots for %d processes", bytes->user.high, CHILDREN);
}

static void run_out_of_slots(void)
{
    take(WRITE, NULL);
    uint64_t mine = bytes->user.word.owner;
    give(WRITE);
    for (int i = 0; i < FUTEX_SLOTS; i++)
        bytes->user.slots[i].state = mine;
    bytes->user.high = FUTEX_SLOTS;
    numbers->stage = 0;
    pid_t reader = start_child(hold_for_ever, NULL, READ);
    await(1);
    struct lock_state state;
    mmi_lock_state(&futex, &state);
    is_int(state.holder, reader, "a reader without a slot is alone");
    is_int(end_child(start_child(try_to_read, NULL, 0)), 10,
           "so others of its kind wait");
    kill(reader, SIGKILL);
    end_child(reader);
    can_take(READ, "killed");
}

int main(void)
{
    make_futex(20000);
    together = &numbers->stage;
    *together = 0;
    children_ok(PROCESSES, run_threads, NULL, "all get their turns");
    is_int(numbers->wrong, 0, "nobody met whom he should not");
    ok(*together > 1, "readers met");
    reuse_slots();
    run_out_of_slots();
    return done();
}
