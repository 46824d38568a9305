/* SPDX-License-Identifier: MIT */
/*
 * spans.c -- stretches of pages that hold small blocks: their words, their
 * lengths, and what becomes of their pages.
 */
#include "fixture.h"

/* Spans of several units with several words each, in full and in any order. */
static void try_groups(void)
{
    struct fixture f;
    make_heap(&f, 3 << 20);
    bool right = f.heap.unit_shift == 10;
    for (unsigned class = 0; class < 16; class ++) {
        enum { COUNT = 2000 };
        static char *blocks[COUNT];
        size_t size = mmi_heap_class_size[class];
        uint64_t seed = class + 1;
        for (int i = 0; i < COUNT; i++) {
            blocks[i] = take(&f, size);
            if (blocks[i])
                memset(blocks[i], i, size);
            right = right && blocks[i];
        }
        for (int i = COUNT - 1; i > 0 && right; i--) {
            size_t k = next_random(&seed) % ((size_t)i + 1);
            char *swap = blocks[i];
            blocks[i] = blocks[k];
            blocks[k] = swap;
        }
        for (int i = 0; i < COUNT && right; i++)
            right = holds(blocks[i], size, blocks[i][0]) &&
                    give(&f, blocks[i]) == 0;
    }
    ok(right, "spans of several groups in units of 1 KiB");
    is_sound(&f, "after groups");
    drop_heap(&f);
}

/* A pool in pieces, each too short for a usual span. */
static void try_short_spans(void)
{
    for (size_t length = 1; length <= 11; length++) {
        struct fixture f;
        make_heap_in(&f, 11 << 18, 11 << 18); /* spans of 11 units */
        char *last = NULL;
        char *pieces[200];
        int count = 0;
        while (count < 200 && (pieces[count] = take(&f, 17 << 10)))
            last = pieces[count++];
        for (size_t n = 18; n < 34; n++) /* what is left at the end */
            mmi_heap_resize(&f.heap, &f.hints, last, n << 10);
        for (int i = 0; i + 1 < count; i++)
            mmi_heap_resize(&f.heap, &f.hints, pieces[i], (17 - length) << 10);
        bool right = true;
        for (unsigned class = 0; class < HEAP_CLASS_COUNT; class ++) {
            size_t size = mmi_heap_class_size[class];
            if (size > 1024 * length || size > 6144)
                continue;
            char *block = take(&f, size);
            right = right && block;
            if (!block)
                diag("pieces of %zu KiB: no %zu bytes", length, size);
            else if (give(&f, block) < 0)
                right = false;
        }
        ok(right, "a pool in pieces of %zu KiB has blocks of all classes",
           length);
        is_sound(&f, "in pieces");
        drop_heap(&f);
    }
}

/* Empty spans beside free runs of one unit: all of them are found. */
static void try_reclaim(void)
{
    struct fixture f;
    make_heap_in(&f, 3 << 20, 3 << 20);
    enum { COUNT = 60 };
    char *spans[COUNT];
    char *gaps[COUNT];
    char *walls[COUNT];
    for (int i = 0; i < COUNT; i++) {
        /* Blocks as long as half a span: 2 make it full. */
        spans[i] = take(&f, 6144);
        give(&f, spans[i]);
        spans[i] = take(&f, 6144);
        char *second = take(&f, 6144);
        gaps[i] = mmi_heap_alloc_aligned(&f.heap, &f.hints, 2048, 1000);
        walls[i] = take(&f, 20000);
        give(&f, second);
        if (!spans[i] || !gaps[i] || !walls[i])
            bail("no memory to build with");
    }
    mmi_heap_flush(&f.heap, &f.hints);
    for (int i = 0; i < COUNT; i++)
        give(&f, gaps[i]);
    for (int i = 0; i < COUNT; i++)
        give(&f, spans[i]);
    bool any = mmi_heap_enter(&f.heap) == 0 &&
               mmi_heap_span_reclaim(&f.heap, HEAP_CLASS_COUNT);
    mmi_heap_leave(&f.heap);
    struct heap_stat stat;
    mmi_heap_stat(&f.heap, &stat);
    ok(any && stat.spans == 0, "every empty span is found");
    is_sound(&f, "after it was searched");
    drop_heap(&f);
}

/* Blocks freed here and there are used before new spans. */
static void try_reuse(void)
{
    enum { COUNT = 40000 };
    struct fixture f;
    static char *blocks[COUNT];
    struct heap_stat before;
    struct heap_stat after;
    make_heap(&f, 16 << 20);
    f.hints.mark_refused = true;
    for (int i = 0; i < COUNT; i++)
        blocks[i] = take(&f, 100);
    mmi_heap_stat(&f.heap, &before);
    bool right = true;
    for (int i = 7; i < COUNT; i += 100)
        right = right && give(&f, blocks[i]) == 0;
    for (int i = 7; i < COUNT; i += 100)
        right = right && take(&f, 100);
    mmi_heap_stat(&f.heap, &after);
    ok(right && before.spans > 50 && after.spans == before.spans,
       "free blocks in %zu spans are used again", before.spans);
    drop_heap(&f);
}

/* A peer says that every block of every word is free. */
static void try_bits_beyond(size_t request)
{
    struct fixture f;
    make_heap(&f, request);
    struct heap *heap = &f.heap;
    bool right = true;
    for (unsigned class = 0; class < HEAP_CLASS_COUNT; class ++) {
        size_t size = mmi_heap_class_size[class];
        if (size > request / 8 || !take(&f, size))
            continue;
        struct run run;
        for (size_t unit = 0; unit < heap->unit_count; unit += run.length) {
            if (!run_read(heap, unit, &run))
                bail("no run at %zu", unit);
            size_t words = run.length << heap->words_shift;
            for (size_t i = 0; run.kind == KIND_SMALL && i < words; i++) {
                _Atomic uint64_t *word = &heap->words[span_word(heap, unit, i)];
                *word = word_make(word_tag(run.class, i), UINT32_MAX);
            }
        }
        for (int i = 0; i < 200; i++) {
            char *block = take(&f, size);
            if (!block)
                break;
            struct place place;
            right = right && place_find(heap, block, &place);
        }
    }
    ok(right, "%zu bytes: bits beyond the end of a span give no block",
       request);
    drop_heap(&f);
}

/* A peer makes a span shorter of which a thread remembers the last word. */
static void try_shortened(void)
{
    struct fixture f;
    make_heap(&f, 11 << 18);
    struct heap *heap = &f.heap;
    size_t size = 48;
    struct run run;
    char *first = take(&f, size);
    size_t unit = (size_t)(first - heap->payload) >> heap->unit_shift;
    run_read(heap, unit, &run);
    size_t blocks = span_blocks(heap, &run);
    size_t groups = (blocks + 31) / 32;
    for (size_t i = 1; i < blocks; i++)
        take(&f, size);
    uint64_t head = heap->entries[unit].head;
    heap->entries[unit].head = entry_make(KIND_SMALL, run.class, 1);
    for (size_t i = 0; i < groups; i++)
        heap->words[span_word(heap, unit, i)] =
            word_make(word_tag(run.class, i), i ? UINT32_MAX : 0);
    char *taken[100];
    for (int i = 0; i < 100; i++)
        taken[i] = take(&f, size);
    heap->entries[unit].head = head;
    bool right = groups > 2 && blocks % 32 != 0;
    for (int i = 0; i < 100; i++) {
        struct place place;
        right = right && taken[i] && place_find(heap, taken[i], &place);
    }
    ok(right, "a span made shorter gives no block beyond its end");
    drop_heap(&f);
}

int main(void)
{
    try_groups();
    try_short_spans();
    try_reclaim();
    try_reuse();
    try_bits_beyond(8192);
    try_bits_beyond(1 << 20);
    try_bits_beyond(16 << 20);
    try_shortened();
    return done();
}
