/* SPDX-License-Identifier: MIT */
/*
 * table.h -- what the victims of torture share in their pool, and how it is
 * mended when one of them is killed.
 *
 * Blocks are either published in the table, which mm_lock() guards, or noted by
 * the thread that has them.  A note also says what its thread is about to do
 * with the block.  So after any death it can be told of each block of the pool
 * whose it is, but for those that a thread was inside a call with.
 *
 * The lock is what makes the table consistent: count and sum are wrong while
 * somebody writes, and a writer that died is reported to the next, who mends.
 */
#ifndef TESTS_TORTURE_TABLE_H
#define TESTS_TORTURE_TABLE_H

#include <mm.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { ENTRIES = 160, NOTES = 12, THREADS = 2, WORKERS_MAX = 32 };

/* What a note says, in the low bits of the offset of its block. */
enum {
    NOTE_RAW = 1,    /* the thread's, contents undefined */
    NOTE_FILLED = 2, /* the thread's, with its pattern */
    NOTE_UNSURE = 3, /* the thread is inside a call with it, or for it */
    NOTE_MOVING = 4, /* under the lock, on its way from or to the table */
    NOTE_MASK = 15
};

struct note {
    _Atomic uint64_t block; /* offset and state; 0: none */
    size_t size;            /* unless NOTE_RAW */
    uint64_t seed;
    size_t cell; /* for exact calls: the block */
};

/* OFFSET is written last and cleared first, and is a cell for exact calls. */
struct entry {
    _Atomic size_t offset; /* 0: none */
    size_t size;
    uint64_t seed;
    _Atomic uint32_t raw; /* inside an exact call, or not filled yet */
};

struct table {
    _Atomic uint32_t busy;   /* somebody writes, or died when he did */
    _Atomic uint32_t writer; /* number of whoever writes */
    _Atomic uint32_t from;   /* number of the entry that moves, plus one */
    uint64_t count, sum;     /* of the offsets */
    struct entry entries[ENTRIES];
    struct note notes[WORKERS_MAX * THREADS][NOTES];
};

static inline uint64_t note_offset(uint64_t block)
{
    return block & ~(uint64_t)NOTE_MASK;
}

static inline unsigned note_state(uint64_t block)
{
    return (unsigned)block & NOTE_MASK;
}

static inline uint64_t pattern_at(uint64_t offset, uint64_t seed, size_t word)
{
    return (seed ^ offset) * 0x9e3779b97f4a7c15u + word * 0xd1342543de82ef95u;
}

static inline void pattern_fill(void *ptr, size_t size, uint64_t offset,
                                uint64_t seed)
{
    unsigned char *bytes = ptr;
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = pattern_at(offset, seed, at / 8);
        memcpy(bytes + at, &word, size - at < 8 ? size - at : 8);
    }
}

static inline bool pattern_is(const void *ptr, size_t from, size_t size,
                              uint64_t offset, uint64_t seed)
{
    const unsigned char *bytes = ptr;
    for (size_t at = from / 8 * 8; at < size; at += 8) {
        uint64_t word = pattern_at(offset, seed, at / 8);
        if (memcmp(bytes + at, &word, size - at < 8 ? size - at : 8) != 0)
            return false;
    }
    return true;
}

/* Look at the ends only of a large block: workers have no time for more. */
static inline bool pattern_seems(const void *ptr, size_t size, uint64_t offset,
                                 uint64_t seed)
{
    enum { PART = 512 };
    if (size <= 2 * PART)
        return pattern_is(ptr, 0, size, offset, seed);
    return pattern_is(ptr, 0, PART, offset, seed) &&
           pattern_is(ptr, size - PART, size, offset, seed);
}

static inline struct entry *table_find(struct table *table, uint64_t offset)
{
    for (int i = 0; i < ENTRIES; i++)
        if (table->entries[i].offset == offset)
            return &table->entries[i];
    return NULL;
}

static inline void table_count(struct table *table, uint64_t *count,
                               uint64_t *sum)
{
    *count = *sum = 0;
    for (int i = 0; i < ENTRIES; i++)
        if (table->entries[i].offset != 0) {
            ++*count;
            *sum += table->entries[i].offset;
        }
}

static inline bool table_is_right(struct table *table)
{
    uint64_t count, sum;
    table_count(table, &count, &sum);
    return count == table->count && sum == table->sum;
}

/* The entry that moved is twice there for a moment. */
static inline void table_end_move(struct table *table)
{
    struct entry *from = &table->entries[(table->from - 1) % ENTRIES];
    for (int i = 0; table->from != 0 && i < ENTRIES; i++)
        if (&table->entries[i] != from && from->offset != 0 &&
            table->entries[i].offset == from->offset)
            from->offset = 0;
    table->from = 0;
}

/* Under the lock, for a writer that died: only he had blocks on their way. */
static inline void table_mend(struct table *table)
{
    for (int i = 0; i < WORKERS_MAX * THREADS * NOTES; i++) {
        struct note *note = &table->notes[i / NOTES][i % NOTES];
        uint64_t block = note->block;
        if (note_state(block) != NOTE_MOVING)
            continue;
        uint64_t offset = note_offset(block);
        note->block = table_find(table, offset) ? 0 : offset | NOTE_FILLED;
    }
    table_end_move(table);
    table_count(table, &table->count, &table->sum);
    table->busy = 0;
}

#endif
