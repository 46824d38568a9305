/* SPDX-License-Identifier: MIT */
/*
 * world.c -- the pool of a scene, and the processes that judge it.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "api/pool.h"
#include "heap/heap_parts.h"

#include "../tap.h"
#include "crash.h"
#include "scenes.h"

struct report *report;
const struct scene *scene_now;

enum { HEAD = 256, FOOT = 64 }; /* bytes of a block that are looked at */

void find(const char *format, ...)
{
    if (report->finding[0])
        return;
    va_list values;
    va_start(values, format);
    vsnprintf(report->finding, sizeof report->finding, format, values);
    va_end(values);
}

bool has_lock(const char *name)
{
    const char *names = mm_query(NULL, "lock.variants");
    size_t length = strlen(name);
    for (const char *at = names; at && (at = strstr(at, name)); at += length)
        if ((at == names || !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", at[-1])) &&
            !(at[length] >= 'A' && at[length] <= 'Z'))
            return true;
    return false;
}

/* --- what lies in blocks ----------------------------------------------------
 */

static size_t foot_of(size_t size)
{
    return size > HEAD + FOOT ? size - FOOT : HEAD;
}

void fill(const struct block *block)
{
    size_t size = block->size;
    int byte = (int)((uintptr_t)block->ptr >> 4);
    memset(block->ptr, byte, size < HEAD ? size : HEAD);
    if (size > HEAD)
        memset(block->ptr + foot_of(size), byte, size - foot_of(size));
}

bool is_filled(const char *ptr, size_t size, const char *like)
{
    char byte = (char)((uintptr_t)like >> 4);
    for (size_t i = 0; i < size; i++) {
        if (i == HEAD)
            i = foot_of(size);
        if (i < size && ptr[i] != byte)
            return false;
    }
    return true;
}

char *make(struct stage *stage, size_t size)
{
    char *ptr = mm_malloc(stage->mm, size);
    if (!ptr)
        bail("cannot set %s up: %s", scene_now->name, mm_error());
    fill(&(struct block){ptr, size});
    return ptr;
}

void make_peers_sizes(struct stage *stage)
{
    for (int i = 0; i < 3; i++) {
        make(stage, 80);
        make(stage, 128);
    }
}

/* A small generator of repeatable numbers (xorshift64*, Vigna 2016). */
uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

/* --- pools ------------------------------------------------------------------
 */

struct heap *heap_of(const struct stage *stage)
{
    struct pool *pool = mmi_pool_find(stage->mm);
    if (!pool)
        bail("the pool is gone: %s", mm_error());
    return &pool->heap;
}

struct heap_hints *hints_of(const struct stage *stage)
{
    struct pool_view *view = mmi_pool_view(stage->mm);
    if (!view)
        bail("the pool is gone: %s", mm_error());
    return &view->hints;
}

/* Pages are to run out before the budget does. */
void lift_budget(struct stage *stage)
{
    struct heap *heap = heap_of(stage);
    size_t all = unit_bytes(heap, heap->unit_count);
    atomic_fetch_add(&heap->control->unreserved,
                     (int64_t)(2 * all - heap->request));
    heap->request = 2 * all;
}

/* The tracer's magazines go back, and its spans are left to anybody. */
void leave_spans(struct stage *stage)
{
    struct heap *heap = heap_of(stage);
    mmi_heap_flush(heap, hints_of(stage));
    size_t used = get(&heap->control->committed);
    for (size_t unit = 0; unit < used; unit++)
        if (get(&heap->users[unit]) != 0)
            set(&heap->users[unit], 0);
}

void world_begin(const struct scene *scene)
{
    char text[128];
    scene_now = scene;
    memset(report, 0, sizeof *report);
    snprintf(text, sizeof text, "shm=MMANON,lock=%s,lock.timeout=%u",
             options.lock, 500 * options.patience);
    struct stage *stage = &report->stage;
    if (mm_options(text) < 0 || !(stage->mm = mm_create(POOL_SIZE, NULL)))
        bail("cannot create a pool with %s: %s", text, mm_error());
    if (scene->set_up)
        scene->set_up(stage);
    leave_spans(stage);
}

void world_end(void)
{
    mm_destroy(report->stage.mm);
}

/* --- processes ---------------------------------------------------------------
 */

int judge(void (*work)(void))
{
    report->finding[0] = '\0';
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        bail("fork: %s", strerror(errno));
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(options.patience);
        work();
        _exit(0);
    }
    int status;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got != pid)
        bail("waitpid: %s", strerror(errno));
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        find("the survivor hangs");
        return 2;
    }
    if (WIFSIGNALED(status))
        find("the survivor was killed by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        find("the survivor gave up with %d", WEXITSTATUS(status));
    return report->finding[0] != '\0';
}

static int add_block(void *argument, void *ptr, size_t size)
{
    struct live *live = argument;
    if (live->count == LIVE_MAX)
        return 1;
    live->blocks[live->count++] = (struct block){ptr, size};
    return 0;
}

void collect_live(struct live *live)
{
    live->count = 0;
    if (mm_walk(report->stage.mm, add_block, live) != 0)
        find("cannot walk: %s", mm_error());
}

/* --- the second thread -------------------------------------------------------
 */

static _Atomic int helper_is_there;

/* It has a magazine and, where that blocks nobody, shares the user lock. */
static void *help(void *argument)
{
    struct stage *stage = argument;
    char *first = mm_malloc(stage->mm, 40);
    char *second = mm_malloc(stage->mm, 40);
    if (first)
        fill(&(struct block){first, 40});
    if (second)
        mm_free(stage->mm, second);
    if (!(scene_now->flags & SCENE_ALONE))
        mm_lock(stage->mm, MM_LOCK_RD);
    helper_is_there = 1;
    for (;;)
        pause();
    return NULL;
}

void start_helper(void)
{
    pthread_t thread;
    helper_is_there = 0;
    if (pthread_create(&thread, NULL, help, &report->stage) != 0)
        bail("no second thread");
    while (!helper_is_there)
        sched_yield();
}

void let_die(void (*work)(struct stage *stage), struct stage *stage)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        bail("fork: %s", strerror(errno));
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(options.patience);
        work(stage);
        kill(getpid(), SIGKILL);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) ||
        WTERMSIG(status) != SIGKILL)
        bail("cannot set %s up: nobody died", scene_now->name);
}
