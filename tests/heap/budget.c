/* SPDX-License-Identifier: MIT */
/*
 * budget.c -- the common rest and the allowances of threads, also of those that
 * are dead, and of those that lie.
 */
#include "fixture.h"

enum { CROWD = 500 };

static struct heap_hints crowd[CROWD];

static void gather(void)
{
    memset(crowd, 0, sizeof crowd);
    for (uint32_t i = 0; i < CROWD; i++)
        crowd[i].self = i + 1;
}

/* Whether exactly what is said to be available can be had. */
static bool is_exact(struct fixture *f, struct heap_hints *hints)
{
    size_t available = mmi_heap_available(&f->heap);
    if (available < 24)
        return !mmi_heap_alloc(&f->heap, hints, 1);
    size_t most = (available - 16) & ~(size_t)7;
    if (mmi_heap_alloc(&f->heap, hints, most + 1))
        return false;
    char *ptr = mmi_heap_alloc(&f->heap, hints, most);
    return ptr && mmi_heap_available(&f->heap) == available - most - 16 &&
           mmi_heap_free(&f->heap, hints, ptr) == 0;
}

/* Threads come, take an allowance, and are never seen again. */
static void try_dead(size_t request)
{
    struct fixture f;
    make_heap(&f, request);
    bool right = true;
    for (int round = 0; round < 4; round++) {
        gather();
        for (int i = 0; i < CROWD; i++) {
            char *ptr = mmi_heap_alloc(&f.heap, &crowd[i], 16);
            right = right && ptr;
            if (i % 10 != 0)
                mmi_heap_free(&f.heap, &crowd[i], ptr);
        }
        right = right && is_exact(&f, &f.hints);
    }
    ok(right, "%zu bytes: the allowances of the dead come back", request);
    is_sound(&f, "after them");
    drop_heap(&f);
}

/* Up to the last byte and back, by turns, so that allowances become void and
 * valid again. */
static void try_turns(size_t request)
{
    enum { COUNT = 4000 };
    struct fixture f;
    static char *blocks[COUNT];
    make_heap(&f, request);
    gather();
    bool right = true;
    uint64_t seed = request;
    uint64_t turn = f.heap.control->turn;
    size_t turns = 0;
    for (int round = 0; round < 10; round++) {
        int count = 0;
        for (; count < COUNT; count++) {
            size_t size = 1 + next_random(&seed) % (request / 500);
            size_t left = mmi_heap_available(&f.heap);
            struct heap_hints *hints = &crowd[next_random(&seed) % 50];
            blocks[count] = mmi_heap_alloc(&f.heap, hints, size);
            right = right && !blocks[count] == ((size_t)cost_of(size) > left);
            if (!blocks[count])
                break;
        }
        right = right && count < COUNT && is_exact(&f, &crowd[round]);
        for (int i = 0; i < count; i++) {
            struct heap_hints *hints = &crowd[next_random(&seed) % 50];
            right = right && mmi_heap_free(&f.heap, hints, blocks[i]) == 0;
        }
        for (int i = 0; i < 50; i++)
            mmi_heap_flush(&f.heap, &crowd[i]);
        right = right && mmi_heap_available(&f.heap) == request;
        right = right && is_exact(&f, &crowd[round]);
        turns += f.heap.control->turn != turn;
        turn = f.heap.control->turn;
    }
    ok(right && turns > 5, "%zu bytes: %zu times full and empty", request,
       turns);
    is_sound(&f, "after turns");
    drop_heap(&f);
}

/* A refusal costs no count of the whole pool each time. */
static void try_refusals(void)
{
    struct fixture f;
    make_heap(&f, 1 << 20);
    while (take(&f, 1000))
        ;
    unsigned entered = f.enters;
    for (int i = 0; i < 1000; i++)
        take(&f, 1000);
    ok(f.enters - entered < 100, "refusals are cheap: %u looks for 1000",
       f.enters - entered);
    drop_heap(&f);
}

/* A peer lies about the rest: who asks long enough gets what there is. */
static void try_lies(size_t request)
{
    static const int64_t lies[] = {INT64_MIN, INT64_MIN + 1, -1,           0,
                                   1,         INT64_MAX,     INT64_MAX - 1};
    struct fixture f;
    make_heap(&f, request);
    struct control *control = f.heap.control;
    bool right = true;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        for (uint64_t turn = 0; turn < 16; turn++) {
            control->unreserved = lies[i];
            control->quantum = lies[(i + turn) % 7];
            control->turn = turn * 1001;
            control->rest = (uint32_t)turn % 4;
            memset(&f.hints, 0, sizeof f.hints);
            f.hints.self = 1;
            char *ptr = NULL;
            for (int n = 0; n < 200 && !ptr; n++) {
                mmi_heap_available(&f.heap);
                ptr = take(&f, 1000);
            }
            right = right && ptr && give(&f, ptr) == 0;
            if (!right) {
                diag("unreserved %lld, turn %llu", (long long)lies[i],
                     (unsigned long long)turn * 1001);
                break;
            }
        }
    right = right && mmi_heap_reset(&f.heap) == 0 && is_exact(&f, &f.hints);
    ok(right, "%zu bytes: lies about the rest do no lasting harm", request);
    drop_heap(&f);
}

int main(void)
{
    try_dead(65536);
    try_dead(1 << 20);
    try_dead(16 << 20);
    try_turns(65536);
    try_turns(1 << 20);
    try_turns(16 << 20);
    try_refusals();
    try_lies(65536);
    try_lies(16 << 20);
    return done();
}
