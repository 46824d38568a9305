/* SPDX-License-Identifier: MIT */
/*
 * verify.c -- is everything as it must be after a run?
 */
#include "config.h"

#include <stdarg.h>

#include "verify.h"

struct inquiry {
    struct server *server;
    struct load *load;
    struct verdict *verdict;
    bool json;
    unsigned findings;
};

__attribute__((format(printf, 3, 4))) static void
expect(struct inquiry *q, bool fine, const char *format, ...)
{
    char text[256];
    va_list values;
    if (fine)
        return;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    report_finding(text, q->json);
    q->findings++;
}

static void expect_equal(struct inquiry *q, const char *what, uint64_t one,
                         uint64_t other)
{
    expect(q, one == other, "%s: %llu and %llu", what, (unsigned long long)one,
           (unsigned long long)other);
}

static int judge_session(void *argument, const char *id, const char *data,
                         size_t length)
{
    struct inquiry *q = argument;
    q->verdict->sessions++;
    if (!load_judge(q->load, id, data, length)) {
        q->verdict->damaged++;
        expect(q, false, "session %s is not as its client left it", id);
    }
    return 0;
}

static void check_sessions(struct inquiry *q)
{
    struct table *table = q->server->table;
    struct verdict *v = q->verdict;

    expect(q, table_expire(table) >= 0, "the table cannot be locked");
    expect(q,
           table_visit(table, judge_session, q) == 0 &&
               table_look(table, &v->counts, &v->notes) == 0,
           "the table cannot be read");
    v->load.lost += load_count_missing(q->load);
    expect_equal(q, "sessions missing, and evicted or expired", v->load.lost,
                 v->counts.evicted + v->counts.expired);
    expect_equal(q, "changes answered and applied", v->load.changes,
                 v->counts.applied);
    expect_equal(q, "sessions created, for clients and table", v->load.created,
                 v->counts.created);
    expect_equal(q, "sessions replaced, for clients and table",
                 v->load.replaced, v->counts.replaced);
    expect_equal(q, "sessions deleted, for clients and table", v->load.deleted,
                 v->counts.deleted);
    expect_equal(q, "sessions in the table, found and computed", v->sessions,
                 v->counts.created - v->counts.deleted - v->counts.evicted -
                     v->counts.expired);
}

static int count_block(void *argument, void *block, size_t size)
{
    (void)block;
    (void)size;
    ++*(uint64_t *)argument;
    return 0;
}

static void check_pool(struct inquiry *q)
{
    MM *pool = q->server->pool;
    struct verdict *v = q->verdict;
    uint64_t blocks = 0;

    expect(q, mm_check(pool) == 0, "mm_check(): %s", mm_error());
    expect_equal(q, "blocks that belong to nobody after the last sweep", 0,
                 (uint64_t)table_sweep(q->server->table));
    expect(q, mm_walk(pool, count_block, &blocks) == 0, "mm_walk(): %s",
           mm_error());
    expect(q, mm_stat(pool, &v->stat, sizeof v->stat) == 0, "mm_stat(): %s",
           mm_error());
    expect_equal(q, "blocks walked and counted", blocks, v->stat.used_count);
    expect_equal(q, "blocks of the pool and of the table", blocks,
                 v->sessions + TABLE_BLOCKS);
}

bool verify_run(struct server *server, struct load *load, unsigned silent,
                bool json, struct verdict *v)
{
    struct inquiry q = {server, load, v, json, 0};

    *v = (struct verdict){.load = load_look(load),
                          .shot = server->shot,
                          .fell = server->fell,
                          .orphans = server->orphans};
    expect_equal(&q, "clients without a last answer", 0, silent);
    expect(&q, !v->load.damaged, "%llu wrong answers, the first: %s",
           (unsigned long long)v->load.damaged, load_finding(load));
    expect_equal(&q, "workers that crashed", 0, server->crashed);
    check_sessions(&q);
    check_pool(&q);
    expect(&q, v->fell == 0 || v->notes.owners_died > 0,
           "%u workers died with the lock, and nobody was told", v->fell);
    v->damaged += v->load.damaged;
    expect(&q, server_end(server),
           "the pool is not empty after everything was freed");
    v->passed = q.findings == 0;
    return v->passed;
}
