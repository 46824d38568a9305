/* SPDX-License-Identifier: MIT */
/*
 * tool_merge.c -- hand what is equal to the merge library.
 *
 * Of pages with the same contents the first becomes the destination of all that
 * have another frame.  All mappings of a frame are moved, else it is not given
 * back.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "tools/tool.h"

enum { MERGE_PAIRS = 4096 };

/* Merge COUNT pairs and count what became of them.  False if that is the end
 * of it. */
static bool merge_batch(struct tool_round *round, MEQUALPAIR *pairs,
                        size_t count)
{
    if (count == 0)
        return true;
    ssize_t merged = m_merge(pairs, count);
    if (merged < 0) {
        round->merge_error = errno;
        return false;
    }
    round->tried += count;
    round->merged += (uint64_t)merged;
    for (size_t i = 0; i < count; i++)
        if (pairs[i].status > 0 && pairs[i].status < TOOL_STATUSES)
            round->statuses[pairs[i].status]++;
    tool_progress("merging", round->tried, round->saveable);
    if (tool_interrupted())
        round->interrupted = true;
    return !round->interrupted;
}

void tool_merge(struct tool_round *round)
{
    MEQUALPAIR *pairs = tool_allocate(NULL, MERGE_PAIRS, sizeof *pairs);
    size_t count = 0;
    size_t first = 0;
    bool going_on = true;
    for (size_t i = 0; i < round->page_count && going_on; i++) {
        const struct tool_page *page = &round->pages[i];
        const struct tool_page *destination = &round->pages[first];
        if (page->key != destination->key) {
            first = i;
            continue;
        }
        if (page->frame == destination->frame)
            continue;
        pairs[count++] = (MEQUALPAIR){
            .spid = round->processes[page->process].pid,
            .sv_addr = (const void *)(uintptr_t)page->address,
            .dpid = round->processes[destination->process].pid,
            .dv_addr = (const void *)(uintptr_t)destination->address,
        };
        if (count == MERGE_PAIRS) {
            going_on = merge_batch(round, pairs, count);
            count = 0;
        }
    }
    if (going_on)
        merge_batch(round, pairs, count);
    free(pairs);
    for (size_t i = 0; i < round->process_count; i++) {
        uint64_t now = tool_share(round->processes[i].pid);
        if (round->processes[i].before && now) {
            round->before += round->processes[i].before;
            round->after += now;
        }
    }
}
