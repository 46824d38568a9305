/* SPDX-License-Identifier: MIT */
/*
 * processes.c -- several processes use one heap, hand blocks to each other, and
 * are killed at any time.
 */
#include <signal.h>
#include <time.h>

#include "../children.h"
#include "fixture.h"

enum { BOXES = 64, WORKERS = 4, DEATHS = 60 };

/* The head of every block that is handed on. */
struct letter {
    uint64_t size;
    uint64_t seed;
};

struct team {
    struct fixture fixture;
    _Atomic(struct letter *) *boxes; /* in shared memory */
    size_t most;
    int rounds; /* 0: without end */
};

static void open_team(struct team *team, size_t request, size_t most)
{
    memset(team, 0, sizeof *team);
    make_heap(&team->fixture, request);
    share_heap(&team->fixture);
    team->boxes = map_shared(PAGE_BYTES);
    team->most = most;
}

static void close_team(struct team *team)
{
    munmap(team->boxes, PAGE_BYTES);
    drop_heap(&team->fixture);
}

static void write_letter(struct letter *letter, size_t size, uint64_t seed)
{
    unsigned char *bytes = (unsigned char *)letter;
    for (size_t i = sizeof *letter; i < size; i++)
        bytes[i] = (unsigned char)(seed >> i % 57);
    letter->size = size;
    letter->seed = seed;
}

static bool is_letter(struct fixture *f, const struct letter *letter)
{
    const unsigned char *bytes = (const unsigned char *)letter;
    if (mmi_heap_sizeof(&f->heap, letter) != letter->size)
        return false;
    for (size_t i = sizeof *letter; i < letter->size; i++)
        if (bytes[i] != (unsigned char)(letter->seed >> i % 57))
            return false;
    return true;
}

/* Put letters into boxes; read, resize or throw away what was there. */
static int correspond(void *argument, int number)
{
    struct team *team = argument;
    struct fixture *f = &team->fixture;
    join_heap(f);
    uint64_t seed = (uint64_t)number * 7919 + (uint64_t)getpid();
    for (int i = 0; team->rounds == 0 || i < team->rounds; i++) {
        size_t size = sizeof(struct letter) + random_size(&seed, team->most);
        struct letter *letter = (struct letter *)(void *)take(f, size);
        if (!letter && errno != ENOMEM)
            return 1;
        if (letter)
            write_letter(letter, size, next_random(&seed));
        letter =
            atomic_exchange(&team->boxes[next_random(&seed) % BOXES], letter);
        if (!letter)
            continue;
        if (!is_letter(f, letter))
            return 2;
        if (next_random(&seed) % 4 == 0) {
            struct letter *moved =
                mmi_heap_resize(&f->heap, &f->hints, letter, size);
            if (moved)
                letter = moved;
            else if (errno != ENOMEM)
                return 3;
        }
        if (give(f, (char *)letter) < 0)
            return 4;
    }
    return 0;
}

static bool empty_boxes(struct team *team)
{
    bool right = true;
    for (int i = 0; i < BOXES; i++) {
        struct letter *letter = atomic_exchange(&team->boxes[i], NULL);
        right =
            right && (!letter || (is_letter(&team->fixture, letter) &&
                                  give(&team->fixture, (char *)letter) == 0));
    }
    return right;
}

/* All pages can be had in one piece, whatever the dead had kept. */
static bool is_empty(struct fixture *f)
{
    mmi_heap_flush(&f->heap, &f->hints);
    char *all = NULL;
    for (int i = 0; i < 5000 && !all; i++)
        all = take(f, (f->heap.request - 16) & ~(size_t)7);
    return all && give(f, all) == 0 &&
           mmi_heap_available(&f->heap) == f->heap.request;
}

static void try_letters(size_t request, size_t most, int rounds)
{
    static struct team team;
    open_team(&team, request, most);
    team.rounds = rounds;
    children_ok(WORKERS, correspond, &team, "handing blocks to each other");
    ok(empty_boxes(&team), "what they left is whole");
    ok(mmi_heap_available(&team.fixture.heap) == request, "nothing was lost");
    is_sound(&team.fixture, "after correspondence");
    ok(is_empty(&team.fixture), "%zu bytes can be had in one piece", request);
    close_team(&team);
}

static int free_any(void *argument, void *ptr, size_t size)
{
    struct team *team = argument;
    (void)size;
    return give(&team->fixture, ptr);
}

static int count_any(void *argument, void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
    ++*(int *)argument;
    return 0;
}

static void try_deaths(size_t request, size_t most)
{
    static struct team team;
    open_team(&team, request, most);
    struct fixture *f = &team.fixture;
    uint64_t seed = (uint64_t)time(NULL) * 31 + 1;
    pid_t workers[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start_child(correspond, &team, i);
    int killed = 0;
    int failed = 0;
    while (killed < DEATHS) {
        struct timespec pause = {0, (long)(next_random(&seed) % 4000000)};
        nanosleep(&pause, NULL);
        int i = (int)(next_random(&seed) % WORKERS);
        kill(workers[i], SIGKILL);
        failed += end_child(workers[i]) != 1000 + SIGKILL;
        workers[i] = start_child(correspond, &team, i);
        killed++;
        if (killed % 10 == 0 && mmi_heap_check(&f->heap) < 0) {
            diag("check: %s", mmi_fail_text());
            failed++;
        }
    }
    for (int i = 0; i < WORKERS; i++, killed++) {
        kill(workers[i], SIGKILL);
        failed += end_child(workers[i]) != 1000 + SIGKILL;
    }
    ok(failed == 0, "%d processes were killed, none saw damage", killed);
    ok(mmi_heap_repair(&f->heap) == 0, "what the last ones left is repaired");
    is_sound(f, "after deaths");
    ok(empty_boxes(&team), "all letters in boxes are whole");
    /* Each had one in its hands, and one in flight. */
    int lost = 0;
    mmi_heap_walk(&f->heap, count_any, &lost);
    ok(lost <= 2 * killed, "%d blocks were lost", lost);
    ok(mmi_heap_walk(&f->heap, free_any, &team) == 0, "they can be freed");
    is_sound(f, "after that");
    ok(is_empty(f), "%zu bytes can be had in one piece", request);
    close_team(&team);
}

/* --- magazines ------------------------------------------------------------ */

/* Die with as much as possible in magazines. */
static int keep_and_die(void *argument, int number)
{
    struct team *team = argument;
    struct fixture *f = &team->fixture;
    join_heap(f);
    (void)number;
    for (unsigned class = 0; class < 16; class ++) {
        char *blocks[12];
        for (int i = 0; i < 12; i++)
            blocks[i] = take(f, mmi_heap_class_size[class]);
        for (int i = 0; i < 12; i++)
            if (blocks[i] && give(f, blocks[i]) < 0)
                return 1;
    }
    return f->hints.mark == 0 ? 2 : 0;
}

static size_t count_until_full(struct fixture *f, size_t size)
{
    size_t count = 0;
    while (take(f, size))
        count++;
    return count;
}

static void try_dead_magazines(size_t size)
{
    static struct team team;
    size_t room = 3 << 20;
    make_heap_in(&team.fixture, room, room);
    size_t fresh = count_until_full(&team.fixture, size);
    drop_heap(&team.fixture);

    memset(&team, 0, sizeof team);
    make_heap_in(&team.fixture, room, room);
    share_heap(&team.fixture);
    children_ok(8, keep_and_die, &team, "dying with full magazines");
    size_t then = count_until_full(&team.fixture, size);
    ok(then == fresh, "then there are %zu times %zu bytes, %zu in a fresh heap",
       then, size, fresh);
    struct heap_stat stat;
    mmi_heap_stat(&team.fixture.heap, &stat);
    /* Of the smallest blocks, the budget is used up before the pages are. */
    if (size > 16)
        ok(stat.dead_owners == 8 && stat.reclaimed > 0 &&
               stat.reclaimed % 8 == 0,
           "%zu dead are counted, and %zu blocks of theirs", stat.dead_owners,
           stat.reclaimed);
    is_sound(&team.fixture, "after that");
    drop_heap(&team.fixture);
}

static int take_all(void *argument, int number)
{
    struct team *team = argument;
    struct fixture *f = &team->fixture;
    join_heap(f);
    (void)number;
    for (char *ptr; (ptr = take(f, 64));)
        if (ptr == (char *)(void *)atomic_load(&team->boxes[0]))
            return 1;
    return 0;
}

static void try_inheritance(void)
{
    static struct team team;
    open_team(&team, 1 << 20, 0);
    struct fixture *f = &team.fixture;
    char *other = take(f, 64);
    char *ptr = take(f, 64);
    give(f, other);
    give(f, ptr);
    ok(f->hints.mark != 0, "the parent has a magazine");
    team.boxes[0] = (struct letter *)(void *)ptr;
    int status = end_child(start_child(take_all, &team, 0));
    is_int(status, 0, "a child never gets what its parent keeps");
    ok(mmi_heap_sizeof(&f->heap, ptr) == SIZE_MAX, "nor is it live");
    close_team(&team);
}

/* --- many, one after the other ---------------------------------------------
 */

static int leave_one(void *argument, int number)
{
    struct team *team = argument;
    struct fixture *f = &team->fixture;
    join_heap(f);
    for (unsigned i = 0; i < 6; i++) {
        unsigned class = ((unsigned)number + 5 * i) % 30;
        char *ptr = take(f, mmi_heap_class_size[class]);
        char *more = take(f, mmi_heap_class_size[class]);
        if (!ptr || !more || give(f, more) < 0)
            return 1;
        if ((i != 0 || number % 5 != 0) && give(f, ptr) < 0)
            return 1;
    }
    return 0;
}

static void try_many(size_t request, int count)
{
    static struct team team;
    open_team(&team, request, 0);
    struct fixture *f = &team.fixture;
    int failed = 0;
    for (int i = 0; i < count; i++)
        failed += end_child(start_child(leave_one, &team, i)) != 0;
    is_int(failed, 0, "children came and went");
    is_sound(f, "after them");
    struct heap_stat stat;
    mmi_heap_stat(&f->heap, &stat);
    is_int((long long)stat.used_count, (count + 4) / 5,
           "every fifth left a block");
    ok(take(f, request / 2), "half of %zu bytes can be had after %d", request,
       count);
    is_sound(f, "with half of it in one piece");
    close_team(&team);
}

int main(void)
{
    try_letters(16 << 20, 3000, 20000);
    try_letters(8 << 20, 100000, 4000);
    try_letters(65536, 500, 20000);
    try_deaths(1 << 20, 3000);
    try_deaths(16 << 20, 100000);
    try_dead_magazines(16);
    try_dead_magazines(64);
    try_dead_magazines(6000);
    try_dead_magazines(30000);
    try_inheritance();
    try_many(16 << 20, 10000);
    return done();
}
