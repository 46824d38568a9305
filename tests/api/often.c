/* SPDX-License-Identifier: MIT */
/*
 * often.c -- mm can lock in the same way after having done so many times, when
 * most of it is left out.
 */
#include <pthread.h>

#include "api.h"

enum { OFTEN = 1000 };

static MM *mm;
static pthread_key_t key;

/* What somebody gets who tries: 1, or 0 with EBUSY; else 2. */
static int try_lock(void *unused, int mode)
{
    (void)unused;
    if (mm_trylock(mm, (mm_lock_mode)mode))
        return mm_unlock(mm);
    return errno == EBUSY ? 0 : 2;
}

static void others_get(int reader, int writer, const char *when)
{
    int got[2] = {end_child(start_child(try_lock, NULL, MM_LOCK_RD)),
                  end_child(start_child(try_lock, NULL, MM_LOCK_RW))};
    if (!ok(got[0] == reader && got[1] == writer, "%s", when))
        diag("reader %d, writer %d", got[0], got[1]);
}

/* Lock and unlock until it goes the quick way. */
static bool lock_often(mm_lock_mode mode)
{
    int good = 0;
    for (int i = 0; i < OFTEN; i++)
        good += mm_lock(mm, mode) == 1 && mm_unlock(mm) == 1;
    return good == OFTEN;
}

static int unlock_in_child(void *unused, int mode)
{
    struct mm_lock_state state;
    (void)unused;
    errno = 0;
    if (mm_unlock(mm) != 1 || errno != EPERM)
        return 10;
    if (!mm_lock_state(mm, &state) || state.depth != 0)
        return 11;
    return try_lock(NULL, mode);
}

static void lock_and_fork(void)
{
    static const char *const names[] = {"shared", "exclusive"};
    for (int mode = MM_LOCK_RD; mode <= MM_LOCK_RW; mode++) {
        bool writes = mode == MM_LOCK_RW;
        diag("%s", names[mode]);
        ok(lock_often((mm_lock_mode)mode), "locked often");
        errno = EDOM;
        is_int(mm_lock(mm, (mm_lock_mode)mode), 1, "once more");
        is_int(errno, EDOM, "which keeps errno");
        others_get(!writes, 0, "others get in, or not");
        is_int(end_child(start_child(unlock_in_child, NULL, MM_LOCK_RW)), 0,
               "a forked child is outside");
        struct mm_lock_state state;
        mm_lock_state(mm, &state);
        is_int(state.depth, 1, "the parent is still inside");
        is_int(mm_lock(mm, MM_LOCK_RD), 1, "nested");
        mm_unlock(mm);
        others_get(!writes, 0, "one unlock: nothing changes");
        is_int(mm_unlock(mm), 1, "the other unlock");
        others_get(1, 1, "others get in");
        errno = 0;
        ok(mm_unlock(mm) == 1 && errno == EPERM, "one unlock too many");
        ok(lock_often((mm_lock_mode)mode), "locked often, upgraded then");
        mm_lock(mm, MM_LOCK_RD);
        is_int(mm_lock(mm, MM_LOCK_RW), 1, "upgraded");
        others_get(0, 0, "nobody gets in");
        mm_unlock(mm);
        others_get(0, 0, "one unlock: still nobody");
        mm_unlock(mm);
        others_get(1, 1, "all unlocked");
    }
}

static void make_anew(void)
{
    int good = 0, same = 0;
    for (int i = 0; i < 10; i++) {
        MM *old = mm;
        good += lock_often(MM_LOCK_RW) && mm_lock(mm, MM_LOCK_RW);
        mm_destroy(mm);
        mm = mm_create(0, NULL);
        same += mm == old;
        struct mm_lock_state state;
        good += mm_lock_state(mm, &state) && state.depth == 0;
        errno = 0;
        good += mm_unlock(mm) == 1 && errno == EPERM;
    }
    is_int(good, 30, "a lock is forgotten together with its pool");
    diag("%d times at the same address", same);
}

static void lock_late(void *times)
{
    if ((intptr_t)times > 1) {
        pthread_setspecific(key, (void *)((intptr_t)times - 1));
        return;
    }
    lock_often(MM_LOCK_RW);
}

static void *end_thread(void *unused)
{
    pthread_setspecific(key, (void *)(intptr_t)3);
    return lock_often(MM_LOCK_RW) ? &key : unused;
}

static void end_threads(void)
{
    int good = 0;
    pthread_key_create(&key, lock_late);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, NULL, end_thread, NULL);
        pthread_join(thread, &result);
        good += result != NULL;
    }
    is_int(good, 20, "threads lock often until they are gone");
    others_get(1, 1, "and leave it free");
}

static void lock_segment(void)
{
    int good = 0;
    MM *pool = mm;
    void *core = mm_core_create(4096, NULL);
    for (int i = 0; i < OFTEN; i++)
        good += mm_core_lock(core, MM_LOCK_RW) && mm_core_unlock(core);
    mm_core_lock(core, MM_LOCK_RW);
    is_int(good, OFTEN, "a raw segment, too");
    mm = core;
    others_get(0, 0, "nobody gets in");
    mm_core_unlock(core);
    others_get(1, 1, "unlocked");
    mm = pool;
    mm_core_delete(core);
}

int main(void)
{
    need_proc();
    mm = mm_create(0, NULL);
    if (!mm)
        bail("%s", mm_error());
    lock_and_fork();
    make_anew();
    end_threads();
    lock_segment();
    mm_destroy(mm);
    return done();
}
