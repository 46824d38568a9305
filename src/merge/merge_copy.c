/* SPDX-License-Identifier: MIT */
/*
 * merge_copy.c -- memory of the program that may not be there.
 *
 * The reference promises EFAULT for wild pointers, as a system call would give
 * it.  So it is system calls that do the copying: those that read and write the
 * memory of a process, used on our own.  Where a sandbox forbids them, copying
 * is plain, and a wild pointer is the signal it always is.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "merge/merge_private.h"

typedef ssize_t transfer_call(pid_t, const struct iovec *, unsigned long,
                              const struct iovec *, unsigned long,
                              unsigned long);

/* Move SIZE bytes between OURS and THEIRS.  0, -1 with EFAULT, or 1 if the
 * system does not do that here. */
static int transfer(transfer_call *call, void *ours, void *theirs, size_t size)
{
    int saved = errno;
    for (size_t done = 0; done < size;) {
        struct iovec local = {(char *)ours + done, size - done};
        struct iovec remote = {(char *)theirs + done, size - done};
        ssize_t moved = call(getpid(), &local, 1, &remote, 1, 0);
        if (moved < 0 && errno != EFAULT && errno != ENOMEM) {
            errno = saved;
            return 1;
        }
        if (moved <= 0) {
            errno = EFAULT;
            return -1;
        }
        done += (size_t)moved;
    }
    errno = saved;
    return 0;
}

int mmi_merge_copy_in(void *to, const void *from, size_t size)
{
    int result = transfer(process_vm_readv, to, (void *)(uintptr_t)from, size);
    if (result > 0)
        memcpy(to, from, size);
    return result < 0 ? -1 : 0;
}

int mmi_merge_copy_out(void *to, const void *from, size_t size)
{
    int result = transfer(process_vm_writev, (void *)(uintptr_t)from, to, size);
    if (result > 0)
        memcpy(to, from, size);
    return result < 0 ? -1 : 0;
}

int mmi_merge_accessible(const void *address, size_t size)
{
    char byte;
    const char *first = address;
    if (size == 0)
        return 0;
    if (!first || (uintptr_t)first > UINTPTR_MAX - (size - 1)) {
        errno = EFAULT;
        return -1;
    }
    const char *ends[] = {first, first + (size - 1)};
    for (int i = 0; i < 2; i++)
        if (transfer(process_vm_readv, &byte, (void *)(uintptr_t)ends[i], 1) <
            0)
            return -1;
    return 0;
}

int mmi_merge_array(const void *array, size_t nel, size_t size)
{
    if (nel > (size_t)PTRDIFF_MAX / size) {
        errno = EINVAL;
        return -1;
    }
    return mmi_merge_accessible(array, nel * size);
}
