/* SPDX-License-Identifier: MIT */
/*
 * lock.h -- what a lock variant must provide, and the lock users see.
 *
 * Each pool has two locks.  The *internal* one guards the page runs of the
 * heap; it is exclusive, held for a short time, never nested, and always
 * released by the thread that took it.  The *user* lock is what mm_lock()
 * takes; client code runs under it.  A variant supplies both; lock_user.c puts
 * thread exclusion, counting and upgrade on top of the variant's user lock,
 * once for all of them.
 *
 * Both are released when their holder dies, however it dies.  A variant may
 * keep numbers in its shared bytes, never addresses, descriptors or paths, and
 * believes none of them.
 */
#ifndef MMI_LOCK_H
#define MMI_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "lock/lock_fast.h"

enum lock_which { LOCK_INTERNAL, LOCK_USER };

/* LOCK_UPGRADE is asked only of variants without LOCK_THREADS: the process
 * holds the user lock shared and wants it exclusive with nobody else getting
 * in between.  Where that fails it still holds it shared; EDEADLK if another
 * holder is upgrading. */
enum lock_mode { LOCK_SHARED, LOCK_EXCLUSIVE, LOCK_UPGRADE };

enum lock_traits {
    LOCK_READERS = 1,         /* several shared holders at once */
    LOCK_THREADS = 2,         /* excludes threads of one process by itself */
    LOCK_RECOVERS = 4,        /* free again when the holder dies */
    LOCK_SAFE_FROM_PEERS = 8, /* no peer can steer us through shared bytes */
    LOCK_UPGRADES = 16,       /* acquire(EXCLUSIVE) of a shared holder works */
    LOCK_NEEDS_FD = 32,       /* fails with EBADF once its fd was closed */
};

/* A variant without LOCK_THREADS asks for this many shared bytes and leaves
 * them to lock_user.c. */
enum { LOCK_NOTES_SIZE = 64 };

/* A lock, as the process that holds it knows it: private memory. */
struct lock {
    const struct lock_variant *variant;
    uint64_t id;   /* for mmi_thread_local(); set by the caller of create */
    char *shared;  /* variant->shared_size zeroed bytes, 64-byte aligned */
    long timeout;  /* ms that acquire(LOCK_INTERNAL) may wait; 0: no end */
    void *private; /* the variant's own, made by create() */
    void *user;    /* lock_user.c's own */
    pid_t creator; /* the process whose destroy() removes things */

    /* The client's, NULL or set before anybody locks: sees to what a holder of
     * the user lock left that died.  Run by who takes the lock over, before
     * anybody else can become a writer; outside the internal lock. */
    void (*owner_died)(void *context);
    void *context;
};

/* Who holds the user lock, as far as the variant can tell. */
struct lock_state {
    pid_t holder;     /* thread id of the exclusive holder; 0: none; -1: held
                         by somebody the variant cannot name */
    unsigned readers; /* shared holders; 0 where they cannot be counted */
    bool owner_died;  /* a holder died since the last report */
    unsigned depth;   /* times that this thread holds it; lock_user.c's */
};

struct lock_variant {
    const char *name;    /* as in --with-lock=NAME and MM_OPTIONS=lock=NAME */
    const char *summary; /* one line for mm-config --variants */
    unsigned traits;     /* of enum lock_traits */
    size_t shared_size;  /* bytes wanted in the segment; may be sparse */
    size_t shared_start; /* bytes of them to back at once; 0: all.  The variant
                            sees to the others before it touches them */

    /* Make both locks, unlocked.  LOCK->shared, ->id, ->timeout are set.
     * 0, or -1 after mmi_fail() with nothing left behind. */
    int (*create)(struct lock *lock);

    /* Take WHICH lock in MODE (LOCK_INTERNAL: always exclusive), waiting at
     * most until DEADLINE, CLOCK_MONOTONIC; NULL waits for ever, a time in the
     * past only tries.  Interrupted system calls are repeated.
     *  0: taken.  -1 with errno ETIMEDOUT, which lock_user.c puts into words,
     *  or -1 after mmi_fail(): EDEADLK, EBADF, ... */
    int (*acquire)(struct lock *lock, enum lock_which which,
                   enum lock_mode mode, const struct timespec *deadline);

    /* Give back what this thread (with LOCK_THREADS) or process took.
     * 0, or -1 after mmi_fail(). */
    int (*release)(struct lock *lock, enum lock_which which);

    /* Free private parts; the creator also removes system objects.  Other
     * processes go on where the system allows it.  Keeps errno. */
    void (*destroy)(struct lock *lock);

    /* Optional, with LOCK_THREADS: what the calling thread knows about the user
     * lock, if the variant keeps that itself; NULL after mmi_fail().  All but
     * quick, depth and mode is then the variant's. */
    struct lock_hold *(*hold)(struct lock *lock);

    /* Optional: hand the system object to other users; as shm's permit. */
    int (*permit)(const struct lock *lock, mode_t mode, uid_t uid, gid_t gid);

    /* Optional: fill *STATE for the user lock.  0, or -1 after mmi_fail(). */
    int (*state)(struct lock *lock, struct lock_state *state);
};

/* The variants of this build, best first; as for shm. */
size_t mmi_lock_count(void);
const struct lock_variant *mmi_lock_at(size_t index);
const struct lock_variant *mmi_lock_find(const char *name);

/* Make and remove a lock of VARIANT, the layer above included. */
int mmi_lock_create(struct lock *lock, const struct lock_variant *variant,
                    char *shared, uint64_t id, long timeout);
void mmi_lock_destroy(struct lock *lock);

/* The internal lock, for threads and processes alike.  Waits at most
 * LOCK->timeout, then -1 after mmi_fail_as(ETIMEDOUT); EDEADLK if this thread
 * holds it already. */
int mmi_lock_enter(struct lock *lock);
void mmi_lock_leave(struct lock *lock);

/* mmi_lock_enter() if that takes no time, else false.  Records nothing. */
bool mmi_lock_try_enter(struct lock *lock);

/* The user lock: counted per thread, shared or exclusive.  Shared inside
 * exclusive stays exclusive; exclusive inside shared upgrades and stays so
 * until the outermost release; a second upgrader gets EDEADLK.  DEADLINE as for
 * acquire.  0, or -1 after mmi_fail(): ETIMEDOUT (EBUSY when it only tried),
 * EDEADLK, EBADF, ... */
int mmi_lock_acquire(struct lock *lock, enum lock_mode mode,
                     const struct timespec *deadline);

/* Undo one acquire of this thread.  Without one: -1 after mmi_fail_as(EPERM),
 * nothing changed. */
int mmi_lock_release(struct lock *lock);

/* What the calling thread knows about LOCK, for lock_fast.h; it stays where it
 * is until the thread or the lock ends.  NULL after mmi_fail(). */
struct lock_hold *mmi_lock_hold(struct lock *lock);

/* For variants: a holder of the user lock is found dead, and the caller has the
 * lock, or keeps others from becoming its writer.  Keeps errno and the record
 * of what failed last. */
void mmi_lock_owner_died(struct lock *lock);

/* Holder, readers, and whether a holder died since the last call. */
int mmi_lock_state(struct lock *lock, struct lock_state *state);

#endif
