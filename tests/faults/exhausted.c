/* SPDX-License-Identifier: MIT */
/*
 * exhausted.c -- where there are no more descriptors, addresses, pages, file
 * sizes, semaphores or segments, calls fail with a message and leave nothing
 * behind; what was there before goes on; and later they work.
 *
 * Real limits: of the process, of small file systems, of an IPC namespace.
 */
#include <fcntl.h>
#include <mm.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "../children.h"
#include "../shm/leaks.h"
#include "../shm/small.h"

enum { REQUEST = 2 << 20, LARGE = 64 << 20, OLD_SIZE = 5000 };

static const char *const shms[] = {"MEMFD",  "MMANON", "IPCSHM",
                                   "MMPOSX", "MMZERO", "MMFILE"};
static const char *const locks[] = {"FUTEX",  "OFD",   "FCNTL",
                                    "IPCSEM", "FLOCK", "PTHREAD"};
enum { SHM_COUNT = 6, LOCK_COUNT = 6 };

static char directory[200];

/* Called in children: what they find is told by their exit status. */
#define expect(condition)                                                      \
    do {                                                                       \
        if (!(condition)) {                                                    \
            diag("%s, line %d: %s (errno %d, %s)", getenv("MM_OPTIONS"),       \
                 __LINE__, #condition, errno,                                  \
                 mm_error() ? mm_error() : "no message");                      \
            return 1;                                                          \
        }                                                                      \
    } while (0)

static void choose(const char *shm, const char *lock)
{
    char options[100];
    snprintf(options, sizeof options, "shm=%s,lock=%s", shm, lock);
    setenv("MM_OPTIONS", options, 1);
}

static void forget_failure(void)
{
    mm_lib_error_set(0, NULL);
    errno = 0;
}

static bool is_told(int error, int other)
{
    const char *text = mm_error();
    return (errno == error || errno == other) && text &&
           (!strncmp(text, "mm:core: ", 9) || !strncmp(text, "mm:alloc: ", 10));
}

static void limit(int which, rlim_t value)
{
    struct rlimit limits;
    if (getrlimit(which, &limits) < 0)
        bail("getrlimit: %s", strerror(errno));
    limits.rlim_cur = value < limits.rlim_max ? value : limits.rlim_max;
    if (setrlimit(which, &limits) < 0)
        bail("setrlimit: %s", strerror(errno));
}

/* A pool from better times goes on. */
static bool goes_on(MM *mm, char *old)
{
    for (int i = 0; i < OLD_SIZE; i++)
        if (old[i] != 'o')
            return false;
    void *ptr = mm_malloc(mm, 100);
    mm_free(mm, ptr);
    return ptr && mm_lock(mm, MM_LOCK_RW) && mm_unlock(mm) && mm_check(mm) == 0;
}

static MM *make_old(char **old)
{
    MM *mm = mm_create(REQUEST, "old");
    *old = mm ? mm_malloc(mm, OLD_SIZE) : NULL;
    if (*old)
        memset(*old, 'o', OLD_SIZE);
    return *old ? mm : NULL;
}

/* --- descriptors ---------------------------------------------------------- */

static int use_in_child(void *argument, int descriptors)
{
    MM *mm = argument;
    rlim_t usual = 256;
    limit(RLIMIT_NOFILE, (rlim_t)descriptors);
    forget_failure();
    bool locked = mm_lock(mm, MM_LOCK_RW);
    expect(locked || is_told(EMFILE, EMFILE));
    if (locked)
        expect(mm_unlock(mm));
    forget_failure();
    void *ptr = mm_malloc(mm, 400000);
    expect(ptr || is_told(EMFILE, EMFILE));
    mm_free(mm, ptr);
    limit(RLIMIT_NOFILE, usual);
    mm_free(mm, ptr); /* again, if that could not be done */
    expect(mm_lock(mm, MM_LOCK_RW) && mm_unlock(mm));
    ptr = mm_malloc(mm, 400000);
    expect(ptr);
    mm_free(mm, ptr);
    return 0;
}

static int run_out_of_descriptors(void *argument, int number)
{
    char *old;
    (void)argument;
    (void)number;
    MM *before = make_old(&old);
    expect(before);
    struct footprint footprint = take_footprint(directory);
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    bool made = false;
    for (int more = 0; more < 14; more++) {
        limit(RLIMIT_NOFILE, (rlim_t)(next + more));
        forget_failure();
        MM *mm = mm_create(REQUEST, "new");
        expect(mm || is_told(EMFILE, EMFILE));
        expect(goes_on(before, old));
        made = mm != NULL;
        if (mm)
            mm_destroy(mm);
        limit(RLIMIT_NOFILE, 256);
        expect(same_footprint(footprint, directory));
    }
    expect(made);
    for (int more = 0; more < 6; more++)
        expect(end_child(start_child(use_in_child, before, next + more)) == 0);
    expect(goes_on(before, old));
    mm_destroy(before);
    return 0;
}

/* --- addresses ------------------------------------------------------------ */

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%lu", &pages) != 1)
        bail("/proc/self/statm");
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static int run_out_of_addresses(void *argument, int number)
{
    char *old;
    (void)argument;
    (void)number;
    MM *before = make_old(&old);
    expect(before);
    struct footprint footprint = take_footprint(directory);
    rlim_t now = address_space();
    for (int step = 0; step < 10; step++) {
        rlim_t more = step == 0 ? 0 : (rlim_t)4096 << (2 * step);
        limit(RLIMIT_AS, now + more);
        forget_failure();
        MM *mm = mm_create(LARGE, "new");
        expect(mm || is_told(ENOMEM, ENOMEM));
        expect(mm || step < 9);
        expect(goes_on(before, old));
        if (mm) {
            char *ptr = mm_malloc(mm, 1 << 20);
            expect(ptr);
            memset(ptr, 1, 1 << 20);
            mm_destroy(mm);
        }
        limit(RLIMIT_AS, RLIM_INFINITY);
        expect(same_footprint(footprint, directory));
    }
    expect(goes_on(before, old));
    mm_destroy(before);
    return 0;
}

/* --- the size of files ---------------------------------------------------- */

static int run_out_of_file_size(void *argument, int number)
{
    char *old;
    (void)argument;
    (void)number;
    MM *before = make_old(&old);
    expect(before);
    struct footprint footprint = take_footprint(directory);
    limit(RLIMIT_FSIZE, 1 << 20);
    forget_failure();
    MM *mm = mm_create(LARGE, "new");
    expect(mm || is_told(EFBIG, ENOMEM));
    if (mm)
        mm_destroy(mm);
    char *ptr = mm_malloc(before, 1 << 20);
    if (ptr)
        memset(ptr, 1, 1 << 20);
    expect(ptr || is_told(EFBIG, ENOSPC));
    mm_free(before, ptr);
    expect(goes_on(before, old));
    expect(same_footprint(footprint, directory));
    mm_destroy(before);
    return 0;
}

/* --- file systems --------------------------------------------------------- */

/* Take all there is in DIRECTORY. */
static void fill_up(const char *path)
{
    char name[300];
    static char block[65536];
    snprintf(name, sizeof name, "%s/filler", path);
    int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    size_t size = sizeof block;
    if (fd < 0)
        bail("%s: %s", name, strerror(errno));
    while (size >= 1)
        if (write(fd, block, size) < (ssize_t)size)
            size /= 2;
    close(fd);
}

static void make_room(const char *path)
{
    char name[300];
    snprintf(name, sizeof name, "%s/filler", path);
    unlink(name);
}

static int read_in_child(void *argument, int number)
{
    MM *mm = argument;
    (void)number;
    expect(mm_lock(mm, MM_LOCK_RD) && mm_unlock(mm));
    return 0;
}

/* Blocks of SIZE until there are no more: each can be written to. */
static int use_up(MM *mm, size_t size, bool full)
{
    for (int i = 0; i < 100000; i++) {
        forget_failure();
        char *ptr = mm_malloc(mm, size);
        if (!ptr) {
            expect(full ? is_told(ENOSPC, ENOSPC) : is_told(ENOMEM, ENOMEM));
            return 0;
        }
        memset(ptr, 'x', size);
    }
    return 1;
}

static int run_out_of_pages(void *argument, int number)
{
    static const size_t sizes[] = {100, 3000, 200000};
    char *old;
    (void)argument;
    (void)number;
    if (!mount_small(directory, "size=8m"))
        return 77;
    if (chdir(directory) < 0)
        return 2;
    MM *before = make_old(&old);
    expect(before);
    struct footprint footprint = take_footprint(directory);
    fill_up(directory);
    fill_up("/dev/shm");
    bool files = strstr(getenv("MM_OPTIONS"), "MMFILE") ||
                 strstr(getenv("MM_OPTIONS"), "MMPOSX");
    for (int i = 0; i < 3; i++)
        expect(use_up(before, sizes[i], files) == 0);
    expect(mm_check(before) == 0);
    forget_failure();
    MM *mm = mm_create(REQUEST, "new");
    expect(files ? !mm && is_told(ENOSPC, ENOSPC) : mm != NULL);
    if (mm)
        mm_destroy(mm);
    /* More readers than have a place on the pages there are. */
    for (int i = 0; i < 150; i++)
        expect(end_child(start_child(read_in_child, before, i)) == 0);
    make_room(directory);
    make_room("/dev/shm");
    expect(same_footprint(footprint, directory));
    mm_reset(before);
    char *again = mm_malloc(before, 1 << 20);
    expect(again);
    memset(again, 1, 1 << 20);
    mm_destroy(before);
    return count_names(directory) == 0 ? 0 : 3;
}

/* --- System V objects ----------------------------------------------------- */

static bool set_limit(const char *name, const char *value)
{
    char path[100];
    snprintf(path, sizeof path, "/proc/sys/kernel/%s", name);
    FILE *file = fopen(path, "we");
    if (!file)
        return false;
    fputs(value, file);
    return fclose(file) == 0;
}

static int run_out_of_objects(void *argument, int number)
{
    char *old;
    (void)argument;
    (void)number;
    if (unshare(CLONE_NEWIPC) < 0 || !set_limit("sem", "250 32000 32 2") ||
        !set_limit("shmmni", "2"))
        return 77;
    MM *before = make_old(&old);
    expect(before);
    MM *second = mm_create(REQUEST, "second");
    expect(second);
    struct footprint footprint = take_footprint(directory);
    forget_failure();
    expect(!mm_create(REQUEST, "third") && is_told(ENOSPC, ENOSPC));
    expect(same_footprint(footprint, directory));
    expect(goes_on(before, old));
    mm_destroy(second);
    second = mm_create(REQUEST, "third");
    expect(second);
    mm_destroy(second);
    mm_destroy(before);
    return 0;
}

/* --- all ------------------------------------------------------------------ */

static void test(int (*work)(void *argument, int number), const char *shm,
                 const char *lock, const char *what)
{
    choose(shm, lock);
    int status = end_child(start_child(work, NULL, 0));
    if (status == 77)
        skip(1, "only root can set such limits here");
    else if (!ok(status == 0, "%s with %s: no more %s", shm, lock, what))
        diag("ended with %d", status);
}

static bool is_built(const char *list, const char *name)
{
    return strstr(mm_query(NULL, list), name) != NULL;
}

int main(void)
{
    need_proc();
    make_directory(directory, sizeof directory);
    if (chdir(directory) < 0)
        bail("chdir: %s", strerror(errno));
    setenv("TMPDIR", directory, 1);
    for (int i = 0; i < SHM_COUNT; i++) {
        if (!is_built("shm.variants", shms[i]) || skips_variant(shms[i]))
            continue;
        test(run_out_of_descriptors, shms[i], "FUTEX", "descriptors");
        test(run_out_of_addresses, shms[i], "FUTEX", "addresses");
        test(run_out_of_file_size, shms[i], "FUTEX", "file size");
        test(run_out_of_pages, shms[i], "FUTEX", "pages");
        if (!strcmp(shms[i], "IPCSHM"))
            test(run_out_of_objects, shms[i], "FUTEX", "segments");
    }
    for (int k = 1; k < LOCK_COUNT; k++) {
        if (!is_built("lock.variants", locks[k]))
            continue;
        test(run_out_of_descriptors, "MMANON", locks[k], "descriptors");
        test(run_out_of_descriptors, "MMFILE", locks[k], "descriptors");
        test(run_out_of_pages, "MMFILE", locks[k], "pages");
        if (!strcmp(locks[k], "IPCSEM"))
            test(run_out_of_objects, "MMANON", locks[k], "semaphores");
    }
    if (chdir("/") < 0)
        bail("chdir: %s", strerror(errno));
    is_int(rmdir(directory), 0, "no file is left");
    return done();
}
