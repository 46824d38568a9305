/* SPDX-License-Identifier: MIT */
/*
 * ksm_control.h -- make the kernel's own merging hurry, and leave it as it was.
 */
#ifndef MMI_KSM_CONTROL_H
#define MMI_KSM_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

enum { KSM_SETTINGS = 5, KSM_VALUE_SIZE = 64 };

struct ksm_control {
    int directory; /* also the lock: one process at a time steers */
    bool steering;
    char saved[KSM_SETTINGS][KSM_VALUE_SIZE]; /* "": the kernel has it not */
};

/* Open the settings.  -1: ENOPKG if the kernel has no such merging, EPERM if
 * they are not ours to change. */
int mmi_ksm_open(struct ksm_control *control);

/* Remember the settings and let the merging run at full speed, waiting for
 * others that do the same. */
int mmi_ksm_start(struct ksm_control *control);

/* How often all memory has been scanned, 0 if unknown. */
uint64_t mmi_ksm_scans(const struct ksm_control *control);

/* Restore the settings and close.  Keeps errno. */
void mmi_ksm_close(struct ksm_control *control);

#endif
