/* SPDX-License-Identifier: MIT */
/*
 * death.c -- how long the lock of a dead holder stays locked.
 *
 * From the call of mm_lock() if its holder was dead before, else from the
 * kill.  Half of the lockers have no list of robust mutexes, as on systems
 * without; the worse half counts.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum { READER = 1, WAITS = 2, TRIALS = 15, LIMIT_SECONDS = 20 };

static struct stage {
    _Atomic int held;
    _Atomic int entered;
    double start, end;
} * stage;

static bool forbid_robust_list(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_get_robust_list, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 38), /* ENOSYS */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void rest(long us)
{
    const struct timespec time = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&time, NULL);
}

_Noreturn static void hold(const struct peer *peer, void *pool,
                           mm_lock_mode mode, bool robust)
{
    alarm(LIMIT_SECONDS);
    if ((!robust && !forbid_robust_list()) || !peer->lock(pool, mode))
        _exit(1);
    atomic_store(&stage->held, 1);
    for (;;)
        pause();
}

_Noreturn static void enter(const struct peer *peer, void *pool, bool robust)
{
    alarm(LIMIT_SECONDS);
    if (!robust && !forbid_robust_list())
        _exit(1);
    /* What a thread does once only is no part of it. */
    void *other = peer->create(MIB, NULL);
    if (!other || !peer->lock(other, MM_LOCK_RW) || !peer->unlock(other))
        _exit(1);
    if (stage->start == 0)
        stage->start = bench_wall_ns();
    atomic_store(&stage->entered, 1);
    if (!peer->lock(pool, MM_LOCK_RW))
        _exit(1);
    stage->end = bench_wall_ns();
    peer->unlock(pool);
    _exit(0);
}

/* One death: microseconds until somebody else is inside. */
static double die_once(const struct peer *peer, void *pool, long kind,
                       bool robust)
{
    mm_lock_mode mode = kind & READER ? MM_LOCK_RD : MM_LOCK_RW;
    int status = 1;
    *stage = (struct stage){.start = kind & WAITS ? -1 : 0};
    pid_t holder = fork();
    if (holder == 0)
        hold(peer, pool, mode, robust);
    while (!stage->held && waitpid(holder, &status, WNOHANG) == 0)
        rest(100);
    if (!stage->held)
        bench_give_up("cannot lock");
    if (!(kind & WAITS)) {
        kill(holder, SIGKILL);
        waitpid(holder, &status, 0);
    }
    pid_t locker = fork();
    if (locker == 0)
        enter(peer, pool, robust);
    if (kind & WAITS) {
        while (!stage->entered)
            rest(100);
        rest(3000 + rand() % 2000);
        stage->start = bench_wall_ns();
        kill(holder, SIGKILL);
        waitpid(holder, &status, 0);
    }
    if (waitpid(locker, &status, 0) != locker || status != 0)
        bench_give_up("nobody gets in");
    return (stage->end - stage->start) / 1e3;
}

static double run_deaths(const struct peer *peer, long kind)
{
    double worst = 0, most = 0;
    void *pool = bench_pool(peer, MIB);
    stage = mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stage == MAP_FAILED)
        bench_give_up("no shared memory");
    for (int robust = 0; robust < 2; robust++) {
        double us[TRIALS];
        int count = bench_smoke ? 1 : TRIALS;
        for (int i = 0; i < count; i++) {
            us[i] = die_once(peer, pool, kind, robust);
            most = us[i] > most ? us[i] : most;
        }
        double middle = bench_median(us, count);
        worst = middle > worst ? middle : worst;
    }
    bench_note("at most %.0f us", most);
    peer->destroy(pool);
    return worst;
}

const struct row bench_death_rows[] = {
    {"died-rw", "us", 0, ONLY_LIBMM, true, run_deaths, 0},
    {"died-rd", "us", 0, ONLY_LIBMM, true, run_deaths, READER},
    {"dies-rw", "us", 0, ONLY_LIBMM, true, run_deaths, WAITS},
    {"dies-rd", "us", 0, ONLY_LIBMM, true, run_deaths, WAITS | READER},
    {0},
};
