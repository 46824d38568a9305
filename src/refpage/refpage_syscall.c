/* SPDX-License-Identifier: MIT */
/*
 * refpage_syscall.c -- SYSCALL: refpage_create(2), where the kernel has it.
 *
 * No released kernel does.  Its number is whatever the headers of the system
 * say: the one it was proposed with belongs to another call today, so nothing
 * is guessed.
 */
#include "config.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fail.h"
#include "refpage/refpage_parts.h"

#ifndef SYS_refpage_create
#define SYS_refpage_create -1 /* ENOSYS */
#endif

static int ask_kernel(const void *content, size_t size)
{
    return (int)syscall(SYS_refpage_create, content, (unsigned)size, 0UL);
}

/* A size of 0 is EINVAL where the call is known, ENOSYS elsewhere. */
static bool syscall_present(void)
{
    int saved = errno;
    int fd = ask_kernel(NULL, 0);
    bool present = fd < 0 && errno == EINVAL;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return present;
}

static int syscall_create(struct refpage *ref, const void *content)
{
    int fd = ask_kernel(content, ref->size);
    if (fd < 0)
        return mmi_fail("mm:core: the kernel cannot make reference pages");
    return mmi_refpage_kernel_create(ref, fd);
}

const struct refpage_source mmi_refpage_syscall = {
    .name = "SYSCALL",
    .present = syscall_present,
    .create = syscall_create,
    .map = mmi_refpage_kernel_map,
    .descriptor = mmi_refpage_kernel_descriptor,
    .destroy = mmi_refpage_kernel_destroy,
};
