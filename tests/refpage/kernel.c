/* SPDX-License-Identifier: MIT */
/*
 * kernel.c -- where the kernel makes reference pages they are taken from there,
 * by the system call or the device, as the contracts say.
 *
 * The kernel of this machine makes none, so the calls lead to an imitation (the
 * linker's option --wrap): its descriptors are read-only memory files, long
 * enough for the test.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fail.h"
#include "kmod/uapi/refpage.h"
#include "refpage/refpage.h"

#include "../shm/leaks.h"
#include "refpage.h"

_Static_assert(sizeof(struct refpage_request) == 16, "the same for 32 bit");
_Static_assert(offsetof(struct refpage_request, size) == 8, "");
_Static_assert(offsetof(struct refpage_request, flags) == 12, "");
_Static_assert(REFPAGE_IOC_CREATE == 0x4010b720, "never changes");

enum { FILE_SIZE = 1 << 20, REFPAGE_CALL = -1 };

static struct {
    bool device;   /* there is one */
    bool stranger; /* but it does something else */
    bool call;     /* there is the system call */
    int error;     /* what they say instead of doing it */
    bool no_map;   /* what they made cannot be mapped */
    int made;
    unsigned flags;
} play;

static int device_fd = -1;

static int imitate(const void *content, size_t size, unsigned flags)
{
    if (size == 0 || (size & (size - 1)) || (size_t)content & (size - 1)) {
        errno = EINVAL;
        return -1;
    }
    if (play.error) {
        errno = play.error;
        return -1;
    }
    char path[40];
    int file = memfd_create("imitation", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    for (size_t at = 0; at < FILE_SIZE; at += size)
        if (pwrite(file, content, size, (off_t)at) != (ssize_t)size) {
            close(file);
            errno = EFAULT;
            return -1;
        }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    close(file);
    play.made++;
    play.flags = flags;
    return fd;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    if (strcmp(path, REFPAGE_DEVICE) != 0)
        return __real_open(path, flags, 0600);
    if (!play.device) {
        errno = ENOENT;
        return -1;
    }
    device_fd = __real_open("/dev/null", flags);
    return device_fd;
}

void *__real_mmap(void *at, size_t size, int prot, int flags, int fd,
                  off_t offset);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd,
                  off_t offset);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd,
                  off_t offset)
{
    if (!play.no_map)
        return __real_mmap(at, size, prot, flags, fd, offset);
    errno = ENODEV;
    return MAP_FAILED;
}

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list values;
    va_start(values, request);
    const struct refpage_request *asked =
        va_arg(values, const struct refpage_request *);
    va_end(values);
    if (fd != device_fd || request != REFPAGE_IOC_CREATE || play.stranger) {
        errno = ENOTTY;
        return -1;
    }
    return imitate((const void *)(uintptr_t)asked->content, asked->size,
                   asked->flags);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long values[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        values[i] = va_arg(list, long);
    va_end(list);
    if (number != REFPAGE_CALL)
        return __real_syscall(number, values[0], values[1], values[2],
                              values[3], values[4], values[5]);
    if (!play.call) {
        errno = ENOSYS;
        return -1;
    }
    return imitate((const void *)values[0], (unsigned)values[1], O_CLOEXEC);
}

static void source_is(const char *wanted, const char *what)
{
    is_str(mmi_refpage_source_now(), wanted, what);
}

static void demand(const char *options)
{
    setenv("MM_OPTIONS", options, 1);
}

static void test_choice(void)
{
    int before = count_descriptors();
    source_is("MEMFD", "a kernel without them: user space");
    play.device = play.stranger = true;
    source_is("MEMFD", "something else has the device's name: user space");
    play.stranger = false;
    source_is("DEVICE", "the device is there");
    play.call = true;
    source_is("SYSCALL", "the system call is there");
    demand("refpage=memfd");
    source_is("MEMFD", "user space can be demanded");
    demand("refpage=Device");
    source_is("DEVICE", "so can the device");
    demand("refpage=auto");
    source_is("SYSCALL", "or the best");
    demand("refpage=SYSCALL");
    play.call = false;
    fails(!mmi_refpage_source_now(), ENOTSUP, "SYSCALL");
    fails(!mmi_refpage_create(sample(), 1, 0), ENOTSUP, "SYSCALL");
    demand("refpage=device");
    play.device = false;
    fails(!mmi_refpage_source_now(), ENOTSUP, "DEVICE");
    fails(!mmi_refpage_create(sample(), 1, 0), ENOTSUP, "DEVICE");
    play.device = play.stranger = true;
    fails(!mmi_refpage_create(sample(), 1, 0), ENOTSUP, "DEVICE");
    demand("refpage=paper");
    fails(!mmi_refpage_create(sample(), 1, 0), EINVAL, "known: auto");
    play.device = play.stranger = false;
    unsetenv("MM_OPTIONS");
    is_int(count_descriptors(), before, "asking leaves no descriptor");
}

/* With either of them. */
static void test_use(const char *name)
{
    size_t page = page_size();
    int before = count_descriptors();
    play.made = 0;
    struct refpage *ref = mmi_refpage_create(sample() + 64, 64, 0);
    is_int(play.made, 1, name);
    is_int(play.flags, O_CLOEXEC, "the descriptor is closed on exec");
    is_int(count_descriptors(), before + 1, "a reference is one descriptor");
    unsigned char *a = mmi_refpage_map(ref, FILE_SIZE);
    unsigned char *b = mmi_refpage_map(ref, page + 1);
    ok(a && b && shows(a, FILE_SIZE, sample() + 64, 64) &&
           shows(b, 2 * page, sample() + 64, 64),
       "mappings of any length show the pattern");
    a[0] ^= 1;
    ok(b[0] == sample()[64], "each with what was written to it");
    madvise(a, page, MADV_DONTNEED);
    ok(a[0] == sample()[64], "until it is discarded");

    int fd = mmi_refpage_fd(ref);
    ok(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC, "there is a descriptor");
    is_int(mmi_refpage_close(ref), 0, "the reference is closed");
    unsigned char *c = mmap(NULL, 5 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE,
                            fd, (off_t)page);
    ok(c != MAP_FAILED && shows(c, 5 * page, sample() + 64, 64),
       "the descriptor stays, and mmap(2) takes it");
    close(fd);
    munmap(c, 5 * page);
    ok(mmi_refpage_unmap(a, FILE_SIZE) == 0 &&
           mmi_refpage_unmap(b, page + 1) == 0,
       "mappings can be given back");
    is_int(count_descriptors(), before, "no descriptor is left");
}

/* What the kernel says is what the program gets; nothing takes its place. */
static void test_errors(void)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, EFAULT, EPERM};
    int before = count_descriptors();
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        play.error = errors[i];
        fails(!mmi_refpage_create(sample(), 8, 0), errors[i], "cannot make");
    }
    play.error = 0;
    fails(!mmi_refpage_create(NULL, 8, 0), EFAULT, "cannot make");
    fails(!mmi_refpage_create(sample() + 1, 8, 0), EINVAL, "multiple");
    play.no_map = true;
    fails(!mmi_refpage_create(sample(), 8, 0), ENODEV, "cannot map");
    play.no_map = false;
    is_int(count_descriptors(), before, "which leaves no descriptor");
    struct refpage *ref = mmi_refpage_create(sample(), 8, 0);
    play.no_map = true;
    fails(!mmi_refpage_map(ref, 4096), ENODEV, "cannot map");
    play.no_map = false;
    is_int(mmi_refpage_close(ref), 0, "the reference can be closed");
}

/* The descriptor that a new reference has, the only one of an imitation. */
static int find_descriptor(void)
{
    for (int fd = 3; fd < 100; fd++) {
        char path[40], target[100] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 &&
            strstr(target, "imitation"))
            return fd;
    }
    bail("no descriptor");
}

/* It is not what it was: closed, another file, or another reference to which
 * the kernel gave the same inode. */
static void test_taken_over(void)
{
    struct refpage *ref = mmi_refpage_create(sample(), 8, 0);
    int fd = find_descriptor();
    close(fd);
    fails(!mmi_refpage_map(ref, 4096), EBADF, "descriptor");
    fails(mmi_refpage_fd(ref) == -1, EBADF, "descriptor");
    struct refpage *late = mmi_refpage_create(sample() + 8, 8, 0);
    int other = mmi_refpage_fd(late);
    dup2(other, fd);
    fails(!mmi_refpage_map(ref, 4096), EBADF, "descriptor");
    fails(mmi_refpage_fd(ref) == -1, EBADF, "descriptor");
    close(other);
    is_int(mmi_refpage_close(ref), 0, "the reference can be closed");
    ok(fcntl(fd, F_GETFD) >= 0, "and leaves the new descriptor alone");
    close(fd);
    is_int(mmi_refpage_close(late), 0, "the other reference goes too");

    char path[40];
    ref = mmi_refpage_create(sample(), 8, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", find_descriptor());
    fd = open(path, O_RDWR);
    if (pwrite(fd, "another", 8, 8) != 8)
        bail("pwrite: %s", strerror(errno));
    close(fd);
    fails(!mmi_refpage_map(ref, 4096), EBADF, "taken over");
    is_int(mmi_refpage_close(ref), 0, "one that shows something else, too");
}

int main(void)
{
    need_proc();
    unsetenv("MM_OPTIONS");
    if (strcmp(mmi_refpage_source_now(), "NONE") == 0)
        skip_all("this system has no reference pages");
    test_choice();
    play.device = true;
    test_use("the device makes them");
    test_errors();
    test_taken_over();
    play.device = false;
    play.call = true;
    test_use("the system call makes them");
    test_errors();
    test_taken_over();
    return done();
}
