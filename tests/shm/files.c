/* SPDX-License-Identifier: MIT */
/*
 * files.c -- MMFILE makes, hands over and removes its own file, and never
 * touches another.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/fail.h"
#include "shm/shm.h"

#include "../children.h"
#include "leaks.h"

enum { SIZE = 65536, NOBODY = 65534 };

static const struct shm_variant *variant;
static char directory[200];
static char path[300];  /* what the caller names */
static char file[310];  /* what MMFILE makes of it */
static char other[310]; /* somebody else's */

static int make(struct shm *shm, const char *name)
{
    struct shm_request request = {.size = SIZE, .path = name, .name = ""};
    return variant->create(shm, &request);
}

static void write_file(const char *name, const char *text)
{
    FILE *stream = fopen(name, "wxe");
    if (!stream || fputs(text, stream) < 0 || fclose(stream) != 0)
        bail("%s: %s", name, strerror(errno));
}

static bool reads(const char *name, const char *text)
{
    char buffer[100] = "";
    FILE *stream = fopen(name, "re");
    if (!stream)
        return false;
    bool same = fgets(buffer, sizeof buffer, stream) && !strcmp(buffer, text);
    fclose(stream);
    return same;
}

static mode_t mode_of(const char *name)
{
    struct stat status;
    return lstat(name, &status) < 0 ? 0 : status.st_mode & 07777;
}

static void refuses(const char *what)
{
    struct shm shm;
    errno = 0;
    struct footprint before = take_footprint(directory);
    ok(make(&shm, path) == -1 && errno == EEXIST, "%s is refused", what);
    ok(strstr(mmi_fail_text(), file) && strstr(mmi_fail_text(), "untouched"),
       "the message says what and why");
    ok(same_footprint(before, directory), "and nothing is left");
}

static void test_existing(void)
{
    write_file(other, "precious");
    write_file(file, "precious");
    refuses("an existing file");
    ok(reads(file, "precious"), "it is as it was");
    if (geteuid() == 0 && chown(file, NOBODY, NOBODY) == 0)
        refuses("a file of somebody else");
    else
        skip(3, "only root can give files away");
    unlink(file);

    if (symlink(other, file) < 0)
        bail("symlink: %s", strerror(errno));
    refuses("a symbolic link");
    ok(reads(other, "precious"), "what it points to is as it was");
    unlink(file);
    unlink(other);
    if (symlink(other, file) < 0)
        bail("symlink: %s", strerror(errno));
    refuses("a symbolic link to nothing");
    ok(access(other, F_OK) < 0, "nothing is made behind it");
    unlink(file);

    if (mkdir(file, 0700) < 0 || mkfifo(other, 0600) < 0)
        bail("mkdir: %s", strerror(errno));
    refuses("a directory");
    rmdir(file);
    if (rename(other, file) < 0)
        bail("rename: %s", strerror(errno));
    refuses("a pipe");
    unlink(file);
}

static void test_missing(void)
{
    struct shm shm;
    char name[600];
    snprintf(name, sizeof name, "%s/no/pool", directory);
    ok(make(&shm, name) == -1 && errno == ENOENT &&
           strstr(mmi_fail_text(), name),
       "a missing directory is named");
    snprintf(name, sizeof name, "%s/%0255d", directory, 0);
    ok(make(&shm, name) == -1 && errno == ENAMETOOLONG,
       "a name too long is refused");
    setenv("TMPDIR", "/no/such/place", 1);
    ok(make(&shm, NULL) == -1 && errno == ENOENT &&
           strstr(mmi_fail_text(), "/no/such/place"),
       "a missing TMPDIR is named");
    setenv("TMPDIR", directory, 1);
}

/* A name that is short from here, but too long from the root. */
static int create_deep(void *argument, int number)
{
    (void)argument;
    (void)number;
    char part[200];
    memset(part, 'd', sizeof part - 1);
    part[sizeof part - 1] = '\0';
    int depth = 0;
    struct shm shm;
    int result = 0;
    for (; depth < 30 && result == 0; depth++) {
        if (mkdir(part, 0700) < 0 || chdir(part) < 0)
            return 1;
        result = make(&shm, "pool");
        if (result == 0)
            variant->destroy(&shm);
    }
    bool good = result == -1 && (errno == ENAMETOOLONG || errno == ERANGE);
    for (; depth > 0; depth--)
        if (chdir("..") < 0 || rmdir(part) < 0)
            return 2; /* also when a file was left */
    return good ? 0 : 3;
}

static void test_place(void)
{
    struct shm shm;
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (chdir(directory) < 0 || make(&shm, "pool") < 0)
        bail("%s", mmi_fail_text());
    ok(access(file, F_OK) == 0, "a relative name is made here");
    is_int(mode_of(file), 0600, "for its owner alone");
    if (chdir("/") < 0)
        bail("chdir: %s", strerror(errno));
    is_int(variant->permit(&shm, 0640, (uid_t)-1, (gid_t)-1), 0,
           "its mode is changed from elsewhere");
    is_int(mode_of(file), 0640, "to what was asked for");
    variant->destroy(&shm);
    is_int(count_names(directory), 0, "and it is removed from elsewhere");

    if (chdir(directory) < 0)
        bail("chdir: %s", strerror(errno));
    is_int(end_child(start_child(create_deep, NULL, 0)), 0,
           "a name too long from the root is refused");
    if (fchdir(here) < 0)
        bail("fchdir: %s", strerror(errno));
    close(here);
}

static void test_owner(void)
{
    if (geteuid() != 0) {
        skip(2, "only root can give files away");
        return;
    }
    struct shm shm;
    struct stat status;
    if (make(&shm, path) < 0)
        bail("%s", mmi_fail_text());
    is_int(variant->permit(&shm, 0600, NOBODY, (gid_t)-1), 0,
           "the file is given away");
    ok(stat(file, &status) == 0 && status.st_uid == NOBODY &&
           status.st_gid == getegid(),
       "to the user named, in the group it had");
    variant->destroy(&shm);
}

/* Only root may give a file away: all or nothing for others. */
static int permit_as_nobody(void *argument, int number)
{
    (void)argument;
    (void)number;
    struct shm shm;
    if (geteuid() == 0 && (chown(directory, NOBODY, NOBODY) < 0 ||
                           setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
        return 1;
    if (make(&shm, path) < 0)
        return 2;
    if (variant->permit(&shm, 0666, 0, (gid_t)-1) == 0 || errno != EPERM)
        return 3;
    mode_t mode = mode_of(file);
    variant->destroy(&shm);
    return mode == 0600 ? 0 : 4;
}

static void test_name_taken_over(void)
{
    struct shm shm;
    if (make(&shm, path) < 0)
        bail("%s", mmi_fail_text());
    unlink(file);
    write_file(file, "precious");
    chmod(file, 0444);
    ok(variant->permit(&shm, 0666, (uid_t)-1, (gid_t)-1) == -1 &&
           errno == ESTALE,
       "no mode is changed of what took over the name");
    is_int(mode_of(file), 0444, "it is as it was");
    variant->destroy(&shm);
    ok(reads(file, "precious"), "nor is it removed");
    unlink(file);

    write_file(other, "precious");
    chmod(other, 0444);
    if (make(&shm, path) < 0 || unlink(file) < 0 || symlink(other, file) < 0)
        bail("symlink: %s", strerror(errno));
    is_int(variant->permit(&shm, 0666, (uid_t)-1, (gid_t)-1), -1,
           "no symbolic link is followed");
    is_int(mode_of(other), 0444, "to what it points to");
    variant->destroy(&shm);
    ok(access(file, F_OK) == 0, "and it stays");
    unlink(file);
    unlink(other);

    if (make(&shm, path) < 0 || unlink(file) < 0)
        bail("unlink: %s", strerror(errno));
    is_int(variant->permit(&shm, 0666, (uid_t)-1, (gid_t)-1), -1,
           "a file that is gone cannot be permitted");
    variant->destroy(&shm);
}

int main(void)
{
    need_proc();
    variant = mmi_shm_find("MMFILE");
    if (!variant)
        skip_all("this build has no MMFILE");
    make_directory(directory, sizeof directory);
    setenv("TMPDIR", directory, 1);
    snprintf(path, sizeof path, "%s/pool", directory);
    snprintf(file, sizeof file, "%s.mem", path);
    snprintf(other, sizeof other, "%s/other", directory);

    struct footprint before = take_footprint(directory);
    test_existing();
    test_missing();
    test_place();
    test_owner();
    is_int(end_child(start_child(permit_as_nobody, NULL, 0)), 0,
           "a change of owner that fails changes no mode");
    test_name_taken_over();
    ok(same_footprint(before, directory), "nothing is left behind");
    is_int(rmdir(directory), 0, "not even a name");
    return done();
}
