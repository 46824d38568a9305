/* SPDX-License-Identifier: MIT */
/*
 * trace.c -- system calls per uncontended operation.
 *
 * A child runs the operation under ptrace, once with no and once with many
 * turns; the difference is the operations'.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { OF_MALLOC, OF_LOCK };

static void work(const struct peer *peer, long kind, long turns)
{
    void *pool = bench_pool(peer, MIB);
    for (long i = -1000; i < turns; i++) {
        if (i == 0)
            raise(SIGSTOP);
        if (kind == OF_LOCK) {
            mm_lock_mode mode = i % 2 ? MM_LOCK_RD : MM_LOCK_RW;
            peer->lock(pool, mode);
            peer->unlock(pool);
        } else if (peer->pooled) {
            peer->pool_free(pool, peer->pool_alloc(pool, 64));
        } else {
            peer->heap_free(peer->heap_alloc(64));
        }
    }
    if (peer->pooled)
        peer->destroy(pool);
    _exit(0);
}

/* Stops of a traced child at system calls after its second SIGSTOP. */
static long count_stops(pid_t pid)
{
    enum { SYSTEM_CALL = SIGTRAP | 0x80 };
    long stops = 0;
    bool counting = false;
    int status;
    while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        int signal_number = WSTOPSIG(status);
        if (signal_number == SYSTEM_CALL)
            stops++;
        else if (signal_number == SIGSTOP && !counting)
            counting = true;
        if (ptrace(counting ? PTRACE_SYSCALL : PTRACE_CONT, pid, NULL, NULL) !=
            0)
            break;
    }
    return stops;
}

static long trace_turns(const struct peer *peer, long kind, long turns)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(SIGTRAP);
        work(peer, kind, turns);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        bench_give_up("ptrace() is not permitted");
    ptrace(PTRACE_SETOPTIONS, pid, NULL,
           (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    if (ptrace(PTRACE_CONT, pid, NULL, NULL) != 0)
        bench_give_up(strerror(errno));
    return count_stops(pid);
}

static double run_calls(const struct peer *peer, long kind)
{
    long turns = peer == &bench_peers[PEER_OSSP] || bench_smoke ? 100 : 100000;
    long idle = trace_turns(peer, kind, 1);
    long busy = trace_turns(peer, kind, 1 + turns);
    return (double)(busy - idle) / 2 / (double)turns;
}

const struct row bench_trace_rows[] = {
    {"calls-malloc", "calls", 5, ALL_PEERS, false, run_calls, OF_MALLOC},
    {"calls-lock", "calls", 5, ONLY_POOLS, false, run_calls, OF_LOCK},
    {0},
};
