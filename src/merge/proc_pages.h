/* SPDX-License-Identifier: MIT */
/*
 * proc_pages.h -- what the process file system tells about pages.
 *
 * Reading it changes nothing: nothing is faulted in, and no sharing undone.
 */
#ifndef MMI_PROC_PAGES_H
#define MMI_PROC_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROC_WINDOW = 512 };

/* One process being looked at, a window of neighbouring pages at a time. */
struct proc_pages {
    int pagemap;    /* descriptors of the files of these names; */
    int kpagecount; /* -1 unless we may read them */
    int kpageflags;
    bool cannot_scan; /* the kernel is older than PAGEMAP_SCAN */
    uint64_t page_size;

    uint64_t entries[PROC_WINDOW];
    /* How often the frame of each page is mapped, 0 if there is none or it
     * cannot be merged.  Without privileges 2 stands for any number of more
     * than one. */
    uint64_t counts[PROC_WINDOW];
    uint64_t values[PROC_WINDOW];
    bool wanted[PROC_WINDOW];
};

/* Look at COUNT pages from ADDRESS on, all in one mapping; FILE says that one
 * is below it.  Fills entries and counts.  0, or -1 with errno; ESRCH if the
 * process is gone. */
int mmi_proc_look(struct proc_pages *pages, uint64_t address, size_t count,
                  bool file);

/* The physical address of page I of the window, 0 if that is not told. */
uint64_t mmi_proc_frame(const struct proc_pages *pages, size_t i);

/* The first page from ADDRESS on, before END, that may be of interest; END if
 * there is none.  Skips what is empty at once where the kernel can. */
uint64_t mmi_proc_skip(struct proc_pages *pages, uint64_t address,
                       uint64_t end);

#endif
