/* SPDX-License-Identifier: MIT */
/*
 * faults.c -- whichever call fails while a segment is made, it says so and
 * leaves nothing behind: all variants of shared memory with all locks.
 */
#include "base/fail.h"
#include "base/options.h"
#include "segment/segment.h"

#include "../shm/leaks.h"
#include "../shm/wrap.h"

enum { SIZE = 65536 };

static char directory[200];

static bool has_message(void)
{
    return mmi_fail_text() && !strncmp(mmi_fail_text(), "mm:core: ", 9);
}

/* When unlinking itself fails, only the message knows the name. */
static void remove_named(void)
{
    char name[300] = "";
    const char *quote = strchr(mmi_fail_text(), '\'');
    if (!quote || sscanf(quote, "'%299[^']'", name) != 1)
        return;
    if (!strcmp(play.hit, "unlink"))
        unlink(name);
    if (!strcmp(play.hit, "shm_unlink"))
        shm_unlink(name);
}

/* Each call fails that create() makes; LIVE segments are there already. */
static void test_each_call(const char *what, size_t live)
{
    struct segment_request request = {.size = SIZE, .file = "pool"};
    struct segment *segment;
    struct footprint before = take_footprint(directory);
    int calls = 0, wrong = 0;
    for (int n = 1; n < 200; n++) {
        mmi_fail_clear();
        play_arm(NULL, n, 1, EIO);
        int result = mmi_segment_create(&segment, &request);
        play_end();
        if (result == 0)
            mmi_segment_destroy(segment);
        if (!play.hit)
            break;
        calls++;
        bool good = result == 0 || has_message();
        if (result < 0 && mmi_fail_text())
            remove_named();
        if (!good || mmi_segment_table_count() != live ||
            !same_footprint(before, directory)) {
            diag("%s fails: result %d, %s", play.hit, result,
                 mmi_fail_text() ? mmi_fail_text() : "no message");
            wrong++;
        }
    }
    ok(calls > 0 && wrong == 0, "%s: %d calls can fail", what, calls);
}

static uint32_t make_one(struct segment **segment, const char *file)
{
    struct segment_request request = {.size = SIZE, .file = file};
    if (mmi_segment_create(segment, &request) < 0)
        bail("%s", mmi_fail_text());
    return (uint32_t)(*segment)->id;
}

/* The table is half full: the last call gets it a larger one.  MMANON can do
 * without none of its calls, so no segment is made before that, and a lock that
 * were forgotten then shows best by its descriptor. */
static void test_growth(void)
{
    struct segment *segments[32];
    const char *lock = NULL;
    for (size_t i = 0; i < mmi_lock_count(); i++)
        if (mmi_lock_at(i)->traits & LOCK_NEEDS_FD)
            lock = mmi_lock_at(i)->name;
    if (!lock || !mmi_shm_find("MMANON")) {
        skip(1, "this build lacks MMANON or locks with descriptors");
        return;
    }
    char options[100];
    snprintf(options, sizeof options, "shm=MMANON,lock=%s", lock);
    setenv("MM_OPTIONS", options, 1);
    for (int i = 0; i < 32; i++)
        make_one(&segments[i], NULL);
    test_each_call("growth of the table", 32);
    for (int i = 0; i < 32; i++)
        mmi_segment_destroy(segments[i]);
}

static void test_pair(const char *shm, const char *lock)
{
    char options[100];
    snprintf(options, sizeof options, "shm=%s,lock=%s", shm, lock);
    setenv("MM_OPTIONS", options, 1);
    struct segment *segment;
    /* What is made once per process is not counted. */
    uint32_t number = make_one(&segment, "pool");
    mmi_segment_destroy(segment);
    test_each_call(options, 0);
    is_int(make_one(&segment, "pool"), number, "no object's number is lost");
    mmi_segment_destroy(segment);
}

int main(void)
{
    need_proc();
    make_directory(directory, sizeof directory);
    setenv("TMPDIR", directory, 1);
    if (chdir(directory) < 0)
        bail("chdir: %s", strerror(errno));
    for (size_t i = 0; i < mmi_shm_count(); i++) {
        if (skips_variant(mmi_shm_at(i)->name))
            continue;
        for (size_t k = 0; k < mmi_lock_count(); k++)
            test_pair(mmi_shm_at(i)->name, mmi_lock_at(k)->name);
    }
    test_growth();
    is_int(rmdir(directory), 0, "no file is left");
    return done();
}
