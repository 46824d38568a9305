/* SPDX-License-Identifier: MIT */
/*
 * http.c -- as much of HTTP/1.1 as the session server and its clients speak.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http.h"

/* A stretch of the text being parsed. */
struct piece {
    const char *start, *end;
};

static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
enum { METHODS = sizeof methods / sizeof *methods };

static size_t size_of(struct piece piece)
{
    return (size_t)(piece.end - piece.start);
}

static bool is_word(struct piece piece, const char *word)
{
    size_t length = strlen(word);
    return size_of(piece) == length &&
           strncasecmp(piece.start, word, length) == 0;
}

/* Cut the part before the next STOP off REST, and STOP itself. */
static bool cut(struct piece *rest, char stop, struct piece *part)
{
    const char *found = memchr(rest->start, stop, size_of(*rest));
    if (!found)
        return false;
    *part = (struct piece){rest->start, found};
    rest->start = found + 1;
    return true;
}

static struct piece trim(struct piece piece)
{
    while (piece.start < piece.end && strchr(" \t", *piece.start))
        piece.start++;
    while (piece.start < piece.end && strchr(" \t", piece.end[-1]))
        piece.end--;
    return piece;
}

/* Digits only, at most 18 of them, so that nothing overflows. */
static bool read_number(struct piece piece, uint64_t *number)
{
    if (size_of(piece) < 1 || size_of(piece) > 18)
        return false;
    *number = 0;
    for (; piece.start < piece.end; piece.start++) {
        if (*piece.start < '0' || *piece.start > '9')
            return false;
        *number = *number * 10 + (uint64_t)(*piece.start - '0');
    }
    return true;
}

/* Find the head of the message in TEXT: what precedes the empty line, its last
 * line included.  1, 0 if there must be more of it, or minus a status. */
static int find_head(const char *text, size_t length, struct piece *head)
{
    size_t limit = length < HTTP_HEAD ? length : HTTP_HEAD;
    const char *end = memmem(text, limit, "\r\n\r\n", 4);
    if (memchr(text, 0, end ? (size_t)(end - text) : limit))
        return -400;
    if (!end)
        return length < HTTP_HEAD ? 0 : -431;
    *head = (struct piece){text, end + 2};
    return 1;
}

/* A line without its end; lines end with CR LF and contain neither alone. */
static bool cut_line(struct piece *head, struct piece *line)
{
    if (!cut(head, '\n', line) || size_of(*line) < 1 || line->end[-1] != '\r')
        return false;
    line->end--;
    return !memchr(line->start, '\r', size_of(*line));
}

/* The fields of a head that either side looks at. */
struct fields {
    uint64_t length, client, number, max_age, stored_by, served_by;
    bool has_length, close, keep;
};

static bool read_field(struct piece name, struct piece value,
                       struct fields *fields)
{
    const struct {
        const char *name;
        uint64_t *number;
    } numbers[] = {
        {"Client", &fields->client},       {"Request", &fields->number},
        {"Max-Age", &fields->max_age},     {"Stored-By", &fields->stored_by},
        {"Served-By", &fields->served_by},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (is_word(name, numbers[i].name))
            return read_number(value, numbers[i].number);
    if (is_word(name, "Content-Length")) {
        bool again = fields->has_length;
        uint64_t before = fields->length;
        fields->has_length = true;
        return read_number(value, &fields->length) &&
               (!again || fields->length == before);
    }
    if (is_word(name, "Connection")) {
        fields->close |= is_word(value, "close");
        fields->keep |= is_word(value, "keep-alive");
    }
    return true;
}

/* All fields of HEAD, after its first line.  0, or minus a status. */
static int read_fields(struct piece head, struct fields *fields)
{
    struct piece line, name;
    memset(fields, 0, sizeof *fields);
    while (head.start < head.end) {
        if (!cut_line(&head, &line) || !cut(&line, ':', &name) ||
            size_of(name) == 0 || size_of(trim(name)) != size_of(name))
            return -400;
        if (is_word(name, "Transfer-Encoding"))
            return -501;
        if (!read_field(name, trim(line), fields))
            return -400;
    }
    return fields->length > HTTP_BODY ? -413 : 0;
}

/* The length of the message whose HEAD and body lie in TEXT, 0 if the body is
 * not complete. */
static long whole_length(const char *text, size_t length, struct piece head,
                         const struct fields *fields)
{
    size_t whole = (size_t)(head.end - text) + 2 + fields->length;
    return whole <= length ? (long)whole : 0;
}

static int read_request_line(struct piece line, struct http_request *request,
                             bool *old)
{
    struct piece method, path;
    if (!cut(&line, ' ', &method) || !cut(&line, ' ', &path))
        return -400;
    *old = is_word(line, "HTTP/1.0");
    if (!*old && !is_word(line, "HTTP/1.1"))
        return size_of(line) >= 5 && memcmp(line.start, "HTTP/", 5) == 0 ? -505
                                                                         : -400;
    size_t i = 0;
    while (i < METHODS && !is_word(method, methods[i]))
        i++;
    if (i == METHODS)
        return -501;
    request->method = (enum http_method)i;
    if (size_of(path) >= sizeof request->path)
        return -414;
    if (size_of(path) < 1 || *path.start != '/')
        return -400;
    memcpy(request->path, path.start, size_of(path));
    request->path[size_of(path)] = 0;
    return 0;
}

long http_parse_request(const char *text, size_t length,
                        struct http_request *request)
{
    struct piece head, line;
    struct fields fields;
    bool old;

    int status = find_head(text, length, &head);
    if (status <= 0)
        return status;
    if (!cut_line(&head, &line))
        return -400;
    status = read_request_line(line, request, &old);
    if (status == 0)
        status = read_fields(head, &fields);
    if (status < 0)
        return status;
    request->client = fields.client;
    request->number = fields.number;
    request->max_age = fields.max_age;
    request->close = fields.close || (old && !fields.keep);
    request->body = head.end + 2;
    request->length = fields.length;
    return whole_length(text, length, head, &fields);
}

long http_parse_answer(const char *text, size_t length,
                       struct http_answer *answer)
{
    struct piece head, line, version, status;
    struct fields fields;
    uint64_t number;

    int found = find_head(text, length, &head);
    if (found <= 0)
        return found;
    if (!cut_line(&head, &line) || !cut(&line, ' ', &version) ||
        !is_word(version, "HTTP/1.1") || !cut(&line, ' ', &status) ||
        !read_number(status, &number) || number > 999)
        return -502;
    if (read_fields(head, &fields) < 0 || !fields.has_length)
        return -502;
    answer->status = (int)number;
    answer->stored_by = fields.stored_by;
    answer->served_by = fields.served_by;
    answer->close = fields.close;
    answer->body = head.end + 2;
    answer->length = fields.length;
    return whole_length(text, length, head, &fields);
}

/* "Name: value", if there is one to tell. */
static size_t write_field(char *text, const char *name, uint64_t value)
{
    if (value == 0)
        return 0;
    return (size_t)sprintf(text, "%s: %llu\r\n", name,
                           (unsigned long long)value);
}

static size_t write_body(char *text, const char *body, size_t length)
{
    size_t used = (size_t)sprintf(text, "Content-Length: %zu\r\n\r\n", length);
    if (length)
        memcpy(text + used, body, length);
    return used + length;
}

size_t http_write_request(char *text, const struct http_request *request)
{
    size_t used = (size_t)sprintf(text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n",
                                  methods[request->method], request->path);
    used += write_field(text + used, "Client", request->client);
    used += write_field(text + used, "Request", request->number);
    used += write_field(text + used, "Max-Age", request->max_age);
    return used + write_body(text + used, request->body, request->length);
}

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {431, "Request Header Fields Too Large"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Unknown";
}

size_t http_write_answer(char *text, const struct http_answer *answer)
{
    size_t used = (size_t)sprintf(text, "HTTP/1.1 %d %s\r\n", answer->status,
                                  status_text(answer->status));
    used += write_field(text + used, "Stored-By", answer->stored_by);
    used += write_field(text + used, "Served-By", answer->served_by);
    if (answer->close)
        used += (size_t)sprintf(text + used, "Connection: close\r\n");
    return used + write_body(text + used, answer->body, answer->length);
}
