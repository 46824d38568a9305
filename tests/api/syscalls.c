/* SPDX-License-Identifier: MIT */
/*
 * syscalls.c -- uncontended operations make no system call.
 *
 * A child uses the pool once, so that everything is set up and touched, then
 * asks the kernel to kill it at the next system call but exit, and works on.
 * The FCNTL lock, which cannot do without, shows that the kernel does.
 */
#include <mm.h>

#include "../children.h"
#include "../workload.h"

#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { LIVE = 500, TURNS = 100000, CANNOT_FILTER = 77 };

static void *blocks[LIVE];

static bool forbid_system_calls(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Replace blocks of up to 2 KiB, with now and then one of up to 64 KiB, under
 * either kind of lock. */
static bool work(MM *pool, int turns)
{
    struct dice dice = {5};
    bool good = true;
    for (int i = 0; i < turns; i++) {
        size_t victim = dice_below(&dice, LIVE);
        size_t size = dice_size(&dice, i % 16 ? SIZES_TO_2048 : 12);
        good &= mm_lock(pool, i % 2 ? MM_LOCK_RD : MM_LOCK_RW);
        if (i % 3 == 0) {
            void *grown = mm_realloc(pool, blocks[victim], size);
            good &= grown != NULL;
            blocks[victim] = grown;
        } else {
            mm_free(pool, blocks[victim]);
            blocks[victim] = mm_malloc(pool, size);
            good &= blocks[victim] != NULL;
        }
        good &= mm_unlock(pool);
    }
    for (size_t i = 0; i < LIVE; i++) {
        mm_free(pool, blocks[i]);
        blocks[i] = NULL;
    }
    return good;
}

static int child(void *pool, int number)
{
    (void)number;
    struct workbench bench = {mm_malloc, mm_free, pool};
    struct dice dice = {5};
    fill_bytes(&bench, 0, SIZE_MAX, &dice);
    mm_reset(pool);
    if (!work(pool, TURNS))
        return 1;
    if (!forbid_system_calls())
        return CANNOT_FILTER;
    return work(pool, TURNS) ? 0 : 1;
}

static void run(const char *option, bool kills)
{
    if (mm_options(option) != 0) {
        skip(1, mm_error());
        return;
    }
    MM *pool = mm_create(16 << 20, NULL);
    if (!pool)
        bail("no pool: %s", mm_error());
    int status = end_child(start_child(child, pool, 0));
    mm_destroy(pool);
    if (status == CANNOT_FILTER)
        skip(1, "this system has no seccomp filters");
    else if (kills)
        is_int(status, 1000 + SIGSYS, "with lock=fcntl the first one kills");
    else
        is_int(status, 0, "100000 turns with lock=futex make no system call");
}

int main(void)
{
    const char *sanitizers = getenv("SANITIZERS");
    if (sanitizers && *sanitizers)
        skip_all("sanitizers make system calls of their own");
    run("lock=futex", false);
    run("lock=fcntl", true);
    return done();
}
#else
int main(void)
{
    skip_all("needs Linux's seccomp filters");
}
#endif
