/* SPDX-License-Identifier: MIT */
/*
 * trace.h -- let one system call of another process fail.
 *
 * The tracee says with mark() where the calls that count begin and where they
 * end.  The tracer counts them; the one that is to fail is not made at all (or,
 * where the kernel would do its work whatever it returns, only its result is
 * replaced).  Threads that the tracee starts are traced, children are not.
 */
#ifndef TESTS_TRACE_H
#define TESTS_TRACE_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../children.h"

/* Calls that younger processors have no more. */
#ifndef SYS_stat
#define SYS_stat (-2)
#endif
#ifndef SYS_lstat
#define SYS_lstat (-3)
#endif
#ifndef SYS_unlink
#define SYS_unlink (-4)
#endif
#ifndef SYS_access
#define SYS_access (-5)
#endif
#ifndef SYS_readlink
#define SYS_readlink (-6)
#endif
#ifndef SYS_dup2
#define SYS_dup2 (-7)
#endif
#ifndef SYS_poll
#define SYS_poll (-8)
#endif
#ifndef SYS_alarm
#define SYS_alarm (-9)
#endif

struct system_call {
    pid_t thread; /* stopped at it: its memory can be read */
    long number;
    uint64_t arguments[6];
};

struct trace {
    int fail_at; /* which call between the marks fails; 0: none */
    int (*choose)(const struct system_call *call, int number, void *context);
    void *context; /* of choose(), which says what errno it fails with, 0
                      if this call is not to be counted */
    bool (*is_made)(const struct system_call *call); /* only the result fails */
    void (*hit)(const struct system_call *call, void *context);
    /* The outcome. */
    bool has_hit;
    struct system_call call; /* that failed */
    int error;
};

/* The tracee: from here on, or no longer. */
__attribute__((unused)) static void mark(void)
{
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGTRAP);
}

/* The tracee, before all: false if nobody may trace here. */
__attribute__((unused)) static bool be_traced(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0;
}

/* The only lines that depend on the processor: make no call; return VALUE. */
#if defined(__x86_64__)
enum { TRACE_WORKS = 1 };

__attribute__((unused)) static void cancel_call(pid_t tid)
{
    ptrace(PTRACE_POKEUSER, tid,
           (void *)offsetof(struct user_regs_struct, orig_rax), (void *)-1L);
}

__attribute__((unused)) static void set_result(pid_t tid, long value)
{
    ptrace(PTRACE_POKEUSER, tid, (void *)offsetof(struct user_regs_struct, rax),
           (void *)value);
}
#elif defined(__aarch64__)
enum { TRACE_WORKS = 1, NT_STATUS = 1, NT_CALL = 0x404 };

__attribute__((unused)) static void cancel_call(pid_t tid)
{
    int none = -1;
    struct iovec vector = {&none, sizeof none};
    ptrace(PTRACE_SETREGSET, tid, (void *)NT_CALL, &vector);
}

__attribute__((unused)) static void set_result(pid_t tid, long value)
{
    struct user_regs_struct registers;
    struct iovec vector = {&registers, sizeof registers};
    ptrace(PTRACE_GETREGSET, tid, (void *)NT_STATUS, &vector);
    registers.regs[0] = (unsigned long long)value;
    ptrace(PTRACE_SETREGSET, tid, (void *)NT_STATUS, &vector);
}
#else
enum { TRACE_WORKS = 0 };

__attribute__((unused)) static void cancel_call(pid_t tid)
{
    (void)tid;
}

__attribute__((unused)) static void set_result(pid_t tid, long value)
{
    (void)tid;
    (void)value;
}
#endif

/* The 16 bits at ADDRESS of the thread that makes CALL. */
__attribute__((unused)) static int16_t
peek_short(const struct system_call *call, uint64_t address)
{
    long word = ptrace(PTRACE_PEEKDATA, call->thread,
                       (void *)(uintptr_t)(address & ~UINT64_C(7)), NULL);
    int16_t values[4];
    memcpy(values, &word, sizeof values);
    return values[(address & 7) / 2];
}

/* Where the tracer is. */
struct tracer {
    struct trace *trace;
    pid_t active;   /* the thread between the marks, 0 if none is */
    int count;      /* calls so far */
    bool over;      /* no more to be counted */
    bool replacing; /* the result, at the end of the call */
};

static inline bool read_call(pid_t tid, struct system_call *call, bool *enters)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, (void *)sizeof info, &info) <= 0)
        return false;
    *enters = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (*enters) {
        call->thread = tid;
        call->number = (long)info.entry.nr;
        for (int i = 0; i < 6; i++)
            call->arguments[i] = info.entry.args[i];
    }
    return true;
}

/* The active thread enters or leaves the kernel.  How to go on. */
static inline int at_call(struct tracer *tracer, pid_t tid)
{
    struct trace *trace = tracer->trace;
    struct system_call call;
    bool enters;
    if (!read_call(tid, &call, &enters))
        return PTRACE_SYSCALL;
    if (!enters) {
        if (!tracer->replacing)
            return PTRACE_SYSCALL;
        set_result(tid, -trace->error);
        tracer->over = true;
        return PTRACE_CONT;
    }
    if (call.number == SYS_tgkill && call.arguments[2] == SIGTRAP) {
        tracer->over = true;
        return PTRACE_CONT;
    }
    int error = trace->choose(&call, tracer->count + 1, trace->context);
    if (error == 0 || ++tracer->count != trace->fail_at)
        return PTRACE_SYSCALL;
    trace->has_hit = true;
    trace->call = call;
    trace->error = error;
    trace->hit(&call, trace->context);
    if (!trace->is_made(&call))
        cancel_call(tid);
    tracer->replacing = true;
    return PTRACE_SYSCALL;
}

/* TID stopped with STATUS: let it go on. */
static inline void at_stop(struct tracer *tracer, pid_t tid, int status)
{
    int how =
        tid == tracer->active && !tracer->over ? PTRACE_SYSCALL : PTRACE_CONT;
    int signal = WSTOPSIG(status);
    if (status >> 16 != 0 || signal == SIGSTOP) {
        signal = 0; /* a new thread, or the news of it */
    } else if (signal == (SIGTRAP | 0x80)) {
        how = at_call(tracer, tid);
        signal = 0;
    } else if (signal == SIGTRAP) {
        signal = 0;
        if (tracer->active == 0) {
            tracer->active = tid;
            how = PTRACE_SYSCALL;
        }
    }
    ptrace(how, tid, NULL, (void *)(long)signal);
}

/* Trace the child PID, which calls be_traced(), to its end: its exit status, or
 * 1000 and the signal. */
__attribute__((unused)) static int trace_child(struct trace *trace, pid_t pid)
{
    struct tracer tracer = {.trace = trace};
    int status;
    trace->has_hit = false;
    if (waitpid(pid, &status, 0) != pid)
        bail("waitpid: %s", strerror(errno));
    if (WIFSTOPPED(status))
        ptrace(PTRACE_SETOPTIONS, pid, NULL,
               (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                        PTRACE_O_EXITKILL));
    for (pid_t tid = pid;;) {
        if (tid == pid && (WIFEXITED(status) || WIFSIGNALED(status)))
            return WIFEXITED(status) ? WEXITSTATUS(status)
                                     : 1000 + WTERMSIG(status);
        if (WIFSTOPPED(status))
            at_stop(&tracer, tid, status);
        do
            tid = waitpid(-1, &status, __WALL);
        while (tid < 0 && errno == EINTR);
        if (tid < 0)
            bail("waitpid: %s", strerror(errno));
    }
}

#endif
