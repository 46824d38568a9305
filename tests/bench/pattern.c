/* SPDX-License-Identifier: MIT */
/*
 * pattern.c -- reference pages against memory that is filled with the pattern:
 * what 1 GiB of them costs to set up and to read, and what the first write to a
 * page costs.
 *
 * The other side is anonymous memory of small pages: a huge one would be filled
 * at once, whatever of it is used.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

static const unsigned char byte = 0xAA;

static size_t gigabyte(void)
{
    return bench_smoke ? (size_t)16 * MIB : (size_t)1024 * MIB;
}

static char *map_reference(size_t length)
{
    struct mm_refpage *ref = mm_refpage_create(&byte, 1, 0);
    char *start = ref ? mm_refpage_map(ref, length) : NULL;
    if (!start)
        bench_give_up(mm_error());
    return start;
}

static char *map_anonymous(size_t length)
{
    char *start = mmap(NULL, length, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        bench_give_up("no memory");
    madvise(start, length, MADV_NOHUGEPAGE);
    return start;
}

static void read_all(const volatile char *start, size_t length)
{
    for (size_t at = 0; at < length; at += 64)
        (void)start[at];
}

/* CPU milliseconds until 1 GiB can be used. */
static double run_setup(const struct peer *peer, long parameter)
{
    size_t length = gigabyte();
    (void)parameter;
    double start = bench_cpu_ns();
    if (peer->pooled)
        map_reference(length);
    else
        memset(map_anonymous(length), byte, length);
    return (bench_cpu_ns() - start) / 1e6;
}

/* CPU microseconds for the first write to a page, after READ of all of them or
 * as they are: the median of many stretches. */
static double run_write(const struct peer *peer, long read)
{
    enum { STRETCHES = 31 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE), stretch = 2 * MIB;
    size_t length = STRETCHES * stretch;
    double us[STRETCHES];
    char *start = peer->pooled ? map_reference(length) : map_anonymous(length);
    if (read && peer->pooled)
        read_all(start, length);
    for (int i = 0; i < STRETCHES; i++) {
        char *from = start + (size_t)i * stretch;
        double before = bench_cpu_ns();
        for (size_t at = 0; at < stretch; at += page)
            if (peer->pooled)
                from[at] = 1;
            else
                memset(from + at, byte, page);
        us[i] = (bench_cpu_ns() - before) / 1e3 / (double)(stretch / page);
    }
    return bench_median(us, STRETCHES);
}

/* KiB in the line NAME of a file. */
static double kilobytes(const char *path, const char *name)
{
    FILE *file = fopen(path, "r");
    char line[200];
    double value = 0;
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            value = atof(line + strlen(name));
    if (file)
        fclose(file);
    return value;
}

/* What the process has to itself, and the tables that describe it. */
static double taken(void)
{
    double own = kilobytes("/proc/self/smaps_rollup", "Pss:");
    if (own == 0)
        bench_give_up("/proc does not tell");
    return own + kilobytes("/proc/self/status", "VmPTE:");
}

/* MiB after reading 1 GiB. */
static double run_memory(const struct peer *peer, long parameter)
{
    size_t length = gigabyte();
    (void)peer;
    (void)parameter;
    double before = taken();
    read_all(map_reference(length), length);
    return (taken() - before) / 1024;
}

enum { AGAINST_FILLED = ONLY_LIBMM | 1 << PEER_GLIBC };

const struct row bench_pattern_rows[] = {
    {"ref-setup", "ms", 2, AGAINST_FILLED, true, run_setup, 0},
    {"ref-write", "us", 2, AGAINST_FILLED, true, run_write, false},
    {"ref-write-r", "us", 2, AGAINST_FILLED, true, run_write, true},
    {"ref-memory", "MiB", 2, ONLY_LIBMM, false, run_memory, 0},
    {0},
};
