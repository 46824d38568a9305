/* SPDX-License-Identifier: MIT */
/*
 * scenes.h -- what those who know the inside of a pool need to set a scene up,
 * and to look behind it.
 */
#ifndef TESTS_SCENES_H
#define TESTS_SCENES_H

#include "crash.h"

struct heap;
struct heap_hints;

extern const struct scene *scene_now;

struct heap *heap_of(const struct stage *stage);
struct heap_hints *hints_of(const struct stage *stage);
void lift_budget(struct stage *stage);
void leave_spans(struct stage *stage);
/* Blocks of sizes that only the peer of a frozen victim uses. */
void make_peers_sizes(struct stage *stage);
/* Run WORK in a process that is then killed. */
void let_die(void (*work)(struct stage *stage), struct stage *stage);

#endif
