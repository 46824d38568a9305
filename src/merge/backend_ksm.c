/* SPDX-License-Identifier: MIT */
/*
 * backend_ksm.c -- the kernel's own merging answers, steered.
 *
 * Lists and hashes as the process file system does.  To merge, it makes the
 * kernel scan all memory that has opted in to merging, at full speed, until the
 * pairs share a frame or the time is up; then it restores what it changed.
 * That is honest, not exact: other memory is merged as well, which frame
 * survives is not defined, and a pair that does not share one in time is told
 * so.  Memory of the caller is opted in; that of others must be already.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/page.h"
#include "merge/ksm_control.h"
#include "merge/merge_private.h"
#include "merge/proc_maps.h"

/* Scans of all memory after which a pair that is not merged will not be. */
enum { SCANS_ENOUGH = 6, DEFAULT_SECONDS = 10, POLL_MILLISECONDS = 5 };

/* A process of the current batch. */
struct ksm_process {
    pid_t pid;
    int error; /* why it cannot be looked at */
    struct merge_session *session;
    struct proc_regions mergeable;
};

struct merge_session {
    struct merge_session *proc; /* to list and hash */
    struct ksm_control control;
    struct ksm_process *processes;
    size_t process_count;
    bool timed;
    struct timespec deadline;
    char *contents; /* two pages */
};

static int ksm_probe(void)
{
    struct ksm_control control;
    if (mmi_merge_proc.probe() < 0 || mmi_ksm_open(&control) < 0)
        return -1;
    mmi_ksm_close(&control);
    return 0;
}

static int ksm_open(pid_t pid, struct merge_session **out)
{
    struct merge_session *session = calloc(1, sizeof *session);
    if (!session)
        return -1;
    if (pid == 0) {
        session->contents = malloc(2 * mmi_page_size());
        if (!session->contents || mmi_ksm_open(&session->control) < 0)
            goto free_session;
    } else if (mmi_merge_proc.open(pid, &session->proc) < 0) {
        goto free_session;
    }
    *out = session;
    return 0;

free_session:
    free(session->contents);
    free(session);
    return -1;
}

static void forget_processes(struct merge_session *session)
{
    for (size_t i = 0; i < session->process_count; i++) {
        if (session->processes[i].session)
            mmi_merge_proc.close(session->processes[i].session);
        free(session->processes[i].mergeable.list);
    }
    free(session->processes);
    session->processes = NULL;
    session->process_count = 0;
}

static void ksm_close(struct merge_session *session)
{
    if (session->proc)
        mmi_merge_proc.close(session->proc);
    else
        mmi_ksm_close(&session->control);
    forget_processes(session);
    free(session->contents);
    free(session);
}

static ssize_t ksm_infos(struct merge_session *session, uint64_t *next,
                         uint64_t end, struct mergemod_page *pages,
                         size_t count)
{
    return mmi_merge_proc.infos(session->proc, next, end, pages, count);
}

static int ksm_read(struct merge_session *session, struct mergemod_page *pages,
                    size_t count, char *contents)
{
    return mmi_merge_proc.read(session->proc, pages, count, contents);
}

static int ksm_hash(struct merge_session *session, struct mergemod_page *pages,
                    size_t count, enum mergemod_hash function)
{
    return mmi_merge_proc.hash(session->proc, pages, count, function);
}

/* The mappings of PID that have opted in. */
static int read_mergeable(pid_t pid, struct proc_regions *out)
{
    char path[64];
    char *line = NULL;
    size_t room = 0;
    size_t size = 0;
    struct proc_region region = {0};
    snprintf(path, sizeof path, "/proc/%ld/smaps", (long)pid);
    FILE *file = fopen(path, "re");
    *out = (struct proc_regions){0};
    if (!file)
        return -1;
    while (getline(&line, &size, file) > 0) {
        char *rest;
        uint64_t start = strtoull(line, &rest, 16);
        if (rest > line && *rest == '-') {
            region.start = start;
            region.end = strtoull(rest + 1, NULL, 16);
        } else if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " mg")) {
            if (mmi_proc_regions_add(out, &room, &region) < 0)
                break;
        }
    }
    free(line);
    fclose(file);
    return 0;
}

/* What is known of PID, as *INDEX in the list; looked up when first asked for.
 * False without memory. */
static bool find_process(struct merge_session *session, pid_t pid,
                         size_t *index)
{
    for (*index = 0; *index < session->process_count; ++*index)
        if (session->processes[*index].pid == pid)
            return true;
    struct ksm_process *list =
        realloc(session->processes,
                (session->process_count + 1) * sizeof *session->processes);
    if (!list)
        return false;
    session->processes = list;
    struct ksm_process *process = &list[session->process_count++];
    *process = (struct ksm_process){.pid = pid};
    if (pid <= 0)
        process->error = EINVAL;
    else if (mmi_merge_proc.open(pid, &process->session) < 0 ||
             read_mergeable(pid, &process->mergeable) < 0)
        process->error = errno == EACCES ? EPERM : errno;
    return true;
}

static bool has_opted_in(const struct ksm_process *process, uint64_t address)
{
    const struct proc_region *region =
        mmi_proc_region(&process->mergeable, address);
    return region && address >= region->start;
}

/* Read the page PROCESS has at ADDRESS.  Its frame in *FRAME.  0, or why it
 * cannot be merged. */
static int read_page(const struct ksm_process *process, uint64_t address,
                     char *contents, uint64_t *frame)
{
    struct mergemod_page page = {.v_addr = address};
    if (mmi_merge_proc.read(process->session, &page, 1, contents) < 0)
        return errno;
    *frame = page.p_addr;
    if (page.count == 0)
        return ENXIO;
    return page.p_addr ? 0 : EPERM;
}

/* Opt in what surrounds ADDRESS in our own memory.  Only whole mappings: pieces
 * of them would become mappings of their own. */
static void opt_in_own(uint64_t address)
{
    struct proc_regions regions;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (mmi_proc_regions(fd, &regions) == 0) {
        const struct proc_region *region = mmi_proc_region(&regions, address);
        if (region && address >= region->start)
            madvise((void *)(uintptr_t)region->start,
                    (size_t)(region->end - region->start), MADV_MERGEABLE);
        free(regions.list);
    }
    close(fd);
}

/* The state of PAIR: 0 merged, EINPROGRESS if it could be, else why not.  Who
 * has opted in is looked at the FIRST time only. */
static int judge_pair(struct merge_session *session,
                      const struct mergemod_pair *pair, bool first)
{
    size_t page_size = mmi_page_size();
    uint64_t frames[2] = {0, 0};
    size_t source, destination;
    if (!find_process(session, pair->spid, &source) ||
        !find_process(session, pair->dpid, &destination))
        return ENOMEM;
    const struct ksm_process *sides[] = {&session->processes[source],
                                         &session->processes[destination]};
    const uint64_t addresses[] = {pair->s_addr, pair->d_addr};
    for (int i = 0; i < 2; i++) {
        int error = sides[i]->error;
        if (!error)
            error = read_page(sides[i], addresses[i],
                              session->contents + (size_t)i * page_size,
                              &frames[i]);
        if (error)
            return error;
    }
    if (frames[0] == frames[1])
        return 0;
    if (memcmp(session->contents, session->contents + page_size, page_size) !=
        0)
        return EILSEQ;
    for (int i = 0; i < 2 && first; i++)
        if (sides[i]->pid == getpid())
            opt_in_own(addresses[i]);
        else if (!has_opted_in(sides[i], addresses[i]))
            return EOPNOTSUPP;
    return EINPROGRESS;
}

/* Set the deadline when the first pair has to wait. */
static void start_clock(struct merge_session *session)
{
    const char *text = secure_getenv("MMLIB_KSM_SECONDS");
    long seconds = text ? strtol(text, NULL, 10) : 0;
    if (session->timed)
        return;
    clock_gettime(CLOCK_MONOTONIC, &session->deadline);
    session->deadline.tv_sec += seconds > 0 ? seconds : DEFAULT_SECONDS;
    session->timed = true;
}

static bool time_is_up(const struct merge_session *session)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > session->deadline.tv_sec ||
           (now.tv_sec == session->deadline.tv_sec &&
            now.tv_nsec >= session->deadline.tv_nsec);
}

/* How many of COUNT pairs are still to be merged, after a look at them. */
static size_t look_at(struct merge_session *session,
                      struct mergemod_pair *pairs, size_t count, bool first)
{
    size_t waiting = 0;
    for (size_t i = 0; i < count; i++) {
        if (pairs[i].status == EINPROGRESS)
            pairs[i].status = judge_pair(session, &pairs[i], first);
        waiting += pairs[i].status == EINPROGRESS;
    }
    return waiting;
}

static int ksm_merge(struct merge_session *session, struct mergemod_pair *pairs,
                     size_t count)
{
    const struct timespec pause = {0, POLL_MILLISECONDS * 1000000L};
    forget_processes(session);
    for (size_t i = 0; i < count; i++)
        pairs[i].status = EINPROGRESS;
    if (look_at(session, pairs, count, true) == 0)
        return 0;
    if (mmi_ksm_start(&session->control) < 0)
        return -1;
    start_clock(session);
    uint64_t enough = mmi_ksm_scans(&session->control) + SCANS_ENOUGH;
    bool last = false;
    for (;;) {
        nanosleep(&pause, NULL);
        if (look_at(session, pairs, count, false) == 0 || last)
            return 0;
        last =
            time_is_up(session) || mmi_ksm_scans(&session->control) >= enough;
    }
}

const struct merge_backend mmi_merge_ksm = {
    .name = "ksm",
    .probe = ksm_probe,
    .open = ksm_open,
    .close = ksm_close,
    .infos = ksm_infos,
    .hash = ksm_hash,
    .read = ksm_read,
    .merge = ksm_merge,
};
