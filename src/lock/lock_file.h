/* SPDX-License-Identifier: MIT */
/*
 * lock_file.h -- the files that FCNTL, OFD and FLOCK lock.
 *
 * A lock file has no bytes and no name: a memfd where the system has them, else
 * a temporary file that was unlinked.  It can be reached only through an
 * inherited descriptor, which is why its permission bits allow everybody to
 * open it again: a worker that gave up its user id must still be able to.
 *
 * Descriptor numbers are no identity: what was closed may come back as
 * somebody else's file.  Device and inode are compared before each use.
 */
#ifndef MMI_LOCK_FILE_H
#define MMI_LOCK_FILE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/file.h"

struct lock_file {
    int fd; /* inherited by all; never locked by OFD, FLOCK */
    struct file_id id;
    int own;                    /* an open file of this process alone, or -1 */
    _Atomic uint64_t opened_in; /* the process generation that opened it */
    struct lock_file *next;     /* all that have an own open file */
};

/* 0, or -1 after mmi_fail() with nothing left behind. */
int mmi_lock_file_create(struct lock_file *file);

/* The descriptor that all processes share, or -1 after mmi_fail_as(EBADF). */
int mmi_lock_file_shared(const struct lock_file *file);

/* A new open file, for the caller to close.  -1 after mmi_fail(). */
int mmi_lock_file_open(const struct lock_file *file);

/* A descriptor whose open file belongs to this process alone; opened on first
 * use.  -1 after mmi_fail(), EBADF if one of the descriptors was closed. */
int mmi_lock_file_own(struct lock_file *file);

/* Close this process's descriptors.  Keeps errno. */
void mmi_lock_file_destroy(struct lock_file *file);

#endif
