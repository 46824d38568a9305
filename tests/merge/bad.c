/* SPDX-License-Identifier: MIT */
/*
 * bad.c -- the merge library answers nonsense with errno: never by a signal,
 * never by changing a byte.
 */
#include "target.h"

#include <fcntl.h>
#include <mmlib.h>
#include <sys/prctl.h>
#include <sys/uio.h>

enum { PAGES = 64 };

static MPAGEINFO infos[PAGES];

static void fails(ssize_t result, int wanted, const char *what)
{
    int error = errno;
    if (!ok(result == -1 && error == wanted, "%s: %s", what, strerror(wanted)))
        diag("got %zd, %s", result, strerror(error));
}

static char *build(void)
{
    char *base = map_pages(PAGES);
    memset(base, 'b', PAGES * (size_t)sysconf(_SC_PAGESIZE));
    return base;
}

/* How many pages of PID there are. */
static ssize_t list(pid_t pid)
{
    return m_getpageinfos(pid, NULL, (void *)-1, infos, PAGES, NULL);
}

static void test_processes(void)
{
    infos[0].v_addr = infos;
    fails(list(0), EINVAL, "process 0");
    fails(list(-1), EINVAL, "process -1");
    fails(m_hashpages(0, infos, 1, NULL), EINVAL, "hashing process 0");

    struct target target = start_target(build);
    end_target(&target);
    fails(list(target.pid), ESRCH, "a process that has ended");
    fails(m_hashpages(target.pid, infos, 1, NULL), ESRCH, "hashing it");

    pid_t zombie = fork();
    if (zombie == 0)
        _exit(0);
    siginfo_t info;
    waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT);
    fails(list(zombie), ESRCH, "one that nobody waited for");
    fails(m_hashpages(zombie, infos, 1, NULL), ESRCH, "hashing it");
    end_child(zombie);

    /* The thread that starts all others of the kernel, if we can see it. */
    char name[16] = "";
    FILE *file = fopen("/proc/2/comm", "re");
    if (file && fgets(name, sizeof name, file) &&
        strcmp(name, "kthreadd\n") == 0 && geteuid() == 0) {
        fails(list(2), EINVAL, "a thread of the kernel");
        fails(m_hashpages(2, infos, 1, NULL), EINVAL, "hashing it");
    } else {
        skip(2, "no thread of the kernel is visible here");
    }
    if (file)
        fclose(file);
}

static int as_nobody(void *argument, int number)
{
    (void)number;
    struct target *target = argument;
    if (setgid(65534) < 0 || setuid(65534) < 0)
        return 77;
    infos[0].v_addr = target->base;
    if (list(target->pid) != -1 || errno != EPERM)
        return 1;
    if (m_hashpages(target->pid, infos, 1, NULL) != -1 || errno != EPERM)
        return 2;
    return 0;
}

static char *build_as_nobody(void)
{
    if (setgid(65534) < 0 || setuid(65534) < 0 ||
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
        return NULL;
    return build();
}

/* The same user may look, but is not told frames. */
static int same_user(void *argument, int number)
{
    (void)number;
    struct target *target = argument;
    if (setgid(65534) < 0 || setuid(65534) < 0)
        return 77;
    infos[0].v_addr = target->base;
    ssize_t hashed = m_hashpages(target->pid, infos, 1, NULL);
    if (hashed < 0 && errno == EPERM)
        return 77; /* some systems allow relatives only */
    if (hashed != 1 || infos[0].p_addr || infos[0].count != 1)
        return 1;
    return list(target->pid) < PAGES;
}

static void test_others(void)
{
    struct target target = start_target(build);
    if (geteuid() != 0) {
        skip(2, "only the superuser can become somebody else");
    } else {
        children_ok(1, as_nobody, &target, "others' processes: EPERM");
        struct target twin = start_target(build_as_nobody);
        int status = end_child(start_child(same_user, &twin, 0));
        if (status == 77)
            skip(1, "this system lets nobody look at a process but relatives");
        else
            is_int(status, 0, "one's own may be looked at, without frames");
        end_target(&twin);
    }
    end_target(&target);
}

static void test_ranges(void)
{
    const void *rest = "";
    MPAGEINFO *huge = infos;
    fails(m_getpageinfos(getpid(), (void *)2, (void *)1, infos, 1, NULL),
          EINVAL, "an end before the start");
    fails(m_getpageinfos(getpid(), NULL, (void *)-1, huge, SIZE_MAX, NULL),
          EINVAL, "room for more than there can be");
    fails(m_hashpages(getpid(), huge, SIZE_MAX / 8, NULL), EINVAL,
          "hashing as many");
    fails(m_merge((MEQUALPAIR *)huge, SIZE_MAX / 4), EINVAL, "merging as many");
    is_int(m_getpageinfos(getpid(), (void *)(UINTPTR_MAX / 4 * 3), (void *)-1,
                          infos, 1, &rest),
           0, "the kernel's addresses hold nothing of ours");
    ok(rest == NULL, "to the end");
    is_int(m_hashpages(getpid(), infos, 0, NULL), 0, "no pages are hashed");
}

static void test_pointers(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char byte;
    struct iovec local = {&byte, 1};
    struct iovec remote = {infos, 1};
    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != 1) {
        skip(12, "a sandbox keeps the library from finding wild pointers");
        return;
    }
    char *wild = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(wild + size, size);
    MPAGEINFO *half = (MPAGEINFO *)(wild + size - sizeof *half);
    char *constant =
        mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fails(m_getpageinfos(getpid(), NULL, (void *)-1, NULL, 1, NULL), EFAULT,
          "no array");
    fails(m_getpageinfos(getpid(), NULL, (void *)-1, (MPAGEINFO *)16, 1, NULL),
          EFAULT, "a wild array");
    fails(m_getpageinfos(getpid(), NULL, (void *)-1, half, 2, NULL), EFAULT,
          "half an array");
    fails(m_getpageinfos(getpid(), NULL, (void *)-1, (MPAGEINFO *)constant, 1,
                         NULL),
          EFAULT, "an array that cannot be written");
    fails(
        m_getpageinfos(getpid(), NULL, (void *)-1, infos, 1, (const void **)16),
        EFAULT, "a wild place for the rest");
    fails(m_getpageinfos(getpid(), NULL, (void *)-1, infos, 1,
                         (const void **)(void *)constant),
          EFAULT, "one that cannot be written");
    fails(m_hashpages(getpid(), NULL, 1, NULL), EFAULT, "hashing no array");
    fails(m_hashpages(getpid(), half, 2, NULL), EFAULT, "half an array");
    fails(m_hashpages(getpid(), (MPAGEINFO *)constant, 1, NULL), EFAULT,
          "one that cannot be written");
    fails(m_hashpages(getpid(), infos, 1, (m_hash_function_1999 *)16), EFAULT,
          "a wild function");
    fails(m_merge(NULL, 1), EFAULT, "merging no array");
    fails(m_merge((MEQUALPAIR *)16, 1), EFAULT, "a wild array");
    munmap(wild, size);
    munmap(constant, size);
}

static unsigned long liar(void *address, size_t size)
{
    static unsigned long any;
    (void)address;
    (void)size;
    return any++;
}

/* Processes that end while we look: an answer, or ESRCH. */
static void test_ending(void)
{
    int wrong = 0;
    int ended = 0;
    for (int i = 0; i < 40; i++) {
        struct target target = start_target(build);
        for (int k = 0; k < PAGES; k++)
            infos[k].v_addr = target.base + k * sysconf(_SC_PAGESIZE);
        pid_t killer = fork();
        if (killer == 0) {
            usleep((useconds_t)(i * 10));
            kill(target.pid, SIGKILL);
            _exit(0);
        }
        for (int k = 0; k < 20; k++) {
            ssize_t hashed =
                m_hashpages(target.pid, infos, PAGES, k % 2 ? liar : NULL);
            wrong += hashed < 0 && errno != ESRCH;
            ended += hashed < 0;
            wrong += list(target.pid) < 0 && errno != ESRCH;
        }
        end_child(killer);
        end_target(&target);
    }
    is_int(wrong, 0, "processes that end meanwhile are answered or ESRCH");
    diag("%d of 800 calls came too late", ended);
}

static void test_backends(void)
{
    fails(m_set_backend("nonsense"), EINVAL, "a backend of no known name");
    fails(m_set_backend(""), EINVAL, "one without a name");
    is_str(m_backend(), "proc", "and the choice is as before");
    fails(m_merge((MEQUALPAIR *)(void *)infos, 1), ENOPKG,
          "merging without the module");
}

static int with_environment(void *argument, int number)
{
    (void)number;
    setenv("MMLIB_BACKEND", argument, 1);
    if (strcmp(argument, "proc") == 0)
        return strcmp(m_backend(), "proc") != 0;
    return m_backend() != NULL || list(getpid()) != -1 || errno != EINVAL ||
           m_set_backend("proc") < 0 || list(getpid()) < 1;
}

int main(void)
{
    need_proc();
    setenv("MMLIB_BACKEND", "", 1);
    static char known[] = "proc";
    static char unknown[] = "nonsense";
    children_ok(1, with_environment, known, "the environment can choose");
    children_ok(1, with_environment, unknown, "but not nonsense");
    if (m_set_backend("proc") < 0)
        skip_all("the process file system does not tell about pages");
    test_processes();
    test_others();
    test_ranges();
    test_pointers();
    test_ending();
    test_backends();
    return done();
}
