/* SPDX-License-Identifier: MIT */
/*
 * fail.c -- the record of what went wrong last, one per thread.
 *
 * A thread for which no private memory can be had writes into one record that
 * all such threads share: a garbled text is better than none.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "base/thread.h"

static struct thread_failure emergency;

static struct thread_failure *failure_of_thread(void)
{
    struct thread *self = mmi_thread();
    return self ? &self->failure : &emergency;
}

__attribute__((format(printf, 1, 0))) static void record(const char *format,
                                                         va_list values)
{
    struct thread_failure *failure = failure_of_thread();
    vsnprintf(failure->text, sizeof failure->text, format, values);
    failure->set = true;
}

int mmi_fail(const char *format, ...)
{
    int error = errno;
    va_list values;
    va_start(values, format);
    record(format, values);
    va_end(values);

    struct thread_failure *failure = failure_of_thread();
    size_t used = strlen(failure->text);
    snprintf(failure->text + used, sizeof failure->text - used, " (%s)",
             strerror(error));
    errno = error;
    return -1;
}

int mmi_fail_as(int error, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    record(format, values);
    va_end(values);
    errno = error;
    return -1;
}

char *mmi_fail_text(void)
{
    struct thread_failure *failure = failure_of_thread();
    return failure->set ? failure->text : NULL;
}

void mmi_fail_clear(void)
{
    failure_of_thread()->set = false;
}
