/* SPDX-License-Identifier: MIT */
/*
 * refpage.h -- what the tests of reference pages share: patterns, and whether a
 * mapping shows one.
 */
#ifndef TESTS_REFPAGE_H
#define TESTS_REFPAGE_H

#include <sys/mman.h>

#include "../api/api.h"

enum { MIB = 1 << 20, BIGGEST_PAGE = 65536 };

__attribute__((unused)) static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* A page of bytes that repeat at no smaller distance, with as much alignment as
 * any pattern needs. */
__attribute__((unused)) static const unsigned char *sample(void)
{
    static _Alignas(BIGGEST_PAGE) unsigned char bytes[BIGGEST_PAGE];
    uint64_t state = 7;
    for (size_t i = 0; !bytes[BIGGEST_PAGE - 1] && i < BIGGEST_PAGE; i++)
        bytes[i] = (unsigned char)(next_random(&state) | 1);
    return bytes;
}

/* The LENGTH bytes at START are CONTENT repeated. */
__attribute__((unused)) static bool shows(const void *start, size_t length,
                                          const void *content, size_t size)
{
    size_t page = page_size();
    unsigned char wanted[BIGGEST_PAGE]; /* threads use this as well */
    for (size_t at = 0; at < page; at += size)
        memcpy(wanted + at, content, size);
    for (size_t at = 0; at < length; at += page)
        if (memcmp((const char *)start + at, wanted,
                   length - at < page ? length - at : page) != 0)
            return false;
    return true;
}

/* A reference, or the end of the test. */
__attribute__((unused)) static struct mm_refpage *make_ref(const void *content,
                                                           size_t size)
{
    struct mm_refpage *ref = mm_refpage_create(content, size, 0);
    if (!ref)
        bail("mm_refpage_create: %s", mm_error());
    return ref;
}

__attribute__((unused)) static unsigned char *map_ref(struct mm_refpage *ref,
                                                      size_t length)
{
    unsigned char *start = mm_refpage_map(ref, length);
    if (!start)
        bail("mm_refpage_map(%zu): %s", length, mm_error());
    return start;
}

/* Tests of what user space does must not meet a kernel that does better. */
__attribute__((unused)) static void need_memfd(void)
{
    setenv("MM_OPTIONS", "refpage=MEMFD", 1);
    if (strcmp(mm_query(NULL, "refpage.variants"), "NONE") == 0)
        skip_all("this system has no reference pages");
}

#endif
