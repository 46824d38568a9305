/* SPDX-License-Identifier: MIT */
/*
 * session_private.h -- what a table of sessions looks like in the pool.
 *
 * Pointers serve as links, because all processes are forked from the one that
 * made the pool and see it at the same address.
 */
#ifndef DEMO_SESSION_PRIVATE_H
#define DEMO_SESSION_PRIVATE_H

#include <stdatomic.h>

#include "session_table.h"

enum { BUCKETS = 8192 };

struct session {
    struct session *next;
    int64_t expires; /* ms on CLOCK_MONOTONIC; 0: never */
    pid_t stored_by;
    _Atomic int touched; /* read since eviction came by; readers set it */
    size_t length;
    char id[TABLE_ID];
    char data[];
};

/* What a client was told about its last request. */
struct receipt {
    uint64_t number;
    enum table_result result;
};

struct change {
    struct session **link; /* this link, if not NULL, ... */
    struct session *to;    /* ... comes to lead here, */
    struct table_counts counts;
    unsigned client; /* and this client gets this receipt */
    struct receipt receipt;
};

struct table {
    MM *pool;
    _Atomic int committed; /* INTENT must be carried out */
    struct change intent;
    struct table_counts counts;
    struct receipt receipt[TABLE_CLIENTS + 1]; /* the last one for the rest */
    size_t hand;                               /* bucket to evict from next */
    _Atomic uint64_t owners_died, redone, recognized;
    struct session **bucket;
};

/* Take the pool's lock; afterwards the table is as the last change left it,
 * even if the process that made it is dead.  False: mm_error() says why. */
bool table_enter(struct table *table, mm_lock_mode mode);
void table_leave(struct table *table);

/* Where the chain of session ID begins. */
struct session **table_bucket(struct table *table, const char *id);

/* Milliseconds, and is the session's time over? */
int64_t table_clock(void);
bool table_is_over(const struct session *session, int64_t now);

/* The start of a change: everything as it is. */
struct change table_begin(struct table *table);

/* Remove what LINK leads to; COUNT, one of change->counts, says why. */
void table_remove(struct table *table, struct session **link,
                  struct change *change, uint64_t *count);

#endif
