/* SPDX-License-Identifier: MIT */
/*
 * worker.c -- one worker process of the session server.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "http.h"
#include "worker.h"

enum {
    CONNECTIONS = 64,
    IDLE_SECONDS = 15,
    MOST_SECONDS = 366 * 24 * 3600, /* a session's life */
};

struct connection {
    int fd;
    bool draining; /* the last answer is out: wait for the peer to close */
    bool last;     /* no answer after this one */
    time_t active;
    size_t in_used, out_used, out_sent;
    char in[HTTP_MESSAGE], out[HTTP_MESSAGE];
};

static struct connection *connections[CONNECTIONS];
static volatile sig_atomic_t stopping;

static void note_signal(int number)
{
    (void)number;
    stopping = 1;
}

static time_t read_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

const char *worker_usage(unsigned port)
{
    static char text[512];
    snprintf(text, sizeof text,
             "curl -X PUT --data 'some text' http://127.0.0.1:%u/session/me\n"
             "curl -i http://127.0.0.1:%u/session/me\n"
             "curl -X PUT -H 'Max-Age: 5' --data 'gone soon' "
             "http://127.0.0.1:%u/session/you\n"
             "curl -X DELETE -i http://127.0.0.1:%u/session/me\n"
             "curl http://127.0.0.1:%u/stats\n",
             port, port, port, port, port);
    return text;
}

static void answer_text(struct http_answer *answer, int status,
                        const char *text)
{
    answer->status = status;
    answer->body = text;
    answer->length = strlen(text);
}

static void answer_usage(struct http_answer *answer, int listener)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &size);
    answer_text(answer, 200, worker_usage(ntohs(address.sin_port)));
}

static void answer_stats(struct http_answer *answer, MM *pool,
                         struct table *table)
{
    static char text[2048], stat[1024];
    struct table_counts n;
    if (table_look(table, &n, NULL) < 0 ||
        mm_stat_json(pool, stat, sizeof stat) < 0) {
        answer_text(answer, 503, "the pool cannot be read\n");
        return;
    }
    snprintf(
        text, sizeof text,
        "{\"sessions\":%llu,\"applied\":%llu,\"created\":%llu,"
        "\"replaced\":%llu,\"deleted\":%llu,\"evicted\":%llu,"
        "\"expired\":%llu,\"pool\":%s}\n",
        (unsigned long long)(n.created - n.deleted - n.evicted - n.expired),
        (unsigned long long)n.applied, (unsigned long long)n.created,
        (unsigned long long)n.replaced, (unsigned long long)n.deleted,
        (unsigned long long)n.evicted, (unsigned long long)n.expired, stat);
    answer_text(answer, 200, text);
}

static void answer_result(struct http_answer *answer, enum table_result result)
{
    static const struct {
        int status;
        const char *text;
    } answers[] = {
        [TABLE_FOUND] = {200, ""},
        [TABLE_CREATED] = {201, ""},
        [TABLE_REPLACED] = {200, ""},
        [TABLE_DELETED] = {200, ""},
        [TABLE_MISSING] = {404, "no such session\n"},
        [TABLE_EXISTS] = {409, "there is such a session\n"},
        [TABLE_OUTDATED] = {409, "a later request was applied\n"},
        [TABLE_FULL] = {507, "no room in the pool\n"},
        [TABLE_LOCKED] = {503, "the pool cannot be locked\n"},
    };
    answer_text(answer, answers[result].status, answers[result].text);
}

static void answer_session(struct http_answer *answer, struct table *table,
                           const char *id, const struct http_request *request)
{
    static char value[TABLE_VALUE];
    struct table_client client = {(unsigned)request->client, request->number};
    pid_t stored_by = 0;
    size_t length = 0;
    enum table_result result;

    if (request->method == HTTP_GET) {
        result = table_get(table, id, value, &length, &stored_by);
        answer_result(answer, result);
        if (result == TABLE_FOUND) {
            answer->stored_by = (uint64_t)stored_by;
            answer->body = value;
            answer->length = length;
        }
        return;
    }
    if (request->method == HTTP_DELETE)
        result = table_delete(table, id, &client);
    else
        result = table_put(table, id, request->body, request->length,
                           (unsigned)request->max_age,
                           request->method == HTTP_POST, &client);
    answer_result(answer, result);
}

static bool is_id(const char *id)
{
    size_t good = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "abcdefghijklmnopqrstuvwxyz0123456789-_.");
    return good > 0 && good < TABLE_ID && !id[good];
}

static void answer_request(struct http_answer *answer, MM *pool,
                           struct table *table, int listener,
                           const struct http_request *request)
{
    static const char prefix[] = "/session/";
    const char *path = request->path;

    answer->close = request->close;
    answer->served_by = (uint64_t)getpid();
    if (request->client >= TABLE_CLIENTS || request->max_age > MOST_SECONDS)
        answer_text(answer, 400, "number out of range\n");
    else if (strncmp(path, prefix, sizeof prefix - 1) == 0)
        if (is_id(path + sizeof prefix - 1))
            answer_session(answer, table, path + sizeof prefix - 1, request);
        else
            answer_text(answer, 400, "not the name of a session\n");
    else if (strcmp(path, "/") != 0 && strcmp(path, "/stats") != 0)
        answer_text(answer, 404, "no such page\n");
    else if (request->method != HTTP_GET)
        answer_text(answer, 405, "only to be read\n");
    else if (path[1])
        answer_stats(answer, pool, table);
    else
        answer_usage(answer, listener);
}

static void drop(int i)
{
    close(connections[i]->fd);
    free(connections[i]);
    connections[i] = NULL;
}

/* Send what is left to send.  False: the connection is broken. */
static bool flush_answer(struct connection *c)
{
    while (c->out_sent < c->out_used) {
        ssize_t sent = send(c->fd, c->out + c->out_sent,
                            c->out_used - c->out_sent, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        c->out_sent += (size_t)sent;
    }
    c->out_sent = c->out_used = 0;
    if (c->last && !c->draining) {
        /* Closing with input unread would reset the connection, and the
         * answer might never arrive. */
        shutdown(c->fd, SHUT_WR);
        c->draining = true;
    }
    return true;
}

/* Answer the requests that are complete, one after the other.  False: the
 * connection is broken. */
static bool serve_connection(struct connection *c, MM *pool,
                             struct table *table, int listener)
{
    while (!c->out_used && !c->last) {
        struct http_request request;
        struct http_answer answer = {0};
        long used = http_parse_request(c->in, c->in_used, &request);
        if (used == 0)
            break;
        if (used > 0) {
            answer_request(&answer, pool, table, listener, &request);
        } else {
            answer_text(&answer, (int)-used, "cannot take this request\n");
            answer.close = true;
            used = (long)c->in_used;
        }
        c->out_used = http_write_answer(c->out, &answer);
        c->last = answer.close;
        c->in_used -= (size_t)used;
        memmove(c->in, c->in + used, c->in_used);
        if (!flush_answer(c))
            return false;
    }
    return true;
}

/* Take what arrived.  False: the connection is over. */
static bool read_input(struct connection *c)
{
    if (c->draining)
        c->in_used = 0;
    ssize_t got = recv(c->fd, c->in + c->in_used, sizeof c->in - c->in_used, 0);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    c->in_used += (size_t)got;
    return true;
}

static void accept_connection(int listener)
{
    int i = 0;
    while (i < CONNECTIONS && connections[i])
        i++;
    int fd = i < CONNECTIONS ? accept(listener, NULL, NULL) : -1;
    if (fd < 0)
        return;
    connections[i] = calloc(1, sizeof *connections[i]);
    if (!connections[i] || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        free(connections[i]);
        connections[i] = NULL;
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    connections[i]->fd = fd;
    connections[i]->active = read_seconds();
}

/* Who the loop has to wait for.  poll() passes over negative descriptors. */
static void fill_polls(struct pollfd *polls, int listener)
{
    bool room = false;
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = connections[i];
        polls[i].fd = c ? c->fd : -1;
        polls[i].events = c && c->out_used ? POLLOUT : POLLIN;
        room |= !c;
    }
    polls[CONNECTIONS].fd = room ? listener : -1;
    polls[CONNECTIONS].events = POLLIN;
}

static void serve_polled(const struct pollfd *polls, MM *pool,
                         struct table *table, int listener)
{
    time_t now = read_seconds();
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = connections[i];
        if (!c)
            continue;
        bool fine = true;
        if (polls[i].revents) {
            c->active = now;
            fine = c->out_used ? flush_answer(c) : read_input(c);
            fine = fine && serve_connection(c, pool, table, listener);
        }
        if (!fine || now - c->active > IDLE_SECONDS)
            drop(i);
    }
    if (polls[CONNECTIONS].revents)
        accept_connection(listener);
}

int worker_run(MM *pool, struct table *table, int listener, pid_t parent)
{
    struct pollfd polls[CONNECTIONS + 1];
    struct sigaction action = {.sa_handler = note_signal};
    sigset_t term;

    sigaction(SIGTERM, &action, NULL);
    signal(SIGINT, SIG_IGN);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &term, NULL);

    /* The signal only sets a flag, so no request is cut off; should it come
     * just before poll(), it is noticed a second later.  ppoll() would be no
     * better: it lets no signal in while there is always something to do. */
    while (!stopping && getppid() == parent) {
        fill_polls(polls, listener);
        if (poll(polls, CONNECTIONS + 1, 1000) >= 0)
            serve_polled(polls, pool, table, listener);
        else if (errno != EINTR)
            return 1;
    }
    return 0;
}
