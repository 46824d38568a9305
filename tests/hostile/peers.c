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
#include <pthread.h>

#include "peer.h"
#include "surroundings.h"

#include "../shm/leaks.h"

enum {
    REQUEST = 80000,
    LARGE_REQUEST = 5 << 20, /* other units */
    CALL_SECONDS = 20,       /* no call may take so long */

};

static long run_ms = 170;
static char directory[200];

/* In shared memory, for the runner to look at when the victim is dead. */
static struct report {
    _Atomic size_t call;
    _Atomic size_t thread_call; /* of the other thread */
    _Atomic unsigned long long calls;
    struct peer_report peer;
    char finding[120];
} * report;

struct scene {
    const char *shm, *lock;
    size_t request;
    struct peer peer;
};

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

/* Every call, until something is found or the time is over. */
static void bear_it(struct guest *guest, struct chance *chance,
                    _Atomic size_t *at)
{
    struct timespec end = soon_enough(run_ms % 1000);
    end.tv_sec += run_ms / 1000;
    while (!guest->finding && !is_over(&end)) {
        size_t call = pick_call(chance);
        *at = call;
        report->calls++;
        alarm(CALL_SECONDS);
        calls[call].make(guest, chance);
    }
    alarm(CALL_SECONDS);
}

struct helper {
    struct guest guest;
    struct chance chance;
};

static void *bear_as_thread(void *argument)
{
    struct helper *helper = argument;
    bear_it(&helper->guest, &helper->chance, &report->thread_call);
    return NULL;
}

/* A child of the victim that never used the pool before. */
static int bear_as_child(void *argument, int number)
{
    struct helper *helper = argument;
    for (int i = 0; i < number && !helper->guest.finding; i++) {
        alarm(CALL_SECONDS);
        report->call = pick_call(&helper->chance);
        calls[report->call].make(&helper->guest, &helper->chance);
    }
    return helper->guest.finding != NULL;
}

/* The victim, one more thread of it, and then a child. */
static void bear_together(struct guest *guest, struct chance *chance)
{
    struct helper helper = {.guest = *guest,
                            .chance = {.state = chance->state + 1}};
    memset(helper.guest.slots, 0, sizeof helper.guest.slots);
    pthread_t thread;
    if (pthread_create(&thread, NULL, bear_as_thread, &helper) != 0)
        bail("pthread_create");
    bear_it(guest, chance, &report->call);
    pthread_join(thread, NULL);
    if (!guest->finding)
        guest->finding = helper.guest.finding;
    int status = end_child(start_child(bear_as_child, &helper, 200));
    if (!guest->finding && status != 0)
        guest->finding = status == 1 ? "a child found something"
                                     : "a child did not come to its end";
}

static int use_pool(struct scene *scene, MM *mm)
{
    struct chance chance = {.state = scene->peer.seed};
    struct guest guest = {.mm = mm, .request = scene->request, .wait_ms = 8};
    struct canaries canaries;

    aim(&scene->peer.target, mm);
    place_canaries(&canaries, scene->peer.target.base, scene->peer.target.size);
    warm_up(&guest, &chance);
    prepare_peer(&scene->peer, &report->peer);

    pid_t peer = start_child(scribble, &scene->peer, 0);
    bear_together(&guest, &chance);
    kill(peer, SIGKILL);
    if (end_child(peer) != 1000 + SIGKILL)
        return fail_with("the peer ended by itself");
    free(scene->peer.image);
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
    /* The threads get in each other's way when they silence it. */
    if (!freopen("/dev/null", "we", stderr))
        return 99;
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
        .shm = shm, .lock = lock, .request = request, .peer = {.seed = seed}};
    memset(report, 0, sizeof *report);
    int status = end_child(start_child(be_victim, &scene, 0));
    if (!ok(status == 0, "%s with %s, %zu bytes, bears a hostile peer", shm,
            lock, request))
        diag("ended with %d in %s and %s, seed %llu: %s", status,
             report->call < CALL_COUNT ? calls[report->call].name
                                       : "mm_destroy",
             calls[report->thread_call].name, (unsigned long long)seed,
             report->finding);
    else
        diag("%llu calls, %llu scribbles", report->calls, report->peer.damages);
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
    if (report->peer.unprivileged)
        ok(true, "the peers were another user");
    else
        skip(1, "the peers were the same user: only root can change that");
    judge_bystanders(&bystanders);
    is_int(rmdir(directory), 0, "no file is left");
    return done();
}
