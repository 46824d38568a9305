/* SPDX-License-Identifier: MIT */
/*
 * heap.c -- the operations as their callers see them, and the internal lock.
 *
 * Small sizes go to heap_small.c, the rest to runs of their own; a size class
 * whose spans would hold less than two blocks counts as the rest.  The budget
 * is asked before an allocation and told after a free.
 */
#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/fail.h"
#include "base/fault.h"
#include "heap/heap.h"
#include "heap/heap_fast.h"
#include "heap/heap_parts.h"

enum { RETRY_MAX = 3 }; /* searches while others keep freeing */

void mmi_heap_note_dead(struct heap *heap, uint64_t owners, uint64_t blocks)
{
    atomic_fetch_add(&heap->control->dead_owners, owners);
    atomic_fetch_add(&heap->control->reclaimed, blocks);
}

/* --- the internal lock --------------------------------------------------- */

/* The lock is ours: repair what a dead holder left. */
static int begin(struct heap *heap)
{
    struct control *control = heap->control;
    if (get(&control->busy)) {
        if (mmi_heap_mend(heap) < 0) {
            heap->host.leave(heap->host.context);
            return -1;
        }
        set(&control->repairs, get(&control->repairs) + 1);
        mmi_heap_note_dead(heap, 1, 0);
        tell_starving(heap);
        put(&control->busy, 0);
    }
    return 0;
}

int mmi_heap_enter_to_look(struct heap *heap)
{
    return heap->host.enter(heap->host.context) < 0 ? -1 : begin(heap);
}

void mmi_heap_leave_looking(struct heap *heap)
{
    heap->host.leave(heap->host.context);
}

static void mark_busy(struct heap *heap)
{
    set(&heap->control->busy, MUTANT(heap_busy_never) ? 0 : 1);
    atomic_thread_fence(memory_order_release);
    FAULT_POINT("heap.busy");
}

int mmi_heap_enter(struct heap *heap)
{
    if (mmi_heap_enter_to_look(heap) < 0)
        return -1;
    mark_busy(heap);
    return 0;
}

bool mmi_heap_try_enter(struct heap *heap)
{
    const struct heap_host *host = &heap->host;
    if (!host->try_enter || !host->try_enter(host->context) || begin(heap) < 0)
        return false;
    mark_busy(heap);
    return true;
}

void mmi_heap_leave(struct heap *heap)
{
    put(&heap->control->busy, 0);
    heap->host.leave(heap->host.context);
}

/* --- operations ---------------------------------------------------------- */

int mmi_heap_fail_fragmented(struct heap *heap, size_t size)
{
    atomic_fetch_add(&heap->control->failed, 1);
    return mmi_fail_as(ENOMEM,
                       "mm:alloc: out of memory: no room for %zu bytes, the "
                       "pool is too fragmented",
                       size);
}

int mmi_heap_fail_no_allocation(void)
{
    return mmi_fail_as(EINVAL,
                       "mm:alloc: the address is no allocation of this pool");
}

bool mmi_heap_is_possible(struct heap *heap, size_t size)
{
    if (size == 0) {
        mmi_fail_as(EINVAL, "mm:alloc: size is 0");
        return false;
    }
    if (size > heap->request) {
        atomic_fetch_add(&heap->control->failed, 1);
        mmi_fail_as(ENOMEM,
                    "mm:alloc: out of memory: %zu bytes are more than the "
                    "pool has",
                    size);
        return false;
    }
    return true;
}

static void *large_alloc(struct heap *heap, struct heap_hints *hints,
                         size_t align, size_t size)
{
    struct control *control = heap->control;
    size_t length = units_for(heap, size);
    for (int tries = 0; tries < RETRY_MAX; tries++) {
        uint64_t epoch = atomic_load(&control->epoch);
        if (hints->failed_run == epoch + 1 && length >= hints->failed_length &&
            failure_holds(heap, hints))
            break;
        if (mmi_heap_enter(heap) < 0)
            return NULL;
        struct run run;
        bool failed;
        bool found = mmi_heap_run_find(heap, length, align, HEAP_CLASS_COUNT,
                                       &run, &failed) ||
                     (mmi_heap_magazine_sweep(heap) &&
                      mmi_heap_run_find(heap, length, align, HEAP_CLASS_COUNT,
                                        &run, &failed));
        if (found) {
            set(&heap->entries[run.unit].link, size);
            mmi_heap_run_commit(heap, &run, length, KIND_LARGE, 0);
        }
        mmi_heap_leave(heap);
        if (found)
            return unit_address(heap, run.unit);
        if (failed)
            return NULL;
        if (ask_to_be_told(heap) && atomic_load(&control->epoch) == epoch &&
            align <= BLOCK_ALIGN) {
            hints->failed_run = epoch + 1;
            hints->failed_length = length;
        }
    }
    mmi_heap_fail_fragmented(heap, size);
    return NULL;
}

void *mmi_heap_alloc_slowly(struct heap *heap, struct heap_hints *hints,
                            size_t size)
{
    if (!mmi_heap_is_possible(heap, size) ||
        mmi_heap_budget_take(heap, hints, cost_of(size)) < 0)
        return NULL;
    void *ptr;
    unsigned class = size <= SMALL_MAX ? class_of(size) : 0;
    if (is_large(heap, size))
        ptr = large_alloc(heap, hints, BLOCK_ALIGN, size);
    else if (hints->resets == get(&heap->control->resets) &&
             hints->magazines[class].top != hints->magazines[class].bottom)
        ptr = magazine_take(&hints->magazines[class], size);
    else
        ptr = mmi_heap_small_alloc(heap, hints, class, size);
    if (!ptr)
        mmi_heap_budget_give(heap, hints, cost_of(size));
    return ptr;
}

void *mmi_heap_alloc(struct heap *heap, struct heap_hints *hints, size_t size)
{
    return heap_alloc(heap, hints, size);
}

void *mmi_heap_alloc_aligned(struct heap *heap, struct heap_hints *hints,
                             size_t align, size_t size)
{
    if (align <= BLOCK_ALIGN)
        return mmi_heap_alloc(heap, hints, size);
    if (!mmi_heap_is_possible(heap, size) ||
        mmi_heap_budget_take(heap, hints, cost_of(size)) < 0)
        return NULL;

    void *ptr = NULL;
    unsigned class = HEAP_CLASS_COUNT;
    if (size <= SMALL_MAX && align <= unit_bytes(heap, 1))
        for (class = class_of(size); class < HEAP_CLASS_COUNT; class ++)
            if (mmi_heap_class_size[class] % align == 0)
                break;
    if (class < HEAP_CLASS_COUNT &&
        entry_length(heap->classes[class].head) != 0)
        ptr = mmi_heap_small_alloc(heap, hints, class, size);
    else
        ptr = large_alloc(heap, hints, align, size);
    if (!ptr)
        mmi_heap_budget_give(heap, hints, cost_of(size));
    return ptr;
}

/* As place_find(), once an exact call that has the block in hand has come to
 * its end, or was repaired: its caller may be dead.  0, or -1 after mmi_fail().
 */
static int find_settled(struct heap *heap, const void *ptr, struct place *place)
{
    bool found = place_find(heap, ptr, place);
    if (found && place->kind == KIND_SMALL &&
        get(place->size) == MARK_PENDING) {
        if (mmi_heap_enter_to_look(heap) < 0)
            return -1;
        mmi_heap_leave_looking(heap);
        found = place_find(heap, ptr, place);
    }
    return found ? 0 : mmi_heap_fail_no_allocation();
}

static bool find_allocation(struct heap *heap, const void *ptr,
                            struct place *place)
{
    if (find_settled(heap, ptr, place) < 0)
        return false;
    if (place->kind == KIND_LARGE || place_taken(place))
        return true;
    mmi_heap_fail_no_allocation();
    return false;
}

static int large_free(struct heap *heap, struct heap_hints *hints, size_t unit)
{
    if (mmi_heap_enter(heap) < 0)
        return -1;
    /* Somebody may have freed it since we looked. */
    struct run run;
    bool live = run_read(heap, unit, &run) && run.kind == KIND_LARGE;
    size_t size = live ? run_size(heap, &run) : 0;
    if (live)
        mmi_heap_run_release(heap, unit);
    mmi_heap_leave(heap);
    if (!live)
        return mmi_heap_fail_no_allocation();
    mmi_heap_budget_give(heap, hints, cost_of(size));
    tell_starving(heap);
    return 0;
}

int mmi_heap_free_slowly(struct heap *heap, struct heap_hints *hints, void *ptr)
{
    struct place place;
    if (!ptr)
        return 0;
    if (find_settled(heap, ptr, &place) < 0)
        return -1;
    if (place.kind == KIND_LARGE)
        return large_free(heap, hints, place.unit);
    if (!place_taken(&place))
        return mmi_fail_as(EINVAL,
                           "mm:alloc: chunk of memory already in free list");
    size_t size = clip_size(get(place.size), place.class);
    if (mmi_heap_block_give(heap, hints, &place) < 0)
        return -1;
    mmi_heap_budget_give(heap, hints, cost_of(size));
    tell_starving(heap);
    if (hints->mark == 0 && !hints->mark_refused)
        mmi_heap_magazine_prepare(heap, hints);
    return 0;
}

int mmi_heap_free(struct heap *heap, struct heap_hints *hints, void *ptr)
{
    return heap_free(heap, hints, ptr);
}

static size_t large_size(const struct heap *heap, size_t unit)
{
    struct run run;
    return run_read(heap, unit, &run) ? run_size(heap, &run) : 0;
}

size_t mmi_heap_sizeof(struct heap *heap, const void *ptr)
{
    struct place place;
    if (!find_allocation(heap, ptr, &place))
        return SIZE_MAX;
    if (place.kind == KIND_LARGE)
        return large_size(heap, place.unit);
    return clip_size(get(place.size), place.class);
}

size_t mmi_heap_usable(struct heap *heap, const void *ptr)
{
    struct place place;
    if (!find_allocation(heap, ptr, &place))
        return SIZE_MAX;
    struct run run;
    if (place.kind == KIND_LARGE)
        return run_read(heap, place.unit, &run) ? unit_bytes(heap, run.length)
                                                : SIZE_MAX;
    return mmi_heap_class_size[place.class];
}

/* Make the large run at UNIT hold SIZE bytes where it is, under the internal
 * lock.  The size is the commit: pages come before they are needed and go
 * after.  1; 0 if there is no room; -1 after mmi_fail(). */
static int resize_run(struct heap *heap, size_t unit, size_t size)
{
    struct run run;
    if (!run_read(heap, unit, &run) || run.kind != KIND_LARGE)
        return mmi_heap_fail_no_allocation();
    size_t length = units_for(heap, size);
    bool failed = false;
    if (MUTANT(heap_extend_size_first))
        put(&heap->entries[unit].link, size);
    if (length > run.length &&
        !mmi_heap_run_extend(heap, &run, length, &failed))
        return failed ? -1 : 0;
    put(&heap->entries[unit].link, size);
    if (length < run.length)
        mmi_heap_run_shorten(heap, &run, length);
    return 1;
}

int mmi_heap_fail_changed(void)
{
    return mmi_fail_as(EBUSY, "mm:alloc: somebody else changed the cell or its "
                              "block meanwhile");
}

/* What CELL names is still as it was seen: OLD bytes at PLACE. */
static bool is_unchanged(const struct heap *heap, const struct heap_cell *cell,
                         const struct place *place, size_t old)
{
    struct place now;
    return atomic_load(cell->where) == cell->held &&
           place_find(heap, heap->block + cell->held, &now) &&
           now.kind == place->kind && now.class == place->class &&
           (now.kind == KIND_LARGE
                ? large_size(heap, now.unit) == old
                : place_taken(&now) &&
                      clip_size(get(now.size), now.class) == old);
}

/* The same for the OLD bytes at PLACE, as long as CELL, if given, names them.
 */
static int resize_locked(struct heap *heap, const struct place *place,
                         size_t old, size_t size, const struct heap_cell *cell)
{
    if (mmi_heap_enter(heap) < 0)
        return -1;
    int result = 1;
    if (cell && !is_unchanged(heap, cell, place, old))
        result = mmi_heap_fail_changed();
    else if (place->kind == KIND_LARGE)
        result = resize_run(heap, place->unit, size);
    else
        set(place->size, (uint16_t)size);
    mmi_heap_leave(heap);
    tell_starving(heap);
    return result;
}

int mmi_heap_resize_in_place(struct heap *heap, struct heap_hints *hints,
                             const void *ptr, size_t size,
                             const struct heap_cell *cell)
{
    struct place place;
    if (!find_allocation(heap, ptr, &place))
        return -1;
    bool large = place.kind == KIND_LARGE;
    if (!large && size > mmi_heap_class_size[place.class])
        return 0;
    size_t old = large ? large_size(heap, place.unit)
                       : clip_size(get(place.size), place.class);
    int64_t more = cost_of(size) - cost_of(old);
    if (more > 0 && mmi_heap_budget_take(heap, hints, more) < 0)
        return -1;
    int result = 1;
    if (large || cell)
        result = resize_locked(heap, &place, old, size, cell);
    else
        set(place.size, (uint16_t)size);
    int64_t give = result > 0 ? -more : more;
    if (give > 0)
        mmi_heap_budget_give(heap, hints, give);
    return result;
}

void *mmi_heap_resize(struct heap *heap, struct heap_hints *hints, void *ptr,
                      size_t size)
{
    if (!mmi_heap_is_possible(heap, size))
        return NULL;
    int result = mmi_heap_resize_in_place(heap, hints, ptr, size, NULL);
    if (result != 0)
        return result < 0 ? NULL : ptr;
    return mmi_heap_move(heap, hints, ptr, size);
}
