/* SPDX-License-Identifier: MIT */
/*
 * refpage_unit.c -- memory files full of the pattern, for mapping repeatedly.
 *
 * Sealed against writing, growing and shrinking, by anybody: neither whoever
 * inherits the descriptor nor whoever finds it in /proc can change what the
 * mappings show, or make them end in SIGBUS.
 *
 * Written with pwritev(2), never through a mapping: a lack of memory is then an
 * error and not a signal, and no writable mapping keeps the seals off.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/page.h"
#include "refpage/refpage_parts.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum {
    PAGES_AT_ONCE = 512, /* in one pwritev(2); half of what Linux allows */
    SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL
};

int mmi_refpage_memory_file(void)
{
    int fd = memfd_create("mm:refpage", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    /* Kernels before 6.3 do not know the flag. */
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("mm:refpage", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        mmi_fail("mm:core: cannot create a memory file for reference pages");
    return fd;
}

/* Write the pattern to [OFFSET, END) of the unit; both are whole pages.  -1
 * with errno set. */
static int fill(const struct unit *unit, const struct refpage *ref,
                size_t offset, size_t end)
{
    struct iovec pages[PAGES_AT_ONCE];
    size_t page = mmi_page_size();
    for (int i = 0; i < PAGES_AT_ONCE; i++)
        pages[i] = (struct iovec){(void *)(uintptr_t)ref->page, page};
    while (offset < end) {
        size_t count = (end - offset) / page;
        if (count > PAGES_AT_ONCE)
            count = PAGES_AT_ONCE;
        ssize_t got = pwritev(unit->fd, pages, (int)count, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        /* Part of a page, after a signal: write that page again. */
        offset += (size_t)got & ~(page - 1);
    }
    return 0;
}

/* Make the unit of huge pages, each with a page of the pattern and zeroes: to
 * fill it afterwards is cheaper than to collapse 512 pages that are full.
 * False if that does not work. */
static bool collapse(const struct unit *unit, const struct refpage *ref)
{
    size_t room = unit->size + HUGE_PAGE;
    char *start = mmap(NULL, room, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return false;
    char *view = start + (-(uintptr_t)start & (HUGE_PAGE - 1));
    bool good = mmap(view, unit->size, PROT_READ, MAP_PRIVATE | MAP_FIXED,
                     unit->fd, 0) == view;
    for (size_t at = 0; good && at < unit->size; at += HUGE_PAGE)
        good = fill(unit, ref, at, at + mmi_page_size()) == 0 &&
               madvise(view + at, HUGE_PAGE, MADV_COLLAPSE) == 0;
    munmap(start, room);
    return good;
}

static int set_size(struct unit *unit, size_t size)
{
    int result;
    do
        result = ftruncate(unit->fd, (off_t)size);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return mmi_fail("mm:core: cannot make a memory file of %zu bytes",
                        size);
    unit->size = size;
    return 0;
}

static int prepare(struct unit *unit, const struct refpage *ref)
{
    size_t page = mmi_page_size();
    /* Beyond the limit ftruncate() would kill us with SIGXFSZ. */
    if (unit->wanted > mmi_file_max_size())
        return mmi_fail_as(EFBIG,
                           "mm:core: reference pages need a file of %zu bytes: "
                           "more than the file size limit of this process, %zu",
                           unit->wanted, mmi_file_max_size());
    if (set_size(unit, unit->wanted) < 0)
        return -1;
    unit->huge =
        unit->size >= HUGE_PAGE && page < HUGE_PAGE && collapse(unit, ref);
    /* Small pages need page tables: save elsewhere what they take. */
    if (!unit->huge && unit->size == HUGE_PAGE &&
        set_size(unit, HUGE_PAGE / 2) < 0)
        return -1;
    if (fill(unit, ref, 0, unit->size) < 0)
        return mmi_fail("mm:core: cannot fill %zu bytes of reference pages",
                        unit->size);
    if (fcntl(unit->fd, F_ADD_SEALS, SEALS) < 0)
        return mmi_fail("mm:core: cannot seal reference pages");
    return 0;
}

struct unit *mmi_unit_create(const struct refpage *ref, size_t size)
{
    struct unit *unit = calloc(1, sizeof *unit);
    if (!unit) {
        mmi_fail_as(ENOMEM, "mm:core: no private memory for reference pages");
        return NULL;
    }
    unit->wanted = size;
    unit->fd = mmi_refpage_memory_file();
    if (unit->fd < 0 || mmi_file_identify(unit->fd, &unit->file) < 0)
        goto undo_memory;
    if (prepare(unit, ref) < 0)
        goto undo_file;
    return unit;

undo_file:
    mmi_file_close(unit->fd, &unit->file);
undo_memory:
    free(unit);
    return NULL;
}

void mmi_unit_destroy(struct unit *unit)
{
    int saved = errno;
    mmi_file_close(unit->fd, &unit->file);
    free(unit);
    errno = saved;
}
