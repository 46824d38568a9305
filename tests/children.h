/* SPDX-License-Identifier: MIT */
/*
 * children.h -- fork children, collect their verdicts.
 *
 * A child runs one function and leaves by _exit(): it never falls back into the
 * test, and writes no TAP.  Each is killed by an alarm if it hangs.
 */
#ifndef TESTS_CHILDREN_H
#define TESTS_CHILDREN_H

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

enum { CHILD_SECONDS = 60 };

/* Start one child that runs WORK(ARGUMENT, NUMBER) and exits with its result
 * (0 is success).  Returns its pid. */
__attribute__((unused)) static pid_t
start_child(int (*work)(void *argument, int number), void *argument, int number)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        bail("fork: %s", strerror(errno));
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(CHILD_SECONDS);
        _exit(work(argument, number));
    }
    return pid;
}

/* Wait for PID: its exit status, or 1000 + the signal that ended it. */
__attribute__((unused)) static int end_child(pid_t pid)
{
    int status;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        bail("waitpid: %s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Run COUNT children at once; one test point says that all succeeded. */
__attribute__((unused)) static bool
children_ok(int count, int (*work)(void *argument, int number), void *argument,
            const char *what)
{
    pid_t *pids = malloc((size_t)count * sizeof *pids);
    if (!pids)
        bail("no memory");
    for (int i = 0; i < count; i++)
        pids[i] = start_child(work, argument, i);
    int bad = 0;
    for (int i = 0; i < count; i++) {
        int status = end_child(pids[i]);
        if (status != 0 && bad++ == 0)
            diag("child %d ended with %d", i, status);
    }
    free(pids);
    return ok(bad == 0, "%s (%d processes)", what, count);
}

#endif
