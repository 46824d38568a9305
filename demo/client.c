/* SPDX-License-Identifier: MIT */
/*
 * client.c -- one client process of the load on the session server.
 */
#include "config.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "http.h"

enum {
    REQUESTS = 48,       /* to a connection; the next may be another worker's */
    PATIENCE = 20,       /* seconds without an answer before giving up */
    ANSWER_SECONDS = 2,  /* before the request is sent again */
    PRESENT_GETS = 80,   /* percent of requests for a session that exists */
    PRESENT_DELETES = 3, /* the rest replaces it */
    ABSENT_GETS = 5,     /* percent, for one that does not; the rest makes it */
};

/* A client as its own process knows it. */
struct self {
    struct client *client;
    unsigned port;
    unsigned number; /* from 1 */
    int fd;          /* -1: not connected */
    unsigned left;   /* requests until it goes to another worker */
    uint64_t random;
    uint64_t request; /* number of the last change */
    uint32_t version; /* last given to a session */
    pid_t parent;
    char text[HTTP_MESSAGE];
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static unsigned draw(struct self *self, unsigned limit)
{
    self->random += UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)(mix(self->random) % limit);
}

/* The value of VERSION of a session, to TEXT of LOAD_VALUE bytes.  Lengths are
 * log-uniform from 16. */
static size_t make_value(unsigned client, unsigned session, uint32_t version,
                         char *text)
{
    uint64_t seed = mix(mix((uint64_t)client << 32 | session) + version);
    size_t most = (size_t)16 << seed % 6;
    size_t length = most + (size_t)(seed >> 8) % most;
    snprintf(text, LOAD_VALUE, "c%u-%u v%u ", client, session, version);
    for (size_t i = strlen(text); i < length; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        text[i] = (char)('a' + (seed >> 33) % 26);
    }
    return length;
}

bool client_knows(const struct client *client, unsigned number,
                  unsigned session, const char *data, size_t length)
{
    char value[LOAD_VALUE];
    uint32_t version = client->version[session];
    return version && make_value(number, session, version, value) == length &&
           memcmp(value, data, length) == 0;
}

/* Something happened that cannot be; the first sentence is kept. */
static void note_damage(struct client *client, unsigned session,
                        const char *what, long value)
{
    client->figures.damaged++;
    if (!*client->finding)
        snprintf(client->finding, sizeof client->finding,
                 "session %u, version %u: %s (%ld)", session,
                 client->version[session], what, value);
}

static void hang_up(struct self *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

static bool ring_up(struct self *self)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct timeval patience = {ANSWER_SECONDS, 0};
    address.sin_port = htons((uint16_t)self->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    self->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (self->fd < 0)
        return false;
    setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(self->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(self->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(self->fd, (struct sockaddr *)&address, sizeof address) == 0) {
        self->left = REQUESTS;
        return true;
    }
    hang_up(self);
    return false;
}

/* Send REQUEST once and wait.  False: there was no whole answer. */
static bool try_request(struct self *self, const struct http_request *request,
                        struct http_answer *answer)
{
    if (self->fd < 0 && !ring_up(self))
        return false;
    size_t length = http_write_request(self->text, request), done = 0;
    while (done < length) {
        ssize_t sent =
            send(self->fd, self->text + done, length - done, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        done += (size_t)sent;
    }
    for (done = 0;;) {
        ssize_t got =
            recv(self->fd, self->text + done, sizeof self->text - done, 0);
        if (got <= 0)
            return false;
        done += (size_t)got;
        long used = http_parse_answer(self->text, done, answer);
        if (used != 0)
            return used > 0;
    }
}

static time_t read_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Have REQUEST answered, however often it takes. */
static void get_answer(struct self *self, const struct http_request *request,
                       struct http_answer *answer)
{
    time_t begin = read_seconds();
    struct load_figures *figures = &self->client->figures;
    while (!try_request(self, request, answer)) {
        hang_up(self);
        figures->repeated++;
        if (read_seconds() - begin > PATIENCE || getppid() != self->parent)
            _exit(1);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    figures->answered++;
    if (request->method == HTTP_GET)
        figures->gets++;
    else
        figures->changes++;
    if (answer->close || --self->left == 0)
        hang_up(self);
}

/* It was there, and now it is not. */
static void note_loss(struct client *client, unsigned session)
{
    client->figures.lost += client->version[session] != 0;
    client->version[session] = 0;
}

static void judge_get(struct self *self, unsigned session,
                      const struct http_answer *answer)
{
    struct client *client = self->client;
    if (answer->status == 404) {
        note_loss(client, session);
    } else if (answer->status != 200) {
        note_damage(client, session, "GET has status", answer->status);
    } else if (!client_knows(client, self->number, session, answer->body,
                             answer->length)) {
        note_damage(client, session, "GET finds another value, length",
                    (long)answer->length);
    } else {
        client->figures.hits++;
        client->figures.elsewhere += answer->stored_by != answer->served_by;
    }
}

static void judge_put(struct self *self, unsigned session, int status,
                      uint32_t version)
{
    struct client *client = self->client;
    if (status == 201) {
        note_loss(client, session);
        client->figures.created++;
    } else if (status == 200 && client->version[session]) {
        client->figures.replaced++;
    } else {
        note_damage(client, session, "PUT or POST has status", status);
        return;
    }
    client->version[session] = version;
}

static void judge_delete(struct self *self, unsigned session, int status)
{
    struct client *client = self->client;
    if (status == 200 && client->version[session]) {
        client->figures.deleted++;
        client->version[session] = 0;
    } else if (status == 404) {
        note_loss(client, session);
    } else {
        note_damage(client, session, "DELETE has status", status);
    }
}

/* One request for a session, some of them more often than others. */
static void do_request(struct self *self)
{
    char value[LOAD_VALUE];
    struct http_request request = {.client = self->number};
    struct http_answer answer;
    unsigned one = draw(self, LOAD_SESSIONS), other = draw(self, LOAD_SESSIONS);
    unsigned session = one < other ? one : other;
    bool present = self->client->version[session] != 0;
    unsigned dice = draw(self, 100);

    snprintf(request.path, sizeof request.path, "/session/c%u-%u", self->number,
             session);
    if (dice < (present ? PRESENT_GETS : ABSENT_GETS)) {
        get_answer(self, &request, &answer);
        judge_get(self, session, &answer);
        return;
    }
    request.number = ++self->request;
    if (present && dice < PRESENT_GETS + PRESENT_DELETES) {
        request.method = HTTP_DELETE;
        get_answer(self, &request, &answer);
        judge_delete(self, session, answer.status);
        return;
    }
    uint32_t version = ++self->version;
    request.method = present || dice % 2 ? HTTP_PUT : HTTP_POST;
    request.max_age = draw(self, 32) == 0 ? 1 + draw(self, 2) : 0;
    request.body = value;
    request.length = make_value(self->number, session, version, value);
    get_answer(self, &request, &answer);
    judge_put(self, session, answer.status, version);
}

void client_run(struct client *client, unsigned number, unsigned port,
                const _Atomic int *stop, pid_t parent)
{
    static struct self self;
    self = (struct self){.client = client,
                         .port = port,
                         .number = number,
                         .fd = -1,
                         .random = mix(number),
                         .parent = parent};
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    while (!*stop && getppid() == parent)
        do_request(&self);
    hang_up(&self);
    _exit(0);
}
