/* SPDX-License-Identifier: MIT */
/*
 * api.h -- what the tests of the public functions share: <mm.h>, TAP, children,
 * and one way to say that a call must fail.
 */
#ifndef TESTS_API_H
#define TESTS_API_H

#include <mm.h>
#include <stdint.h>

#include "../children.h"
#include "../tap.h"

/* What an allocation of N bytes takes from mm_available(). */
#define COST(n) (((size_t)(n) + 16 + 7) & ~(size_t)7)

#define NONE ((size_t)-1)

__attribute__((unused)) static void clear_failure(void)
{
    mm_lib_error_set(0, NULL);
    errno = 0;
}

__attribute__((unused)) static bool
check_failure(bool failed, int error, const char *word, const char *what)
{
    int got = errno;
    const char *text = mm_error();
    bool told =
        text && strstr(text, word) &&
        (!strncmp(text, "mm:core: ", 9) || !strncmp(text, "mm:alloc: ", 10));
    if (!ok(failed && got == error && told, "%s: %s, and says so", what,
            strerror(error)))
        diag("%s, errno %d (%s), message: %s",
             failed ? "failed" : "did not fail", got, strerror(got),
             text ? text : "(none)");
    return failed;
}

/* One test point: CONDITION, a call compared with what it returns on failure,
 * is true, errno is ERROR, and a message was left that has WORD in it. */
#define fails(condition, error, word)                                          \
    check_failure((clear_failure(), (condition)), error, word, #condition)

/* The same for functions that return nothing. */
#define complains(call, error, word)                                           \
    check_failure((clear_failure(), (call), true), error, word, #call)

/* A pool, or the end of the test. */
__attribute__((unused)) static MM *make_pool(size_t size)
{
    MM *mm = mm_create(size, NULL);
    if (!mm)
        bail("mm_create(%zu): %s", size, mm_error());
    return mm;
}

/* Repeatable random numbers. */
__attribute__((unused)) static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Whether the lock of MM lives in a descriptor, which a child may have
 * closed. */
__attribute__((unused)) static bool lock_needs_descriptor(MM *mm)
{
    const char *lock = mm_query(mm, "lock");
    return !strcmp(lock, "FCNTL") || !strcmp(lock, "OFD") ||
           !strcmp(lock, "FLOCK");
}

#endif
