/* SPDX-License-Identifier: MIT */
/*
 * units.c -- what each operation of a heap promises, one by one.
 */
#include "fixture.h"

static const size_t TIB = (size_t)1 << 40;

static bool fails(struct fixture *f, void *ptr, int error)
{
    int result = errno;
    return !ptr && result == error && !f->entered;
}

static bool is_refused(struct fixture *f, const void *ptr)
{
    union {
        const void *in;
        void *out;
    } address = {ptr};
    errno = 0;
    bool refused = give(f, address.out) == -1 && errno == EINVAL;
    errno = 0;
    return refused && mmi_heap_sizeof(&f->heap, ptr) == SIZE_MAX &&
           errno == EINVAL && mmi_heap_usable(&f->heap, ptr) == SIZE_MAX &&
           !mmi_heap_resize(&f->heap, &f->hints, address.out, 10) &&
           errno == EINVAL;
}

static void try_classes(void)
{
    bool right = true;
    for (size_t size = 1; size <= SMALL_MAX; size++) {
        unsigned class = class_of(size);
        right = right && mmi_heap_class_size[class] >= size &&
                (class == 0 || mmi_heap_class_size[class - 1] < size);
    }
    ok(right, "every size has the smallest class that holds it");

    struct fixture f;
    make_heap(&f, (size_t)1 << 30);
    right = true;
    for (unsigned class = 0; class < HEAP_CLASS_COUNT; class ++) {
        const struct heap_class *info = &f.heap.classes[class];
        for (size_t inside = 0; inside < 2 << 20; inside++)
            right = right && class_block(info, inside) == inside / info->size;
    }
    ok(right, "offsets in a span lead to the right block");
    drop_heap(&f);
}

/* Sizes around everything that matters. */
static size_t interesting(const struct fixture *f, size_t index)
{
    size_t unit = (size_t)1 << f->heap.unit_shift;
    size_t which = index / 3;
    size_t base = which < HEAP_CLASS_COUNT
                      ? mmi_heap_class_size[which]
                      : (which - HEAP_CLASS_COUNT) * unit / 2;
    return base + index % 3 - 1;
}

static void try_sizes(size_t request, size_t pages)
{
    struct fixture f;
    make_heap_at(&f, request, mmi_heap_block_size(request, true), pages);
    bool aligned = true;
    bool exact = true;
    bool room = true;
    bool whole = true;
    size_t count = 3 * (HEAP_CLASS_COUNT + 40);
    char **blocks = calloc(count, sizeof *blocks);
    size_t cost = 0;
    for (size_t i = 0; blocks && i < count; i++) {
        size_t size = interesting(&f, i);
        if (size - 1 >= request || cost + size + 23 > request)
            continue;
        cost += (size_t)cost_of(size);
        blocks[i] = take(&f, size);
        whole = whole && blocks[i];
        if (!blocks[i])
            continue;
        memset(blocks[i], (int)i, size);
        aligned = aligned && (uintptr_t)blocks[i] % 16 == 0;
        exact = exact && mmi_heap_sizeof(&f.heap, blocks[i]) == size;
        room = room && mmi_heap_usable(&f.heap, blocks[i]) >= size;
    }
    whole = whole && mmi_heap_available(&f.heap) == request - cost;
    for (size_t i = 0; blocks && i < count; i++) {
        size_t size = interesting(&f, i);
        for (size_t at = 0; blocks[i] && at < size; at++)
            whole = whole && blocks[i][at] == (char)i;
        if (blocks[i])
            whole = give(&f, blocks[i]) == 0 && whole;
    }
    free(blocks);
    ok(aligned && exact && room && whole,
       "%zu bytes, %zu pages on: sizes are exact, blocks aligned and apart",
       request, pages);
    is_sound(&f, "after all sizes");
    is_int((long long)mmi_heap_available(&f.heap), (long long)request,
           "all of it is available again");
    drop_heap(&f);
}

static void try_bad_frees(size_t request)
{
    struct fixture f;
    make_heap(&f, request);
    char *small = take(&f, 200);
    char *other = take(&f, 200);
    char *large = take(&f, 50000);
    bool right = true;
    right = right && is_refused(&f, &f) && give(&f, NULL) == 0;
    right = right && is_refused(&f, f.heap.payload - 16);
    right = right && is_refused(&f, f.block) &&
            is_refused(&f, f.block + f.block_size);
    right = right && is_refused(&f, (void *)UINTPTR_MAX);
    size_t end = f.heap.unit_count << f.heap.unit_shift;
    right = right && is_refused(&f, f.heap.payload + end) &&
            is_refused(&f, f.heap.payload + end - 16);
    ok(right, "foreign addresses are refused");
    right = true;
    for (size_t inside = 1; inside < 200; inside++)
        right = right && is_refused(&f, small + inside);
    for (size_t inside = 1; inside < 50000; inside += inside < 64 ? 1 : 64)
        right = right && is_refused(&f, large + inside);
    right = right && is_refused(&f, large + 50000);
    ok(right, "addresses inside of blocks are refused");

    right = true;
    for (int round = 0; round < 20; round++) {
        /* By bit first, by magazine later. */
        right = right && give(&f, small) == 0 && is_refused(&f, small);
        right = right && give(&f, other) == 0 && is_refused(&f, other) &&
                is_refused(&f, small);
        right = right && give(&f, large) == 0 && is_refused(&f, large);
        small = take(&f, 200);
        other = take(&f, 200);
        large = take(&f, 50000);
        right = right && small && other && large && small != other;
    }
    ok(right, "double frees are refused");

    right = mmi_heap_reset(&f.heap) == 0;
    right = right && is_refused(&f, small) && is_refused(&f, other) &&
            is_refused(&f, large);
    char *fresh = take(&f, 300);
    right = right && fresh && is_refused(&f, large) && give(&f, fresh) == 0;
    ok(right, "what a reset forgot is refused");
    is_int((long long)mmi_heap_available(&f.heap), (long long)request,
           "all is available after a reset");
    is_sound(&f, "after bad frees");
    drop_heap(&f);
}

/* Resize PTR, filled with OLD times VALUE, to SIZE: where it is, or not. */
static char *resize(struct fixture *f, char *ptr, size_t old, size_t size,
                    bool *right, bool stays)
{
    memset(ptr, 'x', old);
    char *now = mmi_heap_resize(&f->heap, &f->hints, ptr, size);
    bool good = now && (now == ptr) == stays &&
                holds(now, old < size ? old : size, 'x') &&
                mmi_heap_sizeof(&f->heap, now) == size;
    if (!good)
        diag("resize from %zu to %zu: %p to %p", old, size, (void *)ptr,
             (void *)now);
    *right = *right && good;
    return now ? now : ptr;
}

static void try_resizes(size_t request)
{
    struct fixture f;
    make_heap(&f, request);
    size_t unit = (size_t)1 << f.heap.unit_shift;
    bool right = true;
    char *p = take(&f, 100);
    p = resize(&f, p, 100, 112, &right, true);
    p = resize(&f, p, 112, 97, &right, true);
    p = resize(&f, p, 97, 1, &right, true);
    p = resize(&f, p, 1, 113, &right, false);
    p = resize(&f, p, 113, 20 * unit, &right, false);
    ok(right, "small blocks resize");

    right = true;
    size_t n = 20 * unit;
    p = resize(&f, p, n, n - 1, &right, true);
    p = resize(&f, p, n - 1, n, &right, true);
    p = resize(&f, p, n, n + 1, &right, true);
    p = resize(&f, p, n + 1, n + 2 * unit, &right, true);
    p = resize(&f, p, n + 2 * unit, 1, &right, true);
    p = resize(&f, p, 1, n, &right, true);
    ok(right, "large blocks resize where they are");
    is_sound(&f, "after resizes in place");

    /* Its neighbour is free and exactly one unit long. */
    right = true;
    char *next = take(&f, 20 * unit);
    char *wall = take(&f, 20 * unit);
    right = right && next == p + n && wall == next + n;
    give(&f, next);
    next = take(&f, 19 * unit);
    right = right && next == p + n;
    p = resize(&f, p, n, n + 1, &right, false);
    next = resize(&f, next, 19 * unit, 20 * unit, &right, true);
    next = resize(&f, next, 20 * unit, 19 * unit, &right, true);
    next = resize(&f, next, 19 * unit, 19 * unit + 1, &right, true);
    is_sound(&f, "after growth by exactly one unit");
    next = resize(&f, next, 19 * unit + 1, unit, &right, true);
    next = resize(&f, next, unit, 20 * unit, &right, true);
    next = resize(&f, next, 20 * unit, 20 * unit + 1, &right, false);
    ok(right, "large blocks extend into free neighbours, else move");
    is_sound(&f, "after extensions");

    size_t available = mmi_heap_available(&f.heap);
    memset(p, 'y', n + 1);
    bool refused =
        fails(&f, mmi_heap_resize(&f.heap, &f.hints, p, request), ENOMEM);
    ok(refused && holds(p, n + 1, 'y') &&
           mmi_heap_available(&f.heap) == available,
       "a resize that fails changes nothing");
    right = give(&f, p) == 0 && give(&f, wall) == 0 && give(&f, next) == 0;
    ok(right && mmi_heap_available(&f.heap) == request, "all come back");
    is_sound(&f, "after resizes");
    drop_heap(&f);
}

static void try_alignments(size_t request, size_t pages)
{
    struct fixture f;
    make_heap_at(&f, request, mmi_heap_block_size(request, true), pages);
    bool right = true;
    for (size_t align = 1; align <= (size_t)4 << 20; align *= 2) {
        char *blocks[3][5];
        const size_t sizes[] = {1, 100, 3000, 5000, 70000};
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < 5; k++) {
                char *p =
                    mmi_heap_alloc_aligned(&f.heap, &f.hints, align, sizes[k]);
                right = right && p && (uintptr_t)p % align == 0 &&
                        mmi_heap_sizeof(&f.heap, p) == sizes[k];
                blocks[i][k] = p;
                if (p)
                    memset(p, i * 5 + k, sizes[k]);
            }
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < 5; k++)
                right = right && blocks[i][k] &&
                        holds(blocks[i][k], sizes[k], (char)(i * 5 + k)) &&
                        give(&f, blocks[i][k]) == 0;
    }
    ok(right, "%zu bytes: alignments to 4 MiB", request);
    right =
        fails(&f,
              mmi_heap_alloc_aligned(&f.heap, &f.hints, (size_t)1 << 62, 100),
              ENOMEM) &&
        fails(&f,
              mmi_heap_alloc_aligned(&f.heap, &f.hints, (size_t)1 << 63, 100),
              ENOMEM);
    ok(right, "an alignment beyond all memory is out of memory");
    is_int((long long)mmi_heap_available(&f.heap), (long long)request,
           "aligned blocks come back");
    is_sound(&f, "after alignments");
    drop_heap(&f);
}

static void try_bad_sizes(size_t request)
{
    struct fixture f;
    make_heap(&f, request);
    bool right = fails(&f, take(&f, 0), EINVAL);
    const size_t sizes[] = {SIZE_MAX,     SIZE_MAX - 22,    SIZE_MAX - 8,
                            SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX - 15,
                            request + 1,  request,          request - 15};
    char *p = take(&f, 100);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        errno = 0;
        right = right && fails(&f, take(&f, sizes[i]), ENOMEM);
        right =
            right &&
            fails(&f, mmi_heap_resize(&f.heap, &f.hints, p, sizes[i]), ENOMEM);
        right =
            right &&
            fails(&f, mmi_heap_alloc_aligned(&f.heap, &f.hints, 4096, sizes[i]),
                  ENOMEM);
    }
    right =
        right && fails(&f, mmi_heap_resize(&f.heap, &f.hints, p, 0), EINVAL);
    ok(right, "sizes that cannot be are refused");
    give(&f, p);
    p = take(&f, request - 16);
    ok(p && mmi_heap_available(&f.heap) == 0, "the largest size fits");
    ok(fails(&f, take(&f, 1), ENOMEM), "nothing fits beside it");
    give(&f, p);
    is_sound(&f, "after bad sizes");
    drop_heap(&f);

    right = mmi_heap_block_size(SIZE_MAX, true) == 0 &&
            mmi_heap_block_size(SIZE_MAX / 2, true) == 0 &&
            mmi_heap_block_size(SIZE_MAX / 4, true) == 0;
    ok(right, "pools that cannot be have no size");
}

/* Sparse: only what is used is touched. */
static void try_huge(void)
{
    size_t request = 5 * TIB;
    struct fixture f;
    make_heap_at(&f, request, mmi_heap_block_size(request, true), 1);
    is_int(f.heap.unit_shift, 14, "5 TiB are counted in units of 16 KiB");
    char *big = take(&f, 3 * TIB);
    char *small = take(&f, 16);
    char *other = take(&f, TIB);
    bool right = big && small && other;
    if (right) {
        big[3 * TIB - 1] = 'a';
        other[TIB - 1] = 'b';
        *small = 'c';
        right = mmi_heap_sizeof(&f.heap, big) == 3 * TIB &&
                mmi_heap_available(&f.heap) == request - 4 * TIB - 64 &&
                fails(&f, take(&f, TIB), ENOMEM);
        big = mmi_heap_resize(&f.heap, &f.hints, big, TIB);
        other = mmi_heap_resize(&f.heap, &f.hints, other, 2 * TIB);
        right = right && big && other && give(&f, big) == 0 &&
                give(&f, other) == 0 && give(&f, small) == 0;
    }
    ok(right, "terabytes are had, resized and freed");
    is_int((long long)mmi_heap_available(&f.heap), (long long)request,
           "5 TiB are available again");
    drop_heap(&f);
}

int main(void)
{
    try_classes();
    const size_t requests[] = {8192, 100000, ((size_t)4 << 20) - 1,
                               (size_t)4 << 20, 64 << 20};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        try_sizes(requests[i], i * 3 % 7);
    for (size_t pages = 0; pages < 5; pages++)
        try_sizes(5 * TIB, pages);
    try_bad_frees(1 << 20);
    try_bad_frees(64 << 20);
    try_resizes(2 << 20);
    try_resizes(64 << 20);
    try_alignments(64 << 20, 0);
    try_alignments(64 << 20, 3);
    try_alignments(5 * TIB, 1);
    try_bad_sizes(8192);
    try_bad_sizes(64 << 20);
    try_huge();
    return done();
}
