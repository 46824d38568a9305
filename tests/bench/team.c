/* SPDX-License-Identifier: MIT */
/*
 * team.c -- throughput of processes that churn in one pool at the same time.
 *
 * By the clock, in many short windows, each worker on a CPU of its own.  A
 * window is shorter than a slice of the scheduler and follows a pause.  Other
 * work on the machine spoils whole windows: only those count in which the
 * workers got most of their CPUs, and there are more until these suffice.  How
 * much that was is noted beside the figure, and the cost of moving a cache line
 * from CPU to CPU, on which the throughput of anything that is shared depends.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "../workload.h"
#include "bench.h"

enum { LIVE = 5000, TABLE = 1 << 14, WORKERS = 2, HOPS = 4000 };
enum { WINDOWS = 200, WINDOWS_WANTED = 20, WORKER_SECONDS = 20 };

static const double window_ns = 2e6, pause_ns = 5e6, warm_ns = 3e5;

struct window {
    double operations, wall, cpu;
};

struct team {
    int count;
    _Atomic int ready, go;
    _Atomic int ball; /* for the hop */
    double hop_ns;
    double start;
    struct window windows[WORKERS][WINDOWS];
};

struct worker {
    const struct peer *peer;
    void *pool;
    void *live[LIVE];
    uint16_t sizes[TABLE], victims[TABLE];
    unsigned at;
};

static int window_count(void)
{
    return bench_smoke ? 2 : WINDOWS;
}

/* CPU number WHICH of those allowed; -1 if there are fewer. */
static int pick_cpu(int which)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && which-- == 0)
            return cpu;
    return -1;
}

static void pin_to(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* If we may: the windows are short, and other work has the pauses. */
static void ask_for_priority(void)
{
    const struct sched_param lowest = {.sched_priority = 1};
    sched_setscheduler(0, SCHED_FIFO, &lowest);
}

static inline __attribute__((always_inline)) void churn(struct worker *self,
                                                        bool pooled, int count)
{
    const struct peer *peer = self->peer;
    for (; count > 0; count--, self->at = (self->at + 1) % TABLE) {
        void **slot = &self->live[self->victims[self->at]];
        size_t size = self->sizes[self->at];
        if (pooled) {
            peer->pool_free(self->pool, *slot);
            *slot = peer->pool_alloc(self->pool, size);
        } else {
            peer->heap_free(*slot);
            *slot = peer->heap_alloc(size);
        }
        if (!*slot)
            _exit(1);
        *(volatile char *)*slot = 1;
    }
}

static void churn_some(struct worker *self, int count)
{
    if (self->peer->pooled)
        churn(self, true, count);
    else
        churn(self, false, count);
}

static struct worker *start_worker(const struct peer *peer, void *pool,
                                   int number)
{
    static struct worker self;
    struct dice dice = {(uint64_t)number + 21};
    self.peer = peer;
    self.pool = pool;
    for (size_t i = 0; i < LIVE; i++) {
        size_t size = dice_size(&dice, SIZES_TO_2048);
        self.live[i] = peer->pooled ? peer->pool_alloc(pool, size)
                                    : peer->heap_alloc(size);
    }
    for (size_t i = 0; i < TABLE; i++) {
        self.sizes[i] = (uint16_t)dice_size(&dice, SIZES_TO_2048);
        self.victims[i] = (uint16_t)dice_below(&dice, LIVE);
    }
    churn_some(&self, bench_smoke ? 10 : 2 * LIVE);
    return &self;
}

/* Throw the ball to the other worker and wait for it; gives up when nobody
 * catches. */
static void play_ball(struct team *team, int number)
{
    double start = bench_wall_ns();
    for (int turn = 0; turn < HOPS; turn++) {
        int wanted = 2 * turn + number;
        for (long spins = 0; atomic_load(&team->ball) != wanted; spins++)
            if (spins > 10000000)
                return;
        atomic_store(&team->ball, wanted + 1);
    }
    if (number == 0)
        team->hop_ns = (bench_wall_ns() - start) / (2 * HOPS);
}

/* What the worse served worker got of its CPU in window I. */
static double share_of(const struct team *team, int i)
{
    double share = 1;
    for (int n = 0; n < team->count; n++) {
        const struct window *window = &team->windows[n][i];
        double length = window->wall > window_ns ? window->wall : window_ns;
        if (window->cpu / length < share)
            share = window->cpu / length;
    }
    return share;
}

/* Whether the windows before I suffice.  Workers may disagree about the last
 * one; nobody then had both CPUs in it. */
static bool is_enough(const struct team *team, int i)
{
    int good = 0;
    if (i == window_count())
        return true;
    while (i-- > 0)
        if (share_of(team, i) > 0.98)
            good++;
    return good >= WINDOWS_WANTED;
}

static void run_windows(struct team *team, struct worker *self, int number)
{
    for (int i = 0; !is_enough(team, i); i++) {
        struct window *window = &team->windows[number][i];
        double begin = team->start + i * (window_ns + pause_ns);
        double left = begin - bench_wall_ns() - warm_ns;
        if (left > 0) {
            struct timespec rest = {0, (long)left};
            nanosleep(&rest, NULL);
        }
        while (bench_wall_ns() < begin)
            churn_some(self, 8);
        double cpu = bench_cpu_ns(), wall = bench_wall_ns(), now;
        double operations = 0;
        do {
            churn_some(self, 64);
            operations += 64;
            now = bench_wall_ns();
        } while (now < begin + window_ns);
        *window = (struct window){operations, now - wall, bench_cpu_ns() - cpu};
    }
}

static void work(struct team *team, const struct peer *peer, void *pool,
                 int number)
{
    const struct timespec moment = {0, 100000};
    struct worker *self = start_worker(peer, pool, number);
    ask_for_priority();
    atomic_fetch_add(&team->ready, 1);
    while (!atomic_load(&team->go))
        nanosleep(&moment, NULL);
    if (team->count == WORKERS)
        play_ball(team, number);
    run_windows(team, self, number);
    _exit(0);
}

/* A window as the sum of its workers. */
struct sum {
    double rate;  /* million operations per second */
    double share; /* of its CPU, what the worse served worker got */
};

static int compare_shares(const void *a, const void *b)
{
    double x = ((const struct sum *)a)->share;
    double y = ((const struct sum *)b)->share;
    return (x < y) - (x > y);
}

/* Median rate of the windows that were disturbed least; SHARE is what that
 * means. */
static double judge(const struct team *team, double *share)
{
    struct sum sums[WINDOWS];
    double rates[WINDOWS];
    int count = window_count();
    for (int i = 0; i < count; i++) {
        sums[i] = (struct sum){0, share_of(team, i)};
        for (int n = 0; n < team->count; n++) {
            const struct window *window = &team->windows[n][i];
            if (window->wall > 0)
                sums[i].rate += window->operations / window->wall * 1e3;
        }
    }
    qsort(sums, (size_t)count, sizeof *sums, compare_shares);
    if (count > WINDOWS_WANTED)
        count = WINDOWS_WANTED;
    for (int i = 0; i < count; i++)
        rates[i] = sums[i].rate;
    *share = sums[count - 1].share;
    return bench_median(rates, count);
}

static double run_team(const struct peer *peer, long count)
{
    if (pick_cpu(WORKERS - 1) < 0)
        bench_give_up("needs two CPUs");
    void *pool = bench_pool(peer, 48 * MIB);
    struct team *team = mmap(NULL, sizeof *team, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (team == MAP_FAILED)
        bench_give_up("no shared memory");
    team->count = (int)count;
    pid_t pids[WORKERS];
    for (int i = 0; i < count; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            alarm(WORKER_SECONDS);
            pin_to(pick_cpu((i + bench_round) % WORKERS));
            work(team, peer, pool, i);
        }
    }
    while (atomic_load(&team->ready) < count)
        sched_yield();
    team->start = bench_wall_ns() + 5e6;
    atomic_store(&team->go, 1);
    int bad = 0, status;
    for (int i = 0; i < count; i++)
        if (waitpid(pids[i], &status, 0) != pids[i] || status != 0)
            bad++;
    if (peer->pooled)
        peer->destroy(pool);
    if (bad)
        bench_give_up("a worker failed");
    double share, rate = judge(team, &share);
    if (count == WORKERS)
        bench_note("hop between the CPUs %.0f ns, each worker had at least "
                   "%.0f %% of its CPU",
                   team->hop_ns, 100 * share);
    return rate;
}

const struct row bench_team_rows[] = {
    {"mpchurn-1", "Mops/s", 2, ALL_PEERS, true, run_team, 1},
    {"mpchurn-2", "Mops/s", 2, ALL_PEERS, true, run_team, 2},
    {0},
};
