/* SPDX-License-Identifier: MIT */
/*
 * proc_maps.h -- which parts of a process may have pages that can be merged.
 */
#ifndef MMI_PROC_MAPS_H
#define MMI_PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A mapping that is private and readable, and neither of a device nor of the
 * kernel's own. */
struct proc_region {
    uint64_t start;
    uint64_t end; /* the first byte behind it */
    bool file;    /* there is a file below it, perhaps of huge pages */
};

struct proc_regions {
    struct proc_region *list; /* ascending, not overlapping */
    size_t count;
    bool empty; /* there was no mapping at all: no program runs there */
};

/* Read the list from FD, a "maps" file just opened.  The caller frees
 * OUT->list.  0, or -1 with errno. */
int mmi_proc_regions(int fd, struct proc_regions *out);

/* Append REGION to a list with *ROOM places, which grows.  0, or -1. */
int mmi_proc_regions_add(struct proc_regions *out, size_t *room,
                         const struct proc_region *region);

/* The first region that ends behind ADDRESS, or NULL. */
const struct proc_region *mmi_proc_region(const struct proc_regions *regions,
                                          uint64_t address);

#endif
