/* SPDX-License-Identifier: MIT */
/*
 * segment.h -- pages from a shared-memory variant plus a lock from a lock
 * variant.
 *
 * The lock's shared bytes come first, then, page-aligned, the user area.  All
 * that is known about a segment is private memory; the address of the user area
 * is looked up in a private table before anything is read through it.
 */
#ifndef MMI_SEGMENT_H
#define MMI_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "lock/lock.h"
#include "shm/shm.h"

struct segment {
    uint64_t id;      /* never given out twice, see mmi_object_id() */
    char *user;       /* the user area, page-aligned */
    size_t user_size; /* bytes of it that the creator asked for */
    struct shm shm;
    struct lock lock;
    const struct shm_variant *shm_variant;
    void *client; /* of the layer above: the pool, NULL for a raw segment */
    void (*client_destroy)(void *client);
    char name[64];
};

struct segment_request {
    size_t size;      /* bytes of the user area */
    const char *file; /* what the caller named, or NULL */
    bool reserve;     /* raw segments: have all pages set aside at once */
};

/* Make a segment with the variants that the options choose, and enter it into
 * the table.  0 and *OUT, or -1 after mmi_fail() with nothing left behind. */
int mmi_segment_create(struct segment **out,
                       const struct segment_request *request);

/* Take SEGMENT out of the table, destroy its client, unmap it, and free it; in
 * the creator also remove what lies outside.  Takes no lock.  Keeps errno. */
void mmi_segment_destroy(struct segment *segment);

/* The segment whose user area starts at ADDRESS; NULL after
 * mmi_fail_as(EINVAL).  Lock-free. */
struct segment *mmi_segment_find(const void *address);

/* Number of segments in this process's table. */
size_t mmi_segment_table_count(void);

/* Bytes that a segment of the chosen variants can have at most. */
size_t mmi_segment_max_size(void);

/* Hand files and system objects of SEGMENT to other users. */
int mmi_segment_permit(struct segment *segment, mode_t mode, uid_t uid,
                       gid_t gid);

/* Make sure that [offset, offset + size) of the user area can be touched. */
int mmi_segment_commit(struct segment *segment, size_t offset, size_t size);

#endif
