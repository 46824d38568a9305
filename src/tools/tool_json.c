/* SPDX-License-Identifier: MIT */
/*
 * tool_json.c -- the result as one JSON object on one line, sizes in bytes.
 */
#include "config.h"

#include "tools/tool.h"

/* Names may hold any bytes; what is not ASCII is told as if it were Latin-1. */
static void put_string(const char *text)
{
    putchar('"');
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (*at == '"' || *at == '\\')
            printf("\\%c", *at);
        else if (*at < ' ' || *at > '~')
            printf("\\u%04x", *at);
        else
            putchar(*at);
    putchar('"');
}

static void put_number(const char *name, uint64_t value)
{
    printf("\"%s\":%llu,", name, (unsigned long long)value);
}

static void put_processes(const struct tool_round *round)
{
    const char *separator = "";
    printf("\"processes\":[");
    for (size_t i = 0; i < round->process_count; i++) {
        const struct tool_process *process = &round->processes[i];
        printf("%s{\"pid\":%ld,\"uid\":%lu,\"domain\":%lu,\"name\":", separator,
               (long)process->pid, (unsigned long)process->uid,
               (unsigned long)process->domain);
        put_string(process->name);
        printf(",");
        put_number("pages", process->pages * round->page_size);
        put_number("equal", process->equal * round->page_size);
        printf("\"errno\":%d}", process->error);
        separator = ",";
    }
    printf("],");
}

static void put_pairs(const struct tool_round *round)
{
    printf("\"pairs\":[");
    for (size_t i = 0; i < round->pair_count; i++) {
        const struct tool_pair *pair = &round->pairs[i];
        uint64_t equal = pair->pages * round->page_size;
        printf("%s{\"pids\":[%ld,%ld],\"equal\":%llu}", i ? "," : "",
               (long)round->processes[pair->one].pid,
               (long)round->processes[pair->other].pid,
               (unsigned long long)equal);
    }
    printf("],");
}

static void put_labels(const struct tool_round *round)
{
    const char *separator = "";
    printf("\"mappings\":[");
    for (size_t i = 0; i < round->label_count; i++) {
        const struct tool_label *label = &round->labels[i];
        uint64_t saveable = label->saveable * round->page_size;
        if (label->frames == 0)
            continue;
        printf("%s{\"name\":", separator);
        put_string(label->name);
        printf(",");
        put_number("frames", label->frames * round->page_size);
        printf("\"saveable\":%llu}", (unsigned long long)saveable);
        separator = ",";
    }
    printf("],");
}

static void put_merging(const struct tool_round *round)
{
    const char *separator = "";
    printf("\"merge\":{\"backend\":");
    put_string(m_backend());
    printf(",");
    put_number("tried", round->tried);
    put_number("merged", round->merged);
    put_number("before", round->before);
    put_number("after", round->after);
    printf("\"errno\":%d,\"refused\":[", round->merge_error);
    for (int i = 0; i < TOOL_STATUSES; i++)
        if (round->statuses[i] > 0) {
            printf("%s{\"errno\":%d,\"pairs\":%llu}", separator, i,
                   (unsigned long long)round->statuses[i]);
            separator = ",";
        }
    printf("]},");
}

static const char *yes_or_no(bool value)
{
    return value ? "true" : "false";
}

void tool_report_json(const struct tool *tool, const struct tool_round *round)
{
    printf("{\"tool\":\"%s\",\"version\":\"%s\",", tool->name, PACKAGE_VERSION);
    put_number("page_size", round->page_size);
    put_number("looked_at", round->looked_at);
    put_number("not_permitted", round->not_permitted);
    put_number("scanned", round->page_count * round->page_size);
    put_number("frames", round->frames * round->page_size);
    put_number("contents", round->contents * round->page_size);
    put_number("saveable", round->saveable * round->page_size);
    put_processes(round);
    put_pairs(round);
    put_labels(round);
    if (tool->merge)
        put_merging(round);
    printf("\"exact\":%s,\"interrupted\":%s,\"limited\":%s,\"seconds\":%.3f}\n",
           yes_or_no(round->exact), yes_or_no(round->interrupted),
           yes_or_no(round->limited), round->seconds);
    fflush(stdout);
}
