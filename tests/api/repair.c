/* SPDX-License-Identifier: MIT */
/*
 * repair.c -- a process dies inside an allocation, under the user lock: the
 * next holder of that lock finds the heap repaired before it does anything.
 */
#include <mm.h>
#include <stdlib.h>

#include "api/pool.h"
#include "heap/heap_layout.h"

#include "../children.h"

static MM *mm;

static int die_allocating(void *unused, int number)
{
    (void)unused;
    (void)number;
    setenv("MM_FAULT", "heap.busy", 1);
    if (!mm_lock(mm, MM_LOCK_RW))
        return 1;
    mm_malloc(mm, 100000);
    return 2;
}

static void die_and_follow(const char *name, mm_lock_mode mode)
{
    const struct control *control = mmi_pool_find(mm)->heap.control;
    uint64_t repairs = control->repairs;
    is_int(end_child(start_child(die_allocating, NULL, 0)), 1000 + SIGKILL,
           "a process dies under both locks");
    ok(control->busy != 0, "%s: the heap says so", name);
    errno = EDOM;
    is_int(mm_lock(mm, mode), 1, "the next one gets the lock");
    is_int(errno, EDOM, "which keeps errno");
    ok(control->busy == 0 && control->repairs == repairs + 1,
       "%s: and the heap repaired", name);
    ok(mm_check(mm) == 0, "%s: it is whole", name);
    mm_unlock(mm);
}

int main(void)
{
    need_proc();
    for (size_t i = 0; mmi_lock_at(i); i++) {
        const char *name = mmi_lock_at(i)->name;
        char options[40];
        snprintf(options, sizeof options, "lock=%s", name);
        setenv("MM_OPTIONS", options, 1);
        mm = mm_create(1 << 20, NULL);
        if (!ok(mm != NULL, "%s: there is a pool", name)) {
            diag("%s", mm_error());
            continue;
        }
        die_and_follow(name, MM_LOCK_RW);
        die_and_follow(name, MM_LOCK_RD);
        mm_destroy(mm);
    }
    return done();
}
