/* SPDX-License-Identifier: MIT */
/*
 * merge_private.h -- what a backend must provide, and what the files of the
 * merge library have for each other.
 *
 * The public functions check arguments, work in batches and convert; a backend
 * knows who is asked.  It gets private memory only, never an address that the
 * program gave for results, and speaks in the structures of the contract with
 * the kernel, whoever it is.  Failures are -1 with errno; nobody translates
 * them on the way up.
 *
 * Nothing is kept between calls but who the backend is and what the default
 * hash is: no descriptor that a fork, a daemon or an unloaded module could
 * spoil.
 */
#ifndef MMI_MERGE_PRIVATE_H
#define MMI_MERGE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mmlib.h>

#include "kmod/uapi/mergemod.h"

/* Most elements that a backend is handed at once. */
enum { MERGE_BATCH = 1024, MERGE_READ_BATCH = 64 };

struct merge_session;

struct merge_backend {
    const char *name;

    /* Whether it could work here: 0, or -1 with the errno that calls would
     * fail with. */
    int (*probe)(void);

    /* Begin to look at process PID; PID is 0 for merging. */
    int (*open)(pid_t pid, struct merge_session **session);
    void (*close)(struct merge_session *session);

    /* The pages that could be merged from *NEXT up to the one with the byte
     * END, at most COUNT.  *NEXT moves to the first page not examined, 0 if all
     * were.  How many; may be fewer than COUNT before the end. */
    ssize_t (*infos)(struct merge_session *session, uint64_t *next,
                     uint64_t end, struct mergemod_page *pages, size_t count);

    /* Bring p_addr and count of COUNT pages up to date, 0 for what is not
     * there, and hash them by a function of the contract. */
    int (*hash)(struct merge_session *session, struct mergemod_page *pages,
                size_t count, enum mergemod_hash function);

    /* The same, but copy page i to CONTENTS + i * page size.  At most
     * MERGE_READ_BATCH. */
    int (*read)(struct merge_session *session, struct mergemod_page *pages,
                size_t count, char *contents);

    /* Merge COUNT pairs, each with a status. */
    int (*merge)(struct merge_session *session, struct mergemod_pair *pairs,
                 size_t count);
};

/* All of them, the one that "auto" prefers first, then the one it falls back
 * on.  NULL ends the list. */
extern const struct merge_backend *const mmi_merge_backends[];

extern const struct merge_backend mmi_merge_mergemod;
extern const struct merge_backend mmi_merge_proc;
extern const struct merge_backend mmi_merge_ksm;

/* Who answers now.  NULL with errno. */
const struct merge_backend *mmi_merge_backend(void);

/* Fails with EFAULT unless the first and the last of SIZE bytes at ADDRESS
 * can be read.  Whether they can be written shows when that is done. */
int mmi_merge_accessible(const void *address, size_t size);

/* Copy between private memory and what the program gave.  EFAULT instead of a
 * signal where the system lets us find out. */
int mmi_merge_copy_in(void *to, const void *from, size_t size);
int mmi_merge_copy_out(void *to, const void *from, size_t size);

/* Fails with EINVAL or EFAULT unless ARRAY can hold NEL elements of SIZE. */
int mmi_merge_array(const void *array, size_t nel, size_t size);

/* The default hash function of m_hashpages(). */
m_hash_function *mmi_merge_hash_default(void);

/* The number of FUNCTION in the contract, 0 if it is none of those. */
int mmi_merge_hash_number(m_hash_function *function);

/* The published 64-bit hash with seed 0, and the other two of the contract. */
uint64_t mmi_merge_xxh64(const void *data, size_t size);
uint64_t mmi_merge_addrothalf(const void *data, size_t size);
uint64_t mmi_merge_hash_run(enum mergemod_hash function, const void *data,
                            size_t size);

#endif
