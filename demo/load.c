/* SPDX-License-Identifier: MIT */
/*
 * load.c -- clients that drive the session server and know better.
 *
 * Clients and parent share an anonymous mapping of their own, not the pool: the
 * judge must not live in the house that is judged.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

struct load {
    _Atomic int stop;
    unsigned clients;
    unsigned silent; /* of them ended without their last answer */
    struct client client[];
};

static size_t size_of(unsigned clients)
{
    return sizeof(struct load) + clients * sizeof(struct client);
}

struct load *load_start(unsigned port, unsigned clients)
{
    struct load *load = mmap(NULL, size_of(clients), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (load == MAP_FAILED) {
        fprintf(stderr, "mm-demo: cannot map: %s\n", strerror(errno));
        return NULL;
    }
    load->clients = clients;
    pid_t parent = getpid();
    fflush(NULL);
    for (unsigned i = 0; i < clients; i++) {
        pid_t pid = fork();
        if (pid == 0)
            client_run(&load->client[i], i + 1, port, &load->stop, parent);
        if (pid < 0) {
            fprintf(stderr, "mm-demo: cannot fork: %s\n", strerror(errno));
            load_abort(load);
            load_free(load);
            return NULL;
        }
        load->client[i].pid = pid;
    }
    return load;
}

struct load_figures load_look(const struct load *load)
{
    struct load_figures sum = {0};
    for (unsigned i = 0; i < load->clients; i++) {
        const struct load_figures *one = &load->client[i].figures;
        sum.answered += one->answered;
        sum.changes += one->changes;
        sum.gets += one->gets;
        sum.hits += one->hits;
        sum.elsewhere += one->elsewhere;
        sum.repeated += one->repeated;
        sum.created += one->created;
        sum.replaced += one->replaced;
        sum.deleted += one->deleted;
        sum.lost += one->lost;
        sum.damaged += one->damaged;
    }
    return sum;
}

/* Take note of the clients that ended; wait for the rest with FLAGS 0. */
static bool reap_clients(struct load *load, int flags)
{
    bool over = true;
    for (unsigned i = 0; i < load->clients; i++) {
        struct client *client = &load->client[i];
        int status;
        if (client->pid > 0 && waitpid(client->pid, &status, flags) != 0) {
            client->pid = 0;
            load->silent += status != 0;
        }
        over &= client->pid == 0;
    }
    return over;
}

void load_stop(struct load *load)
{
    load->stop = 1;
}

bool load_is_over(struct load *load, unsigned *silent)
{
    bool over = reap_clients(load, WNOHANG);
    *silent = load->silent;
    return over;
}

void load_abort(struct load *load)
{
    for (unsigned i = 0; i < load->clients; i++)
        if (load->client[i].pid > 0)
            kill(load->client[i].pid, SIGKILL);
    reap_clients(load, 0);
}

bool load_judge(struct load *load, const char *id, const char *data,
                size_t length)
{
    unsigned number, session;
    int end = 0;
    if (sscanf(id, "c%u-%u%n", &number, &session, &end) != 2 || id[end] ||
        number < 1 || number > load->clients || session >= LOAD_SESSIONS)
        return false;
    struct client *client = &load->client[number - 1];
    bool good = client_knows(client, number, session, data, length);
    client->version[session] = 0;
    return good;
}

uint64_t load_count_missing(const struct load *load)
{
    uint64_t missing = 0;
    for (unsigned i = 0; i < load->clients; i++)
        for (unsigned k = 0; k < LOAD_SESSIONS; k++)
            missing += load->client[i].version[k] != 0;
    return missing;
}

const char *load_finding(const struct load *load)
{
    for (unsigned i = 0; i < load->clients; i++)
        if (*load->client[i].finding)
            return load->client[i].finding;
    return "";
}

void load_free(struct load *load)
{
    munmap(load, size_of(load->clients));
}
