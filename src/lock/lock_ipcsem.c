/* SPDX-License-Identifier: MIT */
/*
 * lock_ipcsem.c -- IPCSEM: System V semaphores with undo.
 *
 * The user lock is one semaphore that starts at the largest value: a reader
 * takes 1 of it, a writer all, and an upgrade the rest, if it is all there.  A
 * second semaphore keeps two from upgrading at once.  The kernel gives back
 * what a dead process took.
 *
 * At most 32767 processes can read at once.  The set is open to its owner
 * alone until permit() says otherwise.  It is removed by the creator's destroy;
 * if the creator is killed it stays behind (ipcs -s, ipcrm).  Children that go
 * on after the creator's destroy get EIDRM or EINVAL.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fault.h"
#include "lock/lock.h"
#include "lock/lock_wait.h"

enum { SEM_INTERNAL, SEM_USER, SEM_UPGRADE, SEM_COUNT };
enum { ALL = 32767 }; /* the largest value of a semaphore */

struct set {
    int id;
    short taken; /* of SEM_USER by this process */
};

union semctl_argument { /* left to the caller to define */
    int value;
    struct semid_ds *status;
    unsigned short *values;
};

static int ipcsem_create(struct lock *lock)
{
    unsigned short values[SEM_COUNT] = {
        [SEM_INTERNAL] = 1, [SEM_USER] = ALL, [SEM_UPGRADE] = 1};
    struct set *set = calloc(1, sizeof *set);
    if (!set)
        return mmi_fail("mm:core: cannot create a lock");
    set->id = semget(IPC_PRIVATE, SEM_COUNT, IPC_CREAT | 0600);
    if (set->id < 0) {
        mmi_fail("mm:core: cannot create semaphores");
        goto undo_memory;
    }
    union semctl_argument argument = {.values = values};
    if (semctl(set->id, 0, SETALL, argument) < 0) {
        mmi_fail("mm:core: cannot set semaphores");
        goto undo_set;
    }
    lock->private = set;
    return 0;

undo_set:;
    int saved = errno;
    semctl(set->id, 0, IPC_RMID);
    errno = saved;
undo_memory:
    free(set);
    return -1;
}

/* COUNT operations at once, or none of them. */
static int operate(const struct set *set, struct sembuf *operations,
                   size_t count, const struct timespec *deadline)
{
    for (;;) {
        struct timespec left;
        long long ns = deadline ? mmi_lock_left(deadline) : 0;
        left.tv_sec = ns / 1000000000;
        left.tv_nsec = ns % 1000000000;
        if (semtimedop(set->id, operations, count, deadline ? &left : NULL) ==
            0)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return mmi_fail("mm:core: cannot operate a semaphore");
        errno = ETIMEDOUT;
        return -1;
    }
}

static struct sembuf change(unsigned short which, int by)
{
    return (struct sembuf){.sem_num = which,
                           .sem_op = (short)by,
                           .sem_flg = MUTANT(lock_no_undo) ? 0 : SEM_UNDO};
}

static int upgrade(struct set *set, const struct timespec *deadline)
{
    static const struct timespec only_try;
    struct sembuf begin = change(SEM_UPGRADE, -1);
    if (operate(set, &begin, 1, &only_try) < 0)
        return errno != ETIMEDOUT
                   ? -1
                   : mmi_fail_as(EDEADLK, "mm:core: cannot upgrade the lock: "
                                          "another reader is upgrading");
    struct sembuf end[2] = {change(SEM_UPGRADE, 1), change(SEM_USER, 1 - ALL)};
    int result = operate(set, end, 2, deadline);
    if (result < 0) {
        int saved = errno;
        operate(set, end, 1, NULL);
        errno = saved;
    }
    return result;
}

static int ipcsem_acquire(struct lock *lock, enum lock_which which,
                          enum lock_mode mode, const struct timespec *deadline)
{
    struct set *set = lock->private;
    struct sembuf take = change(SEM_INTERNAL, -1);
    if (which == LOCK_INTERNAL)
        return operate(set, &take, 1, deadline);
    short taken = mode == LOCK_SHARED ? 1 : ALL;
    take = change(SEM_USER, -taken);
    int result = mode == LOCK_UPGRADE ? upgrade(set, deadline)
                                      : operate(set, &take, 1, deadline);
    if (result == 0)
        set->taken = taken;
    return result;
}

static int ipcsem_release(struct lock *lock, enum lock_which which)
{
    struct set *set = lock->private;
    struct sembuf give = which == LOCK_INTERNAL ? change(SEM_INTERNAL, 1)
                                                : change(SEM_USER, set->taken);
    return operate(set, &give, 1, NULL);
}

static void ipcsem_destroy(struct lock *lock)
{
    int saved = errno;
    struct set *set = lock->private;
    if (lock->creator == getpid())
        semctl(set->id, 0, IPC_RMID);
    free(set);
    errno = saved;
}

static int ipcsem_permit(const struct lock *lock, mode_t mode, uid_t uid,
                         gid_t gid)
{
    const struct set *set = lock->private;
    struct semid_ds status;
    union semctl_argument argument = {.status = &status};
    if (semctl(set->id, 0, IPC_STAT, argument) < 0)
        return mmi_fail("mm:core: cannot see who may use the semaphores");
    if (uid != (uid_t)-1)
        status.sem_perm.uid = uid;
    if (gid != (gid_t)-1)
        status.sem_perm.gid = gid;
    status.sem_perm.mode = (unsigned short)(mode & 0777);
    if (semctl(set->id, 0, IPC_SET, argument) < 0)
        return mmi_fail("mm:core: cannot set who may use the semaphores");
    return 0;
}

static int ipcsem_state(struct lock *lock, struct lock_state *state)
{
    const struct set *set = lock->private;
    int value = semctl(set->id, SEM_USER, GETVAL);
    int pid = value == 0 ? semctl(set->id, SEM_USER, GETPID) : 0;
    if (value < 0 || pid < 0)
        return mmi_fail("mm:core: cannot read a semaphore");
    if (value == 0)
        state->holder = pid > 0 ? pid : -1;
    else
        state->readers = (unsigned)(ALL - value);
    return 0;
}

const struct lock_variant mmi_lock_ipcsem = {
    .name = "IPCSEM",
    .summary = "System V semaphores with undo",
    .traits =
        LOCK_READERS | LOCK_RECOVERS | LOCK_SAFE_FROM_PEERS | LOCK_UPGRADES,
    .shared_size = LOCK_NOTES_SIZE,
    .create = ipcsem_create,
    .acquire = ipcsem_acquire,
    .release = ipcsem_release,
    .destroy = ipcsem_destroy,
    .permit = ipcsem_permit,
    .state = ipcsem_state,
};
