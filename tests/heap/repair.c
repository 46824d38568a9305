/* SPDX-License-Identifier: MIT */
/*
 * repair.c -- processes die at the named points of the heap, and others go on.
 *
 * Each child works at random until it dies at its point (base/fault.h); what it
 * has is noted in shared memory.  Afterwards all of that is live and whole, but
 * for the one block that it was about.
 */
#include "../children.h"
#include "fixture.h"

enum { SLOTS = 120, STEPS = 3000 };

struct note {
    char *ptr;
    size_t size;
};

struct notes {
    struct note slots[SLOTS];
    int busy_with; /* a slot */
    bool resetting;
};

struct scene {
    struct fixture fixture;
    struct notes *notes;
};

static int work(void *argument, int number)
{
    struct scene *scene = argument;
    struct fixture *f = &scene->fixture;
    struct notes *notes = scene->notes;
    join_heap(f);
    uint64_t seed = 4711 + (uint64_t)number;
    for (int i = 0; i < STEPS; i++) {
        notes->busy_with = (int)(next_random(&seed) % SLOTS);
        struct note *note = &notes->slots[notes->busy_with];
        size_t size = random_size(&seed, 30000);
        if (next_random(&seed) % 500 == 0) {
            notes->resetting = true;
            mmi_heap_reset(&f->heap);
            memset(notes->slots, 0, sizeof notes->slots);
            notes->resetting = false;
        } else if (!note->ptr) {
            char *ptr = take(f, size);
            if (ptr)
                memset(ptr, (int)size, size);
            note->size = size;
            note->ptr = ptr;
        } else if (next_random(&seed) % 3 == 0) {
            char *ptr = mmi_heap_resize(&f->heap, &f->hints, note->ptr, size);
            if (!ptr)
                return 1;
            memset(ptr, (int)size, size);
            note->ptr = ptr;
            note->size = size;
        } else {
            if (give(f, note->ptr) < 0)
                return 2;
            note->ptr = NULL;
        }
    }
    return 0;
}

static int count_any(void *argument, void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
    ++*(size_t *)argument;
    return 0;
}

static bool is_whole(struct fixture *f, const struct note *note)
{
    if (mmi_heap_sizeof(&f->heap, note->ptr) != note->size)
        return false;
    for (size_t i = 0; i < note->size; i++)
        if (note->ptr[i] != (char)note->size)
            return false;
    return true;
}

/* What is wrong, if anything. */
static const char *look(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    struct notes *notes = scene->notes;
    if (mmi_heap_repair(&f->heap) < 0 || mmi_heap_check(&f->heap) < 0)
        return mmi_fail_text();
    if (find_fault(f))
        return find_fault(f);
    size_t live = 0;
    mmi_heap_walk(&f->heap, count_any, &live);
    if (notes->resetting)
        return live == 0 ? NULL : "a reset was not finished";
    size_t noted = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (i == notes->busy_with || !notes->slots[i].ptr)
            continue;
        noted++;
        if (!is_whole(f, &notes->slots[i]))
            return "a block is not what it was";
    }
    return live < noted || live > noted + 2 ? "too much or too little is live"
                                            : NULL;
}

/* Die at POINT for the PASS-th time. */
static const char *die(const char *point, int pass, bool *died)
{
    static struct scene scene;
    char fault[64];
    make_heap(&scene.fixture, 2 << 20);
    share_heap(&scene.fixture);
    scene.notes = map_shared(sizeof *scene.notes);
    snprintf(fault, sizeof fault, "%s:%d", point, pass);
    setenv("MM_FAULT", fault, 1);
    int status = end_child(start_child(work, &scene, pass));
    unsetenv("MM_FAULT");
    *died = status == 1000 + SIGKILL;
    const char *finding =
        status != 0 && !*died ? "the child failed" : look(&scene);
    if (!finding) {
        /* Somebody else goes on where it was. */
        memset(scene.notes, 0, sizeof *scene.notes);
        mmi_heap_reset(&scene.fixture.heap);
        if (end_child(start_child(work, &scene, pass + 1)) != 0)
            finding = "the next one failed";
        else
            finding = look(&scene);
    }
    munmap(scene.notes, sizeof *scene.notes);
    drop_heap(&scene.fixture);
    return finding;
}

int main(void)
{
    static const char *const points[] = {
        "heap.busy",          "heap.run.ready",   "heap.run.committed",
        "heap.run.freed",     "heap.span.opened", "heap.span.closed",
        "heap.small.unsized", "heap.small.freed", "heap.resetting",
    };
    static const int passes[] = {1, 2, 3, 7, 20, 90};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        const char *finding = NULL;
        int deaths = 0;
        for (size_t k = 0; k < sizeof passes / sizeof *passes && !finding;
             k++) {
            bool died;
            finding = die(points[i], passes[k], &died);
            deaths += died;
            if (finding)
                diag("pass %d: %s", passes[k], finding);
        }
        ok(!finding && deaths > 0, "%d deaths at %s", deaths, points[i]);
    }
    return done();
}
