/* SPDX-License-Identifier: MIT */
/*
 * scribble.c -- mm can bear a hostile peer: whatever somebody writes into the
 * shared bytes of a lock, nobody crashes and nobody waits beyond a deadline.
 */
#include "config.h"

#include "world.h"

enum { WAIT_MS = 30, ROUNDS = 40, LATE_SECONDS = 5 };

static unsigned next_random(unsigned *state)
{
    *state = *state * 1103515245 + 12345;
    return *state >> 8;
}

static int scribble(void *argument, int seed)
{
    struct world *world = argument;
    size_t size = world->lock.variant->shared_size;
    if (size > 65536)
        size = 65536;
    unsigned state = (unsigned)seed + 1;
    while (world->numbers->stage == 0) {
        for (int i = 0; i < 200; i++) {
            size_t at = next_random(&state) % size;
            unsigned kind = next_random(&state) % 4;
            unsigned char byte = (unsigned char)next_random(&state);
            if (kind == 0)
                world->shared[at] = 0;
            else if (kind == 1)
                memset(world->shared + at / 8 * 8, 0xff,
                       size - at / 8 * 8 < 8 ? 1 : 8);
            else
                world->shared[at] = (char)byte;
        }
        nap(next_random(&state) % 500);
    }
    return 0;
}

static bool in_time(struct timespec deadline)
{
    struct timespec now = soon(0);
    return now.tv_sec <= deadline.tv_sec + LATE_SECONDS;
}

static int bear_it(struct world *world)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct timespec deadline = soon(WAIT_MS);
        struct lock_state state;
        enum lock_mode mode = i % 2 ? LOCK_SHARED : LOCK_EXCLUSIVE;
        if (mmi_lock_acquire(&world->lock, mode, &deadline) == 0) {
            if (mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &deadline) == 0)
                mmi_lock_release(&world->lock);
            mmi_lock_release(&world->lock);
        }
        if (!in_time(deadline))
            return 1;
        deadline = soon(WAIT_MS);
        mmi_lock_state(&world->lock, &state);
        if (mmi_lock_enter(&world->lock) == 0)
            mmi_lock_leave(&world->lock);
        if (!in_time(deadline))
            return 2;
    }
    return 0;
}

static void *bear_as_thread(void *argument)
{
    struct intruder *intruder = argument;
    intruder->result = bear_it(intruder->world);
    return NULL;
}

static int bear_with_threads(void *argument, int number)
{
    (void)number;
    struct intruder intruder = {argument, LOCK_SHARED, 0};
    pthread_t thread;
    if (pthread_create(&thread, NULL, bear_as_thread, &intruder) != 0)
        return 100;
    int result = bear_it(argument);
    pthread_join(thread, NULL);
    return result | intruder.result;
}

static void test_scribble(struct world *unused)
{
    struct world world;
    if (!(unused->traits & LOCK_SAFE_FROM_PEERS)) {
        skip(1, "only for processes of equal privilege");
        return;
    }
    make_world(&world, unused->lock.variant, WAIT_MS);
    pid_t peer = start_child(scribble, &world, (int)getpid());
    children_ok(3, bear_with_threads, &world, "nobody crashes or hangs");
    world.numbers->stage = 1;
    is_int(end_child(peer), 0, "not even the peer");
    end_world(&world);
}

int main(void)
{
    need_proc();
    for_each_variant(test_scribble);
    return done();
}
