/* SPDX-License-Identifier: MIT */
/*
 * fuzz_heap.c -- no sequence of operations brings the heap out of step with a
 * model that only keeps a list: blocks do not overlap, keep their contents and
 * their sizes, what is left is exact to the byte, wrong addresses are refused
 * and change nothing, and the heap finds itself sound.
 *
 * The first byte chooses the size of the heap and whether its user has a name
 * that others understand, which enables magazines; then each operation is four
 * bytes: what, which slot, and two bytes for a size.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fail.h"
#include "fuzz.h"
#include "heap/heap.h"

enum { SLOT_COUNT = 48, BLOCK_MAX = 8 << 20 };

struct allocation {
    unsigned char *ptr;
    size_t size;
    unsigned char pattern;
};

struct model {
    struct heap heap;
    struct heap_hints hints;
    size_t request;
    size_t cost; /* of all that lives */
    bool fresh;  /* nothing was ever given back */
    struct allocation slots[SLOT_COUNT];
    size_t visited;
    char *block;
    size_t block_size;
    bool entered;
    uint64_t name;
};

static int enter(void *context)
{
    struct model *model = context;
    must(!model->entered, "the lock was taken twice");
    model->entered = true;
    return 0;
}

static void leave(void *context)
{
    struct model *model = context;
    must(model->entered, "the lock was left twice");
    model->entered = false;
}

/* Pages that were not asked for cannot be written to. */
static int commit(void *context, size_t offset, size_t size)
{
    struct model *model = context;
    must(offset <= model->block_size && size <= model->block_size - offset,
         "a commit beyond the block");
    size_t first = offset / 4096 * 4096;
    must(mprotect(model->block + first, offset + size - first,
                  PROT_READ | PROT_WRITE) == 0,
         "mprotect");
    return 0;
}

/* The thread at work; when it ends, the next one. */
static uint64_t name(void *context)
{
    const struct model *model = context;
    return model->name;
}

static bool ended(void *context, uint64_t other)
{
    return name(context) != other;
}

static size_t cost_of(size_t size)
{
    return (size + 16 + 7) / 8 * 8;
}

static void fill(struct allocation *slot)
{
    memset(slot->ptr, slot->pattern, slot->size);
}

static void must_hold(const struct allocation *slot, size_t size)
{
    for (size_t i = 0; i < size; i++)
        must(slot->ptr[i] == slot->pattern, "contents changed");
}

static void must_be_apart(const struct model *model,
                          const struct allocation *slot)
{
    for (const struct allocation *other = model->slots;
         other < model->slots + SLOT_COUNT; other++)
        must(other == slot || !other->ptr ||
                 other->ptr + other->size <= slot->ptr ||
                 slot->ptr + slot->size <= other->ptr,
             "blocks overlap");
}

/* SLOT was just allocated or resized to SIZE at PTR. */
static void take_over(struct model *model, struct allocation *slot,
                      unsigned char *ptr, size_t size, size_t align)
{
    model->cost += cost_of(size);
    must(model->cost <= model->request, "more than the heap has");
    slot->ptr = ptr;
    slot->size = size;
    must((uintptr_t)ptr % align == 0, "not aligned");
    must(mmi_heap_contains(&model->heap, ptr) &&
             mmi_heap_contains(&model->heap, ptr + size - 1),
         "outside of the heap");
    must(mmi_heap_sizeof(&model->heap, ptr) == size, "a wrong size");
    must(mmi_heap_usable(&model->heap, ptr) >= size, "less than the size");
    must_be_apart(model, slot);
    slot->pattern++;
    fill(slot);
}

static void must_be_refused(const struct model *model, size_t size, bool plain)
{
    must(errno == (size ? ENOMEM : EINVAL), "refused with a wrong errno");
    must(mmi_fail_text() != NULL, "refused without a message");
    must(!size || !plain || !model->fresh ||
             model->cost + cost_of(size) > model->request,
         "a fresh heap broke the space contract");
}

static void allocate(struct model *model, struct allocation *slot, size_t size,
                     size_t align)
{
    unsigned char *ptr =
        align > 16
            ? mmi_heap_alloc_aligned(&model->heap, &model->hints, align, size)
            : mmi_heap_alloc(&model->heap, &model->hints, size);
    if (ptr)
        take_over(model, slot, ptr, size, align);
    else
        must_be_refused(model, size, align <= 16);
    if (align > 16)
        model->fresh = false;
}

static void release(struct model *model, struct allocation *slot)
{
    must_hold(slot, slot->size);
    must(mmi_heap_free(&model->heap, &model->hints, slot->ptr) == 0, "free");
    model->cost -= cost_of(slot->size);
    errno = 0;
    must(mmi_heap_free(&model->heap, &model->hints, slot->ptr) < 0 &&
             errno == EINVAL,
         "a double free was taken");
    slot->ptr = NULL;
    model->fresh = false;
}

static void resize(struct model *model, struct allocation *slot, size_t size)
{
    size_t kept = slot->size < size ? slot->size : size;
    unsigned char *ptr =
        mmi_heap_resize(&model->heap, &model->hints, slot->ptr, size);
    model->fresh = false;
    if (!ptr) {
        must_be_refused(model, size, false);
        must(mmi_heap_sizeof(&model->heap, slot->ptr) == slot->size,
             "a refused resize changed the size");
        return;
    }
    model->cost -= cost_of(slot->size);
    slot->ptr = ptr;
    must_hold(slot, kept);
    take_over(model, slot, ptr, size, 16);
}

/* An address near SLOT that is no allocation is refused by everything. */
static void use_wrongly(struct model *model, const struct allocation *slot,
                        size_t distance)
{
    unsigned char *near = slot->ptr;
    if (!near)
        near = (unsigned char *)model->block;
    unsigned char *wrong = near + distance;
    for (const struct allocation *other = model->slots;
         other < model->slots + SLOT_COUNT; other++)
        if (wrong == other->ptr)
            return;
    errno = 0;
    must(mmi_heap_free(&model->heap, &model->hints, wrong) < 0 &&
             errno == EINVAL,
         "freed what is no allocation");
    must(mmi_heap_sizeof(&model->heap, wrong) == SIZE_MAX,
         "the size of what is no allocation");
    must(!mmi_heap_resize(&model->heap, &model->hints, wrong, 10),
         "resized what is no allocation");
}

static int visit(void *argument, void *ptr, size_t size)
{
    struct model *model = argument;
    for (const struct allocation *slot = model->slots;
         slot < model->slots + SLOT_COUNT; slot++)
        if (slot->ptr == ptr && slot->size == size) {
            model->visited++;
            return 0;
        }
    must(false, "walked over what is no allocation");
    return 1;
}

static void compare(struct model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < SLOT_COUNT; i++)
        count += model->slots[i].ptr != NULL;
    model->visited = 0;
    must(mmi_heap_walk(&model->heap, visit, model) == 0, "walk");
    must(model->visited == count, "did not walk over every allocation");
    if (mmi_heap_check(&model->heap) < 0)
        must(false, mmi_fail_text());
    struct heap_stat stat;
    must(mmi_heap_stat(&model->heap, &stat) == 0, "stat");
    must(stat.used_count == count, "a wrong count");
    must(stat.available == model->request - model->cost, "a wrong rest");
}

/* The thread ends, and a new one takes over: what it knew is gone. */
static void forget(struct model *model)
{
    memset(&model->hints, 0, sizeof model->hints);
    model->hints.self = (uint32_t)++model->name;
}

static void reset(struct model *model)
{
    must(mmi_heap_reset(&model->heap) == 0, "reset");
    forget(model);
    for (size_t i = 0; i < SLOT_COUNT; i++)
        model->slots[i].ptr = NULL;
    model->cost = 0;
}

/* Small sizes are likely, all up to a quarter of the heap possible. */
static size_t size_from(const struct model *model, const uint8_t *data)
{
    size_t size = (size_t)data[0] << 8 | data[1];
    switch (size >> 14) {
    case 0:
        return size & 127;
    case 1:
        return size & 2047;
    case 2:
        return size & 16383;
    default:
        return (size & 16383) * (model->request / 4 >> 14) + 1;
    }
}

static void step(struct model *model, const uint8_t data[4])
{
    struct allocation *slot = &model->slots[data[1] % SLOT_COUNT];
    size_t size = size_from(model, data + 2);
    switch (data[0] % 16) {
    case 0:
        use_wrongly(model, slot, size % 4096);
        break;
    case 1:
        compare(model);
        break;
    case 2:
        if (data[1] % 16 == 0)
            reset(model);
        else if (data[1] % 4 == 0)
            forget(model);
        break;
    case 3:
    case 4:
        if (slot->ptr)
            release(model, slot);
        else
            allocate(model, slot, size, (size_t)16 << data[3] % 9);
        break;
    case 5:
    case 6:
    case 7:
        if (slot->ptr) {
            resize(model, slot, size);
            break;
        }
        /* fall through */
    default:
        if (slot->ptr)
            release(model, slot);
        else
            allocate(model, slot, size, 16);
        break;
    }
    /* It takes a count of the whole heap. */
    if (data[3] % 8 == 0)
        must(mmi_heap_available(&model->heap) == model->request - model->cost,
             "what is left is not exact");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t requests[] = {8192, 20000, 65536, 524288, 2 << 20};
    if (size < 1)
        return 0;
    static struct model model;
    memset(&model, 0, sizeof model);
    model.request =
        requests[(data[0] & 127) % (sizeof requests / sizeof *requests)];
    model.block_size =
        (mmi_heap_block_size(model.request, true) + 4095) / 4096 * 4096;
    must(model.block_size > 0 && model.block_size <= BLOCK_MAX, "block size");
    model.block = mmap(NULL, model.block_size, PROT_READ,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(model.block != MAP_FAILED, "mmap");
    model.fresh = true;
    forget(&model);
    bool named = data[0] & 128;
    const struct heap_host host = {
        .enter = enter,
        .leave = leave,
        .commit = commit,
        .context = &model,
        .name = named ? name : NULL,
        .ended = named ? ended : NULL,
        .parallel = 2,
    };
    must(mmi_heap_create(&model.heap, model.block, model.block_size,
                         model.request, &host) == 0,
         "create");
    for (size_t at = 1; at + 4 <= size; at += 4)
        step(&model, data + at);
    compare(&model);
    munmap(model.block, model.block_size);
    return 0;
}

size_t fuzz_make_input(unsigned number, uint8_t *data, size_t size)
{
    if (number >= 400)
        return 0;
    uint64_t state = number + 1;
    size_t length = 1 + 4 * (1 + fuzz_random(&state) % 800);
    if (length > size)
        length = size;
    for (size_t i = 0; i < length; i++)
        data[i] = (uint8_t)(fuzz_random(&state) >> 32);
    /* Some that only allocate: these the space contract is about. */
    if (number % 4 == 0)
        for (size_t i = 1; i + 4 <= length; i += 4) {
            data[i] = 8;
            data[i + 1] = (uint8_t)(i / 4);
        }
    data[0] = (uint8_t)(number % 5 | number << 7);
    return length;
}
