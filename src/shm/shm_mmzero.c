/* SPDX-License-Identifier: MIT */
/*
 * shm_mmzero.c -- MMZERO: mmap(2) of /dev/zero.
 *
 * What MMANON does, for systems and sandboxes that know only the device.  The
 * descriptor is closed after mapping; nothing to clean up after a crash.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/page.h"
#include "shm/shm.h"

static int mmzero_create(struct shm *shm, const struct shm_request *request)
{
    size_t size = bytes_align(request->size, mmi_page_size());
    int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return mmi_fail("mm:core: cannot open /dev/zero");
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED)
        mmi_fail("mm:core: cannot map %zu bytes of /dev/zero", size);
    int saved = errno;
    close(fd);
    errno = saved;
    if (base == MAP_FAILED)
        return -1;

    *shm = (struct shm){
        .base = base, .size = size, .fd = -1, .id = -1, .creator = getpid()};
    return 0;
}

static void mmzero_destroy(struct shm *shm)
{
    int saved = errno;
    munmap(shm->base, shm->size);
    errno = saved;
}

const struct shm_variant mmi_shm_mmzero = {
    .name = "MMZERO",
    .summary = "mmap(2) of /dev/zero",
    .create = mmzero_create,
    .destroy = mmzero_destroy,
};
