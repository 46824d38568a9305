/* SPDX-License-Identifier: MIT */
/*
 * life.h -- names for threads, and proof that one of them is dead.
 *
 * A name is what shared memory calls a thread: its kernel id in the low 29
 * bits, and in the upper half what tells it from other threads that had or will
 * have the same id (0: could not be found out).  Names mean something only
 * within one PID namespace.
 *
 * Somebody is dead only on proof: no such task, or it exited, or the task with
 * that id is another one.  Whoever cannot be looked at counts as alive.
 */
#ifndef MMI_LIFE_H
#define MMI_LIFE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct robust_list_head;

#define LIFE_TID UINT64_C(0x1fffffff)

/* The calling thread. */
struct life {
    uint64_t name;
    uint64_t space;                  /* PID namespace; 0: could not be told */
    struct robust_list_head *robust; /* as the kernel knows it, or NULL */
};

/* Looked up once per thread, also in fork children.  NULL after mmi_fail_as()
 * without private memory. */
const struct life *mmi_life_self(void);

/* Is SELF of another PID namespace than SPACE, that of process CREATOR?  Names
 * then mean nothing between them. */
bool mmi_life_is_foreign(const struct life *self, uint64_t space,
                         pid_t creator);

/* What a lock variant that needs names says then; takes its own name. */
#define MMI_FOREIGN_TEXT                                                       \
    "mm:core: cannot use the %s lock from another PID namespace than that of " \
    "its creator; OFD and FCNTL can"

/* Is there proof that the thread called NAME runs no more?  NAME may be any
 * number.  Keeps errno; no cancellation point. */
bool mmi_life_ended(uint64_t name);

#endif
