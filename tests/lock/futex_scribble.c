/* SPDX-License-Identifier: MIT */
/*
 * futex_scribble.c -- with another process scribbling over its shared bytes,
 * FUTEX may fail, or let in whom it should not, but each call comes back and
 * touches nothing else.
 */
#include "futex.h"

enum { SECONDS = 2, LIMIT_MS = 20 };

static int scribble(void *argument, int number)
{
    (void)argument;
    unsigned char *low = (unsigned char *)bytes;
    size_t size = offsetof(struct futex_bytes, user.slots) + 8192;
    uint64_t interesting[] = {0,
                              UINT64_MAX,
                              WORD_WAITERS,
                              WORD_MARK,
                              1,
                              (uint64_t)getppid(),
                              (uint64_t)getppid() | WORD_WAITERS,
                              LIFE_TID};
    srandom((unsigned)number);
    numbers->stage = 1;
    while (numbers->stage) {
        uint64_t value = interesting[random() % 8];
        if (random() % 2)
            value = (uint64_t)random() << 32 ^ (uint64_t)random();
        /* The first line of each part more often than the rest. */
        size_t at = (size_t)random() % (random() % 4 ? 256 : size);
        memcpy(low + at / 8 * 8, &value, 8);
        if (random() % 512 == 0)
            nap(random() % 8 ? 10 : random() % 40000);
    }
    return 0;
}

static long long left(const struct timespec *deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (deadline->tv_sec - now.tv_sec) * 1000LL +
           (deadline->tv_nsec - now.tv_nsec) / 1000000;
}

int main(void)
{
    make_futex(LIMIT_MS);
    numbers->stage = 0;
    pid_t pid = start_child(scribble, NULL, 4711);
    await(1);
    int taken = 0, failed = 0, odd = 0, late = 0;
    struct timespec end = in_ms(SECONDS * 1000);
    for (int i = 0; left(&end) > 0; i++) {
        int way = i % 3;
        struct timespec deadline = in_ms(LIMIT_MS);
        struct lock_state state;
        if (take(way, &deadline) == 0) {
            taken++;
            if (way == READ && i % 2 && take(WRITE, &deadline) == 0)
                give(WRITE);
            if (way == INTERNAL)
                mmi_lock_leave(&futex);
            else
                mmi_lock_release(&futex);
        } else {
            failed++;
            odd += errno != ETIMEDOUT && errno != EDEADLK;
        }
        mmi_lock_state(&futex, &state);
        late += left(&deadline) < -1000;
    }
    kill(pid, SIGKILL);
    end_child(pid);
    diag("%d taken, %d failed", taken, failed);
    ok(taken > 0, "some calls succeed");
    is_int(odd, 0, "the others fail as announced");
    is_int(late, 0, "and none forgets its deadline");

    memset(bytes, 0, offsetof(struct futex_bytes, user.slots) + 8192);
    can_take(WRITE, "order restored");
    return done();
}
