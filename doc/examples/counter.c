/* SPDX-License-Identifier: MIT */
/*
 * counter.c -- the smallest prefork program: workers count in shared memory.
 *
 *     cc counter.c $(mm-config --cflags --libs) && ./a.out
 *
 * The parent makes a pool and forks; parent and workers see the same counter
 * at the same address.  Exits with 0 if no increment was lost.
 */
#include <mm.h>
#include <sys/wait.h>

enum { WORKERS = 4, ROUNDS = 10000 };

static int work(MM *mm, long *counter)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (!mm_lock(mm, MM_LOCK_RW))
            return 1;
        ++*counter;
        mm_unlock(mm);
    }
    return 0;
}

int main(void)
{
    MM *mm = mm_create(0, NULL);
    long *counter = mm ? mm_calloc(mm, 1, sizeof *counter) : NULL;
    if (!counter) {
        fprintf(stderr, "counter: %s\n", mm_error());
        return 1;
    }

    for (int i = 0; i < WORKERS; i++) {
        pid_t pid = fork();
        if (pid < 0) {
            perror("counter: fork");
            return 1;
        }
        if (pid == 0)
            _exit(work(mm, counter));
    }
    while (wait(NULL) > 0)
        continue;

    printf("%d workers counted to %ld\n", WORKERS, *counter);
    int lost = *counter != (long)WORKERS * ROUNDS;
    mm_destroy(mm);
    return lost;
}
