/* SPDX-License-Identifier: MIT */
/*
 * segment.c -- pages from a shared-memory variant plus a lock from a lock
 * variant.
 *
 * This is where the two kinds of variants meet, and the only place.  Nothing
 * is kept in the shared pages: what the lock has there is the lock's.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/options.h"
#include "base/page.h"
#include "base/thread.h"
#include "segment/segment_table.h"

enum { SUFFIX_LENGTH = sizeof ".mem" - 1 };

/* Half of what a process can address on the narrowest 64-bit machines. */
#define MAPPING_LIMIT ((size_t)1 << (sizeof(size_t) == 8 ? 46 : 30))

struct choice {
    struct options options;
    const struct shm_variant *shm;
    const struct lock_variant *lock;
    size_t lock_size; /* of the lock's shared bytes, in whole pages */
};

static int choose_variants(struct choice *choice)
{
    if (mmi_options_get(&choice->options) < 0)
        return -1;
    choice->shm = mmi_shm_find(choice->options.shm);
    if (!choice->shm)
        return -1;
    choice->lock = mmi_lock_find(choice->options.lock);
    if (!choice->lock)
        return -1;
    choice->lock_size = bytes_align(choice->lock->shared_size, mmi_page_size());
    return 0;
}

static const char *base_name(const char *file)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    return slash ? slash + 1 : file;
}

/* A name that no variant could use is refused by all of them. */
static int check_file(const char *file)
{
    if (file && (strlen(file) >= PATH_MAX - SUFFIX_LENGTH ||
                 strlen(base_name(file)) > NAME_MAX - SUFFIX_LENGTH))
        return mmi_fail_as(ENAMETOOLONG,
                           "mm:core: the file name '%.40s...' is too long",
                           file);
    return 0;
}

/* What tools show for the segment: cut to size, and plain enough for every
 * place it is printed in. */
static void set_name(struct segment *segment, const struct options *options,
                     const char *file)
{
    const char *name = options->name;
    if (*name == '\0' && file)
        name = base_name(file);
    if (*name == '\0')
        name = program_invocation_short_name;
    size_t i;
    for (i = 0; i < sizeof segment->name - 1 && name[i]; i++)
        segment->name[i] =
            name[i] > ' ' && name[i] < 127 && !strchr("\"\\/", name[i])
                ? name[i]
                : '_';
    segment->name[i] = '\0';
}

static int measure(const struct choice *choice, size_t user_size, size_t *size)
{
    if (user_size == 0)
        return mmi_fail_as(EINVAL,
                           "mm:core: a segment of 0 bytes is of no use");
    if (!bytes_add(choice->lock_size, user_size, size) ||
        *size > PTRDIFF_MAX - mmi_page_size())
        return mmi_fail_as(ENOMEM,
                           "mm:core: %zu bytes are more than can be addressed",
                           user_size);
    return 0;
}

static int create_shm(struct segment *segment, const struct choice *choice,
                      const struct segment_request *request)
{
    struct shm_request wanted = {
        .path = request->file,
        .name = segment->name,
        .keepfd = choice->options.keepfd,
        .reserve = request->reserve,
    };
    if (measure(choice, request->size, &wanted.size) < 0 ||
        choice->shm->create(&segment->shm, &wanted) < 0)
        return -1;
    segment->shm_variant = choice->shm;
    segment->user = segment->shm.base + choice->lock_size;
    segment->user_size = request->size;
    return 0;
}

static int create_lock(struct segment *segment, const struct choice *choice)
{
    const struct shm_variant *shm = segment->shm_variant;
    size_t start = bytes_align(choice->lock->shared_start, mmi_page_size());
    if (start == 0)
        start = choice->lock_size;
    if (shm->commit && start > 0 && shm->commit(&segment->shm, 0, start) < 0)
        return -1;
    return mmi_lock_create(&segment->lock, choice->lock, segment->shm.base,
                           segment->id, choice->options.lock_timeout);
}

int mmi_segment_create(struct segment **out,
                       const struct segment_request *request)
{
    struct choice choice;
    if (choose_variants(&choice) < 0 || check_file(request->file) < 0)
        return -1;
    struct segment *segment = calloc(1, sizeof *segment);
    if (!segment)
        return mmi_fail_as(ENOMEM,
                           "mm:core: no private memory for another segment");
    set_name(segment, &choice.options, request->file);
    segment->id = mmi_object_id();
    if (segment->id == 0)
        goto undo_record;
    if (create_shm(segment, &choice, request) < 0)
        goto undo_id;
    if (create_lock(segment, &choice) < 0)
        goto undo_shm;
    if (mmi_segment_table_insert(segment) < 0)
        goto undo_lock;
    *out = segment;
    return 0;

undo_lock:
    mmi_lock_destroy(&segment->lock);
undo_shm:
    segment->shm_variant->destroy(&segment->shm);
undo_id:
    mmi_object_retire(segment->id);
undo_record:
    free(segment);
    return -1;
}

void mmi_segment_destroy(struct segment *segment)
{
    int saved = errno;
    mmi_segment_table_remove(segment);
    if (segment->client_destroy)
        segment->client_destroy(segment->client);
    mmi_lock_destroy(&segment->lock);
    segment->shm_variant->destroy(&segment->shm);
    mmi_object_retire(segment->id);
    free(segment);
    errno = saved;
}

size_t mmi_segment_max_size(void)
{
    struct choice choice;
    if (choose_variants(&choice) < 0)
        return 0;
    size_t most = MAPPING_LIMIT;
    if (choice.shm->max_size) {
        size_t allowed = choice.shm->max_size();
        most = allowed < most ? allowed : most;
    }
    most &= ~(mmi_page_size() - 1);
    return most > choice.lock_size ? most - choice.lock_size : 0;
}

int mmi_segment_permit(struct segment *segment, mode_t mode, uid_t uid,
                       gid_t gid)
{
    const struct lock_variant *lock = segment->lock.variant;
    const struct shm_variant *shm = segment->shm_variant;
    if (lock->permit && lock->permit(&segment->lock, mode, uid, gid) < 0)
        return -1;
    return shm->permit ? shm->permit(&segment->shm, mode, uid, gid) : 0;
}

int mmi_segment_commit(struct segment *segment, size_t offset, size_t size)
{
    const struct shm_variant *shm = segment->shm_variant;
    if (offset > segment->user_size || size > segment->user_size - offset)
        return mmi_fail_as(EINVAL,
                           "mm:core: cannot set %zu bytes at %zu aside: the "
                           "segment has %zu",
                           size, offset, segment->user_size);
    if (!shm->commit || size == 0)
        return 0;
    size_t lead = (size_t)(segment->user - segment->shm.base);
    return shm->commit(&segment->shm, lead + offset, size);
}
