/* SPDX-License-Identifier: MIT */
/*
 * leaks.h -- count what this process has open, mapped, and left lying about.
 *
 * Other processes on the machine do as they please meanwhile: nothing here
 * looks at more than this process or a directory of its own.
 */
#ifndef TESTS_LEAKS_H
#define TESTS_LEAKS_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tap.h"

/* Entries of DIRECTORY, without "." and "..". */
__attribute__((unused)) static int count_names(const char *directory)
{
    DIR *stream = opendir(directory);
    if (!stream)
        bail("%s: %s", directory, strerror(errno));
    int count = 0;
    while (readdir(stream))
        count++;
    closedir(stream);
    return count - 2;
}

__attribute__((unused)) static int count_descriptors(void)
{
    return count_names("/proc/self/fd") - 1; /* of count_names() itself */
}

/* The line of /proc/self/maps that begins at ADDRESS, "" if none; with NULL
 * the number of shared mappings in *COUNT. */
__attribute__((unused)) static void read_maps(const void *address, char *line,
                                              size_t size, int *count)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char one[5000];
    if (!maps)
        bail("/proc/self/maps: %s", strerror(errno));
    if (size > 0)
        *line = '\0';
    while (fgets(one, sizeof one, maps)) {
        unsigned long long start;
        char rights[5];
        if (sscanf(one, "%llx-%*x %4s", &start, rights) != 2)
            continue;
        if (count && rights[3] == 's')
            ++*count;
        if (size > 0 && start == (unsigned long long)(size_t)address)
            snprintf(line, size, "%.400s", one);
    }
    fclose(maps);
}

__attribute__((unused)) static int count_shared_maps(void)
{
    int count = 0;
    read_maps(NULL, NULL, 0, &count);
    return count;
}

/* System V segments that this process made, attached or not. */
__attribute__((unused)) static int count_sysv(void)
{
    FILE *list = fopen("/proc/sysvipc/shm", "re");
    char line[500];
    int count = 0;
    while (list && fgets(line, sizeof line, list)) {
        int creator;
        if (sscanf(line, "%*d %*d %*o %*u %d", &creator) == 1)
            count += creator == getpid();
    }
    if (list)
        fclose(list);
    return count;
}

/* A directory for this test alone, to be removed with remove_directory(). */
__attribute__((unused)) static void make_directory(char *path, size_t size)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(path, size, "%s/mm-test-XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(path))
        bail("%s: %s", path, strerror(errno));
}

struct footprint {
    int descriptors;
    int maps;
    int sysv;
    int names;
};

/* What there is now, with the names in DIRECTORY. */
__attribute__((unused)) static struct footprint
take_footprint(const char *directory)
{
    return (struct footprint){count_descriptors(), count_shared_maps(),
                              count_sysv(), count_names(directory)};
}

__attribute__((unused)) static bool same_footprint(struct footprint before,
                                                   const char *directory)
{
    struct footprint now = take_footprint(directory);
    bool same = memcmp(&now, &before, sizeof now) == 0;
    if (!same)
        diag("descriptors %d to %d, shared mappings %d to %d, System V %d to "
             "%d, names %d to %d",
             before.descriptors, now.descriptors, before.maps, now.maps,
             before.sysv, now.sysv, before.names, now.names);
    return same;
}

#endif
