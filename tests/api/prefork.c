/* SPDX-License-Identifier: MIT */
/*
 * prefork.c -- mm can serve children of any depth, whatever they gave up:
 * their user, their directory, their descriptors.
 */
#include <fcntl.h>
#include <pwd.h>

#include "api.h"

static MM *mm;
static int *counter;

/* Allocate small and large, write, count under the lock, free. */
static int work(void)
{
    char *small = mm_malloc(mm, 40);
    char *large = mm_malloc(mm, 30000);
    if (!small || !large)
        return 1;
    memset(small, 's', 40);
    memset(large, 'l', 30000);
    if (mm_lock(mm, MM_LOCK_RW) != 1)
        return 2;
    ++*counter;
    if (mm_unlock(mm) != 1)
        return 3;
    if (small[39] != 's' || large[29999] != 'l')
        return 4;
    mm_free(mm, large);
    mm_free(mm, small);
    return mm_check(mm) == 0 ? 0 : 5;
}

static int work_once(void *argument, int number)
{
    (void)argument;
    (void)number;
    return work();
}

/* A chain of DEPTH more processes, each works before and after its child. */
static int work_deeper(void *argument, int depth)
{
    int result = work();
    if (result == 0 && depth > 0)
        result = end_child(start_child(work_deeper, argument, depth - 1));
    return result ? result : work();
}

static int work_as_nobody(void *argument, int number)
{
    (void)number;
    uid_t *uid = argument;
    if (setgid((gid_t)*uid) != 0 || setuid(*uid) != 0)
        return 10;
    return work();
}

static int work_elsewhere(void *argument, int number)
{
    (void)argument;
    (void)number;
    return chdir("/proc") == 0 ? work() : 10;
}

static void close_descriptors(void)
{
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
}

static int work_closed(void *argument, int number)
{
    (void)argument;
    (void)number;
    close_descriptors();
    return work();
}

/* Whatever took over the number of the lock's descriptor, it is not locked:
 * the call says EBADF. */
static int fail_closed(void *argument, int reopened)
{
    (void)argument;
    close_descriptors();
    for (int i = 0; reopened && i < 64; i++)
        if (open("/dev/null", O_RDWR) < 0)
            return 10;
    errno = 0;
    if (mm_lock(mm, MM_LOCK_RW) != 0 || errno != EBADF)
        return 1;
    if (!mm_error() || strncmp(mm_error(), "mm:core: ", 9) != 0)
        return 2;
    errno = 0;
    if (mm_malloc(mm, 100000) != NULL || errno != EBADF)
        return 3;
    return 0;
}

static int end_untidily(void *argument, int number)
{
    (void)argument;
    void *ptr = mm_malloc(mm, (size_t)number + 1);
    if (!ptr || mm_lock(mm, MM_LOCK_RD) != 1)
        return 1;
    if (number % 3 == 0)
        kill(getpid(), SIGKILL);
    mm_free(mm, ptr);
    return 0;
}

static void test_many(int count)
{
    pid_t *pids = malloc((size_t)count * sizeof *pids);
    int bad = 0;
    for (int i = 0; i < count; i++)
        pids[i] = start_child(end_untidily, NULL, i);
    for (int i = 0; i < count; i++) {
        int status = end_child(pids[i]);
        bad += status != 0 && status != 1000 + SIGKILL;
    }
    free(pids);
    is_int(bad, 0, "children that end with the lock held harm nobody");
    is_int(mm_lock(mm, MM_LOCK_RW), 1, "the lock is free");
    mm_unlock(mm);
    is_int(mm_check(mm), 0, "the pool is sound");
}

int main(void)
{
    mm = make_pool(16 << 20);
    counter = mm_calloc(mm, 1, sizeof *counter);
    size_t before = mm_available(mm);
    children_ok(1, work_deeper, NULL, "a child works");
    is_int(end_child(start_child(work_deeper, NULL, 8)), 0,
           "so do nine generations");
    children_ok(300, work_once, NULL, "and three hundred children at once");
    is_int(*counter, 2 + 18 + 300, "all of them counted");

    struct passwd *nobody = getpwnam("nobody");
    uid_t uid = nobody ? nobody->pw_uid : 65534;
    /* System V semaphores ask who uses them each time. */
    if (strcmp(mm_query(mm, "lock"), "IPCSEM") == 0)
        mm_permission(mm, 0600, uid, (gid_t)-1);
    if (geteuid() == 0)
        children_ok(2, work_as_nobody, &uid, "children that gave up root");
    else
        skip(1, "not root, cannot become another user");
    children_ok(2, work_elsewhere, NULL, "children in another directory");
    if (lock_needs_descriptor(mm)) {
        is_int(end_child(start_child(fail_closed, NULL, 0)), 0,
               "without its descriptors a child hears EBADF");
        is_int(end_child(start_child(fail_closed, NULL, 1)), 0,
               "and locks nothing else instead");
    } else {
        children_ok(2, work_closed, NULL, "children that closed descriptors");
    }
    is_int(mm_available(mm), before, "all was given back");
    test_many(60);
    is_int(work(), 0, "the parent goes on");
    mm_destroy(mm);
    return done();
}
