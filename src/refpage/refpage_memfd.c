/* SPDX-License-Identifier: MIT */
/*
 * refpage_memfd.c -- MEMFD: reference pages in user space.
 *
 * A mapping is one unit mapped again and again, each time from its beginning.
 * The unit costs memory and the number of mappings is limited for a process, so
 * its size depends on the length: 2 MiB, which can be one huge page, up to
 * 512 of them, then more, and never more than a quarter of the usual limit of
 * mappings.  Short mappings share a small unit, lest they cost more than they
 * save.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/page.h"
#include "refpage/refpage_parts.h"

enum {
    SMALL_UNIT = 64 << 10, /* what the kernel maps at one fault */
    GREAT_UNIT = 64 << 20, /* not exceeded for the sake of fewer mappings */
    USUAL_COUNT = 512,
    GREAT_COUNT = 16384
};

/* SIZE, or the power of two above it. */
static size_t round_up(size_t size)
{
    size_t power = mmi_page_size();
    while (power < size)
        power *= 2;
    return power;
}

/* The unit for mappings of LENGTH bytes. */
static size_t choose_unit(size_t length)
{
    if (length <= HUGE_PAGE)
        return round_up(SMALL_UNIT);
    size_t usual = round_up(length / USUAL_COUNT);
    if (usual < HUGE_PAGE)
        return round_up(HUGE_PAGE);
    size_t least = round_up(length / GREAT_COUNT);
    if (usual > GREAT_UNIT)
        usual = GREAT_UNIT;
    return usual > least ? usual : least;
}

static int memfd_make(struct refpage *ref, const void *content)
{
    if (mmi_file_max_size() < ref->size)
        return mmi_fail_as(EFBIG, "mm:core: this process may not make files");
    int fd = mmi_refpage_memory_file();
    if (fd < 0)
        return -1;
    /* The kernel reads it: a wrong address is an error, not a signal. */
    ssize_t size = (ssize_t)ref->size;
    ssize_t got = pwrite(fd, content, ref->size, 0);
    int result = 0;
    if (got >= 0 && got < size)
        result = mmi_fail_as(EFAULT, "mm:core: cannot read all of the pattern");
    else if (got < 0 || pread(fd, ref->page, ref->size, 0) != size)
        result = mmi_fail("mm:core: cannot read the pattern at %p", content);
    int saved = errno;
    close(fd);
    errno = saved;
    if (result == 0)
        mmi_refpage_repeat(ref);
    return result;
}

/* LENGTH bytes of address space that begin at a multiple of ALIGN; NULL with
 * errno set. */
static char *reserve(size_t length, size_t align)
{
    size_t page = mmi_page_size(), room;
    char *start = MAP_FAILED;
    if (bytes_add(length, align - page, &room))
        start = mmap(NULL, room, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    else
        errno = ENOMEM;
    if (start == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)start & (align - 1);
    size_t after = room - before - length;
    if (before > 0)
        munmap(start, before);
    if (after > 0)
        munmap(start + before + length, after);
    return start + before;
}

/* UNIT again and again, LENGTH bytes.  NULL with errno set and nothing mapped.
 */
static char *map_repeatedly(const struct unit *unit, size_t length)
{
    char *start = reserve(length, unit->huge ? HUGE_PAGE : mmi_page_size());
    for (size_t at = 0; start && at < length; at += unit->size) {
        size_t rest = length - at;
        if (mmap(start + at, rest < unit->size ? rest : unit->size,
                 PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, unit->fd,
                 0) == MAP_FAILED) {
            int saved = errno;
            munmap(start, length);
            errno = saved;
            return NULL;
        }
    }
    return start;
}

/* The unit of this size that there is already.  One whose descriptor the
 * program has closed is as good as none: that happens to daemons. */
static struct unit *find_unit(struct refpage *ref, size_t wanted)
{
    struct unit **place = &ref->units;
    while (*place && (*place)->wanted != wanted)
        place = &(*place)->next;
    struct unit *unit = *place;
    if (!unit || mmi_file_is(unit->fd, &unit->file))
        return unit;
    *place = unit->next;
    mmi_unit_destroy(unit);
    return NULL;
}

/* Map units of SIZE.  NULL with errno set; RECORDED says whether mmi_fail() was
 * told.  No unit stays that was not of use. */
static char *map_units(struct refpage *ref, size_t size, size_t length,
                       bool *recorded)
{
    struct unit *known = find_unit(ref, size);
    struct unit *unit = known ? known : mmi_unit_create(ref, size);
    *recorded = !unit;
    if (!unit)
        return NULL;
    char *start = map_repeatedly(unit, length);
    if (!start && !known) {
        mmi_unit_destroy(unit);
    } else if (!known) {
        unit->next = ref->units;
        ref->units = unit;
    }
    return start;
}

/* Whether LENGTH bytes of address space can be had at all. */
static int check_space(size_t length)
{
    char *start = reserve(length, mmi_page_size());
    if (!start)
        return mmi_fail("mm:core: no address space for %zu bytes of reference "
                        "pages",
                        length);
    munmap(start, length);
    return 0;
}

static char *memfd_map(struct refpage *ref, size_t length)
{
    size_t size = choose_unit(length);
    bool recorded;
    /* Before a large unit is made in vain. */
    if (check_space(length) < 0)
        return NULL;
    char *start = map_units(ref, size, length, &recorded);
    /* Perhaps the process has nearly all the mappings it may have. */
    while (!start && !recorded && errno == ENOMEM && size < GREAT_UNIT &&
           size < length) {
        size = size * 8 < GREAT_UNIT ? size * 8 : GREAT_UNIT;
        start = map_units(ref, size, length, &recorded);
    }
    if (!start && !recorded)
        mmi_fail("mm:core: cannot map %zu bytes of reference pages", length);
    return start;
}

static int memfd_descriptor(const struct refpage *ref)
{
    (void)ref;
    return mmi_fail_as(ENOTSUP, "mm:core: these reference pages are made in "
                                "user space, without a descriptor");
}

static void memfd_destroy(struct refpage *ref)
{
    while (ref->units) {
        struct unit *unit = ref->units;
        ref->units = unit->next;
        mmi_unit_destroy(unit);
    }
}

static bool memfd_present(void)
{
    return true;
}

const struct refpage_source mmi_refpage_memfd = {
    .name = "MEMFD",
    .present = memfd_present,
    .create = memfd_make,
    .map = memfd_map,
    .descriptor = memfd_descriptor,
    .destroy = memfd_destroy,
};
