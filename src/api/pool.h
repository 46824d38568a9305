/* SPDX-License-Identifier: MIT */
/*
 * pool.h -- a pool is a heap inside a segment.
 *
 * What a program holds as MM * is the address of the segment's user area, where
 * the heap's block begins.  It is looked up before anything is read through it:
 * first in the calling thread's memory of its last call, then in the table of
 * segments.
 */
#ifndef MMI_POOL_H
#define MMI_POOL_H

#include "base/thread.h"
#include "heap/heap.h"
#include "segment/segment.h"

/* Private memory, the client of its segment. */
struct pool {
    struct heap heap;
    struct segment *segment;
    size_t size;    /* as its creator asked */
    uint64_t id;    /* of the views below */
    uint64_t space; /* PID namespace of its creator, 0 if unknown */
};

/* A pool as one thread sees it, kept by mmi_thread_local(). */
struct pool_view {
    struct heap_hints hints; /* first: it has the address of the view */
    struct pool *pool;
};

/* The calling thread's view of the pool at MM if its last call was for that
 * pool, too, else NULL. */
static inline struct pool_view *mmi_pool_view_again(const void *mm)
{
    struct thread *self = mmi_thread_self;
    if (self->recent != mm ||
        self->epoch !=
            atomic_load_explicit(&mmi_process.epoch, memory_order_acquire))
        return NULL;
    struct pool_view *view = self->recent_found;
    if (!view)
        __builtin_unreachable();
    return view;
}

/* The slow half of mmi_pool_view(). */
__attribute__((cold)) struct pool_view *mmi_pool_view_find(const void *mm);

/* The calling thread's view of the pool at MM; NULL after mmi_fail_as(EINVAL)
 * if there is none, and after ENOMEM.  Keeps errno on success. */
static inline struct pool_view *mmi_pool_view(const void *mm)
{
    struct pool_view *view = mmi_pool_view_again(mm);
    return view ? view : mmi_pool_view_find(mm);
}

/* The pool alone. */
static inline struct pool *mmi_pool_find(const void *mm)
{
    struct pool_view *view = mmi_pool_view(mm);
    return view ? view->pool : NULL;
}

/* Bytes of the largest pool that the chosen variants can have; 0 after
 * mmi_fail() if the options choose none. */
size_t mmi_pool_max_size(void);

/* What --enable-checks adds to each operation.  Damage is shown and ends the
 * process where it was noticed: this is for finding mistakes. */
void mmi_pool_check(struct pool *pool);

#endif
