/* SPDX-License-Identifier: MIT */
/*
 * refpage_device.c -- DEVICE: /dev/refpage of the kernel module mergemod.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fail.h"
#include "kmod/uapi/refpage.h"
#include "refpage/refpage_parts.h"

/* A descriptor, or -1 with errno set. */
static int ask_device(const void *content, size_t size, unsigned flags)
{
    struct refpage_request request = {
        .content = (uintptr_t)content,
        .size = (uint32_t)size,
        .flags = flags,
    };
    int device = open(REFPAGE_DEVICE, O_RDONLY | O_CLOEXEC);
    if (device < 0)
        return -1;
    int fd = ioctl(device, REFPAGE_IOC_CREATE, &request);
    int saved = errno;
    close(device);
    errno = saved;
    return fd;
}

/* Of zeroes the device says EINVAL; whatever else has its name does not. */
static bool device_present(void)
{
    int saved = errno;
    int fd = ask_device(NULL, 0, 0);
    bool present = fd < 0 && errno == EINVAL;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return present;
}

static int device_create(struct refpage *ref, const void *content)
{
    int fd = ask_device(content, ref->size, O_CLOEXEC);
    if (fd < 0)
        return mmi_fail("mm:core: %s cannot make reference pages",
                        REFPAGE_DEVICE);
    return mmi_refpage_kernel_create(ref, fd);
}

const struct refpage_source mmi_refpage_device = {
    .name = "DEVICE",
    .present = device_present,
    .create = device_create,
    .map = mmi_refpage_kernel_map,
    .descriptor = mmi_refpage_kernel_descriptor,
    .destroy = mmi_refpage_kernel_destroy,
};
