/* SPDX-License-Identifier: MIT */
/*
 * refpage.c -- references and their mappings: arguments, table, sources.
 *
 * One mutex guards the table and is held throughout each operation, which
 * fork() finds released.  Mappings are kept in a tree whose order calls
 * whatever overlaps equal: if the kernel gives out a range that the table still
 * has, the program has unmapped it by itself, and the table forgets it.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/options.h"
#include "base/page.h"
#include "refpage/refpage_parts.h"

struct mapping {
    char *start;
    size_t size; /* whole pages, at least one */
};

static const struct refpage_source *const sources[] = {
    &mmi_refpage_syscall, &mmi_refpage_device, &mmi_refpage_memfd};
enum { SOURCE_COUNT = sizeof sources / sizeof *sources };

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t started = PTHREAD_ONCE_INIT;
static int start_error;

static struct refpage *references;
static void *mappings; /* for tsearch() */

static void before_fork(void)
{
    pthread_mutex_lock(&table_lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&table_lock);
}

static void start(void)
{
    start_error = pthread_atfork(before_fork, after_fork, after_fork);
}

static int lock_table(void)
{
    pthread_once(&started, start);
    if (start_error)
        return mmi_fail_as(start_error, "mm:core: cannot prepare for fork()");
    pthread_mutex_lock(&table_lock);
    return 0;
}

static void unlock_table(void)
{
    pthread_mutex_unlock(&table_lock);
}

/* --- sources ------------------------------------------------------------- */

size_t mmi_refpage_source_count(void)
{
    return SOURCE_COUNT;
}

const char *mmi_refpage_source_name(size_t index)
{
    return sources[index]->name;
}

static bool is_automatic(const char *name)
{
    return !*name || strcasecmp(name, "auto") == 0;
}

static const struct refpage_source *find_source(const char *name)
{
    for (size_t i = 0; i < SOURCE_COUNT; i++)
        if (strcasecmp(sources[i]->name, name) == 0)
            return sources[i];
    mmi_fail_as(EINVAL,
                "mm:core: no reference pages called '%s'; known: auto, "
                "SYSCALL, DEVICE, MEMFD",
                name);
    return NULL;
}

int mmi_refpage_source_check(const char *name)
{
    return is_automatic(name) || find_source(name) ? 0 : -1;
}

/* The best one that is there, or the one asked for. */
static const struct refpage_source *choose_source(void)
{
    struct options options;
    if (mmi_options_get(&options) < 0)
        return NULL;
    if (is_automatic(options.refpage)) {
        size_t i = 0;
        while (i < SOURCE_COUNT - 1 && !sources[i]->present())
            i++;
        return sources[i];
    }
    const struct refpage_source *source = find_source(options.refpage);
    if (source && !source->present()) {
        mmi_fail_as(ENOTSUP,
                    "mm:core: this system has no reference pages called '%s'",
                    source->name);
        return NULL;
    }
    return source;
}

const char *mmi_refpage_source_now(void)
{
    const struct refpage_source *source = choose_source();
    return source ? source->name : NULL;
}

/* --- references ---------------------------------------------------------- */

void mmi_refpage_repeat(struct refpage *ref)
{
    size_t page = mmi_page_size();
    for (size_t done = ref->size; done < page; done *= 2)
        memcpy(ref->page + done, ref->page, done);
}

/* The kernel's rules, checked here as well so that all sources fail alike. */
static int check_arguments(const void *content, size_t size,
                           unsigned long flags)
{
    size_t page = mmi_page_size();
    if (size == 0 || (size & (size - 1)) != 0 || size > page)
        return mmi_fail_as(EINVAL,
                           "mm:core: a pattern of %zu bytes: wanted a power of "
                           "two, at most %zu",
                           size, page);
    if (((uintptr_t)content & (size - 1)) != 0)
        return mmi_fail_as(EINVAL,
                           "mm:core: a pattern of %zu bytes at %p: wanted a "
                           "multiple of its size",
                           size, content);
    if (flags != 0)
        return mmi_fail_as(
            EINVAL, "mm:core: unknown flags 0x%lx for reference pages", flags);
    return 0;
}

/* The place that holds REF, NULL after mmi_fail_as().  The table is locked. */
static struct refpage **find_reference(const struct refpage *ref)
{
    struct refpage **place = &references;
    while (*place && *place != ref)
        place = &(*place)->next;
    if (ref && *place)
        return place;
    mmi_fail_as(EINVAL, "mm:core: address %p is no reference page",
                (const void *)ref);
    return NULL;
}

struct refpage *mmi_refpage_create(const void *content, size_t size,
                                   unsigned long flags)
{
    int saved = errno;
    if (check_arguments(content, size, flags) < 0)
        return NULL;
    const struct refpage_source *source = choose_source();
    if (!source)
        return NULL;
    struct refpage *ref = calloc(1, sizeof *ref + mmi_page_size());
    if (!ref) {
        mmi_fail_as(ENOMEM, "mm:core: no private memory for reference pages");
        return NULL;
    }
    ref->source = source;
    ref->size = size;
    ref->fd = -1;
    /* Under the lock, lest fork() leaves a half-made one to a child. */
    if (lock_table() < 0)
        goto undo_memory;
    if (source->create(ref, content) < 0)
        goto undo_lock;
    ref->next = references;
    references = ref;
    unlock_table();
    errno = saved;
    return ref;

undo_lock:
    unlock_table();
undo_memory:
    free(ref);
    return NULL;
}

int mmi_refpage_close(struct refpage *ref)
{
    if (lock_table() < 0)
        return -1;
    struct refpage **place = find_reference(ref);
    if (place) {
        *place = ref->next;
        ref->source->destroy(ref);
        free(ref);
    }
    unlock_table();
    return place ? 0 : -1;
}

int mmi_refpage_fd(struct refpage *ref)
{
    if (lock_table() < 0)
        return -1;
    int fd = find_reference(ref) ? ref->source->descriptor(ref) : -1;
    unlock_table();
    return fd;
}

/* --- mappings ------------------------------------------------------------ */

/* Ranges that overlap are equal. */
static int compare_mappings(const void *left, const void *right)
{
    const struct mapping *a = left, *b = right;
    uintptr_t at = (uintptr_t)a->start, other = (uintptr_t)b->start;
    if (at < other)
        return other - at >= a->size ? -1 : 0;
    return at - other >= b->size && at != other;
}

static struct mapping *find_mapping(const struct mapping *range)
{
    struct mapping **found = tfind(range, &mappings, compare_mappings);
    return found ? *found : NULL;
}

static void forget_mapping(struct mapping *mapping)
{
    tdelete(mapping, &mappings, compare_mappings);
    free(mapping);
}

/* LENGTH in whole pages; 0 after mmi_fail_as(). */
static size_t whole_pages(size_t length)
{
    size_t size = bytes_align(length, mmi_page_size());
    if (length == 0)
        mmi_fail_as(EINVAL, "mm:core: reference pages for 0 bytes");
    else if (size == 0)
        mmi_fail_as(ENOMEM, "mm:core: reference pages for %zu bytes", length);
    return size;
}

static struct mapping *map_and_record(struct refpage *ref, size_t size)
{
    struct mapping *mapping = malloc(sizeof *mapping);
    if (!mapping) {
        mmi_fail_as(ENOMEM, "mm:core: no private memory for a mapping");
        return NULL;
    }
    mapping->size = size;
    mapping->start = ref->source->map(ref, size);
    if (!mapping->start)
        goto undo_memory;
    for (struct mapping *stale; (stale = find_mapping(mapping));)
        forget_mapping(stale);
    if (!tsearch(mapping, &mappings, compare_mappings)) {
        mmi_fail_as(ENOMEM, "mm:core: no private memory for a mapping");
        goto undo_map;
    }
    return mapping;

undo_map:
    munmap(mapping->start, size);
    errno = ENOMEM;
undo_memory:
    free(mapping);
    return NULL;
}

void *mmi_refpage_map(struct refpage *ref, size_t length)
{
    int saved = errno;
    if (lock_table() < 0)
        return NULL;
    struct mapping *mapping = NULL;
    if (find_reference(ref)) {
        size_t size = whole_pages(length);
        mapping = size > 0 ? map_and_record(ref, size) : NULL;
    }
    char *start = mapping ? mapping->start : NULL;
    unlock_table();
    if (start)
        errno = saved;
    return start;
}

int mmi_refpage_unmap(void *address, size_t length)
{
    size_t size = whole_pages(length);
    if (size == 0 || lock_table() < 0)
        return -1;
    struct mapping range = {address, 1};
    struct mapping *mapping = find_mapping(&range);
    int result = 0;
    if (!mapping || mapping->start != address || mapping->size != size)
        result = mmi_fail_as(EINVAL,
                             "mm:core: %zu bytes at %p are no mapping of "
                             "reference pages",
                             length, address);
    else if (munmap(address, size) < 0)
        result = mmi_fail("mm:core: cannot unmap reference pages");
    else
        forget_mapping(mapping);
    unlock_table();
    return result;
}
