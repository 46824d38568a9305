/* SPDX-License-Identifier: MIT */
/*
 * peer.h -- an unprivileged child that scribbles on a pool without end: for a
 * while in one way, then in another; now and then it puts back what was there
 * in the beginning, so that there is something to damage again.
 */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include <grp.h>
#include <time.h>
#include <unistd.h>

#include "base/life.h"
#include "calls.h"
#include "damage.h"

enum { NOBODY = 65534 };

/* In shared memory. */
struct peer_report {
    _Atomic unsigned long long damages;
    _Atomic int unprivileged;
};

struct peer {
    uint64_t seed;
    struct target target;
    struct chance chance;
    char *image; /* of the control data, while it was sound */
    struct peer_report *report;
};

/* In the victim, whose pool the peer is aimed at and which is sound. */
static inline void prepare_peer(struct peer *peer, struct peer_report *report)
{
    peer->report = report;
    peer->target.names[0] = mmi_life_self()->name;
    peer->target.names[3] = UINT64_C(0x12345678) << 32 | 0x2fffffff;
    peer->image = malloc(peer->target.control_size);
    if (!peer->image)
        abort();
    memcpy(peer->image, peer->target.base, peer->target.control_size);
}

static inline bool drop_privileges(void)
{
    return geteuid() == 0 && setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 &&
           setuid(NOBODY) == 0;
}

static inline void nap(size_t us)
{
    struct timespec time = {0, (long)us * 1000};
    nanosleep(&time, NULL);
}

/* All as it was, so that there is something to damage again.  For whoever works
 * meanwhile this is damage, too. */
static inline void heal(struct peer *peer)
{
    const struct target *target = &peer->target;
    size_t lead = (size_t)((char *)target->mm - target->base);
    size_t lock = lead < 4096 ? lead : 4096;
    memcpy(target->base, peer->image, lock);
    memcpy(target->base + lead, peer->image + lead,
           target->control_size - lead);
}

/* As a process may that is only slow: the lock is taken the usual way. */
static inline void hold_lock(struct peer *peer)
{
    struct lock *lock = &mmi_pool_find(peer->target.mm)->segment->lock;
    struct timespec deadline = soon_enough(5);
    if (mmi_lock_enter(lock) == 0) {
        nap(15000);
        mmi_lock_leave(lock);
    }
    if (mmi_lock_acquire(lock, LOCK_EXCLUSIVE, &deadline) == 0) {
        nap(15000);
        mmi_lock_release(lock);
    }
}

static inline void damage(struct peer *peer, size_t way)
{
    switch (way) {
    case 0:
    case 1:
    case 2:
        damage_heap(&peer->target, &peer->chance);
        break;
    case 3:
        damage_lock(&peer->target, &peer->chance);
        break;
    case 4:
        damage_bytes(&peer->target, &peer->chance);
        break;
    default:
        damage_by_replay(&peer->target, &peer->chance, peer->image);
        break;
    }
}

__attribute__((noreturn, unused)) static int scribble(void *argument,
                                                      int number)
{
    struct peer *peer = argument;
    struct chance *chance = &peer->chance;
    peer->report->unprivileged = drop_privileges();
    *chance = (struct chance){.state = peer->seed + (uint64_t)number + 1};
    peer->target.names[1] = (uint64_t)getpid();
    peer->target.names[2] = mmi_life_self()->name;
    for (;;) {
        if (pick(chance, 3) == 0) {
            heal(peer);
            nap(pick(chance, 400));
        }
        size_t way = pick(chance, 8);
        size_t count = (size_t)1 << pick(chance, 9);
        if (way == 6 && pick(chance, 10) == 0)
            hold_lock(peer);
        for (size_t i = 0; i < count; i++)
            damage(peer, way < 6 ? way : pick(chance, 6));
        peer->report->damages += count;
        if (way == 3)
            poke(peer->target.base, 8, 0);
        if (pick(chance, 2))
            nap(pick(chance, 300));
    }
}

#endif
