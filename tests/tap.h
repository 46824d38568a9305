/* SPDX-License-Identifier: MIT */
/*
 * tap.h -- the Test Anything Protocol for tests that fork.
 *
 * Only the process that runs main() writes TAP; children report by exit status
 * (children.h).  Output is flushed line by line, so that a child never repeats
 * what its parent had buffered.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int tap_count;
static int tap_failed;

/* One test point.  Returns CONDITION, so that follow-up work can depend on
 * it. */
__attribute__((format(printf, 2, 3), unused)) static bool
ok(bool condition, const char *format, ...)
{
    va_list values;
    printf("%sok %d - ", condition ? "" : "not ", ++tap_count);
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    printf("\n");
    fflush(stdout);
    if (!condition)
        tap_failed++;
    return condition;
}

/* A comment, shown with the test's log. */
__attribute__((format(printf, 1, 2), unused)) static void
diag(const char *format, ...)
{
    va_list values;
    printf("# ");
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    printf("\n");
    fflush(stdout);
}

__attribute__((unused)) static bool is_int(long long got, long long wanted,
                                           const char *what)
{
    bool same = got == wanted;
    ok(same, "%s", what);
    if (!same)
        diag("got %lld, wanted %lld", got, wanted);
    return same;
}

__attribute__((unused)) static bool is_str(const char *got, const char *wanted,
                                           const char *what)
{
    bool same = got && wanted ? strcmp(got, wanted) == 0 : got == wanted;
    ok(same, "%s", what);
    if (!same)
        diag("got '%s', wanted '%s'", got ? got : "(null)",
             wanted ? wanted : "(null)");
    return same;
}

/* COUNT test points that cannot run here, and why. */
__attribute__((unused)) static void skip(int count, const char *why)
{
    while (count-- > 0)
        printf("ok %d # SKIP %s\n", ++tap_count, why);
    fflush(stdout);
}

/* The whole test cannot run here. */
__attribute__((unused, noreturn)) static void skip_all(const char *why)
{
    printf("1..0 # SKIP %s\n", why);
    exit(0);
}

/* The whole test looks into /proc, which a bare chroot may be without. */
__attribute__((unused)) static void need_proc(void)
{
    if (access("/proc/self/fd", X_OK) < 0)
        skip_all("/proc is not mounted");
}

/* No way to go on. */
__attribute__((format(printf, 1, 2), unused, noreturn)) static void
bail(const char *format, ...)
{
    va_list values;
    printf("Bail out! ");
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    printf("\n");
    exit(99);
}

/* The plan, at the end; main() returns it. */
__attribute__((unused)) static int done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Does this machine refuse what the shared-memory variant NAME needs?  Some
 * sandboxes have no directory for POSIX objects.  Then a point is skipped. */
__attribute__((unused)) static bool skips_variant(const char *name)
{
    bool refused = strcmp(name, "MMPOSX") == 0 && access("/dev/shm", W_OK) < 0;
    if (refused)
        skip(1, "MMPOSX: /dev/shm cannot be written");
    return refused;
}

#endif
