/* SPDX-License-Identifier: MIT */
/*
 * scribble.c -- whatever a peer writes over a heap's control data, no operation
 * crashes, hangs, or touches what is not the heap's.
 *
 * Operations may fail and allocations may overlap then; but each lies in the
 * payload.  Damage is done between operations, and by another process during
 * them.  A child that fails tells its seed; give it as an argument to try that
 * one alone.
 */
#include <time.h>

#include "../children.h"
#include "fixture.h"

enum { LIVE = 200, CHILDREN = 6, ROUNDS = 200, SECONDS = 20 };

struct scene {
    struct fixture fixture;
    struct heap_hints others; /* of a second thread */
    char *live[LIVE];
    uint64_t seed;
    const char *finding;
};

static uint64_t pick(struct scene *scene, uint64_t most)
{
    return next_random(&scene->seed) % most;
}

/* --- damage -------------------------------------------------------------- */

static uint64_t odd_number(struct scene *scene)
{
    const uint64_t units = scene->fixture.heap.unit_count;
    switch (pick(scene, 8)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return (uint64_t)INT64_MAX + pick(scene, 2);
    case 3:
        return units + pick(scene, 3) - 1;
    case 4:
        return pick(scene, units);
    case 5:
        return UINT64_C(1) << pick(scene, 64);
    case 6:
        return pick(scene, 8);
    default:
        return next_random(&scene->seed);
    }
}

/* What the link to a free run would be; to the same one as often as not. */
static uint64_t a_free_run(struct scene *scene)
{
    const struct heap *heap = &scene->fixture.heap;
    uint64_t found = 0;
    struct run run;
    for (size_t unit = 0; unit < heap->unit_count && run_read(heap, unit, &run);
         unit += run.length) {
        if (run.kind == KIND_FREE)
            found = unit + 1;
        if (found && pick(scene, 2))
            break;
    }
    return found;
}

static void damage_entry(struct scene *scene)
{
    struct heap *heap = &scene->fixture.heap;
    size_t unit = pick(scene, heap->unit_count);
    uint64_t link = a_free_run(scene);
    if (link && pick(scene, 2))
        unit = link - 1;
    struct entry *entry = &heap->entries[unit];
    uint64_t head = entry_make((unsigned)pick(scene, 8),
                               (unsigned)pick(scene, HEAP_CLASS_COUNT + 2),
                               odd_number(scene));
    if (pick(scene, 2))
        head |= (odd_number(scene) & 0xffff) << 16;
    uint64_t next = pick(scene, 2) ? a_free_run(scene) : odd_number(scene);
    if (pick(scene, 3) == 0)
        set(&entry->link, next << 32 | (uint32_t)odd_number(scene));
    else
        set(&entry->head, head);
}

static void damage_word(struct scene *scene)
{
    struct heap *heap = &scene->fixture.heap;
    size_t index = pick(scene, heap->unit_count << heap->words_shift);
    uint32_t tag = word_tag((unsigned)pick(scene, HEAP_CLASS_COUNT + 1),
                            (size_t)odd_number(scene) & 0xffff);
    uint64_t word = get(&heap->words[index]);
    switch (pick(scene, 3)) {
    case 0:
        word = word_make(tag, (uint32_t)odd_number(scene));
        break;
    case 1:
        word |= (uint32_t)odd_number(scene);
        break;
    default:
        word = 0;
    }
    set(&heap->words[index], word);
}

static void damage_control(struct scene *scene)
{
    struct heap *heap = &scene->fixture.heap;
    struct control *control = heap->control;
    uint64_t value = odd_number(scene);
    _Atomic uint64_t *const words[] = {
        &control->turn,
        &control->resets,
        &control->refusals,
        &control->epoch,
        &control->busy,
        &control->resetting,
        &control->committed,
        &control->sweeps,
        &control->reclaim_at,
        &control->changes,
        &control->bin_map[0],
        &control->bin_map[1],
        &heap->owners[pick(scene, heap->owner_count)],
    };
    size_t which = pick(scene, sizeof words / sizeof *words + 5);
    switch (which) {
    case 0:
        set(&control->unreserved, (int64_t)value);
        break;
    case 1:
        set(&control->quantum, (int64_t)value);
        break;
    case 2:
        set(&control->owners_used, (uint32_t)value);
        break;
    case 3:
        set(&control->rest, (uint32_t)value);
        break;
    case 4:
        set(&control->bins[pick(scene, HEAP_BIN_COUNT)], (uint32_t)value);
        break;
    default:
        set(words[which - 5], value);
    }
}

static void damage_size(struct scene *scene)
{
    struct heap *heap = &scene->fixture.heap;
    unsigned granule = (unsigned)pick(scene, HEAP_GRANULES);
    size_t count = heap->unit_count
                   << (heap->unit_shift - granule_shift(granule));
    set(&heap->sizes[granule][pick(scene, count)], (uint16_t)odd_number(scene));
}

static void damage_space(struct scene *scene)
{
    struct heap *heap = &scene->fixture.heap;
    size_t level = pick(scene, HEAP_SPACE_LEVELS);
    size_t index = pick(scene, heap->space_count[level] * HEAP_CLASS_COUNT);
    set(&heap->space[level][index], odd_number(scene));
    set(&heap->users[pick(scene, heap->unit_count)],
        (uint32_t)odd_number(scene));
}

/* Anything, anywhere. */
static void damage_bytes(struct scene *scene)
{
    struct heap *heap = &scene->fixture.heap;
    size_t size = (size_t)(heap->payload - heap->block);
    size_t count = 1 + pick(scene, 16);
    volatile char *at = heap->block + pick(scene, size - count);
    char value = (char)pick(scene, 256);
    while (count--)
        *at++ = value;
}

static void damage(struct scene *scene)
{
    static void (*const ways[])(struct scene *) = {
        damage_entry, damage_entry, damage_word,  damage_control,
        damage_size,  damage_space, damage_bytes,
    };
    ways[pick(scene, sizeof ways / sizeof *ways)](scene);
}

/* --- operations ---------------------------------------------------------- */

static void keep(struct scene *scene, char **slot, char *ptr, size_t size)
{
    const struct heap *heap = &scene->fixture.heap;
    const char *end = heap->payload + (heap->unit_count << heap->unit_shift);
    if (ptr &&
        (ptr < heap->payload || ptr > end || size > (size_t)(end - ptr))) {
        scene->finding = "a block is not in the payload";
        return;
    }
    *slot = ptr;
    if (ptr)
        memset(ptr, 0x5a, size < 4096 ? size : 4096);
}

static int look(void *argument, void *ptr, size_t size)
{
    struct scene *scene = argument;
    char *slot;
    keep(scene, &slot, ptr, size);
    return pick(scene, 1000) == 0;
}

static void look_at_free(void *argument, void *ptr, size_t size)
{
    struct scene *scene = argument;
    char *slot;
    keep(scene, &slot, ptr, size);
}

static void inspect(struct scene *scene, struct heap_hints *hints)
{
    struct heap *heap = &scene->fixture.heap;
    struct heap_stat stat;
    switch (pick(scene, 12)) {
    case 0:
        mmi_heap_walk(heap, look, scene);
        break;
    case 1:
        mmi_heap_check(heap);
        break;
    case 2:
        mmi_heap_stat(heap, &stat);
        break;
    case 3:
        mmi_heap_free_runs(heap, look_at_free, scene);
        break;
    case 4:
        mmi_heap_available(heap);
        break;
    case 5:
        mmi_heap_repair(heap);
        break;
    case 6:
        if (pick(scene, 10) == 0)
            mmi_heap_reset(heap);
        break;
    case 7:
        if (pick(scene, 4) == 0) {
            mmi_heap_flush(heap, hints);
            hints->mark_refused = false;
        }
        break;
    default:
        break;
    }
}

static void operate(struct scene *scene)
{
    struct heap *heap = &scene->fixture.heap;
    struct heap_hints *hints =
        pick(scene, 4) ? &scene->fixture.hints : &scene->others;
    char **slot = &scene->live[pick(scene, LIVE)];
    size_t size = random_size(&scene->seed, heap->request / 8);
    uint64_t what = pick(scene, 8);
    if (!*slot && what == 0) {
        size_t align = (size_t)1 << pick(scene, 16);
        keep(scene, slot, mmi_heap_alloc_aligned(heap, hints, align, size),
             size);
    } else if (!*slot) {
        keep(scene, slot, mmi_heap_alloc(heap, hints, size), size);
    } else if (what < 2) {
        char *moved = mmi_heap_resize(heap, hints, *slot, size);
        keep(scene, slot, moved ? moved : *slot, moved ? size : 0);
    } else if (what == 2) {
        /* One that is none, perhaps. */
        size_t all = heap->unit_count << heap->unit_shift;
        char *any = heap->payload + (pick(scene, all) & ~UINT64_C(15));
        if (mmi_heap_sizeof(heap, any) != SIZE_MAX &&
            mmi_heap_usable(heap, any) != SIZE_MAX)
            mmi_heap_free(heap, hints, any);
    } else {
        mmi_heap_free(heap, hints, *slot);
        *slot = NULL;
    }
    inspect(scene, hints);
}

/* --- scenes -------------------------------------------------------------- */

static void begin(struct scene *scene, size_t request)
{
    memset(scene->live, 0, sizeof scene->live);
    memset(&scene->others, 0, sizeof scene->others);
    make_heap_at(&scene->fixture, request, mmi_heap_block_size(request, true),
                 pick(scene, 3));
    scene->others.self = 2;
    for (int i = 0; i < 1000; i++)
        operate(scene);
}

static const size_t requests[] = {16384, 300000, 3 << 20, 5 << 20};

static int run_seed(uint64_t seed)
{
    static struct scene scene;
    alarm(SECONDS);
    scene.seed = seed;
    begin(&scene, requests[pick(&scene, 4)]);
    for (int burst = 0; burst < 20; burst++) {
        for (uint64_t i = pick(&scene, 8) + 1; i > 0; i--)
            damage(&scene);
        for (int i = 0; i < 50 && !scene.finding; i++)
            operate(&scene);
    }
    drop_heap(&scene.fixture);
    if (scene.finding)
        printf("# %s\n", scene.finding);
    fflush(stdout);
    return scene.finding != NULL;
}

struct batch {
    uint64_t seed;
    _Atomic uint64_t *at; /* what each child tries */
};

static int run_batch(void *argument, int number)
{
    struct batch *batch = argument;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t seed = batch->seed + (uint64_t)number * ROUNDS + i;
        batch->at[number] = seed;
        if (run_seed(seed) != 0)
            return 1;
    }
    return 0;
}

/* A process that writes without end. */
static int scribble(void *argument, int number)
{
    struct scene *scene = argument;
    scene->seed += (uint64_t)number + 1;
    alarm(SECONDS);
    while (!scene->finding)
        damage(scene);
    return 0;
}

static int work_beside(void *argument, int number)
{
    struct scene *scene = argument;
    (void)number;
    alarm(SECONDS);
    for (int i = 0; i < 4000 && !scene->finding; i++)
        operate(scene);
    return scene->finding != NULL;
}

static void try_beside(size_t request, uint64_t seed)
{
    static struct scene scene;
    scene.seed = seed;
    begin(&scene, request);
    pid_t scribbler = start_child(scribble, &scene, 0);
    int status = end_child(start_child(work_beside, &scene, 1));
    kill(scribbler, SIGKILL);
    end_child(scribbler);
    if (!ok(status == 0, "%zu bytes, scribbled on meanwhile", request))
        diag("ended with %d, seed %llu", status, (unsigned long long)seed);
    drop_heap(&scene.fixture);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return run_seed(strtoull(argv[1], NULL, 0));
    struct batch batch = {(uint64_t)time(NULL) * 1000003, NULL};
    batch.at = map_shared(PAGE_BYTES);
    diag("seed %llu", (unsigned long long)batch.seed);
    for (int i = 0; i < CHILDREN; i++) {
        int status = end_child(start_child(run_batch, &batch, i));
        if (!ok(status == 0, "%d heaps were scribbled on", ROUNDS))
            diag("ended with %d, seed %llu", status,
                 (unsigned long long)batch.at[i]);
    }
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        try_beside(requests[i], batch.seed + i);
    return done();
}
