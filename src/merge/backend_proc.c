/* SPDX-License-Identifier: MIT */
/*
 * backend_proc.c -- the process file system answers.
 *
 * Needs no module and, for processes of the same user, no privileges; without
 * them there are no physical addresses.  It lists and hashes pages but cannot
 * merge any: then it says ENOPKG, as the reference does for a missing module,
 * or EPERM if there is one and the caller may not use it.
 *
 * Contents are read through /proc/PID/mem.  process_vm_readv() would be faster
 * and must not be used: it undoes the sharing of what it reads.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/page.h"
#include "merge/merge_private.h"
#include "merge/proc_maps.h"
#include "merge/proc_pages.h"

/* Pages that are read and hashed at once: few enough to stay in the cache. */
enum { HASH_RUN = 16 };

struct merge_session {
    int directory; /* /proc/PID: stays with the process, whoever gets its id */
    int mem;       /* -1 until somebody reads */
    char *buffer;  /* NULL until somebody hashes */
    struct proc_regions regions;
    struct proc_pages pages;
};

/* Close FD, if it is one.  Keeps errno. */
static void close_quietly(int fd)
{
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
}

/* NAME of the process.  What the system calls no access is EPERM here. */
static int open_of(int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        errno = EPERM;
    else if (fd < 0 && errno == ENOENT)
        errno = ESRCH;
    return fd;
}

/* Why a process has no memory: EINVAL for threads of the kernel, which never
 * have, ESRCH for one that has ended. */
static int no_memory_reason(int directory)
{
    enum { FLAGS_FIELD = 6, KERNEL_THREAD = 0x00200000 };
    char text[1024];
    int fd = openat(directory, "stat", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    close_quietly(fd);
    if (length <= 0)
        return ESRCH;
    text[length] = '\0';
    /* The name may hold anything, but what follows it no parenthesis. */
    const char *at = strrchr(text, ')');
    for (int field = 0; at && field <= FLAGS_FIELD; field++)
        at = strchr(at + 1, ' ');
    if (at && (strtoul(at, NULL, 10) & KERNEL_THREAD))
        return EINVAL;
    return ESRCH;
}

static int proc_probe(void)
{
    if (access("/proc/self/pagemap", R_OK) < 0) {
        errno = ENOPKG;
        return -1;
    }
    return 0;
}

static int open_directory(pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%ld", (long)pid);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && proc_probe() == 0)
        errno = ESRCH;
    return fd;
}

/* The list of mappings; a process without any is none. */
static int read_regions(struct merge_session *session)
{
    int fd = open_of(session->directory, "maps");
    if (fd < 0) {
        if (errno == ESRCH)
            errno = no_memory_reason(session->directory);
        return -1;
    }
    int result = mmi_proc_regions(fd, &session->regions);
    close_quietly(fd);
    if (result == 0 && session->regions.empty) {
        free(session->regions.list);
        errno = no_memory_reason(session->directory);
        result = -1;
    }
    return result;
}

static int proc_open(pid_t pid, struct merge_session **out)
{
    if (pid == 0) { /* to merge, which we cannot */
        if (mmi_merge_mergemod.probe() == 0)
            errno = ENOPKG;
        return -1;
    }
    struct merge_session *session = calloc(1, sizeof *session);
    if (!session)
        return -1;
    session->mem = -1;
    session->pages.page_size = mmi_page_size();
    session->directory = open_directory(pid);
    if (session->directory < 0)
        goto free_session;
    if (read_regions(session) < 0)
        goto close_directory;
    session->pages.pagemap = open_of(session->directory, "pagemap");
    if (session->pages.pagemap < 0)
        goto free_regions;
    session->pages.kpagecount = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC);
    session->pages.kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
    *out = session;
    return 0;

free_regions:
    free(session->regions.list);
close_directory:
    close_quietly(session->directory);
free_session:
    free(session);
    return -1;
}

static void proc_close(struct merge_session *session)
{
    close_quietly(session->pages.kpageflags);
    close_quietly(session->pages.kpagecount);
    close_quietly(session->pages.pagemap);
    close_quietly(session->mem);
    close_quietly(session->directory);
    free(session->regions.list);
    free(session->buffer);
    free(session);
}

/* How many pages lie in [ADDRESS, END), as many as are looked at once. */
static size_t window_size(const struct merge_session *session, uint64_t address,
                          uint64_t end)
{
    uint64_t count = (end - address) / session->pages.page_size;
    return count < PROC_WINDOW ? (size_t)count : PROC_WINDOW;
}

/* The pages of one window that begins at *NEXT, which moves behind what was
 * examined.  How many. */
static ssize_t window_infos(struct merge_session *session, uint64_t *next,
                            uint64_t stop, bool file,
                            struct mergemod_page *pages, size_t room)
{
    struct proc_pages *window = &session->pages;
    uint64_t address = *next;
    size_t count = window_size(session, address, stop);
    size_t found = 0;
    size_t i = 0;
    if (mmi_proc_look(window, address, count, file) < 0)
        return -1;
    for (; i < count && found < room; i++)
        if (window->counts[i] != 0)
            pages[found++] = (struct mergemod_page){
                .v_addr = address + i * window->page_size,
                .p_addr = mmi_proc_frame(window, i),
                .count = window->counts[i],
            };
    *next = address + i * window->page_size;
    if (found == 0)
        *next = mmi_proc_skip(window, *next, stop);
    return (ssize_t)found;
}

static ssize_t proc_infos(struct merge_session *session, uint64_t *next,
                          uint64_t end, struct mergemod_page *pages,
                          size_t count)
{
    uint64_t page_mask = ~(session->pages.page_size - 1);
    uint64_t address = *next & page_mask;
    uint64_t last = end & page_mask; /* the last page */
    size_t found = 0;
    while (found < count) {
        const struct proc_region *region =
            mmi_proc_region(&session->regions, address);
        if (region && address < region->start)
            address = region->start;
        if (!region || address > last) {
            *next = 0;
            return (ssize_t)found;
        }
        uint64_t stop = region->end;
        if (last < stop)
            stop = last + session->pages.page_size;
        ssize_t got = window_infos(session, &address, stop, region->file,
                                   pages + found, count - found);
        if (got < 0)
            return -1;
        found += (size_t)got;
    }
    /* 0 only behind the last page of the address space. */
    *next = address > last ? 0 : address;
    return (ssize_t)found;
}

/* Read COUNT pages at ADDRESS into CONTENTS; those that cannot be read lose
 * their count. */
static int read_run(struct merge_session *session, uint64_t address,
                    struct mergemod_page *pages, size_t count, char *contents)
{
    size_t page_size = (size_t)session->pages.page_size;
    size_t size = count * page_size;
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(session->mem, contents + done, size - done,
                            (off_t)(address + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0) {
            errno = ESRCH;
            return -1;
        }
        if (got < 0) {
            if (errno != EIO && errno != EFAULT)
                return -1;
            pages[done / page_size].count = 0;
            pages[done / page_size].p_addr = 0;
            got = (ssize_t)(page_size - done % page_size);
        }
        done += (size_t)got;
    }
    return 0;
}

/* The same, a few at a time, and hash them. */
static int hash_run(struct merge_session *session, uint64_t address,
                    struct mergemod_page *pages, size_t count,
                    enum mergemod_hash function)
{
    size_t page_size = (size_t)session->pages.page_size;
    for (size_t done = 0; done < count; done += HASH_RUN) {
        size_t run = count - done < HASH_RUN ? count - done : HASH_RUN;
        if (read_run(session, address + done * page_size, pages + done, run,
                     session->buffer) < 0)
            return -1;
        for (size_t i = 0; i < run; i++)
            if (pages[done + i].count != 0)
                pages[done + i].hash = mmi_merge_hash_run(
                    function, session->buffer + i * page_size, page_size);
    }
    return 0;
}

/* Look at the COUNT pages that follow each other from ADDRESS on; those that
 * are there are copied to CONTENTS or, if that is NULL, hashed. */
static int visit_window(struct merge_session *session, uint64_t address,
                        bool file, struct mergemod_page *pages, size_t count,
                        char *contents, enum mergemod_hash function)
{
    uint64_t page_size = session->pages.page_size;
    if (mmi_proc_look(&session->pages, address, count, file) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        pages[i].count = session->pages.counts[i];
        pages[i].p_addr =
            pages[i].count ? mmi_proc_frame(&session->pages, i) : 0;
    }
    for (size_t i = 0; i < count;) {
        uint64_t at = address + i * page_size;
        size_t run = 0;
        while (i + run < count && pages[i + run].count != 0)
            run++;
        int failed = contents ? read_run(session, at, pages + i, run,
                                         contents + i * page_size)
                              : hash_run(session, at, pages + i, run, function);
        if (failed)
            return -1;
        i += run > 0 ? run : 1;
    }
    return 0;
}

/* What read and hash do: visit COUNT pages, neighbours together. */
static int visit(struct merge_session *session, struct mergemod_page *pages,
                 size_t count, char *contents, enum mergemod_hash function)
{
    uint64_t page_size = session->pages.page_size;
    uint64_t page_mask = ~(page_size - 1);
    if (session->mem < 0)
        session->mem = open_of(session->directory, "mem");
    if (session->mem < 0)
        return -1;
    for (size_t i = 0; i < count;) {
        uint64_t address = pages[i].v_addr & page_mask;
        const struct proc_region *region =
            mmi_proc_region(&session->regions, address);
        size_t run = 1;
        if (!region || address < region->start) {
            pages[i].count = 0;
            pages[i++].p_addr = 0;
            continue;
        }
        while (i + run < count && run < PROC_WINDOW &&
               address + run * page_size < region->end &&
               (pages[i + run].v_addr & page_mask) == address + run * page_size)
            run++;
        if (visit_window(session, address, region->file, pages + i, run,
                         contents ? contents + i * page_size : NULL,
                         function) < 0)
            return -1;
        i += run;
    }
    return 0;
}

static int proc_read(struct merge_session *session, struct mergemod_page *pages,
                     size_t count, char *contents)
{
    return visit(session, pages, count, contents, MERGEMOD_HASH_CONST);
}

static int proc_hash(struct merge_session *session, struct mergemod_page *pages,
                     size_t count, enum mergemod_hash function)
{
    if (!session->buffer)
        session->buffer = malloc(HASH_RUN * (size_t)session->pages.page_size);
    if (!session->buffer)
        return -1;
    return visit(session, pages, count, NULL, function);
}

const struct merge_backend mmi_merge_proc = {
    .name = "proc",
    .probe = proc_probe,
    .open = proc_open,
    .close = proc_close,
    .infos = proc_infos,
    .hash = proc_hash,
    .read = proc_read,
};
