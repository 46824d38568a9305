/* SPDX-License-Identifier: MIT */
/*
 * stopped.c -- small allocations and frees do not wait for a process that was
 * stopped inside the internal lock, as long as there are free blocks.
 *
 * The blocks lie in spans that the stopped one works in.
 */
#include "api/pool.h"

#include "api.h"

static const size_t sizes[] = {16, 48, 100, 300, 700};
enum { SIZE_COUNT = sizeof sizes / sizeof *sizes };

static int stop_inside(void *mm, int number)
{
    (void)number;
    for (int i = 0; i < SIZE_COUNT; i++)
        if (!mm_malloc(mm, sizes[i]))
            return 1;
    if (mmi_lock_enter(&mmi_segment_find(mm)->lock) < 0)
        return 2;
    for (;;)
        raise(SIGSTOP);
}

static void test_lock(const char *lock)
{
    char options[80];
    int status;
    snprintf(options, sizeof options, "lock=%s,lock.timeout=300ms", lock);
    setenv("MM_OPTIONS", options, 1);
    MM *mm = make_pool(4 << 20);
    pid_t pid = start_child(stop_inside, mm, 0);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        bail("%s: the child did not stop", lock);

    int got = 0;
    int given = 0;
    for (int i = 0; i < SIZE_COUNT; i++) {
        void *ptr = mm_malloc(mm, sizes[i]);
        got += ptr != NULL;
        errno = 0;
        mm_free(mm, ptr);
        given += errno == 0;
    }
    is_int(got, SIZE_COUNT, "small allocations go on beside it");
    is_int(given, SIZE_COUNT, "and frees");
    fails(mm_malloc(mm, 1 << 20) == NULL, ETIMEDOUT, "stopped");
    kill(pid, SIGKILL);
    end_child(pid);
    ok(mm_malloc(mm, 1 << 20) && mm_check(mm) == 0,
       "%s: pages are to be had when it is killed", lock);
    mm_destroy(mm);
}

int main(void)
{
    char names[256];
    snprintf(names, sizeof names, "%s", mm_query(NULL, "lock.variants"));
    for (char *name = strtok(names, " ,"); name; name = strtok(NULL, " ,"))
        test_lock(name);
    return done();
}
