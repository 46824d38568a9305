/* SPDX-License-Identifier: MIT */
/*
 * shm_mmfile.c -- MMFILE: mmap(2) of a file.
 *
 * With a name: the file NAME.mem, new, which its creator removes on destroy and
 * a crash leaves behind.  Without: a temporary file that loses its name at
 * once.  Pages are committed before they are touched, because file systems fill
 * up.  Whoever may write to the file can truncate it; processes that use it
 * then die of SIGBUS.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/page.h"
#include "shm/shm.h"

static void mmfile_destroy(struct shm *shm)
{
    int saved = errno;
    /* As long as the mapping holds the inode, no other file can have it. */
    if (shm->path && shm->creator == getpid())
        mmi_file_remove(shm->path, &shm->file);
    if (shm->base)
        munmap(shm->base, shm->size);
    mmi_file_close(shm->fd, &shm->file);
    free(shm->path);
    errno = saved;
}

static int open_file(struct shm *shm, const char *path)
{
    if (path)
        return mmi_file_create(path, ".mem", &shm->path, &shm->file);
    int fd = mmi_file_temporary();
    return fd >= 0 && mmi_file_identify(fd, &shm->file) == 0 ? fd : -1;
}

static int mmfile_create(struct shm *shm, const struct shm_request *request)
{
    *shm = (struct shm){.size = bytes_align(request->size, mmi_page_size()),
                        .id = -1,
                        .creator = getpid()};
    shm->fd = open_file(shm, request->path);
    if (shm->fd < 0)
        return -1;
    shm->base = mmi_file_map(shm->fd, shm->size, request->reserve);
    if (!shm->base) {
        mmfile_destroy(shm);
        return -1;
    }
    if (!request->keepfd && mmi_file_commits_alone()) {
        close(shm->fd);
        shm->fd = -1;
    }
    return 0;
}

/* By descriptor, so that nothing else is changed that took over the name. */
static int mmfile_permit(const struct shm *shm, mode_t mode, uid_t uid,
                         gid_t gid)
{
    if (!shm->path)
        return 0;
    int fd = open(shm->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return mmi_fail("mm:core: cannot open '%s'", shm->path);
    int result = mmi_file_is(fd, &shm->file)
                     ? mmi_file_permit(fd, mode, uid, gid)
                     : mmi_fail_as(ESTALE,
                                   "mm:core: '%s' is another file now, left "
                                   "as it is",
                                   shm->path);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

static int mmfile_commit(const struct shm *shm, size_t offset, size_t size)
{
    return mmi_file_commit(shm->base, offset, size, shm->fd, &shm->file);
}

const struct shm_variant mmi_shm_mmfile = {
    .name = "MMFILE",
    .summary = "mmap(2) of a file",
    .create = mmfile_create,
    .destroy = mmfile_destroy,
    .max_size = mmi_file_max_size,
    .permit = mmfile_permit,
    .commit = mmfile_commit,
};
