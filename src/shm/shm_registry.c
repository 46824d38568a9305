/* SPDX-License-Identifier: MIT */
/*
 * shm_registry.c -- the shared-memory variants of this build, by name.
 *
 * configure writes the list; nothing here knows how many there are.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "shm/shm.h"

#define X(variant) extern const struct shm_variant mmi_shm_##variant;
MM_SHM_VARIANTS
#undef X

static const struct shm_variant *const variants[] = {
#define X(variant) &mmi_shm_##variant,
    MM_SHM_VARIANTS
#undef X
};
enum { VARIANT_COUNT = sizeof variants / sizeof *variants };

size_t mmi_shm_count(void)
{
    return VARIANT_COUNT;
}

const struct shm_variant *mmi_shm_at(size_t index)
{
    return index < VARIANT_COUNT ? variants[index] : NULL;
}

const struct shm_variant *mmi_shm_find(const char *name)
{
    char known[16 * VARIANT_COUNT] = "";
    size_t used = 0;
    for (size_t i = 0; i < VARIANT_COUNT; i++) {
        if (*name == '\0' || strcasecmp(name, variants[i]->name) == 0)
            return variants[i];
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
                                 i ? ", " : "", variants[i]->name);
    }
    mmi_fail_as(EINVAL,
                "mm:core: unknown shared-memory variant '%s'; known: %s", name,
                known);
    return NULL;
}
