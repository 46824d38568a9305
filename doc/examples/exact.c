/* SPDX-License-Identifier: MIT */
/*
 * exact.c -- a hash table of linked lists that loses nothing, whoever dies.
 *
 *     cc exact.c $(mm-config --cflags --libs) && ./a.out
 *
 * Workers insert and remove under the lock and are killed at random instants,
 * inside the library or outside of it.  Every block hangs either on a list or
 * on the one cell of the table, so the next worker knows what to do with it,
 * and no block is ever lost.  Exits with 0 if that is so.
 */
#include <errno.h>
#include <mm.h>
#include <signal.h>
#include <sys/wait.h>

enum { BUCKETS = 64, KEYS = 500, WORKERS = 200 };

struct node {
    size_t next; /* offset of the next one of the list, 0 at the end */
    unsigned key;
};

struct table {
    size_t spare; /* a cell: the node that is on its way in or out */
    size_t buckets[BUCKETS];
};

/* The stores of a process must happen in the order they are written: its death
 * may come between any two of them. */
static void set(size_t *link, size_t node)
{
    __atomic_store_n(link, node, __ATOMIC_RELEASE);
}

static struct node *at(MM *mm, size_t offset)
{
    return offset ? mm_pointer(mm, offset) : NULL;
}

/* Where the list says that there is a node with KEY, or where it ends. */
static size_t *find(MM *mm, struct table *table, unsigned key)
{
    size_t *link = &table->buckets[key % BUCKETS];
    while (*link && at(mm, *link)->key != key)
        link = &at(mm, *link)->next;
    return link;
}

/* Complete what a dead worker began: the node in the cell belongs to a list, or
 * to nobody. */
static void mend(MM *mm, struct table *table)
{
    for (int i = 0; table->spare && i < BUCKETS; i++)
        for (size_t node = table->buckets[i]; node; node = at(mm, node)->next)
            if (node == table->spare) {
                set(&table->spare, 0);
                return;
            }
    mm_free_at(mm, &table->spare);
}

static void insert(MM *mm, struct table *table, unsigned key)
{
    struct node *node = mm_malloc_at(mm, sizeof *node, &table->spare);
    if (!node)
        return;
    size_t *first = &table->buckets[key % BUCKETS];
    node->key = key;
    node->next = *first;
    set(first, table->spare); /* now it is in the list */
    set(&table->spare, 0);
}

static void take_out(MM *mm, struct table *table, size_t *link)
{
    set(&table->spare, *link);
    set(link, at(mm, *link)->next); /* now it is not */
    mm_free_at(mm, &table->spare);
}

/* Until killed. */
static void work(MM *mm, struct table *table, unsigned seed)
{
    for (;;) {
        seed = seed * 1103515245 + 12345;
        unsigned key = (seed >> 16) % KEYS;
        if (!mm_lock(mm, MM_LOCK_RW))
            _exit(1);
        if (table->spare)
            mend(mm, table);
        size_t *link = find(mm, table, key);
        if (*link)
            take_out(mm, table, link);
        else
            insert(mm, table, key);
        mm_unlock(mm);
    }
}

static int count_block(void *count, void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
    ++*(size_t *)count;
    return 0;
}

int main(void)
{
    MM *mm = mm_create(1 << 20, NULL);
    struct table *table = mm ? mm_calloc(mm, 1, sizeof *table) : NULL;
    if (!table) {
        fprintf(stderr, "exact: %s\n", mm_error());
        return 1;
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            work(mm, table, i);
        usleep(i * 37 % 1000);
        if (pid > 0)
            kill(pid, SIGKILL);
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }

    if (!mm_lock(mm, MM_LOCK_RW))
        return 1;
    if (table->spare)
        mend(mm, table);
    size_t listed = 0;
    for (int i = 0; i < BUCKETS; i++)
        for (size_t node = table->buckets[i]; node; node = at(mm, node)->next)
            listed++;
    size_t blocks = 0;
    mm_walk(mm, count_block, &blocks);
    mm_unlock(mm);

    printf("%d workers killed, %zu nodes, %zu blocks lost\n", WORKERS, listed,
           blocks - 1 - listed);
    int bad = blocks != listed + 1 || mm_check(mm) != 0;
    mm_destroy(mm);
    return bad;
}
