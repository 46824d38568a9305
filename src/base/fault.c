/* SPDX-License-Identifier: MIT */
/*
 * fault.c -- the fault points and mutants of the test build.
 */
#include "config.h"

#include <signal.h>
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

static void load_faults(uint64_t generation)
{
    memset(faults, 0, sizeof faults);
    const char *text = getenv("MM_FAULT");
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

bool mmi_mutant(const char *name)
{
    const char *text = getenv("MM_MUTANT");
    size_t length = strlen(name);
    while (text && *text) {
        size_t item = strcspn(text, ",");
        if (item == length && memcmp(text, name, length) == 0)
            return true;
        text += item;
        text += *text == ',';
    }
    return false;
}
