/* SPDX-License-Identifier: MIT */
/*
 * file.c -- private files as memory: make, size, map, set aside, remove.
 *
 * A hole in a file is noticed only when touched, as SIGBUS in some innocent
 * strcpy().  Both ways to fill holes beforehand are here: populating a mapping,
 * which needs no descriptor, and fallocate().
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/page.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum {
    ATTEMPTS = 100,          /* for calls that signals interrupt */
    ALLOCATE_STEP = 64 << 20 /* what one such call may have to do again */
};

static void close_keeping_errno(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
}

int mmi_file_random_name(char name[FILE_RANDOM_NAME_SIZE])
{
    unsigned char bytes[12];
    if (getentropy(bytes, sizeof bytes) < 0)
        return mmi_fail("mm:core: cannot make a random file name");
    char *end = stpcpy(name, "mm-");
    for (size_t i = 0; i < sizeof bytes; i++)
        end += sprintf(end, "%02x", bytes[i]);
    return 0;
}

/* DIRECTORY, or the current one if NULL, slash, PATH, SUFFIX. */
static char *join_path(const char *directory, const char *path,
                       const char *suffix)
{
    char current[PATH_MAX];
    if (!directory) {
        directory = getcwd(current, sizeof current);
        if (!directory) {
            mmi_fail("mm:core: cannot find the current directory");
            return NULL;
        }
    }
    char *joined;
    if (asprintf(&joined, "%s/%s%s", directory, path, suffix) < 0) {
        mmi_fail_as(ENOMEM, "mm:core: no private memory for a file name");
        return NULL;
    }
    return joined;
}

static int create_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                  S_IRUSR | S_IWUSR);
    if (fd >= 0)
        return fd;
    if (errno == EEXIST)
        return mmi_fail_as(EEXIST,
                           "mm:core: cannot create '%s': the name is taken; "
                           "what has it was left untouched",
                           path);
    return mmi_fail("mm:core: cannot create '%s'", path);
}

int mmi_file_identify(int fd, struct file_id *id)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        mmi_fail("mm:core: cannot look at the file just made");
        close_keeping_errno(fd);
        return -1;
    }
    *id = (struct file_id){status.st_dev, status.st_ino};
    return 0;
}

int mmi_file_temporary(void)
{
    const char *directory = secure_getenv("TMPDIR");
    char name[FILE_RANDOM_NAME_SIZE];
    if (mmi_file_random_name(name) < 0)
        return -1;
    char *path =
        join_path(directory && *directory ? directory : "/tmp", name, "");
    if (!path)
        return -1;
    int fd = create_file(path);
    if (fd >= 0 && unlink(path) < 0) {
        mmi_fail("mm:core: cannot unlink the temporary file '%s'", path);
        close_keeping_errno(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

int mmi_file_create(const char *path, const char *suffix, char **absolute,
                    struct file_id *id)
{
    char *joined = join_path(path[0] == '/' ? "" : NULL,
                             path[0] == '/' ? path + 1 : path, suffix);
    if (!joined)
        return -1;
    int fd = create_file(joined);
    if (fd < 0)
        goto undo_name;
    if (mmi_file_identify(fd, id) < 0)
        goto undo_file;
    *absolute = joined;
    return fd;

undo_file:;
    int saved = errno;
    unlink(joined);
    errno = saved;
undo_name:
    free(joined);
    return -1;
}

static bool is_same(const struct stat *status, const struct file_id *id)
{
    return status->st_dev == id->device && status->st_ino == id->inode;
}

bool mmi_file_is(int fd, const struct file_id *id)
{
    struct stat status;
    return fd >= 0 && fstat(fd, &status) == 0 && is_same(&status, id);
}

void mmi_file_close(int fd, const struct file_id *id)
{
    int saved = errno;
    if (mmi_file_is(fd, id))
        close_keeping_errno(fd);
    errno = saved;
}

void mmi_file_remove(const char *path, const struct file_id *id)
{
    int saved = errno;
    struct stat status;
    if (lstat(path, &status) == 0 && is_same(&status, id))
        unlink(path);
    errno = saved;
}

int mmi_file_permit(int fd, mode_t mode, uid_t uid, gid_t gid)
{
    struct stat before;
    if (fstat(fd, &before) < 0 || fchmod(fd, mode) < 0)
        return mmi_fail("mm:core: cannot change the file's mode to %03o",
                        (unsigned)mode);
    if (fchown(fd, uid, gid) < 0) {
        mmi_fail("mm:core: cannot change the file's owner to %ld:%ld",
                 (long)(int)uid, (long)(int)gid);
        int error = errno;
        fchmod(fd, before.st_mode & 07777);
        errno = error;
        return -1;
    }
    return 0;
}

size_t mmi_file_max_size(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur >= SIZE_MAX)
        return SIZE_MAX;
    return (size_t)limit.rlim_cur;
}

/* fallocate() in steps, so that a process with a busy timer gets on. */
static int allocate_file(int fd, size_t offset, size_t size)
{
    int attempts = 0;
    while (size > 0) {
        size_t step = size < ALLOCATE_STEP ? size : ALLOCATE_STEP;
        if (fallocate(fd, 0, (off_t)offset, (off_t)step) < 0) {
            if (errno == EINTR && ++attempts < ATTEMPTS)
                continue;
            return -1;
        }
        attempts = 0;
        offset += step;
        size -= step;
    }
    return 0;
}

static int populate_pages(char *start, size_t size)
{
    for (int attempts = 0; attempts < ATTEMPTS; attempts++) {
        if (madvise(start, size, MADV_POPULATE_WRITE) == 0)
            return 0;
        if (errno != EINTR && errno != EAGAIN)
            break;
    }
    /* EFAULT says that touching would be SIGBUS. */
    if (errno == EFAULT)
        errno = ENOSPC;
    return -1;
}

bool mmi_file_commits_alone(void)
{
    return madvise(NULL, 0, MADV_POPULATE_WRITE) == 0;
}

static int fail_full(size_t size)
{
    if (errno == ENOSPC)
        return mmi_fail_as(ENOSPC,
                           "mm:core: cannot set %zu bytes aside: the file "
                           "system is full",
                           size);
    return mmi_fail("mm:core: cannot set %zu bytes aside", size);
}

/* Set all of the file FD aside, mapped at BASE.  A file system that would fill
 * itself up first and say no then is not even tried. */
static int reserve_file(int fd, char *base, size_t size)
{
    struct statvfs system;
    if (fstatvfs(fd, &system) == 0 && system.f_blocks > 0 &&
        system.f_frsize > 0 && size / system.f_frsize > system.f_bfree) {
        errno = ENOSPC;
        return fail_full(size);
    }
    if (allocate_file(fd, 0, size) == 0)
        return 0;
    if (errno != EOPNOTSUPP)
        return fail_full(size);
    if (populate_pages(base, size) < 0 && errno != EINVAL)
        return fail_full(size);
    return 0;
}

char *mmi_file_map(int fd, size_t size, bool reserve)
{
    /* Beyond the limit ftruncate() would kill us with SIGXFSZ. */
    if (size > mmi_file_max_size()) {
        mmi_fail_as(EFBIG,
                    "mm:core: cannot make a file of %zu bytes: more than the "
                    "file size limit of this process, %zu",
                    size, mmi_file_max_size());
        return NULL;
    }
    int result;
    do
        result = ftruncate(fd, (off_t)size);
    while (result < 0 && errno == EINTR);
    if (result < 0) {
        mmi_fail("mm:core: cannot make a file of %zu bytes", size);
        return NULL;
    }
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        mmi_fail("mm:core: cannot map %zu bytes of a file", size);
        return NULL;
    }
    if (reserve && reserve_file(fd, base, size) < 0) {
        int saved = errno;
        munmap(base, size);
        errno = saved;
        return NULL;
    }
    return base;
}

int mmi_file_commit(char *base, size_t offset, size_t size, int fd,
                    const struct file_id *id)
{
    size_t lead = offset & (mmi_page_size() - 1);
    offset -= lead;
    size = bytes_align(size + lead, mmi_page_size());
    if (populate_pages(base + offset, size) == 0)
        return 0;
    if (errno != EINVAL && errno != EPERM && errno != ENOSYS)
        return fail_full(size);
    if (!mmi_file_is(fd, id))
        return mmi_fail_as(EBADF,
                           "mm:core: cannot set %zu bytes aside: the "
                           "descriptor of the shared memory was closed",
                           size);
    if (allocate_file(fd, offset, size) < 0 && errno != EOPNOTSUPP)
        return fail_full(size);
    return 0;
}
