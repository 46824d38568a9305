/* SPDX-License-Identifier: MIT */
/*
 * table.c -- a hash table that several processes read and change.
 *
 *     cc table.c $(mm-config --cflags --libs) && ./a.out
 *
 * Readers share the lock, writers exclude everybody.  Entries are complete
 * before the one store that makes them reachable, so that a writer that is
 * killed leaves the table whole.  Exits with 0 if the table holds what the
 * workers put there.
 */
#include <mm.h>
#include <sys/wait.h>

enum { BUCKETS = 256, WORKERS = 4, KEYS = 500 };

struct entry {
    struct entry *next; /* plain pointers: all processes see one address */
    long value;
    char key[];
};

struct table {
    size_t count;
    struct entry *buckets[BUCKETS];
};

static size_t hash(const char *key)
{
    size_t sum = 5381;
    while (*key)
        sum = sum * 33 + (unsigned char)*key++;
    return sum % BUCKETS;
}

static struct entry *find(const struct table *table, const char *key)
{
    struct entry *entry = table->buckets[hash(key)];
    while (entry && strcmp(entry->key, key) != 0)
        entry = entry->next;
    return entry;
}

/* Add DELTA to the value of KEY, which starts at 0.  1, or 0 if it failed. */
static int table_add(MM *mm, struct table *table, const char *key, long delta)
{
    if (!mm_lock(mm, MM_LOCK_RW))
        return 0;
    struct entry *entry = find(table, key);
    if (!entry) {
        /* The pool's own lock is another one: allocating here is safe. */
        entry = mm_calloc(mm, 1, sizeof *entry + strlen(key) + 1);
        if (entry) {
            strcpy(entry->key, key);
            entry->next = table->buckets[hash(key)];
            table->buckets[hash(key)] = entry;
            table->count++;
        }
    }
    if (entry)
        entry->value += delta;
    mm_unlock(mm);
    return entry != NULL;
}

/* The value of KEY, -1 if there is none. */
static long table_get(MM *mm, struct table *table, const char *key)
{
    if (!mm_lock(mm, MM_LOCK_RD))
        return -1;
    struct entry *entry = find(table, key);
    long value = entry ? entry->value : -1;
    mm_unlock(mm);
    return value;
}

static int work(MM *mm, struct table *table)
{
    char key[32];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key %d", i);
        if (!table_add(mm, table, key, 1) || table_get(mm, table, key) < 1)
            return 1;
    }
    return 0;
}

int main(void)
{
    MM *mm = mm_create(1 << 20, NULL);
    struct table *table = mm ? mm_calloc(mm, 1, sizeof *table) : NULL;
    if (!table) {
        fprintf(stderr, "table: %s\n", mm_error());
        return 1;
    }

    for (int i = 0; i < WORKERS; i++) {
        pid_t pid = fork();
        if (pid < 0) {
            perror("table: fork");
            return 1;
        }
        if (pid == 0)
            _exit(work(mm, table));
    }
    int status;
    int failed = 0;
    while (wait(&status) > 0)
        failed |= status;

    char key[32];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key %d", i);
        failed |= table_get(mm, table, key) != WORKERS;
    }
    failed |= table->count != KEYS;
    printf("%zu keys, %zu bytes left in the pool: %s\n", table->count,
           mm_available(mm), failed ? "WRONG" : "right");
    mm_destroy(mm);
    return failed != 0;
}
