/* SPDX-License-Identifier: MIT */
/*
 * shm_memfd.c -- MEMFD: memfd_create(2), named and sealed.
 *
 * Tools see the pages as "/memfd:mm:NAME".  Nobody who gets hold of a
 * descriptor can shrink the file under our feet, and none stays open unless
 * asked for.  Nothing is left behind after a crash.
 *
 * Pages are charged one by one as they are touched.  Where the administrator
 * forbids overcommitment that can fail, as SIGBUS; only there commit() works.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/page.h"
#include "shm/shm.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* Overcommitment was forbidden when this process last created one. */
static atomic_bool strict;

static bool ask_strict(void)
{
    char mode = '0';
    int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, &mode, 1) != 1)
            mode = '0';
        close(fd);
    }
    return mode == '2';
}

static int open_memfd(const char *name)
{
    char full[80];
    snprintf(full, sizeof full, "mm:%s", name);
    int fd = memfd_create(full, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    /* Kernels before 6.3 do not know the flag. */
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(full, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        mmi_fail("mm:core: cannot create the memory file '%s'", full);
    return fd;
}

static void memfd_destroy(struct shm *shm)
{
    int saved = errno;
    if (shm->base)
        munmap(shm->base, shm->size);
    mmi_file_close(shm->fd, &shm->file);
    errno = saved;
}

static int memfd_make(struct shm *shm, const struct shm_request *request)
{
    size_t size = bytes_align(request->size, mmi_page_size());
    bool forbidden = ask_strict();
    *shm = (struct shm){.id = -1, .size = size, .creator = getpid()};
    shm->fd = open_memfd(request->name);
    if (shm->fd < 0 || mmi_file_identify(shm->fd, &shm->file) < 0)
        return -1;
    shm->base = mmi_file_map(shm->fd, size, request->reserve && forbidden);
    if (!shm->base)
        goto undo;
    if (fchmod(shm->fd, S_IRUSR | S_IWUSR) < 0 ||
        fcntl(shm->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
        mmi_fail("mm:core: cannot seal the memory file");
        goto undo;
    }

    atomic_store_explicit(&strict, forbidden, memory_order_relaxed);
    if (!request->keepfd && (!forbidden || mmi_file_commits_alone())) {
        close(shm->fd);
        shm->fd = -1;
    }
    return 0;

undo:
    memfd_destroy(shm);
    return -1;
}

static int memfd_commit(const struct shm *shm, size_t offset, size_t size)
{
    if (!atomic_load_explicit(&strict, memory_order_relaxed))
        return 0;
    return mmi_file_commit(shm->base, offset, size, shm->fd, &shm->file);
}

const struct shm_variant mmi_shm_memfd = {
    .name = "MEMFD",
    .summary = "memfd_create(2), named, sealed against shrinking",
    .create = memfd_make,
    .destroy = memfd_destroy,
    .max_size = mmi_file_max_size,
    .commit = memfd_commit,
};
