/* SPDX-License-Identifier: MIT */
/*
 * small.h -- small file systems that only the calling process sees.
 */
#ifndef TESTS_SMALL_H
#define TESTS_SMALL_H

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

/* "0 ID 1": the one user or group of this process is root here. */
static bool write_map(const char *path, unsigned id)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return false;
    fprintf(file, "0 %u 1", id);
    return fclose(file) == 0;
}

static bool give_up_groups(void)
{
    FILE *file = fopen("/proc/self/setgroups", "we");
    if (!file)
        return false;
    fputs("deny", file);
    return fclose(file) == 0;
}

/* Become root where nobody else is; false where that is not allowed. */
static bool leave_others(void)
{
    unsigned uid = geteuid(), gid = getegid();
    if (uid == 0)
        return unshare(CLONE_NEWNS) == 0;
    return unshare(CLONE_NEWNS | CLONE_NEWUSER) == 0 &&
           write_map("/proc/self/uid_map", uid) && give_up_groups() &&
           write_map("/proc/self/gid_map", gid);
}

/* One at DIRECTORY and one at /dev/shm; OPTIONS say how large.  False where
 * the system does not allow it. */
__attribute__((unused)) static bool mount_small(const char *directory,
                                                const char *options)
{
    return leave_others() &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", directory, "tmpfs", 0, options) == 0 &&
           mount("tmpfs", "/dev/shm", "tmpfs", 0, options) == 0;
}

#endif
