/* SPDX-License-Identifier: MIT */
/*
 * shm_mmanon.c -- MMANON: mmap(2) with MAP_ANONYMOUS.
 *
 * No file, no name, no descriptor; nothing to clean up after a crash.  Pages
 * are not charged before they are touched, except where the administrator
 * forbids overcommitment: there a size that cannot be had fails at once.
 */
#include "config.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/page.h"
#include "shm/shm.h"

static int mmanon_create(struct shm *shm, const struct shm_request *request)
{
    size_t size = bytes_align(request->size, mmi_page_size());
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return mmi_fail("mm:core: cannot map %zu bytes of anonymous memory",
                        request->size);

    *shm = (struct shm){
        .base = base, .size = size, .fd = -1, .id = -1, .creator = getpid()};
    return 0;
}

static void mmanon_destroy(struct shm *shm)
{
    int saved = errno;
    munmap(shm->base, shm->size);
    errno = saved;
}

const struct shm_variant mmi_shm_mmanon = {
    .name = "MMANON",
    .summary = "mmap(2) of anonymous memory",
    .create = mmanon_create,
    .destroy = mmanon_destroy,
};
