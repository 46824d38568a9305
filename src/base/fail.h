/* SPDX-License-Identifier: MIT */
/*
 * fail.h -- the record of what went wrong last, one per thread.
 *
 * A function that fails calls one of these exactly once, at the place that
 * knows the facts, and returns -1; its callers pass the -1 on and add nothing.
 * FORMAT begins with the historic prefix, "mm:core: " or "mm:alloc: ", and is
 * otherwise a clause that says what could not be done and why.
 */
#ifndef MMI_FAIL_H
#define MMI_FAIL_H

#if defined(__GNUC__)
#define FAIL_FORMAT(at) __attribute__((format(printf, at, at + 1), cold))
#else
#define FAIL_FORMAT(at)
#endif

/* Record FORMAT... followed by " (strerror(errno))".  Keeps errno; -1. */
int mmi_fail(const char *format, ...) FAIL_FORMAT(1);

/* Record FORMAT... and set errno to ERROR, for failures that no system call
 * reported.  Nothing is appended.  Returns -1. */
int mmi_fail_as(int error, const char *format, ...) FAIL_FORMAT(2);

/* The record of this thread, NULL if it never failed.  Valid until the
 * thread's next failure. */
char *mmi_fail_text(void);

/* Forget the record of this thread. */
void mmi_fail_clear(void);

#endif
