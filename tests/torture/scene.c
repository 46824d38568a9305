/* SPDX-License-Identifier: MIT */
/*
 * scene.c -- the table that the victims of torture share: who may write in it,
 * and what becomes of it when he dies.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "worker.h"

void scene_fail(struct scene *scene, const char *format, ...)
{
    struct report *report = scene->report;
    va_list values;
    if (atomic_fetch_add(&report->failures, 1) != 0)
        return;
    va_start(values, format);
    vsnprintf(report->failure, sizeof report->failure, format, values);
    va_end(values);
    report->told = 1;
}

void scene_fill_entry(struct scene *scene, struct entry *entry, uint64_t seed)
{
    void *ptr = mm_pointer(scene->mm, entry->offset);
    entry->size = mm_sizeof(scene->mm, ptr);
    entry->seed = seed;
    if (entry->size != (size_t)-1)
        pattern_fill(ptr, entry->size, entry->offset, seed);
    entry->raw = 0;
}

/* The cells say which blocks there are, whatever the dead were about to do. */
static bool mend_entries(struct scene *scene)
{
    for (int i = 0; i < ENTRIES; i++) {
        struct entry *entry = &scene->table->entries[i];
        if (!entry->raw)
            continue;
        if (entry->offset != 0)
            scene_fill_entry(scene, entry, (uint64_t)i);
        entry->raw = 0;
        if (entry->offset != 0 && entry->size == (size_t)-1) {
            scene_fail(scene, "a cell of the table holds no allocation");
            return false;
        }
    }
    return true;
}

/* The lock was just taken, exclusively: is there something to mend? */
bool scene_look_after_dead(struct scene *scene)
{
    struct table *table = scene->table;
    struct mm_lock_state state;
    if (mm_lock_state(scene->mm, &state) != 1) {
        scene_fail(scene, "lock state: %s", mm_error());
        return false;
    }
    if (state.owner_died) {
        scene->report->deaths++;
        table_mend(table);
        if (scene->exact && !mend_entries(scene))
            return false;
    } else if (table->busy) {
        scene_fail(scene, "a writer died, and nobody was told");
        return false;
    }
    if (!table_is_right(table)) {
        scene_fail(scene, "the table is wrong, though nobody writes");
        return false;
    }
    table->busy = 1;
    table->writer = (uint32_t)gettid();
    return true;
}

bool scene_begin_write(struct scene *scene)
{
    if (mm_lock(scene->mm, MM_LOCK_RW) != 1) {
        scene_fail(scene, "lock for writing: %s", mm_error());
        return false;
    }
    return scene_look_after_dead(scene);
}

bool scene_unlock(struct scene *scene)
{
    errno = 0;
    if (mm_unlock(scene->mm) == 1 && errno == 0)
        return true;
    scene_fail(scene, "unlock: %s", mm_error());
    return false;
}

bool scene_leave_table(struct scene *scene)
{
    struct table *table = scene->table;
    if (table->writer != (uint32_t)gettid() || !table->busy) {
        scene_fail(scene, "two writers at once");
        return false;
    }
    table->busy = 0;
    return true;
}

bool scene_end_write(struct scene *scene)
{
    return scene_leave_table(scene) && scene_unlock(scene);
}
