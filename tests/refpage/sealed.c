/* SPDX-License-Identifier: MIT */
/*
 * sealed.c -- nobody can change what reference pages show, or take it away:
 * not by the descriptor, not by the file behind it, not from a child, not by
 * writing to the memory from outside.
 */
#include <fcntl.h>

#include "../shm/leaks.h"
#include "refpage.h"

enum { LENGTH = 5 * MIB, MOST_FILES = 8 };

struct world {
    struct mm_refpage *ref;
    unsigned char *small, *large;
    int files[MOST_FILES]; /* what the reference keeps open */
    int count;
};

/* The descriptors of this process that lead to reference pages. */
static int find_files(int *files)
{
    int count = 0;
    for (int fd = 0; fd < 200 && count < MOST_FILES; fd++) {
        char path[40], target[100];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        if (strstr(target, "mm:refpage"))
            files[count++] = fd;
    }
    return count;
}

/* How many of the ways to change the file FD are open. */
static int ways_to_change(int fd)
{
    static const char bytes[] = "changed";
    int ways = 0;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return 100;
    if (pwrite(fd, bytes, sizeof bytes, 0) >= 0) {
        diag("pwrite() works");
        ways++;
    }
    if (ftruncate(fd, 0) == 0 || ftruncate(fd, status.st_size / 2) == 0 ||
        ftruncate(fd, status.st_size + 1) == 0) {
        diag("ftruncate() works");
        ways++;
    }
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  (off_t)page_size()) == 0 ||
        fallocate(fd, 0, status.st_size, (off_t)page_size()) == 0) {
        diag("fallocate() works");
        ways++;
    }
    void *map =
        mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) {
        diag("a shared mapping works");
        ways++;
    }
    map = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED &&
        (mprotect(map, page_size(), PROT_READ | PROT_WRITE) == 0 ||
         madvise(map, page_size(), MADV_REMOVE) == 0)) {
        diag("a shared mapping becomes writable, or loses pages");
        ways++;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0) {
        diag("seals can be added");
        ways++;
    }
    return ways;
}

static int attack(void *argument, int number)
{
    struct world *world = argument;
    int ways = 0;
    (void)number;
    for (int i = 0; i < world->count; i++) {
        char path[40];
        ways += ways_to_change(world->files[i]);
        snprintf(path, sizeof path, "/proc/self/fd/%d", world->files[i]);
        int fd = open(path, O_RDWR);
        if (fd >= 0)
            ways += ways_to_change(fd);
        fd = open(path, O_RDWR | O_TRUNC);
        if (fd >= 0)
            ways += ways_to_change(fd);
    }
    return ways;
}

static bool intact(const struct world *world)
{
    return shows(world->small, MIB, sample(), 32) &&
           shows(world->large, LENGTH, sample(), 32);
}

/* /proc/PID/mem writes even to what is protected. */
static void test_memory_file(const struct world *world)
{
    int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        skip(2, "/proc/self/mem cannot be opened");
        return;
    }
    size_t page = page_size();
    unsigned char *other = map_ref(world->ref, LENGTH);
    mprotect(world->large, page, PROT_READ);
    ssize_t done = pwrite(fd, "changed", 7, (off_t)(size_t)world->large);
    close(fd);
    if (done != 7)
        skip(1, "/proc/self/mem cannot be written to");
    else
        ok(!memcmp(world->large, "changed", 7) &&
               shows(other, LENGTH, sample(), 32),
           "who writes from outside writes to a copy");
    mprotect(world->large, page, PROT_READ | PROT_WRITE);
    madvise(world->large, page, MADV_DONTNEED);
    ok(intact(world), "which goes away like others");
    mm_refpage_unmap(other, LENGTH);
}

int main(void)
{
    need_proc();
    need_memfd();
    struct world world = {.ref = make_ref(sample(), 32)};
    world.small = map_ref(world.ref, MIB);
    world.large = map_ref(world.ref, LENGTH);
    world.count = find_files(world.files);
    is_int(world.count, 2, "there is a file for each size of mapping");
    is_int(fcntl(world.files[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC,
           "that is closed on exec");
    is_int(end_child(start_child(attack, &world, 0)), 0,
           "a child cannot change them in any way");
    is_int(attack(&world, 0), 0, "nor can the process itself");
    ok(intact(&world), "so the pages are what they were");
    is_int(madvise(world.large, LENGTH, MADV_REMOVE), -1,
           "no hole can be made through a mapping");
    test_memory_file(&world);
    return done();
}
