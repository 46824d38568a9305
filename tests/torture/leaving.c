/* SPDX-License-Identifier: MIT */
/*
 * leaving.c -- mm can tell who still holds its lock when processes fork, turn
 * into another program, and end inside of it, and when threads do.
 */
#include <pthread.h>
#include <spawn.h>

#include "variants.h"

extern char **environ;

/* How the lock is held. */
enum way { READ, WRITE, READ_TWICE, UPGRADED, WAYS };
static const char *const way_names[WAYS] = {"shared", "exclusive",
                                            "shared twice", "upgraded"};

static bool take(int way)
{
    switch ((enum way)way) {
    case READ:
        return mm_lock(mm, MM_LOCK_RD) == 1;
    case READ_TWICE:
        return mm_lock(mm, MM_LOCK_RD) == 1 && mm_lock(mm, MM_LOCK_RD) == 1;
    case UPGRADED:
        return mm_lock(mm, MM_LOCK_RD) == 1 && mm_lock(mm, MM_LOCK_RW) == 1;
    default:
        return mm_lock(mm, MM_LOCK_RW) == 1;
    }
}

static bool give(int way)
{
    bool twice = way == READ_TWICE || way == UPGRADED;
    errno = 0;
    return mm_unlock(mm) == 1 && (!twice || mm_unlock(mm) == 1) && errno == 0;
}

/* What another process finds. */
static int look(void *argument, int number)
{
    (void)argument;
    (void)number;
    return mm_trylock(mm, MM_LOCK_RW) == 1 ? 0 : errno;
}

static bool is_held(void)
{
    return end_child(start_child(look, NULL, 0)) == EBUSY;
}

/* It can be had, and nobody is left in it. */
static bool is_free(void)
{
    struct mm_lock_state state;
    if (take_in_time(MM_LOCK_RW) != 0 || mm_unlock(mm) != 1)
        return false;
    ask_death();
    return mm_lock_state(mm, &state) == 1 && state.holder == 0 &&
           state.readers == 0 && !state.owner_died;
}

/* --- fork ----------------------------------------------------------------- */

/* A child made inside is outside: it cannot unlock, nor enter beside. */
static int be_outside(void *argument, int way)
{
    (void)argument;
    struct mm_lock_state state;
    errno = 0;
    if (mm_lock_state(mm, &state) != 1 || state.depth != 0)
        return 1;
    if (mm_unlock(mm) != 1 || errno != EPERM)
        return 2;
    if (mm_trylock(mm, MM_LOCK_RW) == 1 || errno != EBUSY)
        return 3;
    bool shared = way == READ || way == READ_TWICE;
    if (mm_trylock(mm, MM_LOCK_RD) != (shared ? 1 : 0))
        return 4;
    void *ptr = mm_malloc(mm, 30000);
    mm_free(mm, ptr);
    return ptr ? 0 : 5; /* ends inside, if it got in as a reader */
}

static void fork_inside(int way)
{
    bool right = take(way);
    for (int i = 0; i < 3; i++)
        right &= end_child(start_child(be_outside, NULL, way)) == 0;
    right &= is_held();
    right &= give(way);
    ok(right && is_free(), "%s, %s: a child made inside is outside", variant,
       way_names[way]);
}

/* The holder dies or ends; a child that it made inside lives on. */
static int leave_child(void *argument, int way)
{
    if (!take(way & 15))
        return 1;
    if (fork() == 0) {
        alarm(CHILD_SECONDS);
        signs->stage = 1;
        await(2);
        _exit(argument != NULL);
    }
    await(1);
    if (way & 16)
        kill(getpid(), SIGKILL);
    return 0;
}

static void outlive_holder(int way)
{
    bool right = true;
    for (int killed = 0; killed <= 16; killed += 16) {
        signs->stage = 0;
        int status = end_child(start_child(leave_child, NULL, way | killed));
        right &= status == (killed ? 1000 + SIGKILL : 0) && is_free();
        signs->stage = 2;
    }
    ok(right, "%s, %s: a child does not hold what its dead parent held",
       variant, way_names[way]);
}

/* --- other programs ------------------------------------------------------- */

/* Stay, as another program, until killed. */
static int become_other(void *argument, int way)
{
    char *const words[] = {argument, (char *)"--stay", NULL};
    if (!take(way))
        return 1;
    signs->stage = 1;
    execv("/proc/self/exe", words);
    return 2;
}

static void exec_inside(int way)
{
    int state = 0;
    signs->stage = 0;
    pid_t pid = start_child(become_other, (char *)"other", way);
    await(1);
    nap(20000);
    bool held = is_held();
    kill(pid, SIGKILL);
    state = end_child(pid);
    ok(state == 1000 + SIGKILL && is_free(),
       "%s, %s: free at the latest when the program exec() started ends",
       variant, way_names[way]);
    diag("%s, %s: %s after exec()", variant, way_names[way],
         held ? "held" : "free");
}

static bool run_other(bool with_vfork)
{
    static char *words[] = {(char *)"other", (char *)"--end", NULL};
    pid_t pid = 0;
    if (!with_vfork) {
        if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, words, environ))
            return false;
    } else {
        /* This is what vfork() is for.  NOLINTNEXTLINE */
        pid = vfork();
        if (pid == 0) {
            execv("/proc/self/exe", words);
            _exit(9);
        }
    }
    return pid > 0 && end_child(pid) == 0;
}

static void vfork_inside(int way)
{
    bool right = take(way);
    for (int i = 0; i < 4; i++)
        right &= run_other(i % 2) && is_held();
    right &= give(way);
    ok(right && is_free(),
       "%s, %s: held while others are run by vfork() and posix_spawn()",
       variant, way_names[way]);
}

/* --- threads -------------------------------------------------------------- */

static void *take_and_end(void *way)
{
    return take((int)(intptr_t)way) ? NULL : signs;
}

static void *take_and_stay(void *way)
{
    if (!take((int)(intptr_t)way))
        signs->wrong++;
    signs->stage++;
    for (;;)
        pause();
    return NULL;
}

/* A thread ends inside, its process lives. */
static int lose_thread(void *argument, int way)
{
    pthread_t thread;
    void *failed = argument;
    pthread_create(&thread, NULL, take_and_end, (void *)(intptr_t)way);
    pthread_join(thread, &failed);
    signs->stage++;
    while (!failed)
        pause();
    return 1;
}

static void end_thread_inside(int way)
{
    signs->stage = 0;
    pid_t pid = start_child(lose_thread, NULL, way);
    await(1);
    bool right = knows_threads() ? is_free() : is_held();
    kill(pid, SIGKILL);
    end_child(pid);
    ok(right && is_free(), "%s, %s: %s when the thread that holds it ended",
       variant, way_names[way], knows_threads() ? "free" : "held");
}

/* By then the first thread has ended. */
static void *take_late(void *way)
{
    nap(3000);
    return take_and_stay(way);
}

/* The first thread ends, another one holds; or two hold, and one waits. */
static int lose_first(void *argument, int way)
{
    pthread_t thread;
    (void)argument;
    pthread_create(&thread, NULL, take_late, (void *)(intptr_t)way);
    pthread_exit(NULL);
}

static int be_many(void *argument, int way)
{
    pthread_t threads[3];
    (void)argument;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, take_and_stay,
                       (void *)(intptr_t)(way == READ_TWICE ? way : READ));
    await(2);
    /* This one waits for them, or asks for an upgrade. */
    pthread_create(&threads[2], NULL, take_and_stay,
                   (void *)(intptr_t)(way == UPGRADED ? way : WRITE));
    for (;;)
        pause();
    return 0;
}

static void kill_threads(int way)
{
    signs->stage = 0;
    pid_t pid = start_child(lose_first, NULL, way);
    await(1);
    nap(2000);
    bool right = is_held();
    kill(pid, SIGKILL);
    right &= end_child(pid) == 1000 + SIGKILL && is_free();
    ok(right, "%s, %s: held though the first thread ended", variant,
       way_names[way]);

    signs->stage = 0;
    pid = start_child(be_many, NULL, way);
    await(2);
    nap(2000);
    right = is_held();
    kill(pid, SIGKILL);
    right &= end_child(pid) == 1000 + SIGKILL && is_free();
    ok(right, "%s, %s: free when all threads of a process are killed", variant,
       way_names[way]);
}

/* Ends by exit(), whose handlers of the library and the program come first. */
static int end_inside(void *argument, int way)
{
    (void)argument;
    if (!take(way))
        return 1;
    fclose(stdout);
    exit(0);
}

static void exit_inside(int way)
{
    bool right = end_child(start_child(end_inside, NULL, way)) == 0;
    ok(right && is_free(), "%s, %s: free when a process ends by exit()",
       variant, way_names[way]);
}

static void test(void)
{
    for (int way = 0; way < WAYS; way++) {
        fork_inside(way);
        outlive_holder(way);
        exec_inside(way);
        vfork_inside(way);
        end_thread_inside(way);
        kill_threads(way);
        exit_inside(way);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--end") == 0)
        return 0;
    if (argc > 1 && strcmp(argv[1], "--stay") == 0)
        for (;;)
            pause();
    need_proc();
    for_each_variant(argc > 1 ? argv[1] : NULL, test);
    return done();
}
