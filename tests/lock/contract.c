/* SPDX-License-Identifier: MIT */
/*
 * contract.c -- mm can lock: who is let in beside whom, with every variant.
 *
 * The table of what old implementations did when locks were nested, inverted:
 * nobody enters, nobody hangs.
 */
#include "config.h"

#include "world.h"

static void use_heap(struct world *world)
{
    if (mmi_lock_enter(&world->lock) < 0)
        bail("%s: %s", world->name, mmi_fail_text());
    mmi_lock_leave(&world->lock);
}

static void test_modes(struct world *world)
{
    others_get(world, 0, 0, "a free lock lets all in");
    take(world, LOCK_EXCLUSIVE);
    others_get(world, EBUSY, EBUSY, "a writer keeps all out");
    give(world);
    take(world, LOCK_SHARED);
    others_get(world, 0, EBUSY, "a reader keeps writers out");
    give(world);
    others_get(world, 0, 0, "free again");
}

static void test_nesting(struct world *world)
{
    take(world, LOCK_EXCLUSIVE);
    use_heap(world);
    use_heap(world);
    others_get(world, EBUSY, EBUSY, "RW and the internal lock: all stay out");
    take(world, LOCK_EXCLUSIVE);
    give(world);
    others_get(world, EBUSY, EBUSY, "RW, and RW and back: all stay out");
    take(world, LOCK_SHARED);
    others_get(world, EBUSY, EBUSY, "RD inside RW stays RW");
    give(world);
    give(world);
    others_get(world, 0, 0, "free after the outermost unlock");

    take(world, LOCK_SHARED);
    use_heap(world);
    others_get(world, 0, EBUSY, "RD and the internal lock: writers stay out");
    take(world, LOCK_SHARED);
    give(world);
    others_get(world, 0, EBUSY, "RD, and RD and back: writers stay out");
    take(world, LOCK_EXCLUSIVE);
    others_get(world, EBUSY, EBUSY, "RW inside RD upgrades");
    use_heap(world);
    give(world);
    others_get(world, EBUSY, EBUSY, "and stays RW until the outermost unlock");
    give(world);
    others_get(world, 0, 0, "free again");
}

static void test_depth(struct world *world)
{
    bool good = true;
    for (int i = 0; i < 1000; i++)
        good &=
            mmi_lock_acquire(&world->lock, i % 3 ? LOCK_SHARED : LOCK_EXCLUSIVE,
                             i % 2 ? NULL : &world_try) == 0;
    for (int i = 0; i < 999; i++)
        good &= mmi_lock_release(&world->lock) == 0;
    ok(good, "%s: 1000 deep", world->name);
    others_get(world, EBUSY, EBUSY, "999 unlocks of 1000 are not enough");
    give(world);
    errno = 0;
    is_int(mmi_lock_release(&world->lock), -1,
           "one unlock too many is refused");
    is_int(errno, EPERM, "with EPERM");
    ok(strstr(mmi_fail_text(), "does not hold") != NULL, "and a message");
    others_get(world, 0, 0, "and harmless");
}

static void *release_foreign(void *argument)
{
    struct intruder *intruder = argument;
    errno = 0;
    intruder->result = mmi_lock_release(&intruder->world->lock) < 0 ? errno : 0;
    return NULL;
}

static int release_in_child(void *argument, int number)
{
    (void)number;
    struct intruder intruder = {argument, LOCK_SHARED, -1};
    release_foreign(&intruder);
    return intruder.result;
}

static void test_foreign_release(struct world *world)
{
    struct intruder intruder = {world, LOCK_SHARED, -1};
    pthread_t thread;
    for (int mode = LOCK_SHARED; mode <= LOCK_EXCLUSIVE; mode++) {
        take(world, (enum lock_mode)mode);
        pthread_create(&thread, NULL, release_foreign, &intruder);
        pthread_join(thread, NULL);
        is_int(intruder.result, EPERM, "another thread cannot unlock");
        is_int(end_child(start_child(release_in_child, world, 0)), EPERM,
               "a child forked inside cannot unlock");
        others_get(world, mode == LOCK_SHARED ? 0 : EBUSY, EBUSY,
                   "after that it is still held");
        give(world);
    }
}

static int hold_until_told(void *argument, int mode)
{
    struct world *world = argument;
    if (take(world, (enum lock_mode)mode) < 0)
        return 1;
    world->numbers->stage = 1;
    await(&world->numbers->stage, 2);
    return give(world) < 0;
}

static void test_deadline(struct world *world)
{
    pid_t holder = start_child(hold_until_told, world, LOCK_EXCLUSIVE);
    await(&world->numbers->stage, 1);
    for (int mode = LOCK_SHARED; mode <= LOCK_EXCLUSIVE; mode++) {
        is_int(mmi_lock_acquire(&world->lock, (enum lock_mode)mode, &world_try),
               -1, "a try fails");
        is_int(errno, EBUSY, "with EBUSY");
        ok(strstr(mmi_fail_text(), "somebody else is inside") != NULL,
           "and a message");
        struct timespec deadline = soon(20);
        is_int(mmi_lock_acquire(&world->lock, (enum lock_mode)mode, &deadline),
               -1, "a deadline passes");
        is_int(errno, ETIMEDOUT, "with ETIMEDOUT");
        struct timespec now = soon(0);
        ok(now.tv_sec > deadline.tv_sec || (now.tv_sec == deadline.tv_sec &&
                                            now.tv_nsec >= deadline.tv_nsec),
           "%s: and not before it is over", world->name);
    }
    struct lock_state state;
    is_int(mmi_lock_state(&world->lock, &state), 0, "the state can be asked");
    ok(state.holder == holder || state.holder == -1,
       "%s: somebody holds it (%ld)", world->name, (long)state.holder);
    ok(!state.owner_died, "%s: and is alive", world->name);
    world->numbers->stage = 2;
    is_int(end_child(holder), 0, "the holder leaves");
    struct timespec deadline = soon(10000);
    is_int(mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &deadline), 0,
           "a deadline in the future lets in");
    is_int(mmi_lock_state(&world->lock, &state), 0, "the state can be asked");
    is_int(state.holder, (long)mmi_thread_id(), "I hold it");
    is_int(state.depth, 1, "once");
    give(world);
    mmi_lock_state(&world->lock, &state);
    is_int(state.holder, 0, "nobody holds it");
    is_int(state.readers, 0, "nobody reads");
}

static int wait_for_it(void *argument, int mode)
{
    struct world *world = argument;
    world->numbers->count++;
    if (take(world, (enum lock_mode)mode) < 0)
        return 1;
    if (world->numbers->stage != 7)
        return 2;
    return give(world) < 0;
}

static void test_waiting(struct world *world)
{
    pid_t pids[4];
    take(world, LOCK_EXCLUSIVE);
    for (int i = 0; i < 4; i++)
        pids[i] = start_child(wait_for_it, world,
                              i % 2 ? LOCK_SHARED : LOCK_EXCLUSIVE);
    await(&world->numbers->count, 4);
    nap(20000);
    world->numbers->stage = 7;
    give(world);
    bool good = true;
    for (int i = 0; i < 4; i++)
        good &= end_child(pids[i]) == 0;
    ok(good, "%s: waiting processes get it when it is free", world->name);
}

static void on_signal(int number)
{
    (void)number;
}

static int wait_with_signals(void *argument, int mode)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    return wait_for_it(argument, mode);
}

static void test_signals(struct world *world)
{
    for (int mode = LOCK_SHARED; mode <= LOCK_EXCLUSIVE; mode++) {
        struct numbers *numbers = world->numbers;
        numbers->count = numbers->stage = 0;
        take(world, LOCK_EXCLUSIVE);
        signal(SIGUSR1, SIG_IGN);
        pid_t pid = start_child(wait_with_signals, world, mode);
        await(&numbers->count, 1);
        for (int i = 0; i < 30; i++) {
            kill(pid, SIGUSR1);
            nap(1000);
        }
        numbers->stage = 7;
        give(world);
        is_int(end_child(pid), 0, "signals do not end the wait");
    }
}

static void *cancelled(void *argument)
{
    struct world *world = argument;
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
    world->numbers->stage = 1;
    int bad = take(world, LOCK_EXCLUSIVE) < 0;
    bad |= mmi_lock_enter(&world->lock) < 0;
    mmi_lock_leave(&world->lock);
    bad |= give(world) < 0;
    world->numbers->count = bad ? -1 : 1;
    pthread_testcancel();
    world->numbers->count = -2;
    return NULL;
}

static void test_cancellation(struct world *world)
{
    pthread_t thread;
    take(world, LOCK_EXCLUSIVE);
    pthread_create(&thread, NULL, cancelled, world);
    await(&world->numbers->stage, 1);
    nap(5000);
    pthread_cancel(thread);
    nap(5000);
    give(world);
    pthread_join(thread, NULL);
    is_int(world->numbers->count, 1, "a cancelled thread finishes its calls");
    others_get(world, 0, 0, "and leaves the lock free");
}

static void test_registry(struct world *world)
{
    char name[32] = "";
    for (size_t i = 0; world->name[i] && i < sizeof name - 1; i++)
        name[i] = (char)(world->name[i] | 0x20);
    ok(mmi_lock_find(name) == world->lock.variant, "%s is found as '%s'",
       world->name, name);
    errno = 0;
    ok(!mmi_lock_find("NOPE") && errno == EINVAL &&
           strstr(mmi_fail_text(), "NOPE") &&
           strstr(mmi_fail_text(), world->name),
       "an unknown name is refused, %s named as known", world->name);
}

int main(void)
{
    need_proc();
    ok(mmi_lock_find("") == mmi_lock_at(0), "the first is the default");
    ok(!mmi_lock_at(mmi_lock_count()), "there is none after the last");
    for_each_variant(test_registry);
    for_each_variant(test_modes);
    for_each_variant(test_nesting);
    for_each_variant(test_depth);
    for_each_variant(test_foreign_release);
    for_each_variant(test_deadline);
    for_each_variant(test_waiting);
    for_each_variant(test_signals);
    for_each_variant(test_cancellation);
    return done();
}
