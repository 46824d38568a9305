/* SPDX-License-Identifier: MIT */
/*
 * lock_local.h -- the threads of one process, for variants without
 * LOCK_THREADS.
 *
 * Such a variant knows processes only.  Here their threads are kept apart:
 * readers share one shared lock of their process, a writer has the process's
 * exclusive lock for itself, and the last one out gives it back.  All of it is
 * private memory; a fork child starts with nobody inside, whatever the threads
 * of its parent were doing.
 */
#ifndef MMI_LOCK_LOCAL_H
#define MMI_LOCK_LOCAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lock/lock.h"

struct lock_local {
    /* Who is inside the internal lock: process generation and thread id in one
     * word, so that a word of before a fork is known for what it is. */
    _Atomic uint64_t inside;

    _Atomic uint64_t generation; /* the process that the rest is about */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned readers; /* threads that hold the user lock shared */
    uint32_t writer;  /* the thread that holds it exclusive, or 0 */
    bool upgrading;   /* a reader wants to be the writer */
    bool busy;        /* a thread waits for other processes */
};

/* The internal lock.  -1 with errno ETIMEDOUT, or after mmi_fail(). */
int mmi_lock_local_enter(struct lock_local *local, struct lock *lock,
                         const struct timespec *deadline);
void mmi_lock_local_leave(struct lock_local *local, struct lock *lock);

/* The user lock, by a thread that does not hold it.  LOCK_UPGRADE: that holds
 * it shared.  -1 with errno ETIMEDOUT, or after mmi_fail(). */
int mmi_lock_local_acquire(struct lock_local *local, struct lock *lock,
                           enum lock_mode mode,
                           const struct timespec *deadline);

/* By a thread that holds it in MODE.  Even if it fails, this thread does not
 * hold it any more. */
int mmi_lock_local_release(struct lock_local *local, struct lock *lock,
                           enum lock_mode mode);

int mmi_lock_local_state(struct lock_local *local, struct lock *lock,
                         struct lock_state *state);

#endif
