/* SPDX-License-Identifier: MIT */
/*
 * proc_maps.c -- the list of mappings, line by line.
 *
 * A process may have tens of thousands of mappings, and names of files may hold
 * anything but a line end: fields are taken in order, what does not look like
 * one ends the line.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "merge/proc_maps.h"

enum { MAPS_BUFFER = 64 * 1024 };

/* The hexadecimal number at *AT, which moves behind it. */
static uint64_t read_hex(const char **at)
{
    uint64_t value = 0;
    for (;; ++*at) {
        char c = **at;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return value;
    }
}

/* Move *AT over one field and the blanks behind it. */
static void skip_field(const char **at)
{
    *at += strcspn(*at, " ");
    *at += strspn(*at, " ");
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Device memory is not to be read for curiosity; /dev/zero and what lies in
 * /dev/shm is ordinary memory. */
static bool is_excluded(const char *name)
{
    return starts_with(name, "[vvar") || starts_with(name, "[vsyscall]") ||
           starts_with(name, "[vdso]") || starts_with(name, "/anon_hugepage") ||
           (starts_with(name, "/dev/") && !starts_with(name, "/dev/zero") &&
            !starts_with(name, "/dev/shm/"));
}

/* Whether LINE is a region that counts. */
static bool parse_line(const char *line, struct proc_region *region)
{
    const char *at = line;
    region->start = read_hex(&at);
    if (*at++ != '-')
        return false;
    region->end = read_hex(&at);
    at += strspn(at, " ");
    if (region->end <= region->start || strlen(at) < 4)
        return false;
    bool wanted = at[0] == 'r' && at[3] == 'p';
    for (int field = 0; field < 3; field++) /* access, offset, device */
        skip_field(&at);
    region->file = *at != '0';
    skip_field(&at); /* inode */
    return wanted && !is_excluded(at);
}

int mmi_proc_regions_add(struct proc_regions *out, size_t *room,
                         const struct proc_region *region)
{
    if (out->count == *room) {
        size_t larger = *room ? *room * 2 : 64;
        struct proc_region *list =
            realloc(out->list, larger * sizeof *out->list);
        if (!list)
            return -1;
        out->list = list;
        *room = larger;
    }
    out->list[out->count++] = *region;
    return 0;
}

/* Take the complete lines of TEXT, LENGTH bytes.  How many bytes they were. */
static ssize_t take_lines(char *text, size_t length, struct proc_regions *out,
                          size_t *room)
{
    struct proc_region region;
    char *line = text;
    char *line_end;
    while ((line_end = memchr(line, '\n', length - (size_t)(line - text)))) {
        *line_end = '\0';
        out->empty = false;
        if (parse_line(line, &region) &&
            mmi_proc_regions_add(out, room, &region) < 0)
            return -1;
        line = line_end + 1;
    }
    return line - text;
}

int mmi_proc_regions(int fd, struct proc_regions *out)
{
    size_t room = 0;
    size_t have = 0;
    char *buffer = malloc(MAPS_BUFFER);
    *out = (struct proc_regions){.empty = true};
    if (!buffer)
        return -1;
    for (;;) {
        ssize_t got = read(fd, buffer + have, MAPS_BUFFER - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            goto free_list;
        if (got == 0)
            break;
        have += (size_t)got;
        ssize_t taken = take_lines(buffer, have, out, &room);
        if (taken < 0)
            goto free_list;
        have -= (size_t)taken;
        memmove(buffer, buffer + taken, have);
    }
    free(buffer);
    return 0;

free_list:
    free(buffer);
    free(out->list);
    out->list = NULL;
    return -1;
}

const struct proc_region *mmi_proc_region(const struct proc_regions *regions,
                                          uint64_t address)
{
    size_t low = 0;
    size_t high = regions->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (regions->list[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low < regions->count ? &regions->list[low] : NULL;
}
