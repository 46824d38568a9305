/* SPDX-License-Identifier: MIT */
/*
 * lock_file.c -- the files that FCNTL, OFD and FLOCK lock.
 *
 * fork() shares open files, and with them OFD and flock() locks: parent and
 * child would both own the lock, and a lock of a dead parent would live on in
 * its children.  So each process locks through an open file of its own, and a
 * child closes its copy of the parent's at once.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/thread.h"
#include "lock/lock_file.h"

static pthread_once_t started = PTHREAD_ONCE_INIT;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lock_file *list;

static void before_fork(void)
{
    pthread_mutex_lock(&list_lock);
}

static void parent_after_fork(void)
{
    pthread_mutex_unlock(&list_lock);
}

static void child_after_fork(void)
{
    for (struct lock_file *file = list; file; file = file->next) {
        mmi_file_close(file->own, &file->id);
        file->own = -1;
    }
    list = NULL;
    pthread_mutex_unlock(&list_lock);
}

static void start(void)
{
    pthread_atfork(before_fork, parent_after_fork, child_after_fork);
}

static int make_nameless(void)
{
#ifdef HAVE_MEMFD_CREATE
    /* Where the administrator forbids executable memfds the first call is the
     * only one that works; on older kernels the second. */
    int fd = -1;
#ifdef MFD_NOEXEC_SEAL
    fd = memfd_create("mm:lock", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
#endif
    if (fd < 0)
        fd = memfd_create("mm:lock", MFD_CLOEXEC);
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != EACCES))
        return fd < 0 ? mmi_fail("mm:core: cannot create a lock file") : fd;
#endif
    int temporary = mmi_file_temporary();
    if (temporary >= 0 && fchmod(temporary, 0666) < 0) {
        mmi_fail("mm:core: cannot set the mode of a lock file");
        close(temporary);
        return -1;
    }
    return temporary;
}

/* Programs that become daemons take over 0, 1 and 2: stay out of their way. */
static int move_up(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (higher < 0)
        mmi_fail("mm:core: cannot move the descriptor of a lock file");
    int saved = errno;
    close(fd);
    errno = saved;
    return higher;
}

int mmi_lock_file_create(struct lock_file *file)
{
    int fd = move_up(make_nameless());
    if (fd < 0)
        return -1;
    *file = (struct lock_file){.fd = fd, .own = -1};
    return mmi_file_identify(fd, &file->id);
}

static int fail_closed(void)
{
    return mmi_fail_as(EBADF, "mm:core: cannot lock: the descriptor of the "
                              "lock file was closed");
}

int mmi_lock_file_shared(const struct lock_file *file)
{
    return mmi_file_is(file->fd, &file->id) ? file->fd : fail_closed();
}

static void unlist(struct lock_file *file)
{
    for (struct lock_file **at = &list; *at; at = &(*at)->next)
        if (*at == file) {
            *at = file->next;
            return;
        }
}

int mmi_lock_file_open(const struct lock_file *file)
{
    if (mmi_lock_file_shared(file) < 0)
        return -1;
    /* /proc/self is the first thread of the process, and shows no descriptors
     * after that has ended.  Old systems have no other name. */
    bool old = access("/proc/thread-self/fd", F_OK) < 0;
    char path[40];
    snprintf(path, sizeof path, "/proc/%s/fd/%d", old ? "self" : "thread-self",
             file->fd);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return mmi_fail("mm:core: cannot open the lock file again as %s", path);
    fd = move_up(fd);
    if (fd < 0 || mmi_file_is(fd, &file->id))
        return fd;
    close(fd);
    return mmi_fail_as(EBADF, "mm:core: cannot lock: %s is not the lock file",
                       path);
}

/* With list_lock held, so that no child is made half way. */
static int open_own(struct lock_file *file, uint64_t generation)
{
    int fd = mmi_lock_file_open(file);
    if (fd < 0)
        return -1;
    unlist(file);
    /* Still the parent's where the fork handlers were bypassed. */
    if (file->own >= 0)
        mmi_file_close(file->own, &file->id);
    file->own = fd;
    file->next = list;
    list = file;
    atomic_store_explicit(&file->opened_in, generation, memory_order_release);
    return 0;
}

int mmi_lock_file_own(struct lock_file *file)
{
    struct thread *self = mmi_thread();
    if (!self)
        return mmi_fail("mm:core: no private memory for this thread");
    if (atomic_load_explicit(&file->opened_in, memory_order_acquire) !=
        self->generation) {
        pthread_once(&started, start);
        pthread_mutex_lock(&list_lock);
        int result = 0;
        if (file->opened_in != self->generation)
            result = open_own(file, self->generation);
        pthread_mutex_unlock(&list_lock);
        if (result < 0)
            return -1;
    }
    return mmi_file_is(file->own, &file->id) ? file->own : fail_closed();
}

void mmi_lock_file_destroy(struct lock_file *file)
{
    pthread_mutex_lock(&list_lock);
    unlist(file);
    pthread_mutex_unlock(&list_lock);
    if (file->own >= 0)
        mmi_file_close(file->own, &file->id);
    mmi_file_close(file->fd, &file->id);
}
