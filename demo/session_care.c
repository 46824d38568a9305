/* SPDX-License-Identifier: MIT */
/*
 * session_care.c -- making a table of sessions, looking after it, taking it
 * down.
 */
#include "config.h"

#include "session_private.h"

struct table *table_create(MM *pool)
{
    struct table *t = mm_calloc(pool, 1, sizeof *t);
    if (!t)
        return NULL;
    t->pool = pool;
    t->bucket = mm_calloc(pool, BUCKETS, sizeof *t->bucket);
    if (!t->bucket) {
        mm_free(pool, t);
        return NULL;
    }
    return t;
}

void table_destroy(struct table *t)
{
    MM *pool = t->pool;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct session *s = t->bucket[i], *next; s; s = next) {
            next = s->next;
            mm_free(pool, s);
        }
    }
    mm_free(pool, t->bucket);
    mm_free(pool, t);
}

long table_expire(struct table *t)
{
    if (!table_enter(t, MM_LOCK_RW))
        return -1;
    long count = 0;
    int64_t now = table_clock();
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct session **link = &t->bucket[i]; *link;) {
            if (table_is_over(*link, now)) {
                struct change change = table_begin(t);
                table_remove(t, link, &change, &change.counts.expired);
                count++;
            } else {
                link = &(*link)->next;
            }
        }
    }
    table_leave(t);
    return count;
}

struct sweep {
    struct table *table;
    long count;
};

/* A session is in the chain that its name belongs to; whatever a block that
 * is none has in this place, no chain leads to it. */
static int sweep_block(void *argument, void *block, size_t size)
{
    struct sweep *sweep = argument;
    struct table *t = sweep->table;
    struct session *s = block;
    if (block == t || block == (void *)t->bucket)
        return 0;
    if (size >= sizeof *s && memchr(s->id, 0, sizeof s->id))
        for (struct session *other = *table_bucket(t, s->id); other;
             other = other->next)
            if (other == s)
                return 0;
    mm_free(t->pool, block);
    sweep->count++;
    return 0;
}

/* Under the exclusive lock nobody else is building or freeing a session. */
long table_sweep(struct table *t)
{
    struct sweep sweep = {t, 0};
    if (!table_enter(t, MM_LOCK_RW))
        return -1;
    int walked = mm_walk(t->pool, sweep_block, &sweep);
    table_leave(t);
    return walked < 0 ? -1 : sweep.count;
}

int table_visit(struct table *t,
                int (*visit)(void *argument, const char *id, const char *data,
                             size_t length),
                void *argument)
{
    int result = 0;
    if (!table_enter(t, MM_LOCK_RD))
        return -1;
    for (size_t i = 0; i < BUCKETS && result == 0; i++)
        for (struct session *s = t->bucket[i]; s && result == 0; s = s->next)
            result = visit(argument, s->id, s->data, s->length);
    table_leave(t);
    return result;
}

int table_look(struct table *t, struct table_counts *counts,
               struct table_notes *notes)
{
    if (!table_enter(t, MM_LOCK_RD))
        return -1;
    if (counts)
        *counts = t->counts;
    if (notes)
        *notes = (struct table_notes){t->owners_died, t->redone, t->recognized};
    table_leave(t);
    return 0;
}
