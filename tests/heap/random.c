/* SPDX-License-Identifier: MIT */
/*
 * random.c -- a heap behaves like a naive model under long random sequences of
 * all its operations.
 *
 * Every block is filled with a pattern of its own, so that an overlap is seen
 * when it is freed.  The seed is printed and can be given as an argument.
 */
#include <time.h>

#include "fixture.h"

enum { SLOTS = 600 };

struct block {
    unsigned char *ptr;
    size_t size;
    unsigned char pattern;
};

struct model {
    struct fixture fixture;
    struct block blocks[SLOTS];
    size_t request;
    size_t cost;
    uint64_t seed;
    const char *finding;
};

static size_t cost_of_size(size_t size)
{
    return (size + 16 + 7) / 8 * 8;
}

static void fill(struct block *block)
{
    memset(block->ptr, block->pattern, block->size);
}

static bool is_block_filled(const struct block *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (block->ptr[i] != block->pattern)
            return false;
    return true;
}

static void expect(struct model *model, bool condition, const char *finding)
{
    if (!condition && !model->finding)
        model->finding = finding;
}

/* A refusal is right if the budget is exhausted; only much later otherwise. */
static void expect_refusal(struct model *model, size_t cost, bool full)
{
    expect(model, errno == ENOMEM, "a refusal without ENOMEM");
    expect(model, model->cost + cost > model->request || full,
           "refused though there is room");
}

static void step_alloc(struct model *model, struct block *block, size_t most)
{
    struct fixture *f = &model->fixture;
    size_t size = random_size(&model->seed, most);
    size_t align = 16;
    if (next_random(&model->seed) % 8 == 0)
        align = (size_t)16 << next_random(&model->seed) % 9;
    block->ptr = mmi_heap_alloc_aligned(&f->heap, &f->hints, align, size);
    if (!block->ptr) {
        expect_refusal(model, cost_of_size(size), true);
        return;
    }
    expect(model, model->cost + cost_of_size(size) <= model->request,
           "served though there is no room");
    expect(model, (uintptr_t)block->ptr % align == 0, "not aligned");
    expect(model, mmi_heap_sizeof(&f->heap, block->ptr) == size,
           "sizeof is not what was asked for");
    expect(model, mmi_heap_usable(&f->heap, block->ptr) >= size,
           "usable is less than was asked for");
    block->size = size;
    block->pattern = (unsigned char)next_random(&model->seed);
    model->cost += cost_of_size(size);
    fill(block);
}

static void step_free(struct model *model, struct block *block)
{
    struct fixture *f = &model->fixture;
    expect(model, is_block_filled(block, block->size), "contents changed");
    expect(model, give(f, block->ptr) == 0, "free failed");
    expect(model, give(f, block->ptr) == -1 && errno == EINVAL,
           "a double free was not noticed");
    model->cost -= cost_of_size(block->size);
    block->ptr = NULL;
}

static void step_resize(struct model *model, struct block *block, size_t most)
{
    struct fixture *f = &model->fixture;
    size_t size = random_size(&model->seed, most);
    void *ptr = mmi_heap_resize(&f->heap, &f->hints, block->ptr, size);
    if (!ptr) {
        expect_refusal(model, cost_of_size(size), true);
        expect(model, is_block_filled(block, block->size),
               "a failed resize spoiled");
        return;
    }
    block->ptr = ptr;
    expect(model,
           is_block_filled(block, size < block->size ? size : block->size),
           "resize lost contents");
    model->cost += cost_of_size(size) - cost_of_size(block->size);
    block->size = size;
    fill(block);
}

struct seen {
    struct model *model;
    size_t count;
    const char *last;
};

static int see(void *argument, void *ptr, size_t size)
{
    struct seen *seen = argument;
    seen->count++;
    expect(seen->model, (char *)ptr > seen->last, "walk is out of order");
    seen->last = ptr;
    for (int i = 0; i < SLOTS; i++)
        if (seen->model->blocks[i].ptr == ptr)
            return seen->model->blocks[i].size == size ? 0 : -2;
    return -3;
}

static void check_all(struct model *model)
{
    struct fixture *f = &model->fixture;
    size_t live = 0;
    for (int i = 0; i < SLOTS; i++)
        live += model->blocks[i].ptr != NULL;
    struct seen seen = {model, 0, NULL};
    int result = mmi_heap_walk(&f->heap, see, &seen);
    expect(model, result == 0, "walk shows what is not there");
    expect(model, seen.count == live, "walk misses something");
    expect(model, mmi_heap_available(&f->heap) == model->request - model->cost,
           "available is wrong");
    expect(model, mmi_heap_check(&f->heap) == 0, "check finds damage");
}

static void run(size_t request, size_t most, int steps, uint64_t seed)
{
    static struct model model;
    memset(&model, 0, sizeof model);
    make_heap(&model.fixture, request);
    model.request = request;
    model.seed = seed;
    int step = 0;
    for (; step < steps && !model.finding; step++) {
        struct block *block = &model.blocks[next_random(&model.seed) % SLOTS];
        if (!block->ptr)
            step_alloc(&model, block, most);
        else if (next_random(&model.seed) % 4 == 0)
            step_resize(&model, block, most);
        else
            step_free(&model, block);
        if (step % 64 == 0)
            check_all(&model);
        if (step % 5000 == 4999) {
            mmi_heap_reset(&model.fixture.heap);
            memset(model.blocks, 0, sizeof model.blocks);
            model.cost = 0;
        }
    }
    if (!ok(!model.finding, "%zu bytes, sizes to %zu, %d steps", request, most,
            steps))
        diag("after %d steps: %s (%s)", step, model.finding,
             mmi_fail_text() ? mmi_fail_text() : "-");
    for (int i = 0; i < SLOTS && !model.finding; i++)
        if (model.blocks[i].ptr)
            step_free(&model, &model.blocks[i]);
    expect(&model, mmi_heap_available(&model.fixture.heap) == request,
           "not everything came back");
    ok(!model.finding, "freeing all returns to the start");
    is_sound(&model.fixture, "at the end");
    drop_heap(&model.fixture);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0)
                             : (uint64_t)time(NULL) * 2654435761u + 1;
    diag("seed %llu", (unsigned long long)seed);
    run(8192, 600, 20000, seed);
    run(8192, 5000, 20000, seed + 1);
    run(100000, 3000, 20000, seed + 2);
    run(512 * 1024, 20000, 20000, seed + 3);
    run(8 << 20, 100000, 20000, seed + 4);
    run(64 << 20, 1 << 20, 20000, seed + 5);
    return done();
}
