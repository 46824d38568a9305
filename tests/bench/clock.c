/* SPDX-License-Identifier: MIT */
/*
 * clock.c -- time, in many short slices, and the middle of what they took.
 */
#include <stdlib.h>
#include <time.h>

#include "bench.h"

enum { SLICES = 40 };

static double clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

double bench_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_wall_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return count % 2 ? values[count / 2]
                     : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double bench_time(void (*slice)(void *job, long count), void *job)
{
    double ns[SLICES], wanted = bench_smoke ? 1e3 : 1e6;
    int slices = bench_smoke ? 2 : SLICES;
    long count = 1;
    for (;;) {
        double start = bench_cpu_ns();
        slice(job, count);
        double took = bench_cpu_ns() - start;
        if (took >= wanted / 2)
            break;
        count *= 2;
    }
    for (int i = 0; i < slices; i++) {
        double start = bench_cpu_ns();
        slice(job, count);
        ns[i] = (bench_cpu_ns() - start) / (double)count;
    }
    return bench_median(ns, slices);
}
