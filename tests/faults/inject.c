/* SPDX-License-Identifier: MIT */
/*
 * inject.c -- whichever system call of an operation fails, the operation fails
 * with a message or does without; nothing is left over, the pool is sound, and
 * once the call works the operation does.
 *
 * Every call is really not made: another process traces this one (trace.h).
 * --long: each call fails in every fitting way, for all pairs of variants.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "base/fail.h"
#include "lock/lock.h"
#include "shm/shm.h"

#include "../hostile/calls.h"
#include "../shm/leaks.h"
#include "../shm/small.h"
#include "trace.h"

enum {
    REQUEST = 600000,
    CALLS_MAX = 400,
    WAITS_MAX = 25,
    RUN_SECONDS = 10,
    WAIT_MS = 8
};

static bool all_errors;
static char directory[200];
static bool counts_semaphores; /* nobody else has any here */

/* In shared memory: what tracer, tracee and runner tell each other. */
static struct report {
    _Atomic int gives_back; /* what failed was to give something back ... */
    _Atomic int unlocks;    /* ... a lock */
    _Atomic int failed;     /* the operation did */
    char finding[200];
} * report;

struct scene {
    const struct operation *operation;
    const char *shm, *lock;
    MM *mm;
    struct footprint before;
    int semaphores;
    int number; /* of the run, so that errors take turns */
};

/* --- operations: 0, or -1 as mm_error() says ------------------------------ */

static int create(struct scene *scene)
{
    scene->mm = mm_create(REQUEST, "pool");
    return scene->mm ? 0 : -1;
}

static int create_segment(struct scene *scene)
{
    (void)scene;
    void *core = mm_core_create(100000, "segment");
    if (core)
        mm_core_delete(core);
    return core ? 0 : -1;
}

/* mm_free() that fails leaves the block as it was. */
static void free_surely(struct scene *scene, void *ptr)
{
    for (int i = 0; i < 3; i++) {
        errno = 0;
        mm_free(scene->mm, ptr);
        if (errno == 0)
            return;
    }
}

static int allocate(struct scene *scene)
{
    void *ptr = mm_malloc(scene->mm, 100);
    int error = errno;
    free_surely(scene, ptr);
    errno = error;
    return ptr ? 0 : -1;
}

static int grow(struct scene *scene)
{
    void *first = mm_malloc(scene->mm, 180000);
    void *second = first ? mm_realloc(scene->mm, first, 350000) : NULL;
    int error = errno;
    if (second)
        memset(second, 1, 350000);
    free_surely(scene, second ? second : first);
    errno = error;
    return second ? 0 : -1;
}

static int allocate_exactly(struct scene *scene)
{
    size_t *cell = mm_calloc(scene->mm, 1, sizeof *cell);
    if (!cell)
        return -1;
    bool good = mm_malloc_at(scene->mm, 100, cell) &&
                mm_realloc_at(scene->mm, cell, 180000) &&
                mm_realloc_at(scene->mm, cell, 350000);
    int error = errno;
    for (int i = 0; i < 3 && mm_free_at(scene->mm, cell) < 0; i++)
        ;
    free_surely(scene, cell);
    errno = error;
    return good ? 0 : -1;
}

static int use_lock(struct scene *scene)
{
    if (!mm_lock(scene->mm, MM_LOCK_RD))
        return -1;
    int result = mm_unlock(scene->mm) ? 0 : -1;
    if (result == 0 && !mm_lock(scene->mm, MM_LOCK_RW))
        return -1;
    return result == 0 && mm_unlock(scene->mm) ? 0 : -1;
}

static int upgrade(struct scene *scene)
{
    if (!mm_lock(scene->mm, MM_LOCK_RD))
        return -1;
    int result = mm_lock(scene->mm, MM_LOCK_RW) ? 0 : -1;
    int error = errno;
    if (result == 0)
        mm_unlock(scene->mm);
    if (!mm_unlock(scene->mm))
        return -1;
    errno = error;
    return result;
}

/* Somebody has it, who is started outside of the marks. */
static int wait_for_lock(struct scene *scene)
{
    struct timespec deadline = soon_enough(WAIT_MS);
    if (!mm_timedlock(scene->mm, MM_LOCK_RW, &deadline))
        return -1;
    mm_unlock(scene->mm);
    return 0;
}

static int ask_state(struct scene *scene)
{
    struct mm_lock_state state;
    return mm_lock_state(scene->mm, &state) ? 0 : -1;
}

static int permit(struct scene *scene)
{
    return mm_permission(scene->mm, 0640, geteuid(), getegid());
}

static int destroy(struct scene *scene)
{
    mm_destroy(scene->mm);
    scene->mm = NULL;
    return 0;
}

static int use_all(struct scene *scene)
{
    return allocate(scene) == 0 && grow(scene) == 0 && use_lock(scene) == 0
               ? 0
               : -1;
}

struct thread_use {
    struct scene *scene;
    int result, error;
    char message[200];
};

static void *use_as_thread(void *argument)
{
    struct thread_use *use = argument;
    mark();
    use->result = use_all(use->scene);
    use->error = errno;
    mark();
    snprintf(use->message, sizeof use->message, "%s",
             mm_error() ? mm_error() : "");
    return NULL;
}

static int use_in_thread(struct scene *scene)
{
    struct thread_use use = {.scene = scene};
    pthread_t thread;
    if (pthread_create(&thread, NULL, use_as_thread, &use) != 0)
        bail("pthread_create");
    pthread_join(thread, NULL);
    if (use.message[0] != '\0')
        mmi_fail_as(use.error, "%s", use.message);
    errno = use.error;
    return use.result;
}

static int count_one(void *argument, void *ptr, size_t size)
{
    (void)ptr;
    *(size_t *)argument += size;
    return 0;
}

static int look(struct scene *scene)
{
    size_t sum = 0;
    struct mm_stat stat;
    char text[400];
    mm_display_info(scene->mm);
    return mm_walk(scene->mm, count_one, &sum) == 0 &&
                   mm_check(scene->mm) == 0 &&
                   mm_stat(scene->mm, &stat, sizeof stat) == 0 &&
                   mm_stat_json(scene->mm, text, sizeof text) > 0 &&
                   mm_query(scene->mm, "lock") && mm_query(scene->mm, "name")
               ? 0
               : -1;
}

enum whose { NOBODYS, OWN, INHERITED };

static const struct operation {
    const char *name;
    int (*run)(struct scene *scene);
    enum whose pool; /* before the operation */
    bool waits;      /* somebody else holds the user lock meanwhile */
    bool all_pairs;
    bool marks; /* by itself */
} operations[] = {
    {"mm_create", create, .pool = NOBODYS, .all_pairs = true},
    {"mm_core_create", create_segment, .pool = NOBODYS},
    {"the first mm_malloc", allocate, .pool = OWN},
    {"growth", grow, .pool = OWN},
    {"exact calls", allocate_exactly, .pool = OWN},
    {"mm_lock", use_lock, .pool = OWN},
    {"an upgrade", upgrade, .pool = OWN},
    {"waiting for the lock", wait_for_lock, .pool = OWN, .waits = true},
    {"mm_lock_state", ask_state, .pool = OWN},
    {"mm_permission", permit, .pool = OWN},
    {"mm_destroy", destroy, .pool = OWN},
    {"first use in a child", use_all, .pool = INHERITED},
    {"first use in a thread", use_in_thread, .pool = OWN, .marks = true},
    {"walk, check, stat, display", look, .pool = OWN},
};
enum { OPERATION_COUNT = sizeof operations / sizeof *operations };

/* --- which calls, and how they fail --------------------------------------- */

/* Takes effect whatever it returns. */
static bool is_made(const struct system_call *call)
{
    return call->number == SYS_close;
}

/* No kernel refuses that, and nobody could do without. */
static bool unlocks(const struct system_call *call)
{
    const uint64_t *arguments = call->arguments;
    if (call->number == SYS_flock)
        return arguments[1] & LOCK_UN;
    if (call->number == SYS_semtimedop || call->number == SYS_semop)
        return peek_short(call,
                          arguments[1] + offsetof(struct sembuf, sem_op)) > 0;
    int command = (int)arguments[1];
    return call->number == SYS_fcntl &&
           (command == F_SETLK || command == F_OFD_SETLK) &&
           peek_short(call, arguments[2] + offsetof(struct flock, l_type)) ==
               F_UNLCK;
}

/* What fails so cannot be had back by any program.  A descriptor that may not
 * be the right one any more stays open, too. */
static bool gives_back(const struct system_call *call)
{
    return call->number == SYS_newfstatat || call->number == SYS_fstat ||
           call->number == SYS_munmap || call->number == SYS_shmdt ||
           call->number == SYS_unlink || call->number == SYS_unlinkat ||
           (call->number == SYS_shmctl && call->arguments[1] == IPC_RMID) ||
           (call->number == SYS_semctl &&
            (call->arguments[2] & 0xff) == IPC_RMID);
}

static const struct {
    long number;
    int errors[6];
} fitting[] = {
    {SYS_openat, {EMFILE, ENFILE, ENOMEM, EACCES, ENOSPC}},
    {SYS_memfd_create, {EMFILE, ENFILE, ENOMEM, ENOSYS, EPERM, EACCES}},
    {SYS_mmap, {ENOMEM, EAGAIN, EPERM, ENFILE}},
    {SYS_ftruncate, {ENOSPC, EINTR, EPERM, EFBIG}},
    {SYS_fallocate, {ENOSPC, EINTR, EOPNOTSUPP, ENOSYS}},
    {SYS_madvise, {ENOMEM, EAGAIN, EINTR, EFAULT, EINVAL, EPERM}},
    {SYS_fcntl, {ENOLCK, EINTR, EMFILE, EPERM}},
    {SYS_flock, {ENOLCK, EINTR}},
    {SYS_semget, {ENOSPC, ENOMEM, EACCES, ENOSYS}},
    {SYS_semtimedop, {ENOMEM, EINTR, EIDRM, EACCES}},
    {SYS_shmget, {ENOSPC, ENOMEM, ENFILE, EPERM}},
    {SYS_futex, {EINTR, EAGAIN, ENOSYS, ENOMEM}},
    {SYS_close, {EINTR, EIO}},
};

/* Calls that no kernel lets fail, the end of the process and of a signal
 * handler, and what mm_display_info() shows. */
static bool is_left_alone(long number)
{
    static const long numbers[] = {
        SYS_getpid,       SYS_gettid,          SYS_geteuid, SYS_getegid,
        SYS_getuid,       SYS_getgid,          SYS_exit,    SYS_exit_group,
        SYS_rt_sigreturn, SYS_restart_syscall, SYS_write,   SYS_sched_yield,
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static int choose_error(const struct system_call *call, int number,
                        void *context)
{
    static const int others[] = {ENOMEM, EPERM, EINTR, ENOSYS, EACCES, EAGAIN};
    const struct scene *scene = context;
    size_t turn = (size_t)(scene->number + number);
    if (is_left_alone(call->number))
        return 0;
    /* The C library's own, which ends the process if the kernel fails. */
    if (call->number == SYS_futex &&
        (call->arguments[1] & 128 || strcmp(scene->lock, "PTHREAD") == 0))
        return 0;
    for (size_t i = 0; i < sizeof fitting / sizeof *fitting; i++)
        if (fitting[i].number == call->number) {
            size_t count = 0;
            while (count < 6 && fitting[i].errors[count] != 0)
                count++;
            return fitting[i].errors[turn % count];
        }
    return others[turn % (sizeof others / sizeof *others)];
}

static void tell_hit(const struct system_call *call, void *context)
{
    (void)context;
    report->gives_back = gives_back(call);
    report->unlocks = unlocks(call);
}

/* --- the tracee ----------------------------------------------------------- */

static int count_semaphores(void)
{
    FILE *list = fopen("/proc/sysvipc/sem", "re");
    char line[300];
    int count = 0;
    while (list && fgets(line, sizeof line, list))
        count++;
    if (list)
        fclose(list);
    return counts_semaphores ? count : 0;
}

static int find_fault_in(const char *finding)
{
    snprintf(report->finding, sizeof report->finding, "%s (%s)", finding,
             mm_error() ? mm_error() : "no message");
    return 1;
}

static int use_beside(void *argument, int number)
{
    struct scene *scene = argument;
    struct timespec deadline = soon_enough(500);
    (void)number;
    if (!mm_timedlock(scene->mm, MM_LOCK_RW, &deadline) ||
        !mm_unlock(scene->mm))
        return 1;
    return allocate(scene) == 0 && grow(scene) == 0 ? 0 : 2;
}

/* All works, for this process and for others. */
static int judge_pool(struct scene *scene)
{
    if (mm_check(scene->mm) != 0)
        return find_fault_in("the pool is not sound");
    if (allocate(scene) != 0 || grow(scene) != 0)
        return find_fault_in("the pool cannot be used");
    if (use_lock(scene) != 0)
        return find_fault_in("the lock cannot be used");
    if (end_child(start_child(use_beside, scene, 0)) != 0)
        return find_fault_in("others cannot use the pool");
    return 0;
}

static int judge_leaks(const struct scene *scene)
{
    struct footprint now = take_footprint(directory);
    struct footprint before = scene->before;
    int left = now.descriptors - before.descriptors + now.maps - before.maps +
               now.sysv - before.sysv + now.names - before.names +
               count_semaphores() - scene->semaphores;
    bool own = scene->operation->pool != INHERITED;
    if (!own) /* its creator removes the name and the semaphores */
        left -=
            now.names - before.names + (count_semaphores() - scene->semaphores);
    /* An attached segment counts twice. */
    if (left == 0 || (left <= 2 && report->gives_back && !report->failed))
        return 0;
    diag("descriptors %+d, mappings %+d, segments %+d, names %+d, "
         "semaphores %+d",
         now.descriptors - before.descriptors, now.maps - before.maps,
         now.sysv - before.sysv, now.names - before.names,
         count_semaphores() - scene->semaphores);
    return find_fault_in("something is left over");
}

static int hold_the_lock(void *argument, int ready)
{
    struct scene *scene = argument;
    bool got = mm_lock(scene->mm, MM_LOCK_RW);
    if (write(ready, got ? "y" : "n", 1) != 1)
        return 1;
    pause();
    return 0;
}

static pid_t start_holder(struct scene *scene)
{
    int ends[2];
    char byte = 'n';
    if (pipe2(ends, O_CLOEXEC) < 0)
        bail("pipe: %s", strerror(errno));
    pid_t holder = start_child(hold_the_lock, scene, ends[1]);
    if (read(ends[0], &byte, 1) != 1 || byte != 'y')
        bail("nobody holds the lock");
    close(ends[0]);
    close(ends[1]);
    return holder;
}

static int run_operation(struct scene *scene)
{
    const struct operation *operation = scene->operation;
    pid_t holder = operation->waits ? start_holder(scene) : 0;
    mm_lib_error_set(0, NULL);
    errno = 0;
    if (!operation->marks)
        mark();
    int result = operation->run(scene);
    int error = errno;
    if (!operation->marks)
        mark();
    if (holder) {
        kill(holder, SIGKILL);
        end_child(holder);
    }
    const char *message = mm_error();
    report->failed = result < 0;
    if (result < 0 && (error == 0 || !message ||
                       (strncmp(message, "mm:core: ", 9) != 0 &&
                        strncmp(message, "mm:alloc: ", 10) != 0)))
        return find_fault_in("it fails without a message or errno");
    return 0;
}

/* The second time all works. */
static int judge_again(struct scene *scene)
{
    const struct operation *operation = scene->operation;
    /* A name that could not be removed is still there. */
    if (operation->pool == NOBODYS && report->gives_back)
        return 0;
    if (!scene->mm && operation->run != destroy && operation->run(scene) < 0)
        return find_fault_in("the second time");
    if (!scene->mm)
        return 0;
    if (judge_pool(scene) != 0)
        return 1;
    return operation->run == create || operation->run(scene) == 0
               ? 0
               : find_fault_in("the second time");
}

static int be_tracee(void *argument, int number)
{
    struct scene *scene = argument;
    (void)number;
    if (!be_traced())
        return 90;
    alarm(RUN_SECONDS);
    /* Nobody wants to read what mm_display_info() shows. */
    if (!freopen("/dev/null", "we", stderr))
        return 91;
    const struct operation *operation = scene->operation;
    if (operation->pool == OWN && create(scene) < 0)
        return find_fault_in("mm_create() without a fault");
    if (run_operation(scene) != 0)
        return 1;
    if (!report->unlocks && judge_again(scene) != 0)
        return 1;
    if (scene->mm)
        mm_destroy(scene->mm);
    return judge_leaks(scene);
}

/* --- the tracer ----------------------------------------------------------- */

/* Let call NUMBER fail.  1: there is none, 0: good, -1: not. */
static int inject(struct scene *scene, int number)
{
    struct trace trace = {.fail_at = number,
                          .choose = choose_error,
                          .context = scene,
                          .is_made = is_made,
                          .hit = tell_hit};
    memset(report, 0, sizeof *report);
    scene->mm = NULL;
    scene->before = take_footprint(directory);
    scene->semaphores = count_semaphores();
    bool inherited = scene->operation->pool == INHERITED;
    if (inherited && create(scene) < 0)
        bail("mm_create: %s", mm_error());
    int status = trace_child(&trace, start_child(be_tracee, scene, 0));
    if (status == 90)
        skip_all("ptrace() is not allowed here");
    if (inherited) {
        mm_destroy(scene->mm);
        scene->mm = NULL;
    }
    unlink("pool.mem");
    unlink("segment.mem");
    if (status != 0 && !trace.has_hit)
        bail("%s with %s, %s: ended with %d without a fault, %s", scene->shm,
             scene->lock, scene->operation->name, status, report->finding);
    if (status != 0) {
        diag("%s with %s, %s: call %d (system call %ld) fails with %s: ended "
             "with %d, %s",
             scene->shm, scene->lock, scene->operation->name, number,
             trace.call.number, strerror(trace.error), status, report->finding);
        return -1;
    }
    return trace.has_hit ? 0 : 1;
}

static void test_operation(const struct operation *operation, const char *shm,
                           const char *lock, int turn)
{
    struct scene scene = {.operation = operation, .shm = shm, .lock = lock};
    char options[100];
    snprintf(options, sizeof options, "shm=%s,lock=%s,lock.timeout=300ms", shm,
             lock);
    setenv("MM_OPTIONS", options, 1);
    int most = operation->waits ? WAITS_MAX : CALLS_MAX;
    int runs = 0, bad = 0;
    for (int again = 0; again < (all_errors ? 6 : 1); again++)

        for (int number = 1; number < most; number++) {
            scene.number = turn + again;
            int result = inject(&scene, number);
            if (result > 0)
                break;
            runs++;
            bad += result < 0;
        }
    ok(bad == 0, "%s with %s: %s, %d calls failed", shm, lock, operation->name,
       runs);
}

static bool is_chosen(const struct operation *operation, size_t shm,
                      size_t lock)
{
    return all_errors || operation->all_pairs || shm == 0 || lock == 0;
}

int main(int argc, char **argv)
{
    need_proc();
    if (!TRACE_WORKS)
        skip_all("not written for this processor");
    const char *sanitizers = getenv("SANITIZERS");
    if (sanitizers && *sanitizers)
        skip_all("sanitizers make system calls of their own");
    all_errors = argc > 1 && strcmp(argv[1], "--long") == 0;
    counts_semaphores = unshare(CLONE_NEWIPC) == 0;
    report = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    make_directory(directory, sizeof directory);
    if (chdir(directory) < 0)
        bail("chdir: %s", strerror(errno));
    setenv("TMPDIR", directory, 1);

    int turn = 0;
    for (size_t i = 0; i < mmi_shm_count(); i++) {
        if (skips_variant(mmi_shm_at(i)->name))
            continue;
        for (size_t k = 0; k < mmi_lock_count(); k++, turn++)
            for (size_t o = 0; o < OPERATION_COUNT; o++)
                if (is_chosen(&operations[o], i, k))
                    test_operation(&operations[o], mmi_shm_at(i)->name,
                                   mmi_lock_at(k)->name, turn);
    }
    is_int(rmdir(directory), 0, "no file is left");
    return done();
}
