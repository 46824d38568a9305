/* SPDX-License-Identifier: MIT */
/*
 * shm_ipcshm.c -- IPCSHM: shmget(2), System V shared memory.
 *
 * The segment is marked for removal as soon as it is attached, so nothing is
 * left behind after a crash; children inherit the attachment.  Its number stays
 * ours as long as we are attached.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/page.h"
#include "shm/shm.h"

static void remove_segment(int id)
{
    int saved = errno;
    shmctl(id, IPC_RMID, NULL);
    errno = saved;
}

static int ipcshm_create(struct shm *shm, const struct shm_request *request)
{
    size_t size = bytes_align(request->size, mmi_page_size());
    int id =
        shmget(IPC_PRIVATE, size, IPC_CREAT | SHM_NORESERVE | SHM_R | SHM_W);
    if (id < 0)
        return mmi_fail("mm:core: cannot get a System V segment of %zu bytes",
                        size);
    void *base = shmat(id, NULL, 0);
    if (base == (void *)-1) {
        mmi_fail("mm:core: cannot attach a System V segment of %zu bytes",
                 size);
        remove_segment(id);
        return -1;
    }
    if (shmctl(id, IPC_RMID, NULL) < 0) {
        mmi_fail("mm:core: cannot mark the System V segment for removal");
        int saved = errno;
        shmdt(base);
        errno = saved;
        remove_segment(id);
        return -1;
    }

    *shm = (struct shm){
        .base = base, .size = size, .fd = -1, .id = id, .creator = getpid()};
    return 0;
}

static void ipcshm_destroy(struct shm *shm)
{
    int saved = errno;
    shmdt(shm->base);
    errno = saved;
}

static size_t ipcshm_max_size(void)
{
    struct shminfo info;
    if (shmctl(0, IPC_INFO, (struct shmid_ds *)(void *)&info) < 0)
        return SIZE_MAX;
    return info.shmmax;
}

static int ipcshm_permit(const struct shm *shm, mode_t mode, uid_t uid,
                         gid_t gid)
{
    struct shmid_ds status;
    if (shmctl(shm->id, IPC_STAT, &status) < 0)
        return mmi_fail("mm:core: cannot look at the System V segment %d",
                        shm->id);
    status.shm_perm.mode = mode;
    if (uid != (uid_t)-1)
        status.shm_perm.uid = uid;
    if (gid != (gid_t)-1)
        status.shm_perm.gid = gid;
    if (shmctl(shm->id, IPC_SET, &status) < 0)
        return mmi_fail("mm:core: cannot change the owner and mode of the "
                        "System V segment %d",
                        shm->id);
    return 0;
}

const struct shm_variant mmi_shm_ipcshm = {
    .name = "IPCSHM",
    .summary = "shmget(2), a System V shared memory segment",
    .create = ipcshm_create,
    .destroy = ipcshm_destroy,
    .max_size = ipcshm_max_size,
    .permit = ipcshm_permit,
};
