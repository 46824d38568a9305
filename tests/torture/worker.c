/* SPDX-License-Identifier: MIT */
/*
 * worker.c -- what a victim of torture does until it is killed: allocate, fill,
 * verify, resize, free, publish, read and look around.
 *
 * With exact calls blocks do not go from the threads to the table: the cells of
 * the threads are changed by these calls only, those of the table under the
 * lock only.
 */
#include <errno.h>
#include <pthread.h>

#include "../workload.h"
#include "worker.h"

struct worker {
    struct scene *scene;
    struct note *notes;
    _Atomic uint64_t *progress;
    struct dice dice;
};

/* --- the table ------------------------------------------------------------ */

static bool publish(struct worker *worker, struct note *note)
{
    struct table *table = worker->scene->table;
    if (!scene_begin_write(worker->scene))
        return false;
    struct entry *entry = &table->entries[dice_below(&worker->dice, ENTRIES)];
    if (entry->offset == 0) {
        uint64_t offset = note_offset(note->block);
        entry->size = note->size;
        entry->seed = note->seed;
        note->block = offset | NOTE_MOVING;
        table->count++;
        entry->offset = offset;
        table->sum += offset;
        note->block = 0;
    }
    return scene_end_write(worker->scene);
}

/* With the lock held. */
static void take_back(struct worker *worker, struct note *note)
{
    struct table *table = worker->scene->table;
    struct entry *entry = &table->entries[dice_below(&worker->dice, ENTRIES)];
    uint64_t offset = entry->offset;
    if (offset == 0)
        return;
    note->size = entry->size;
    note->seed = entry->seed;
    note->block = offset | NOTE_MOVING;
    table->count--;
    entry->offset = 0;
    table->sum -= offset;
    note->block = offset | NOTE_FILLED;
}

static bool withdraw(struct worker *worker, struct note *note)
{
    if (!scene_begin_write(worker->scene))
        return false;
    take_back(worker, note);
    return scene_end_write(worker->scene);
}

/* Let an entry of the table allocate, free, resize, or move. */
static bool change_entry(struct worker *worker)
{
    struct scene *scene = worker->scene;
    struct table *table = scene->table;
    if (!scene_begin_write(scene))
        return false;
    size_t at = dice_below(&worker->dice, ENTRIES);
    struct entry *entry = &table->entries[at];
    struct entry *other = &table->entries[dice_below(&worker->dice, ENTRIES)];
    size_t size = dice_size(&worker->dice, SIZE_DOUBLINGS);
    size_t *cell = (size_t *)&entry->offset;
    size_t what = dice_below(&worker->dice, 3);
    bool good = true;
    if (entry->offset != 0 && other->offset == 0 && what == 0) {
        other->size = entry->size;
        other->seed = entry->seed;
        table->from = (uint32_t)at + 1;
        other->offset = entry->offset;
        /* The pattern is that of the offset, which stays. */
        entry->offset = 0;
        table->from = 0;
    } else {
        entry->raw = 1;
        errno = 0;
        if (entry->offset != 0 && what == 1)
            good = mm_free_at(scene->mm, cell) == 0;
        else
            good = entry->offset == 0
                       ? mm_malloc_at(scene->mm, size, cell) != NULL
                       : mm_realloc_at(scene->mm, cell, size) != NULL;
        good = good || errno == ENOMEM;
        if (entry->offset != 0)
            scene_fill_entry(scene, entry, dice_roll(&worker->dice));
        entry->raw = 0;
    }
    table_count(table, &table->count, &table->sum);
    if (!good)
        scene_fail(scene, "exact call for the table: %s", mm_error());
    return good && scene_end_write(scene);
}

/* Under the lock, shared: the table is right, and a block of it whole. */
static bool read_table(struct worker *worker)
{
    struct scene *scene = worker->scene;
    struct table *table = scene->table;
    struct entry *entry = &table->entries[dice_below(&worker->dice, ENTRIES)];
    uint64_t offset = entry->offset;
    bool right = table_is_right(table);
    if (offset != 0) {
        const void *ptr = mm_pointer(scene->mm, offset);
        right = right && ptr && mm_sizeof(scene->mm, ptr) == entry->size &&
                pattern_seems(ptr, entry->size, offset, entry->seed);
    }
    if (right && table_is_right(table) && !table->busy)
        return true;
    scene_fail(scene, "a reader found the table %s at offset %#llx",
               table->busy ? "being written" : "wrong",
               (unsigned long long)offset);
    return false;
}

/* NOTE, if given, is free to take a block out with. */
static bool read_and_upgrade(struct worker *worker, struct note *note)
{
    struct scene *scene = worker->scene;
    if (mm_lock(scene->mm, MM_LOCK_RD) != 1) {
        scene_fail(scene, "lock for reading: %s", mm_error());
        return false;
    }
    if (scene->table->busy) /* left by one who died */
        return scene_unlock(scene) && scene_begin_write(scene) &&
               scene_end_write(scene);
    if (!read_table(worker))
        return false;
    if (note && mm_lock(scene->mm, MM_LOCK_RW) == 1) {
        scene->report->upgrades++;
        if (!scene_look_after_dead(scene))
            return false;
        if (!scene->exact)
            take_back(worker, note);
        if (!scene_leave_table(scene) || !scene_unlock(scene))
            return false;
    } else if (note) {
        if (errno != EDEADLK) {
            scene_fail(scene, "upgrade: %s", mm_error());
            return false;
        }
        scene->report->refusals++;
    }
    return scene_unlock(scene);
}

/* --- blocks --------------------------------------------------------------- */

static void *allocate_somehow(struct worker *worker, size_t size)
{
    MM *mm = worker->scene->mm;
    switch (dice_below(&worker->dice, 5)) {
    case 0:
        return mm_calloc(mm, 1, size);
    case 1:
        return mm_memalign(mm, (size_t)16 << dice_below(&worker->dice, 9),
                           size);
    case 2:
        return mm_realloc(mm, NULL, size);
    default:
        return mm_malloc(mm, size);
    }
}

/* A block came out of the library: fill it. */
static bool own(struct worker *worker, struct note *note, void *ptr,
                size_t size)
{
    struct scene *scene = worker->scene;
    size_t offset = mm_offset(scene->mm, ptr);
    if (offset == (size_t)-1 || offset & NOTE_MASK) {
        scene_fail(scene, "%p is no block of the pool", ptr);
        return false;
    }
    note->block = offset | NOTE_RAW;
    note->size = size;
    note->seed = dice_roll(&worker->dice);
    pattern_fill(ptr, size, offset, note->seed);
    note->block = offset | NOTE_FILLED;
    return true;
}

bool scene_settle_note(struct scene *scene, struct note *note)
{
    uint64_t block = note->block, offset = note_offset(block);
    if (note_state(block) != NOTE_UNSURE)
        return true;
    if (note->cell == 0) {
        note->block = 0;
        return true;
    }
    /* If it had been filled it was to be freed or resized. */
    const void *ptr = mm_pointer(scene->mm, note->cell);
    size_t size = mm_sizeof(scene->mm, ptr);
    size_t kept = size < note->size ? size : note->size;
    if (size == (size_t)-1 ||
        (offset != 0 &&
         !pattern_is(ptr, 0, kept / 8 * 8, offset, note->seed))) {
        scene_fail(scene, "a cell holds no allocation, or was changed");
        return false;
    }
    note->block = note->cell | NOTE_RAW;
    return true;
}

static bool may_be_full(struct worker *worker, const char *what)
{
    if (errno != ENOMEM) {
        scene_fail(worker->scene, "%s: %s", what, mm_error());
        return false;
    }
    worker->scene->report->full++;
    return true;
}

static bool allocate(struct worker *worker, struct note *note)
{
    size_t size = dice_size(&worker->dice, SIZE_DOUBLINGS);
    note->block = NOTE_UNSURE;
    void *ptr = worker->scene->exact
                    ? mm_malloc_at(worker->scene->mm, size, &note->cell)
                    : allocate_somehow(worker, size);
    if (ptr)
        return own(worker, note, ptr, size);
    note->block = 0;
    return may_be_full(worker, "allocate");
}

static bool verify(struct worker *worker, struct note *note)
{
    struct scene *scene = worker->scene;
    uint64_t block = note->block;
    const void *ptr = mm_pointer(scene->mm, note_offset(block));
    size_t size = ptr ? mm_sizeof(scene->mm, ptr) : (size_t)-1;
    if (size != (size_t)-1 &&
        (note_state(block) == NOTE_RAW ||
         (size == note->size &&
          pattern_seems(ptr, size, note_offset(block), note->seed))))
        return true;
    scene_fail(scene, "a block at %#llx of %zu bytes (now %zu) was changed",
               (unsigned long long)note_offset(block), note->size, size);
    return false;
}

static bool give_back(struct worker *worker, struct note *note)
{
    struct scene *scene = worker->scene;
    uint64_t offset = note_offset(note->block);
    bool raw = note_state(note->block) == NOTE_RAW;
    note->block = (raw ? 0 : offset) | NOTE_UNSURE;
    errno = 0;
    if (scene->exact)
        mm_free_at(scene->mm, &note->cell);
    else
        mm_free(scene->mm, mm_pointer(scene->mm, offset));
    note->block = 0;
    if (errno == 0)
        return true;
    scene_fail(scene, "free: %s", mm_error());
    return false;
}

static bool resize(struct worker *worker, struct note *note)
{
    struct scene *scene = worker->scene;
    uint64_t block = note->block, offset = note_offset(block);
    size_t size = dice_size(&worker->dice, SIZE_DOUBLINGS);
    note->block = offset | NOTE_UNSURE;
    void *ptr = scene->exact ? mm_realloc_at(scene->mm, &note->cell, size)
                             : mm_realloc(scene->mm,
                                          mm_pointer(scene->mm, offset), size);
    if (!ptr) {
        note->block = block;
        return may_be_full(worker, "resize") && verify(worker, note);
    }
    size_t kept = size < note->size ? size : note->size;
    if (!pattern_is(ptr, 0, kept / 8 * 8, offset, note->seed)) {
        scene_fail(scene, "resized from %zu to %zu bytes, and was changed",
                   note->size, size);
        return false;
    }
    return own(worker, note, ptr, size);
}

/* --- the whole pool ------------------------------------------------------- */

static int visit(void *argument, void *ptr, size_t size)
{
    struct worker *worker = argument;
    size_t offset = mm_offset(worker->scene->mm, ptr);
    return offset == (size_t)-1 || size == 0;
}

static bool look_around(struct worker *worker)
{
    struct scene *scene = worker->scene;
    struct mm_stat stat;
    int result;
    switch (dice_below(&worker->dice, 4)) {
    case 0:
        result = mm_walk(scene->mm, visit, worker);
        break;
    case 1:
        result = mm_check(scene->mm);
        break;
    case 2:
        result = mm_stat(scene->mm, &stat, sizeof stat);
        break;
    default:
        result = mm_available(scene->mm) > (size_t)1 << 40 ? -1 : 0;
    }
    if (result == 0)
        return true;
    scene_fail(scene, "look around: %s", mm_error());
    return false;
}

static bool work_once(struct worker *worker)
{
    struct note *note = &worker->notes[dice_below(&worker->dice, NOTES)];
    size_t what = dice_below(&worker->dice, 256);
    if (what == 0)
        return look_around(worker);
    if (what < 24)
        return read_and_upgrade(worker, note->block ? NULL : note);
    if (worker->scene->exact && what < 64)
        return change_entry(worker);
    if (note->block == 0)
        return what < 64 ? withdraw(worker, note) : allocate(worker, note);
    if (!verify(worker, note))
        return false;
    if (what < 64)
        return publish(worker, note);
    return what < 128 ? resize(worker, note) : give_back(worker, note);
}

/* Notes of the predecessor are ours, once nothing is on its way. */
static bool take_over(struct worker *worker)
{
    if (!scene_begin_write(worker->scene) || !scene_end_write(worker->scene))
        return false;
    for (int i = 0; i < NOTES; i++) {
        struct note *note = &worker->notes[i];
        if (!scene_settle_note(worker->scene, note))
            return false;
        if (note->block == 0)
            continue;
        if (!verify(worker, note) ||
            (note_state(note->block) == NOTE_RAW && !give_back(worker, note)))
            return false;
    }
    return true;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    if (!take_over(worker))
        return NULL;
    while (worker->scene->report->failures == 0 && work_once(worker)) {
        ++*worker->progress;
        worker->scene->report->operations++;
    }
    return NULL;
}

void worker_run(struct scene *scene, int number, uint64_t seed)
{
    pthread_t thread;
    struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        int at = number * THREADS + i;
        workers[i] = (struct worker){scene,
                                     scene->table->notes[at],
                                     &scene->report->progress[at],
                                     {seed + (uint64_t)i}};
        /* It makes a table at first, which threads must not do at once. */
        dice_size(&workers[i].dice, SIZE_DOUBLINGS);
    }
    if (pthread_create(&thread, NULL, work, &workers[1]) != 0) {
        scene_fail(scene, "no thread can be made");
        return;
    }
    work(&workers[0]);
    pthread_join(thread, NULL);
}
