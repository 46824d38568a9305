/* SPDX-License-Identifier: MIT */
/*
 * faults.c -- whichever call fails while reference pages are made in user
 * space, it is an error or does not matter, and nothing is left behind.
 */
#include <sys/uio.h>

#include "base/fail.h"
#include "refpage/refpage.h"

#include "../shm/leaks.h"
#include "../shm/wrap.h"
#include "refpage.h"

WRAP(ssize_t, pwrite, -1,
     (int fd, const void *bytes, size_t size, off_t offset),
     (fd, bytes, size, offset))
WRAP(ssize_t, pread, -1, (int fd, void *bytes, size_t size, off_t offset),
     (fd, bytes, size, offset))

/* Set: write less than was asked for, after EINTR. */
static bool slow;

ssize_t __real_pwritev(int fd, const struct iovec *parts, int count,
                       off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count,
                       off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count,
                       off_t offset)
{
    static unsigned calls;
    if (play_fails("pwritev"))
        return -1;
    if (!slow || ++calls % 3 == 0)
        return __real_pwritev(fd, parts, count, offset);
    if (calls % 3 == 1) {
        errno = EINTR;
        return -1;
    }
    struct iovec part = {parts[0].iov_base, parts[0].iov_len};
    if (count == 1)
        return __real_pwritev(fd, &part, 1, offset);
    ssize_t got = __real_pwritev(fd, &part, 1, offset);
    part.iov_len = 100;
    return got + __real_pwritev(fd, &part, 1, offset + got);
}

struct state {
    int descriptors;
    int maps; /* that show reference pages */
};

static struct state take_state(void)
{
    struct state state = {count_descriptors(), 0};
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[300];
    while (maps && fgets(line, sizeof line, maps))
        state.maps += strstr(line, "mm:refpage") != NULL ||
                      strstr(line, " ---p 00000000 00:00 0") != NULL;
    if (maps)
        fclose(maps);
    return state;
}

/* Make, map LENGTH bytes, and give all back.  0 if all of it worked, was right
 * and left errno alone, 1 if it failed, 2 if it was wrong. */
static int whole_life(size_t length)
{
    errno = 777;
    struct refpage *ref = mmi_refpage_create(sample(), 16, 0);
    if (!ref)
        return 1;
    unsigned char *start = mmi_refpage_map(ref, length);
    play_end();
    int result = start ? 0 : 1;
    if (start && errno != 777)
        result = 2;
    if (start && !shows(start, length, sample(), 16))
        result = 2;
    if (start && mmi_refpage_unmap(start, length) != 0)
        result = 2;
    return mmi_refpage_close(ref) == 0 ? result : 2;
}

static void test_each_call(size_t length, int error)
{
    struct state before = take_state();
    int calls = 0, wrong = 0, survived = 0;
    for (int n = 1; n < 500; n++) {
        mmi_fail_clear();
        play_arm(NULL, n, 1, error);
        int result = whole_life(length);
        play_end();
        if (!play.hit)
            break;
        calls++;
        survived += result == 0;
        bool told = mmi_fail_text() != NULL;
        struct state after = take_state();
        if (result == 2 || told != (result == 1) ||
            after.descriptors != before.descriptors ||
            after.maps != before.maps) {
            diag("%s fails: result %d, %s; descriptors %d to %d, mappings %d "
                 "to %d",
                 play.hit, result, told ? mmi_fail_text() : "no message",
                 before.descriptors, after.descriptors, before.maps,
                 after.maps);
            wrong++;
        }
    }
    ok(calls > 5 && wrong == 0, "%zu bytes: %d calls can fail with %s", length,
       calls, strerror(error));
    diag("%d of them do not matter", survived);
}

static void test_slow(void)
{
    slow = true;
    is_int(whole_life(3 * MIB), 0, "signals may interrupt the filling");
    is_int(whole_life(10000), 0, "of either size");
    slow = false;
}

/* Without what is new in the kernel. */
static void test_old_kernel(void)
{
    play_arm("memfd_create", 1, 1, EINVAL);
    is_int(whole_life(3 * MIB), 0, "kernels before 6.3");
    play_arm("madvise", 1, 1, EINVAL);
    is_int(whole_life(3 * MIB), 0, "no huge page at all");
    play_arm("madvise", 2, 1, ENOMEM);
    is_int(whole_life(((size_t)1 << 30) + 1), 0, "only the first one");
}

int main(void)
{
    need_proc();
    need_memfd();
    is_int(whole_life(9 * MIB), 0, "what is made once per process");
    test_each_call(10000, EIO);
    test_each_call(9 * MIB, EIO);
    test_each_call(9 * MIB, ENOMEM);
    test_slow();
    test_old_kernel();
    return done();
}
