/* SPDX-License-Identifier: MIT */
/*
 * session_table.h -- a table of sessions in a pool, for many processes.
 *
 * This is how an application keeps data in shared memory that survives the
 * death of any process at any instruction, on nothing but <mm.h>:
 *   - all is done under the pool's lock, shared for reading, else exclusive;
 *   - a change is first written down as a whole (the intent), committed by one
 *     store, and only then carried out.  Who finds a committed intent after
 *     taking the lock carries it out again.  That is all there is to repair,
 *     and it needs no word from the lock that its holder died;
 *   - a block is filled before a change links it, and freed after one unlinked
 *     it.  What a killed process leaves behind between the two belongs to
 *     nobody; table_sweep() finds it with mm_walk().
 *
 * A change may carry the number of a client's request.  Each number is applied
 * once, and the receipt is part of the change: a client that got no answer just
 * repeats the request.
 *
 * The table evicts what was not read lately when the pool is full.  It does not
 * guard against processes that scribble over it.
 */
#ifndef DEMO_SESSION_TABLE_H
#define DEMO_SESSION_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include <mm.h>

enum {
    TABLE_CLIENTS = 64,  /* numbered requests come from clients 0 to 63 */
    TABLE_ID = 40,       /* bytes of a session's name with its NUL */
    TABLE_VALUE = 16384, /* most bytes of a session's value */
    TABLE_BLOCKS = 2,    /* of the pool for the table itself, beside sessions */
};

enum table_result {
    TABLE_FOUND,
    TABLE_CREATED,
    TABLE_REPLACED,
    TABLE_DELETED,
    TABLE_MISSING,  /* no such session */
    TABLE_EXISTS,   /* cannot be created again */
    TABLE_OUTDATED, /* the client has sent a later number since */
    TABLE_FULL,     /* no room even without all other sessions */
    TABLE_LOCKED,   /* the pool's lock fails; see mm_error() */
};

/* Who wants a change.  Number 0: not numbered, applied whenever it comes. */
struct table_client {
    unsigned client;
    uint64_t number; /* rises with each request of the client */
};

/* Exact at any time, whoever was killed when.  Sessions in the table: created
 * minus deleted, evicted and expired. */
struct table_counts {
    uint64_t applied; /* changes, each number once */
    uint64_t created, replaced, deleted, evicted, expired;
};

/* Kept without ceremony: a kill may cost one. */
struct table_notes {
    uint64_t owners_died; /* times that the lock was taken from the dead */
    uint64_t redone;      /* intents that a successor carried out */
    uint64_t recognized;  /* repeated requests answered from the receipt */
};

struct table;

/* Below, IDs are shorter than TABLE_ID, values at most TABLE_VALUE long, and
 * CLIENT may be NULL. */

/* An empty table in POOL; NULL if there is no room. */
struct table *table_create(MM *pool);

/* Free everything.  Nobody else may be using the table. */
void table_destroy(struct table *table);

/* Copy the value of ID to BUFFER of TABLE_VALUE bytes, and tell its length and
 * the process that stored it.  TABLE_FOUND, _MISSING or _LOCKED. */
enum table_result table_get(struct table *table, const char *id, char *buffer,
                            size_t *length, pid_t *stored_by);

/* Store LENGTH bytes under ID for SECONDS, 0 for ever; CREATE refuses to
 * replace.  TABLE_CREATED, _REPLACED, _EXISTS, _OUTDATED, _FULL or _LOCKED. */
enum table_result table_put(struct table *table, const char *id,
                            const char *data, size_t length, unsigned seconds,
                            bool create, const struct table_client *client);

/* TABLE_DELETED, _MISSING, _OUTDATED or _LOCKED. */
enum table_result table_delete(struct table *table, const char *id,
                               const struct table_client *client);

/* Remove the sessions whose time is over.  Their number, or -1. */
long table_expire(struct table *table);

/* After a process died: free the blocks of the pool that belong to nobody.
 * Their number, or -1. */
long table_sweep(struct table *table);

/* Call VISIT for each session, under the shared lock, until it returns
 * non-zero.  That value, or 0, or -1 without the lock. */
int table_visit(struct table *table,
                int (*visit)(void *argument, const char *id, const char *data,
                             size_t length),
                void *argument);

/* Either may be NULL.  0, or -1 without the lock. */
int table_look(struct table *table, struct table_counts *counts,
               struct table_notes *notes);

/* For trying all this: the calling process kills itself in the middle of its
 * N-th change; 0 never. */
extern long table_die_at;

#endif
