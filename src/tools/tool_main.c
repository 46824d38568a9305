/* SPDX-License-Identifier: MIT */
/*
 * tool_main.c -- a round, and another; and what the tools exit with.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/tool.h"

/* Say why BACKEND does not work, and what to do about it. */
static int explain(const struct tool *tool, const char *backend, int error)
{
    bool module = strcmp(backend, "mergemod") == 0;
    switch (error) {
    case ENOPKG:
        if (module)
            fprintf(stderr,
                    "%s: the kernel module mergemod is not loaded; load it "
                    "with:\n    sudo modprobe mergemod\n"
                    "or let the kernel's own merging do it: --backend=ksm\n",
                    tool->name);
        else
            fprintf(stderr, "%s: this kernel lacks what '%s' needs\n",
                    tool->name, backend);
        return TOOL_NO_MODULE;
    case EPROTO:
        fprintf(stderr,
                "%s: the kernel module mergemod is of another version; install "
                "the one that belongs to mm %s\n",
                tool->name, PACKAGE_VERSION);
        return TOOL_OTHER_PROTOCOL;
    case EPERM:
        fprintf(stderr, "%s: only root may use '%s'\n", tool->name, backend);
        return TOOL_NOT_PERMITTED;
    case EINVAL:
        fprintf(stderr, "%s: no backend '%s'; there are proc, mergemod, ksm\n",
                tool->name, backend);
        return TOOL_USAGE;
    default:
        fprintf(stderr, "%s: backend '%s': %s\n", tool->name, backend,
                strerror(error));
        return TOOL_PARTLY;
    }
}

static void show(const struct tool *tool, const struct tool_round *round)
{
    if (tool->json)
        tool_report_json(tool, round);
    else
        tool_report(tool, round);
}

/* What became of it. */
static int verdict(const struct tool *tool, const struct tool_round *round,
                   const char *backend)
{
    if (round->merge_error)
        return explain(tool, backend, round->merge_error);
    if (round->looked_at == 0 && round->not_permitted > 0) {
        fprintf(stderr,
                "%s: nothing may be looked at: these processes belong to "
                "others or protect themselves; try as root\n",
                tool->name);
        return TOOL_NOT_PERMITTED;
    }
    if (round->missing > 0 || round->interrupted || round->limited)
        return TOOL_PARTLY;
    if (!tool->whole_machine && round->looked_at < round->process_count)
        return TOOL_PARTLY;
    if (tool->merge && round->merged < round->tried)
        return TOOL_PARTLY;
    return TOOL_DONE;
}

static int run_round(const struct tool *tool, const char *backend)
{
    struct tool_round round = {
        .page_size = (size_t)sysconf(_SC_PAGESIZE),
    };
    double started = tool_now();
    tool_progress_start(tool, round.page_size);
    tool_find(tool, &round);
    tool_scan(tool, &round);
    tool_estimate(&round);
    if (tool->merge && !round.interrupted)
        tool_merge(&round);
    round.seconds = tool_now() - started;
    tool_progress_end();
    show(tool, &round);
    int result = verdict(tool, &round, backend);
    if (tool->svg && tool_draw(tool, &round) < 0) {
        fprintf(stderr, "%s: %s: %s\n", tool->name, tool->svg, strerror(errno));
        result = result ? result : TOOL_PARTLY;
    }
    if (ferror(stdout) && !result)
        result = TOOL_PARTLY;
    tool_free(&round);
    return result;
}

/* Rounds until it is enough. */
static int run_rounds(const struct tool *tool)
{
    const char *backend = tool->backend ? tool->backend
                          : tool->merge ? "mergemod"
                                        : "proc";
    int result = TOOL_DONE;
    if (m_set_backend(backend) < 0)
        return explain(tool, backend, errno);
    if (tool->merge && geteuid() != 0)
        return explain(tool, backend, EPERM);
    if (tool->merge && (tool->all_users || tool->all_cgroups))
        fprintf(stderr,
                "%s: processes that do not trust each other can learn from the "
                "time of a write that their pages were equal\n",
                tool->name);
    for (unsigned round = 1;; round++) {
        int now = run_round(tool, backend);
        result = now > result ? now : result;
        if (now > TOOL_PARTLY || tool_interrupted() ||
            (tool->interval == 0 && tool->rounds <= round) ||
            (tool->rounds > 0 && tool->rounds <= round))
            return result;
        struct timespec pause = {.tv_sec = (time_t)tool->interval};
        nanosleep(&pause, NULL);
        if (tool_interrupted())
            return result;
    }
}

int tool_main(struct tool *tool)
{
    int result = run_rounds(tool);
    if (tool->has_match)
        regfree(&tool->match);
    if (tool->has_exclude)
        regfree(&tool->exclude);
    return result;
}
