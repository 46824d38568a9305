/* SPDX-License-Identifier: MIT */
/*
 * fault.h -- named places where the test build can die or misbehave.
 *
 * In a normal build both macros vanish.  In the test build (libmm-test.la)
 * MM_FAULT=NAME:N,... kills the process with SIGKILL when it passes the fault
 * point NAME for the N-th time.  Each process counts for itself and reads the
 * variable when it first passes a point.
 *
 * MM_MUTANT=NAME,... switches deliberate mistakes on that the test suite must
 * notice.  It is read once, when the program starts; names that are not in the
 * list below end it.  Both cost a test of a variable while they are not used,
 * so that the test build can be stepped through.
 */
#ifndef MMI_FAULT_H
#define MMI_FAULT_H

#include <stdbool.h>

/* What can be switched on, and the mistake. */
#define MUTANT_LIST(X)                                                         \
    X(heap_repair_no_bins)     /* repair does not fill the bins */             \
    X(heap_repair_keeps_shut)  /* repair does not open closed words */         \
    X(heap_rest_late)          /* a run is committed before its remainder */   \
    X(heap_extend_size_first)  /* the size grows before the pages are there */ \
    X(heap_shorten_head_first) /* shortened before the rest has a head */      \
    X(heap_busy_early)         /* the busy mark goes before the last store */  \
    X(heap_busy_never)         /* there is no busy mark */                     \
    X(heap_reset_keeps_words)  /* a reset leaves the words of spans open */    \
    X(heap_mark_early)         /* a dead owner's mark is free too early */     \
    X(heap_size_late)          /* the bit of a freed block before its size */  \
    X(heap_words_first)        /* words are open before there is a span */     \
    X(exact_no_pending)        /* a block taken exactly is not flagged */      \
    X(exact_no_mark)           /* nor is the size of the one that goes */      \
    X(exact_intent_late)       /* an intent is noted when all is done */       \
    X(exact_not_settled)       /* a repair does not settle exact calls */      \
    X(lock_no_fence)           /* others are not made to execute a fence */    \
    X(lock_no_rescan)          /* who follows the dead does not look again */  \
    X(lock_unproven)           /* a holder is dead without proof */            \
    X(lock_no_undo)            /* semaphores are taken without undo */

#ifdef MMI_TEST_BUILD

#define MUTANT_ENUM(name) MUTANT_##name,
enum mutant { MUTANT_LIST(MUTANT_ENUM) MUTANT_COUNT };

extern bool mmi_mutants[MUTANT_COUNT];
extern bool mmi_fault_armed;

void mmi_fault_point(const char *name);

#define FAULT_POINT(name) (mmi_fault_armed ? mmi_fault_point(name) : (void)0)
#define MUTANT(name)      (mmi_mutants[MUTANT_##name])

#else

#define FAULT_POINT(name) ((void)0)
#define MUTANT(name)      0

#endif

#endif
