/* SPDX-License-Identifier: MIT */
/*
 * http.h -- as much of HTTP/1.1 as the session server and its clients speak.
 *
 * Pure functions on text: no input or output, no memory of their own.  They
 * take any bytes: what is not a message they understand is refused with the
 * status that says why, never guessed at.  Messages have a Content-Length; no
 * chunks, no continuation lines.
 */
#ifndef DEMO_HTTP_H
#define DEMO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEAD = 4096,  /* most bytes of a head */
    HTTP_BODY = 16384, /* most bytes of a body */
    HTTP_MESSAGE = HTTP_HEAD + HTTP_BODY,
    HTTP_PATH = 128,
};

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE };

struct http_request {
    enum http_method method;
    char path[HTTP_PATH];
    uint64_t client;  /* Client: and Request: number a request so that it is */
    uint64_t number;  /* applied only once; number 0: not numbered */
    uint64_t max_age; /* Max-Age: seconds, 0: for ever */
    bool close;       /* the client wants no further answer */
    const char *body; /* in the text parsed; not terminated */
    size_t length;
};

struct http_answer {
    int status;
    uint64_t stored_by; /* process that stored the body, 0: not said */
    uint64_t served_by; /* process that answers, 0: not said */
    bool close;
    const char *body;
    size_t length;
};

/* Parse the message that TEXT begins with.  Bytes it takes, 0 if it goes on
 * after LENGTH, or minus the status it has to be refused with. */
long http_parse_request(const char *text, size_t length,
                        struct http_request *request);
long http_parse_answer(const char *text, size_t length,
                       struct http_answer *answer);

/* Write a message to TEXT of HTTP_MESSAGE bytes.  Its length; bodies are at
 * most HTTP_BODY. */
size_t http_write_request(char *text, const struct http_request *request);
size_t http_write_answer(char *text, const struct http_answer *answer);

#endif
