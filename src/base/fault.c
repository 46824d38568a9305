/* SPDX-License-Identifier: MIT */
/*
 * fault.c -- the fault points and mutants of the test build.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/thread.h"

enum { FAULT_COUNT = 8 };

static struct fault {
    char name[32];
    _Atomic long left; /* passes until death */
} faults[FAULT_COUNT];

static _Atomic uint64_t loaded; /* the process generation that loaded them */

/* Unknown counts as armed. */
bool mmi_fault_armed = true;
bool mmi_mutants[MUTANT_COUNT];

#define MUTANT_NAME(name) #name,
static const char *const mutant_names[] = {MUTANT_LIST(MUTANT_NAME)};

static void load_faults(uint64_t generation)
{
    memset(faults, 0, sizeof faults);
    const char *text = getenv("MM_FAULT");
    mmi_fault_armed = text && *text;
    for (int i = 0; text && *text && i < FAULT_COUNT; i++) {
        size_t length = strcspn(text, ":,");
        if (length < sizeof faults[i].name)
            memcpy(faults[i].name, text, length);
        text += length;
        faults[i].left = *text == ':' ? strtol(text + 1, NULL, 10) : 1;
        text += strcspn(text, ",");
        text += *text == ',';
    }
    loaded = generation;
}

void mmi_fault_point(const char *name)
{
    struct thread *self = mmi_thread();
    if (!self)
        return;
    if (loaded != self->generation)
        load_faults(self->generation);
    for (int i = 0; i < FAULT_COUNT; i++)
        if (strcmp(faults[i].name, name) == 0 &&
            atomic_fetch_sub(&faults[i].left, 1) == 1)
            kill(getpid(), SIGKILL);
}

static void arm(void)
{
    mmi_fault_armed = true;
}

static void enable_mutant(const char *name, size_t length)
{
    for (int i = 0; i < MUTANT_COUNT; i++)
        if (strlen(mutant_names[i]) == length &&
            memcmp(mutant_names[i], name, length) == 0) {
            mmi_mutants[i] = true;
            return;
        }
    fprintf(stderr, "MM_MUTANT: there is no '%.*s'\n", (int)length, name);
    _exit(99);
}

__attribute__((constructor)) static void load_mutants(void)
{
    /* A child may be told to die elsewhere than its parent. */
    pthread_atfork(NULL, NULL, arm);
    const char *text = getenv("MM_MUTANT");
    while (text && *text) {
        size_t length = strcspn(text, ",");
        enable_mutant(text, length);
        text += length;
        text += *text == ',';
    }
}
