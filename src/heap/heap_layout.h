/* SPDX-License-Identifier: MIT */
/*
 * heap_layout.h -- what lies where in a heap's block, and the only door to it.
 *
 * The block is, in this order: control, owners, space bitmaps, entries,
 * users, words, sizes, payload.  The payload is counted in *units* of 1, 4 or
 * 16 KiB, fixed at creation.
 *
 * Runs of units tile the payload.  The entry of a run's first unit is its
 * *head*; the chain of heads is the only authority on what is a run:
 *   FREE   free units
 *   SMALL  a span: blocks of one size class
 *   LARGE  one allocation; its link is the size asked for
 * Entries inside a run are never reached by the chain.  They are of kinds that
 * nobody mistakes for a head: CONT (inside a span: its head with the distance
 * to it), TAIL (end of a free run, with its length), END (end of a large one),
 * or FREE heads that were swallowed.
 *
 * A *word* describes 32 blocks of a span: bits 0-31 the free ones, 32-39 the
 * class plus one (0: closed), 40-47 flags, 48-63 the word's number in its span.
 * The one flag, PENDING: a block of the word is being taken or freed together
 * with a cell, see heap_exact.c.  Its position and its upper half determine the
 * addresses of its blocks, so that a compare-and-swap that succeeds is right
 * whatever happened before.
 *   - A closed word in a SMALL span means that all its blocks are free.
 *   - The words of units that are in no span are closed.
 *
 * The *size* of a block is what was asked for it, or the mark of the thread
 * that freed it into its magazine: such a block is free for that thread alone,
 * though its bit says taken.  A block whose bit says free has size 0.  The mark
 * MARK_PENDING is nobody's: the block is about to be given up, see
 * heap_exact.c.
 *
 * Everything here is read from memory that hostile peers may write: lengths and
 * indices are checked against private bounds before use.
 */
#ifndef MMI_HEAP_LAYOUT_H
#define MMI_HEAP_LAYOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/heap.h"

enum {
    HEAP_VERSION = 1,
    HEAP_BIN_COUNT = 128,
    HEAP_CONTROL_SIZE = 4096,
    SMALL_MAX = 16384,     /* bytes of the largest class */
    BLOCK_ALIGN = 16,      /* of every allocation */
    MARK_FIRST = 0x8000,   /* 16-bit sizes from here on are marks */
    MARK_PENDING = 0xffff, /* of a block in the hands of an exact call */
    OWNER_MAX = 0x7fff,    /* threads that can have magazines */
    LOOK_AGAIN = 16,       /* failures known in advance for one that is not */
    RECIPROCAL_SHIFT = 40, /* of class_reciprocal */
};

enum entry_kind {
    KIND_NONE,
    KIND_FREE,
    KIND_SMALL,
    KIND_LARGE,
    KIND_CONT,
    KIND_TAIL,
    KIND_END,
};

/* While none of these is set, whoever has seen the same turn before needs to
 * look no further: its allowance and its magazines are valid. */
enum turn_bits {
    TURN_DIRECT = 1,   /* allowances are void */
    TURN_STARVING = 2, /* somebody found no memory: tell when some is freed */
    TURN_RESET = 4,    /* a reset is under way: allocate after it only */
    TURN_STEP = 8,
};

struct entry {
    /* kind 0-7, class 8-15, distance 16-31, length 32-63 */
    _Atomic uint64_t head;
    _Atomic uint64_t link; /* FREE: bin links; LARGE: size asked for */
};

/* How well the rest of the budget is known while allowances are void. */
enum rest { REST_UNKNOWN, REST_EXACT, REST_ROUGH };

struct control {
    /* Written once. */
    _Atomic uint64_t magic;
    uint64_t request;
    uint64_t unit_count;
    uint32_t version;
    uint32_t unit_shift;

    /* Read by every operation, seldom written. */
    _Alignas(64) _Atomic uint64_t turn; /* see enum turn_bits */
    _Atomic uint64_t resets;            /* other numbers void magazines */

    /* The budget, heap_budget.c. */
    _Alignas(64) _Atomic int64_t unreserved;
    _Atomic int64_t quantum;
    _Atomic uint64_t refusals;
    _Atomic uint32_t rest;        /* how good unreserved is: enum rest */
    _Atomic uint32_t owners_used; /* names given out so far */
    _Atomic uint64_t
        epoch; /* grows when something was freed for the starving */

    /* Written under the internal lock only. */
    _Alignas(64) _Atomic uint64_t busy; /* 1: an update is under way */
    _Atomic uint64_t resetting;
    _Atomic uint64_t committed;  /* units that were ever used */
    _Atomic uint64_t reclaim_at; /* committed units at the next reclaim */
    _Atomic uint64_t sweeps;     /* asked for since one found something */
    _Atomic uint64_t changes;    /* counts changes of the chain */
    _Atomic uint64_t repairs;
    _Atomic uint64_t dead_owners; /* dead threads that held something */
    _Atomic uint64_t reclaimed;   /* blocks that were taken back from them */
    _Atomic uint64_t failed;
    _Atomic uint64_t bin_map[HEAP_BIN_COUNT / 64];
    _Atomic uint32_t bins[HEAP_BIN_COUNT]; /* first unit plus one, 0: none */

    /* What an exact call is about, heap_exact.c; under the internal lock, too.
     * Offsets in the block. */
    _Atomic uint64_t intent_cell; /* 0: there is no such call */
    _Atomic uint64_t intent_old;  /* what the cell held; 0: nothing */
    _Atomic uint64_t intent_new;  /* what it will hold */
    _Atomic uint64_t intent_size; /* of a small block in the cell */
    _Atomic size_t moving;        /* the cell of a resize without one */
};

_Static_assert(sizeof(struct control) <= HEAP_CONTROL_SIZE, "control too big");
_Static_assert(sizeof(struct entry) == 16, "entries are 16 bytes");

static const uint64_t HEAP_MAGIC = UINT64_C(0x6d6d2d6865617031);

/* Relaxed is the rule: order comes from the internal lock, or from the
 * compare-and-swap on a word.  The publishing stores use put(). */
#define get(where) atomic_load_explicit(where, memory_order_relaxed)
#define put(where, value)                                                      \
    atomic_store_explicit(where, value, memory_order_release)

/* A store that may reach memory in any order before the next put(). */
#define set(where, value)                                                      \
    atomic_store_explicit(where, value, memory_order_relaxed)

/* --- size classes -------------------------------------------------------- */

extern const uint16_t mmi_heap_class_size[HEAP_CLASS_COUNT];
extern const uint8_t mmi_heap_class_table[SMALL_MAX / BLOCK_ALIGN];

/* The class for SIZE, 1 to SMALL_MAX: steps of 16 up to 128, then four for each
 * doubling. */
static inline unsigned class_of(size_t size)
{
    return mmi_heap_class_table[(size - 1) / BLOCK_ALIGN];
}

/* What an allocation of SIZE costs in the pool's own arithmetic. */
static inline int64_t cost_of(size_t size)
{
    return (int64_t)((size + 23) & ~(size_t)7);
}

/* --- entries and runs ---------------------------------------------------- */

/* A run as read once from its head. */
struct run {
    size_t unit;
    size_t length;
    unsigned kind;
    unsigned class;
};

static inline uint64_t entry_make(unsigned kind, unsigned class, size_t length)
{
    return kind | (uint64_t) class << 8 | (uint64_t)length << 32;
}

static inline unsigned entry_kind(uint64_t head)
{
    return head & 0xff;
}

static inline unsigned entry_class(uint64_t head)
{
    return head >> 8 & 0xff;
}

/* The entry of the unit DISTANCE units into a span with head HEAD. */
static inline uint64_t entry_cont(uint64_t head, size_t distance)
{
    return head + (KIND_CONT - KIND_SMALL) + ((uint64_t)distance << 16);
}

static inline size_t entry_distance(uint64_t head)
{
    return head >> 16 & 0xffff;
}

/* The head that ENTRY, one of a span, belongs to. */
static inline uint64_t entry_head_of(uint64_t entry)
{
    return (entry & ~UINT64_C(0xffff00ff)) | KIND_SMALL;
}

static inline size_t entry_length(uint64_t head)
{
    return (size_t)(head >> 32);
}

/* Read the head at UNIT, which the caller knows to be less than unit_count.
 * False if no run of this heap can begin so. */
static inline bool run_read(const struct heap *heap, size_t unit,
                            struct run *run)
{
    uint64_t head =
        atomic_load_explicit(&heap->entries[unit].head, memory_order_acquire);
    run->unit = unit;
    run->kind = entry_kind(head);
    run->class = entry_class(head);
    run->length = entry_length(head);
    if (run->length == 0 || run->length > heap->unit_count - unit)
        return false;
    return run->kind == KIND_FREE || run->kind == KIND_LARGE ||
           (run->kind == KIND_SMALL && run->class < HEAP_CLASS_COUNT &&
            run->length <= UINT16_MAX);
}

static inline size_t unit_bytes(const struct heap *heap, size_t units)
{
    return units << heap->unit_shift;
}

static inline size_t units_for(const struct heap *heap, size_t size)
{
    return (size + (((size_t)1 << heap->unit_shift) - 1)) >> heap->unit_shift;
}

static inline char *unit_address(const struct heap *heap, size_t unit)
{
    return heap->payload + unit_bytes(heap, unit);
}

/* --- spans --------------------------------------------------------------- */

static inline size_t span_blocks(const struct heap *heap, const struct run *run)
{
    return unit_bytes(heap, run->length) / heap->classes[run->class].size;
}

static inline uint64_t span_word(const struct heap *heap, size_t unit,
                                 size_t group)
{
    return ((uint64_t)unit << heap->words_shift) + group;
}

/* The upper half of an open word. */
static inline uint32_t word_tag(unsigned class, size_t group)
{
    return (uint32_t)(class + 1) | (uint32_t)group << 16;
}

/* The blocks that word GROUP of a span of BLOCKS has. */
static inline uint32_t word_mask(size_t blocks, size_t group)
{
    size_t left = blocks - group * 32;
    return left >= 32 ? UINT32_MAX : ((uint32_t)1 << left) - 1;
}

/* Flag of a word, in its upper half: see heap_exact.c. */
#define TAG_PENDING  UINT32_C(0x100)
#define WORD_PENDING ((uint64_t)TAG_PENDING << 32)

/* Whether WORD is open with TAG; what is pending in it does not matter. */
static inline bool word_is(uint64_t word, uint32_t tag)
{
    return ((uint32_t)(word >> 32) & ~TAG_PENDING) == tag;
}

static inline uint64_t word_make(uint32_t tag, uint32_t free_blocks)
{
    return (uint64_t)tag << 32 | free_blocks;
}

/* Sizes are kept apart for small, middle and large classes, so that they lie
 * close together: 16, 64 and 256 bytes of payload have one each. */
static inline unsigned granule_of(unsigned class)
{
    return class < 3 ? 0 : class < 11 ? 1 : 2;
}

static inline unsigned granule_shift(unsigned granule)
{
    return 4 + 2 * granule;
}

/* Where the sizes of the blocks of a span at UNIT begin. */
static inline _Atomic uint16_t *span_sizes(const struct heap *heap, size_t unit,
                                           unsigned class)
{
    const struct heap_class *info = &heap->classes[class];
    return info->sizes + (unit << info->sizes_shift);
}

/* The block INSIDE bytes from the start of a span, or the one before. */
static inline size_t class_block(const struct heap_class *info, size_t inside)
{
    return (size_t)((inside * info->reciprocal) >> RECIPROCAL_SHIFT);
}

/* Where an address leads: a block of a span, or a large run. */
struct place {
    size_t unit;
    unsigned kind;
    unsigned class;
    _Atomic uint64_t *word;
    _Atomic uint16_t *size;
    uint32_t tag;
    unsigned bit;
};

/* Find the allocation that begins at PTR; says nothing about whether it is
 * live.  False if none can begin there.  What an entry inside a span says is
 * used at once, and right if the head agrees. */
static inline bool place_find(const struct heap *heap, const void *ptr,
                              struct place *place)
{
    size_t offset = (size_t)((uintptr_t)ptr - (uintptr_t)heap->payload);
    size_t unit = offset >> heap->unit_shift;
    if (unit >= heap->unit_count)
        return false;
    uint64_t head = get(&heap->entries[unit].head);
    if (entry_kind(head) == KIND_CONT) {
        unit -= entry_distance(head);
        head = entry_head_of(head);
        if (unit >= heap->unit_count || get(&heap->entries[unit].head) != head)
            return false;
    }
    size_t inside = offset - unit_bytes(heap, unit);
    unsigned class = entry_class(head);
    place->unit = unit;
    place->kind = entry_kind(head);
    place->class = class;
    if (entry_length(head) > heap->unit_count - unit)
        return false;
    if (entry_kind(head) != KIND_SMALL || class >= HEAP_CLASS_COUNT)
        return entry_kind(head) == KIND_LARGE && inside == 0;

    const struct heap_class *info = &heap->classes[class];
    size_t block = class_block(info, inside);
    if (block * info->size != inside ||
        inside + info->size > unit_bytes(heap, entry_length(head)) ||
        entry_length(head) > UINT16_MAX)
        return false;
    place->word = &heap->words[span_word(heap, unit, block >> 5)];
    place->size = &info->sizes[(unit << info->sizes_shift) + block];
    place->tag = word_tag(class, block >> 5);
    place->bit = block & 31;
    return true;
}

/* Whether the block of a span that PLACE names is in use. */
static inline bool place_taken(const struct place *place)
{
    uint64_t word = get(place->word);
    return word_is(word, place->tag) && !(word >> place->bit & 1) &&
           get(place->size) < MARK_FIRST;
}

/* A block whose owner died before it wrote the size counts in full; a scribbled
 * size is clipped to the class. */
static inline size_t clip_size(size_t size, unsigned class)
{
    size_t most = mmi_heap_class_size[class];
    return size - 1 < most ? size : most;
}

/* The size asked for block BLOCK of the span RUN; 0 if it is free. */
static inline size_t live_size(const struct heap *heap, const struct run *run,
                               size_t block)
{
    uint64_t word = get(&heap->words[span_word(heap, run->unit, block >> 5)]);
    if (!word_is(word, word_tag(run->class, block >> 5)) ||
        (word >> (block & 31) & 1))
        return 0;
    size_t size = get(&span_sizes(heap, run->unit, run->class)[block]);
    return size >= MARK_FIRST ? 0 : clip_size(size, run->class);
}

/* The size asked for a large run, clipped likewise. */
static inline size_t run_size(const struct heap *heap, const struct run *run)
{
    uint64_t size = get(&heap->entries[run->unit].link);
    size_t room = unit_bytes(heap, run->length);
    return size == 0 || size > room ? room : (size_t)size;
}

#endif
