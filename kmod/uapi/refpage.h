/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * refpage.h -- what /dev/refpage and its users agree on.
 *
 * REFPAGE_IOC_CREATE on a descriptor of the device, opened in any mode, reads
 * SIZE bytes at CONTENT and returns a new descriptor.  Its rules are those of
 * refpage_create(2) as proposed for Linux in July 2021:
 *
 * - SIZE is a power of two, at most the page size; CONTENT is a multiple of
 *   SIZE.  What CONTENT holds after the call does not matter any more.
 * - mmap(2) of the descriptor, at any offset and of any length, shows the
 *   content repeated for ever.  A private writable mapping copies a page when
 *   it is written to, and shows the content again after MADV_DONTNEED; a shared
 *   one cannot be writable.  Mappings outlive the descriptor.
 * - The descriptor is read-only, and cannot be read from.
 * - FLAGS is 0, or O_CLOEXEC.
 *
 * EINVAL: SIZE, CONTENT or FLAGS break a rule; looked at before anything else,
 * so that a structure of zeroes asks whether the device is one.  EFAULT:
 * CONTENT cannot be read.  EMFILE, ENFILE, ENOMEM.  Nobody needs a privilege
 * beyond that of opening the device.
 *
 * The structure is the same for 32-bit and 64-bit programs.
 */
#ifndef _UAPI_REFPAGE_H
#define _UAPI_REFPAGE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define REFPAGE_DEVICE "/dev/refpage"

struct refpage_request {
    __u64 content; /* address */
    __u32 size;
    __u32 flags;
};

#define REFPAGE_IOC_CREATE _IOW(0xB7, 0x20, struct refpage_request)

#endif
