/* SPDX-License-Identifier: MIT */
/*
 * segment.c -- segments are made whole or not at all, found by their address
 * while they live, and gone without a trace afterwards.
 */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/fail.h"
#include "base/options.h"
#include "segment/segment.h"

#include "../children.h"
#include "../shm/leaks.h"
#include "../shm/small.h"

enum { SIZE = 100000, MANY = 5000, THREADS = 4, CANNOT_MOUNT = 77 };

static char directory[200];
static char path[300];

static struct segment *make(size_t size, const char *file)
{
    struct segment *segment;
    struct segment_request request = {.size = size, .file = file};
    if (mmi_segment_create(&segment, &request) < 0)
        bail("%s", mmi_fail_text());
    return segment;
}

static void choose(const char *options)
{
    if (mmi_options_set(options) < 0)
        bail("%s", mmi_fail_text());
}

static bool refused(size_t size, const char *file, int error)
{
    struct segment *segment;
    struct segment_request request = {.size = size, .file = file};
    struct footprint before = take_footprint(directory);
    mmi_fail_clear();
    errno = 0;
    int result = mmi_segment_create(&segment, &request);
    bool good = result == -1 && errno == error && mmi_fail_text() &&
                strncmp(mmi_fail_text(), "mm:core: ", 9) == 0;
    if (!good)
        diag("result %d, errno %d, %s", result, errno,
             mmi_fail_text() ? mmi_fail_text() : "no message");
    return good && same_footprint(before, directory);
}

static bool is_zero(const char *base, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (base[i] != 0)
            return false;
    return true;
}

static int use_and_destroy(void *argument, int number)
{
    struct segment *segment = argument;
    char *user = segment->user;
    if (mmi_segment_find(user) != segment)
        return 1;
    user[number] = 'c';
    mmi_segment_destroy(segment);
    return mmi_segment_find(user) ? 2 : 0;
}

static void test_one(const struct shm_variant *variant)
{
    struct segment *segment = make(SIZE, path);
    char *user = segment->user;
    ok(segment->shm_variant == variant, "%s is what was asked for",
       variant->name);
    is_int((long long)segment->user_size, SIZE, "the size is what was asked");
    is_int((long long)((uintptr_t)user % 4096), 0, "the area begins a page");
    is_int(mmi_segment_commit(segment, 0, SIZE), 0, "it can be committed");
    ok(is_zero(user, SIZE), "it is all zero");
    memset(user, 0xff, SIZE);
    is_int(mmi_segment_commit(segment, SIZE, 0), 0, "and nothing, too");
    ok(mmi_segment_commit(segment, SIZE - 1, 2) == -1 && errno == EINVAL,
       "but nothing beyond its end");
    ok(mmi_segment_commit(segment, SIZE_MAX, 2) == -1 && errno == EINVAL,
       "nor around it");

    is_int(mmi_lock_enter(&segment->lock), 0, "its lock works");
    mmi_lock_leave(&segment->lock);

    ok(mmi_segment_find(user) == segment, "it is found");
    ok(!mmi_segment_find(user + 1) && !mmi_segment_find(user - 4096) &&
           !mmi_segment_find(segment->shm.base - 1),
       "by the address of the area alone");
    children_ok(3, use_and_destroy, segment, "children use and destroy it");
    ok(user[0] == 'c' && user[2] == 'c' && mmi_segment_find(user) == segment,
       "and it stays with its creator");
    is_int(mmi_segment_permit(segment, 0600, (uid_t)-1, (gid_t)-1), 0,
           "it is permitted");
    errno = E2BIG;
    mmi_segment_destroy(segment);
    is_int(errno, E2BIG, "destroy keeps errno");
    ok(!mmi_segment_find(user) && errno == EINVAL,
       "a destroyed segment is not found again");
}

static void test_names(void)
{
    choose("shm=MEMFD");
    static const char *const files[][2] = {
        {"/var/run/pool.1", "pool.1"},
        {"session cache\n", "session_cache_"},
        {"a/\"quoted\"", "_quoted_"},
        {"dir/", NULL},
        {NULL, NULL},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct segment *segment = make(SIZE, files[i][0]);
        is_str(segment->name,
               files[i][1] ? files[i][1] : program_invocation_short_name,
               "a name is made of the file's or the program's");
        char line[500], wanted[80];
        read_maps(segment->shm.base, line, sizeof line, NULL);
        snprintf(wanted, sizeof wanted, "/memfd:mm:%s", segment->name);
        ok(strstr(line, wanted) != NULL, "and so it is mapped");
        mmi_segment_destroy(segment);
    }
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct segment *segment = make(SIZE, name);
    is_int((long long)strlen(segment->name), sizeof segment->name - 1,
           "a long name is shown in part");
    mmi_segment_destroy(segment);
}

static void test_long_names(void)
{
    static char name[PATH_MAX + 100];
    memset(name, 'x', sizeof name - 1);
    ok(refused(SIZE, name, ENAMETOOLONG), "a long base name is refused");
    for (size_t i = 0; i < sizeof name; i += 100)
        name[i] = '/';
    ok(refused(SIZE, name, ENAMETOOLONG), "a long path is refused");

    choose("shm=MMFILE");
    size_t length = (size_t)snprintf(name, sizeof name, "%s/", directory);
    memset(name + length, 'x', NAME_MAX - 3);
    name[length + NAME_MAX - 3] = '\0';
    ok(refused(SIZE, name, ENAMETOOLONG), "with the suffix counted");
    choose("shm=MEMFD");
    ok(refused(SIZE, name, ENAMETOOLONG), "where no file is made, too");
    choose("shm=MMFILE");
    name[length + NAME_MAX - 4] = '\0';
    struct segment *segment = make(SIZE, name);
    is_int(count_names(directory), 1, "the longest possible is good");
    mmi_segment_destroy(segment);
    is_int(count_names(directory), 0, "and removed");
    snprintf(name, sizeof name, "%s/missing/pool", directory);
    ok(refused(SIZE, name, ENOENT), "a missing directory is an error");
}

static void test_refused(void)
{
    choose("shm=MEMFD");
    ok(refused(0, NULL, EINVAL), "no bytes are refused");
    ok(refused(SIZE_MAX, NULL, ENOMEM), "all bytes are refused");
    ok(refused(SIZE_MAX / 2, NULL, ENOMEM), "and half of them");
    choose("shm=MMFOO");
    ok(refused(SIZE, NULL, EINVAL) && strstr(mmi_fail_text(), "MMANON"),
       "an unknown variant is refused, the known ones named");
    is_int((long long)mmi_segment_max_size(), 0, "and has no size");
    choose("shm=MEMFD");
    setenv("MM_OPTIONS", "lock=NOLOCK", 1);
    ok(refused(SIZE, NULL, EINVAL) && strstr(mmi_fail_text(), "NOLOCK"),
       "an unknown lock is refused");
    setenv("MM_OPTIONS", "colour=red", 1);
    ok(refused(SIZE, NULL, EINVAL), "and so is an unknown option");
    unsetenv("MM_OPTIONS");
}

static int limit_files(void *argument, int number)
{
    (void)argument;
    (void)number;
    struct rlimit limit = {1 << 26, 1 << 26};
    struct segment *segment;
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 1;
    size_t most = mmi_segment_max_size();
    struct segment_request request = {.size = most};
    if (most == 0 || most > 1 << 26)
        return 2;
    if (mmi_segment_create(&segment, &request) < 0)
        return 3;
    mmi_segment_destroy(segment);
    request.size = most + 1;
    return mmi_segment_create(&segment, &request) < 0 && errno == EFBIG ? 0 : 4;
}

static void test_max_size(void)
{
    choose("shm=MEMFD");
    is_int(end_child(start_child(limit_files, NULL, 0)), 0,
           "the largest size can be had, and no more");
    ok(sizeof(size_t) < 8 || mmi_segment_max_size() > (size_t)33 << 40,
       "it is beyond 33 TiB without limits");
}

struct client {
    char *user;
    int destroyed;
};

static void destroy_client(void *argument)
{
    struct client *client = argument;
    client->user[0]++; /* still mapped */
    client->destroyed++;
}

static void test_client(void)
{
    struct segment *segment = make(SIZE, NULL);
    struct client client = {.user = segment->user};
    segment->client = &client;
    segment->client_destroy = destroy_client;
    mmi_segment_destroy(segment);
    is_int(client.destroyed, 1, "the client is destroyed once, and first");
}

/* The traits of the lock decide how many there can be; these need nothing but
 * memory. */
static bool choose_cheap_lock(void)
{
    for (size_t i = 0; i < mmi_lock_count(); i++) {
        const char *name = mmi_lock_at(i)->name;
        if (!strcmp(name, "FUTEX") || !strcmp(name, "PTHREAD")) {
            char option[40];
            snprintf(option, sizeof option, "lock=%s", name);
            choose(option);
            return true;
        }
    }
    return false;
}

static int find_all(void *argument, int number)
{
    (void)number;
    struct segment **segments = argument;
    for (int i = 0; i < MANY; i++)
        if (mmi_segment_find(segments[i]->user) != segments[i])
            return 1;
    for (int i = 0; i < MANY; i++)
        mmi_segment_destroy(segments[i]);
    return mmi_segment_table_count() == 0 ? 0 : 2;
}

static void test_many(const char *shm)
{
    static struct segment *segments[MANY];
    static char *users[MANY];
    struct footprint before = take_footprint(directory);
    choose(shm);
    for (int i = 0; i < MANY; i++) {
        segments[i] = make(4096, NULL);
        users[i] = segments[i]->user;
        memcpy(users[i], &i, sizeof i);
    }
    is_int((long long)mmi_segment_table_count(), MANY, shm);
    is_int(count_descriptors(), before.descriptors, "no descriptors are used");
    int wrong = 0;
    for (int i = 0; i < MANY; i++)
        wrong += mmi_segment_find(users[i]) != segments[i] ||
                 memcmp(users[i], &i, sizeof i) != 0;
    is_int(wrong, 0, "each is found and has its own content");
    is_int(end_child(start_child(find_all, segments, 0)), 0,
           "in a child, too, which destroys them");
    for (int i = 0; i < MANY; i += 2)
        mmi_segment_destroy(segments[i]);
    for (int i = 0; i < MANY; i++)
        wrong += mmi_segment_find(users[i]) != (i % 2 ? segments[i] : NULL);
    is_int(wrong, 0, "those destroyed are unknown, the others found");
    for (int i = 1; i < MANY; i += 2)
        mmi_segment_destroy(segments[i]);
    is_int((long long)mmi_segment_table_count(), 0, "all are destroyed");
    ok(same_footprint(before, directory), "and leave nothing");
}

/* A file system with one page left for everything. */
static int create_without_room(void *argument, int number)
{
    (void)argument;
    (void)number;
    struct segment *segment;
    struct segment_request request = {.size = SIZE, .file = path};
    if (!mount_small(directory, "size=4k"))
        return CANNOT_MOUNT;
    char name[300], page[4096] = "full";
    snprintf(name, sizeof name, "%s/full", directory);
    FILE *file = fopen(name, "we");
    if (!file || fwrite(page, sizeof page, 1, file) != 1 || fclose(file) != 0)
        return 1;
    if (mmi_segment_create(&segment, &request) == 0 || errno != ENOSPC)
        return 2;
    return count_names(directory) == 1 ? 0 : 3;
}

/* With a lock that has bytes in the segment. */
static void test_commit(void)
{
    unsigned char there[8];
    if (!choose_cheap_lock()) {
        skip(3, "no lock of this build lies in shared memory");
        return;
    }
    /* Its pages are there when they were asked for, not when the file system
     * reads ahead. */
    choose("shm=MMPOSX");
    struct segment *segment = make(8 * 4096, path);
    is_int(mmi_segment_commit(segment, 4096, 4096), 0, "one page");
    if (mmi_file_commits_alone() &&
        mincore(segment->user, 8 * 4096, there) == 0)
        ok(there[1] && !there[0] && !there[7], "is the one asked for");
    else
        skip(1, "committed pages are not mapped here");
    mmi_segment_destroy(segment);

    choose("shm=MMFILE");
    int status = end_child(start_child(create_without_room, NULL, 0));
    if (status == CANNOT_MOUNT)
        skip(1, "no right to mount a small file system");
    else
        is_int(status, 0, "no room for the lock is an error, not a signal");
}

static atomic_bool stop;

static void *create_and_destroy(void *argument)
{
    uintptr_t wrong = 0;
    struct segment *fixed = argument;
    while (!atomic_load(&stop)) {
        struct segment *segment;
        struct segment_request request = {.size = SIZE};
        if (mmi_segment_create(&segment, &request) < 0) {
            wrong++;
            continue;
        }
        segment->user[SIZE - 1] = 1;
        wrong += mmi_segment_find(segment->user) != segment;
        wrong += mmi_segment_find(fixed->user) != fixed;
        mmi_segment_destroy(segment);
    }
    return (void *)wrong;
}

static int create_in_child(void *argument, int number)
{
    (void)number;
    struct segment *segment = make(SIZE, NULL);
    segment->user[0] = 1;
    mmi_segment_destroy(segment);
    return mmi_segment_find(((struct segment *)argument)->user) ? 0 : 1;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    struct footprint before = take_footprint(directory);
    struct segment *fixed = make(SIZE, NULL);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, create_and_destroy, fixed) != 0)
            bail("pthread_create");
    int bad = 0;
    for (int i = 0; i < 30; i++)
        bad += end_child(start_child(create_in_child, fixed, 0)) != 0;
    is_int(bad, 0, "children forked between threads at work create segments");
    atomic_store(&stop, true);
    uintptr_t wrong = 0;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        wrong += (uintptr_t)result;
    }
    is_int((long long)wrong, 0, "threads create and destroy side by side");
    mmi_segment_destroy(fixed);
    ok(same_footprint(before, directory), "and leave nothing");
}

int main(void)
{
    need_proc();
    make_directory(directory, sizeof directory);
    setenv("TMPDIR", directory, 1);
    snprintf(path, sizeof path, "%s/pool", directory);

    for (size_t i = 0; i < mmi_shm_count(); i++) {
        const struct shm_variant *variant = mmi_shm_at(i);
        if (skips_variant(variant->name))
            continue;
        char option[40];
        snprintf(option, sizeof option, "shm=%s", variant->name);
        choose(option);
        struct footprint before = take_footprint(directory);
        test_one(variant);
        ok(same_footprint(before, directory), "%s leaves nothing",
           variant->name);
    }
    test_client();
    if (mmi_shm_find("MEMFD") && mmi_shm_find("MMANON")) {
        test_names();
        test_refused();
        if (mmi_shm_find("MMFILE")) {
            test_long_names();
            if (mmi_shm_find("MMPOSX") && !skips_variant("MMPOSX"))
                test_commit();
        }
        test_max_size();
        if (choose_cheap_lock()) {
            test_many("shm=MEMFD");
            test_many("shm=MMANON");
            test_threads();
        }
    }
    is_int(rmdir(directory), 0, "no file is left");
    return done();
}
