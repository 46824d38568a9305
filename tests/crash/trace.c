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

enum {
    BACK_MAX = 400,
    LOOP_MAX = 16,
    LOOK_STEPS = 16,
    VISIT_COST = 3,
    ANCHOR_MAX = 20000,
    STEP_MAX = 400000,
    NO_TRACE = 77
};

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

/* Is it at its mark? */
static bool wait_for_mark(pid_t pid)
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
    if (WIFEXITED(status) || WIFSIGNALED(status))
        bail("the victim did not get to its mark: status %#x",
             (unsigned)status);
    return WSTOPSIG(status) == SIGSTOP;
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
        alarm(2 * options.patience);
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
    if (wait_for_mark(pid))
        return pid;
    end_victim(pid);
    return 0;
}

static bool step(pid_t pid)
{
    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0)
        bail("ptrace: %s", strerror(errno));
    return stops_with(pid, SIGTRAP);
}

/* Addresses that were visited: how often, and when last. */
struct seen {
    uintptr_t pc;
    uint32_t count;
    uint32_t last;
};
enum { SEEN_MAX = 1 << 16 };
static struct seen seen[SEEN_MAX];

static struct seen *find_seen(uintptr_t pc)
{
    size_t at = (pc * 0x9e3779b97f4a7c15u >> 20) % SEEN_MAX;
    while (seen[at].pc != 0 && seen[at].pc != pc)
        at = (at + 1) % SEEN_MAX;
    seen[at].pc = pc;
    return &seen[at];
}

static void *grow(void *array, size_t size)
{
    void *more = realloc(array, size);
    if (!more)
        bail("no memory");
    return more;
}

static void add_step(struct path *path, uintptr_t pc)
{
    if (path->count == path->room) {
        size_t room = path->room ? 2 * path->room : 4096;
        path->pc = grow(path->pc, room * sizeof *path->pc);
        path->visits = grow(path->visits, room * sizeof *path->visits);
        path->last = grow(path->last, room * sizeof *path->last);
        path->news = grow(path->news, room * sizeof *path->news);
        path->room = room;
    }
    struct seen *at = find_seen(pc);
    path->pc[path->count] = pc;
    path->visits[path->count] = at->count++;
    path->last[path->count] = at->last;
    path->news[path->count] = true;
    at->last = (uint32_t)path->count++;
}

/* In long loops only instructions that changed the segment are worth dying
 * after; deaths at the others are the same death.  Looking at all of it takes a
 * while, so it is done for LOOK_STEPS instructions at a time. */
static void tell_news(struct path *path, struct image *shadow, size_t *since)
{
    size_t count = path->count;
    bool loops = path->visits[count - 1] >= LOOP_MAX;
    if (loops && *since == SIZE_MAX) {
        image_save(shadow);
        *since = count;
    }
    if (*since == SIZE_MAX || (loops && count - *since < LOOK_STEPS))
        return;
    bool news = !image_is(shadow);
    for (size_t i = *since; i < count; i++)
        path->news[i] = news || path->visits[i] < LOOP_MAX;
    if (news && loops)
        image_save(shadow);
    *since = loops ? count : SIZE_MAX;
}

bool record_path(pid_t pid, struct path *path, struct image *shadow)
{
    size_t since = SIZE_MAX; /* SHADOW is as it was there */
    path->count = 0;
    memset(seen, 0, sizeof seen);
    while (!report->ended && path->count < STEP_MAX) {
        add_step(path, get_pc(pid));
        if (shadow)
            tell_news(path, shadow, &since);
        if (!step(pid))
            return false;
    }
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

/* Visits to the address of step TO after step FROM, up to MOST. */
static size_t visits_between(const struct path *path, size_t from, size_t to,
                             size_t most)
{
    size_t count = 0;
    for (size_t at = to; count < most && path->visits[at] > 0; count++) {
        at = path->last[at];
        if (at < from)
            break;
    }
    return count;
}

/* The cheapest stop within BACK_MAX steps before step TO, for who comes from
 * FROM; its cost in *COST. */
static size_t find_stop(const struct path *path, size_t from, size_t to,
                        size_t *cost)
{
    size_t best = to;
    *cost = to - from;
    for (size_t back = 0; back <= BACK_MAX && from + back <= to; back++) {
        if (back >= *cost)
            break;
        size_t visits = visits_between(path, from, to - back,
                                       (*cost - back) / VISIT_COST + 1);
        if (VISIT_COST * visits + back < *cost) {
            *cost = VISIT_COST * visits + back;
            best = to - back;
        }
    }
    return *cost == to - from ? from : best;
}

/* Some step on the way to TO from where it is a short way. */
static size_t find_anchor(const struct path *path, size_t to)
{
    size_t best = 0;
    size_t least = SIZE_MAX;
    size_t rarest = to;
    for (size_t back = 0; back <= to && back <= ANCHOR_MAX; back++) {
        size_t at = to - back;
        if (path->visits[at] < path->visits[rarest])
            rarest = at;
        /* At each doubling of the distance, the rarest place so far. */
        if (back < BACK_MAX || (back & (back - 1)) != 0 || rarest == to)
            continue;
        size_t rest;
        size_t there;
        find_stop(path, rarest, to, &rest);
        find_stop(path, 0, rarest, &there);
        if (there + rest < least) {
            least = there + rest;
            best = rarest;
        }
    }
    size_t direct;
    find_stop(path, 0, to, &direct);
    return direct <= least ? 0 : best;
}

/* From step FROM to step TO with one breakpoint, and single steps. */
static enum arrival run_part(pid_t pid, const struct path *path, size_t from,
                             size_t to)
{
    size_t cost;
    size_t stop = find_stop(path, from, to, &cost);
    if (stop > from) {
        uint32_t visits = (uint32_t)visits_between(path, from, stop, SIZE_MAX);
        enum arrival arrival = run_to_visit(pid, path->pc[stop], visits);
        if (arrival != ARRIVED)
            return arrival;
    }
    for (size_t i = stop; i < to; i++) {
        if (get_pc(pid) != path->pc[i] || !step(pid))
            return LOST_WAY;
        if (report->ended)
            return ENDED;
    }
    return get_pc(pid) == path->pc[to] ? ARRIVED : LOST_WAY;
}

enum arrival run_to(pid_t pid, const struct path *path, size_t step_number)
{
    size_t anchor = find_anchor(path, step_number);
    enum arrival arrival =
        anchor > 0 ? run_part(pid, path, 0, anchor) : ARRIVED;
    if (arrival != ARRIVED)
        return arrival;
    return run_part(pid, path, anchor, step_number);
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
