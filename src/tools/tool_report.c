/* SPDX-License-Identifier: MIT */
/*
 * tool_report.c -- the result as tables: by process, by pair of processes, by
 * what the pages lie in, and all together.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

enum { SHORT_TABLE = 10, LONG_TABLE = 1000 };

/* Names come from other users: nothing that a terminal would obey. */
static const char *printable(const char *name, char text[33])
{
    size_t i = 0;
    for (; name[i] && i < 32; i++)
        text[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
    text[i] = '\0';
    return text;
}

static double percent(uint64_t part, uint64_t all)
{
    return all ? 100.0 * (double)part / (double)all : 0;
}

static const struct tool_process *sorting;

static int by_equal(const void *one, const void *other)
{
    const struct tool_process *a = &sorting[*(const size_t *)one];
    const struct tool_process *b = &sorting[*(const size_t *)other];
    if (a->equal != b->equal)
        return a->equal < b->equal ? 1 : -1;
    if (a->pages != b->pages)
        return a->pages < b->pages ? 1 : -1;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

static void report_processes(const struct tool_round *round, size_t most)
{
    char name[33];
    char size[2][TOOL_SIZE_TEXT];
    size_t *order =
        tool_allocate(NULL, round->process_count + 1, sizeof *order);
    size_t told = 0;
    for (size_t i = 0; i < round->process_count; i++)
        order[i] = i;
    sorting = round->processes;
    qsort(order, round->process_count, sizeof *order, by_equal);
    printf("%8s  %-16s %12s %14s %6s\n", "PID", "PROCESS", "PAGES",
           "ALSO ELSEWHERE", "");
    for (size_t i = 0; i < round->process_count && told < most; i++) {
        const struct tool_process *process = &round->processes[order[i]];
        if (process->error || process->pages == 0)
            continue;
        told++;
        printf("%8ld  %-16s %12s %14s %5.1f%%\n", (long)process->pid,
               printable(process->name, name),
               tool_size(process->pages * round->page_size, size[0]),
               tool_size(process->equal * round->page_size, size[1]),
               percent(process->equal, process->pages));
    }
    if (round->looked_at > told)
        printf("%8s  and %zu more\n", "", round->looked_at - told);
    free(order);
}

static void report_pairs(const struct tool_round *round, size_t most)
{
    char one[33];
    char other[33];
    char size[TOOL_SIZE_TEXT];
    if (round->pair_count == 0)
        return;
    printf("\n%8s %8s  %-34s %12s\n", "PID", "PID", "PAIR", "EQUAL");
    for (size_t i = 0; i < round->pair_count && i < most; i++) {
        const struct tool_pair *pair = &round->pairs[i];
        const struct tool_process *a = &round->processes[pair->one];
        const struct tool_process *b = &round->processes[pair->other];
        char both[70];
        snprintf(both, sizeof both, "%s, %s", printable(a->name, one),
                 printable(b->name, other));
        printf("%8ld %8ld  %-34s %12s\n", (long)a->pid, (long)b->pid, both,
               tool_size(pair->pages * round->page_size, size));
    }
    if (round->pair_count > most)
        printf("%17s  and %zu more\n", "", round->pair_count - most);
}

static int by_saveable(const void *one, const void *other)
{
    const struct tool_label *a = one;
    const struct tool_label *b = other;
    if (a->saveable != b->saveable)
        return a->saveable < b->saveable ? 1 : -1;
    return strcmp(a->name, b->name);
}

static void report_labels(const struct tool_round *round, size_t most)
{
    char name[33];
    char size[2][TOOL_SIZE_TEXT];
    struct tool_label *labels =
        tool_allocate(NULL, round->label_count + 1, sizeof *labels);
    memcpy(labels, round->labels, round->label_count * sizeof *labels);
    qsort(labels, round->label_count, sizeof *labels, by_saveable);
    printf("\n%-32s %12s %12s\n", "MAPPING", "FRAMES", "TOO MANY");
    for (size_t i = 0; i < round->label_count && i < most; i++)
        if (labels[i].saveable > 0)
            printf("%-32s %12s %12s\n", printable(labels[i].name, name),
                   tool_size(labels[i].frames * round->page_size, size[0]),
                   tool_size(labels[i].saveable * round->page_size, size[1]));
    free(labels);
}

static void report_merging(const struct tool_round *round)
{
    char size[2][TOOL_SIZE_TEXT];
    printf("merged %llu of %llu pairs (%s)\n",
           (unsigned long long)round->merged, (unsigned long long)round->tried,
           m_backend());
    for (int i = 0; i < TOOL_STATUSES; i++)
        if (round->statuses[i] > 0)
            printf("%10llu not: %s\n", (unsigned long long)round->statuses[i],
                   i == EILSEQ ? "changed meanwhile" : strerror(i));
    if (round->before > 0)
        printf("memory of these processes: %s before, %s after\n",
               tool_size(round->before, size[0]),
               tool_size(round->after, size[1]));
}

void tool_report(const struct tool *tool, const struct tool_round *round)
{
    char size[2][TOOL_SIZE_TEXT];
    size_t most = tool->verbose ? LONG_TABLE : SHORT_TABLE;
    if (round->page_count > 0) {
        report_processes(round, most);
        report_pairs(round, most);
        report_labels(round, most);
        printf("\n");
    }
    printf("%zu processes looked at", round->looked_at);
    if (round->not_permitted > 0)
        printf(", %zu not permitted", round->not_permitted);
    size_t gone =
        round->process_count - round->looked_at - round->not_permitted;
    if (gone > 0)
        printf(", %zu ended meanwhile or were left out", gone);
    printf("; %s in %.1f s\n",
           tool_size(round->page_count * round->page_size, size[0]),
           round->seconds);
    printf("%s in frames of their own, %s of it more than once: %.1f %%%s\n",
           tool_size(round->frames * round->page_size, size[0]),
           tool_size(round->saveable * round->page_size, size[1]),
           percent(round->saveable, round->frames),
           round->exact || round->page_count == 0
               ? ""
               : " (about: only root is told which pages are shared)");
    if (tool->merge)
        report_merging(round);
    if (round->interrupted)
        printf("interrupted: not all was looked at\n");
    if (round->limited)
        printf("limited: not all was looked at\n");
    fflush(stdout);
}
