/* SPDX-License-Identifier: MIT */
/*
 * http_test.c -- the parser of the demo takes any bytes and guesses at none.
 */
#include "config.h"

#include "../tests/tap.h"
#include "http.h"

/* Parse TEXT from memory of just its size, so that a sanitizer sees each byte
 * read too many. */
static long parse(const char *text, size_t length, struct http_request *request)
{
    char *copy = malloc(length + (length == 0));
    if (!copy)
        bail("no memory");
    memcpy(copy, text, length);
    long result = http_parse_request(copy, length, request);
    request->body = NULL;
    free(copy);
    return result;
}

static void test_good(void)
{
    static const char text[] = "PUT /session/me HTTP/1.1\r\nHost: x\r\n"
                               "client: 3\r\nREQUEST:17 \r\nMax-Age:\t5\r\n"
                               "Content-Length: 4\r\n\r\nbodyGET / HTTP";
    size_t whole = sizeof text - 1 - strlen("GET / HTTP");
    struct http_request request;

    is_int(http_parse_request(text, sizeof text - 1, &request), (long)whole,
           "takes one message and leaves the next");
    ok(request.method == HTTP_PUT && strcmp(request.path, "/session/me") == 0 &&
           request.client == 3 && request.number == 17 &&
           request.max_age == 5 && !request.close,
       "finds method, path and numbers");
    ok(request.length == 4 && memcmp(request.body, "body", 4) == 0,
       "finds the body");

    bool early = false;
    for (size_t i = 0; i < whole; i++)
        early |= parse(text, i, &request) != 0;
    ok(!early, "waits for more at every byte before the end");
}

/* Each of these is refused. */
static void test_bad(void)
{
    static const struct {
        const char *why;
        const char *text;
        long result;
    } cases[] = {
        {"refuses an empty head", "\r\n\r\n", -400},
        {"refuses a line that is no request", "nonsense\r\n\r\n", -400},
        {"refuses a request without a version", "GET /\r\n\r\n", -400},
        {"refuses a line that ends with LF alone",
         "GET / HTTP/1.1\nHost: x\r\n\r\n", -400},
        {"refuses a path that is none", "GET nowhere HTTP/1.1\r\n\r\n", -400},
        {"refuses another protocol", "GET / FTP/1.1\r\n\r\n", -400},
        {"refuses another version", "GET / HTTP/2.0\r\n\r\n", -505},
        {"refuses an unknown method", "BREW /pot HTTP/1.1\r\n\r\n", -501},
        {"refuses a field without a colon",
         "GET / HTTP/1.1\r\nno colon\r\n\r\n", -400},
        {"refuses a field without a name",
         "GET / HTTP/1.1\r\n: no name\r\n\r\n", -400},
        {"refuses a continuation line",
         "GET / HTTP/1.1\r\nA: b\r\n continued\r\n\r\n", -400},
        {"refuses a space before the colon", "GET / HTTP/1.1\r\nA : b\r\n\r\n",
         -400},
        {"refuses a negative length",
         "PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", -400},
        {"refuses a length that is not decimal",
         "PUT / HTTP/1.1\r\nContent-Length: 0x10\r\n\r\n", -400},
        {"refuses an empty length", "PUT / HTTP/1.1\r\nContent-Length:\r\n\r\n",
         -400},
        {"refuses a length that overflows",
         "PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
         -400},
        {"refuses two lengths that differ",
         "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
         -400},
        {"refuses a body that is too long",
         "PUT / HTTP/1.1\r\nContent-Length: 16385\r\n\r\n", -413},
        {"refuses chunks",
         "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", -501},
        {"refuses a client that is no number",
         "GET / HTTP/1.1\r\nClient: me\r\n\r\n", -400},
    };
    struct http_request request;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        is_int(parse(cases[i].text, strlen(cases[i].text), &request),
               cases[i].result, cases[i].why);
    is_int(parse("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24, &request), -400,
           "refuses a NUL in the head");
    ok(parse("GET / HTTP/1.0\r\n\r\n", 18, &request) == 18 && request.close,
       "closes after HTTP/1.0");
}

static void test_long(void)
{
    static char text[HTTP_MESSAGE];
    struct http_request request;

    memset(text, 'a', sizeof text);
    is_int(parse(text, HTTP_HEAD - 1, &request), 0, "waits for a long head");
    is_int(parse(text, HTTP_HEAD, &request), -431, "but not for ever");
    memcpy(text, "GET /", 5);
    memcpy(text + 5 + HTTP_PATH, " HTTP/1.1\r\n\r\n", 13);
    is_int(parse(text, 5 + HTTP_PATH + 13, &request), -414,
           "refuses a long path");
}

/* Whatever the bytes are, the parser stays inside them. */
static void test_noise(void)
{
    static const char base[] = "POST /session/x HTTP/1.1\r\nClient: 1\r\n"
                               "Content-Length: 3\r\n\r\nabc";
    char text[sizeof base - 1];
    struct http_request request;
    bool good = true;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        memcpy(text, base, sizeof text);
        for (int k = rand() % 4; k >= 0; k--)
            text[(size_t)rand() % sizeof text] =
                rand() % 2 ? (char)rand() : "\r\n :\t0"[rand() % 6];
        long used = parse(text, (size_t)rand() % sizeof text, &request);
        good &= used <= (long)sizeof text;
        good &= used >= 0 || (used <= -400 && used > -600);
    }
    ok(good, "answers 20,000 damaged messages with a length or a status");
}

static void test_answer(void)
{
    static char text[HTTP_MESSAGE];
    struct http_answer sent = {.status = 200,
                               .stored_by = 7,
                               .served_by = 8,
                               .close = true,
                               .body = "hello",
                               .length = 5};
    struct http_answer got;
    size_t length = http_write_answer(text, &sent);
    is_int(http_parse_answer(text, length, &got), (long)length,
           "an answer is read as it was written");
    ok(got.status == 200 && got.stored_by == 7 && got.served_by == 8 &&
           got.close && got.length == 5 && memcmp(got.body, "hello", 5) == 0,
       "with all it says");
    is_int(http_parse_answer(text, length - 1, &got), 0,
           "half an answer is none");
}

int main(void)
{
    test_good();
    test_bad();
    test_long();
    test_noise();
    test_answer();
    return done();
}
