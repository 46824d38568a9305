/* SPDX-License-Identifier: MIT */
/*
 * damage.h -- what a hostile peer writes into a pool.
 *
 * It knows all about the layout: where heads, words, sizes, bins, owners and
 * the words of locks are, and what they look like when they are right, or
 * nearly so.  It can also write any byte anywhere, and put back what was there
 * at another time.
 */
#ifndef TESTS_DAMAGE_H
#define TESTS_DAMAGE_H

#include <mm.h>
#include <stdbool.h>
#include <string.h>

#include "api/pool.h"
#include "chance.h"
#include "heap/heap_layout.h"

/* What stands in the numbers of a part of the pool. */
enum part_kind { PART_HEAD, PART_WORD, PART_LINK, PART_NAME, PART_NUMBER };

/* COUNT numbers of WIDTH bytes, STRIDE apart. */
struct part {
    const char *name;
    char *base;
    size_t width, stride, count;
    enum part_kind kind;
};

enum { PART_MAX = 24, LOCK_WORDS = 400, LOCK_SLOTS = 16384 };

struct target {
    MM *mm;
    char *base; /* all that is mapped: lock, control data, payload */
    size_t size;
    size_t control_size; /* of it, up to the payload */
    const struct heap *heap;
    struct part parts[PART_MAX];
    size_t part_count;
    size_t heap_parts; /* the first ones */
    uint64_t names[4]; /* of threads that live, and of one that does not */
};

static inline void add_part(struct target *target, const char *name,
                            const volatile void *base, size_t width,
                            size_t stride, size_t count, enum part_kind kind)
{
    if (count > 0)
        target->parts[target->part_count++] = (struct part){
            name, (char *)(uintptr_t)base, width, stride, count, kind};
}

static inline void add_heap_parts(struct target *target)
{
    const struct heap *heap = target->heap;
    struct control *control = heap->control;
    size_t units = heap->unit_count;
    add_part(target, "heads", &heap->entries[0].head, 8, 16, units, PART_HEAD);
    add_part(target, "links", &heap->entries[0].link, 8, 16, units, PART_LINK);
    add_part(target, "words", heap->words, 8, 8, units << heap->words_shift,
             PART_WORD);
    for (unsigned i = 0; i < HEAP_GRANULES; i++)
        add_part(target, "sizes", heap->sizes[i], 2, 2,
                 units << (heap->unit_shift - granule_shift(i)), PART_NUMBER);
    for (unsigned i = 0; i < HEAP_SPACE_LEVELS; i++)
        add_part(target, "space", heap->space[i], 8, 8,
                 heap->space_count[i] * HEAP_CLASS_COUNT, PART_NUMBER);
    add_part(target, "users", heap->users, 4, 4, units, PART_NUMBER);
    add_part(target, "owners", heap->owners, 8, 8, heap->owner_count,
             PART_NAME);
    /* All of it, so that no member is forgotten. */
    add_part(target, "control", control, 8, 8, sizeof *control / 8,
             PART_NUMBER);
    add_part(target, "turn, resets", &control->turn, 8, 8, 2, PART_NUMBER);
    add_part(target, "budget", &control->unreserved, 8, 8, 5, PART_NUMBER);
    add_part(target, "busy, resetting, committed", &control->busy, 8, 8, 8,
             PART_NUMBER);
    add_part(target, "map of bins", control->bin_map, 8, 8, HEAP_BIN_COUNT / 64,
             PART_NUMBER);
    add_part(target, "bins", control->bins, 4, 4, HEAP_BIN_COUNT, PART_NUMBER);
    target->heap_parts = target->part_count;
}

/* Find out about the pool MM. */
__attribute__((unused)) static void aim(struct target *target, MM *mm)
{
    const struct pool *pool = mmi_pool_find(mm);
    const struct shm *shm = &pool->segment->shm;
    size_t lock_size = pool->segment->lock.variant->shared_size;
    *target = (struct target){
        .mm = mm, .base = shm->base, .size = shm->size, .heap = &pool->heap};
    target->control_size = (size_t)(pool->heap.payload - shm->base);
    add_heap_parts(target);
    size_t words = lock_size / 8 < LOCK_WORDS ? lock_size / 8 : LOCK_WORDS;
    add_part(target, "lock", shm->base, 8, 8, words, PART_NAME);
    add_part(target, "first words of the lock", shm->base, 8, 8,
             words < 16 ? words : 16, PART_NAME);
    if (lock_size > LOCK_WORDS * 8)
        add_part(target, "slots", shm->base, 8, 64, lock_size / 64, PART_NAME);
}

/* --- values --------------------------------------------------------------- */

static inline uint64_t odd_number(struct chance *chance, uint64_t units)
{
    switch (pick(chance, 10)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return UINT64_MAX;
    case 3:
        return units + pick(chance, 3) - 1;
    case 4:
        return UINT64_C(1) << pick(chance, 64);
    case 5:
        return (UINT64_C(1) << pick(chance, 64)) - 1;
    case 6:
        return MARK_FIRST + pick(chance, 40);
    case 7:
        return pick(chance, units);
    default:
        return any_number(chance) << pick(chance, 40);
    }
}

/* What may stand at UNIT: a head that is nearly right, most of all. */
static inline uint64_t odd_head(const struct target *target,
                                struct chance *chance, size_t unit)
{
    const struct heap *heap = target->heap;
    unsigned class = (unsigned)pick(chance, HEAP_CLASS_COUNT + 2);
    size_t left = heap->unit_count - unit;
    size_t reach = pick(chance, 6);
    size_t length = reach > 2    ? 1 + pick(chance, left < 70 ? left : 70)
                    : reach == 2 ? left + pick(chance, 5) - 2
                    : reach == 1 ? left + pick(chance, 4000)
                                 : UINT32_MAX - pick(chance, 3);
    uint64_t usual = heap->classes[class % HEAP_CLASS_COUNT].head;
    switch (pick(chance, 6)) {
    case 0:
        return usual;
    case 1:
        return entry_cont(usual, pick(chance, 70));
    case 2:
        return entry_cont(entry_make(KIND_SMALL, class, length),
                          pick(chance, 3) ? pick(chance, 70) : unit + 1);
    case 3:
        return odd_number(chance, heap->unit_count);
    default:
        return entry_make((unsigned)pick(chance, KIND_END + 2),
                          pick(chance, 2) ? class : 0, length);
    }
}

static inline uint64_t odd_word(struct chance *chance)
{
    unsigned class = (unsigned)pick(chance, HEAP_CLASS_COUNT + 1);
    uint32_t tag = word_tag(class, pick(chance, 4) ? pick(chance, 8)
                                                   : pick(chance, 65536));
    if (pick(chance, 4) == 0) /* flags */
        tag |= (uint32_t)pick(chance, 256) << 8;
    uint32_t blocks = (uint32_t)odd_number(chance, 64);
    return pick(chance, 8) ? word_make(pick(chance, 6) ? tag : 0, blocks)
                           : odd_number(chance, 64);
}

static inline uint64_t odd_name(const struct target *target,
                                struct chance *chance)
{
    uint64_t name = target->names[pick(chance, 4)];
    switch (pick(chance, 6)) {
    case 0:
        return name;
    case 1:
        return name & UINT32_MAX;
    case 2:
        return name | UINT64_C(1) << (30 + pick(chance, 2));
    case 3:
        return name ^ UINT64_C(1) << (32 + pick(chance, 32));
    case 4:
        return 0;
    default:
        return odd_number(chance, 65536);
    }
}

/* --- ways ----------------------------------------------------------------- */

static inline void poke(char *at, size_t width, uint64_t value)
{
    if (width == 8)
        atomic_store_explicit((_Atomic uint64_t *)(void *)at, value,
                              memory_order_relaxed);
    else if (width == 4)
        atomic_store_explicit((_Atomic uint32_t *)(void *)at, (uint32_t)value,
                              memory_order_relaxed);
    else
        atomic_store_explicit((_Atomic uint16_t *)(void *)at, (uint16_t)value,
                              memory_order_relaxed);
}

/* The unit where one of the first runs begins, or the last one. */
static inline size_t pick_head(const struct target *target,
                               struct chance *chance)
{
    size_t unit = 0;
    struct run run;
    for (size_t i = pick(chance, 40); i > 0; i--) {
        if (!run_read(target->heap, unit, &run) ||
            unit + run.length >= target->heap->unit_count)
            break;
        unit += run.length;
    }
    return unit;
}

/* Something plausible into one number of PART. */
__attribute__((unused)) static void damage_part(const struct target *target,
                                                const struct part *part,
                                                struct chance *chance)
{
    /* Most happens at the beginning, and at the very end. */
    size_t few = part->count < 64 ? part->count : 64;
    size_t which = pick(chance, 6);
    size_t at = which == 0   ? pick(chance, part->count)
                : which == 1 ? part->count - 1 - pick(chance, few)
                             : pick(chance, few);
    if (which > 3 && (part->kind == PART_HEAD || part->kind == PART_LINK))
        at = pick_head(target, chance);
    char *where = part->base + at * part->stride;
    uint64_t value = part->kind == PART_HEAD   ? odd_head(target, chance, at)
                     : part->kind == PART_WORD ? odd_word(chance)
                     : part->kind == PART_NAME ? odd_name(target, chance)
                     : part->kind == PART_LINK
                         ? odd_number(chance, part->count) << 32 |
                               (uint32_t)odd_number(chance, part->count)
                         : odd_number(chance, target->heap->unit_count);
    poke(where, part->width, value);
}

/* Where to forge a run: mostly where it is used, or would reach too far. */
static inline size_t pick_unit(const struct target *target,
                               struct chance *chance)
{
    size_t units = target->heap->unit_count;
    size_t few = units < 40 ? units : 40;
    return pick(chance, 2)   ? units - 1 - pick(chance, few)
           : pick(chance, 2) ? pick_head(target, chance)
                             : pick(chance, units);
}

/* A whole span that is as it should be, but for being where it is and as long
 * as it says. */
static inline void forge_span(const struct target *target,
                              struct chance *chance)
{
    const struct heap *heap = target->heap;
    unsigned class = (unsigned)pick(chance, HEAP_CLASS_COUNT);
    struct run run = {.unit = pick_unit(target, chance), .class = class};
    size_t left = heap->unit_count - run.unit;
    run.length = entry_length(heap->classes[class].head);
    if (run.length == 0 || pick(chance, 2))
        run.length = 1 + pick(chance, 80);
    uint64_t head = entry_make(KIND_SMALL, class, run.length);
    size_t units = run.length < left ? run.length : left;
    for (size_t i = 1; i < units; i++)
        set(&heap->entries[run.unit + i].head, entry_cont(head, i));
    set(&heap->entries[run.unit].head, head);
    for (size_t i = 0; i < units << heap->words_shift; i++)
        set(&heap->words[span_word(heap, run.unit, 0) + i],
            word_make(word_tag(class, i), (uint32_t)any_number(chance)));
    size_t sizes = units << heap->classes[class].sizes_shift;
    uint16_t size = (uint16_t)(pick(chance, 4) ? mmi_heap_class_size[class]
                                               : any_number(chance));
    for (size_t i = 0; i < sizes; i++)
        set(&span_sizes(heap, run.unit, class)[i], size);
    set(&heap->users[run.unit], 0);
    set(&heap->space[0][(run.unit >> 6) * HEAP_CLASS_COUNT + class],
        UINT64_C(1) << (run.unit & 63));
}

/* A free run in its bin, or a large one, likewise. */
static inline void forge_run(const struct target *target, struct chance *chance)
{
    const struct heap *heap = target->heap;
    size_t unit = pick_unit(target, chance);
    size_t left = heap->unit_count - unit;
    size_t length =
        pick(chance, 2) ? 1 + pick(chance, 80) : left + pick(chance, 5) - 1;
    bool is_free = pick(chance, 2);
    set(&heap->entries[unit].head,
        entry_make(is_free ? KIND_FREE : KIND_LARGE, 0, length));
    set(&heap->entries[unit].link,
        is_free ? odd_number(chance, left) : length << heap->unit_shift);
    if (length <= left && length > 1)
        set(&heap->entries[unit + length - 1].head,
            entry_make(is_free ? KIND_TAIL : KIND_END, 0, length));
    unsigned log = 63u - (unsigned)__builtin_clzll(length | 1);
    unsigned bin = (unsigned)(log * 4 + pick(chance, 4)) % HEAP_BIN_COUNT;
    if (!is_free)
        return;
    set(&heap->control->bins[bin], (uint32_t)unit + 1);
    set(&heap->control->bin_map[bin / 64], UINT64_MAX);
}

__attribute__((unused)) static void damage_heap(const struct target *target,
                                                struct chance *chance)
{
    size_t part = pick(chance, target->heap_parts + 5);
    if (part < target->heap_parts)
        damage_part(target, &target->parts[part], chance);
    else if (part < target->heap_parts + 3) /* heads more often */
        damage_part(target, &target->parts[0], chance);
    else if (part == target->heap_parts + 3)
        forge_span(target, chance);
    else
        forge_run(target, chance);
}

__attribute__((unused)) static void damage_lock(const struct target *target,
                                                struct chance *chance)
{
    size_t count = target->part_count - target->heap_parts;
    if (count > 0)
        damage_part(target,
                    &target->parts[target->heap_parts + pick(chance, count)],
                    chance);
}

/* Any bytes, anywhere, the payload included. */
__attribute__((unused)) static void damage_bytes(const struct target *target,
                                                 struct chance *chance)
{
    size_t room = pick(chance, 8) ? target->control_size : target->size;
    size_t count = 1 + pick(chance, 16);
    volatile char *at = target->base + pick(chance, room - count);
    char value = (char)any_number(chance);
    bool one_bit = pick(chance, 2);
    for (size_t i = 0; i < count; i++)
        at[i] = one_bit ? (char)(at[i] ^ (1 << (value & 7))) : value;
}

/* Some of IMAGE, a copy of the control data at another time. */
__attribute__((unused)) static void
damage_by_replay(const struct target *target, struct chance *chance,
                 const char *image)
{
    size_t most = (size_t)8 << pick(chance, 14);
    size_t size = target->control_size < most ? target->control_size : most;
    size_t at = pick(chance, target->control_size - size + 1) & ~(size_t)7;
    memcpy(target->base + at, image + at, size);
}

#endif
