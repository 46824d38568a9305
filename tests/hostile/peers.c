/* SPDX-License-Identifier: MIT */
/*
 * peers.c -- a privileged parent can use a pool that its unprivileged child
 * writes to as it likes: each call ends in time, hands out nothing beyond the
 * pool, and touches nothing else.
 *
 * All shared-memory variants with all locks that claim safety from peers.
 * PTHREAD does not: the C library keeps addresses in its mutexes.  That a peer
 * truncates the file of MMFILE or MMPOSX is not tried; it takes the right to
 * write to the file, and VARIANTS.md tells what comes of it.
 *
 * --long: more of the same.
 */
#include <grp.h>

#include "base/life.h"
#include "calls.h"
#include "damage.h"
#include "surroundings.h"

#include "../shm/leaks.h"

enum {
    REQUEST = 80000,
    LARGE_REQUEST = 5 << 20, /* other units */
    CALL_SECONDS = 20,       /* no call may take so long */
    NOBODY = 65534,
};

static long run_ms = 170;
static char directory[200];

/* In shared memory, for the runner to look at when the victim is dead. */
static struct report {
    _Atomic size_t call;
    _Atomic unsigned long long calls;
    _Atomic unsigned long long damages;
    _Atomic int unprivileged;
    char finding[120];
} * report;

struct scene {
    const char *shm, *lock;
    uint64_t seed;
    size_t request;
    struct target target;
    struct chance chance;
    char *image; /* of the control data, while it was sound */
};

/* --- the peer ------------------------------------------------------------- */

static bool drop_privileges(void)
{
    return geteuid() == 0 && setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 &&
           setuid(NOBODY) == 0;
}

static void nap(size_t us)
{
    struct timespec time = {0, (long)us * 1000};
    nanosleep(&time, NULL);
}

/* All as it was, so that there is something to damage again.  For whoever works
 * meanwhile this is damage, too. */
static void heal(struct scene *scene)
{
    const struct target *target = &scene->target;
    size_t lead = (size_t)((char *)target->mm - target->base);
    size_t lock = lead < 4096 ? lead : 4096;
    memcpy(target->base, scene->image, lock);
    memcpy(target->base + lead, scene->image + lead,
           target->control_size - lead);
}

/* As a process may that is only slow: the lock is taken the usual way. */
static void hold_lock(struct scene *scene)
{
    struct lock *lock = &mmi_pool_find(scene->target.mm)->segment->lock;
    struct timespec deadline = soon_enough(5);
    if (mmi_lock_enter(lock) == 0) {
        nap(15000);
        mmi_lock_leave(lock);
    }
    if (mmi_lock_acquire(lock, LOCK_EXCLUSIVE, &deadline) == 0) {
        nap(15000);
        mmi_lock_release(lock);
    }
}

static void damage(struct scene *scene, size_t way)
{
    switch (way) {
    case 0:
    case 1:
    case 2:
        damage_heap(&scene->target, &scene->chance);
        break;
    case 3:
        damage_lock(&scene->target, &scene->chance);
        break;
    case 4:
        damage_bytes(&scene->target, &scene->chance);
        break;
    default:
        damage_by_replay(&scene->target, &scene->chance, scene->image);
        break;
    }
}

__attribute__((noreturn)) static int scribble(void *argument, int number)
{
    struct scene *scene = argument;
    struct chance *chance = &scene->chance;
    report->unprivileged = drop_privileges();
    *chance = (struct chance){.state = scene->seed + (uint64_t)number + 1};
    scene->target.names[1] = (uint64_t)getpid();
    scene->target.names[2] = mmi_life_self()->name;
    for (;;) {
        if (pick(chance, 3) == 0) {
            heal(scene);
            nap(pick(chance, 400));
        }
        size_t way = pick(chance, 8);
        size_t count = (size_t)1 << pick(chance, 9);
        if (way == 6 && pick(chance, 10) == 0)
            hold_lock(scene);
        for (size_t i = 0; i < count; i++)
            damage(scene, way < 6 ? way : pick(chance, 6));
        report->damages += count;
        if (way == 3)
            poke(scene->target.base, 8, 0);
        if (pick(chance, 2))
            nap(pick(chance, 300));
    }
}

/* --- the victim ----------------------------------------------------------- */

static int fail_with(const char *finding)
{
    snprintf(report->finding, sizeof report->finding, "%s", finding);
    return 1;
}

static void warm_up(struct guest *guest, struct chance *chance)
{
    for (int i = 0; i < 400; i++)
        calls[i % 5].make(guest, chance);
    for (size_t i = 0; i < CALL_COUNT; i++)
        calls[i].make(guest, chance);
}

static bool is_over(const struct timespec *end)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > end->tv_sec ||
           (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

static void bear_it(struct guest *guest, struct chance *chance)
{
    struct timespec end = soon_enough(run_ms % 1000);
    end.tv_sec += run_ms / 1000;
    while (!guest->finding && !is_over(&end)) {
        size_t call = pick_call(chance);
        report->call = call;
        report->calls++;
        alarm(CALL_SECONDS);
        calls[call].make(guest, chance);
    }
    alarm(CALL_SECONDS);
}

static int use_pool(struct scene *scene, MM *mm)
{
    struct chance chance = {.state = scene->seed};
    struct guest guest = {.mm = mm, .request = scene->request, .wait_ms = 8};
    struct canaries canaries;

    aim(&scene->target, mm);
    scene->target.names[0] = mmi_life_self()->name;
    scene->target.names[3] = UINT64_C(0x12345678) << 32 | 0x2fffffff;
    place_canaries(&canaries, scene->target.base, scene->target.size);
    scene->image = malloc(scene->target.control_size);
    if (!scene->image)
        bail("no memory");
    warm_up(&guest, &chance);
    memcpy(scene->image, scene->target.base, scene->target.control_size);

    pid_t peer = start_child(scribble, scene, 0);
    bear_it(&guest, &chance);
    kill(peer, SIGKILL);
    if (end_child(peer) != 1000 + SIGKILL)
        return fail_with("the peer ended by itself");
    free(scene->image);
    report->call = CALL_COUNT;
    mm_destroy(mm);
    bool well = are_canaries_well(&canaries);
    remove_canaries(&canaries);
    if (guest.finding)
        return fail_with(guest.finding);
    return well ? 0 : fail_with("a store went beyond the pool");
}

static int be_victim(void *argument, int number)
{
    static char before[MAPS_SIZE], after[MAPS_SIZE];
    struct scene *scene = argument;
    char options[120];
    (void)number;
    snprintf(options, sizeof options, "shm=%s,lock=%s,lock.timeout=8ms",
             scene->shm, scene->lock);
    setenv("MM_OPTIONS", options, 1);
    MM *mm = mm_create(scene->request, "pool");
    if (!mm)
        return fail_with(mm_error());
    struct guest guest = {.mm = mm, .request = scene->request};
    struct chance chance = {.state = 1};
    warm_up(&guest, &chance);
    mm_destroy(mm);

    struct footprint footprint = take_footprint(directory);
    read_mappings(before);
    mm = mm_create(scene->request, "pool");
    if (!mm)
        return fail_with(mm_error());
    int result = use_pool(scene, mm);
    if (result != 0)
        return result;
    read_mappings(after);
    if (strcmp(before, after) != 0)
        return fail_with("other mappings changed");
    struct footprint now = take_footprint(directory);
    if (memcmp(&now, &footprint, sizeof now) != 0)
        return fail_with("something is left over");
    return 0;
}

/* --- all pairs ------------------------------------------------------------ */

static void test_pair(const char *shm, const char *lock, uint64_t seed,
                      size_t request)
{
    struct scene scene = {
        .shm = shm, .lock = lock, .seed = seed, .request = request};
    memset(report, 0, sizeof *report);
    int status = end_child(start_child(be_victim, &scene, 0));
    if (!ok(status == 0, "%s with %s, %zu bytes, bears a hostile peer", shm,
            lock, request))
        diag("ended with %d in %s, seed %llu: %s", status,
             report->call < CALL_COUNT ? calls[report->call].name
                                       : "mm_destroy",
             (unsigned long long)seed, report->finding);
    else
        diag("%llu calls, %llu scribbles", report->calls, report->damages);
    /* A victim that crashed could not. */
    unlink("pool.mem");
}

int main(int argc, char **argv)
{
    need_proc();
    if (argc > 1 && strcmp(argv[1], "--long") == 0)
        run_ms = 1500;
    report = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    make_directory(directory, sizeof directory);
    if (chdir(directory) < 0)
        bail("chdir: %s", strerror(errno));
    setenv("TMPDIR", directory, 1);
    struct bystanders bystanders;
    place_bystanders(&bystanders);

    uint64_t seed = (uint64_t)time(NULL) * 1000003;
    for (size_t i = 0; i < mmi_shm_count(); i++) {
        const char *shm = mmi_shm_at(i)->name;
        if (skips_variant(shm))
            continue;
        for (size_t k = 0; k < mmi_lock_count(); k++) {
            if (!(mmi_lock_at(k)->traits & LOCK_SAFE_FROM_PEERS))
                continue;
            test_pair(shm, mmi_lock_at(k)->name, seed++, REQUEST);
        }
        test_pair(shm, mmi_lock_at(0)->name, seed++, LARGE_REQUEST);
    }
    if (report->unprivileged)
        ok(true, "the peers were another user");
    else
        skip(1, "the peers were the same user: only root can change that");
    judge_bystanders(&bystanders);
    is_int(rmdir(directory), 0, "no file is left");
    return done();
}
