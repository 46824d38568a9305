/* SPDX-License-Identifier: MIT */
/*
 * refpage_none.c -- no reference pages: systems without sealed memory files.
 */
#include "config.h"

#include <errno.h>
#include <strings.h>

#include "base/fail.h"
#include "refpage/refpage.h"

static int fail_none(void)
{
    return mmi_fail_as(ENOTSUP, "mm:core: no reference pages on this system");
}

struct refpage *mmi_refpage_create(const void *content, size_t size,
                                   unsigned long flags)
{
    (void)content;
    (void)size;
    (void)flags;
    fail_none();
    return NULL;
}

void *mmi_refpage_map(struct refpage *ref, size_t length)
{
    (void)ref;
    (void)length;
    fail_none();
    return NULL;
}

int mmi_refpage_unmap(void *address, size_t length)
{
    (void)address;
    (void)length;
    return fail_none();
}

int mmi_refpage_close(struct refpage *ref)
{
    (void)ref;
    return fail_none();
}

int mmi_refpage_fd(struct refpage *ref)
{
    (void)ref;
    return fail_none();
}

size_t mmi_refpage_source_count(void)
{
    return 1;
}

const char *mmi_refpage_source_name(size_t index)
{
    (void)index;
    return "NONE";
}

int mmi_refpage_source_check(const char *name)
{
    if (!*name || strcasecmp(name, "auto") == 0)
        return 0;
    return mmi_fail_as(
        EINVAL, "mm:core: no reference pages called '%s'; known: auto", name);
}

const char *mmi_refpage_source_now(void)
{
    return "NONE";
}
