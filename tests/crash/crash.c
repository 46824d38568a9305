/* SPDX-License-Identifier: MIT */
/*
 * crash.c -- processes are killed at every instruction of every operation, and
 * others go on.
 *
 *   crash.t [--all] [--lock=NAME,...] [--scene=TEXT]
 * [--mode=plain,frozen,double]
 *           [--limit=POINTS] [--pairs=N] [--threads] [--no-robust] [--seed=N]
 *           [--patience=SECONDS] [--stop] [--markdown=FILE] [--list]
 *
 * Without arguments it takes a selection of instructions that changes with the
 * seed; `make crash-sweep` takes all.
 */
#include "config.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "../tap.h"
#include "crash.h"

enum {
    LIMIT_DEFAULT = 12, /* points of a scene, ... */
    LIMIT_FUTEX = 40,   /* ... and with the default lock */
    PAIRS_DEFAULT = 8,
    PAIRS_ALL = 1500,
};

struct options options = {.shm = "MEMFD", .robust = true, .patience = PATIENCE};

static const struct scene *const tables[] = {heap_scenes, exact_scenes,
                                             lock_scenes, pool_scenes};
static const char *const lock_names[] = {"FUTEX",  "OFD",   "FCNTL",
                                         "IPCSEM", "FLOCK", "PTHREAD"};
static const char *const shm_names[] = {"MEMFD",  "MMANON", "IPCSHM",
                                        "MMPOSX", "MMZERO", "MMFILE"};

static const char *wanted_locks;
static const char *wanted_scene;
static const char *wanted_modes;
static const char *markdown;
static bool all;
static bool lists;

/* The kernel is to know of no robust lists. */
static void forbid_robust_lists(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the number of the call */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_set_robust_list, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_get_robust_list, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        skip_all("this system has no filters for system calls");
}

static bool is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncasecmp(at, name, length) == 0 &&
            (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return !list;
}

static bool takes(const char *argument, const char *name, const char **value)
{
    size_t length = strlen(name);
    if (strncmp(argument, name, length) != 0 || argument[length] != '=')
        return false;
    *value = argument + length + 1;
    return true;
}

static void read_argument(const char *argument)
{
    const char *value;
    if (strcmp(argument, "--all") == 0)
        all = true;
    else if (strcmp(argument, "--list") == 0)
        lists = true;
    else if (strcmp(argument, "--stop") == 0)
        options.stops = true;
    else if (strcmp(argument, "--threads") == 0)
        options.threads = true;
    else if (strcmp(argument, "--no-robust") == 0)
        options.robust = false;
    else if (takes(argument, "--lock", &wanted_locks) ||
             takes(argument, "--scene", &wanted_scene) ||
             takes(argument, "--mode", &wanted_modes) ||
             takes(argument, "--markdown", &markdown))
        return;
    else if (takes(argument, "--limit", &value))
        options.limit = strtoul(value, NULL, 10);
    else if (takes(argument, "--patience", &value))
        options.patience = (unsigned)strtoul(value, NULL, 10);
    else if (takes(argument, "--pairs", &value))
        options.pairs = strtoul(value, NULL, 10);
    else if (takes(argument, "--seed", &value))
        options.seed = strtoull(value, NULL, 10);
    else
        bail("what is %s?", argument);
}

/* Threads have different numbers, so some may go another way for a while: what
 * was not met is told, and only too much of it is a failure. */
void tell_row(const struct row *row)
{
    ok(row->hangs == 0 && row->corruptions == 0 &&
           row->missed <= 3 + row->points / 10,
       "%s, %s: %s, %zu of %zu instructions, %zu missed, lost %zu, %.1f s",
       row->lock, mode_name(row->mode), row->scene, row->points, row->steps,
       row->missed, row->lost, row->seconds);
}

/* All scenes for the default lock; for the others those about locks, and some
 * that have to do with theirs. */
static bool is_selected(const struct scene *scene)
{
    return all || wanted_scene || strcmp(options.lock, "FUTEX") == 0 ||
           scene->flags & (SCENE_EACH | SCENE_LOCKED);
}

static bool is_possible(const struct scene *scene)
{
    if (!is_selected(scene))
        return false;
    if (wanted_scene && !strstr(scene->name, wanted_scene))
        return false;
    /* Its reader would block the victim. */
    return !(options.threads && scene->flags & SCENE_CREATES);
}

static void sweep_variants(const struct scene *scene,
                           const bool modes[MODE_COUNT])
{
    bool some[MODE_COUNT];
    memcpy(some, modes, sizeof some);
    /* Each record of a repair takes a while. */
    if (!all && !wanted_scene && !(scene->flags & SCENE_EACH))
        some[MODE_DOUBLE] = false;
    if (!(scene->flags & SCENE_SHM) || strcmp(options.lock, "FUTEX") != 0) {
        sweep_scene(scene, some);
        return;
    }
    for (size_t i = 0; i < sizeof shm_names / sizeof *shm_names; i++) {
        const char *known = mm_query(NULL, "shm.variants");
        if (!known || !strstr(known, shm_names[i]) ||
            skips_variant(shm_names[i]))
            continue;
        options.shm = shm_names[i];
        sweep_scene(scene, some);
    }
    options.shm = "MEMFD";
}

static void sweep_lock(const char *lock, const bool modes[MODE_COUNT])
{
    size_t limit = options.limit;
    options.lock = lock;
    if (!all && limit == 0)
        options.limit =
            strcmp(lock, "FUTEX") == 0 ? LIMIT_FUTEX : LIMIT_DEFAULT;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        for (const struct scene *scene = tables[t]; scene->name; scene++) {
            if (!is_possible(scene) || (options.stops && tap_failed > 0))
                continue;
            if (lists)
                diag("%s", scene->name);
            else
                sweep_variants(scene, modes);
        }
    }
    options.limit = limit;
}

static void write_markdown(void)
{
    FILE *to = fopen(markdown, "we");
    if (!to)
        bail("%s: %s", markdown, strerror(errno));
    table_print(to, true);
    fclose(to);
}

int main(int count, char **arguments)
{
    bool modes[MODE_COUNT];
    const char *sanitizers = getenv("SANITIZERS");
    if (sanitizers && *sanitizers)
        skip_all("stepping through instrumented code takes too long");
    const char *matrix = getenv("MM_MATRIX");
    if (count == 1 && matrix && strcmp(matrix, "skip") == 0)
        skip_all("MM_MATRIX=skip: another build kills");
    options.seed = 1;
    for (int i = 1; i < count; i++)
        read_argument(arguments[i]);
    for (int mode = 0; mode < MODE_COUNT; mode++)
        modes[mode] = is_listed(wanted_modes, mode_name((enum mode)mode));
    if (options.pairs == 0)
        options.pairs = all ? PAIRS_ALL : PAIRS_DEFAULT;
    if (!options.robust)
        forbid_robust_lists();
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    diag("seed %llu", (unsigned long long)options.seed);

    left_begin();
    for (size_t i = 0; i < sizeof lock_names / sizeof *lock_names; i++) {
        if (!is_listed(wanted_locks, lock_names[i]) || !has_lock(lock_names[i]))
            continue;
        if (!options.robust && strcmp(lock_names[i], "PTHREAD") == 0)
            skip(1, "PTHREAD needs robust lists");
        else
            sweep_lock(lock_names[i], modes);
    }
    left_end();
    table_print(stdout, false);
    if (markdown)
        write_markdown();
    return done();
}
