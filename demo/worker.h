/* SPDX-License-Identifier: MIT */
/*
 * worker.h -- one worker process of the session server.
 *
 *   GET, POST, PUT, DELETE /session/ID   the table; POST does not replace
 *   GET /stats                           what table and pool look like, as JSON
 *   GET /                                how to use it
 *
 * A worker serves any number of connections from one loop and keeps nothing
 * between two requests: all state is in the table, so it does not matter which
 * worker gets which request, or whether it lives to answer it.
 */
#ifndef DEMO_WORKER_H
#define DEMO_WORKER_H

#include "session_table.h"

/* Serve what arrives at LISTENER until SIGTERM, or until the process PARENT is
 * no longer the parent.  What the process has to exit with. */
int worker_run(MM *pool, struct table *table, int listener, pid_t parent);

/* The text that GET / answers, for a server at PORT; in static memory. */
const char *worker_usage(unsigned port);

#endif
