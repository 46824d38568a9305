/* SPDX-License-Identifier: MIT */
/*
 * page.h -- the system's page size and processors, asked once.
 */
#ifndef MMI_PAGE_H
#define MMI_PAGE_H

#include <stddef.h>

/* Bytes in a page of virtual memory; a power of two. */
size_t mmi_page_size(void);

/* Processors that run now, at least 1. */
unsigned mmi_processor_count(void);

#endif
