/* SPDX-License-Identifier: MIT */
/*
 * descriptors.c -- mm can tell its lock files from what took their numbers
 * over, lock after setuid() and chdir(), and leave nothing behind.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/sem.h>

#include "world.h"

static int lock_all(struct world *world)
{
    if (mmi_lock_acquire(&world->lock, LOCK_SHARED, NULL) < 0)
        return errno;
    if (mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, NULL) < 0)
        return 201;
    if (mmi_lock_release(&world->lock) < 0 ||
        mmi_lock_release(&world->lock) < 0)
        return 202;
    if (mmi_lock_enter(&world->lock) < 0)
        return 203;
    mmi_lock_leave(&world->lock);
    return 0;
}

/* EBADF for each of the calls that need a descriptor. */
static int all_fail(struct world *world)
{
    for (int mode = LOCK_SHARED; mode <= LOCK_EXCLUSIVE; mode++) {
        errno = 0;
        if (mmi_lock_acquire(&world->lock, (enum lock_mode)mode, NULL) == 0 ||
            errno != EBADF)
            return 210 + mode;
    }
    errno = 0;
    if (mmi_lock_enter(&world->lock) == 0 || errno != EBADF)
        return 213;
    if (!strstr(mmi_fail_text(), "was closed"))
        return 214;
    return mmi_lock_release(&world->lock) == 0 || errno != EPERM ? 215 : 0;
}

static int lock_without_files(void *argument, int used_before)
{
    struct world *world = argument;
    if (used_before && lock_all(world) != 0)
        return 1;
    for (int fd = 3; fd < 100; fd++)
        close(fd);
    if (!(world->traits & LOCK_NEEDS_FD))
        return lock_all(world);
    if (all_fail(world) != 0)
        return all_fail(world);

    /* Another file takes the numbers over; it must stay unlocked. */
    char path[] = "/tmp/mm-test-XXXXXX";
    int file = mkstemp(path);
    unlink(path);
    for (int fd = file + 1; fd < 100; fd++)
        dup2(file, fd);
    if (all_fail(world) != 0)
        return all_fail(world);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    int again = open(path, O_RDWR);
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (again < 0 || flock(again, LOCK_EX | LOCK_NB) < 0 ||
        fcntl(again, F_OFD_GETLK, &range) < 0 || range.l_type != F_UNLCK)
        return 220;
    return 0;
}

static void test_closed_files(struct world *world)
{
    is_int(end_child(start_child(lock_without_files, world, 0)), 0,
           "closed descriptors are noticed");
    is_int(end_child(start_child(lock_without_files, world, 1)), 0,
           "closed descriptors are noticed after they were used");
    is_int(lock_all(world), 0, "the parent does not care");
}

static int close_inside(void *argument, int mode)
{
    struct world *world = argument;
    if (take(world, (enum lock_mode)mode) < 0)
        return 1;
    for (int fd = 3; fd < 100; fd++)
        close(fd);
    errno = 0;
    int result = mmi_lock_release(&world->lock);
    bool refused = result < 0 && errno == EBADF;
    if (refused != !!(world->traits & LOCK_NEEDS_FD))
        return 2;
    /* It is outside now, whatever happened. */
    return mmi_lock_release(&world->lock) == 0 || errno != EPERM ? 3 : 0;
}

static void test_closed_inside(struct world *world)
{
    for (int mode = LOCK_SHARED; mode <= LOCK_EXCLUSIVE; mode++)
        is_int(end_child(start_child(close_inside, world, mode)), 0,
               "an unlock without its descriptor says so");
    others_get(world, 0, 0, "and the lock is free");
}

static int lock_as_nobody(void *argument, int used_before)
{
    if (used_before && lock_all(argument) != 0)
        return 1;
    if (chdir("/") < 0 || setgid(65534) < 0 || setuid(65534) < 0)
        return 2;
    return lock_all(argument);
}

static void test_setuid(struct world *world)
{
    if (geteuid() != 0) {
        skip(2, "only root can become somebody else");
        return;
    }
    if (world->lock.variant->permit &&
        world->lock.variant->permit(&world->lock, 0600, 65534, 65534) < 0)
        bail("%s: %s", world->name, mmi_fail_text());
    for (int used = 0; used < 2; used++)
        is_int(end_child(start_child(lock_as_nobody, world, used)), 0,
               "a child that gave up its user id can lock");
}

static int destroy_in_child(void *argument, int number)
{
    (void)number;
    struct world *world = argument;
    int result = lock_all(world);
    mmi_lock_destroy(&world->lock);
    return result;
}

static int lock_after_parent(void *argument, int number)
{
    (void)number;
    struct world *world = argument;
    await(&world->numbers->stage, 1);
    int result = lock_all(world);
    return result == 0 || result == EIDRM || result == EINVAL ? 0 : result;
}

static void test_destroy(struct world *world)
{
    is_int(end_child(start_child(destroy_in_child, world, 0)), 0,
           "a child destroys its side of it");
    is_int(lock_all(world), 0, "the others go on");
    struct world other;
    make_world(&other, world->lock.variant, 1000);
    pid_t child = start_child(lock_after_parent, &other, 0);
    mmi_lock_destroy(&other.lock);
    other.numbers->stage = 1;
    is_int(end_child(child), 0,
           "a child goes on or is told after the creator's destroy");
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return -1;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void test_leaks(struct world *world)
{
    int before = count_descriptors();
    for (int i = 0; i < 50; i++) {
        struct world other;
        make_world(&other, world->lock.variant, 1000);
        lock_all(&other);
        end_world(&other);
    }
    is_int(count_descriptors(), before, "no descriptor is left open");
}

static int low_numbers(void *argument, int number)
{
    (void)number;
    struct world *world = argument;
    struct world other;
    close(0);
    close(1);
    close(2);
    make_world(&other, world->lock.variant, 1000);
    int bad = fcntl(0, F_GETFD) >= 0 || fcntl(1, F_GETFD) >= 0 ||
              fcntl(2, F_GETFD) >= 0;
    for (int fd = 3; fd < 100; fd++)
        bad |= fcntl(fd, F_GETFD) == 0; /* would survive an exec */
    bad |= lock_all(&other) != 0;
    end_world(&other);
    return bad;
}

static void test_low_numbers(struct world *world)
{
    is_int(end_child(start_child(low_numbers, world, 0)), 0,
           "0, 1 and 2 are left to the program, the rest closes on exec");
}

int main(void)
{
    need_proc();
    /* Not ours, whatever the parent left open: the tests look at all above 2.
     */
    for (int fd = 3; fd < 100; fd++)
        close(fd);
    for_each_variant(test_closed_files);
    for_each_variant(test_closed_inside);
    for_each_variant(test_setuid);
    for_each_variant(test_destroy);
    for_each_variant(test_leaks);
    for_each_variant(test_low_numbers);
    return done();
}
