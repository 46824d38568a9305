/* SPDX-License-Identifier: MIT */
/*
 * bench.h -- rows, peers and bars of the benchmark.
 *
 * A row measures one thing for one peer and runs in a child of its own, so that
 * nobody inherits a used heap, and a peer that hangs or crashes costs its cell.
 * Rounds repeat all timed rows in turn; a bar compares two cells of the same
 * round and takes the median of these ratios, so that a machine that changes
 * its mind between rounds does not decide.
 */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <mm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One allocator.  Pools take the pool as the first argument, private heaps do
 * not: callers hold that apart at compile time, so that all pay one indirect
 * call. */
struct peer {
    const char *name;
    const char *absent; /* why it cannot run; NULL if it can */
    bool pooled;
    void *(*create)(size_t size, const char *file);
    void (*destroy)(void *pool);
    void *(*pool_alloc)(void *pool, size_t size);
    void (*pool_free)(void *pool, void *ptr);
    int (*lock)(void *pool, mm_lock_mode mode);
    int (*unlock)(void *pool);
    void *(*heap_alloc)(size_t size);
    void (*heap_free)(void *ptr);
};

enum { PEER_LIBMM, PEER_OSSP, PEER_MIMALLOC, PEER_GLIBC, PEER_COUNT };
enum {
    ONLY_LIBMM = 1 << PEER_LIBMM,
    ONLY_POOLS = ONLY_LIBMM | 1 << PEER_OSSP,
    ALL_PEERS = (1 << PEER_COUNT) - 1
};

extern struct peer bench_peers[PEER_COUNT];

/* Find the peers.  OSSP names the original libmm.so.14, or is NULL. */
void bench_find_peers(const char *ossp);

struct row {
    const char *name;
    const char *unit;
    int digits;     /* after the decimal point */
    unsigned peers; /* who can run it */
    bool timed;     /* differs from round to round */
    double (*run)(const struct peer *peer, long parameter);
    long parameter;
};

extern const struct row bench_speed_rows[], bench_team_rows[],
    bench_death_rows[], bench_space_rows[], bench_trace_rows[],
    bench_pattern_rows[]; /* each ends with a NULL name */

/* A tiny run that only shows that everything runs. */
extern bool bench_smoke;

/* The program that measures the heap without hidden slack, or NULL. */
extern const char *bench_bare;

/* Number of this round. */
extern int bench_round;

enum { MIB = 1 << 20 };

/* A pool of SIZE bytes, NULL for a private heap; ends the cell if there is
 * none. */
void *bench_pool(const struct peer *peer, size_t size);

/* End this cell: it has no value, for this reason. */
_Noreturn void bench_give_up(const char *why);

/* A remark shown under the table. */
__attribute__((format(printf, 1, 2))) void bench_note(const char *format, ...);

/* Nanoseconds of CPU time of this process, and on the clock. */
double bench_cpu_ns(void);
double bench_wall_ns(void);

/* Run SLICE(JOB, COUNT) many times for about a millisecond each: the median of
 * CPU nanoseconds per count. */
double bench_time(void (*slice)(void *job, long count), void *job);

/* Middle one of COUNT values, which are sorted by this. */
double bench_median(double *values, int count);

#endif
