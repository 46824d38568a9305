/* SPDX-License-Identifier: MIT */
/*
 * mm_refpage.c -- reference pages, for programs.
 *
 * The handle that a program gets is the address of the record, whose type it
 * never sees.
 */
#include "config.h"

#include <mm.h>

#include "refpage/refpage.h"

static struct refpage *record_of(struct mm_refpage *ref)
{
    return (struct refpage *)(void *)ref;
}

struct mm_refpage *mm_refpage_create(const void *content, size_t size,
                                     unsigned long flags)
{
    return (struct mm_refpage *)(void *)mmi_refpage_create(content, size,
                                                           flags);
}

void *mm_refpage_map(struct mm_refpage *ref, size_t length)
{
    return mmi_refpage_map(record_of(ref), length);
}

int mm_refpage_unmap(void *address, size_t length)
{
    return mmi_refpage_unmap(address, length);
}

int mm_refpage_close(struct mm_refpage *ref)
{
    return mmi_refpage_close(record_of(ref));
}

int mm_refpage_fd(struct mm_refpage *ref)
{
    return mmi_refpage_fd(record_of(ref));
}
