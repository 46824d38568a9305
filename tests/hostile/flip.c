/* SPDX-License-Identifier: MIT */
/*
 * flip.c -- no single byte of a pool's control data, whatever it becomes, makes
 * a call hang, crash, or lead out of the pool.
 *
 * One process, no chance: a byte is changed, all calls are made, and all is put
 * back.  What is used most is tried byte by byte, elsewhere one in so
 * many, more with --long.  Before that, states that a peer would have to make
 * up with care.
 */
#include "base/life.h"
#include "calls.h"
#include "damage.h"
#include "surroundings.h"

enum { STEP_SECONDS = 20, PARTS = 2 };

static bool more_bytes;

static struct report {
    _Atomic size_t byte;
    _Atomic unsigned value;
    _Atomic size_t call;
    _Atomic size_t tried;
    char finding[120];
} * report;

struct scene {
    const char *lock;
    size_t request;
    size_t coarse; /* one byte in so many, where not all are tried */
    struct target target;
    struct canaries canaries;
    struct guest guest;
    struct guest before;
    char *image;
    size_t image_size; /* of the control data and what is used of the rest */
};

static void make_scene(struct scene *scene)
{
    char options[100];
    struct chance chance = {.state = 7};
    snprintf(options, sizeof options, "shm=MMANON,lock=%s,lock.timeout=2ms",
             scene->lock);
    setenv("MM_OPTIONS", options, 1);
    MM *mm = mm_create(scene->request, NULL);
    if (!mm)
        bail("mm_create: %s", mm_error());
    scene->guest =
        (struct guest){.mm = mm, .request = scene->request, .wait_ms = 1};
    aim(&scene->target, mm);
    place_canaries(&scene->canaries, scene->target.base, scene->target.size);
    for (int i = 0; i < 300; i++)
        calls[i % 5].make(&scene->guest, &chance);
    find_bounds(&scene->guest);
    scene->before = scene->guest;
    scene->image_size = scene->target.control_size;
}

static void keep_image(struct scene *scene)
{
    scene->image = malloc(scene->image_size);
    if (!scene->image)
        bail("no memory");
    memcpy(scene->image, scene->target.base, scene->image_size);
}

static void put_back(struct scene *scene)
{
    size_t lead = (size_t)((char *)scene->target.mm - scene->target.base);
    size_t lock = lead < 4096 ? lead : 4096;
    memcpy(scene->target.base, scene->image, lock);
    memcpy(scene->target.base + lead, scene->image + lead,
           scene->image_size - lead);
    scene->guest = scene->before;
}

/* All calls, those that end what was there last. */
static void call_all(struct scene *scene, struct chance *chance)
{
    static const int order[] = {0,  1,  2, 3, 4, 5, 7,  8,  16, 9,  10,
                                11, 12, 6, 8, 1, 0, 15, 13, 1,  14, 0};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        report->call = (size_t)order[i];
        calls[order[i]].make(&scene->guest, chance);
        if (scene->guest.finding)
            return;
    }
}

static int try_byte(struct scene *scene, size_t at)
{
    static const unsigned char flips[] = {0xff, 0x01, 0x80, 0x20};
    for (size_t i = 0; i < sizeof flips; i++) {
        struct chance chance = {.state = at * sizeof flips + i + 1};
        volatile char *byte = scene->target.base + at;
        report->byte = at;
        report->value = flips[i];
        *byte = (char)(*byte ^ flips[i]);
        alarm(STEP_SECONDS);
        call_all(scene, &chance);
        if (scene->guest.finding) {
            snprintf(report->finding, sizeof report->finding, "%s",
                     scene->guest.finding);
            return 1;
        }
        put_back(scene);
    }
    report->tried++;
    return 0;
}

/* Bytes that deserve to be tried each: the control data proper, what describes
 * the first and last pages, and the lock. */
static bool is_fine(const struct target *target, size_t at)
{
    const char *byte = target->base + at;
    for (size_t i = 0; i < target->part_count; i++) {
        const struct part *part = &target->parts[i];
        size_t few = part->kind == PART_HEAD || part->kind == PART_WORD ? 12
                     : part->kind == PART_NAME                          ? 10
                                                                        : 8;
        size_t inside = (size_t)(byte - part->base) / part->stride;
        if (byte < part->base || inside >= part->count ||
            (size_t)(byte - part->base) % part->stride >= part->width)
            continue;
        if (inside < few || inside + 2 >= part->count ||
            (part->kind == PART_HEAD && inside < 2 * few))
            return true;
    }
    return byte >= (char *)target->heap->control &&
           byte < (char *)(target->heap->control + 1);
}

static int try_bytes(void *argument, int number)
{
    struct scene *scene = argument;
    make_scene(scene);
    keep_image(scene);
    /* With other locks only their notes are different. */
    size_t end = strcmp(scene->lock, "FUTEX") ? LOCK_NOTES_SIZE
                                              : scene->target.control_size;
    for (size_t at = (size_t)number; at < end; at += PARTS)
        if (is_fine(&scene->target, at) || at / PARTS % scene->coarse == 0)
            if (try_byte(scene, at) != 0)
                return 1;
    mm_destroy(scene->guest.mm);
    return are_canaries_well(&scene->canaries) ? 0 : 2;
}

/* Where a byte lies. */
static const char *name_byte(struct scene *scene, size_t at)
{
    make_scene(scene);
    const char *byte = scene->target.base + at;
    for (size_t i = 0; i < scene->target.part_count; i++) {
        const struct part *part = &scene->target.parts[i];
        if (byte >= part->base &&
            byte < part->base + part->stride * part->count)
            return part->name;
    }
    return "nothing";
}

static void test_bytes(const char *lock, size_t request, size_t coarse)
{
    pid_t children[PARTS];
    struct scene scene = {
        .lock = lock, .request = request, .coarse = more_bytes ? 23 : coarse};
    memset(report, 0, PARTS * sizeof *report);
    struct report *reports = report;
    for (int i = 0; i < PARTS; i++) {
        report = reports + i;
        children[i] = start_child(try_bytes, &scene, i);
    }
    size_t tried = 0;
    bool good = true;
    for (int i = 0; i < PARTS; i++) {
        const struct report *its = &reports[i];
        int status = end_child(children[i]);
        tried += its->tried;
        good &= status == 0;
        if (status != 0)
            diag("ended with %d: byte %zu of the %s changed by %02x, %s: %s",
                 status, its->byte, name_byte(&scene, its->byte), its->value,
                 calls[its->call].name, its->finding);
    }
    report = reports;
    ok(good, "%s, %zu bytes: %zu bytes flipped", lock, request, tried);
}

/* --- made up with care ---------------------------------------------------- */

/* A block of a span that would reach beyond the end, forged BACK units before
 * it, freed and used again: does it? */
static bool leads_out(struct scene *scene, unsigned class, size_t back)
{
    const struct heap *heap = scene->target.heap;
    MM *mm = scene->guest.mm;
    size_t unit = heap->unit_count - back;
    char *ptr = heap->payload + (unit << heap->unit_shift);
    put(&heap->entries[unit].head, heap->classes[class].head);
    put(&span_sizes(heap, unit, class)[0], 100);
    mm_free(mm, ptr);
    for (int i = 0; i < 3; i++) {
        size_t size = mmi_heap_class_size[class];
        void *again = mm_malloc(mm, size);
        if (again && !lies_inside(&scene->guest, again, size))
            return true;
    }
    return false;
}

static int free_at_end(void *argument, int number)
{
    struct scene *scene = argument;
    (void)number;
    make_scene(scene);
    MM *mm = scene->guest.mm;
    for (unsigned class = 0; class < HEAP_CLASS_COUNT; class ++) {
        /* So that the thread has magazines, and room in them. */
        mm_reset(mm);
        for (int i = 0; i < 3; i++)
            mm_free(mm, mm_malloc(mm, 100));
        for (size_t back = 1; back <= 8; back++)
            if (leads_out(scene, class, back))
                return 1 + (int)class;
    }
    return 0;
}

static void test_ends(size_t request)
{
    struct scene scene = {.lock = "FUTEX", .request = request};
    is_int(end_child(start_child(free_at_end, &scene, 0)), 0,
           "no block of a span forged at the end leads out");
}

int main(int argc, char **argv)
{
    need_proc();
    if (argc > 1 && strcmp(argv[1], "--long") == 0)
        more_bytes = true;
    report = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    test_ends(5 << 20);
    test_ends(64 << 20);
    test_bytes("FUTEX", 40000, 499);
    test_bytes("FUTEX", 5 << 20, 4999);
    for (size_t i = 0; i < mmi_lock_count(); i++)
        if (mmi_lock_at(i)->traits & LOCK_SAFE_FROM_PEERS &&
            strcmp(mmi_lock_at(i)->name, "FUTEX") != 0)
            test_bytes(mmi_lock_at(i)->name, 20000, 499);
    return done();
}
