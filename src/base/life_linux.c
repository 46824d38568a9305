/* SPDX-License-Identifier: MIT */
/*
 * life_linux.c -- names for threads, and proof that one of them is dead.
 *
 * Where the kernel numbers its tasks uniquely (the inodes of pidfs, since Linux
 * 6.9) that number is the identity, else the time the task was started.  The
 * upper two bits of an identity say which; different kinds prove nothing.
 *
 * System calls are made directly: the wrappers of the C library may be
 * cancellation points, and nobody may be cancelled while he waits for a lock.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/fault.h"
#include "base/life.h"
#include "base/thread.h"

enum {
    PIDFS_TYPE = 0x50494446, /* what fstatfs() says of a pidfd */
    PIDFD_OF_THREAD = O_EXCL /* PIDFD_THREAD, since Linux 6.9 */
};

#define IDENTITY_PIDFS UINT32_C(0x40000000)
#define IDENTITY_START UINT32_C(0x80000000)
#define IDENTITY_KIND  UINT32_C(0xc0000000)
#define START_SPACE    UINT32_C(0x3ff00000) /* which time namespace */
#define START_TICKS    UINT32_C(0x000fffff)

/* A line of the process table. */
struct task {
    char state;
    unsigned long long start;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t object;

/* A descriptor for the thread TID; before Linux 6.9 there are none but for
 * whole processes. */
static int open_task(uint32_t tid)
{
    long fd = syscall(SYS_pidfd_open, (pid_t)tid, PIDFD_OF_THREAD);
    if (fd < 0 && errno == EINVAL)
        fd = syscall(SYS_pidfd_open, (pid_t)tid, 0);
    return (int)fd;
}

static bool has_exited(int fd)
{
    struct pollfd poll = {.fd = fd, .events = POLLIN};
    static const long long no_time[2];
    return syscall(SYS_ppoll, &poll, 1, no_time, NULL, 0) == 1 &&
           (poll.revents & (POLLIN | POLLHUP));
}

static uint32_t identify_pidfs(int fd)
{
    struct statfs system;
    struct stat file;
    if (fstatfs(fd, &system) != 0 || system.f_type != PIDFS_TYPE ||
        fstat(fd, &file) != 0)
        return 0;
    return IDENTITY_PIDFS | ((uint32_t)file.st_ino & ~IDENTITY_KIND);
}

/* The inode of a namespace of this process; 0 if it cannot be told. */
static uint64_t find_namespace(const char *path)
{
    struct stat file;
    return stat(path, &file) == 0 ? (uint64_t)file.st_ino : 0;
}

/* The process table in view may be that of another PID namespace, where our
 * numbers belong to others. */
static bool table_is_ours(void)
{
    char text[24] = "";
    long length =
        syscall(SYS_readlinkat, AT_FDCWD, "/proc/self", text, sizeof text - 1);
    return length > 0 && strtol(text, NULL, 10) == getpid();
}

/* What the process table has on TID; false if that cannot be read. */
static bool read_task(uint32_t tid, struct task *task)
{
    char text[1024];
    snprintf(text, sizeof text, "/proc/%" PRIu32 "/stat", tid);
    if (!table_is_ours())
        return false;
    long fd = syscall(SYS_openat, AT_FDCWD, text, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    long length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (length <= 0)
        return false;
    text[length] = '\0';

    /* The name, field 2, may contain anything. */
    const char *at = strrchr(text, ')');
    /* The kernel wrote it.  NOLINTNEXTLINE(cert-err34-c) */
    return at && sscanf(at,
                        ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                        "%*s %*s %*s %*s %*s %*s %*s %llu",
                        &task->state, &task->start) == 2;
}

static uint32_t identify_start(const struct task *task)
{
    uint64_t space = find_namespace("/proc/self/ns/time");
    return IDENTITY_START | ((uint32_t)(space << 20) & START_SPACE) |
           ((uint32_t)task->start & START_TICKS);
}

/* Do FIRST and SECOND belong to different tasks for sure? */
static bool differ(uint32_t first, uint32_t second)
{
    uint32_t comparable = IDENTITY_KIND;
    if (first & IDENTITY_START)
        comparable |= START_SPACE;
    return (first & IDENTITY_KIND) != 0 &&
           ((first ^ second) & comparable) == 0 && first != second;
}

static uint32_t identify_self(uint32_t tid)
{
    uint32_t identity = 0;
    struct task task;
    int fd = open_task(tid);
    if (fd >= 0) {
        identity = identify_pidfs(fd);
        syscall(SYS_close, fd);
    }
    if (identity == 0 && read_task(tid, &task))
        identity = identify_start(&task);
    return identity;
}

/* The list head that the C library registered for this thread.  Whoever has
 * none goes on without: death is then noticed a little later. */
static struct robust_list_head *find_robust_list(void)
{
    struct robust_list_head *head = NULL;
    size_t size = 0;
    if (syscall(SYS_get_robust_list, 0, &head, &size) != 0 ||
        size != sizeof *head)
        return NULL;
    return head;
}

static void make_object(void)
{
    object = mmi_object_id();
}

const struct life *mmi_life_self(void)
{
    pthread_once(&once, make_object);
    if (object == 0) {
        mmi_fail_as(ENOMEM, "mm:core: no private memory for this thread");
        return NULL;
    }
    struct life *self = mmi_thread_local(object, sizeof *self);
    if (!self || self->name != 0)
        return self;

    int saved = errno;
    uint32_t tid = mmi_thread_id();
    self->space = find_namespace("/proc/self/ns/pid");
    self->robust = find_robust_list();
    self->name = (uint64_t)identify_self(tid) << 32 | (tid & LIFE_TID);
    errno = saved;
    return self;
}

bool mmi_life_is_foreign(const struct life *self, uint64_t space, pid_t creator)
{
    if (self->space != 0 && space != 0)
        return self->space != space;
    /* It cannot be asked for; the first process of another one has no parent.
     */
    return getppid() == 0 && getpid() != creator;
}

bool mmi_life_ended(uint64_t name)
{
    uint32_t tid = (uint32_t)(name & LIFE_TID);
    uint32_t identity = (uint32_t)(name >> 32);
    struct task task;
    bool ended = false;
    int saved = errno;
    if (MUTANT(lock_unproven))
        return true;
    int fd = open_task(tid);
    if (fd >= 0) {
        ended = has_exited(fd) || differ(identity, identify_pidfs(fd));
        syscall(SYS_close, fd);
    } else if (tid != 0) {
        ended = kill((pid_t)tid, 0) != 0 && errno == ESRCH;
    }
    /* Only the table tells of a first thread that left before the others. */
    if (!ended && tid != 0 && read_task(tid, &task))
        ended = strchr("ZXx", task.state) != NULL ||
                differ(identity, identify_start(&task));
    errno = saved;
    return ended;
}
