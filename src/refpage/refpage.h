/* SPDX-License-Identifier: MIT */
/*
 * refpage.h -- private memory that starts out as a repeated pattern.
 *
 * A reference is a pattern; each of its mappings reads as the pattern repeated,
 * from a few physical pages that all of them share, and copies a page when it
 * is written to.  Where the pages come from is a *source*: the kernel, by a
 * system call or a device, or sealed memory files that are mapped again and
 * again.
 *
 * References and mappings are known by address in a private table, so a wrong
 * address is an error and nothing is read through it.  All may be called by any
 * thread; a forked child has its own copy of everything.  Functions that return
 * an int return -1 after mmi_fail().
 */
#ifndef MMI_REFPAGE_H
#define MMI_REFPAGE_H

#include <stddef.h>

struct refpage;
struct refpage_source;

/* A reference to the SIZE bytes at CONTENT, which are copied.  NULL after
 * mmi_fail(). */
struct refpage *mmi_refpage_create(const void *content, size_t size,
                                   unsigned long flags);

/* A new private mapping of LENGTH bytes, rounded up to whole pages.  NULL after
 * mmi_fail(), with nothing mapped. */
void *mmi_refpage_map(struct refpage *ref, size_t length);

/* Give back what mmi_refpage_map() returned for LENGTH. */
int mmi_refpage_unmap(void *address, size_t length);

/* Forget REF; its mappings stay. */
int mmi_refpage_close(struct refpage *ref);

/* A new descriptor for mmap(2), which belongs to the caller; ENOTSUP if the
 * source has none. */
int mmi_refpage_fd(struct refpage *ref);

/* The sources that this build knows, best first. */
size_t mmi_refpage_source_count(void);
const char *mmi_refpage_source_name(size_t index);

/* Whether NAME is a source, in any case, or "" or "auto".  -1 after
 * mmi_fail_as(EINVAL). */
int mmi_refpage_source_check(const char *name);

/* The source that the next reference gets; NULL after mmi_fail_as() if the
 * options ask for one that is not there. */
const char *mmi_refpage_source_now(void);

#endif
