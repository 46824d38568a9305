/* SPDX-License-Identifier: MIT */
/*
 * tool_scan.c -- the table of pages: what each holds, and where.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

enum { SCAN_BATCH = 8192 };

/* The mappings of one process, in ascending order, by label. */
struct mapping {
    uint64_t start, end;
    uint32_t label;
};

struct mappings {
    struct mapping *list;
    size_t count;
    size_t recent; /* pages come in order, too */
};

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 33) * UINT64_C(0xff51afd7ed558ccd);
    value = (value ^ value >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return value ^ value >> 33;
}

static uint32_t find_label(struct tool_round *round, const char *name)
{
    for (size_t i = 0; i < round->label_count; i++)
        if (strcmp(round->labels[i].name, name) == 0)
            return (uint32_t)i;
    round->labels = tool_allocate(round->labels, round->label_count + 1,
                                  sizeof *round->labels);
    char *copy = tool_allocate(NULL, strlen(name) + 1, 1);
    strcpy(copy, name);
    round->labels[round->label_count] = (struct tool_label){.name = copy};
    return (uint32_t)round->label_count++;
}

/* What to call the mapping that LINE ends with: the last part of a path. */
static const char *name_of(char *line)
{
    char *at = line;
    line[strcspn(line, "\n")] = '\0';
    for (int field = 0; field < 5; field++) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    const char *slash = strrchr(at, '/');
    if (*at == '/' && slash)
        return slash + 1;
    return *at ? at : "anonymous";
}

static void read_mappings(struct tool_round *round, pid_t pid,
                          struct mappings *out)
{
    char path[64];
    char *line = NULL;
    size_t size = 0;
    size_t room = 0;
    *out = (struct mappings){0};
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (getline(&line, &size, file) > 0) {
        char *rest;
        uint64_t start = strtoull(line, &rest, 16);
        if (*rest != '-')
            continue;
        uint64_t end = strtoull(rest + 1, NULL, 16);
        if (out->count == room) {
            room = room ? room * 2 : 128;
            out->list = tool_allocate(out->list, room, sizeof *out->list);
        }
        out->list[out->count++] =
            (struct mapping){start, end, find_label(round, name_of(line))};
    }
    free(line);
    fclose(file);
}

static uint32_t label_at(struct tool_round *round, struct mappings *mappings,
                         uint64_t address)
{
    while (mappings->recent < mappings->count &&
           mappings->list[mappings->recent].end <= address)
        mappings->recent++;
    if (mappings->recent < mappings->count &&
        mappings->list[mappings->recent].start <= address)
        return mappings->list[mappings->recent].label;
    return find_label(round, "anonymous");
}

/* A number for the frame of a page.  Where frames are not told, what is mapped
 * once is a frame of its own; of what is mapped more often, equal contents at
 * equal addresses are taken for one frame, as fork leaves them. */
static uint64_t frame_of(struct tool_round *round, const MPAGEINFO *info)
{
    if (info->p_addr) {
        round->exact = true;
        return (uintptr_t)info->p_addr / round->page_size;
    }
    if (info->count > 1)
        return UINT64_C(1) << 63 |
               mix(info->hash ^ (uintptr_t)info->v_addr) >> 1;
    return UINT64_C(1) << 62 | round->page_count;
}

static void add_page(const struct tool *tool, struct tool_round *round,
                     uint32_t process, const MPAGEINFO *info, uint32_t label)
{
    uint64_t address = (uintptr_t)info->v_addr;
    if (round->page_count == round->page_room) {
        round->page_room += round->page_room / 4 + SCAN_BATCH;
        round->pages =
            tool_allocate(round->pages, round->page_room, sizeof *round->pages);
    }
    round->pages[round->page_count] = (struct tool_page){
        .key = mix(info->hash + round->processes[process].domain *
                                    UINT64_C(0x9e3779b97f4a7c15)) ^
               (tool->by_position ? mix(address) : 0),
        .frame = frame_of(round, info),
        .address = address,
        .process = process,
        .label = label,
    };
    round->page_count++;
    round->processes[process].pages++;
}

/* All pages of one process.  0, or -1 with errno. */
static int scan_process(const struct tool *tool, struct tool_round *round,
                        uint32_t index, MPAGEINFO *infos, uint64_t all)
{
    struct tool_process *process = &round->processes[index];
    struct mappings mappings;
    const void *next = NULL;
    int result = -1;
    read_mappings(round, process->pid, &mappings);
    do {
        ssize_t found = m_getpageinfos(process->pid, next, (void *)-1, infos,
                                       SCAN_BATCH, &next);
        if (found < 0 || m_hashpages(process->pid, infos, (size_t)found,
                                     (m_hash_function_1999 *)tool->hash) < 0)
            goto free_mappings;
        for (ssize_t i = 0; i < found; i++)
            if (infos[i].count != 0)
                add_page(
                    tool, round, index, &infos[i],
                    label_at(round, &mappings, (uintptr_t)infos[i].v_addr));
        tool_progress("hashing", round->page_count, all);
        if (tool->max_pages && round->page_count >= tool->max_pages)
            round->limited = true;
    } while (next && !tool_interrupted() && !round->limited);
    result = 0;
free_mappings:
    free(mappings.list);
    return result;
}

void tool_scan(const struct tool *tool, struct tool_round *round)
{
    MPAGEINFO *infos = tool_allocate(NULL, SCAN_BATCH, sizeof *infos);
    uint64_t all = 0;
    for (size_t i = 0; i < round->process_count; i++)
        all += round->processes[i].resident;
    for (size_t i = 0; i < round->process_count; i++) {
        struct tool_process *process = &round->processes[i];
        if (tool_interrupted() || round->limited)
            break;
        if (tool->merge)
            process->before = tool_share(process->pid);
        if (tool->merge && process->undumpable)
            process->error = EPERM;
        else if (scan_process(tool, round, (uint32_t)i, infos, all) < 0)
            process->error = errno;
        round->looked_at += process->error == 0;
        round->not_permitted += process->error == EPERM;
    }
    round->interrupted = tool_interrupted();
    free(infos);
}
