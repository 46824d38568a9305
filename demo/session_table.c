/* SPDX-License-Identifier: MIT */
/*
 * session_table.c -- a table of sessions in a pool, for many processes.
 *
 * Chains of sessions hang on an array of buckets.  Each change moves one link,
 * so that a chain is whole at every instruction; the intent is there because
 * the counts and the client's receipt have to change together with the link.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "session_private.h"

long table_die_at;

/* Idempotent: it may be done again after dying anywhere within. */
static void carry_out(struct table *t)
{
    if (t->intent.link)
        *t->intent.link = t->intent.to;
    if (table_die_at > 0 && --table_die_at == 0)
        kill(getpid(), SIGKILL);
    t->counts = t->intent.counts;
    t->receipt[t->intent.client] = t->intent.receipt;
    atomic_signal_fence(memory_order_seq_cst);
    t->committed = 0;
}

/* A kill strikes between two instructions: it is enough to keep the compiler
 * from changing the order of the stores. */
static void commit(struct table *t, const struct change *change)
{
    t->intent = *change;
    atomic_signal_fence(memory_order_seq_cst);
    t->committed = 1;
    atomic_signal_fence(memory_order_seq_cst);
    carry_out(t);
}

/* Whether a holder died is only counted; the intent says what is to be done.
 * A reader that has to carry one out goes on with the exclusive lock. */
bool table_enter(struct table *t, mm_lock_mode mode)
{
    struct mm_lock_state state;

    if (!mm_lock(t->pool, mode))
        return false;
    if (mode == MM_LOCK_RW && mm_lock_state(t->pool, &state) &&
        state.owner_died)
        t->owners_died++;
    if (t->committed && mode == MM_LOCK_RD) {
        mm_unlock(t->pool);
        if (!mm_lock(t->pool, MM_LOCK_RW))
            return false;
    }
    if (t->committed) {
        carry_out(t);
        t->redone++;
    }
    return true;
}

void table_leave(struct table *t)
{
    mm_unlock(t->pool);
}

int64_t table_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

bool table_is_over(const struct session *s, int64_t now)
{
    return s->expires && s->expires <= now;
}

struct session **table_bucket(struct table *t, const char *id)
{
    uint32_t hash = 2166136261u;
    for (const char *c = id; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return &t->bucket[hash % BUCKETS];
}

/* The link that leads to session ID, or the NULL at the end of its chain. */
static struct session **find_link(struct table *t, const char *id)
{
    struct session **link = table_bucket(t, id);
    while (*link && strcmp((*link)->id, id) != 0)
        link = &(*link)->next;
    return link;
}

struct change table_begin(struct table *t)
{
    return (struct change){.counts = t->counts, .client = TABLE_CLIENTS};
}

/* The start of a change that CLIENT asked for. */
static struct change begin_request(struct table *t,
                                   const struct table_client *client)
{
    struct change change = table_begin(t);
    change.counts.applied++;
    if (client && client->number) {
        change.client = client->client;
        change.receipt.number = client->number;
    }
    return change;
}

/* Was this request applied already, or overtaken?  Then *RESULT answers it. */
static bool is_answered(struct table *t, const struct table_client *client,
                        enum table_result *result)
{
    if (!client || client->number == 0)
        return false;
    const struct receipt *last = &t->receipt[client->client];
    if (client->number > last->number)
        return false;
    *result = TABLE_OUTDATED;
    if (client->number == last->number) {
        *result = last->result;
        t->recognized++;
    }
    return true;
}

void table_remove(struct table *t, struct session **link, struct change *change,
                  uint64_t *count)
{
    struct session *old = *link;
    change->link = link;
    change->to = old->next;
    ++*count;
    commit(t, change);
    mm_free(t->pool, old);
}

/* Make room: remove the next session that was not read since the last time
 * round.  The second round at the latest finds one. */
static bool evict_session(struct table *t)
{
    for (int i = 0; i <= 2 * BUCKETS; i++) {
        struct session **link = &t->bucket[t->hand++ % BUCKETS];
        for (; *link; link = &(*link)->next) {
            if (!atomic_exchange(&(*link)->touched, 0)) {
                struct change change = table_begin(t);
                table_remove(t, link, &change, &change.counts.evicted);
                return true;
            }
        }
    }
    return false;
}

/* The link to session ID, or to NULL; a session whose time is over is removed
 * first. */
static struct session **find_fresh(struct table *t, const char *id)
{
    struct session **link = find_link(t, id);
    if (*link && table_is_over(*link, table_clock())) {
        struct change change = table_begin(t);
        table_remove(t, link, &change, &change.counts.expired);
        link = find_link(t, id);
    }
    return link;
}

/* A filled session that nothing leads to yet. */
static struct session *build_session(struct table *t, const char *id,
                                     const char *data, size_t length,
                                     unsigned seconds)
{
    struct session *s;
    while (!(s = mm_malloc(t->pool, sizeof *s + length)))
        if (errno != ENOMEM || !evict_session(t))
            return NULL;
    memset(s, 0, sizeof *s);
    s->expires = seconds ? table_clock() + seconds * INT64_C(1000) : 0;
    s->stored_by = getpid();
    s->length = length;
    strcpy(s->id, id);
    memcpy(s->data, data, length);
    return s;
}

/* What table_put() does under the lock. */
static enum table_result put_session(struct table *t, const char *id,
                                     const char *data, size_t length,
                                     unsigned seconds, bool create,
                                     const struct table_client *client)
{
    if (create && *find_fresh(t, id)) {
        struct change change = begin_request(t, client);
        change.receipt.result = TABLE_EXISTS;
        commit(t, &change);
        return TABLE_EXISTS;
    }
    struct session *new = build_session(t, id, data, length, seconds);
    if (!new)
        return TABLE_FULL;

    /* Only now: building may have evicted, even the session to replace. */
    struct session **link = find_fresh(t, id), *old = *link;
    struct change change = begin_request(t, client);
    enum table_result result = old ? TABLE_REPLACED : TABLE_CREATED;
    ++*(old ? &change.counts.replaced : &change.counts.created);
    change.receipt.result = result;
    new->next = old ? old->next : NULL;
    change.link = link;
    change.to = new;
    commit(t, &change);
    mm_free(t->pool, old);
    return result;
}

enum table_result table_put(struct table *t, const char *id, const char *data,
                            size_t length, unsigned seconds, bool create,
                            const struct table_client *client)
{
    enum table_result result;
    if (!table_enter(t, MM_LOCK_RW))
        return TABLE_LOCKED;
    if (!is_answered(t, client, &result))
        result = put_session(t, id, data, length, seconds, create, client);
    table_leave(t);
    return result;
}

enum table_result table_delete(struct table *t, const char *id,
                               const struct table_client *client)
{
    enum table_result result;
    if (!table_enter(t, MM_LOCK_RW))
        return TABLE_LOCKED;
    if (!is_answered(t, client, &result)) {
        struct session **link = find_fresh(t, id);
        struct change change = begin_request(t, client);
        result = *link ? TABLE_DELETED : TABLE_MISSING;
        change.receipt.result = result;
        if (*link)
            table_remove(t, link, &change, &change.counts.deleted);
        else
            commit(t, &change);
    }
    table_leave(t);
    return result;
}

enum table_result table_get(struct table *t, const char *id, char *buffer,
                            size_t *length, pid_t *stored_by)
{
    if (!table_enter(t, MM_LOCK_RD))
        return TABLE_LOCKED;
    enum table_result result = TABLE_MISSING;
    struct session *s = *find_link(t, id);
    if (s && !table_is_over(s, table_clock())) {
        memcpy(buffer, s->data, s->length);
        *length = s->length;
        *stored_by = s->stored_by;
        if (!s->touched)
            s->touched = 1;
        result = TABLE_FOUND;
    }
    table_leave(t);
    return result;
}
