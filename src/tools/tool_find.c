/* SPDX-License-Identifier: MIT */
/*
 * tool_find.c -- which processes to look at, and which of them belong together.
 *
 * Processes of different users, and of different control groups, are kept apart
 * unless the user wants otherwise: merging makes it visible that two pages are
 * equal, to whom that is none of the business.
 */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/tool.h"

void *tool_allocate(void *old, size_t count, size_t size)
{
    void *memory = NULL;
    if (count > 0 && count <= SIZE_MAX / size)
        memory = old ? realloc(old, count * size) : malloc(count * size);
    if (!memory) {
        fprintf(stderr, "not enough memory for %zu elements of %zu bytes\n",
                count, size);
        exit(TOOL_PARTLY);
    }
    return memory;
}

/* The file NAME of process PID into TEXT.  Its length, -1 with errno. */
static ssize_t read_file(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length = read(fd, text, size - 1);
    int saved = errno;
    close(fd);
    errno = saved;
    text[length < 0 ? 0 : length] = '\0';
    return length;
}

/* The number behind FIELD in the text of a status file. */
static uint64_t field_of(const char *text, const char *field)
{
    const char *at = strstr(text, field);
    return at ? strtoull(at + strlen(field), NULL, 10) : 0;
}

/* What PID belongs to: numbers of equal user and control group are equal. */
static uint32_t domain_of(const struct tool *tool, struct tool_round *round,
                          pid_t pid, uid_t uid)
{
    char text[4096];
    int length =
        snprintf(text, sizeof text, "%ld ", tool->all_users ? -1L : (long)uid);
    if (!tool->all_cgroups)
        read_file(pid, "cgroup", text + length, sizeof text - (size_t)length);
    for (size_t i = 0; i < round->domain_count; i++)
        if (strcmp(round->domains[i], text) == 0)
            return (uint32_t)i;
    round->domains = tool_allocate(round->domains, round->domain_count + 1,
                                   sizeof *round->domains);
    char *copy = tool_allocate(NULL, strlen(text) + 1, 1);
    strcpy(copy, text);
    round->domains[round->domain_count] = copy;
    return (uint32_t)round->domain_count++;
}

/* Fill PROCESS.  False if there is none, or it is a thread of the kernel. */
static bool describe(const struct tool *tool, struct tool_round *round,
                     pid_t pid, struct tool_process *process)
{
    char status[4096];
    char path[64];
    struct stat owner;
    *process = (struct tool_process){.pid = pid};
    if (read_file(pid, "status", status, sizeof status) <= 0 ||
        !strstr(status, "VmRSS:"))
        return false;
    if (sscanf(status, "Name: %31[^\n]", process->name) != 1)
        return false;
    /* real, effective: the second decides */
    const char *uids = strstr(status, "\nUid:");
    char *effective;
    if (!uids)
        return false;
    strtoul(uids + 5, &effective, 10);
    process->uid = (uid_t)strtoul(effective, NULL, 10);
    process->resident =
        field_of(status, "VmRSS:") * 1024 / (uint64_t)round->page_size;
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    process->undumpable =
        stat(path, &owner) == 0 && owner.st_uid != process->uid;
    process->domain = domain_of(tool, round, pid, process->uid);
    return true;
}

/* Whether the user asked for PROCESS; mergemem marks in GIVEN what was. */
static bool is_wanted(const struct tool *tool, struct tool_process *process,
                      const struct tool_round *round, bool *given)
{
    bool wanted = false;
    char id[24];
    if (tool->whole_machine) {
        return process->pid != getpid() &&
               (!tool->has_user || process->uid == tool->user) &&
               process->resident * round->page_size >= tool->min_resident &&
               (!tool->has_match ||
                regexec(&tool->match, process->name, 0, NULL, 0) == 0) &&
               (!tool->has_exclude ||
                regexec(&tool->exclude, process->name, 0, NULL, 0) != 0);
    }
    snprintf(id, sizeof id, "%ld", (long)process->pid);
    for (int i = 0; i < tool->wanted_count; i++) {
        bool by_id = isdigit((unsigned char)tool->wanted[i][0]);
        /* The kernel keeps 15 characters of a name. */
        if (by_id ? strcmp(id, tool->wanted[i]) == 0
                  : strncmp(process->name, tool->wanted[i], 15) == 0)
            wanted = given[i] = true;
    }
    return wanted && process->pid != getpid();
}

static int by_pid(const void *one, const void *other)
{
    const struct tool_process *a = one;
    const struct tool_process *b = other;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

void tool_find(const struct tool *tool, struct tool_round *round)
{
    size_t room = 0;
    struct tool_process process;
    const struct dirent *entry;
    bool *given = tool_allocate(NULL, (size_t)tool->wanted_count + 1, 1);
    memset(given, 0, (size_t)tool->wanted_count + 1);
    DIR *directory = opendir("/proc");
    while (directory && (entry = readdir(directory))) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || !describe(tool, round, pid, &process) ||
            !is_wanted(tool, &process, round, given))
            continue;
        if (round->process_count == room) {
            room = room ? room * 2 : 64;
            round->processes =
                tool_allocate(round->processes, room, sizeof process);
        }
        round->processes[round->process_count++] = process;
    }
    if (directory)
        closedir(directory);
    for (int i = 0; i < tool->wanted_count; i++)
        if (!given[i]) {
            fprintf(stderr, "%s: no process %s\n", tool->name, tool->wanted[i]);
            round->missing++;
        }
    free(given);
    if (round->process_count > 0)
        qsort(round->processes, round->process_count, sizeof process, by_pid);
}

uint64_t tool_share(pid_t pid)
{
    char text[4096];
    if (read_file(pid, "smaps_rollup", text, sizeof text) <= 0)
        return 0;
    return field_of(text, "\nPss:") * 1024;
}

void tool_free(struct tool_round *round)
{
    for (size_t i = 0; i < round->label_count; i++)
        free(round->labels[i].name);
    for (size_t i = 0; i < round->domain_count; i++)
        free(round->domains[i]);
    free(round->labels);
    free(round->domains);
    free(round->pairs);
    free(round->pages);
    free(round->processes);
}
