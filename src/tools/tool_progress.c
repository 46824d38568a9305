/* SPDX-License-Identifier: MIT */
/*
 * tool_progress.c -- what the tool is doing, for who waits: a bar on a
 * terminal, a line every five seconds elsewhere.  SIGINT asks for an end after
 * the current batch, SIGUSR1 for a line now.
 */
#include "config.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/tool.h"

enum { BAR_WIDTH = 24, LINE_SECONDS = 5 };

static struct {
    const char *name;
    size_t page_size;
    bool shown;
    bool bar;
    bool drawn;
    double started, last;
    const char *what;
} progress;

static volatile sig_atomic_t wants_end;
static volatile sig_atomic_t wants_line;

static void take_signal(int number)
{
    if (number == SIGINT || number == SIGTERM)
        wants_end = 1;
    else
        wants_line = 1;
}

bool tool_interrupted(void)
{
    return wants_end;
}

double tool_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

const char *tool_size(uint64_t size, char text[TOOL_SIZE_TEXT])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)size / 1024;
    int unit = 0;
    for (; value >= 1024 && unit < 3; unit++)
        value /= 1024;
    snprintf(text, TOOL_SIZE_TEXT, "%.1f %s", value, units[unit]);
    return text;
}

void tool_progress_start(const struct tool *tool, size_t page_size)
{
    struct sigaction action = {.sa_handler = take_signal,
                               .sa_flags = SA_RESTART};
    struct sigaction ending = {.sa_handler = take_signal};
    sigaction(SIGINT, &ending, NULL);
    sigaction(SIGTERM, &ending, NULL);
    sigaction(SIGUSR1, &action, NULL);
    progress.name = tool->name;
    progress.page_size = page_size;
    progress.shown = tool->progress != PROGRESS_NONE;
    progress.bar = tool->progress == PROGRESS_AUTO && isatty(STDERR_FILENO);
    progress.what = NULL;
}

static void draw_bar(double part, const char *text)
{
    int filled = (int)(part * BAR_WIDTH);
    fprintf(stderr, "\r\033[K[");
    for (int i = 0; i < BAR_WIDTH; i++)
        putc(i < filled ? '#' : '.', stderr);
    fprintf(stderr, "] %3d %% %s", (int)(part * 100), text);
    fflush(stderr);
    progress.drawn = true;
}

void tool_progress(const char *what, uint64_t done, uint64_t all)
{
    char text[128];
    char amount[TOOL_SIZE_TEXT];
    char rate[TOOL_SIZE_TEXT];
    double now = tool_now();
    if (progress.what != what) {
        progress.what = what;
        progress.started = now;
        progress.last = progress.bar ? 0 : now;
    }
    double pause = progress.bar ? 0.1 : LINE_SECONDS;
    if (!wants_line && (!progress.shown || now - progress.last < pause))
        return;
    progress.last = now;
    double part = all ? (double)done / (double)all : 0;
    double passed = now - progress.started;
    part = part > 1 ? 1 : part;
    int length = snprintf(text, sizeof text, "%s %s", what,
                          tool_size(done * progress.page_size, amount));
    if (passed > 0.2 && done > 0)
        length +=
            snprintf(text + length, sizeof text - (size_t)length, ", %s/s",
                     tool_size((uint64_t)((double)done *
                                          (double)progress.page_size / passed),
                               rate));
    if (passed > 1 && part > 0.01 && part < 1)
        snprintf(text + length, sizeof text - (size_t)length, ", %.0f s left",
                 passed / part - passed);
    if (progress.bar && !wants_line)
        draw_bar(part, text);
    else
        fprintf(stderr, "%s%s: %s\n", progress.drawn ? "\r\033[K" : "",
                progress.name, text);
    wants_line = 0;
}

void tool_progress_end(void)
{
    if (progress.drawn)
        fprintf(stderr, "\r\033[K");
    progress.drawn = false;
    progress.what = NULL;
}
