/* SPDX-License-Identifier: MIT */
/*
 * create_fails.c -- mm can fail to make or take a lock, and leaves nothing
 * behind.
 *
 * Linked with --wrap for each of the functions below, so that any call of them
 * can be made to fail.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/sem.h>
#include <sys/stat.h>

#include "world.h"

static const char *fail_name; /* which function fails */
static int fail_left;         /* at the how many-th call */
static int fail_errno;
static int fail_hits;
static int last_set = -1;

static bool fails(const char *name)
{
    if (!fail_name || strcmp(name, fail_name) != 0 || --fail_left != 0)
        return false;
    errno = fail_errno;
    fail_hits++;
    return true;
}

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags)
{
    /* Both ways of calling it. */
    if (fail_name && strcmp(fail_name, "memfd_create") == 0) {
        fail_hits++;
        errno = fail_errno;
        return -1;
    }
    return __real_memfd_create(name, flags);
}

int __real_semget(key_t key, int count, int flags);
int __wrap_semget(key_t key, int count, int flags);
int __wrap_semget(key_t key, int count, int flags)
{
    if (fails("semget"))
        return -1;
    return last_set = __real_semget(key, count, flags);
}

int __real_semctl(int id, int number, int command, ...);
int __wrap_semctl(int id, int number, int command, ...);
int __wrap_semctl(int id, int number, int command, ...)
{
    va_list values;
    va_start(values, command);
    void *value = command == IPC_RMID ? NULL : va_arg(values, void *);
    va_end(values);
    return fails("semctl") ? -1 : __real_semctl(id, number, command, value);
}

int __real_semtimedop(int id, struct sembuf *operations, size_t count,
                      const struct timespec *timeout);
int __wrap_semtimedop(int id, struct sembuf *operations, size_t count,
                      const struct timespec *timeout);
int __wrap_semtimedop(int id, struct sembuf *operations, size_t count,
                      const struct timespec *timeout)
{
    return fails("semtimedop")
               ? -1
               : __real_semtimedop(id, operations, count, timeout);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list values;
    va_start(values, flags);
    mode_t mode = flags & O_CREAT ? va_arg(values, mode_t) : 0;
    va_end(values);
    return fails("open") ? -1 : __real_open(path, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
    va_list values;
    va_start(values, command);
    void *value = va_arg(values, void *);
    va_end(values);
    return fails("fcntl") ? -1 : __real_fcntl(fd, command, value);
}

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __wrap_flock(int fd, int operation)
{
    return fails("flock") ? -1 : __real_flock(fd, operation);
}

int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status)
{
    return fails("fstat") ? -1 : __real_fstat(fd, status);
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return fails("malloc") ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return fails("calloc") ? NULL : __real_calloc(count, size);
}

static int count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 200; fd++)
        count += __real_fcntl(fd, F_GETFD) >= 0;
    return count;
}

static const struct {
    const char *name;
    int error;
} calls[] = {
    {"semget", ENOSPC}, {"semctl", EACCES},       {"open", EMFILE},
    {"fcntl", ENOLCK},  {"flock", ENOLCK},        {"fstat", EIO},
    {"malloc", ENOMEM}, {"calloc", ENOMEM},       {"semtimedop", ENOMEM},
    {"open", ENOENT},   {"memfd_create", EMFILE},
};
enum { CALL_COUNT = sizeof calls / sizeof calls[0] };

static bool set_exists(void)
{
    struct semid_ds status;
    return last_set >= 0 &&
           __real_semctl(last_set, 0, IPC_STAT, (void *)&status) == 0;
}

/* Let each call of create() fail in turn. */
static void test_create(struct world *world)
{
    bool good = true;
    int failed = 0;
    for (int i = 0; i < CALL_COUNT; i++) {
        for (int at = 1; at < 50; at++) {
            struct lock lock;
            int before = count_descriptors();
            last_set = -1;
            fail_hits = 0;
            fail_errno = calls[i].error;
            fail_left = at;
            fail_name = calls[i].name;
            uint64_t id = 1;
            int result = mmi_lock_create(&lock, world->lock.variant,
                                         world->shared, id, 1000);
            int error = errno;
            fail_name = NULL;
            if (result == 0)
                mmi_lock_destroy(&lock);
            else
                failed++;
            bool this = (result < 0) == (fail_hits > 0) &&
                        count_descriptors() == before && !set_exists();
            if (result < 0)
                this &= error != 0 && mmi_fail_text() &&
                        strncmp(mmi_fail_text(), "mm:core: ", 9) == 0;
            if (!this)
                diag("%s, %s call %d: %d, descriptors %d and %d, set %d",
                     world->name, calls[i].name, at, result, before,
                     count_descriptors(), set_exists());
            good &= this;
            if (fail_hits == 0 || strcmp(calls[i].name, "memfd_create") == 0)
                break;
        }
    }
    ok(good && failed > 0, "%s: %d ways to fail at creation leave nothing",
       world->name, failed);
}

static int lock_and_enter(struct world *world)
{
    if (mmi_lock_acquire(&world->lock, LOCK_SHARED, NULL) < 0)
        return 1;
    if (mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, NULL) < 0) {
        mmi_lock_release(&world->lock);
        return 1;
    }
    int bad = mmi_lock_release(&world->lock) < 0;
    bad |= mmi_lock_release(&world->lock) < 0;
    if (mmi_lock_enter(&world->lock) < 0)
        return 1;
    mmi_lock_leave(&world->lock);
    return bad;
}

/* In a child, whose first use of the lock may have to open a file: after each
 * failure it works. */
static int fail_to_lock(void *argument, int number)
{
    struct world *world = argument;
    for (int i = 0; i < CALL_COUNT; i++)
        for (int at = 1; at < 50; at++) {
            /* A release that the kernel refuses leaves it locked: not here. */
            fail_hits = 0;
            fail_errno = calls[i].error;
            fail_left = number ? number : at;
            fail_name = calls[i].name;
            int failed = mmi_lock_acquire(&world->lock, LOCK_SHARED, NULL) < 0;
            fail_name = NULL;
            if (failed && strncmp(mmi_fail_text(), "mm:core: ", 9) != 0)
                return 10;
            if (!failed && mmi_lock_release(&world->lock) < 0)
                return 11;
            if (lock_and_enter(world) != 0)
                return 12;
            if (fail_hits == 0 || number)
                break;
        }
    return 0;
}

static void test_acquire(struct world *world)
{
    int bad = 0;
    for (int number = 0; number < 4; number++)
        bad |= end_child(start_child(fail_to_lock, world, number));
    is_int(bad, 0, "a lock that failed can be taken later");
    is_int(lock_and_enter(world), 0, "by others, too");
}

static int count_files(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    if (!directory)
        return -1;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 2;
}

static int use_in_child(void *argument, int number)
{
    if (number && geteuid() == 0 && setuid(65534) < 0)
        return 2;
    return lock_and_enter(argument);
}

/* Without memfd_create() the lock files are temporary files. */
static void test_fallback(struct world *world)
{
    if (!(world->traits & LOCK_NEEDS_FD))
        return;
    char path[] = "/tmp/mm-test-XXXXXX";
    if (!mkdtemp(path))
        bail("mkdtemp: %s", strerror(errno));
    setenv("TMPDIR", path, 1);
    struct world other;
    fail_errno = ENOSYS;
    fail_hits = 0;
    fail_name = "memfd_create";
    make_world(&other, world->lock.variant, 1000);
    fail_name = NULL;
    ok(fail_hits > 0, "%s: made without memfd_create()", world->name);
    is_int(count_files(path), 0, "no file is left below TMPDIR");
    is_int(end_child(start_child(use_in_child, &other, 0)), 0, "it locks");
    is_int(end_child(start_child(use_in_child, &other, 1)), 0,
           "for another user, too");
    others_get(&other, 0, 0, "and is free");
    take(&other, LOCK_EXCLUSIVE);
    others_get(&other, EBUSY, EBUSY, "and keeps others out");
    give(&other);
    end_world(&other);
    rmdir(path);
    unsetenv("TMPDIR");
}

int main(void)
{
    need_proc();
    for_each_variant(test_create);
    for_each_variant(test_acquire);
    for_each_variant(test_fallback);
    return done();
}
