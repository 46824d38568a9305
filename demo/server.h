/* SPDX-License-Identifier: MIT */
/*
 * server.h -- the parent of a prefork server: a pool, a socket, N workers.
 *
 * The parent never serves a request.  It restarts workers that died, and sweeps
 * up the blocks that they were working on.  All its calls return at once,
 * except where a worker is asked to finish.
 */
#ifndef DEMO_SERVER_H
#define DEMO_SERVER_H

#include "session_table.h"

enum { SERVER_WORKERS = 64 };

struct worker {
    pid_t pid;
    bool shot;  /* by server_shoot() */
    bool armed; /* dies at a fault point */
};

struct server {
    MM *pool;
    struct table *table;
    size_t fresh; /* mm_available() of the pool before the table was made */
    int listener;
    unsigned port;
    unsigned workers;
    struct worker worker[SERVER_WORKERS];
    unsigned shot;    /* workers killed at some instruction */
    unsigned fell;    /* workers killed at a fault point, all under the lock */
    unsigned crashed; /* workers that ended in any other way */
    unsigned long orphans; /* blocks swept up after them */
    unsigned next_fault;
};

/* Make a pool of SIZE bytes and the table, listen on PORT (0: any) of the
 * loopback interface, start the workers.  0, or -1 after a message. */
int server_start(struct server *server, size_t size, unsigned port,
                 unsigned workers);

/* Replace workers that died, sweep after them.  0, or -1 after a message. */
int server_tend(struct server *server);

/* Kill a worker with -9, whatever it is doing.  Its successor dies at one of
 * the library's fault points or of the table's, holding the lock. */
void server_shoot(struct server *server, unsigned number);

/* Let all workers finish, and replace them.  0, or -1 after a message. */
int server_renew(struct server *server);

/* Let all workers finish; leave table and pool. */
void server_finish(struct server *server);

/* Free table and pool too.  True if the pool then is as in the beginning. */
bool server_end(struct server *server);

#endif
