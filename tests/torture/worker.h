/* SPDX-License-Identifier: MIT */
/*
 * worker.h -- what a victim of torture does until it is killed.
 */
#ifndef TESTS_TORTURE_WORKER_H
#define TESTS_TORTURE_WORKER_H

#include "table.h"

enum { SIZE_DOUBLINGS = 12, FAILURE_SIZE = 400 };

/* In memory of its own, shared by all: a pool that is damaged cannot hide
 * it. */
struct report {
    _Atomic uint64_t operations;
    _Atomic uint64_t full;     /* allocations refused */
    _Atomic uint64_t deaths;   /* of lock holders, as reported */
    _Atomic uint64_t upgrades; /* that worked */
    _Atomic uint64_t refusals; /* of upgrades */
    _Atomic uint64_t progress[WORKERS_MAX * THREADS];
    _Atomic int failures;
    _Atomic int told; /* the text of the first is complete */
    char failure[FAILURE_SIZE];
};

struct scene {
    MM *mm;
    struct table *table;
    struct report *report;
    bool exact; /* all blocks hang on cells */
};

/* The first failure is kept, the others are counted. */
__attribute__((format(printf, 2, 3))) void scene_fail(struct scene *scene,
                                                      const char *format, ...);

/* Take the lock exclusively, and mend the table if a holder died.  False after
 * a failure. */
bool scene_begin_write(struct scene *scene);
bool scene_end_write(struct scene *scene);

/* Their parts, for an upgrade: the lock was just taken exclusively; the table
 * is as it should be again; the lock is given back. */
bool scene_look_after_dead(struct scene *scene);
bool scene_leave_table(struct scene *scene);
bool scene_unlock(struct scene *scene);

/* Give what ENTRY holds a pattern. */
void scene_fill_entry(struct scene *scene, struct entry *entry, uint64_t seed);

/* After the death of NOTE's thread in an exact call: what its cell says. */
bool scene_settle_note(struct scene *scene, struct note *note);

/* Both threads of worker NUMBER, who takes over what its predecessor noted;
 * returns only after a failure. */
void worker_run(struct scene *scene, int number, uint64_t seed);

#endif
