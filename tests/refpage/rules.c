/* SPDX-License-Identifier: MIT */
/*
 * rules.c -- reference pages take what refpage_create(2) takes, and refuse the
 * rest without harm.
 *
 * Runs with whatever this system has: the rules are the same everywhere.
 */
#include <fcntl.h>

#include "refpage.h"

static void test_sizes(void)
{
    size_t page = page_size();
    int bad = 0;
    for (size_t size = 1; size <= page; size *= 2) {
        struct mm_refpage *ref = make_ref(sample(), size);
        unsigned char *start = map_ref(ref, 3 * page);
        if (!shows(start, 3 * page, sample(), size)) {
            diag("a pattern of %zu bytes is wrong", size);
            bad++;
        }
        bad += mm_refpage_unmap(start, 3 * page) != 0;
        bad += mm_refpage_close(ref) != 0;
    }
    is_int(bad, 0, "each power of two up to the page is repeated");

    static const size_t wrong[] = {0, 3, 5, 6, 7, 48, 4095, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        fails(!mm_refpage_create(sample(), wrong[i], 0), EINVAL, "pattern of");
    fails(!mm_refpage_create(sample(), 2 * page, 0), EINVAL, "power of two");
    fails(!mm_refpage_create(sample(), SIZE_MAX / 2 + 1, 0), EINVAL,
          "power of two");
}

static void test_alignment(void)
{
    int bad = 0;
    for (size_t size = 2; size <= page_size(); size *= 2) {
        struct mm_refpage *ref = make_ref(sample() + size, size);
        unsigned char *start = map_ref(ref, 1);
        bad += !shows(start, page_size(), sample() + size, size);
        bad += mm_refpage_unmap(start, 1) != 0 || mm_refpage_close(ref) != 0;
        errno = 0;
        bad += mm_refpage_create(sample() + size / 2, size, 0) != NULL;
        bad += errno != EINVAL;
        errno = 0;
        bad += mm_refpage_create(sample() + size - 1, size, 0) != NULL;
        bad += errno != EINVAL;
    }
    is_int(bad, 0, "the content must be a multiple of its size");
    fails(!mm_refpage_create(sample() + 8, 16, 0), EINVAL, "multiple");
}

static void test_flags(void)
{
    fails(!mm_refpage_create(sample(), 1, 1), EINVAL, "flags");
    fails(!mm_refpage_create(sample(), 1, O_CLOEXEC), EINVAL, "flags");
    fails(!mm_refpage_create(sample(), 1, 1ul << 31), EINVAL, "flags");
    fails(!mm_refpage_create(sample(), 1, -1ul), EINVAL, "flags");
}

static void test_wild_content(void)
{
    size_t page = page_size();
    unsigned char *area = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED || munmap(area + 2 * page, page) < 0 ||
        mprotect(area, page, PROT_NONE) < 0)
        bail("mmap: %s", strerror(errno));
    memset(area + page, 0x55, page);
    fails(!mm_refpage_create(NULL, 1, 0), EFAULT, "pattern");
    fails(!mm_refpage_create(NULL, page, 0), EFAULT, "pattern");
    fails(!mm_refpage_create(area, 8, 0), EFAULT, "pattern");
    fails(!mm_refpage_create(area + 2 * page, 1, 0), EFAULT, "pattern");
    fails(!mm_refpage_create((void *)(SIZE_MAX - page + 1), page, 0), EFAULT,
          "pattern");
    fails(!mm_refpage_create((void *)(SIZE_MAX / 2 + 1), 4, 0), EFAULT,
          "pattern");
    struct mm_refpage *ref = make_ref(area + page, page);
    is_int(mm_refpage_close(ref), 0, "a page between two holes can be read");
    ref = make_ref(area + 2 * page - 1, 1);
    is_int(mm_refpage_close(ref), 0, "so can its last byte");
    mprotect(area + page, page, PROT_READ);
    ref = make_ref(area + page, 64);
    is_int(mm_refpage_close(ref), 0, "and what can only be read");
    munmap(area, 2 * page);
}

/* The content is copied by the call. */
static void test_copy(void)
{
    _Alignas(8) char content[8] = "before";
    struct mm_refpage *ref = make_ref(content, 8);
    memcpy(content, "after!", 7);
    char *start = mm_refpage_map(ref, 9000);
    ok(start && shows(start, 9000, "before\0", 8),
       "what changes afterwards does not show in a mapping");
    memcpy(content, "ever..", 7);
    char *other = mm_refpage_map(ref, 4 * MIB);
    ok(other && shows(other, 4 * MIB, "before\0", 8), "nor in a later one");
    is_int(mm_refpage_close(ref), 0, "a reference can be closed");
    ok(shows(start, 9000, "before\0", 8) &&
           shows(other, 4 * MIB, "before\0", 8),
       "its mappings stay");
    start[5000] = 'x';
    ok(start[5000] == 'x' && shows(start, 4096, "before\0", 8),
       "and can be written to");
    is_int(mm_refpage_unmap(start, 9000), 0, "they can be given back");
    is_int(mm_refpage_unmap(other, 4 * MIB), 0, "in any order");
}

static void test_wrong_objects(void)
{
    struct mm_refpage *ref = make_ref(sample(), 16);
    struct mm_refpage *closed = make_ref(sample(), 32);
    char *start = mm_refpage_map(ref, 10000);
    mm_refpage_close(closed);
    int local = 5;
    struct mm_refpage *const wild[] = {NULL,
                                       closed,
                                       (struct mm_refpage *)(void *)&local,
                                       (struct mm_refpage *)(void *)start,
                                       (struct mm_refpage *)8,
                                       (struct mm_refpage *)-1};
    for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
        fails(!mm_refpage_map(wild[i], 4096), EINVAL, "no reference page");
        fails(mm_refpage_close(wild[i]) == -1, EINVAL, "no reference page");
        fails(mm_refpage_fd(wild[i]) == -1, EINVAL, "no reference page");
    }
    fails(mm_refpage_unmap(NULL, 10000) == -1, EINVAL, "no mapping");
    fails(mm_refpage_unmap(&local, 10000) == -1, EINVAL, "no mapping");
    fails(mm_refpage_unmap(ref, 10000) == -1, EINVAL, "no mapping");
    fails(mm_refpage_unmap(start + 1, 10000) == -1, EINVAL, "no mapping");
    fails(mm_refpage_unmap(start + page_size(), 4096) == -1, EINVAL, "no map");
    fails(mm_refpage_unmap(start, 1) == -1, EINVAL, "no mapping");
    fails(mm_refpage_unmap(start, 10 * MIB) == -1, EINVAL, "no mapping");
    fails(mm_refpage_unmap(start, 0) == -1, EINVAL, "0 bytes");
    fails(mm_refpage_unmap(start, SIZE_MAX) == -1, ENOMEM, "bytes");
    ok(shows(start, 10000, sample(), 16), "after all this it is still there");
    is_int(mm_refpage_unmap(start, 10000), 0, "the right address goes");
    fails(mm_refpage_unmap(start, 10000) == -1, EINVAL, "no mapping");
    fails(!mm_refpage_map(ref, 0), EINVAL, "0 bytes");
    is_int(mm_refpage_close(ref), 0, "the reference too");
    fails(mm_refpage_close(ref) == -1, EINVAL, "no reference page");
}

/* The kernel gives out what the program unmapped by itself. */
static void test_own_munmap(void)
{
    struct mm_refpage *ref = make_ref(sample(), 64);
    unsigned char *first = map_ref(ref, 16 * page_size());
    munmap(first, 16 * page_size());
    unsigned char *again = map_ref(ref, 8 * page_size());
    unsigned char *more = map_ref(ref, 8 * page_size());
    diag("%p, then %p and %p", (void *)first, (void *)again, (void *)more);
    is_int(mm_refpage_unmap(again, 8 * page_size()), 0,
           "munmap(2) makes room for other mappings");
    is_int(mm_refpage_unmap(more, 8 * page_size()), 0, "of any size");
    mm_refpage_close(ref);
}

static void test_quiet(void)
{
    clear_failure();
    errno = 77;
    struct mm_refpage *ref = make_ref(sample(), 4);
    unsigned char *small = map_ref(ref, 4096), *large = map_ref(ref, 9 * MIB);
    int fd = mm_refpage_fd(ref);
    if (fd >= 0)
        close(fd);
    else
        clear_failure(), errno = 77;
    mm_refpage_unmap(small, 4096);
    mm_refpage_unmap(large, 9 * MIB);
    mm_refpage_close(ref);
    ok(errno == 77 && mm_error() == NULL,
       "success leaves errno and mm_error() alone");
}

int main(void)
{
    if (strcmp(mm_query(NULL, "refpage"), "NONE") == 0)
        skip_all("this system has no reference pages");
    diag("source: %s", mm_query(NULL, "refpage"));
    test_sizes();
    test_alignment();
    test_flags();
    test_wild_content();
    test_copy();
    test_wrong_objects();
    test_own_munmap();
    test_quiet();
    return done();
}
