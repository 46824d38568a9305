/* SPDX-License-Identifier: MIT */
/*
 * segment_table.h -- how segment.c enters segments into the table.
 */
#ifndef MMI_SEGMENT_TABLE_H
#define MMI_SEGMENT_TABLE_H

#include "segment/segment.h"

/* Make SEGMENT known by the address of its user area.  0, or -1 after
 * mmi_fail_as(ENOMEM). */
int mmi_segment_table_insert(struct segment *segment);

/* Make it unknown again.  Nothing happens if it is. */
void mmi_segment_table_remove(const struct segment *segment);

#endif
