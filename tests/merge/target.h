/* SPDX-License-Identifier: MIT */
/*
 * target.h -- a process whose pages are known, to be looked at from outside.
 *
 * The child builds its memory after the fork, tells where it is, and waits for
 * its end.  Only it is ever killed.
 */
#ifndef TESTS_MERGE_TARGET_H
#define TESTS_MERGE_TARGET_H

#include <stdint.h>
#include <sys/mman.h>

#include "../children.h"

struct target {
    pid_t pid;
    char *base;
    int line; /* closed when the child may go */
};

/* Anonymous private memory of COUNT pages that stay small pages. */
__attribute__((unused)) static char *map_pages(size_t count)
{
    size_t size = count * (size_t)sysconf(_SC_PAGESIZE);
    char *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    madvise(base, size, MADV_NOHUGEPAGE);
    return base;
}

/* Start a child whose memory is what BUILD returns.  It waits until the line
 * is closed. */
__attribute__((unused)) static struct target start_target(char *(*build)(void))
{
    int told[2];
    int line[2];
    struct target target;
    if (pipe(told) < 0 || pipe(line) < 0)
        bail("pipe: %s", strerror(errno));
    fflush(stdout);
    target.pid = fork();
    if (target.pid < 0)
        bail("fork: %s", strerror(errno));
    if (target.pid == 0) {
        char byte;
        alarm(CHILD_SECONDS);
        close(line[1]);
        char *base = build();
        if (write(told[1], &base, sizeof base) != sizeof base)
            _exit(1);
        if (read(line[0], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    close(told[1]);
    close(line[0]);
    target.line = line[1];
    if (read(told[0], &target.base, sizeof target.base) != sizeof target.base)
        bail("the target did not start");
    close(told[0]);
    return target;
}

__attribute__((unused)) static void end_target(struct target *target)
{
    close(target->line);
    kill(target->pid, SIGKILL);
    end_child(target->pid);
}

/* The sum of the lines of FIELD, kilobytes, of the mapping of PID that begins
 * at BASE; -1 if it cannot be read. */
__attribute__((unused)) static long smaps_of(pid_t pid, const char *base,
                                             const char *field)
{
    char path[64];
    char line[512];
    unsigned long long start, end;
    long value;
    long sum = -1;
    bool inside = false;
    snprintf(path, sizeof path, "/proc/%ld/smaps", (long)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%llx-%llx", &start, &end) == 2)
            inside = start <= (uintptr_t)base && (uintptr_t)base < end;
        else if (inside && strncmp(line, field, strlen(field)) == 0 &&
                 sscanf(line + strlen(field), ": %ld", &value) == 1)
            sum = value;
    }
    fclose(file);
    return sum;
}

#endif
