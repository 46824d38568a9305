/* SPDX-License-Identifier: MIT */
/*
 * wakeups.c -- mm can do without whoever was woken and killed: holders, waiters
 * and those in between die at random instants, and nobody waits for ever.
 *
 *     wakeups.t [--lock=NAME] [--kills=N]
 *
 * Whoever gets in tells how long the lock had been free while it waited.  Only
 * a wait that is beyond all bounds fails; how many were so long that they ended
 * by looking again, instead of being woken, is told.
 */
#include "config.h"

#include <getopt.h>
#include <sys/prctl.h>

#include "../lock/world.h"

enum { WORKERS = 5, BOUND_MS = 30000 };

enum way { INTERNAL, WRITE, MIXED, UPGRADE, WAYS };
static const char *const way_names[WAYS] = {
    "internal lock", "writers", "readers, writers, upgrades", "upgrades"};

/* How long the lock was free: up to 1, 5, 20, 100, 1000 ms, and longer. */
enum { SPANS = 6 };
static const uint64_t span_us[SPANS] = {1000,   5000,    20000,
                                        100000, 1000000, UINT64_MAX};

static struct tally {
    _Atomic uint64_t freed; /* ns, when somebody left or was killed */
    _Atomic uint64_t turns;
    _Atomic uint64_t waits[SPANS];
    _Atomic uint64_t longest;
    _Atomic int wrong;
    volatile int first, second; /* equal unless somebody is alone inside */
} * tally;

static uint64_t ns_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void note_wait(uint64_t came)
{
    uint64_t now = ns_now(), freed = tally->freed;
    uint64_t since = freed > came ? freed : came;
    uint64_t us = now > since ? (now - since) / 1000 : 0;
    int span = 0;
    while (us > span_us[span])
        span++;
    tally->waits[span]++;
    if (us > tally->longest)
        tally->longest = us;
}

static void spin(unsigned turns)
{
    for (volatile unsigned i = 0; i < turns; i++)
        continue;
}

/* Inside, alone or as one of several readers. */
static void be_inside(bool alone, unsigned turns)
{
    if (!alone) {
        int seen = tally->first;
        spin(turns);
        /* They differ if a writer died. */
        if (tally->first != seen)
            tally->wrong++;
        return;
    }
    int mine = (int)mmi_thread_id();
    tally->first = mine;
    spin(turns);
    if (tally->first != mine)
        tally->wrong++;
}

static bool turn(struct world *world, enum way way, unsigned random)
{
    struct timespec deadline = soon(BOUND_MS);
    uint64_t came = ns_now();
    unsigned turns = random % 65536;
    enum lock_mode mode = way == UPGRADE || (way == MIXED && random >> 16 & 1)
                              ? LOCK_SHARED
                              : LOCK_EXCLUSIVE;
    if (way == INTERNAL ? mmi_lock_enter(&world->lock) < 0
                        : mmi_lock_acquire(&world->lock, mode, &deadline) < 0)
        return false;
    note_wait(came);
    be_inside(mode == LOCK_EXCLUSIVE, turns);
    if (way == UPGRADE || (mode == LOCK_SHARED && (random >> 17) % 4 == 0)) {
        deadline = soon(BOUND_MS);
        if (mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &deadline) == 0) {
            be_inside(true, turns);
            mmi_lock_release(&world->lock);
        } else if (errno != EDEADLK) {
            return false;
        }
    }
    tally->turns++;
    tally->freed = ns_now();
    if (way == INTERNAL)
        mmi_lock_leave(&world->lock);
    else
        mmi_lock_release(&world->lock);
    return true;
}

static pid_t start_worker(struct world *world, enum way way, unsigned random)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        bail("fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)!nice(5);
    while (getppid() == parent && turn(world, way, random)) {
        random = random * 1103515245 + 12345;
        /* Sometimes nobody wants it, so nobody else wakes who was forgotten. */
        if (random >> 28 == 0)
            nap((random >> 8) % 3000);
    }
    fprintf(stderr, "# %s: %s\n", world->name, mmi_fail_text());
    _exit(1);
}

static int kill_worker(pid_t pid)
{
    kill(pid, SIGKILL);
    tally->freed = ns_now();
    return end_child(pid) != 1000 + SIGKILL;
}

static void tell(const char *name, enum way way, long kills)
{
    diag("%s, %s: %ld kills, %llu turns; free for 1 ms or less %llu times, "
         "5 %llu, 20 %llu, 100 %llu, 1000 %llu, more %llu, at most %llu us",
         name, way_names[way], kills, (unsigned long long)tally->turns,
         (unsigned long long)tally->waits[0],
         (unsigned long long)tally->waits[1],
         (unsigned long long)tally->waits[2],
         (unsigned long long)tally->waits[3],
         (unsigned long long)tally->waits[4],
         (unsigned long long)tally->waits[5],
         (unsigned long long)tally->longest);
}

static void try_way(struct world *world, enum way way, long kills)
{
    pid_t pids[WORKERS];
    int bad = 0;
    memset(tally, 0, sizeof *tally);
    for (int i = 0; i < WORKERS; i++)
        pids[i] = start_worker(world, way, (unsigned)random());
    for (long i = 0; i < kills && bad == 0; i++) {
        nap(random() % 1000);
        int victim = (int)(random() % WORKERS);
        bad += kill_worker(pids[victim]);
        pids[victim] = start_worker(world, way, (unsigned)random());
    }
    for (int i = 0; i < WORKERS; i++)
        bad += kill_worker(pids[i]);
    ok(bad == 0 && tally->wrong == 0, "%s, %s: all got in, and were alone",
       world->name, way_names[way]);
    tell(world->name, way, kills);

    struct timespec deadline = soon(BOUND_MS);
    bool is_free =
        mmi_lock_acquire(&world->lock, LOCK_EXCLUSIVE, &deadline) == 0 &&
        mmi_lock_release(&world->lock) == 0 &&
        mmi_lock_enter(&world->lock) == 0;
    if (is_free)
        mmi_lock_leave(&world->lock);
    struct lock_state state;
    ok(is_free && mmi_lock_state(&world->lock, &state) == 0 &&
           state.holder == 0 && state.readers == 0 && state.depth == 0,
       "%s: free in the end, nobody counted as a reader", world->name);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"lock", required_argument, NULL, 'l'},
        {"kills", required_argument, NULL, 'k'},
        {0}};
    const char *name = NULL;
    long kills = 80;
    need_proc();
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) > 0;)
        if (option == 'l')
            name = optarg;
        else if (option == 'k')
            kills = strtol(optarg, NULL, 0);
        else
            exit(2);
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED)
        bail("mmap: %s", strerror(errno));
    unsigned seed = (unsigned)getpid() ^ (unsigned)time(NULL);
    diag("seed %u", seed);
    srandom(seed);
    for (size_t i = 0; mmi_lock_at(i); i++) {
        struct world world;
        if (name && strcmp(name, mmi_lock_at(i)->name) != 0)
            continue;
        make_world(&world, mmi_lock_at(i), BOUND_MS);
        for (int way = INTERNAL; way < WAYS; way++)
            try_way(&world, (enum way)way, kills);
        end_world(&world);
    }
    return done();
}
