/* SPDX-License-Identifier: MIT */
/*
 * survive.c -- what a survivor does and looks at after a death.
 *
 * The allocations must be those from before or those from after the operation,
 * exactly one of two while a block moves; everything else must be intact;
 * the figures must agree; the user lock must be free; the pool must be usable,
 * and all of it must come together again when everything is freed.
 */
#include "config.h"

#include <pthread.h>

#include "base/life.h"
#include "heap/heap_parts.h"

#include "../tap.h"
#include "crash.h"
#include "scenes.h"

static const struct block *find_block(const struct live *live, const char *ptr)
{
    size_t low = 0;
    size_t high = live->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (live->blocks[middle].ptr < ptr)
            low = middle + 1;
        else
            high = middle;
    }
    return low < live->count && live->blocks[low].ptr == ptr
               ? &live->blocks[low]
               : NULL;
}

/* --- soundness ---------------------------------------------------------------
 */

/* What mm_check() leaves out, as it works beside others: blocks that are free
 * have no size, units outside of spans no open words. */
static const char *find_fault(const struct heap *heap)
{
    struct run run;
    size_t used = get(&heap->control->committed);
    for (size_t unit = 0; unit < used; unit += run.length) {
        if (!run_read(heap, unit, &run))
            return "the chain is broken";
        if (run.kind != KIND_SMALL) {
            size_t end = unit + run.length < used ? unit + run.length : used;
            for (size_t i = span_word(heap, unit, 0);
                 i < span_word(heap, end, 0); i++)
                if (get(&heap->words[i]) != 0)
                    return "a word outside of spans is open";
            continue;
        }
        _Atomic uint16_t *sizes = span_sizes(heap, unit, run.class);
        for (size_t block = 0; block < span_blocks(heap, &run); block++) {
            uint64_t word =
                get(&heap->words[span_word(heap, unit, block / 32)]);
            if ((word >> block % 32 & 1) && get(&sizes[block]) != 0)
                return "a free block has a size";
        }
    }
    return NULL;
}

static void check_sound(const char *when)
{
    const struct stage *stage = &report->stage;
    if (mm_check(stage->mm) < 0)
        find("%s: %s", when, mm_error());
    const char *fault = find_fault(heap_of(stage));
    if (fault)
        find("%s: %s", when, fault);
}

/* --- which allocations live
 * --------------------------------------------------- */

struct difference {
    size_t missing; /* of those from before */
    size_t extra;
    size_t removed; /* that the operation takes away */
    size_t added;
    bool resized;  /* the one in question has its new size ... */
    bool resizing; /* ... or one that is neither */
    bool resizes;
};

static void find_missing(struct difference *d)
{
    const struct stage *stage = &report->stage;
    for (size_t i = 0; i < report->base.count; i++) {
        const struct block *was = &report->base.blocks[i];
        const struct block *is = find_block(&report->now, was->ptr);
        const struct block *then = find_block(&report->after, was->ptr);
        bool ours = was->ptr == stage->ptr && !report->reused;
        bool goes = !then && find_block(&report->before, was->ptr) &&
                    (ours || was->ptr != stage->ptr);
        d->removed += goes;
        d->missing += !is;
        if (!is && !goes && !(ours && report->frozen))
            find("the block %p of %zu bytes was lost", (void *)was->ptr,
                 was->size);
        if (!is || !ours) {
            if (is && is->size != was->size)
                find("the block %p has another size", (void *)was->ptr);
            continue;
        }
        d->resizes = then && then->size != was->size;
        if (is->size == was->size)
            continue;
        d->resized = is->size == stage->size;
        d->resizing = !d->resized;
        if (!d->resized && is->size != mm_usable_size(stage->mm, is->ptr))
            find("the block in flight has %zu bytes", is->size);
    }
}

static void find_extra(struct difference *d)
{
    const struct stage *stage = &report->stage;
    for (size_t i = 0; i < report->after.count; i++)
        d->added += !find_block(&report->before, report->after.blocks[i].ptr);
    for (size_t i = 0; i < report->now.count; i++) {
        const struct block *is = &report->now.blocks[i];
        if (i > 0 &&
            report->now.blocks[i - 1].ptr + report->now.blocks[i - 1].size >
                is->ptr)
            find("live blocks overlap");
        if (find_block(&report->base, is->ptr))
            continue;
        d->extra++;
        report->moved = is->ptr;
        if (is->size != stage->size &&
            is->size != mm_usable_size(stage->mm, is->ptr))
            find("a new block has %zu bytes", is->size);
    }
    size_t most = d->added;
    if (report->frozen && most == 0 && stage->size)
        most = 1; /* it may find more, or less, than it would have alone */
    /* Who dies while he frees what another one left behind, leaves that. */
    if (scene_now->flags & SCENE_DEAD)
        most++;
    if (d->extra > most)
        find("%zu blocks were lost", d->extra - most);
}

static void judge_live(void)
{
    struct difference d = {0};
    report->moved = NULL;
    find_missing(&d);
    find_extra(&d);
    bool moves = d.removed > 0 && d.added > 0;
    if (moves && d.missing > d.extra)
        find("neither the old nor the new block is there");
    if (moves && d.missing < d.extra)
        find("both the old and the new block are there");
    if ((scene_now->flags & SCENE_RESET) && d.missing != 0 &&
        d.missing != d.removed)
        find("half of a reset");
    report->lost = d.extra;
    if (d.added == 0 && !(scene_now->flags & SCENE_RESET))
        report->lost += d.removed - d.missing;
    if (report->lost > 1)
        find("%zu blocks were lost", report->lost);

    if (report->frozen && report->ended && report->stage.result &&
        !find_block(&report->now, report->stage.result))
        find("what the victim got is not there");
    bool done =
        d.missing == d.removed && d.extra >= d.added && d.resized == d.resizes;
    bool begun = d.missing > 0 || d.extra > 0 || d.resized || d.resizing;
    report->state = done ? 2 : begun ? 1 : 0;
}

/* The cell of an exact call names the block, or nothing; none is unnamed. */
static void judge_cell(void)
{
    const struct stage *stage = &report->stage;
    size_t offset = *(volatile size_t *)stage->where;
    char *named = offset ? (char *)stage->mm + offset : NULL;
    if (named && !find_block(&report->now, named))
        find("the cell names no block: %zu", offset);
    report->lost = 0;
    for (size_t i = 0; i < report->now.count; i++) {
        const char *ptr = report->now.blocks[i].ptr;
        bool ours = ptr == stage->ptr && !report->reused;
        if (ptr != named && (ours || !find_block(&report->base, ptr)))
            report->lost++;
    }
    if (report->lost > 0)
        find("%zu blocks are in no cell", report->lost);
}

static void check_contents(const char *when)
{
    const struct stage *stage = &report->stage;
    for (size_t i = 0; i < report->base.count; i++) {
        const struct block *was = &report->base.blocks[i];
        const struct block *is = find_block(&report->now, was->ptr);
        size_t size = was->size;
        if (!is || was->ptr == (char *)stage->where)
            continue;
        /* An end that was cut off is nobody's any more. */
        if (was->ptr == stage->ptr && size > 256)
            size = 256;
        if (is->size < size)
            size = is->size;
        if (!is_filled(was->ptr, size, was->ptr))
            find("%s: the contents of %p changed", when, (void *)was->ptr);
    }
    bool has_moved =
        stage->ptr && report->moved && !find_block(&report->now, stage->ptr);
    const struct block *was = find_block(&report->before, stage->ptr);
    if (has_moved && was && !report->frozen) {
        size_t size = was->size < stage->size ? was->size : stage->size;
        if (!is_filled(report->moved, size < 256 ? size : 256, stage->ptr))
            find("%s: the contents did not move", when);
    }
}

static void check_available(void)
{
    const struct heap *heap = heap_of(&report->stage);
    size_t cost = 0;
    for (size_t i = 0; i < report->now.count; i++)
        cost += (size_t)cost_of(report->now.blocks[i].size);
    size_t wanted = cost < heap->request ? heap->request - cost : 0;
    size_t got = mm_available(report->stage.mm);
    if (got != wanted)
        find("%zu bytes are available, it should be %zu", got, wanted);
}

/* --- use
 * ------------------------------------------------------------------------ */

/* Without the lock, before anybody repaired: what is had is not forgotten. */
static void use_at_once(void)
{
    MM *mm = report->stage.mm;
    static const size_t sizes[] = {48, 100, 700};
    char *blocks[3];
    for (int i = 0; i < 3; i++)
        blocks[i] = mm_malloc(mm, sizes[i]);
    mmi_heap_repair(heap_of(&report->stage));
    for (int i = 0; i < 3; i++) {
        if (!blocks[i])
            continue;
        if (mm_sizeof(mm, blocks[i]) != sizes[i])
            find("what a survivor took was forgotten");
        mm_free(mm, blocks[i]);
    }
}

static void use_lock(void)
{
    MM *mm = report->stage.mm;
    struct mm_lock_state state = {0};
    if (!mm_lock(mm, MM_LOCK_RW))
        find("cannot lock: %s", mm_error());
    if (!mm_lock_state(mm, &state))
        find("no lock state: %s", mm_error());
    report->owner_died = state.owner_died;
    if (state.depth != 1)
        find("the lock is held %u times", state.depth);
    mm_lock_state(mm, &state);
    if (state.owner_died)
        find("a death was reported twice");
    if (!mm_unlock(mm) || !mm_lock(mm, MM_LOCK_RD) || !mm_unlock(mm))
        find("cannot lock again: %s", mm_error());
    if (!mm_lock_state(mm, &state) || state.depth != 0 || state.readers != 0 ||
        state.holder > 0 || state.owner_died)
        find("the lock is not free: holder %d, %u readers", (int)state.holder,
             state.readers);
}

static void *use_pool(void *argument)
{
    MM *mm = report->stage.mm;
    uint64_t seed = report->seed + (argument ? 77 : 1);
    struct block blocks[24];
    for (int i = 0; i < 24; i++) {
        size_t size = 1 + next_random(&seed) % (i % 3 ? 200 : 5000);
        char *ptr =
            i % 8 == 7 ? mm_memalign(mm, 256, size) : mm_malloc(mm, size);
        if (ptr && i % 6 == 5) {
            char *other = mm_realloc(mm, ptr, size + 100);
            size += other ? 100 : 0;
            ptr = other ? other : ptr;
        }
        if (!ptr && !(scene_now->flags & SCENE_FULL))
            find("nothing to be had: %s", mm_error());
        if (ptr && find_block(&report->now, ptr))
            find("a live block was handed out");
        blocks[i] = (struct block){ptr, size};
        if (ptr)
            fill(&blocks[i]);
    }
    for (int i = 0; i < 24; i++) {
        if (!blocks[i].ptr)
            continue;
        if (!is_filled(blocks[i].ptr, blocks[i].size, blocks[i].ptr))
            find("new blocks overlap");
        errno = 0;
        mm_free(mm, blocks[i].ptr);
        if (errno != 0)
            find("free failed: %s", mm_error());
    }
    mmi_heap_flush(heap_of(&report->stage), hints_of(&report->stage));
    return NULL;
}

/* A process that lost all its threads but this one goes on likewise. */
static void use_in_threads(void)
{
    pthread_t thread;
    bool two = options.threads &&
               pthread_create(&thread, NULL, use_pool, &options) == 0;
    use_pool(NULL);
    if (two)
        pthread_join(thread, NULL);
}

/* --- nothing is lost
 * -------------------------------------------------------------- */

/* What the dead had in magazines can be had. */
static void bury_dead(struct heap *heap)
{
    set(&heap->control->sweeps, 0);
    if (mmi_heap_enter(heap) < 0) {
        find("cannot enter: %s", mm_error());
        return;
    }
    mmi_heap_magazine_sweep(heap);
    mmi_heap_span_reclaim(heap, HEAP_CLASS_COUNT);
    mmi_heap_leave(heap);
    for (size_t i = 0; i < heap->owner_count; i++)
        if (get(&heap->owners[i]) != 0)
            find("somebody dead still owns blocks");
}

static void empty_pool(void)
{
    struct stage *stage = &report->stage;
    struct heap *heap = heap_of(stage);
    struct mm_stat stat = {0};
    for (size_t i = 0; i < report->now.count; i++) {
        errno = 0;
        mm_free(stage->mm, report->now.blocks[i].ptr);
        if (errno != 0)
            find("a live block could not be freed: %s", mm_error());
    }
    mmi_heap_flush(heap, hints_of(stage));
    bury_dead(heap);
    check_sound("when empty");
    if (mm_stat(stage->mm, &stat, sizeof stat) < 0)
        find("no figures: %s", mm_error());
    if (stat.available != heap->request)
        find("%zu bytes did not come back", heap->request - stat.available);
    if (stat.used_count != 0 || stat.spans != 0 || stat.free_runs != 1)
        find("pages were lost: %zu runs, %zu spans", stat.free_runs,
             stat.spans);
}

void survive(void)
{
    struct stage *stage = &report->stage;
    struct heap *heap = heap_of(stage);
    /* The first one to come may look, just use the pool, or lock it. */
    if (report->seed % 3 == 0)
        use_at_once();
    else if (report->seed % 3 == 1)
        use_lock();
    check_sound("at first");
    collect_live(&report->now);
    judge_live();
    if (scene_now->flags & SCENE_EXACT)
        judge_cell();
    check_contents("at first");
    check_available();
    if (report->seed % 3 != 1)
        use_lock();

    static struct live now;
    now = report->now;
    use_in_threads();
    bury_dead(heap);
    check_sound("after use");
    collect_live(&report->now);
    if (report->now.count != now.count)
        find("use changed what is live");
    check_contents("after use");
    empty_pool();
}

/* So that few of its instructions are those of any first call. */
void get_ready_to_mend(void)
{
    heap_of(&report->stage);
    mmi_life_self();
}

void mend(void)
{
    if (scene_now->flags & SCENE_LOCKED) {
        if (!mm_lock(report->stage.mm, MM_LOCK_RW) ||
            !mm_unlock(report->stage.mm))
            find("cannot lock: %s", mm_error());
    } else if (mmi_heap_repair(heap_of(&report->stage)) < 0) {
        find("cannot repair: %s", mm_error());
    }
}
