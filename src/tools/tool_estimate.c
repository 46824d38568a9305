/* SPDX-License-Identifier: MIT */
/*
 * tool_estimate.c -- what is there more than once, and where.
 *
 * Sorted by contents, then by frame: a frame that several processes share is
 * counted once.  Of the frames with the same contents all but one could be
 * given back.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

/* Which processes are told pair by pair: those with the most pages. */
struct matrix {
    uint32_t processes[TOOL_PAIRS];
    int *place; /* of each process, -1 if it is not among them */
    size_t count;
    uint64_t pages[TOOL_PAIRS][TOOL_PAIRS];
};

static int by_contents(const void *one, const void *other)
{
    const struct tool_page *a = one;
    const struct tool_page *b = other;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->frame != b->frame)
        return a->frame < b->frame ? -1 : 1;
    if (a->process != b->process)
        return a->process < b->process ? -1 : 1;
    return (a->address > b->address) - (a->address < b->address);
}

static int by_pages(const void *one, const void *other)
{
    const struct tool_pair *a = one;
    const struct tool_pair *b = other;
    if (a->pages != b->pages)
        return a->pages < b->pages ? 1 : -1;
    if (a->one != b->one)
        return a->one < b->one ? -1 : 1;
    return (a->other > b->other) - (a->other < b->other);
}

static void choose_processes(const struct tool_round *round,
                             struct matrix *matrix)
{
    matrix->place = tool_allocate(NULL, round->process_count + 1, sizeof(int));
    for (size_t i = 0; i < round->process_count; i++)
        matrix->place[i] = -1;
    for (matrix->count = 0; matrix->count < TOOL_PAIRS; matrix->count++) {
        size_t best = round->process_count;
        for (size_t i = 0; i < round->process_count; i++)
            if (matrix->place[i] < 0 && round->processes[i].pages > 0 &&
                (best == round->process_count ||
                 round->processes[i].pages > round->processes[best].pages))
                best = i;
        if (best == round->process_count)
            break;
        matrix->place[best] = (int)matrix->count;
        matrix->processes[matrix->count] = (uint32_t)best;
    }
}

/* Pages with the same contents, COUNT of them in several frames. */
static void count_group(struct tool_round *round, struct matrix *matrix,
                        const struct tool_page *pages, size_t count)
{
    uint64_t frames[TOOL_PAIRS];
    int members[TOOL_PAIRS];
    size_t member_count = 0;
    uint64_t seen = 0; /* bit by place */
    for (size_t i = 0; i < count; i++) {
        int place = matrix->place[pages[i].process];
        round->processes[pages[i].process].equal++;
        if (place < 0 || (seen >> place & 1))
            continue;
        seen |= UINT64_C(1) << place;
        frames[member_count] = pages[i].frame;
        members[member_count++] = place;
    }
    for (size_t i = 0; i < member_count; i++)
        for (size_t k = 0; k < i; k++)
            if (frames[i] != frames[k]) {
                int low = members[i] < members[k] ? members[i] : members[k];
                int high = members[i] < members[k] ? members[k] : members[i];
                matrix->pages[low][high]++;
            }
}

/* Count what begins at page FIRST and has its contents.  The page behind. */
static size_t take_group(struct tool_round *round, struct matrix *matrix,
                         size_t first)
{
    const struct tool_page *pages = round->pages;
    size_t end = first;
    uint64_t frames = 0;
    for (; end < round->page_count && pages[end].key == pages[first].key;
         end++) {
        struct tool_label *label = &round->labels[pages[end].label];
        if (end > first && pages[end].frame == pages[end - 1].frame)
            continue;
        label->frames++;
        label->saveable += frames > 0;
        frames++;
    }
    round->contents++;
    round->frames += frames;
    round->saveable += frames - 1;
    if (frames > 1)
        count_group(round, matrix, pages + first, end - first);
    return end;
}

static void collect_pairs(struct tool_round *round, const struct matrix *matrix)
{
    size_t room = matrix->count * matrix->count / 2 + 1;
    round->pairs = tool_allocate(NULL, room, sizeof *round->pairs);
    for (size_t i = 0; i < matrix->count; i++)
        for (size_t k = i + 1; k < matrix->count; k++)
            if (matrix->pages[i][k] > 0)
                round->pairs[round->pair_count++] = (struct tool_pair){
                    matrix->processes[i], matrix->processes[k],
                    matrix->pages[i][k]};
    if (round->pair_count > 0)
        qsort(round->pairs, round->pair_count, sizeof *round->pairs, by_pages);
}

void tool_estimate(struct tool_round *round)
{
    struct matrix *matrix = tool_allocate(NULL, 1, sizeof *matrix);
    memset(matrix, 0, sizeof *matrix);
    choose_processes(round, matrix);
    tool_progress("sorting", 0, 0);
    if (round->page_count > 0)
        qsort(round->pages, round->page_count, sizeof *round->pages,
              by_contents);
    for (size_t at = 0; at < round->page_count;)
        at = take_group(round, matrix, at);
    collect_pairs(round, matrix);
    free(matrix->place);
    free(matrix);
}
