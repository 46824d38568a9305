/* SPDX-License-Identifier: MIT */
/*
 * file.c -- files are made private, known by what they are rather than by
 * their names, and set aside before they are used.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "base/fail.h"
#include "base/file.h"

#include "../shm/leaks.h"

enum { SIZE = 1 << 16, NAMES = 1000 };

static char directory[200];

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, FILE_RANDOM_NAME_SIZE);
}

static void test_random_names(void)
{
    static char names[NAMES][FILE_RANDOM_NAME_SIZE];
    int wrong = 0;
    for (int i = 0; i < NAMES; i++)
        wrong += mmi_file_random_name(names[i]) != 0 ||
                 strncmp(names[i], "mm-", 3) != 0 || strchr(names[i], '/') ||
                 strlen(names[i]) != 27;
    qsort(names, NAMES, sizeof *names, compare);
    for (int i = 1; i < NAMES; i++)
        wrong += compare(names[i - 1], names[i]) == 0;
    is_int(wrong, 0, "random names are names, and never twice the same");
}

static void test_temporary(void)
{
    struct stat status;
    struct file_id id, other_id;
    setenv("TMPDIR", directory, 1);
    int fd = mmi_file_temporary();
    int other = mmi_file_temporary();
    ok(fd >= 0 && other >= 0, "temporary files are made");
    is_int(count_names(directory), 0, "without names");
    ok(fstat(fd, &status) == 0 && (status.st_mode & 0777) == 0600 &&
           status.st_nlink == 0,
       "for their owner alone");
    is_int(fcntl(fd, F_GETFD), FD_CLOEXEC, "closed on exec");
    is_int(mmi_file_identify(fd, &id) + mmi_file_identify(other, &other_id), 0,
           "they are identified");
    ok(mmi_file_is(fd, &id) && mmi_file_is(other, &other_id), "as themselves");
    ok(!mmi_file_is(fd, &other_id) && !mmi_file_is(-1, &id) &&
           !mmi_file_is(1000, &id),
       "and as nothing else");

    errno = E2BIG;
    mmi_file_close(fd, &other_id);
    mmi_file_close(-1, &id);
    ok(errno == E2BIG && mmi_file_is(fd, &id), "another's is not closed");
    mmi_file_close(fd, &id);
    mmi_file_close(other, &other_id);
    ok(errno == E2BIG && !mmi_file_is(fd, &id) &&
           !mmi_file_is(other, &other_id),
       "its own is");
    ok(mmi_file_identify(1000, &id) == -1 && errno == EBADF,
       "what is not open cannot be identified");
}

static void test_named(void)
{
    char path[300], wanted[310];
    char *absolute = NULL;
    struct file_id id, other_id;
    struct stat status;
    snprintf(path, sizeof path, "%s/name", directory);
    snprintf(wanted, sizeof wanted, "%s.mem", path);
    umask(0);
    int fd = mmi_file_create(path, ".mem", &absolute, &id);
    ok(fd >= 0 && mmi_file_is(fd, &id), "a file is made");
    is_str(absolute, wanted, "under its name");
    ok(stat(absolute, &status) == 0 && (status.st_mode & 0777) == 0600,
       "for its owner alone, whatever the umask");
    char *untouched = NULL;
    ok(mmi_file_create(path, ".mem", &untouched, &other_id) == -1 &&
           errno == EEXIST && !untouched,
       "but not twice");
    ok(mmi_file_permit(fd, 0640, (uid_t)-1, (gid_t)-1) == 0 &&
           stat(absolute, &status) == 0 && (status.st_mode & 0777) == 0640 &&
           status.st_uid == geteuid(),
       "its mode can be changed");
    ok(mmi_file_permit(-1, 0640, (uid_t)-1, (gid_t)-1) == -1 && errno == EBADF,
       "not without it");
    other_id = (struct file_id){id.device, id.inode + 1};
    errno = E2BIG;
    mmi_file_remove(absolute, &other_id);
    is_int(count_names(directory), 1, "another's is not removed");
    mmi_file_remove(absolute, &id);
    mmi_file_remove(absolute, &id);
    is_int(count_names(directory), 0, "its own is");
    is_int(errno, E2BIG, "errno is kept");
    mmi_file_close(fd, &id);
    free(absolute);
}

static void test_map(void)
{
    struct file_id id;
    int fd = mmi_file_temporary();
    if (fd < 0 || mmi_file_identify(fd, &id) < 0)
        bail("%s", mmi_fail_text());
    char *base = mmi_file_map(fd, SIZE, false);
    if (!ok(base != NULL, "a file is mapped"))
        return;
    is_int(mmi_file_commit(base, 5000, 10, fd, &id), 0, "and committed");
    base[0] = 1;
    char byte = 0;
    ok(pread(fd, &byte, 1, 0) == 1 && byte == 1, "and shared");
    struct stat status;
    ok(fstat(fd, &status) == 0 && status.st_size == SIZE, "and large enough");
    munmap(base, SIZE);
    mmi_file_close(fd, &id);
    ok(mmi_file_map(fd, SIZE, false) == NULL && errno == EBADF,
       "a closed file is not mapped");
    ok(mmi_file_max_size() >= SIZE, "there is room for files");
}

int main(void)
{
    need_proc();
    make_directory(directory, sizeof directory);
    struct footprint before = take_footprint(directory);
    test_random_names();
    test_temporary();
    test_named();
    test_map();
    ok(same_footprint(before, directory), "nothing is left behind");
    is_int(rmdir(directory), 0, "not even a name");
    return done();
}
