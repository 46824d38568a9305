/* SPDX-License-Identifier: MIT */
/*
 * futex_fence.h -- a fence that others execute: membarrier(2).
 *
 * After it, whatever other threads of registered processes stored before it is
 * visible to the caller, and whatever they load after it sees what the caller
 * had stored: as if each had executed a fence, between two instructions that it
 * was at just then.
 */
#ifndef MMI_FUTEX_FENCE_H
#define MMI_FUTEX_FENCE_H

#include <stdbool.h>

/* Have this process be reached by the fences of others.  False if the system
 * has no such fence, or does not permit it.  Keeps errno. */
bool mmi_futex_fence_join(void);

/* False with errno, and nothing recorded, if the system refuses. */
bool mmi_futex_fence(void);

#endif
