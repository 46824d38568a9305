/* SPDX-License-Identifier: MIT */
/*
 * surroundings.h -- what must not change around a pool, whatever is in it.
 *
 * Canaries: private pages directly before and after the mapping, unless
 * something of the process lies there anyway.  Mappings: whatever was mapped
 * before the pool came is mapped alike after it went.  Bystanders: files beside
 * the pool's, and a process that must not get a signal.
 */
#ifndef TESTS_SURROUNDINGS_H
#define TESTS_SURROUNDINGS_H

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../children.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { CANARY_SIZE = 128 << 10, MAPS_SIZE = 256 << 10, FILE_COUNT = 3 };

/* --- canaries ------------------------------------------------------------- */

struct canaries {
    unsigned char *sides[2]; /* NULL: the neighbour is somebody else */
};

static inline void place_canaries(struct canaries *canaries, char *base,
                                  size_t size)
{
    char *places[2] = {base - CANARY_SIZE, base + size};
    for (int i = 0; i < 2; i++) {
        void *got =
            mmap(places[i], CANARY_SIZE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (got != MAP_FAILED && got != places[i])
            munmap(got, CANARY_SIZE); /* kernels before 4.17 */
        canaries->sides[i] = got == places[i] ? got : NULL;
        if (canaries->sides[i])
            memset(canaries->sides[i], 0xc5, CANARY_SIZE);
    }
}

static inline bool are_canaries_well(const struct canaries *canaries)
{
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; canaries->sides[i] && k < CANARY_SIZE; k++)
            if (canaries->sides[i][k] != 0xc5)
                return false;
    return true;
}

static inline void remove_canaries(struct canaries *canaries)
{
    for (int i = 0; i < 2; i++)
        if (canaries->sides[i])
            munmap(canaries->sides[i], CANARY_SIZE);
}

/* --- mappings ------------------------------------------------------------- */

/* The lines of /proc/self/maps, but for the C library's own memory. */
static inline void read_mappings(char *text)
{
    char line[5000];
    size_t used = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    *text = '\0';
    while (maps && fgets(line, sizeof line, maps)) {
        size_t length = strlen(line);
        bool named = strchr(line, '/') || strchr(line, '[');
        if (!named || strstr(line, "[heap]") || strstr(line, "[stack]") ||
            used + length >= MAPS_SIZE)
            continue;
        memcpy(text + used, line, length + 1);
        used += length;
    }
    if (maps)
        fclose(maps);
}

/* --- bystanders ----------------------------------------------------------- */

struct bystanders {
    char names[FILE_COUNT][20];
    struct stat files[FILE_COUNT];
    pid_t process;
    int pipe;
};

static inline int stay_out_of_it(void *argument, int fd)
{
    (void)argument;
    sigset_t all, got;
    char byte;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    while (read(fd, &byte, 1) < 0 && errno == EINTR)
        ;
    sigpending(&got);
    for (int i = 1; i < 32; i++)
        if (i != SIGALRM && i != SIGCHLD && sigismember(&got, i) == 1)
            return i;
    return 0;
}

/* In the current directory. */
static inline void place_bystanders(struct bystanders *bystanders)
{
    static const mode_t modes[FILE_COUNT] = {0600, 0444, 0640};
    for (int i = 0; i < FILE_COUNT; i++) {
        char *name = bystanders->names[i];
        snprintf(name, sizeof bystanders->names[i], "bystander%d", i);
        int fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0 || fchmod(fd, modes[i]) < 0 || write(fd, "x", 1) != 1)
            bail("%s: %s", name, strerror(errno));
        close(fd);
        if (lstat(name, &bystanders->files[i]) < 0)
            bail("%s: %s", name, strerror(errno));
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        bail("pipe: %s", strerror(errno));
    bystanders->process = start_child(stay_out_of_it, NULL, ends[0]);
    close(ends[0]);
    bystanders->pipe = ends[1];
}

/* One test point; removes the files. */
static inline void judge_bystanders(struct bystanders *bystanders)
{
    bool same = true;
    for (int i = 0; i < FILE_COUNT; i++) {
        struct stat now, was = bystanders->files[i];
        same &= lstat(bystanders->names[i], &now) == 0 &&
                now.st_mode == was.st_mode && now.st_uid == was.st_uid &&
                now.st_gid == was.st_gid && now.st_size == was.st_size &&
                now.st_ino == was.st_ino && now.st_nlink == was.st_nlink;
        unlink(bystanders->names[i]);
    }
    ok(same, "files beside the pool's are as they were");
    if (write(bystanders->pipe, "x", 1) != 1)
        diag("the process beside is gone");
    close(bystanders->pipe);
    is_int(end_child(bystanders->process), 0, "a process beside got no signal");
}

#endif
