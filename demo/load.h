/* SPDX-License-Identifier: MIT */
/*
 * load.h -- clients that drive the session server and know better.
 *
 * Each client is a process with one connection at a time and sessions of its
 * own.  It remembers what each of them must be and compares every answer.  A
 * session that is gone is not damage by itself (the table evicts and expires),
 * but it is counted, and the table must have counted the same.  A request that
 * stays unanswered is repeated under the same number until there is an answer.
 */
#ifndef DEMO_LOAD_H
#define DEMO_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    LOAD_CLIENTS = 63,    /* the server knows clients by numbers from 1 */
    LOAD_SESSIONS = 2048, /* of each client */
    LOAD_VALUE = 1024,    /* most bytes of a value */
};

/* What clients have seen so far. */
struct load_figures {
    uint64_t answered;  /* requests */
    uint64_t changes;   /* of them POST, PUT and DELETE */
    uint64_t gets;      /* of them GET */
    uint64_t hits;      /* GETs that found the session */
    uint64_t elsewhere; /* hits that another worker had stored */
    uint64_t repeated;  /* requests sent again */
    uint64_t created, replaced, deleted; /* as answered */
    uint64_t lost;                       /* sessions found gone */
    uint64_t damaged;                    /* answers that cannot be */
};

struct load;

/* Fork clients for the server at PORT.  NULL after a message. */
struct load *load_start(unsigned port, unsigned clients);

/* The sum over all clients, now. */
struct load_figures load_look(const struct load *load);

/* Let each client get its last answer and end. */
void load_stop(struct load *load);

/* Have all clients ended?  *SILENT are those that got no last answer. */
bool load_is_over(struct load *load, unsigned *silent);

/* End the clients at once. */
void load_abort(struct load *load);

/* Judge what the table holds, after load_is_over().  False if session ID should
 * not be there, or not with this value; each may be shown once. */
bool load_judge(struct load *load, const char *id, const char *data,
                size_t length);

/* Sessions that load_judge() was not shown though they should be there. */
uint64_t load_count_missing(const struct load *load);

/* The first thing that was wrong, "" if nothing was. */
const char *load_finding(const struct load *load);

void load_free(struct load *load);

#endif
