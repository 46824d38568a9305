/* SPDX-License-Identifier: MIT */
/*
 * refpage_kernel.c -- reference pages behind a descriptor of the kernel.
 *
 * One plain mmap(2) does all.  The descriptor is known by device and inode, but
 * the kernel may use one inode for many such descriptors; so what was mapped is
 * compared with the pattern before it is given out.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/page.h"
#include "refpage/refpage_parts.h"

static char *map_descriptor(int fd, size_t length, int prot)
{
    void *start = mmap(NULL, length, prot, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (start != MAP_FAILED)
        return start;
    mmi_fail("mm:core: cannot map %zu bytes of reference pages", length);
    return NULL;
}

int mmi_refpage_kernel_create(struct refpage *ref, int fd)
{
    size_t page = mmi_page_size();
    if (mmi_file_identify(fd, &ref->file) < 0)
        return -1;
    char *start = map_descriptor(fd, page, PROT_READ);
    if (!start) {
        mmi_file_close(fd, &ref->file);
        return -1;
    }
    memcpy(ref->page, start, page);
    munmap(start, page);
    ref->fd = fd;
    return 0;
}

static int check_descriptor(const struct refpage *ref)
{
    if (mmi_file_is(ref->fd, &ref->file))
        return 0;
    return mmi_fail_as(EBADF, "mm:core: the descriptor of the reference pages "
                              "was closed");
}

char *mmi_refpage_kernel_map(struct refpage *ref, size_t length)
{
    if (check_descriptor(ref) < 0)
        return NULL;
    char *start = map_descriptor(ref->fd, length, PROT_READ | PROT_WRITE);
    if (start && memcmp(start, ref->page, mmi_page_size()) != 0) {
        munmap(start, length);
        mmi_fail_as(EBADF, "mm:core: the descriptor of the reference pages was "
                           "taken over by others");
        return NULL;
    }
    return start;
}

int mmi_refpage_kernel_descriptor(const struct refpage *ref)
{
    if (check_descriptor(ref) < 0)
        return -1;
    int fd = fcntl(ref->fd, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? mmi_fail("mm:core: cannot give out a descriptor of "
                             "reference pages")
                  : fd;
}

void mmi_refpage_kernel_destroy(struct refpage *ref)
{
    mmi_file_close(ref->fd, &ref->file);
}
