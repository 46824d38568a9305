/* SPDX-License-Identifier: MIT */
/*
 * backend_mergemod.c -- the kernel module answers.
 *
 * The only file that knows that there is a device.  It is opened for each call
 * of the library and closed again: no descriptor is inherited, keeps the module
 * from being unloaded, or outlives a change of privileges.  The first thing
 * said is the version; another protocol than ours is EPROTO.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/page.h"
#include "merge/merge_private.h"

struct merge_session {
    int fd;
    pid_t pid;
};

/* An ioctl that goes on after signals. */
static int ask(int fd, unsigned long request, void *argument)
{
    int result;
    do
        result = ioctl(fd, request, argument);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -1 : 0;
}

/* The device, its version checked.  A descriptor. */
static int open_device(void)
{
    struct mergemod_version version = {.protocol = 0};
    int fd = open(MERGEMOD_DEVICE, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENXIO || errno == ENODEV ||
            errno == ENOTDIR)
            errno = ENOPKG;
        else if (errno == EACCES)
            errno = EPERM;
        return -1;
    }
    int failed = ask(fd, MERGEMOD_IOC_VERSION, &version);
    /* ENOTTY: something else has that name. */
    if ((failed && errno == ENOTTY) ||
        (!failed && (version.protocol != MERGEMOD_PROTOCOL ||
                     version.page_size != mmi_page_size()))) {
        failed = -1;
        errno = EPROTO;
    }
    if (!failed)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int mergemod_probe(void)
{
    int fd = open_device();
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int mergemod_open(pid_t pid, struct merge_session **out)
{
    struct merge_session *session = malloc(sizeof *session);
    if (!session)
        return -1;
    session->pid = pid;
    session->fd = open_device();
    if (session->fd < 0) {
        free(session);
        return -1;
    }
    *out = session;
    return 0;
}

static void mergemod_close(struct merge_session *session)
{
    close(session->fd);
    free(session);
}

/* A module that claims more than it was asked for, or nothing at all without
 * an error, is not the one we know. */
static int check_progress(uint32_t done, size_t count)
{
    if (done > 0 && done <= count)
        return 0;
    errno = EPROTO;
    return -1;
}

static ssize_t mergemod_infos(struct merge_session *session, uint64_t *next,
                              uint64_t end, struct mergemod_page *pages,
                              size_t count)
{
    struct mergemod_pageinfos request = {
        .pid = session->pid,
        .start = *next,
        .end = end,
        .pages = (uintptr_t)pages,
        .nel = (uint32_t)count,
    };
    if (ask(session->fd, MERGEMOD_IOC_PAGEINFOS, &request) < 0)
        return -1;
    if (request.found > count || (request.next != 0 && request.next <= *next)) {
        errno = EPROTO;
        return -1;
    }
    *next = request.next;
    return (ssize_t)request.found;
}

static int mergemod_hash(struct merge_session *session,
                         struct mergemod_page *pages, size_t count,
                         enum mergemod_hash function)
{
    for (size_t done = 0; done < count;) {
        struct mergemod_hashpages request = {
            .pid = session->pid,
            .function = function,
            .pages = (uintptr_t)(pages + done),
            .nel = (uint32_t)(count - done),
        };
        if (ask(session->fd, MERGEMOD_IOC_HASHPAGES, &request) < 0 ||
            check_progress(request.done, count - done) < 0)
            return -1;
        done += request.done;
    }
    return 0;
}

static int mergemod_read(struct merge_session *session,
                         struct mergemod_page *pages, size_t count,
                         char *contents)
{
    size_t page_size = mmi_page_size();
    for (size_t done = 0; done < count;) {
        struct mergemod_readpages request = {
            .pid = session->pid,
            .pages = (uintptr_t)(pages + done),
            .buffer = (uintptr_t)(contents + done * page_size),
            .buffer_size = (count - done) * page_size,
            .nel = (uint32_t)(count - done),
        };
        if (ask(session->fd, MERGEMOD_IOC_READPAGES, &request) < 0 ||
            check_progress(request.done, count - done) < 0)
            return -1;
        done += request.done;
    }
    return 0;
}

static int mergemod_merge(struct merge_session *session,
                          struct mergemod_pair *pairs, size_t count)
{
    for (size_t done = 0; done < count;) {
        struct mergemod_merge request = {
            .pairs = (uintptr_t)(pairs + done),
            .nel = (uint32_t)(count - done),
        };
        if (ask(session->fd, MERGEMOD_IOC_MERGE, &request) < 0 ||
            check_progress(request.done, count - done) < 0)
            return -1;
        done += request.done;
    }
    return 0;
}

const struct merge_backend mmi_merge_mergemod = {
    .name = "mergemod",
    .probe = mergemod_probe,
    .open = mergemod_open,
    .close = mergemod_close,
    .infos = mergemod_infos,
    .hash = mergemod_hash,
    .read = mergemod_read,
    .merge = mergemod_merge,
};
