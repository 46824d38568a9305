/* SPDX-License-Identifier: MIT */
/*
 * heap_magazine.c -- blocks that a thread freed and will use next.
 *
 * A compare-and-swap costs more than the rest of an allocation.  So a thread
 * keeps the last few blocks of each class that it freed, without touching their
 * bits: it writes its *mark* where the size stood, which is the commit of the
 * free, and writes a size over it when it uses the block again, which is the
 * commit of the allocation.  The list of its blocks is private.
 *
 * Nothing is lost when it dies: its blocks are those that carry its mark, and
 * the table of owners tells who it was.  Whoever finds no memory frees the
 * blocks of owners that are provably dead.  Blocks of living threads are
 * theirs; magazines are a small part of a pool, and its hidden room makes up
 * for them.  Whoever dies while it frees such a block may leave it allocated:
 * one block for each death, as everywhere.
 *
 * A mark is used anew only after all blocks of its last owner were freed.  A
 * thread without a name that all users of the pool understand has no magazines,
 * nor has a fork child those of its parent.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/fault.h"
#include "heap/heap_parts.h"

enum { SWEEP_SELDOM = 64 }; /* failures for one more sweep */

/* A mark for the thread called NAME that nobody has; 0 if there is none. */
static uint16_t find_mark(struct heap *heap, uint64_t name)
{
    _Atomic uint32_t *used = &heap->control->owners_used;
    for (uint32_t next = atomic_load(used); next < heap->owner_count;) {
        if (!atomic_compare_exchange_weak(used, &next, next + 1))
            continue;
        uint64_t nobody = 0;
        if (atomic_compare_exchange_strong(&heap->owners[next], &nobody, name))
            return (uint16_t)(MARK_FIRST + next);
        next = atomic_load(used);
    }
    for (uint32_t i = 0; i < heap->owner_count; i++) {
        uint64_t nobody = 0;
        if (get(&heap->owners[i]) == 0 &&
            atomic_compare_exchange_strong(&heap->owners[i], &nobody, name))
            return (uint16_t)(MARK_FIRST + i);
    }
    return 0;
}

/* What the thread called NAME frees is freed already, so it must not wait: if
 * somebody is inside, there is no mark this time. */
static void claim_mark(struct heap *heap, struct heap_hints *hints,
                       uint64_t name)
{
    hints->mark = find_mark(heap, name);
    hints->mark_refused = false;
    if (hints->mark != 0 || !mmi_heap_try_enter(heap))
        return;
    /* All are given out; those of the dead can be had again. */
    bool any = mmi_heap_magazine_sweep(heap);
    mmi_heap_leave(heap);
    hints->mark = any ? find_mark(heap, name) : 0;
    hints->mark_refused = hints->mark == 0;
}

void mmi_heap_magazine_drop(struct heap *heap, struct heap_hints *hints)
{
    for (unsigned class = 0; class < HEAP_CLASS_COUNT; class ++) {
        struct heap_magazine *magazine = &hints->magazines[class];
        *magazine = (struct heap_magazine){0};
        if (hints->mark != 0) {
            magazine->bottom = hints->kept[class];
            magazine->top = magazine->bottom;
            magazine->end =
                magazine->bottom + heap->classes[class].magazine_size;
        }
    }
    hints->resets = get(&heap->control->resets);
}

void mmi_heap_magazine_prepare(struct heap *heap, struct heap_hints *hints)
{
    uint64_t name = 0;
    if (heap->classes[0].magazine_size > 0 && heap->host.name)
        name = heap->host.name(heap->host.context);
    if (name != 0)
        claim_mark(heap, hints, name);
    else
        hints->mark_refused = true;
    mmi_heap_magazine_drop(heap, hints);
}

/* Free the block at PTR, which has a mark. */
static void free_marked(struct heap *heap, struct heap_hints *hints, char *ptr)
{
    struct place place;
    if (!place_find(heap, ptr, &place) || place.kind != KIND_SMALL)
        return;
    mmi_heap_block_give(heap, hints, &place);
}

bool mmi_heap_magazine_empty(struct heap *heap, struct heap_hints *hints)
{
    bool any = false;
    if (hints->resets != get(&heap->control->resets))
        mmi_heap_magazine_drop(heap, hints);
    for (unsigned class = 0; class < HEAP_CLASS_COUNT; class ++)
        while (hints->magazines[class].top != hints->magazines[class].bottom) {
            free_marked(heap, hints, (--hints->magazines[class].top)->ptr);
            any = true;
        }
    return any;
}

void mmi_heap_flush(struct heap *heap, struct heap_hints *hints)
{
    mmi_heap_magazine_empty(heap, hints);
    if (hints->mark != 0)
        atomic_store(&heap->owners[hints->mark - MARK_FIRST], 0);
    tell_starving(heap);
    hints->mark = 0;
    hints->mark_refused = true;
    mmi_heap_magazine_drop(heap, hints);
}

/* --- the dead ------------------------------------------------------------ */

struct dead {
    uint64_t bits[OWNER_MAX / 64 + 1]; /* by number of the owner */
};

static bool is_dead(const struct dead *dead, size_t size)
{
    size_t owner = size - MARK_FIRST;
    return size >= MARK_FIRST && (dead->bits[owner / 64] >> owner % 64 & 1);
}

static uint32_t find_dead(struct heap *heap, struct dead *dead)
{
    uint32_t used = get(&heap->control->owners_used);
    if (used > heap->owner_count)
        used = heap->owner_count;
    uint32_t found = 0;
    for (uint32_t i = 0; i < used; i++) {
        uint64_t name = get(&heap->owners[i]);
        if (name != 0 && heap->host.ended(heap->host.context, name)) {
            dead->bits[i / 64] |= UINT64_C(1) << i % 64;
            found++;
        }
    }
    return found;
}

/* How many blocks were taken back. */
static size_t sweep_span(struct heap *heap, const struct run *run,
                         const struct dead *dead)
{
    size_t count = 0;
    _Atomic uint16_t *sizes = span_sizes(heap, run->unit, run->class);
    size_t blocks = span_blocks(heap, run);
    for (size_t block = 0; block < blocks; block++)
        if (is_dead(dead, get(&sizes[block]))) {
            free_marked(heap, NULL,
                        unit_address(heap, run->unit) +
                            block * mmi_heap_class_size[run->class]);
            count++;
        }
    return count;
}

bool mmi_heap_magazine_sweep(struct heap *heap)
{
    struct control *control = heap->control;
    if (!heap->host.ended || get(&control->owners_used) == 0)
        return false;
    /* Asking for the living costs a system call each: after failures in a row,
     * only now and then. */
    uint64_t asked = get(&control->sweeps) + 1;
    set(&control->sweeps, asked);
    if ((asked & (asked - 1)) != 0 && asked % SWEEP_SELDOM != 0)
        return false;

    struct dead dead;
    memset(&dead, 0, sizeof dead);
    uint32_t found = find_dead(heap, &dead);
    if (found == 0)
        return false;
    for (uint32_t i = 0; MUTANT(heap_mark_early) && i < heap->owner_count; i++)
        if (dead.bits[i / 64] >> i % 64 & 1)
            atomic_store(&heap->owners[i], 0);
    size_t blocks = 0;
    struct run run;
    for (size_t unit = 0; unit < heap->unit_count && run_read(heap, unit, &run);
         unit += run.length)
        if (run.kind == KIND_SMALL)
            blocks += sweep_span(heap, &run, &dead);
    for (uint32_t i = 0; i < heap->owner_count; i++)
        if (dead.bits[i / 64] >> i % 64 & 1)
            atomic_store(&heap->owners[i], 0);
    set(&control->sweeps, 0);
    mmi_heap_note_dead(heap, found, blocks);
    tell_starving(heap);
    return true;
}
