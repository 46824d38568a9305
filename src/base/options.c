/* SPDX-License-Identifier: MIT */
/*
 * options.c -- "shm=NAME,lock=NAME,...": the parser and the store.
 *
 * One row of the table per option; a new one needs a row, a field, and a
 * paragraph in mm_options(3).
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "base/options.h"

enum option_type { OPTION_TEXT, OPTION_MILLISECONDS, OPTION_SWITCH };

static const struct option {
    const char *name;
    enum option_type type;
    size_t offset;
    size_t size;
} table[] = {
#define FIELD(field)                                                           \
    offsetof(struct options, field), sizeof(((struct options *)0)->field)
    {"shm", OPTION_TEXT, FIELD(shm)},
    {"lock", OPTION_TEXT, FIELD(lock)},
    {"name", OPTION_TEXT, FIELD(name)},
    {"lock.timeout", OPTION_MILLISECONDS, FIELD(lock_timeout)},
    {"keepfd", OPTION_SWITCH, FIELD(keepfd)},
    {"refpage", OPTION_TEXT, FIELD(refpage)},
#undef FIELD
};
enum { OPTION_COUNT = sizeof table / sizeof *table };

static pthread_mutex_t program_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t program_once = PTHREAD_ONCE_INIT;
static struct options program = {.lock_timeout = 10000};

void mmi_options_names(char *text, size_t size, const char *separator)
{
    size_t used = 0;
    for (size_t i = 0; i < OPTION_COUNT && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 i ? separator : "", table[i].name);
}

static void before_fork(void)
{
    pthread_mutex_lock(&program_lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&program_lock);
}

/* A child must not inherit the lock from a thread it has not. */
static void survive_fork(void)
{
    pthread_atfork(before_fork, after_fork, after_fork);
}

static void lock_program(void)
{
    pthread_once(&program_once, survive_fork);
    pthread_mutex_lock(&program_lock);
}

static int fail_unknown(const char *name, size_t length, const char *source)
{
    char known[128];
    mmi_options_names(known, sizeof known, ", ");
    return mmi_fail_as(EINVAL,
                       "mm:core: unknown option '%.*s' in %s; known: %s",
                       (int)length, name, source, known);
}

static int fail_value(const char *item, size_t length, const char *source,
                      const char *wanted)
{
    return mmi_fail_as(EINVAL, "mm:core: option '%.*s' in %s: wanted %s",
                       (int)length, item, source, wanted);
}

/* Names become part of file names and of maps: keep them printable. */
static bool is_name(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                    "0123456789-_.",
                    value[i]))
            return false;
    return length > 0;
}

/* "500", "500ms", "10s"; -1 for anything else or more than a day. */
static long parse_milliseconds(const char *value, size_t length)
{
    const long day = 86400000;
    long number = 0;
    size_t digits = 0;
    while (digits < length && value[digits] >= '0' && value[digits] <= '9') {
        number = number * 10 + (value[digits++] - '0');
        if (number > day)
            return -1;
    }
    size_t unit = length - digits;
    if (digits == 0)
        return -1;
    if (unit == 1 && value[digits] == 's')
        number *= 1000;
    else if (unit != 0 && !(unit == 2 && !memcmp(value + digits, "ms", 2)))
        return -1;
    return number > day ? -1 : number;
}

static int parse_item(struct options *out, const char *item, size_t length,
                      const char *source)
{
    const char *equals = memchr(item, '=', length);
    size_t name_length = equals ? (size_t)(equals - item) : length;
    const char *value = equals ? equals + 1 : "1";
    size_t value_length = equals ? length - name_length - 1 : 1;

    const struct option *option = NULL;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strlen(table[i].name) == name_length &&
            strncasecmp(table[i].name, item, name_length) == 0)
            option = &table[i];
    if (!option)
        return fail_unknown(item, name_length, source);

    char *field = (char *)out + option->offset;
    if (option->type == OPTION_TEXT) {
        if (!equals || !is_name(value, value_length))
            return fail_value(item, length, source,
                              "a name of letters, digits, '-', '_' and '.'");
        if (value_length >= option->size)
            return fail_value(item, length, source, "a shorter name");
        memcpy(field, value, value_length);
        field[value_length] = '\0';
        return 0;
    }
    if (option->type == OPTION_MILLISECONDS) {
        long number = equals ? parse_milliseconds(value, value_length) : -1;
        if (number < 0)
            return fail_value(item, length, source,
                              "a time such as 500ms or 10s, at most a day");
        *(long *)field = number;
        return 0;
    }
    if (value_length != 1 || (*value != '0' && *value != '1'))
        return fail_value(item, length, source, "0 or 1");
    *(bool *)field = *value == '1';
    return 0;
}

int mmi_options_parse(struct options *out, const char *text, const char *source)
{
    struct options parsed = *out;
    for (;;) {
        text += strspn(text, ", \t\n");
        size_t length = strcspn(text, ", \t\n");
        if (length == 0)
            break;
        if (parse_item(&parsed, text, length, source) < 0)
            return -1;
        text += length;
    }
    *out = parsed;
    return 0;
}

int mmi_options_set(const char *text)
{
    lock_program();
    int result = text ? mmi_options_parse(&program, text, "mm_options()") : 0;
    pthread_mutex_unlock(&program_lock);
    return result;
}

int mmi_options_get(struct options *out)
{
    lock_program();
    struct options options = program;
    pthread_mutex_unlock(&program_lock);

    const char *environment = secure_getenv("MM_OPTIONS");
    if (environment &&
        mmi_options_parse(&options, environment, "MM_OPTIONS") < 0)
        return -1;
    *out = options;
    return 0;
}
