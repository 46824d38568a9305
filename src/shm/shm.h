/* SPDX-License-Identifier: MIT */
/*
 * shm.h -- what a shared-memory variant must provide.
 *
 * A variant makes one mapping of zeroed pages that stays shared across fork().
 * It knows nothing of locks, heaps or the public API.  Everything in struct
 * shm is private memory: nothing in the pages themselves is ever believed.
 */
#ifndef MMI_SHM_H
#define MMI_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/file.h"

struct shm_request {
    size_t size;      /* bytes; the variant rounds up to pages */
    const char *path; /* what the caller of mm_create() named, or NULL */
    const char *name; /* what tools show, "" if nobody gave one */
    bool keepfd;      /* keep a descriptor open where there is one */
    bool reserve;     /* have the system set the whole size aside now */
};

/* A mapping, as the process that holds it knows it. */
struct shm {
    char *base;
    size_t size; /* bytes mapped, a multiple of the page size */
    int fd;      /* -1 unless kept */
    int id;      /* of a System V segment, else -1 */
    char *path;  /* of a file that destroy() removes, else NULL; owned */
    struct file_id file; /* what fd and path were when create() made them */
    pid_t creator;       /* the process whose destroy() removes it */
};

struct shm_variant {
    const char *name;    /* as in --with-shm=NAME and MM_OPTIONS=shm=NAME */
    const char *summary; /* one line for mm-config --variants */

    /* Map at least REQUEST->size bytes of zeros, readable and writable, and
     * fill *SHM.  0, or -1 after mmi_fail() with nothing left behind. */
    int (*create)(struct shm *shm, const struct shm_request *request);

    /* Unmap; the creator also removes what create() made.  Keeps errno. */
    void (*destroy)(struct shm *shm);

    /* Optional: largest mapping the system allows now, bytes; NULL: no limit
     * but the address space. */
    size_t (*max_size)(void);

    /* Optional: chmod and chown the backing object, by descriptor or by id,
     * never by what lies in shared memory; -1 ids mean no change.  0, or -1
     * after mmi_fail().  NULL: there is nothing to change. */
    int (*permit)(const struct shm *shm, mode_t mode, uid_t uid, gid_t gid);

    /* Optional: make sure that the bytes [offset, offset + size) can be
     * touched without SIGBUS.  Safe to repeat, and to be killed in.  0, or -1
     * after mmi_fail(), typically ENOSPC.  NULL: touching never fails so. */
    int (*commit)(const struct shm *shm, size_t offset, size_t size);
};

/* The variants of this build, best first. */
size_t mmi_shm_count(void);
const struct shm_variant *mmi_shm_at(size_t index); /* NULL beyond the end */

/* The variant called NAME, in any case; "" is the first.  NULL after
 * mmi_fail_as(EINVAL) that lists the known ones. */
const struct shm_variant *mmi_shm_find(const char *name);

#endif
