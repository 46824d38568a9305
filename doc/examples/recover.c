/* SPDX-License-Identifier: MIT */
/*
 * recover.c -- a worker is killed while it holds the lock.
 *
 *     cc recover.c $(mm-config --cflags --libs) && ./a.out
 *
 * The next one who locks gets the lock, is told that the last holder died, and
 * repairs what only the program understands: here a list with its length, and
 * the block that the dead worker had allocated but not linked.  Exits with 0
 * if list and pool are as they should be.
 */
#include <errno.h>
#include <mm.h>
#include <signal.h>
#include <sys/wait.h>

struct node {
    struct node *next;
    int number;
};

struct list {
    size_t count; /* can be wrong after a death: see mend() */
    struct node *first;
};

static int push(MM *mm, struct list *list, int number, int die)
{
    struct node *node = mm_malloc(mm, sizeof *node);
    if (!node)
        return 0;
    node->number = number;
    node->next = list->first;
    if (die == 1)
        raise(SIGKILL); /* allocated, but not in the list */
    list->first = node;
    if (die == 2)
        raise(SIGKILL); /* in the list, but not counted */
    list->count++;
    return 1;
}

static int is_listed(const struct list *list, const void *ptr)
{
    const struct node *node = list->first;
    while (node && (const void *)node != ptr)
        node = node->next;
    return node != NULL;
}

struct sweep {
    MM *mm;
    const struct list *list;
    int freed;
};

static int free_orphan(void *argument, void *ptr, size_t size)
{
    struct sweep *sweep = argument;
    (void)size;
    if (ptr != (const void *)sweep->list && !is_listed(sweep->list, ptr)) {
        mm_free(sweep->mm, ptr);
        sweep->freed++;
    }
    return 0;
}

/* Called under the lock.  All blocks of this pool belong to the list. */
static int mend(MM *mm, struct list *list)
{
    list->count = 0;
    for (struct node *node = list->first; node; node = node->next)
        list->count++;

    struct sweep sweep = {mm, list, 0};
    if (mm_walk(mm, free_orphan, &sweep) < 0)
        return -1;
    return sweep.freed;
}

/* Let a worker push NUMBER and die as DIE says. */
static void run_worker(MM *mm, struct list *list, int number, int die)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (!mm_lock(mm, MM_LOCK_RW))
            _exit(1);
        push(mm, list, number, die);
        mm_unlock(mm);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

int main(void)
{
    MM *mm = mm_create(65536, NULL);
    struct list *list = mm ? mm_calloc(mm, 1, sizeof *list) : NULL;
    if (!list) {
        fprintf(stderr, "recover: %s\n", mm_error());
        return 1;
    }

    int bad = 0;
    for (int die = 0; die <= 2; die++) {
        run_worker(mm, list, die, die);

        struct mm_lock_state state;
        int freed = 0;
        if (!mm_lock(mm, MM_LOCK_RW) || !mm_lock_state(mm, &state)) {
            fprintf(stderr, "recover: %s\n", mm_error());
            return 1;
        }
        if (state.owner_died)
            freed = mend(mm, list);
        mm_unlock(mm);
        printf("worker %d: %s, %zu in the list, %d freed\n", die,
               state.owner_died ? "died with the lock" : "went well",
               list->count, freed);
        bad |= !state.owner_died != !die || freed != (die == 1);
    }
    bad |= list->count != 2 || mm_check(mm) != 0;
    mm_destroy(mm);
    return bad;
}
