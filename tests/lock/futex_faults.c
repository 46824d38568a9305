/* SPDX-License-Identifier: MIT */
/*
 * futex_faults.c -- whoever is about to end the bias of a FUTEX lock dies, and
 * nobody meets the thread that was inside; a test build that lacks the rescan
 * is found out.
 */
#include <stdlib.h>

#include "base/fault.h"
#include "futex.h"

/* Be inside a biased lock until stage 2. */
static int stay_inside(void *argument, int way)
{
    (void)argument;
    if (!become_biased() || take(way, NULL) < 0)
        return 1;
    numbers->stage = 1;
    await(2);
    give(way);
    return 0;
}

/* Take the word of the biased thread, and die before looking for it. */
static int die_revoking(void *argument, int way)
{
    (void)argument;
    setenv("MM_FAULT", "lock.revoked", 1);
    take(way, NULL);
    return 1;
}

static int try_for_a_moment(void *argument, int way)
{
    struct timespec deadline = in_ms(50);
    mmi_mutants[MUTANT_lock_no_rescan] = argument != NULL;
    if (take(way, &deadline) < 0)
        return errno == ETIMEDOUT ? 10 : 1;
    give(way);
    return 0;
}

/* Who follows the dead one: 10 if it waits for the one inside, as it should. */
static int follow(bool rescan, int way)
{
    return end_child(
        start_child(try_for_a_moment, rescan ? NULL : &futex, way));
}

static void die_between(void)
{
    for (int revoker = WRITE; revoker <= READ; revoker++)
        for (int follower = WRITE; follower <= READ; follower++) {
            numbers->stage = 0;
            pid_t inside = start_child(stay_inside, NULL, WRITE);
            await(1);
            is_int(end_child(start_child(die_revoking, NULL, revoker)),
                   1000 + SIGKILL, "one dies while ending the bias");
            is_int(follow(true, follower), 10,
                   "the next one sees who is inside");
            is_int(follow(true, follower), 10, "and so does the next but one");
            struct lock_state state;
            mmi_lock_state(&futex, &state);
            is_int(state.holder, inside, "who is named");
            if (follower == READ)
                is_int(follow(false, follower), 0,
                       "without the rescan it would get in");
            numbers->stage = 2;
            is_int(end_child(inside), 0, "the one inside leaves");
            can_take(WRITE, "revoker dead");
            can_take(READ, "revoker dead");
            mmi_lock_state(&futex, &state);
            ok(state.holder == 0 && state.readers == 0, "all is quiet");
        }
}

/* The biased thread is dead, too. */
static void die_both(void)
{
    for (int revoker = WRITE; revoker <= READ; revoker++)
        for (int follower = WRITE; follower <= READ; follower++) {
            numbers->stage = 0;
            pid_t inside = start_child(stay_inside, NULL, WRITE);
            await(1);
            is_int(end_child(start_child(die_revoking, NULL, revoker)),
                   1000 + SIGKILL, "one dies while ending the bias");
            kill(inside, SIGKILL);
            end_child(inside);
            can_take(follower, "both dead");
            struct lock_state state;
            mmi_lock_state(&futex, &state);
            ok(state.owner_died && state.holder == 0 && state.readers == 0,
               "that is reported");
        }
}

int main(void)
{
    need_proc();
    make_futex(10000);
    if (!has_fences())
        skip_all("there is no membarrier() here");
    die_between();
    die_both();
    return done();
}
