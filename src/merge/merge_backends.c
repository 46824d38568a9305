/* SPDX-License-Identifier: MIT */
/*
 * merge_backends.c -- the table of backends, alone in its file so that tests
 * can put another in its place.
 */
#include "config.h"

#include "merge/merge_private.h"

const struct merge_backend *const mmi_merge_backends[] = {
    &mmi_merge_mergemod,
    &mmi_merge_proc,
    &mmi_merge_ksm,
    NULL,
};
