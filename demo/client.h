/* SPDX-License-Identifier: MIT */
/*
 * client.h -- one client process of the load on the session server.
 *
 * It sends one request at a time, over one connection at a time, and takes a
 * new connection now and then so that it meets other workers.  A session's
 * value follows from client, session and version: the version is all that has
 * to be remembered.
 */
#ifndef DEMO_CLIENT_H
#define DEMO_CLIENT_H

#include <stdatomic.h>

#include "load.h"

/* What a client shares with its parent. */
struct client {
    pid_t pid;
    struct load_figures figures;
    uint32_t version[LOAD_SESSIONS]; /* what a session holds; 0: none */
    char finding[160];               /* the first thing that was wrong */
};

/* Be client NUMBER, from 1, until *STOP.  Exits with 0, or with 1 if a request
 * stays unanswered. */
_Noreturn void client_run(struct client *client, unsigned number, unsigned port,
                          const _Atomic int *stop, pid_t parent);

/* Is this the value that the session must have? */
bool client_knows(const struct client *client, unsigned number,
                  unsigned session, const char *data, size_t length);

#endif
