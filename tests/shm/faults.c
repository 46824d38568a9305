/* SPDX-License-Identifier: MIT */
/*
 * faults.c -- whichever system call fails while a variant makes a mapping, it
 * says so and leaves nothing behind; and what it does where the kernel knows
 * less.
 */
#include <limits.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/page.h"
#include "shm/shm.h"

#include "leaks.h"
#include "wrap.h"

enum { SIZE = 1 << 20 };

static const struct shm_variant *variant;
static char directory[200];

/* Calls that a variant can do without. */
static bool is_dispensable(const char *call)
{
    return !strcmp(call, "madvise") || !strcmp(call, "read") ||
           (!strcmp(call, "open") && !strcmp(variant->name, "MEMFD"));
}

/* When unlinking itself fails, the name must be in the message: take it from
 * there. */
static void remove_named(const char *call)
{
    char name[300] = "";
    const char *quote = strchr(mmi_fail_text(), '\'');
    if (!quote || sscanf(quote, "'%299[^']'", name) != 1)
        return;
    if (!strcmp(call, "unlink"))
        unlink(name);
    if (!strcmp(call, "shm_unlink"))
        shm_unlink(name);
}

/* Each call that create() makes for REQUEST fails once. */
static void test_each_call(const struct shm_request *request, const char *what)
{
    struct footprint before = take_footprint(directory);
    int calls = 0, wrong = 0;
    for (int n = 1;; n++) {
        struct shm shm;
        mmi_fail_clear();
        play_arm(NULL, n, 1, EIO);
        int result = variant->create(&shm, request);
        int error = errno;
        play_end();
        if (!play.hit) {
            if (result == 0)
                variant->destroy(&shm);
            break;
        }
        calls++;
        bool good;
        if (result == 0) {
            good = is_dispensable(play.hit);
            variant->destroy(&shm);
        } else {
            good = error == EIO && mmi_fail_text() &&
                   !strncmp(mmi_fail_text(), "mm:core: ", 9);
            remove_named(play.hit);
        }
        if (!good || !same_footprint(before, directory)) {
            diag("%s fails: result %d, errno %d, %s", play.hit, result, error,
                 mmi_fail_text() ? mmi_fail_text() : "no message");
            wrong++;
        }
    }
    ok(calls > 0 && wrong == 0, "%s, %s: %d calls can fail", variant->name,
       what, calls);
}

static void test_all(void)
{
    struct shm_request request = {.size = SIZE, .name = "test"};
    test_each_call(&request, "no name");
    request.path = "pool";
    test_each_call(&request, "a relative name");
    request.reserve = true;
    test_each_call(&request, "reserved");
    request.keepfd = true;
    play.strict = true;
    test_each_call(&request, "without overcommitment");
    play.strict = false;
}

static long long blocks_of(int fd)
{
    struct stat status;
    return fstat(fd, &status) < 0 ? -1 : status.st_blocks * 512LL;
}

static struct shm make(bool keepfd, bool reserve)
{
    struct shm shm;
    struct shm_request request = {.size = SIZE,
                                  .path = "pool",
                                  .name = "test",
                                  .keepfd = keepfd,
                                  .reserve = reserve};
    if (variant->create(&shm, &request) < 0)
        bail("%s: %s", variant->name, mmi_fail_text());
    return shm;
}

static void test_interrupted(void)
{
    play_arm("ftruncate", 1, 3, EINTR);
    struct shm shm = make(false, false);
    play_arm("madvise", 1, 3, EINTR);
    is_int(variant->commit(&shm, 0, SIZE), 0, "a signal is no reason to fail");
    play_arm("madvise", 1, 3, EAGAIN);
    is_int(variant->commit(&shm, 0, SIZE), 0, "nor is a busy kernel");
    play_arm("madvise", 1, INT_MAX, EAGAIN);
    ok(variant->commit(&shm, 0, SIZE) == -1 && errno == EAGAIN,
       "unless it stays so");
    play_arm("madvise", 1, 1, EFAULT);
    ok(variant->commit(&shm, 0, SIZE) == -1 && errno == ENOSPC,
       "pages that cannot be had are ENOSPC");
    play_end();
    variant->destroy(&shm);
}

/* As before Linux 5.14. */
static void test_without_populate(void)
{
    play_arm("madvise", 1, INT_MAX, EINVAL);
    struct shm shm = make(false, false);
    if (!ok(shm.fd >= 0, "without populating a descriptor is kept"))
        return;
    is_int(blocks_of(shm.fd), 0, "nothing is set aside at first");
    is_int(variant->commit(&shm, 5000, 60000), 0, "commit works");
    long long blocks = blocks_of(shm.fd);
    ok(blocks >= 61440 && blocks < SIZE / 2, "for the pages asked for");

    is_int(variant->commit(&shm, 0, SIZE), 0, "and for all");
    variant->destroy(&shm);
    play_end();
}

/* As before Linux 5.14, on a file system without fallocate(). */
static void test_without_both(void)
{
    static const int errors[] = {EOPNOTSUPP, ENOSPC};
    for (int i = 0; i < 2; i++) {
        play_arm("madvise", 1, INT_MAX, EINVAL);
        struct shm shm = make(false, false);
        play_arm("fallocate", 1, INT_MAX, errors[i]);
        /* One call at a time can be made to fail.  On pages that may not be
         * written the real madvise() says EINVAL, too. */
        int kept = shm.fd;
        size_t page = mmi_page_size();
        if (mprotect(shm.base, page, PROT_READ) < 0)
            bail("mprotect: %s", strerror(errno));
        int result = variant->commit(&shm, 0, page);
        ok(i == 0 ? result == 0 : result == -1 && errno == ENOSPC,
           "fallocate() fails with %s", strerror(errors[i]));
        play_end();
        close(kept);
        ok(variant->commit(&shm, 0, page) == -1 && errno == EBADF,
           "a closed descriptor is noticed");
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        ok(null == kept && variant->commit(&shm, 0, page) == -1 &&
               errno == EBADF,
           "and so is another file under its number");
        variant->destroy(&shm);
        ok(fcntl(null, F_GETFD) >= 0, "which stays open");
        close(null);
    }
}

static void test_reserve(void)
{
    struct shm shm = make(true, true);
    ok(blocks_of(shm.fd) >= SIZE, "all is set aside at creation");
    variant->destroy(&shm);
    play_arm("fallocate", 1, 2, EINTR);
    shm = make(true, true);
    ok(blocks_of(shm.fd) >= SIZE, "signals notwithstanding");
    variant->destroy(&shm);
    play_arm("fallocate", 1, INT_MAX, EOPNOTSUPP);
    shm = make(true, true);
    ok(blocks_of(shm.fd) >= SIZE, "without fallocate(), too");
    variant->destroy(&shm);
    play_end();
}

static void test_memfd(void)
{
    char line[500];
    for (int i = 0; i < 2; i++) {
        /* Kernels before 6.3 know one flag less. */
        play_arm("memfd_create", i, 1, EINVAL);
        struct shm shm = make(true, false);
        play_end();
        int seals = fcntl(shm.fd, F_GET_SEALS);
        ok((seals & F_SEAL_SHRINK) && (seals & F_SEAL_SEAL) &&
               !(seals & (F_SEAL_WRITE | F_SEAL_GROW)),
           "MEMFD is sealed against shrinking");
        ok(ftruncate(shm.fd, 0) < 0 && errno == EPERM, "and cannot be cut");
        read_maps(shm.base, line, sizeof line, NULL);
        ok(strstr(line, "/memfd:mm:test") != NULL, "and shows its name");
        is_int(variant->commit(&shm, 0, SIZE), 0, "commit");
        is_int(blocks_of(shm.fd), 0, "sets nothing aside");
        variant->destroy(&shm);
    }
    play.strict = true;
    struct shm shm = make(true, false);
    is_int(variant->commit(&shm, 0, SIZE / 2), 0,
           "without overcommitment commit");
    is_int(blocks_of(shm.fd), SIZE / 2, "sets pages aside");
    variant->destroy(&shm);
    shm = make(true, true);
    is_int(blocks_of(shm.fd), SIZE, "and so does a request to reserve");
    variant->destroy(&shm);
    play.strict = false;
}

static void test_permit(void)
{
    static const char *const calls[] = {"open", "fstat", "fchmod", "fchown"};
    struct shm shm = make(false, false);
    struct footprint before = take_footprint(directory);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        play_arm(calls[i], 1, 1, EIO);
        struct stat status;
        int result = variant->permit(&shm, 0666, (uid_t)-1, (gid_t)-1);
        play_end();
        ok(play.hit && result == -1 && stat(shm.path, &status) == 0 &&
               (status.st_mode & 0777) == 0600,
           "%s fails: the mode stays", calls[i]);
    }
    ok(same_footprint(before, directory), "and nothing stays open");
    variant->destroy(&shm);
}

int main(void)
{
    need_proc();
    make_directory(directory, sizeof directory);
    setenv("TMPDIR", directory, 1);
    if (chdir(directory) < 0)
        bail("chdir: %s", strerror(errno));
    for (size_t i = 0; i < mmi_shm_count(); i++) {
        variant = mmi_shm_at(i);
        if (!skips_variant(variant->name))
            test_all();
    }
    static const char *const files[] = {"MMFILE", "MMPOSX"};
    for (int i = 0; i < 2; i++) {
        variant = mmi_shm_find(files[i]);
        if (!variant || skips_variant(variant->name))
            continue;
        diag("%s", variant->name);
        test_interrupted();
        test_without_populate();
        test_without_both();
        test_reserve();
    }
    variant = mmi_shm_find("MEMFD");
    if (variant)
        test_memfd();
    variant = mmi_shm_find("MMFILE");
    if (variant)
        test_permit();
    is_int(rmdir(directory), 0, "no file is left");
    return done();
}
