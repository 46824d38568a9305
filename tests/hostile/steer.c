/* SPDX-License-Identifier: MIT */
/*
 * steer.c -- nothing that a hostile peer writes into a pool decides what a
 * privileged process asks of the kernel.
 *
 * A tracer looks at each system call of the process that uses the pool.  There
 * is a list of those that the library may make; addresses must lie in the pool,
 * or where nothing was before the test; files and System V objects must be the
 * pool's; no signal may be sent but the 0 that asks whether somebody lives.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "../faults/trace.h"
#include "../shm/leaks.h"
#include "peer.h"

enum { REQUEST = 80000, RUN_SECONDS = 40, ROUNDS = 2000, MAPS_MAX = 2000 };

static int rounds = ROUNDS;
static char directory[200];

/* In shared memory, none of which the peer has. */
static struct facts {
    struct peer_report peer;
    _Atomic size_t call;
    _Atomic unsigned long long seen; /* system calls */
    char finding[200];
    /* What the pool is. */
    uint64_t base, size;
    int segment, semaphores;
} * facts;

/* What was mapped when the test began, but for the pool. */
static struct range {
    uint64_t start, end;
} ranges[MAPS_MAX];
static size_t range_count;

struct scene {
    const char *shm, *lock;
    struct peer peer;
};

/* --- the tracer: what may be asked ---------------------------------------- */

static void read_ranges(pid_t pid)
{
    char path[60], line[5000];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    range_count = 0;
    while (maps && range_count < MAPS_MAX && fgets(line, sizeof line, maps)) {
        unsigned long long start, end;
        if (sscanf(line, "%llx-%llx", &start, &end) == 2 &&
            (end <= facts->base || start >= facts->base + facts->size))
            ranges[range_count++] = (struct range){start, end};
    }
    if (maps)
        fclose(maps);
}

static bool is_in_pool(uint64_t start, uint64_t size)
{
    return start >= facts->base && size <= facts->size &&
           start - facts->base <= facts->size - size;
}

/* Memory that the C library got meanwhile. */
static bool is_new(uint64_t start, uint64_t size)
{
    for (size_t i = 0; i < range_count; i++)
        if (start < ranges[i].end && ranges[i].start < start + size)
            return false;
    return start + size <= facts->base || start >= facts->base + facts->size;
}

/* The text at ADDRESS of the thread that makes CALL. */
static void read_text(const struct system_call *call, uint64_t address,
                      char *text, size_t size)
{
    struct iovec here = {text, size - 1};
    struct iovec there = {(void *)(uintptr_t)address, size - 1};
    /* A string near the end of its page: less is enough. */
    size_t room = 4096 - address % 4096;
    if (there.iov_len > room)
        there.iov_len = room;
    memset(text, 0, size);
    if (process_vm_readv(call->thread, &here, 1, &there, 1, 0) < 0)
        snprintf(text, size, "?");
}

static bool is_ours(const char *path)
{
    size_t length = strlen(directory);
    return (strncmp(path, directory, length) == 0 &&
            strncmp(path + length, "/pool.mem", 9) == 0) ||
           strncmp(path, "/memfd:mm:", 10) == 0 ||
           strncmp(path, "/dev/shm/mm", 11) == 0;
}

static bool is_our_descriptor(const struct system_call *call, uint64_t fd)
{
    char path[60], file[400] = "";
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)call->thread, (int)fd);
    return readlink(path, file, sizeof file - 1) > 0 && is_ours(file);
}

/* Only what tells something, or what is the pool's or a lock's. */
static bool may_open(const struct system_call *call)
{
    char path[400];
    int flags = (int)call->arguments[2];
    read_text(call, call->arguments[1], path, sizeof path);
    if (flags & (O_CREAT | O_TRUNC))
        return false;
    if (strncmp(path, "/proc/", 6) == 0)
        return (flags & O_ACCMODE) == O_RDONLY ||
               strncmp(path, "/proc/self/fd/", 14) == 0 ||
               strncmp(path, "/proc/thread-self/fd/", 21) == 0;
    return strcmp(path, "/dev/null") == 0 || is_ours(path);
}

/* Calls with nothing to be steered. */
static bool is_harmless(long number)
{
    static const long numbers[] = {
        SYS_read,
        SYS_close,
        SYS_fcntl,
        SYS_fstat,
        SYS_newfstatat,
        SYS_lseek,
        SYS_brk,
        SYS_getpid,
        SYS_gettid,
        SYS_getppid,
        SYS_geteuid,
        SYS_getegid,
        SYS_getuid,
        SYS_getgid,
        SYS_clock_gettime,
        SYS_nanosleep,
        SYS_clock_nanosleep,
        SYS_sched_yield,
        SYS_flock,
        SYS_poll,
        SYS_ppoll,
        SYS_pidfd_open,
        SYS_fstatfs,
        SYS_statfs,
        SYS_readlink,
        SYS_readlinkat,
        SYS_alarm,
        SYS_setitimer,
        SYS_rt_sigprocmask,
        SYS_getrandom,
        SYS_dup2,
        SYS_dup3,
        SYS_get_robust_list,
        SYS_restart_syscall,
        SYS_membarrier,
        SYS_access,
        SYS_faccessat,
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static bool may_touch(const struct system_call *call)
{
    const uint64_t *arguments = call->arguments;
    switch (call->number) {
    case SYS_mmap:
        return !(arguments[3] & MAP_FIXED);
    case SYS_munmap:
        return is_new(arguments[0], arguments[1]) ||
               (facts->call == CALL_COUNT && arguments[0] == facts->base &&
                arguments[1] == facts->size);
    case SYS_mprotect:
    case SYS_mremap:
        return is_new(arguments[0], arguments[1]);
    case SYS_madvise:
        return arguments[1] == 0 || is_in_pool(arguments[0], arguments[1]);
    case SYS_shmdt:
        return facts->call == CALL_COUNT && arguments[0] == facts->base;
    case SYS_futex:
        return arguments[1] & FUTEX_PRIVATE_FLAG || is_in_pool(arguments[0], 4);
    default:
        return false;
    }
}

static bool is_allowed(const struct system_call *call)
{
    const uint64_t *arguments = call->arguments;
    char path[400];
    switch (call->number) {
    case SYS_openat:
        return may_open(call);
    case SYS_write: /* mm_display_info() */
        return arguments[0] == STDERR_FILENO;
    case SYS_kill:
    case SYS_tkill:
        return arguments[1] == 0;
    case SYS_tgkill:
        return arguments[2] == 0;
    case SYS_fchmod:
    case SYS_fchown:
    case SYS_fallocate:
        return is_our_descriptor(call, arguments[0]);
    case SYS_unlink:
        read_text(call, arguments[0], path, sizeof path);
        return facts->call == CALL_COUNT && is_ours(path);
    case SYS_lstat:
    case SYS_stat:
        read_text(call, arguments[0], path, sizeof path);
        return is_ours(path);
    case SYS_shmctl:
        return (int)arguments[0] == facts->segment;
    case SYS_semctl:
    case SYS_semop:
    case SYS_semtimedop:
        return (int)arguments[0] == facts->semaphores;
    default:
        return is_harmless(call->number) || may_touch(call);
    }
}

/* Called for each system call; none is to fail. */
static int look_at(const struct system_call *call, int number, void *context)
{
    (void)number;
    (void)context;
    if (facts->seen++ == 0)
        read_ranges(call->thread);
    if (is_allowed(call) || facts->finding[0] != '\0')
        return 0;
    snprintf(facts->finding, sizeof facts->finding,
             "system call %ld (%#llx, %#llx, %#llx) in %s", call->number,
             (unsigned long long)call->arguments[0],
             (unsigned long long)call->arguments[1],
             (unsigned long long)call->arguments[2],
             facts->call < CALL_COUNT ? calls[facts->call].name : "mm_destroy");
    return 0;
}

static bool is_made(const struct system_call *call)
{
    (void)call;
    return true;
}

static void ignore_hit(const struct system_call *call, void *context)
{
    (void)call;
    (void)context;
}

/* --- the victim ----------------------------------------------------------- */

static void tell_facts(MM *mm)
{
    const struct pool *pool = mmi_pool_find(mm);
    const struct segment *segment = pool->segment;
    facts->base = (uintptr_t)segment->shm.base;
    facts->size = segment->shm.size;
    facts->segment = segment->shm.id;
    facts->semaphores = -1;
    /* The number is the first member of what that lock keeps. */
    if (strcmp(segment->lock.variant->name, "IPCSEM") == 0)
        facts->semaphores = *(const int *)segment->lock.private;
}

static int be_victim(void *argument, int number)
{
    struct scene *scene = argument;
    struct chance chance = {.state = scene->peer.seed};
    (void)number;
    if (!be_traced())
        return 90;
    alarm(RUN_SECONDS);
    MM *mm = mm_create(REQUEST, "pool");
    if (!mm)
        return 91;
    struct guest guest = {.mm = mm, .request = REQUEST, .wait_ms = 2};
    tell_facts(mm);
    aim(&scene->peer.target, mm);
    for (int i = 0; i < 300; i++)
        calls[i % 5].make(&guest, &chance);
    prepare_peer(&scene->peer, &facts->peer);
    pid_t peer = start_child(scribble, &scene->peer, 0);
    mark();
    for (int i = 0; i < rounds && !guest.finding; i++) {
        if (i % 16 == 0)
            alarm(RUN_SECONDS);
        facts->call = pick_call(&chance);
        calls[facts->call].make(&guest, &chance);
    }
    facts->call = CALL_COUNT;
    mm_destroy(mm);
    mark();
    kill(peer, SIGKILL);
    end_child(peer);
    return guest.finding ? 92 : 0;
}

static void test_pair(const char *shm, const char *lock, uint64_t seed)
{
    struct scene scene = {.shm = shm, .lock = lock, .peer = {.seed = seed}};
    struct trace trace = {
        .choose = look_at, .is_made = is_made, .hit = ignore_hit};
    char options[100];
    snprintf(options, sizeof options, "shm=%s,lock=%s,lock.timeout=2ms", shm,
             lock);
    setenv("MM_OPTIONS", options, 1);
    memset(facts, 0, sizeof *facts);
    int status = trace_child(&trace, start_child(be_victim, &scene, 0));
    if (status == 90)
        skip_all("ptrace() is not allowed here");
    if (!ok(status == 0 && facts->finding[0] == '\0' && facts->seen > 0,
            "%s with %s: %llu system calls are as they should be", shm, lock,
            (unsigned long long)facts->seen))
        diag("ended with %d in %s, seed %llu: %s", status,
             facts->call < CALL_COUNT ? calls[facts->call].name : "mm_destroy",
             (unsigned long long)seed, facts->finding);
    unlink("pool.mem");
}

int main(int argc, char **argv)
{
    need_proc();
    if (!TRACE_WORKS)
        skip_all("not written for this processor");
    const char *sanitizers = getenv("SANITIZERS");
    if (sanitizers && *sanitizers)
        skip_all("sanitizers make system calls of their own");
    if (argc > 1 && strcmp(argv[1], "--long") == 0)
        rounds *= 20;
    facts = mmap(NULL, sizeof *facts, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (facts == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    make_directory(directory, sizeof directory);
    if (chdir(directory) < 0)
        bail("chdir: %s", strerror(errno));
    setenv("TMPDIR", directory, 1);
    uint64_t seed = (uint64_t)time(NULL) * 1000003;
    for (size_t i = 0; i < mmi_shm_count(); i++)
        if (!skips_variant(mmi_shm_at(i)->name))
            test_pair(mmi_shm_at(i)->name, mmi_lock_at(0)->name, seed++);
    for (size_t k = 1; k < mmi_lock_count(); k++)
        if (mmi_lock_at(k)->traits & LOCK_SAFE_FROM_PEERS)
            test_pair("MMFILE", mmi_lock_at(k)->name, seed++);
    is_int(rmdir(directory), 0, "no file is left");
    return done();
}
