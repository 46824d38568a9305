/* SPDX-License-Identifier: MIT */
/*
 * limits.c -- reference pages that cannot be had are an error and leave nothing
 * behind; descriptors are neither lost nor trusted.
 *
 * Each limit is met in a child of its own.
 */
#include <fcntl.h>
#include <sys/resource.h>

#include "../shm/leaks.h"
#include "refpage.h"

static const size_t GIB = (size_t)1 << 30;

static int count_maps(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    int count = 0;
    for (int c; maps && (c = getc(maps)) != EOF;)
        count += c == '\n';
    if (maps)
        fclose(maps);
    return count;
}

static void limit(int what, rlim_t value)
{
    struct rlimit limit = {value, value};
    if (setrlimit(what, &limit) < 0)
        _exit(77);
}

/* The number of the next descriptor. */
static rlim_t next_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY);
    close(fd);
    return (rlim_t)fd;
}

static bool refused(const void *result, int error)
{
    return !result && errno == error && mm_error() != NULL;
}

static int no_descriptor(void *unused, int number)
{
    (void)unused;
    (void)number;
    struct mm_refpage *ref = mm_refpage_create(sample(), 8, 0);
    limit(RLIMIT_NOFILE, next_descriptor());
    int maps = count_maps(); /* 0: none can be opened */
    bool good = ref && maps == 0;
    good &= refused(mm_refpage_create(sample(), 8, 0), EMFILE);
    good &= refused(mm_refpage_map(ref, 10000), EMFILE);
    good &= refused(mm_refpage_map(ref, GIB), EMFILE);
    close(0);
    void *start = mm_refpage_map(ref, 10000);
    good &= start && shows(start, 10000, sample(), 8);
    good &= mm_refpage_close(ref) == 0;
    return good && next_descriptor() == 0 ? 0 : 1;
}

static int no_address_space(void *unused, int number)
{
    (void)unused;
    (void)number;
    struct mm_refpage *ref = mm_refpage_create(sample(), 8, 0);
    limit(RLIMIT_AS, 256 * MIB);
    int maps = count_maps(), files = count_descriptors();
    bool good = refused(mm_refpage_map(ref, GIB), ENOMEM);
    good &= refused(mm_refpage_map(ref, SIZE_MAX), ENOMEM);
    good &= refused(mm_refpage_map(ref, SIZE_MAX / 2), ENOMEM);
    good &= refused(mm_refpage_map(ref, SIZE_MAX - 4 * MIB), ENOMEM);
    good &= count_maps() == maps && count_descriptors() == files;
    void *start = mm_refpage_map(ref, 3 * MIB);
    return good && start && shows(start, 3 * MIB, sample(), 8) ? 0 : 1;
}

static int no_data(void *unused, int number)
{
    (void)unused;
    (void)number;
    struct mm_refpage *ref = mm_refpage_create(sample(), 8, 0);
    limit(RLIMIT_DATA, 128 * MIB);
    int maps = count_maps(), files = count_descriptors();
    bool good = refused(mm_refpage_map(ref, GIB), ENOMEM);
    return good && count_maps() == maps && count_descriptors() == files ? 0 : 1;
}

/* The limit would also be a signal. */
static int no_large_files(void *unused, int number)
{
    (void)unused;
    (void)number;
    limit(RLIMIT_FSIZE, 100000);
    struct mm_refpage *ref = mm_refpage_create(sample(), 8, 0);
    int maps = count_maps(), files = count_descriptors();
    bool good = ref && refused(mm_refpage_map(ref, GIB), EFBIG);
    good &= count_maps() == maps && count_descriptors() == files;
    good &= mm_refpage_map(ref, 10000) != NULL;
    limit(RLIMIT_FSIZE, 4);
    good &= refused(mm_refpage_create(sample(), 8, 0), EFBIG);
    return good ? 0 : 1;
}

/* Take all mappings but LEFT that the system allows.  False if it allows too
 * many. */
static bool use_up_mappings(int left)
{
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    int most = 0;
    if (!file || fscanf(file, "%d", &most) != 1 || most > 300000)
        return false;
    fclose(file);
    int count = most - count_maps() - left;
    size_t page = page_size();
    char *area = mmap(NULL, (size_t)count * page, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED)
        return false;
    for (int i = 1; i < count; i += 2)
        if (mprotect(area + (size_t)i * page, page, PROT_READ) < 0)
            return false;
    return true;
}

static int few_mappings(void *unused, int number)
{
    (void)unused;
    (void)number;
    struct mm_refpage *ref = mm_refpage_create(sample(), 8, 0);
    if (!ref || !use_up_mappings(100))
        return 77;
    int maps = count_maps();
    /* 512 mappings are too many, 64 are not. */
    unsigned char *start = mm_refpage_map(ref, GIB);
    bool good = start && shows(start, 65 * MIB, sample(), 8) &&
                shows(start + GIB - MIB, MIB, sample(), 8);
    good &= count_maps() < maps + 90;
    good &= mm_refpage_unmap(start, GIB) == 0;
    good &= mm_refpage_close(ref) == 0;
    return good && count_maps() <= maps + 2 ? 0 : 1;
}

static int no_mappings(void *unused, int number)
{
    (void)unused;
    (void)number;
    struct mm_refpage *ref = mm_refpage_create(sample(), 8, 0);
    if (!ref || !use_up_mappings(9))
        return 77;
    int maps = count_maps(), files = count_descriptors();
    bool good = refused(mm_refpage_map(ref, GIB), ENOMEM);
    good &= count_maps() <= maps + 1 && count_descriptors() == files;
    void *start = mm_refpage_map(ref, MIB); /* 16, else 2 */
    return good && start && shows(start, MIB, sample(), 8) ? 0 : 1;
}

static void run(int (*work)(void *, int), const char *what)
{
    int status = end_child(start_child(work, NULL, 0));
    if (status == 77)
        skip(1, "this system does not let itself be limited so");
    else
        is_int(status, 0, what);
}

static void test_leaks(void)
{
    void *early = map_ref(make_ref(sample(), 1), 1); /* what is made once */
    (void)early;
    int files = count_descriptors(), maps = count_maps();
    for (int i = 0; i < 20; i++) {
        struct mm_refpage *ref = make_ref(sample(), 8);
        unsigned char *small = map_ref(ref, 3 * page_size());
        unsigned char *more = map_ref(ref, 4 * page_size());
        unsigned char *large = map_ref(ref, 33 * MIB);
        is_int(count_descriptors() - files, 2, "a descriptor for each size");
        mm_refpage_unmap(more, 4 * page_size());
        mm_refpage_close(ref);
        mm_refpage_unmap(large, 33 * MIB);
        mm_refpage_unmap(small, 3 * page_size());
        mm_refpage_create(sample() + 1, 2, 0);
        mm_refpage_create(NULL, 2, 0);
    }
    is_int(count_descriptors(), files, "no descriptor is lost");
    ok(count_maps() <= maps + 2, "nor address space (%d mappings, then %d)",
       maps, count_maps());
}

/* The number of the descriptor belongs to something else today. */
static void test_taken_over(void)
{
    struct mm_refpage *ref = make_ref(sample(), 8);
    int fd = (int)next_descriptor();
    unsigned char *first = map_ref(ref, 10000);
    int other = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    dup2(other, fd);
    unsigned char *second = mm_refpage_map(ref, 10000);
    ok(second && shows(second, 10000, sample(), 8),
       "a descriptor that became something else is not mapped");
    is_int(mm_refpage_close(ref), 0, "the reference is closed");
    char byte = 1;
    ok(read(fd, &byte, 1) == 1 && byte == 0, "but not that descriptor");
    close(fd);
    close(other);
    mm_refpage_unmap(first, 10000);
    mm_refpage_unmap(second, 10000);
}

int main(void)
{
    need_proc();
    need_memfd();
    const char *sanitizers = getenv("SANITIZERS");
    run(no_descriptor, "without descriptors: EMFILE");
    if (sanitizers && *sanitizers) {
        skip(5, "a sanitizer has mappings of its own");
    } else {
        run(no_large_files, "without large files: EFBIG");
        run(no_address_space, "without address space: ENOMEM");
        run(no_data, "without private memory: ENOMEM");
        run(few_mappings, "with few mappings left it takes fewer");
        run(no_mappings, "with none left: ENOMEM");
    }
    test_leaks();
    test_taken_over();
    return done();
}
