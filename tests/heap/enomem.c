/* SPDX-License-Identifier: MIT */
/*
 * enomem.c -- when pages or the lock cannot be had, or memory is used up, an
 * operation fails with a clear error, loses nothing, and succeeds later.
 */
#include "fixture.h"

enum { COUNT = 4000 };

struct scene {
    struct fixture fixture;
    char *blocks[COUNT];
    size_t sizes[COUNT];
    size_t live;
    uint64_t seed;
};

static bool is_whole(struct scene *scene)
{
    size_t cost = 0;
    for (int i = 0; i < COUNT; i++) {
        if (!scene->blocks[i])
            continue;
        cost += (size_t)cost_of(scene->sizes[i]);
        if (mmi_heap_sizeof(&scene->fixture.heap, scene->blocks[i]) !=
                scene->sizes[i] ||
            scene->blocks[i][0] != (char)i)
            return false;
    }
    return mmi_heap_available(&scene->fixture.heap) ==
           scene->fixture.heap.request - cost;
}

/* One operation at random; false if it failed. */
static bool operate(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    size_t i = next_random(&scene->seed) % 100;
    size_t size = random_size(&scene->seed, 100000);
    if (!scene->blocks[i]) {
        size_t align = (size_t)16 << next_random(&scene->seed) % 10;
        scene->blocks[i] =
            mmi_heap_alloc_aligned(&f->heap, &f->hints, align, size);
        if (!scene->blocks[i])
            return false;
    } else if (next_random(&scene->seed) % 2) {
        if (give(f, scene->blocks[i]) < 0)
            return false;
        scene->blocks[i] = NULL;
        return true;
    } else {
        char *moved =
            mmi_heap_resize(&f->heap, &f->hints, scene->blocks[i], size);
        if (!moved)
            return false;
        scene->blocks[i] = moved;
    }
    scene->sizes[i] = size;
    scene->blocks[i][0] = (char)i;
    return true;
}

/* Let every call of enter or commit fail in turn. */
static void try_failing(size_t request, bool pages)
{
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    make_heap(&scene.fixture, request);
    struct fixture *f = &scene.fixture;
    scene.seed = request;
    bool right = true;
    int failures = 0;
    for (int round = 0; round < 3000 && right; round++) {
        if (pages) {
            f->commit_errno = ENOSPC;
            f->commit_after = (int)(next_random(&scene.seed) % 16);
        } else {
            f->enter_errno = ETIMEDOUT;
            f->enter_after = (int)(next_random(&scene.seed) % 3);
        }
        errno = 0;
        if (!operate(&scene)) {
            failures++;
            const char *text = mmi_fail_text();
            right = (errno == (pages ? ENOSPC : ETIMEDOUT) &&
                     strstr(text, pages ? "no pages" : "no lock")) ||
                    (errno == ENOMEM && strstr(text, "out of memory"));
            if (!right)
                diag("errno %d: %s", errno, text);
        }
        right = right && f->entered == 0;
        f->commit_errno = 0;
        f->enter_errno = 0;
        if (round % 10 == 0 && right && !is_whole(&scene)) {
            diag("round %d: something was lost", round);
            right = false;
        }
        /* Now and then from the start, that there are pages to be had. */
        if (round % 12 == 11) {
            mmi_heap_reset(&f->heap);
            memset(scene.blocks, 0, sizeof scene.blocks);
            if (pages)
                f->heap.control->committed = 0;
        }
    }
    ok(right && failures > 200,
       "%zu bytes: %d failures for want of %s lose nothing", request, failures,
       pages ? "pages" : "the lock");
    is_sound(f, "after failures");
    drop_heap(f);
}

/* A file system that is full: what was freed serves other needs. */
static void try_full(size_t first, size_t then)
{
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    make_heap(&scene.fixture, 64 << 20);
    struct fixture *f = &scene.fixture;
    int count = 0;
    while (count < COUNT - 1 && count * (first + 16) < 8 << 20)
        scene.blocks[count++] = take(f, first);
    f->commit_errno = ENOSPC;
    while (count < COUNT && (scene.blocks[count] = take(f, first)))
        count++;
    bool right = count < COUNT && errno == ENOSPC;
    for (int i = 0; i < count; i++)
        right = right && give(f, scene.blocks[i]) == 0;
    mmi_heap_flush(&f->heap, &f->hints);
    size_t had = 0;
    while (take(f, then))
        had += then;
    ok(right && errno == ENOSPC && had > 6 << 20,
       "full of %zu bytes each, then freed: %zu times %zu", first, had / then,
       then);
    is_sound(f, "when it is full");
    drop_heap(f);
}

/* Blocks in spans that others work in are had before a failure. */
static void try_spans_of_others(void)
{
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    make_heap(&scene.fixture, 64 << 20);
    struct fixture *f = &scene.fixture;
    struct heap_hints other = {.self = 7};
    bool right = mmi_heap_alloc(&f->heap, &other, 1000) != NULL;
    f->commit_errno = ENOSPC;
    while (take(f, 16 << 10))
        ;
    right = right && errno == ENOSPC && take(f, 1000);
    ok(right, "without pages, a span that another works in will do");
    drop_heap(f);
}

/* A heap without room to spare: physical memory ends before the budget. */
static void try_exhausted(size_t size)
{
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    make_heap_in(&scene.fixture, 2 << 20, 1 << 20);
    struct fixture *f = &scene.fixture;
    struct heap_hints other = {.self = 7};
    int count = 0;
    char *first = NULL;
    char *last = NULL;
    for (char *p; (p = take(f, size)); count++) {
        first = first ? first : p;
        last = p;
    }
    bool right = errno == ENOMEM && count > 10 && last;
    int refusals = 0;
    for (int i = 0; i < 1000; i++)
        refusals += !take(f, size);
    ok(right && refusals == 1000, "%zu bytes: exhausted after %d", size, count);
    unsigned entered = f->enters;
    for (int i = 0; i < 1000; i++)
        take(f, size);
    ok(f->enters - entered < 400, "repeated failures are cheap");

    /* By every way of freeing. */
    f->name = 2;
    bool freed = mmi_heap_free(&f->heap, &other, last) == 0;
    f->name = 1;
    ok(freed && (last = take(f, size)), "freed by another, a block can be had");
    ok(give(f, last) == 0 && (last = take(f, size)),
       "freed by itself, a block can be had");
    if (size > SMALL_MAX) {
        mmi_heap_resize(&f->heap, &other, last, 1);
        char *less = take(f, size - 4096);
        ok(less, "what a resize let go can be had");
    } else if (f->heap.classes[class_of(size)].magazine_size > 0) {
        /* Into the magazine of one who dies after we failed. */
        mmi_heap_flush(&f->heap, &f->hints);
        f->name = 2;
        mmi_heap_free(&f->heap, &other, first);
        first = mmi_heap_alloc(&f->heap, &other, size);
        mmi_heap_free(&f->heap, &other, first);
        bool kept = other.magazines[class_of(size)].top ==
                    other.magazines[class_of(size)].bottom + 1;
        for (int i = 0; i < 3; i++)
            kept = kept && !take(f, size);
        f->name = 1;
        char *got = NULL;
        for (int i = 0; i < 5000 && !got; i++)
            got = take(f, size);
        ok(kept && got, "what the dead kept can be had");
    }
    ok(mmi_heap_reset(&f->heap) == 0 && take(f, size),
       "after a reset, a block can be had");
    is_sound(f, "after exhaustion");
    drop_heap(f);
}

int main(void)
{
    try_failing(1 << 20, true);
    try_failing(16 << 20, true);
    try_failing(1 << 20, false);
    try_failing(16 << 20, false);
    try_full(2500, 100);
    try_full(2500, 60000);
    try_full(9000, 2500);
    try_full(60000, 3000);
    try_spans_of_others();
    try_exhausted(100);
    try_exhausted(3000);
    try_exhausted(20000);
    return done();
}
