/* SPDX-License-Identifier: MIT */
/*
 * contract.c -- every shared-memory variant of the build keeps what shm.h
 * promises.
 *
 * Children do to the pages what workers of a server do: use them at any fork
 * depth, lose their privileges, descriptors and directory, unmap, die.
 */
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>

#include "base/fail.h"
#include "shm/shm.h"

#include "../children.h"
#include "leaks.h"

enum { SIZE = 1 << 20, NOBODY = 65534 };

static const struct shm_variant *variant;
static char directory[200];
static char path[300];

static struct shm make(const char *file, size_t size)
{
    struct shm shm;
    struct shm_request request = {.size = size, .path = file, .name = "test"};
    if (variant->create(&shm, &request) < 0)
        bail("%s: %s", variant->name, mmi_fail_text());
    return shm;
}

static bool all_zero(const char *base, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (base[i] != 0)
            return false;
    return true;
}

static void test_pages(void)
{
    struct shm shm = make(path, SIZE - 100);
    is_int((long long)shm.size, SIZE, "the size is rounded up to pages");
    is_int((uintptr_t)shm.base % 4096, 0, "the base is a page's");
    ok(all_zero(shm.base, shm.size), "all is zero");
    is_int(shm.creator, getpid(), "the creator is known");
    is_int(shm.fd, -1, "no descriptor stays open");
    memset(shm.base, 0xa5, shm.size);
    errno = E2BIG;
    variant->destroy(&shm);
    is_int(errno, E2BIG, "destroy keeps errno");

    shm = make(path, SIZE);
    ok(all_zero(shm.base, shm.size), "another one begins with zeros again");
    variant->destroy(&shm);
}

static int write_below(void *argument, int depth)
{
    char *base = argument;
    base[depth * 4096] = (char)(depth + 1);
    if (depth == 3)
        return 0;
    return end_child(start_child(write_below, base, depth + 1));
}

static void test_sharing(void)
{
    struct shm shm = make(path, SIZE);
    is_int(end_child(start_child(write_below, shm.base, 0)), 0,
           "children of any depth write");
    bool seen = true;
    for (int i = 0; i < 4; i++)
        seen = seen && shm.base[i * 4096] == i + 1;
    ok(seen, "and their ancestor sees it");
    variant->destroy(&shm);
}

static long resident_pages(void)
{
    long resident = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (!statm || fscanf(statm, "%*d %ld", &resident) != 1)
        bail("/proc/self/statm");
    fclose(statm);
    return resident;
}

static bool may_overcommit(void)
{
    int mode = 0;
    FILE *file = fopen("/proc/sys/vm/overcommit_memory", "re");
    if (file) {
        if (fscanf(file, "%d", &mode) != 1)
            mode = 0;
        fclose(file);
    }
    return mode != 2;
}

static void test_sparse(void)
{
    if (sizeof(size_t) < 8 || !may_overcommit()) {
        skip(3, "64 GiB are more than this system promises");
        return;
    }
    size_t size = (size_t)64 << 30;
    struct shm shm;
    struct shm_request request = {.size = size, .path = path, .name = ""};
    if (!ok(variant->create(&shm, &request) == 0, "64 GiB can be had")) {
        diag("%s", mmi_fail_text());
        skip(2, "no 64 GiB");
        return;
    }
    long before = resident_pages();
    shm.base[0] = 1;
    shm.base[size - 1] = 1;
    ok(shm.base[0] && shm.base[size - 1], "to the last byte");
    ok(resident_pages() - before < 512, "and are not there until touched");
    variant->destroy(&shm);

    /* Twice what a pool of the largest size asks for. */
    request.size = (size_t)32 << 40;
    if (variant->create(&shm, &request) == 0) {
        shm.base[request.size - 1] = 1;
        variant->destroy(&shm);
    } else {
        diag("32 TiB cannot be had: %s", mmi_fail_text());
    }
}

static void test_impossible(void)
{
    struct shm shm;
    struct shm_request request = {.path = path, .name = ""};
    static const size_t sizes[] = {0, (size_t)1 << (sizeof(size_t) * 8 - 8),
                                   SIZE_MAX / 2, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct footprint before = take_footprint(directory);
        request.size = sizes[i];
        errno = 0;
        mmi_fail_clear();
        ok(variant->create(&shm, &request) == -1 && errno != 0 &&
               mmi_fail_text() && strncmp(mmi_fail_text(), "mm:core: ", 9) == 0,
           "%zu bytes fail with a message", sizes[i]);
        ok(same_footprint(before, directory), "and leave nothing");
    }
}

static int destroy_here(void *argument, int number)
{
    (void)number;
    struct shm *shm = argument;
    char line[500];
    variant->destroy(shm);
    read_maps(shm->base, line, sizeof line, NULL);
    return *line != '\0';
}

static void test_destroy_in_child(void)
{
    struct shm shm = make(path, SIZE);
    shm.base[5] = 42;
    int names = count_names(directory);
    children_ok(2, destroy_here, &shm, "children destroy");
    ok(shm.base[5] == 42, "and the pages stay with the creator");
    shm.base[SIZE - 1] = 43;
    is_int(end_child(start_child(write_below, shm.base, 0)), 0,
           "and with children forked later");
    is_int(count_names(directory), names, "and so does the file, if any");
    variant->destroy(&shm);
}

static int create_and_wait(void *argument, int number)
{
    (void)number;
    struct shm shm = make(NULL, SIZE);
    char line[500];
    memset(shm.base, 1, SIZE);
    read_maps(shm.base, line, sizeof line, NULL);
    int answer[2] = {strstr(line, "(deleted)") != NULL, shm.id};
    if (write(*(int *)argument, answer, sizeof answer) != sizeof answer)
        return 1;
    for (;;)
        pause();
}

static void test_crash(void)
{
    int ends[2], answer[2];
    int names = count_names(directory);
    if (pipe(ends) < 0)
        bail("pipe: %s", strerror(errno));
    pid_t pid = start_child(create_and_wait, &ends[1], 0);
    if (read(ends[0], answer, sizeof answer) != sizeof answer)
        bail("the child said nothing");
    close(ends[0]);
    close(ends[1]);
    ok(answer[0], "what lies behind the pages has no name");
    kill(pid, SIGKILL);
    is_int(end_child(pid), 1000 + SIGKILL, "its creator is killed");
    is_int(count_names(directory), names, "and leaves no file");
    struct shmid_ds status;
    ok(answer[1] < 0 || shmctl(answer[1], IPC_STAT, &status) < 0,
       "nor a System V segment");
}

/* What a worker may have done to itself before it first uses the pool. */
static int lose_everything(void *argument, int number)
{
    (void)number;
    struct shm *shm = argument;
    if (close_range(3, ~0U, 0) < 0 || chdir("/") < 0)
        return 1;
    if (geteuid() == 0 &&
        (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
        return 2;
    if (variant->commit && variant->commit(shm, 0, shm->size) < 0)
        return 3;
    memset(shm->base, 7, shm->size);
    variant->destroy(shm);
    return 0;
}

static void test_worker(void)
{
    struct shm shm = make(path, SIZE);
    is_int(end_child(start_child(lose_everything, &shm, 0)), 0,
           "a worker without privileges, descriptors and directory");
    ok(shm.base[SIZE - 1] == 7, "shares the pages");
    variant->destroy(&shm);
    is_int(count_names(directory), 0, "and the creator cleans up after it");
}

static int take_over_descriptor(void *argument, int number)
{
    (void)number;
    struct shm *shm = argument;
    int fd = shm->fd;
    if (fd < 0)
        return 0;
    close(fd);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null != fd && (dup2(null, fd) < 0 || close(null) < 0))
        return 1;
    variant->destroy(shm);
    return fcntl(fd, F_GETFD) < 0 ? 2 : 0;
}

static void test_keepfd(void)
{
    struct shm shm;
    struct shm_request request = {
        .size = SIZE, .path = path, .name = "", .keepfd = true};
    if (variant->create(&shm, &request) < 0)
        bail("%s: %s", variant->name, mmi_fail_text());
    struct stat status;
    if (shm.fd >= 0) {
        ok(fstat(shm.fd, &status) == 0 && (status.st_mode & 0777) == 0600,
           "a kept descriptor's file is its owner's alone");
        ok(fcntl(shm.fd, F_GETFD) == FD_CLOEXEC, "and closed on exec");
    } else {
        skip(2, "no descriptor to keep");
    }
    is_int(end_child(start_child(take_over_descriptor, &shm, 0)), 0,
           "a descriptor that took over the number stays open");
    variant->destroy(&shm);
}

static void test_commit(void)
{
    struct shm shm = make(path, SIZE);
    if (!variant->commit) {
        skip(5, "nothing to commit");
    } else {
        shm.base[100] = 9;
        is_int(variant->commit(&shm, 0, 1), 0, "a byte is committed");
        is_int(variant->commit(&shm, 5000, 70000), 0, "and some pages");
        is_int(variant->commit(&shm, SIZE - 1, 1), 0, "and the last byte");
        is_int(variant->commit(&shm, 0, SIZE), 0, "and all, once more");
        ok(shm.base[100] == 9 && all_zero(shm.base + 101, SIZE - 101),
           "no content is touched");
    }
    variant->destroy(&shm);
}

static void test_permit(void)
{
    struct shm shm = make(path, SIZE);
    if (!variant->permit) {
        skip(1, "nothing to permit");
    } else if (shm.id >= 0) {
        struct shmid_ds status;
        bool before = shmctl(shm.id, IPC_STAT, &status) == 0 &&
                      (status.shm_perm.mode & 0777) == 0600;
        ok(before && variant->permit(&shm, 0640, (uid_t)-1, (gid_t)-1) == 0 &&
               shmctl(shm.id, IPC_STAT, &status) == 0 &&
               (status.shm_perm.mode & 0777) == 0640 &&
               status.shm_perm.uid == geteuid(),
           "0600 becomes 0640, the owner stays");
    } else {
        ok(variant->permit(&shm, 0640, (uid_t)-1, (gid_t)-1) == 0,
           "another mode, no other owner");
    }
    variant->destroy(&shm);
}

static int create_limited(void *argument, int number)
{
    (void)argument;
    (void)number;
    struct rlimit limit = {65536, 65536};
    struct shm shm;
    struct shm_request request = {.size = SIZE, .path = path, .name = ""};
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 1;
    bool is_file = variant->max_size && variant->max_size() == 65536;
    int result = variant->create(&shm, &request);
    if (is_file)
        return result == -1 && errno == EFBIG &&
                       strstr(mmi_fail_text(), "limit") &&
                       count_names(directory) == 0
                   ? 0
                   : 2;
    if (result < 0)
        return 3;
    variant->destroy(&shm);
    return 0;
}

int main(void)
{
    need_proc();
    make_directory(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/pool", directory);
    setenv("TMPDIR", directory, 1);

    for (size_t i = 0; i < mmi_shm_count(); i++) {
        variant = mmi_shm_at(i);
        if (skips_variant(variant->name))
            continue;
        diag("%s: %s", variant->name, variant->summary);
        struct footprint before = take_footprint(directory);
        test_pages();
        test_sharing();
        test_sparse();
        test_impossible();
        test_destroy_in_child();
        test_crash();
        test_worker();
        test_keepfd();
        test_commit();
        test_permit();
        is_int(end_child(start_child(create_limited, NULL, 0)), 0,
               "a file size limit is an error, not a signal");
        ok(same_footprint(before, directory), "%s leaves nothing behind",
           variant->name);
    }

    ok(mmi_shm_at(mmi_shm_count()) == NULL, "the list ends");
    ok(mmi_shm_find("") == mmi_shm_at(0), "the first is the default");
    ok(mmi_shm_find("mmfile") == mmi_shm_find("MMFILE"),
       "case does not matter");
    ok(mmi_shm_find("MMFOO") == NULL && errno == EINVAL &&
           strstr(mmi_fail_text(), mmi_shm_at(0)->name),
       "an unknown name fails with the list of known ones");
    is_int(rmdir(directory), 0, "no file is left");
    return done();
}
