/* SPDX-License-Identifier: MIT */
/*
 * refpage_parts.h -- what the files of src/refpage have for each other.
 */
#ifndef MMI_REFPAGE_PARTS_H
#define MMI_REFPAGE_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "refpage/refpage.h"

/* A sealed memory file full of the pattern. */
struct unit {
    struct unit *next;
    size_t wanted; /* the size asked for, by which it is found */
    size_t size;   /* the size it has */
    bool huge;     /* of huge pages, to be mapped at multiples of them */
    int fd;
    struct file_id file;
};

/* Where the pages come from. */
struct refpage_source {
    const char *name;

    /* Whether it works here and now. */
    bool (*present)(void);

    /* Take SIZE bytes at CONTENT over into *REF, which is zeroed but for what
     * is known already.  0, or -1 after mmi_fail() with nothing made. */
    int (*create)(struct refpage *ref, const void *content);

    /* Map LENGTH bytes, whole pages.  NULL after mmi_fail(). */
    char *(*map)(struct refpage *ref, size_t length);

    /* A descriptor of the caller's own. */
    int (*descriptor)(const struct refpage *ref);

    /* Undo create(). */
    void (*destroy)(struct refpage *ref);
};

struct refpage {
    struct refpage *next;
    const struct refpage_source *source;
    size_t size; /* of the pattern */

    int fd; /* of the kernel, -1 without */
    struct file_id file;

    struct unit *units; /* made so far, one per size */

    char page[]; /* the pattern, repeated to fill a page */
};

extern const struct refpage_source mmi_refpage_syscall, mmi_refpage_device,
    mmi_refpage_memfd;

/* REF->page begins with the pattern: repeat it. */
void mmi_refpage_repeat(struct refpage *ref);

/* What SYSCALL and DEVICE have in common, given the descriptor.  create() takes
 * FD over, and closes it if it fails. */
int mmi_refpage_kernel_create(struct refpage *ref, int fd);
char *mmi_refpage_kernel_map(struct refpage *ref, size_t length);
int mmi_refpage_kernel_descriptor(const struct refpage *ref);
void mmi_refpage_kernel_destroy(struct refpage *ref);

/* A new memory file, empty and not yet sealed.  -1 after mmi_fail(). */
int mmi_refpage_memory_file(void);

/* A unit of about SIZE bytes, a power of two of pages; destroy() closes it.
 * NULL after mmi_fail(). */
struct unit *mmi_unit_create(const struct refpage *ref, size_t size);
void mmi_unit_destroy(struct unit *unit);

/* Huge pages, where there are any, have this size. */
enum { HUGE_PAGE = 2 << 20 };

#endif
