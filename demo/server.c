/* SPDX-License-Identifier: MIT */
/*
 * server.c -- the parent of a prefork server: a pool, a socket, N workers.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "server.h"
#include "worker.h"

/* Where to die with the lock held, and at most how many passes later.  Spans
 * and page runs are taken and given seldom: the first time must do. */
static const struct fault {
    const char *name;
    unsigned passes;
} faults[] = {
    {"lock.held", 100},        {"table.commit", 40},
    {"heap.busy", 1},          {"lock.held", 100},
    {"heap.small.freed", 40},  {"internal.held", 1},
    {"table.commit", 40},      {"heap.span.opened", 1},
    {"heap.run.committed", 1}, {"heap.small.unsized", 40},
    {"heap.span.closed", 1},   {"heap.run.freed", 1},
};
enum { FAULTS = sizeof faults / sizeof *faults };

static int complain(const char *what)
{
    fprintf(stderr, "mm-demo: %s: %s\n", what, strerror(errno));
    return -1;
}

static int complain_pool(const char *what)
{
    const char *text = mm_error();
    fprintf(stderr, "mm-demo: %s: %s\n", what, text ? text : "no message");
    return -1;
}

static int listen_on(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return complain("cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(fd, 512) < 0) {
        complain("cannot listen on 127.0.0.1");
        close(fd);
        return -1;
    }
    return fd;
}

/* The library reads MM_FAULT when the process first passes a fault point. */
static void arm(const char *fault, unsigned passes)
{
    char text[64];
    if (strncmp(fault, "table.", 6) == 0) {
        table_die_at = passes;
        return;
    }
    snprintf(text, sizeof text, "%s:%u", fault, passes);
    setenv("MM_FAULT", text, 1);
}

/* SIGTERM stays blocked in the child until worker_run() is ready for it. */
static int start_worker(struct server *s, struct worker *worker, bool armed)
{
    const struct fault *fault = &faults[s->next_fault % FAULTS];
    unsigned passes = 1 + (unsigned)rand() % fault->passes;
    pid_t parent = getpid();
    sigset_t term, before;

    fflush(NULL);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    pid_t pid = fork();
    if (pid == 0) {
        if (armed)
            arm(fault->name, passes);
        _exit(worker_run(s->pool, s->table, s->listener, parent));
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    *worker = (struct worker){.pid = pid, .armed = armed};
    s->next_fault += armed;
    return pid < 0 ? complain("cannot start a worker") : 0;
}

static int start_workers(struct server *s)
{
    for (unsigned i = 0; i < s->workers; i++)
        if (start_worker(s, &s->worker[i], false) < 0)
            return -1;
    return 0;
}

static unsigned port_of(int listener)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

int server_start(struct server *s, size_t size, unsigned port, unsigned workers)
{
    *s = (struct server){.workers = workers};
    s->listener = listen_on(port);
    if (s->listener < 0)
        return -1;
    s->port = port_of(s->listener);
    s->pool = mm_create(size, NULL);
    if (!s->pool)
        return complain_pool("cannot make a pool");
    s->fresh = mm_available(s->pool);
    s->table = table_create(s->pool);
    if (!s->table)
        return complain_pool("cannot make a table");
    return start_workers(s);
}

/* Note how WORKER ended. */
static void count_end(struct server *s, const struct worker *worker, int status,
                      bool asked)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        if (worker->armed && !worker->shot)
            s->fell++;
        else
            s->shot++;
    } else if (!asked || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "mm-demo: a worker ended with status %#x\n", status);
        s->crashed++;
    }
}

static int sweep(struct server *s)
{
    long count = table_sweep(s->table);
    if (count < 0)
        return complain_pool("cannot sweep the pool");
    s->orphans += (unsigned long)count;
    return 0;
}

int server_tend(struct server *s)
{
    for (unsigned i = 0; i < s->workers; i++) {
        struct worker *worker = &s->worker[i];
        int status;
        if (waitpid(worker->pid, &status, WNOHANG) != worker->pid)
            continue;
        count_end(s, worker, status, false);
        if (sweep(s) < 0 || start_worker(s, worker, worker->shot) < 0)
            return -1;
    }
    return 0;
}

void server_shoot(struct server *s, unsigned number)
{
    struct worker *worker = &s->worker[number % s->workers];
    worker->shot = true;
    kill(worker->pid, SIGKILL);
}

static void end_workers(struct server *s)
{
    for (unsigned i = 0; i < s->workers; i++)
        if (s->worker[i].pid > 0)
            kill(s->worker[i].pid, SIGTERM);
    for (unsigned i = 0; i < s->workers; i++) {
        int status;
        if (s->worker[i].pid > 0 &&
            waitpid(s->worker[i].pid, &status, 0) == s->worker[i].pid)
            count_end(s, &s->worker[i], status, true);
        s->worker[i].pid = 0;
    }
}

int server_renew(struct server *s)
{
    end_workers(s);
    return sweep(s) < 0 ? -1 : start_workers(s);
}

void server_finish(struct server *s)
{
    end_workers(s);
    close(s->listener);
    sweep(s);
}

bool server_end(struct server *s)
{
    table_destroy(s->table);
    bool clean = mm_available(s->pool) == s->fresh;
    mm_destroy(s->pool);
    return clean;
}
