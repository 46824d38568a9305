/* SPDX-License-Identifier: MIT */
/*
 * mm_core.c -- mm_core_*: shared segments with a lock, and rounding of sizes.
 *
 * A pool lies at the start of its segment, so that each of these functions can
 * be given a pool as well.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <mm.h>
#include <stdbool.h>

#include "api/pool.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/page.h"

enum { WORD_SIZE = 8 };

void *mm_core_create(size_t size, const char *file)
{
    int saved = errno;
    size_t most = mmi_segment_max_size();
    if (size == 0 || (most != 0 && size > most)) {
        mmi_fail_as(EINVAL,
                    "mm:core: a segment cannot have %zu bytes; at most %zu",
                    size, most);
        return NULL;
    }
    const struct segment_request request = {
        .size = size,
        .file = file,
        .reserve = true,
    };
    struct segment *segment;
    if (mmi_segment_create(&segment, &request) < 0)
        return NULL;
    errno = saved;
    return segment->user;
}

int mm_core_permission(void *core, mode_t mode, uid_t owner, gid_t group)
{
    struct segment *segment = mmi_segment_find(core);
    return segment ? mmi_segment_permit(segment, mode, owner, group) : -1;
}

void mm_core_delete(void *core)
{
    struct segment *segment = mmi_segment_find(core);
    if (segment)
        mmi_segment_destroy(segment);
}

size_t mm_core_size(const void *core)
{
    struct segment *segment = mmi_segment_find(core);
    if (!segment)
        return 0;
    const struct pool *pool = segment->client;
    return pool ? pool->size : segment->user_size;
}

size_t mm_core_maxsegsize(void)
{
    size_t most = mmi_segment_max_size();
    size_t shown = INT_MAX - mmi_page_size();
    return most < shown ? most : shown;
}

size_t mm_core_align2page(size_t size)
{
    return bytes_align(size, mmi_page_size());
}

size_t mm_core_align2word(size_t size)
{
    return bytes_align(size, WORD_SIZE);
}
