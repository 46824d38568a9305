/* SPDX-License-Identifier: MIT */
/*
 * segment.c -- a scoreboard in a raw segment: no allocator, only a lock.
 *
 *     cc segment.c $(mm-config --cflags --libs) && ./a.out
 *
 * Each worker keeps one row; the parent reads them all together.  Exits with 0
 * if the rows add up.
 */
#include <mm.h>
#include <sys/wait.h>

enum { WORKERS = 3, REQUESTS = 1000 };

struct row {
    pid_t pid;
    unsigned long requests;
    unsigned long bytes;
};

static void serve(struct row *board, int self)
{
    for (int i = 0; i < REQUESTS; i++) {
        mm_core_lock(board, MM_LOCK_RW);
        board[self].pid = getpid();
        board[self].requests++;
        board[self].bytes += 100;
        mm_core_unlock(board);
    }
}

int main(void)
{
    size_t size = WORKERS * sizeof(struct row);
    struct row *board = mm_core_create(size, NULL);
    if (!board) {
        fprintf(stderr, "segment: %s\n", mm_error());
        return 1;
    }

    for (int i = 0; i < WORKERS; i++) {
        pid_t pid = fork();
        if (pid < 0) {
            perror("segment: fork");
            return 1;
        }
        if (pid == 0) {
            serve(board, i);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        continue;

    unsigned long requests = 0;
    unsigned long bytes = 0;
    if (!mm_core_lock(board, MM_LOCK_RD)) {
        fprintf(stderr, "segment: %s\n", mm_error());
        return 1;
    }
    for (int i = 0; i < WORKERS; i++) {
        printf("worker %ld: %lu requests\n", (long)board[i].pid,
               board[i].requests);
        requests += board[i].requests;
        bytes += board[i].bytes;
    }
    mm_core_unlock(board);

    int bad = requests != (unsigned long)WORKERS * REQUESTS ||
              bytes != 100 * requests || mm_core_size(board) != size;
    mm_core_delete(board);
    return bad;
}
