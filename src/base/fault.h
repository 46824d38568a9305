/* SPDX-License-Identifier: MIT */
/*
 * fault.h -- named places where the test build can die or misbehave.
 *
 * In a normal build both macros vanish.  In the test build (libmm-test.la)
 * MM_FAULT=NAME:N,... kills the process with SIGKILL when it passes the fault
 * point NAME for the N-th time, and MM_MUTANT=NAME,... switches deliberate
 * mistakes on that the test suite must notice.  Each process counts for itself
 * and reads the variables when it first passes a point.
 */
#ifndef MMI_FAULT_H
#define MMI_FAULT_H

#include <stdbool.h>

#ifdef MMI_TEST_BUILD

void mmi_fault_point(const char *name);
bool mmi_mutant(const char *name);

#define FAULT_POINT(name) mmi_fault_point(name)
#define MUTANT(name)      mmi_mutant(name)

#else

#define FAULT_POINT(name) ((void)0)
#define MUTANT(name)      0

#endif

#endif
