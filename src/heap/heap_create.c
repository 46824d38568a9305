/* SPDX-License-Identifier: MIT */
/*
 * heap_create.c -- size classes, and laying a heap out in its block.
 *
 * All that depends on the size of a pool is decided here, once: the unit, how
 * long spans are, how many blocks a thread keeps.
 */
#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "heap/heap.h"
#include "heap/heap_parts.h"

enum {
    SPAN_BLOCKS = 256,      /* of a span, if the pool is large enough */
    SPAN_BLOCKS_LARGE = 64, /* of blocks beyond 4 KiB */
    SPAN_FRACTION = 256,    /* a span takes at most this part of the pool */
    KEEP_FRACTION = 2048,   /* what a magazine may hold of the pool */
};

static const size_t HIDDEN_ROOM = 1024 * 1024;

/* clang-format off */
const uint16_t mmi_heap_class_size[HEAP_CLASS_COUNT] = {
    16, 32, 48, 64, 80, 96, 112, 128,
    160, 192, 224, 256,  320, 384, 448, 512,  640, 768, 896, 1024,
    1280, 1536, 1792, 2048,  2560, 3072, 3584, 4096,
    5120, 6144, 7168, 8192,  10240, 12288, 14336, 16384,
};
/* By the number of whole 16 bytes in size - 1. */
const uint8_t mmi_heap_class_table[SMALL_MAX / BLOCK_ALIGN] = {
    0, 1, 2, 3, 4, 5, 6, 7,
    [8 ... 9] = 8, [10 ... 11] = 9, [12 ... 13] = 10, [14 ... 15] = 11,
    [16 ... 19] = 12, [20 ... 23] = 13, [24 ... 27] = 14, [28 ... 31] = 15,
    [32 ... 39] = 16, [40 ... 47] = 17, [48 ... 55] = 18, [56 ... 63] = 19,
    [64 ... 79] = 20, [80 ... 95] = 21, [96 ... 111] = 22, [112 ... 127] = 23,
    [128 ... 159] = 24, [160 ... 191] = 25, [192 ... 223] = 26,
    [224 ... 255] = 27, [256 ... 319] = 28, [320 ... 383] = 29,
    [384 ... 447] = 30, [448 ... 511] = 31, [512 ... 639] = 32,
    [640 ... 767] = 33, [768 ... 895] = 34, [896 ... 1023] = 35,
};
/* clang-format on */

static unsigned unit_shift_for(size_t request)
{
    if (request < (size_t)4 << 20)
        return 10;
    return (uint64_t)request > UINT64_C(4) << 40 ? 14 : 12;
}

/* Threads that can have magazines in a pool of REQUEST bytes: few enough that
 * their table is small, too. */
static uint32_t owner_count_for(size_t request)
{
    size_t count = request / 16384;
    return count > OWNER_MAX ? OWNER_MAX : (uint32_t)count;
}

/* Offsets of the parts for COUNT units; returns that of the payload, before it
 * is aligned, 0 if that overflows. */
static size_t lay_out(struct heap *heap, size_t count)
{
    size_t words = count << heap->words_shift;
    uintptr_t base = (uintptr_t)heap->block; /* 0 while sizes are computed */
    size_t at = HEAP_CONTROL_SIZE;
    heap->owners = (_Atomic uint64_t *)(base + at);
    at += heap->owner_count * sizeof *heap->owners;
    size_t bits = count;
    for (int level = 0; level < HEAP_SPACE_LEVELS; level++) {
        bits = (bits + 63) / 64;
        heap->space_count[level] = bits;
        heap->space[level] = (_Atomic uint64_t *)(base + at);
        at += bits * HEAP_CLASS_COUNT * 8;
    }
    at = bytes_align(at, 64);
    heap->entries = (struct entry *)(base + at);
    at += count * sizeof(struct entry);
    heap->users = (_Atomic uint32_t *)(base + at);
    at = bytes_align(at + count * sizeof *heap->users, 64);
    heap->words = (_Atomic uint64_t *)(base + at);
    at += words * 8;
    for (unsigned granule = 0; granule < HEAP_GRANULES; granule++) {
        heap->sizes[granule] = (_Atomic uint16_t *)(base + at);
        at += count << (heap->unit_shift - granule_shift(granule) + 1);
    }
    return at;
}

size_t mmi_heap_block_size(size_t request, bool slack)
{
    if (!slack)
        return request;
    struct heap heap = {.unit_shift = unit_shift_for(request),
                        .owner_count = owner_count_for(request)};
    heap.words_shift = heap.unit_shift - 9;
    size_t unit = (size_t)1 << heap.unit_shift;
    size_t payload;
    if (!bytes_multiply(request, 2, &payload) ||
        !bytes_add(payload, HIDDEN_ROOM + unit, &payload) ||
        payload >> heap.unit_shift >= UINT32_MAX || payload > SIZE_MAX / 2)
        return 0;
    payload &= ~(unit - 1);
    size_t metadata = lay_out(&heap, payload >> heap.unit_shift);
    /* Room to align the payload at whatever page the block begins. */
    return bytes_align(metadata, 4096) + 2 * unit + 4096 + payload;
}

/* All that the fast paths need to know about a size class. */
static void describe_class(struct heap *heap, unsigned class)
{
    struct heap_class *info = &heap->classes[class];
    size_t size = mmi_heap_class_size[class];
    info->size = (uint16_t)size;
    /* Rounded up: quotients are exact for offsets below 2^24. */
    info->reciprocal = ((UINT64_C(1) << RECIPROCAL_SHIFT) + size - 1) / size;

    size_t bytes = size * (size <= 4096 ? SPAN_BLOCKS : SPAN_BLOCKS_LARGE);
    if (bytes > heap->request / SPAN_FRACTION)
        bytes = heap->request / SPAN_FRACTION;
    size_t length = bytes >> heap->unit_shift;
    if (length == 0)
        length = 1;
    info->head = entry_make(KIND_SMALL, class,
                            unit_bytes(heap, length) < 2 * size ? 0 : length);
    info->span_last = (uint32_t)(unit_bytes(heap, length) - size);

    /* Spans that are hardly used must not eat the room that the space contract
     * needs: those of all classes together get half of what is hidden. */
    size_t most = (heap->request / 2 + HIDDEN_ROOM / 2) / HEAP_CLASS_COUNT /
                  unit_bytes(heap, length);
    size_t crowd = (size_t)2 * heap->host.parallel;
    if (crowd > most)
        crowd = most > 0 ? most : 1;
    heap->crowds[class] = (uint32_t)crowd;

    unsigned granule = granule_of(class);
    info->sizes = heap->sizes[granule];
    info->sizes_shift = (uint8_t)(heap->unit_shift - granule_shift(granule));

    /* What one thread keeps of all classes is a small part of the pool. */
    size_t keep = heap->request / KEEP_FRACTION / size;
    info->magazine_size =
        (uint8_t)(keep > HEAP_MAGAZINE_SIZE ? HEAP_MAGAZINE_SIZE : keep);
}

/* Returns the units of the longest usual span. */
static size_t describe_classes(struct heap *heap)
{
    size_t longest = 1;
    for (unsigned class = 0; class < HEAP_CLASS_COUNT; class ++) {
        describe_class(heap, class);
        size_t length = entry_length(heap->classes[class].head);
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* How many units fit, and where they begin. */
static size_t fit_units(struct heap *heap)
{
    size_t unit = (size_t)1 << heap->unit_shift;
    size_t align = unit > 4096 ? unit : 4096;
    /* Units with all that describes them, then fewer until they fit. */
    size_t words = (size_t)1 << heap->words_shift;
    size_t each = unit + words * 8 + unit / 6 + sizeof(struct entry) + 9;
    size_t count = heap->block_size / each;
    for (; count > 0; count--) {
        size_t end = lay_out(heap, count);
        uintptr_t at = bytes_align((uintptr_t)heap->block + end, align);
        heap->payload = (char *)at;
        if (at - (uintptr_t)heap->block + (count << heap->unit_shift) <=
            heap->block_size)
            break;
    }
    return count;
}

int mmi_heap_create(struct heap *heap, void *block, size_t block_size,
                    size_t request, const struct heap_host *host)
{
    *heap = (struct heap){
        .block = block,
        .block_size = block_size,
        .control = block,
        .request = request,
        .unit_shift = unit_shift_for(request),
        .owner_count = owner_count_for(request),
        .host = *host,
    };
    heap->words_shift = heap->unit_shift - 9;
    if (heap->host.parallel == 0)
        heap->host.parallel = 2;
    heap->unit_count = fit_units(heap);
    size_t longest = describe_classes(heap);
    if (heap->unit_count < longest || heap->unit_count >= UINT32_MAX)
        return mmi_fail_as(EINVAL,
                           "mm:alloc: no pool of %zu bytes fits into %zu",
                           request, block_size);
    heap->usual_last = heap->unit_count - longest;

    size_t owners_end =
        (size_t)((char *)(heap->owners + heap->owner_count) - heap->block);
    if (host->commit(host->context, 0, owners_end) < 0)
        return -1;
    struct control *control = heap->control;
    control->request = request;
    control->unit_count = heap->unit_count;
    control->version = HEAP_VERSION;
    control->unit_shift = heap->unit_shift;
    mmi_heap_budget_reset(heap);
    if (host->commit(host->context,
                     (size_t)((char *)heap->entries - heap->block),
                     sizeof(struct entry)) < 0)
        return -1;
    put(&heap->entries[0].head, entry_make(KIND_FREE, 0, heap->unit_count));
    mmi_heap_run_insert(heap, 0, heap->unit_count);
    put(&control->magic, HEAP_MAGIC);
    return 0;
}
