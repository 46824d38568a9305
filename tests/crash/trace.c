/* SPDX-License-Identifier: MIT */
/*
 * trace.c -- victims under control: a way is stepped through once, and then
 * run to any of its steps with one breakpoint.
 *
 * A breakpoint stops each time the process comes by, so the n-th visit to an
 * address costs 2n stops.  Therefore it stands at whichever of the last steps
 * is reached with the fewest stops, and the rest is stepped.  A repeated string
 * instruction counts once for each repetition, in both.
 */
#include "config.h"

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "../tap.h"
#include "crash.h"

enum { BACK_MAX = 400, STEP_MAX = 400000, NO_TRACE = 77 };

#if defined(__x86_64__)
/* int3 is one byte, and the process then stands behind it. */
static const long TRAP = 0xcc;
static const long TRAP_MASK = 0xff;
enum { TRAP_BEHIND = 1 };

static uintptr_t get_pc(pid_t pid)
{
    return (uintptr_t)ptrace(PTRACE_PEEKUSER, pid,
                             offsetof(struct user_regs_struct, rip), NULL);
}

static void set_pc(pid_t pid, uintptr_t pc)
{
    ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rip), pc);
}
#else
static const long TRAP = 0;
static const long TRAP_MASK = 0;
enum { TRAP_BEHIND = 0 };

static uintptr_t get_pc(pid_t pid)
{
    (void)pid;
    skip_all("breakpoints are written for x86-64 only");
}

static void set_pc(pid_t pid, uintptr_t pc)
{
    (void)pid;
    (void)pc;
}
#endif

/* Stop here: no call of the library, few instructions. */
static void stop_at_mark(void)
{
    kill(getpid(), SIGSTOP);
}

/* Does the victim stop with SIGNAL next? */
static bool stops_with(pid_t pid, int signal)
{
    int status;
    pid_t got;
    do
        got = waitpid(pid, &status, __WALL);
    while (got < 0 && errno == EINTR);
    if (got != pid)
        bail("waitpid: %s", strerror(errno));
    return WIFSTOPPED(status) && WSTOPSIG(status) == signal;
}

/* It is at its mark, or says why not. */
static void wait_for_mark(pid_t pid)
{
    int status;
    pid_t got;
    do
        got = waitpid(pid, &status, __WALL);
    while (got < 0 && errno == EINTR);
    if (got != pid)
        bail("waitpid: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_TRACE)
        skip_all("this system does not let a process trace its children");
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
        bail("the victim did not get to its mark: status %#x",
             (unsigned)status);
}

pid_t start_victim(void (*warm_up)(struct stage *),
                   void (*operate)(struct stage *), bool helped)
{
    report->ended = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        bail("fork: %s", strerror(errno));
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(2 * PATIENCE);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(NO_TRACE);
        if (warm_up)
            warm_up(&report->stage);
        if (helped)
            start_helper();
        stop_at_mark();
        operate(&report->stage);
        report->ended = 1;
        for (;;)
            stop_at_mark();
    }
    wait_for_mark(pid);
    return pid;
}

static bool step(pid_t pid)
{
    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0)
        bail("ptrace: %s", strerror(errno));
    return stops_with(pid, SIGTRAP);
}

static void add_step(struct path *path, uintptr_t pc)
{
    if (path->count == path->room) {
        path->room = path->room ? 2 * path->room : 4096;
        path->pc = realloc(path->pc, path->room * sizeof *path->pc);
        path->visits = realloc(path->visits, path->room * sizeof *path->visits);
        if (!path->pc || !path->visits)
            bail("no memory");
    }
    path->pc[path->count++] = pc;
}

/* How often each step's address was visited before: a small hash table. */
static void count_visits(struct path *path)
{
    size_t size = 1;
    while (size < 2 * path->count)
        size *= 2;
    struct seen {
        uintptr_t pc;
        uint32_t count;
    } *seen = calloc(size, sizeof *seen);
    if (!seen)
        bail("no memory");
    for (size_t i = 0; i < path->count; i++) {
        size_t at = (path->pc[i] * 0x9e3779b97f4a7c15u >> 20) & (size - 1);
        while (seen[at].pc != 0 && seen[at].pc != path->pc[i])
            at = (at + 1) & (size - 1);
        seen[at].pc = path->pc[i];
        path->visits[i] = seen[at].count++;
    }
    free(seen);
}

bool record_path(pid_t pid, struct path *path)
{
    path->count = 0;
    while (!report->ended && path->count < STEP_MAX) {
        add_step(path, get_pc(pid));
        if (!step(pid))
            return false;
    }
    count_visits(path);
    return report->ended;
}

/* Run to visit number VISIT (from 0) of ADDRESS. */
static enum arrival run_to_visit(pid_t pid, uintptr_t address, uint32_t visit)
{
    errno = 0;
    long word = ptrace(PTRACE_PEEKTEXT, pid, address, NULL);
    if (errno != 0)
        return LOST_WAY;
    long trap = (word & ~TRAP_MASK) | TRAP;
    for (uint32_t i = 0;; i++) {
        if (get_pc(pid) != address) {
            ptrace(PTRACE_POKETEXT, pid, address, trap);
            if (ptrace(PTRACE_CONT, pid, NULL, NULL) < 0)
                bail("ptrace: %s", strerror(errno));
            if (!stops_with(pid, SIGTRAP))
                return report->ended ? ENDED : HANGS;
            ptrace(PTRACE_POKETEXT, pid, address, word);
            if (get_pc(pid) != address + TRAP_BEHIND)
                return LOST_WAY;
            set_pc(pid, address);
        }
        if (i == visit)
            return ARRIVED;
        if (!step(pid))
            return LOST_WAY;
    }
}

enum arrival run_to(pid_t pid, const struct path *path, size_t step_number)
{
    size_t best = step_number;
    size_t least = SIZE_MAX;
    for (size_t back = 0; back <= BACK_MAX && back <= step_number; back++) {
        size_t cost = 2 * (size_t)path->visits[step_number - back] + back;
        if (cost < least) {
            least = cost;
            best = step_number - back;
        }
    }
    enum arrival arrival =
        run_to_visit(pid, path->pc[best], path->visits[best]);
    if (arrival != ARRIVED)
        return arrival;
    for (size_t i = best; i < step_number; i++) {
        if (get_pc(pid) != path->pc[i] || !step(pid))
            return LOST_WAY;
        if (report->ended)
            return ENDED;
    }
    return get_pc(pid) == path->pc[step_number] ? ARRIVED : LOST_WAY;
}

bool let_go(pid_t pid)
{
    if (ptrace(PTRACE_CONT, pid, NULL, NULL) < 0)
        bail("ptrace: %s", strerror(errno));
    return stops_with(pid, SIGSTOP) && report->ended;
}

void end_victim(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    pid_t got;
    do
        got = waitpid(pid, &status, __WALL);
    while ((got == pid && WIFSTOPPED(status)) || (got < 0 && errno == EINTR));
}

uintptr_t code_offset(uintptr_t pc)
{
    extern const char __executable_start[];
    return pc - (uintptr_t)__executable_start;
}
