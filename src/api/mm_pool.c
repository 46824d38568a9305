/* SPDX-License-Identifier: MIT */
/*
 * mm_pool.c -- mm_*: any number of pools, each a heap inside a segment.
 *
 * Glue only: arguments are checked, the pool is found, the heap does the work,
 * and 0 or -1 becomes what the public function has always returned.  A call
 * that succeeds leaves errno alone; what may disturb it, the slow paths that
 * wait or ask the system, puts it back.
 */
#include "config.h"

#include <errno.h>
#include <mm.h>
#include <stdbool.h>

#include "api/pool.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/life.h"
#include "base/page.h"
#include "heap/heap_fast.h"

enum { POOL_SIZE_DEFAULT = 64 << 20, POOL_SIZE_MIN = 8192 };

static int enter_pool(void *context)
{
    struct pool *pool = context;
    int saved = errno;
    if (mmi_lock_enter(&pool->segment->lock) < 0)
        return -1;
    errno = saved;
    return 0;
}

static bool try_pool(void *context)
{
    struct pool *pool = context;
    int saved = errno;
    bool entered = mmi_lock_try_enter(&pool->segment->lock);
    errno = saved;
    return entered;
}

static void leave_pool(void *context)
{
    struct pool *pool = context;
    int saved = errno;
    mmi_lock_leave(&pool->segment->lock);
    errno = saved;
}

static int commit_pool(void *context, size_t offset, size_t size)
{
    struct pool *pool = context;
    int saved = errno;
    if (mmi_segment_commit(pool->segment, offset, size) < 0)
        return -1;
    errno = saved;
    return 0;
}

/* Names of threads mean something in the creator's PID namespace only. */
static const struct life *life_in_pool(const struct pool *pool)
{
    const struct life *self = mmi_life_self();
    return self && self->space != 0 && self->space == pool->space ? self : NULL;
}

static uint64_t name_thread(void *context)
{
    const struct life *self = life_in_pool(context);
    return self ? self->name : 0;
}

static bool has_thread_ended(void *context, uint64_t name)
{
    return life_in_pool(context) && mmi_life_ended(name);
}

/* A cell that a killed *_at() call was to change means what it says only after
 * the heap was repaired: see to that before the next holder of the user lock
 * looks at it.  If it fails, the next allocation says so. */
static void notice_death(void *context)
{
    struct pool *pool = context;
    mmi_heap_owner_died(&pool->heap);
}

static void destroy_pool(void *client)
{
    struct pool *pool = client;
    struct pool_view *view = mmi_thread_local(pool->id, sizeof *view);
    if (view && view->pool == pool)
        mmi_heap_flush(&pool->heap, &view->hints);
    mmi_object_retire(pool->id);
    free(pool);
}

struct pool_view *mmi_pool_view_find(const void *mm)
{
    int saved = errno;
    struct segment *segment = mmi_segment_find(mm);
    if (!segment)
        return NULL;
    struct pool *pool = segment->client;
    if (!pool) {
        mmi_fail_as(EINVAL, "mm:core: %p is a raw segment, not a pool", mm);
        return NULL;
    }
    struct pool_view *view = mmi_thread_local(pool->id, sizeof *view);
    if (!view)
        return NULL;
    view->pool = pool;
    view->hints.self = mmi_thread_id();
    mmi_thread_self->recent = mm;
    mmi_thread_self->recent_found = view;
    errno = saved;
    return view;
}

/* Lay the pool of SIZE bytes out in SEGMENT.  On failure the segment is as it
 * was. */
static int attach_pool(struct segment *segment, size_t size)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return mmi_fail("mm:core: no private memory for a pool");
    pool->segment = segment;
    pool->size = size;
    pool->id = mmi_object_id();
    if (pool->id == 0)
        goto undo_pool;

    const struct life *self = mmi_life_self();
    pool->space = self ? self->space : 0;

    const struct heap_host host = {
        .enter = enter_pool,
        .leave = leave_pool,
        .commit = commit_pool,
        .context = pool,
        .name = name_thread,
        .ended = has_thread_ended,
        .parallel = mmi_processor_count(),
        .try_enter = try_pool,
    };
    if (mmi_heap_create(&pool->heap, segment->user, segment->user_size, size,
                        &host) < 0)
        goto undo_id;
    segment->lock.owner_died = notice_death;
    segment->lock.context = pool;
    segment->client_destroy = destroy_pool;
    segment->client = pool;
    return 0;

undo_id:
    mmi_object_retire(pool->id);
undo_pool:
    free(pool);
    return -1;
}

MM *mm_create(size_t size, const char *file)
{
    int saved = errno;
    if (size == 0)
        size = POOL_SIZE_DEFAULT;
    else if (size < POOL_SIZE_MIN)
        size = POOL_SIZE_MIN;

    const struct segment_request request = {
        .size = mmi_heap_block_size(size, true),
        .file = file,
    };
    if (request.size == 0) {
        mmi_fail_as(ENOMEM, "mm:core: no pool can have %zu bytes; at most %zu",
                    size, mmi_pool_max_size());
        return NULL;
    }
    struct segment *segment;
    if (mmi_segment_create(&segment, &request) < 0)
        return NULL;
    if (attach_pool(segment, size) < 0) {
        mmi_segment_destroy(segment);
        return NULL;
    }
    errno = saved;
    return segment->user;
}

int mm_permission(MM *mm, mode_t mode, uid_t owner, gid_t group)
{
    return mm_core_permission(mm, mode, owner, group);
}

void mm_reset(MM *mm)
{
    struct pool *pool = mmi_pool_find(mm);
    if (pool)
        mmi_heap_reset(&pool->heap);
}

void mm_destroy(MM *mm)
{
    mm_core_delete(mm);
}

__attribute__((cold)) void mmi_pool_check(struct pool *pool)
{
    int saved = errno;
    if (mmi_heap_check(&pool->heap) < 0 && errno == EUCLEAN) {
        fprintf(stderr, "%s\n", mmi_fail_text());
        abort();
    }
    errno = saved;
}

/* What mm_malloc() and mm_free() do for a pool that was not the last one. */
static void *malloc_elsewhere(MM *mm, size_t size)
{
    struct pool_view *view = mmi_pool_view_find(mm);
    return view ? mmi_heap_alloc(&view->pool->heap, &view->hints, size) : NULL;
}

static void free_elsewhere(MM *mm, void *ptr)
{
    struct pool_view *view = mmi_pool_view_find(mm);
    if (view)
        mmi_heap_free(&view->pool->heap, &view->hints, ptr);
}

void *mm_malloc(MM *mm, size_t size)
{
    struct pool_view *view = mmi_pool_view_again(mm);
    if (!view)
        return malloc_elsewhere(mm, size);
    if (!MM_CHECKS)
        return heap_alloc(&view->pool->heap, &view->hints, size);
    void *ptr = heap_alloc(&view->pool->heap, &view->hints, size);
    mmi_pool_check(view->pool);
    return ptr;
}

void mm_free(MM *mm, void *ptr)
{
    struct pool_view *view = mmi_pool_view_again(mm);
    if (!view)
        free_elsewhere(mm, ptr);
    else
        mmi_heap_free(&view->pool->heap, &view->hints, ptr);
    if (MM_CHECKS && view)
        mmi_pool_check(view->pool);
}

void *mm_realloc(MM *mm, void *ptr, size_t size)
{
    if (!ptr)
        return mm_malloc(mm, size);
    if (size == 0) {
        mm_free(mm, ptr);
        return NULL;
    }
    struct pool_view *view = mmi_pool_view(mm);
    if (!view)
        return NULL;
    ptr = mmi_heap_resize(&view->pool->heap, &view->hints, ptr, size);
    if (MM_CHECKS)
        mmi_pool_check(view->pool);
    return ptr;
}

void *mm_calloc(MM *mm, size_t number, size_t size)
{
    size_t bytes;
    if (!bytes_multiply(number, size, &bytes)) {
        if (mmi_pool_view(mm))
            mmi_fail_as(ENOMEM, "mm:alloc: out of memory: %zu times %zu bytes",
                        number, size);
        return NULL;
    }
    void *ptr = mm_malloc(mm, bytes);
    return ptr ? memset(ptr, 0, bytes) : NULL;
}

void *mm_memalign(MM *mm, size_t alignment, size_t size)
{
    struct pool_view *view = mmi_pool_view(mm);
    if (!view)
        return NULL;
    if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
        mmi_fail_as(EINVAL, "mm:alloc: alignment %zu is not a power of two",
                    alignment);
        return NULL;
    }
    void *ptr = mmi_heap_alloc_aligned(&view->pool->heap, &view->hints,
                                       alignment, size);
    if (MM_CHECKS)
        mmi_pool_check(view->pool);
    return ptr;
}

void *mm_memdup(MM *mm, const void *data, size_t size)
{
    if (!data) {
        mmi_fail_as(EINVAL, "mm:alloc: nothing to copy: NULL");
        return NULL;
    }
    void *copy = mm_malloc(mm, size);
    return copy ? memcpy(copy, data, size) : NULL;
}

/* Its own terminator, because a string in shared memory may change between
 * being measured and being copied. */
static char *copy_string(MM *mm, const char *str, size_t length)
{
    char *copy = mm_malloc(mm, length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, str, length);
    copy[length] = '\0';
    return copy;
}

char *mm_strdup(MM *mm, const char *str)
{
    if (!str) {
        mmi_fail_as(EINVAL, "mm:alloc: no string to copy: NULL");
        return NULL;
    }
    return copy_string(mm, str, strlen(str));
}

char *mm_strndup(MM *mm, const char *str, size_t size)
{
    if (!str) {
        mmi_fail_as(EINVAL, "mm:alloc: no string to copy: NULL");
        return NULL;
    }
    return copy_string(mm, str, strnlen(str, size));
}
