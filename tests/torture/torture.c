/* SPDX-License-Identifier: MIT */
/*
 * torture.c -- processes that use one pool in all ways are killed all the time,
 * and the others never notice.
 *
 *     torture.t [--lock=NAME] [--shm=NAME] [--seconds=N | --minutes=N]
 *               [--processes=N] [--every=MICROSECONDS] [--seed=N] [--exact]
 *
 * Without arguments a moment for each lock variant; `make torture` takes
 * longer. A random process of several, two threads each, is killed every
 * millisecond and replaced.  One more is spared between audits: it shows that
 * nobody waits for ever.  At an audit all are killed; then the pool must be
 * sound, and each block in it published, noted, or lost by a thread that was
 * killed inside a call with it, one per call.
 */
#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "../children.h"
#include "../workload.h"
#include "worker.h"

enum {
    POOL_SIZE = 6 << 20,
    AUDIT_SECONDS = 2,
    STUCK_SECONDS = 30, /* no progress for so long is a hang */
};

static struct settings {
    const char *lock, *shm;
    double seconds;
    size_t processes;
    size_t every_us;
    uint64_t seed;
    bool exact; /* only */
} settings = {.processes = 6, .every_us = 1000};

struct torture {
    struct scene scene;
    struct dice dice;
    size_t request;          /* mm_available() of the new pool */
    pid_t pids[WORKERS_MAX]; /* number 0 is the one that is spared */
    uint64_t progress[THREADS];
    double moved_at;
    long kills, audits;
    size_t unsure;     /* calls that were killed since the last audit */
    size_t lost, most; /* blocks that nobody has: found, and possible */
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t cost_of(size_t size)
{
    return (size + 16 + 7) & ~(size_t)7;
}

/* --- victims -------------------------------------------------------------- */

static void start_worker(struct torture *torture, int number)
{
    uint64_t seed = dice_roll(&torture->dice);
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        bail("fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!nice(5); /* the killer must not be late */
        if (getppid() == parent)
            worker_run(&torture->scene, number, seed);
        _exit(1);
    }
    torture->pids[number] = pid;
}

/* Its notes say in how many calls it was: of each, one block may be lost. */
static void kill_worker(struct torture *torture, int number)
{
    kill(torture->pids[number], SIGKILL);
    if (end_child(torture->pids[number]) != 1000 + SIGKILL)
        scene_fail(&torture->scene, "worker %d ended by itself", number);
    torture->pids[number] = 0;
    torture->kills++;
    for (int i = 0; i < THREADS * NOTES; i++) {
        struct note *note =
            &torture->scene.table
                 ->notes[number * THREADS + i / NOTES][i % NOTES];
        if (note_state(note->block) != NOTE_UNSURE || torture->scene.exact)
            continue;
        note->block = 0;
        torture->unsure++;
    }
}

static void start_all(struct torture *torture)
{
    for (int i = 0; i <= (int)settings.processes; i++)
        start_worker(torture, i);
    torture->moved_at = now();
}

static void kill_all(struct torture *torture)
{
    for (int i = 0; i <= (int)settings.processes; i++)
        if (torture->pids[i] != 0)
            kill_worker(torture, i);
}

/* Both threads of the one that is spared went on since it was asked last. */
static bool has_moved(struct torture *torture)
{
    const struct report *report = torture->scene.report;
    for (int i = 0; i < THREADS; i++)
        if (report->progress[i] == torture->progress[i])
            return false;
    for (int i = 0; i < THREADS; i++)
        torture->progress[i] = report->progress[i];
    torture->moved_at = now();
    return true;
}

/* --- audit ---------------------------------------------------------------- */

struct audit {
    struct torture *torture;
    size_t seen, known; /* blocks */
    size_t cost;        /* of those that stay */
    size_t orphans;
};

static struct note *find_note(struct table *table, uint64_t offset)
{
    for (int i = 0; i < WORKERS_MAX * THREADS * NOTES; i++) {
        struct note *note = &table->notes[i / NOTES][i % NOTES];
        if (note_offset(note->block) == offset)
            return note;
    }
    return NULL;
}

static int judge_block(void *argument, void *ptr, size_t size)
{
    struct audit *audit = argument;
    struct scene *scene = &audit->torture->scene;
    struct table *table = scene->table;
    uint64_t offset = mm_offset(scene->mm, ptr);
    struct entry *entry = table_find(table, offset);
    struct note *note = find_note(table, offset);
    bool filled = entry || (note && note_state(note->block) == NOTE_FILLED);
    uint64_t seed = entry ? entry->seed : note ? note->seed : 0;
    size_t known_size = entry ? entry->size : note ? note->size : 0;
    if (note && !filled)
        known_size = size;
    if (entry && note)
        scene_fail(scene, "a block is noted and published");
    if (ptr == table) {
        audit->cost += cost_of(size);
    } else if (!entry && !note) {
        audit->orphans++;
        mm_free(scene->mm, ptr);
    } else {
        audit->known++;
        audit->cost += cost_of(size);
        if (size != known_size ||
            (filled && !pattern_is(ptr, 0, size, offset, seed)))
            scene_fail(scene,
                       "a block at %#llx has %zu bytes, wanted %zu, or was "
                       "changed",
                       (unsigned long long)offset, size, known_size);
    }
    return 0;
}

static size_t count_known(struct table *table)
{
    uint64_t count, sum;
    table_count(table, &count, &sum);
    for (int i = 0; i < WORKERS_MAX * THREADS * NOTES; i++)
        count += table->notes[i / NOTES][i % NOTES].block != 0;
    return count;
}

static void audit_lock(struct scene *scene)
{
    struct mm_lock_state state;
    if (!scene_begin_write(scene) || !scene_end_write(scene))
        return;
    if (mm_lock_state(scene->mm, &state) != 1)
        scene_fail(scene, "lock state: %s", mm_error());
    else if (state.holder != 0 || state.readers != 0 || state.depth != 0)
        scene_fail(scene, "all are dead, but %ld holds the lock, %u read",
                   (long)state.holder, state.readers);
    else if (state.owner_died)
        scene_fail(scene, "a death was reported twice, or late");
}

static void audit(struct torture *torture)
{
    struct scene *scene = &torture->scene;
    struct audit audit = {.torture = torture};
    if (mm_check(scene->mm) != 0)
        scene_fail(scene, "before mending: %s", mm_error());
    audit_lock(scene);
    for (int i = 0; i < WORKERS_MAX * THREADS * NOTES; i++)
        scene_settle_note(scene, &scene->table->notes[i / NOTES][i % NOTES]);
    if (mm_walk(scene->mm, judge_block, &audit) != 0)
        scene_fail(scene, "walk: %s", mm_error());
    size_t known = count_known(scene->table);
    if (audit.known != known)
        scene_fail(scene, "%zu blocks are live, %zu should be", audit.known,
                   known);
    if (audit.orphans > torture->unsure)
        scene_fail(scene, "%zu blocks are lost, %zu calls were killed",
                   audit.orphans, torture->unsure);
    size_t available = mm_available(scene->mm);
    if (available != torture->request - audit.cost)
        scene_fail(scene, "%zu bytes are available, %zu should be", available,
                   torture->request - audit.cost);
    if (mm_check(scene->mm) != 0)
        scene_fail(scene, "after mending: %s", mm_error());
    torture->audits++;
    torture->lost += audit.orphans;
    torture->most += torture->unsure;
    torture->unsure = 0;
}

/* --- one variant ---------------------------------------------------------- */

static bool open_scene(struct torture *torture, const char *lock, bool exact)
{
    struct scene *scene = &torture->scene;
    char options[64];
    snprintf(options, sizeof options, "lock=%s%s%s", lock,
             settings.shm ? ",shm=" : "", settings.shm ? settings.shm : "");
    if (mm_options(options) != 0)
        bail("%s: %s", options, mm_error());
    *torture = (struct torture){.dice = {settings.seed}};
    scene->report = mmap(NULL, sizeof *scene->report, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    scene->mm = mm_create(POOL_SIZE, NULL);
    scene->exact = exact;
    if (scene->report == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    if (!scene->mm) {
        ok(false, "%s: a pool", lock);
        diag("%s", mm_error());
        return false;
    }
    torture->request = mm_available(scene->mm);
    scene->table = mm_calloc(scene->mm, 1, sizeof *scene->table);
    return true;
}

static void torment(struct torture *torture)
{
    struct report *report = torture->scene.report;
    double end = now() + settings.seconds;
    double interval = settings.seconds / 2 < AUDIT_SECONDS
                          ? settings.seconds / 2
                          : AUDIT_SECONDS;
    double next = now() + interval;
    start_all(torture);
    while (now() < end && report->failures == 0) {
        long us = (long)dice_below(&torture->dice, 2 * settings.every_us + 1);
        struct timespec pause = {us / 1000000, us % 1000000 * 1000};
        nanosleep(&pause, NULL);
        int victim = 1 + (int)dice_below(&torture->dice, settings.processes);
        if (settings.processes > 0) {
            kill_worker(torture, victim);
            start_worker(torture, victim);
        }
        bool moved = has_moved(torture);
        if (now() - torture->moved_at > STUCK_SECONDS)
            scene_fail(&torture->scene, "no progress for %d seconds",
                       STUCK_SECONDS);
        if (!moved || now() < next)
            continue;
        kill_all(torture);
        audit(torture);
        start_all(torture);
        next = now() + interval;
    }
    kill_all(torture);
}

static bool is_given_back(struct torture *torture)
{
    struct scene *scene = &torture->scene;
    struct table *table = scene->table;
    MM *mm = scene->mm;
    for (int i = 0; i < ENTRIES; i++)
        if (table->entries[i].offset)
            mm_free(mm, mm_pointer(mm, table->entries[i].offset));
    for (int i = 0; i < WORKERS_MAX * THREADS * NOTES; i++) {
        uint64_t block = table->notes[i / NOTES][i % NOTES].block;
        if (block != 0)
            mm_free(mm, mm_pointer(mm, note_offset(block)));
    }
    mm_free(mm, table);
    if (mm_available(mm) != torture->request) {
        diag("%zu bytes available, %zu in the new pool", mm_available(mm),
             torture->request);
        return false;
    }
    size_t all = (torture->request - 16) & ~(size_t)7;
    void *ptr = mm_malloc(mm, all);
    if (!ptr)
        diag("%zu bytes: %s", all, mm_error());
    mm_free(mm, ptr);
    return ptr && mm_check(mm) == 0;
}

static void tell(const struct torture *torture, const char *lock)
{
    struct mm_stat stat = {0};
    const struct report *report = torture->scene.report;
    mm_stat(torture->scene.mm, &stat, sizeof stat);
    diag("%s, seed %#llx: %ld kills, %llu operations, %llu refused, %zu "
         "repairs of the pool, %llu deaths of holders",
         lock, (unsigned long long)settings.seed, torture->kills,
         (unsigned long long)report->operations,
         (unsigned long long)report->full, stat.repairs,
         (unsigned long long)report->deaths);
    diag("%ld audits, %zu blocks lost in %zu killed calls, %llu upgrades, "
         "%llu refused",
         torture->audits, torture->lost, torture->most,
         (unsigned long long)report->upgrades,
         (unsigned long long)report->refusals);
}

static void try_variant(const char *lock, bool exact)
{
    static struct torture torture;
    if (!open_scene(&torture, lock, exact))
        return;
    torment(&torture);
    audit(&torture);
    struct report *report = torture.scene.report;
    if (!ok(report->failures == 0, "%s%s: nobody noticed the deaths of others",
            lock, exact ? ", exact calls" : ""))
        diag("%d failures: %s", report->failures,
             report->told ? report->failure : "(untold)");
    ok(is_given_back(&torture), "%s: all can be had again, in one piece", lock);
    tell(&torture, lock);
    mm_destroy(torture.scene.mm);
    munmap(report, sizeof *report);
}

static void read_settings(int argc, char **argv)
{
    static const struct option options[] = {
        {"lock", required_argument, NULL, 'l'},
        {"shm", required_argument, NULL, 'm'},
        {"seconds", required_argument, NULL, 's'},
        {"minutes", required_argument, NULL, 'M'},
        {"processes", required_argument, NULL, 'p'},
        {"every", required_argument, NULL, 'e'},
        {"seed", required_argument, NULL, 'S'},
        {"exact", no_argument, NULL, 'x'},
        {0}};
    settings.seconds = 0.7;
    /* It does not see that a thread waited for what another process waited for,
     * and takes that for a race. */
    const char *sanitizers = getenv("SANITIZERS");
    if (sanitizers && strstr(sanitizers, "thread"))
        settings.processes = 0;
    settings.seed = (uint64_t)time(NULL) << 16 ^ (uint64_t)getpid();
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) > 0;)
        switch (option) {
        case 'l':
            settings.lock = optarg;
            break;
        case 'm':
            settings.shm = optarg;
            break;
        case 's':
            settings.seconds = strtod(optarg, NULL);
            break;
        case 'M':
            settings.seconds = strtod(optarg, NULL) * 60;
            break;
        case 'p':
            settings.processes = strtoul(optarg, NULL, 0);
            break;
        case 'e':
            settings.every_us = strtoul(optarg, NULL, 0);
            break;
        case 'S':
            settings.seed = strtoull(optarg, NULL, 0);
            break;
        case 'x':
            settings.exact = true;
            break;
        default:
            exit(2);
        }
    if (settings.processes >= WORKERS_MAX)
        bail("at most %d processes", WORKERS_MAX - 1);
}

int main(int argc, char **argv)
{
    need_proc();
    read_settings(argc, argv);
    char names[256];
    snprintf(names, sizeof names, "%s",
             settings.lock ? settings.lock : mm_query(NULL, "lock.variants"));
    for (char *rest = names, *name; (name = strtok_r(rest, ", ", &rest));)
        for (int exact = settings.exact; exact < 2; exact++)
            try_variant(name, exact);
    return done();
}
