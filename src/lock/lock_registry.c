/* SPDX-License-Identifier: MIT */
/*
 * lock_registry.c -- the lock variants of this build, by name and by rank.
 *
 * Which ones there are is decided by configure, in one line of config.h.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "lock/lock.h"

#define X(name) extern const struct lock_variant mmi_lock_##name;
MM_LOCK_VARIANTS
#undef X

#define X(name) &mmi_lock_##name,
static const struct lock_variant *const variants[] = {MM_LOCK_VARIANTS};
#undef X

enum { VARIANT_COUNT = sizeof variants / sizeof variants[0] };

size_t mmi_lock_count(void)
{
    return VARIANT_COUNT;
}

const struct lock_variant *mmi_lock_at(size_t index)
{
    return index < VARIANT_COUNT ? variants[index] : NULL;
}

const struct lock_variant *mmi_lock_find(const char *name)
{
    if (*name == '\0')
        return variants[0];
    char known[256] = "";
    for (size_t i = 0; i < VARIANT_COUNT; i++) {
        if (strcasecmp(name, variants[i]->name) == 0)
            return variants[i];
        size_t used = strlen(known);
        if (used + strlen(variants[i]->name) + 3 < sizeof known) {
            strcpy(known + used, i ? ", " : "");
            strcat(known, variants[i]->name);
        }
    }
    mmi_fail_as(EINVAL, "mm:core: unknown lock variant '%s'; known: %s", name,
                known);
    return NULL;
}
