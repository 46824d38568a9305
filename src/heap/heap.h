/* SPDX-License-Identifier: MIT */
/*
 * heap.h -- an allocator inside one block of shared memory.
 *
 * Any number of threads of any number of processes use a heap at once, and any
 * of them may die at any instruction: each operation becomes visible by one
 * store, and what it leaves undone is a cache that the next one who takes the
 * internal lock rebuilds.  Small objects are bits in self-describing words and
 * take no lock; larger ones are runs of pages under the internal lock.
 *
 * The heap calls no system function and holds no address in shared memory.  It
 * is handed three functions (struct heap_host), and keeps all that it trusts in
 * struct heap and struct heap_hints, private memory both.
 *
 * The block must be zeroed before mmi_heap_create(), and may be sparse: bytes
 * are used only after host->commit() agreed.
 */
#ifndef MMI_HEAP_H
#define MMI_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the heap needs from the world.  Those that return int: 0, or -1 after
 * mmi_fail(). */
struct heap_host {
    /* Take and leave the internal lock; free again if its holder dies. */
    int (*enter)(void *context);
    void (*leave)(void *context);
    /* [offset, offset + size) of the block is about to be touched for the
     * first time.  Called under the lock, or before the heap is shared. */
    int (*commit)(void *context, size_t offset, size_t size);
    void *context;
    /* Optional, both or none: what shared memory calls this thread, 0 if it
     * has no name that all users of the heap would understand; and whether
     * there is proof that the thread called NAME, any number, is no more. */
    uint64_t (*name)(void *context);
    bool (*ended)(void *context, uint64_t name);
    /* About how many threads run at once: the processors. */
    unsigned parallel;
    /* Optional: enter() if the lock can be had at once, else false. */
    bool (*try_enter)(void *context);
};

enum {
    HEAP_CLASS_COUNT = 36,
    HEAP_SPACE_LEVELS = 3,
    HEAP_GRANULES = 3,
    HEAP_MAGAZINE_SIZE = 16,
};

/* Where a thread looked last, for one size class.  Never trusted: a hint that
 * is wrong fails a compare-and-swap and costs time. */
struct heap_hint {
    uint64_t last;           /* the word as this thread left it */
    uint64_t word;           /* its index */
    char *first;             /* its first block */
    _Atomic uint16_t *sizes; /* of its blocks */
    uint32_t mask;           /* blocks that it really has */
    uint32_t tag; /* its upper half: class, flags, group; 0: no hint */
};

/* A block that a thread freed and will use next. */
struct heap_kept {
    char *ptr;
    _Atomic uint16_t *size; /* where its size, now the thread's mark, is */
};

/* Those of one size class, the latest on top; all NULL: there is no magazine.
 */
struct heap_magazine {
    struct heap_kept *top; /* where the next one goes */
    struct heap_kept *bottom;
    struct heap_kept *end;
    struct heap_kept *unused; /* makes it 32 bytes, for indexing */
};

/* What a thread remembers about a heap; all zero to begin with but for SELF,
 * and to be made anew in a fork child.  Owned by the caller. */
struct heap_hints {
    uint64_t turn;           /* the allowance below is void in another turn */
    int64_t allowance;       /* bytes this thread may take without asking */
    int64_t allowance_limit; /* what it gives back beyond */
    uint16_t mark;           /* of blocks in the magazines; 0: has none */
    bool mark_refused;       /* do not ask for one again */
    struct heap_magazine magazines[HEAP_CLASS_COUNT];
    struct heap_kept kept[HEAP_CLASS_COUNT][HEAP_MAGAZINE_SIZE];
    struct heap_hint small[HEAP_CLASS_COUNT];
    uint32_t refusals;                 /* without a look, see below */
    uint64_t failed[HEAP_CLASS_COUNT]; /* no block of it in this epoch */
    uint64_t failed_run;               /* no run in this epoch ... */
    size_t failed_length;              /* ... of this length or longer */
    uint64_t resets;                   /* magazines are void after another */
    uint32_t self; /* the thread's id, never 0: who works in which span */
};

/* What is to be known about a size class, in one place. */
struct heap_class {
    uint64_t reciprocal;     /* of its size, see class_block() */
    _Atomic uint16_t *sizes; /* of the blocks of such spans ... */
    uint64_t head;           /* entry of a usual span; length 0: has none */
    uint32_t span_last;      /* bytes to the last block of such a span */
    uint16_t size;           /* bytes of a block */
    uint8_t sizes_shift;     /* ... 1 << this many for each unit */
    uint8_t magazine_size;   /* blocks that a thread keeps */
};

/* A heap, as the process that uses it knows it: private memory.  Members are
 * for src/heap only. */
struct heap {
    struct control *control;
    char *payload;
    size_t unit_count;
    size_t usual_last;       /* unit: from later ones the longest usual span
                                would reach beyond the payload */
    unsigned unit_shift;     /* log2 of the bytes in a unit of payload */
    unsigned words_shift;    /* log2 of the words for a unit */
    struct entry *entries;   /* one for each unit */
    _Atomic uint64_t *words; /* free blocks of small spans */
    struct heap_class classes[HEAP_CLASS_COUNT];
    uint32_t crowds[HEAP_CLASS_COUNT]; /* spans for threads that work at once */
    _Atomic uint16_t *sizes[HEAP_GRANULES]; /* sizes asked for, by block */
    _Atomic uint32_t *users; /* by head of a span: who works in it */
    _Atomic uint64_t *space[HEAP_SPACE_LEVELS]; /* spans with free blocks */
    size_t space_count[HEAP_SPACE_LEVELS];      /* words for each class */
    _Atomic uint64_t *owners; /* names of the threads that have magazines */
    uint32_t owner_count;
    char *block;
    size_t block_size;
    size_t request; /* what the creator asked for */
    struct heap_host host;
};

struct heap_stat {
    size_t used, used_count, available, largest_free, committed;
    size_t small_count, large_count, free_runs, spans, repairs, failed;
    size_t dead_owners, reclaimed;
};

/* Bytes of block that a heap for REQUEST bytes wants, most of them never
 * touched; 0 if that is more than a size_t or the layout can hold.  SLACK
 * false leaves out the hidden room that the space contract needs: for
 * measurements of the bare heap. */
size_t mmi_heap_block_size(size_t request, bool slack);

/* Lay a heap for REQUEST bytes out in BLOCK.  0, or -1 after mmi_fail(). */
int mmi_heap_create(struct heap *heap, void *block, size_t block_size,
                    size_t request, const struct heap_host *host);

/* SIZE bytes at a multiple of ALIGN, a power of two (16 at least is given).
 * NULL after mmi_fail(): ENOMEM, EINVAL (SIZE 0), or what the host said. */
void *mmi_heap_alloc(struct heap *heap, struct heap_hints *hints, size_t size);
void *mmi_heap_alloc_aligned(struct heap *heap, struct heap_hints *hints,
                             size_t align, size_t size);

/* As realloc(), SIZE not 0, PTR not NULL.  NULL after mmi_fail(), PTR as it
 * was. */
void *mmi_heap_resize(struct heap *heap, struct heap_hints *hints, void *ptr,
                      size_t size);

/* The same with a *cell*: WHERE, a size_t of the payload, holds the offset of a
 * block in the heap's block, or 0, and changes in the same instant.  The first
 * wants it to hold 0 (else EEXIST), the others an allocation or 0 (else
 * EINVAL).  The internal lock is held throughout, also while a block that moves
 * is copied. */
void *mmi_heap_alloc_at(struct heap *heap, struct heap_hints *hints,
                        size_t size, void *where);
int mmi_heap_free_at(struct heap *heap, struct heap_hints *hints, void *where);
void *mmi_heap_resize_at(struct heap *heap, struct heap_hints *hints,
                         void *where, size_t size);

/* 0, also for NULL, or -1 after mmi_fail_as(EINVAL) if PTR is no live
 * allocation. */
int mmi_heap_free(struct heap *heap, struct heap_hints *hints, void *ptr);

/* The size last asked for, and the bytes there are; SIZE_MAX after
 * mmi_fail_as(EINVAL). */
size_t mmi_heap_sizeof(struct heap *heap, const void *ptr);
size_t mmi_heap_usable(struct heap *heap, const void *ptr);

/* Forget all allocations.  0, or -1 after mmi_fail(). */
int mmi_heap_reset(struct heap *heap);

/* REQUEST minus the cost of all live allocations; SIZE_MAX after mmi_fail(). */
size_t mmi_heap_available(struct heap *heap);

/* Visit the live allocations in address order, outside of any lock, until
 * VISIT returns non-zero, which is returned; else 0, or -1 after mmi_fail(). */
int mmi_heap_walk(struct heap *heap,
                  int (*visit)(void *argument, void *ptr, size_t size),
                  void *argument);

/* Verify every invariant.  0, or -1 after mmi_fail_as(EUCLEAN, finding). */
int mmi_heap_check(struct heap *heap);

/* 0, or -1 after mmi_fail(). */
int mmi_heap_stat(struct heap *heap, struct heap_stat *stat);

/* Visit stretches of free pages in address order, under the internal lock. */
int mmi_heap_free_runs(struct heap *heap,
                       void (*visit)(void *argument, void *ptr, size_t size),
                       void *argument);

/* Whether PTR lies where allocations lie, and how far from their start. */
static inline bool mmi_heap_contains(const struct heap *heap, const void *ptr)
{
    return (uintptr_t)ptr - (uintptr_t)heap->payload < heap->unit_count
                                                           << heap->unit_shift;
}

/* The calling thread will not use the heap again: its magazines go back. */
void mmi_heap_flush(struct heap *heap, struct heap_hints *hints);

/* Repair now if somebody died inside; the next one to enter would, too. */
int mmi_heap_repair(struct heap *heap);

/* The same, and count it: a holder of the lock that guards the clients' data
 * died, so that cells must say what they will say, before others change them.
 */
void mmi_heap_owner_died(struct heap *heap);

#endif
