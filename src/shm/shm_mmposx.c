/* SPDX-License-Identifier: MIT */
/*
 * shm_mmposx.c -- MMPOSX: shm_open(3) and mmap(2).
 *
 * The object has a random name for a moment and none afterwards: nobody can
 * open it, and nothing is left behind after a crash.  What mm_create() was
 * given as a file name plays no part.  The file system behind it has a size of
 * its own, so pages are committed before they are touched.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/page.h"
#include "shm/shm.h"

static void mmposx_destroy(struct shm *shm)
{
    int saved = errno;
    if (shm->base)
        munmap(shm->base, shm->size);
    mmi_file_close(shm->fd, &shm->file);
    errno = saved;
}

/* A descriptor of a new object without a name. */
static int open_object(void)
{
    char name[FILE_RANDOM_NAME_SIZE];
    char path[FILE_RANDOM_NAME_SIZE + 1];
    if (mmi_file_random_name(name) < 0)
        return -1;
    snprintf(path, sizeof path, "/%s", name);
    int fd = shm_open(path, O_RDWR | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return mmi_fail("mm:core: cannot create the shared memory object '%s'",
                        path);
    if (shm_unlink(path) < 0) {
        mmi_fail("mm:core: cannot unlink the shared memory object '%s'", path);
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int mmposx_create(struct shm *shm, const struct shm_request *request)
{
    *shm = (struct shm){.size = bytes_align(request->size, mmi_page_size()),
                        .id = -1,
                        .creator = getpid()};
    shm->fd = open_object();
    if (shm->fd < 0 || mmi_file_identify(shm->fd, &shm->file) < 0)
        return -1;
    shm->base = mmi_file_map(shm->fd, shm->size, request->reserve);
    if (!shm->base) {
        mmposx_destroy(shm);
        return -1;
    }
    if (!request->keepfd && mmi_file_commits_alone()) {
        close(shm->fd);
        shm->fd = -1;
    }
    return 0;
}

static int mmposx_commit(const struct shm *shm, size_t offset, size_t size)
{
    return mmi_file_commit(shm->base, offset, size, shm->fd, &shm->file);
}

const struct shm_variant mmi_shm_mmposx = {
    .name = "MMPOSX",
    .summary = "shm_open(3), a POSIX shared memory object",
    .create = mmposx_create,
    .destroy = mmposx_destroy,
    .max_size = mmi_file_max_size,
    .commit = mmposx_commit,
};
