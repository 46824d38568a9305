/* SPDX-License-Identifier: MIT */
/*
 * sweep.c -- a process may die between any two instructions of any operation.
 *
 * A child works on the heap and is single-stepped.  Whenever an instruction
 * changed the heap's control data, the heap is what the child's death would
 * leave: it is copied, repaired, and looked at, and the copy is put back before
 * the child goes on.  The live allocations must be those from before or those
 * from after the operation, everything else must be intact, and all of the pool
 * must come together again when all is freed.
 *
 * Repairs are stepped likewise, from the states that deaths left: whoever dies
 * while repairing is survived, too.
 *
 * Frozen children: the child stops at an instruction, others use the heap
 * without the lock, and it goes on.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "../children.h"
#include "fixture.h"

enum {
    REQUEST = 600 << 10,
    LIVE_MAX = 3000,
    STEP_MAX = 200000,
    CHANGE_MAX = 4096,
    REPAIRS_MAX = 2,     /* of one operation that are stepped themselves */
    FROZEN_MAX = 12,     /* places where a victim is frozen ... */
    FROZEN_STEPS = 6000, /* ... or fewer, that take so many steps */
    VICTIM = 1,
    SURVIVOR = 2,
};

struct block {
    char *ptr;
    size_t size;
};

struct live {
    struct block blocks[LIVE_MAX];
    size_t count;
};

struct scene {
    struct fixture fixture;
    char *ptr;            /* what the operation is about */
    _Atomic size_t *cell; /* of an exact call */
    char *cell_block;     /* where it lies */
    size_t cell_less;     /* blocks that are live besides */
    struct block named;   /* what the cell named first */
    size_t size;
    size_t align;
    const char *finding;
    struct live before;
    struct live after;
    struct live now;
    int state;       /* 0: as before; 2: as after */
    size_t may_leak; /* blocks that become live: 0 or 1 */
    char *copy;      /* what is put back */
    char *original;  /* as the setup left it */
    size_t steps;
    size_t changes[CHANGE_MAX]; /* steps that changed something */
    size_t change_count;
    size_t deaths;
    size_t repairs;
};

/* Told by a victim that came to the end. */
static struct report {
    _Atomic int ended;
    _Atomic int more; /* what its operation returned */
    int held;         /* the internal lock */
} * report;

/* --- live allocations ----------------------------------------------------- */

static int add_block(void *argument, void *ptr, size_t size)
{
    struct live *live = argument;
    if (live->count == LIVE_MAX)
        return 1;
    live->blocks[live->count++] = (struct block){ptr, size};
    return 0;
}

static bool collect(struct scene *scene, struct live *live)
{
    live->count = 0;
    return mmi_heap_walk(&scene->fixture.heap, add_block, live) == 0;
}

static const struct block *find_block(const struct live *live, const char *ptr)
{
    for (size_t i = 0; i < live->count; i++)
        if (live->blocks[i].ptr == ptr)
            return &live->blocks[i];
    return NULL;
}

/* Blocks of A that B has not, or has with another size. */
static size_t count_missing(const struct live *a, const struct live *b,
                            bool sizes)
{
    size_t missing = 0;
    for (size_t i = 0, k = 0; i < a->count; i++) {
        while (k < b->count && b->blocks[k].ptr < a->blocks[i].ptr)
            k++;
        missing += k == b->count || b->blocks[k].ptr != a->blocks[i].ptr ||
                   (sizes && b->blocks[k].size != a->blocks[i].size);
    }
    return missing;
}

static bool is_now(const struct scene *scene, const struct live *live,
                   bool sizes)
{
    return count_missing(live, &scene->now, sizes) == 0 &&
           count_missing(&scene->now, live, sizes) <= scene->may_leak;
}

/* 0 as before, 2 as after, -1 none of them.  A block that is in flight
 * may have lost its size. */
static int tell_state(const struct scene *scene)
{
    const struct live *before = &scene->before;
    const struct live *after = &scene->after;
    bool same = before->count == after->count &&
                count_missing(before, after, false) == 0;
    if (is_now(scene, after, same))
        return same && count_missing(before, after, true) == 0 ? scene->state
                                                               : 2;
    if (is_now(scene, before, same))
        return 0;
    return -1;
}

/* --- contents ------------------------------------------------------------- */

static void fill(const struct block *block)
{
    memset(block->ptr, (int)((uintptr_t)block->ptr >> 4), block->size);
}

static bool is_filled(const char *ptr, size_t size, const char *like)
{
    for (size_t i = 0; i < size; i++)
        if (ptr[i] != (char)((uintptr_t)like >> 4))
            return false;
    return true;
}

/* What lives before and after is untouched. */
static bool are_intact(struct scene *scene)
{
    for (size_t i = 0; i < scene->before.count; i++) {
        const struct block *block = &scene->before.blocks[i];
        const struct block *then = find_block(&scene->after, block->ptr);
        size_t size = block->size;
        const char *cell = (const char *)scene->cell;
        if (!then || (cell >= block->ptr && cell < block->ptr + size))
            continue;
        if (then->size < size)
            size = then->size;
        if (!is_filled(block->ptr, size, block->ptr))
            return false;
    }
    return true;
}

/* --- what a survivor does ------------------------------------------------- */

static void find(struct scene *scene, const char *finding)
{
    if (scene->finding)
        return;
    scene->finding = finding;
    diag("step %zu: %s (%s)", scene->steps, finding,
         mmi_fail_text() ? mmi_fail_text() : "-");
}

static void expect(struct scene *scene, bool condition, const char *finding)
{
    if (!condition)
        find(scene, finding);
}

/* Blocks come and go. */
static void use_heap(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    struct block blocks[24];
    uint64_t seed = scene->steps + 1;
    for (int i = 0; i < 24; i++) {
        size_t size = random_size(&seed, 6000);
        blocks[i] = (struct block){take(f, size), size};
        if (!blocks[i].ptr)
            continue;
        expect(scene, !find_block(&scene->now, blocks[i].ptr),
               "a live block was handed out");
        fill(&blocks[i]);
    }
    for (int i = 0; i < 24; i++) {
        if (!blocks[i].ptr)
            continue;
        expect(scene, is_filled(blocks[i].ptr, blocks[i].size, blocks[i].ptr),
               "new blocks overlap");
        expect(scene, give(f, blocks[i].ptr) == 0, "free failed");
    }
}

/* What is had from spans that there are is not forgotten by the repair. */
static void use_without_lock(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    static const size_t sizes[] = {48, 100, 700};
    char *blocks[3];
    f->hints.self = VICTIM; /* so that its spans are not avoided */
    for (int i = 0; i < 3; i++)
        blocks[i] = take(f, sizes[i]);
    f->hints.self = SURVIVOR;
    mmi_heap_repair(&f->heap);
    for (int i = 0; i < 3; i++)
        expect(scene,
               blocks[i] ? mmi_heap_sizeof(&f->heap, blocks[i]) == sizes[i] &&
                               give(f, blocks[i]) == 0
                         : errno == ENOMEM,
               "what a survivor took was forgotten");
}

static void check_sound(struct scene *scene)
{
    const char *fault = NULL;
    if (mmi_heap_check(&scene->fixture.heap) < 0)
        fault = "check finds damage";
    else
        fault = find_fault(&scene->fixture);
    if (fault)
        find(scene, fault);
}

/* What the dead had in magazines can be had. */
static void sweep_dead(struct scene *scene)
{
    struct heap *heap = &scene->fixture.heap;
    set(&heap->control->sweeps, 0);
    mmi_heap_enter(heap);
    mmi_heap_magazine_sweep(heap);
    mmi_heap_leave(heap);
    for (size_t i = 0; i < heap->owner_count; i++)
        expect(scene, heap->owners[i] == 0 || heap->owners[i] == SURVIVOR,
               "a dead thread still owns blocks");
}

/* Free everything: all pages are one run again. */
static void empty_heap(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    for (size_t i = 0; i < scene->now.count; i++)
        expect(scene, give(f, scene->now.blocks[i].ptr) == 0,
               "a live block could not be freed");
    mmi_heap_flush(&f->heap, &f->hints);
    expect(scene, mmi_heap_available(&f->heap) == REQUEST, "not all came back");
    size_t all = f->heap.unit_count << f->heap.unit_shift;
    expect(scene, take(f, all), "pages were lost");
    check_sound(scene);
}

/* Whoever the victim shared the block with frees it before anybody repairs:
 * that may be right or wrong, but it happens once. */
static void free_shared(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    struct heap_hints *hints = &f->hints;
    char *ptr = scene->cell ? scene->named.ptr : scene->ptr;
    static struct heap_hints saved;
    int held = report->held;
    saved = *hints;
    memset(hints, 0, sizeof *hints);
    hints->self = SURVIVOR;
    f->name = SURVIVOR;
    report->held = 0;

    /* From now on what it frees stays with it, and is used again. */
    hints->self = VICTIM; /* so that its spans are not avoided */
    char *first = take(f, 48);
    hints->self = SURVIVOR;
    expect(scene, !first || give(f, first) == 0, "free failed");
    const struct block *block = ptr ? find_block(&scene->before, ptr) : NULL;
    if (block && give(f, ptr) == 0) {
        char *again = take(f, block->size);
        mmi_heap_repair(&f->heap);
        expect(scene,
               again && mmi_heap_sizeof(&f->heap, again) == block->size &&
                   give(f, again) == 0,
               "a repair took a block away");
        expect(scene, give(f, again) < 0, "a block was freed twice");
    }
    collect(scene, &scene->now);
    for (int i = 0; i < 100; i++) {
        char *other = take(f, scene->before.blocks[i].size);
        expect(scene, !other || !find_block(&scene->now, other),
               "a live block was handed out");
        collect(scene, &scene->now);
    }
    check_sound(scene);
    *hints = saved;
    f->name = VICTIM;
    report->held = held;
}

/* The victim died here: everything must be right, once repaired. */
static void survive(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    struct heap_hints *hints = &f->hints;
    static struct heap_hints saved;
    saved = *hints;
    memset(hints, 0, sizeof *hints);
    hints->self = SURVIVOR;
    f->name = SURVIVOR;
    int held = report->held;
    report->held = 0; /* the dead leave it */
    scene->deaths++;

    /* The first one to come may look, repair, or just use the heap. */
    scene->now.count = 0;
    if (scene->deaths % 3 == 0)
        expect(scene, mmi_heap_repair(&f->heap) == 0, "repair failed");
    else if (scene->deaths % 3 == 1)
        use_without_lock(scene);
    expect(scene, collect(scene, &scene->now), "walk failed");
    check_sound(scene);

    if (scene->cell) {
        size_t at = *scene->cell;
        expect(scene, at == 0 || find_block(&scene->now, f->block + at) != NULL,
               "the cell names nothing");
        if (at != 0 && scene->named.size != 0)
            expect(scene,
                   is_filled(f->block + at,
                             scene->named.size < scene->size ? scene->named.size
                                                             : scene->size,
                             scene->named.ptr),
                   "what the cell names has other contents");
        expect(scene, scene->now.count == scene->cell_less + (at != 0 ? 1 : 0),
               "a block is lost");
    }
    int state = tell_state(scene);
    if (state < 0)
        diag("%zu live, %zu before, %zu after", scene->now.count,
             scene->before.count, scene->after.count);
    expect(scene, state >= 0, "the live allocations are neither old nor new");
    expect(scene, state < 0 || state >= scene->state,
           "the operation was undone");
    if (state > scene->state)
        scene->state = state;
    expect(scene, are_intact(scene), "contents changed");
    size_t cost = 0;
    for (size_t i = 0; i < scene->now.count; i++)
        cost += (size_t)cost_of(scene->now.blocks[i].size);
    expect(scene, mmi_heap_available(&f->heap) == REQUEST - cost,
           "available is wrong");

    use_heap(scene);
    mmi_heap_flush(&f->heap, hints);
    hints->mark_refused = false;
    sweep_dead(scene);
    check_sound(scene);
    size_t count = scene->now.count;
    collect(scene, &scene->now);
    expect(scene, scene->now.count == count, "use changed what is live");
    empty_heap(scene);
    *hints = saved;
    f->name = VICTIM;
    report->held = held;
}

/* --- stepping ------------------------------------------------------------- */

/* How many more are live now. */
typedef int operation(struct scene *scene);

static pid_t start_victim(struct scene *scene, operation *operate)
{
    report->ended = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        bail("fork: %s", strerror(errno));
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(77);
        raise(SIGSTOP);
        report->more = operate(scene);
        report->ended = 1;
        _exit(0);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            skip_all("this system does not let a process trace its children");
        bail("the victim did not stop");
    }
    return pid;
}

/* One instruction; false if it is done. */
static bool step(pid_t pid)
{
    int status;
    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0)
        bail("ptrace: %s", strerror(errno));
    if (waitpid(pid, &status, 0) != pid)
        bail("waitpid: %s", strerror(errno));
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
        bail("the victim ended with status %#x", (unsigned)status);
    return !report->ended;
}

static void end_victim(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static size_t metadata_size(const struct scene *scene)
{
    return (size_t)(scene->fixture.heap.payload - scene->fixture.block);
}

/* Repair the heap as it is, and die at each of its instructions, too. */
static int repair(struct scene *scene)
{
    mmi_heap_repair(&scene->fixture.heap);
    return 0;
}

static void survive_each_step(struct scene *scene, operation *operate,
                              char *copy, char *deeper);

static void survive_repairs(struct scene *scene, char *copy, char *deeper)
{
    size_t steps = scene->steps;
    int state = scene->state;
    int held = report->held;
    report->held = 0;
    survive_each_step(scene, repair, deeper, NULL);
    memcpy(scene->fixture.block, copy, scene->fixture.block_size);
    scene->steps = steps;
    scene->state = state;
    scene->repairs++;
    report->held = held;
    report->ended = 0; /* our own victim did not */
}

/* Let a child OPERATE, and look at the heap whenever it has changed.  COPY has
 * room for the heap, DEEPER too if repairs are to be stepped. */
static void survive_each_step(struct scene *scene, operation *operate,
                              char *copy, char *deeper)
{
    struct fixture *f = &scene->fixture;
    memcpy(copy, f->block, f->block_size);
    pid_t pid = start_victim(scene, operate);
    for (scene->steps = 0; step(pid) && !scene->finding; scene->steps++) {
        if (scene->steps > STEP_MAX)
            bail("the victim does not come to an end");
        if (memcmp(copy, f->block, metadata_size(scene)) == 0)
            continue;
        memcpy(copy, f->block, f->block_size);
        if (deeper && scene->change_count < CHANGE_MAX)
            scene->changes[scene->change_count++] = scene->steps;
        bool busy = get(&f->heap.control->busy) != 0;
        survive(scene);
        memcpy(f->block, copy, f->block_size);
        if (deeper && (scene->cell || scene->ptr)) {
            free_shared(scene);
            memcpy(f->block, copy, f->block_size);
        }
        if (busy && deeper && scene->repairs < REPAIRS_MAX &&
            scene->steps % 3 == 0 && !scene->finding)
            survive_repairs(scene, copy, deeper);
    }
    end_victim(pid);
}

/* --- scenarios ------------------------------------------------------------ */

/* The victim writes into what it got. */
static int spoil(char *ptr, size_t size)
{
    if (ptr)
        memset(ptr, 0xee, size < 64 ? size : 64);
    return ptr ? 1 : 0;
}

static int do_alloc(struct scene *scene)
{
    return spoil(take(&scene->fixture, scene->size), scene->size);
}

static int do_align(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    return spoil(
        mmi_heap_alloc_aligned(&f->heap, &f->hints, scene->align, scene->size),
        scene->size);
}

static int do_free(struct scene *scene)
{
    return give(&scene->fixture, scene->ptr) < 0 ? 0 : -1;
}

static int do_resize(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    mmi_heap_resize(&f->heap, &f->hints, scene->ptr, scene->size);
    return 0;
}

static int do_reset(struct scene *scene)
{
    mmi_heap_reset(&scene->fixture.heap);
    return 0;
}

static int do_flush(struct scene *scene)
{
    mmi_heap_flush(&scene->fixture.heap, &scene->fixture.hints);
    return 0;
}

/* Exact calls: the cell is the first word of a block that nothing else is done
 * to.  What it says and what is live change together. */
static int do_alloc_at(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    void *ptr =
        mmi_heap_alloc_at(&f->heap, &f->hints, scene->size, scene->cell);
    return ptr ? 1 : 0;
}

static int do_free_at(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    return mmi_heap_free_at(&f->heap, &f->hints, scene->cell) < 0 ? 0 : -1;
}

static int do_resize_at(struct scene *scene)
{
    struct fixture *f = &scene->fixture;
    mmi_heap_resize_at(&f->heap, &f->hints, scene->cell, scene->size);
    return 0;
}

static char *must_take(struct scene *scene, size_t size)
{
    char *ptr = take(&scene->fixture, size);
    if (!ptr)
        bail("cannot set a scene up: %s", mmi_fail_text());
    return ptr;
}

/* Some of everything: full spans, half-full ones, runs, gaps. */
static void set_up(struct scene *scene)
{
    char *some[12];
    make_heap_in(&scene->fixture, REQUEST, REQUEST);
    report->held = 0;
    for (int i = 0; i < 12; i++) {
        some[i] = must_take(scene, (size_t)20000 + 1000 * (size_t)(i % 3));
        must_take(scene, 100);
        must_take(scene, 700);
    }
    for (int i = 0; i < 70; i++)
        must_take(scene, 48);
    for (int i = 1; i < 12; i += 3)
        give(&scene->fixture, some[i]);
}

static void set_up_hint(struct scene *scene)
{
    set_up(scene);
    scene->size = 100;
}

static void set_up_no_hint(struct scene *scene)
{
    set_up_hint(scene);
    memset(&scene->fixture.hints, 0, sizeof scene->fixture.hints);
    scene->fixture.hints.self = VICTIM;
}

static void set_up_magazine(struct scene *scene)
{
    set_up(scene);
    char *first = must_take(scene, 64);
    char *second = must_take(scene, 60);
    char *third = must_take(scene, 50);
    give(&scene->fixture, first);
    give(&scene->fixture, second);
    give(&scene->fixture, third);
    if (scene->fixture.hints.magazines[3].top ==
        scene->fixture.hints.magazines[3].bottom)
        bail("the magazine is empty");
    scene->size = 55;
}

static void set_up_new_span(struct scene *scene)
{
    set_up(scene);
    scene->size = 30;
}

/* No pages are left, but a span is empty. */
static void set_up_reclaim(struct scene *scene)
{
    set_up(scene);
    char *some[40];
    for (int i = 0; i < 40; i++)
        some[i] = must_take(scene, 300);
    while (take(&scene->fixture, 17000))
        ;
    while (mmi_heap_alloc_aligned(&scene->fixture.heap, &scene->fixture.hints,
                                  2048, 1024))
        ;
    for (int i = 0; i < 40; i++)
        give(&scene->fixture, some[i]);
    scene->size = 30;
}

static void set_up_full(struct scene *scene)
{
    set_up_reclaim(scene);
    while (take(&scene->fixture, scene->size))
        ;
}

static void set_up_low(struct scene *scene)
{
    set_up(scene);
    size_t most = mmi_heap_available(&scene->fixture.heap);
    /* The budget is smaller than the pages here. */
    set(&scene->fixture.heap.control->unreserved, REQUEST / 16);
    scene->size = most > 10000 ? 100 : 0;
    scene->fixture.hints.allowance = 0;
}

static void set_up_large(struct scene *scene)
{
    set_up(scene);
    scene->size = 17000;
    scene->align = 8192;
}

static void set_up_exact(struct scene *scene)
{
    set_up(scene);
    scene->size = 21000;
}

/* Pages only after the blocks of a dead thread were freed. */
static void set_up_dead(struct scene *scene)
{
    set_up(scene);
    struct fixture *f = &scene->fixture;
    struct heap_hints dead = {.self = 9};
    f->name = 9;
    char *blocks[6];
    for (int i = 0; i < 6; i++)
        blocks[i] = mmi_heap_alloc(&f->heap, &dead, 16);
    for (int i = 0; i < 6; i++)
        mmi_heap_free(&f->heap, &dead, blocks[i]);
    if (dead.magazines[0].top == dead.magazines[0].bottom)
        bail("the dead kept nothing");
    while (take(f, 17000))
        ;
    while (take(f, 1500))
        ;
    f->name = VICTIM;
    f->hints.failed_run = 0;
    set(&f->heap.control->sweeps, 0);
    scene->may_leak = 1;
    scene->size = 1500;
}

static void set_up_free_hinted(struct scene *scene)
{
    set_up(scene);
    scene->ptr = must_take(scene, 100);
}

/* A word without a free block gets one. */
static void set_up_free_full(struct scene *scene)
{
    set_up(scene);
    scene->fixture.hints.mark_refused = true;
    scene->ptr = must_take(scene, 500);
    must_take(scene, 500);
}

static void set_up_free_magazine(struct scene *scene)
{
    set_up_magazine(scene);
    scene->ptr = must_take(scene, 64);
}

/* Three runs in a row between others, the middle one to be freed. */
static char *three_runs(struct scene *scene, char **left, char **right)
{
    set_up(scene);
    must_take(scene, 3000);
    *left = must_take(scene, 3000);
    char *middle = must_take(scene, 3000);
    *right = must_take(scene, 3000);
    must_take(scene, 3000);
    scene->ptr = middle;
    return middle;
}

static void set_up_no_neighbour(struct scene *scene)
{
    char *left;
    char *right;
    three_runs(scene, &left, &right);
    scene->size = 4000;
}

static void set_up_left(struct scene *scene)
{
    char *left;
    char *right;
    three_runs(scene, &left, &right);
    give(&scene->fixture, left);
    scene->size = 2000;
}

static void set_up_right(struct scene *scene)
{
    char *left;
    char *right;
    three_runs(scene, &left, &right);
    give(&scene->fixture, right);
    scene->size = 3100;
}

/* The neighbour on the right is as long as what is wanted. */
static void set_up_right_all(struct scene *scene)
{
    set_up_right(scene);
    scene->size = 6 << 10;
}

static void set_up_right_one(struct scene *scene)
{
    char *left;
    char *right;
    three_runs(scene, &left, &right);
    struct fixture *f = &scene->fixture;
    mmi_heap_resize(&f->heap, &f->hints, scene->ptr, 2 << 10);
    fill(&(struct block){scene->ptr, 2 << 10});
    scene->size = 3 << 10;
}

static void set_up_both(struct scene *scene)
{
    char *left;
    char *right;
    three_runs(scene, &left, &right);
    give(&scene->fixture, left);
    give(&scene->fixture, right);
    scene->size = 1;
}

static void set_up_resize_small(struct scene *scene)
{
    set_up(scene);
    scene->ptr = must_take(scene, 100);
    scene->size = 111;
}

static void set_up_move_small(struct scene *scene)
{
    set_up_resize_small(scene);
    scene->size = 300;
}

static void set_up_become_large(struct scene *scene)
{
    set_up_resize_small(scene);
    scene->size = 17000;
}

/* The cell names PTR, which may be NULL. */
static void name_cell(struct scene *scene, const char *ptr)
{
    char *block = must_take(scene, 200);
    scene->cell_block = block;
    scene->cell = (_Atomic size_t *)(void *)(block + 64);
    *scene->cell = ptr ? (size_t)(ptr - scene->fixture.block) : 0;
}

static void set_up_at_small(struct scene *scene)
{
    set_up(scene);
    name_cell(scene, NULL);
    scene->size = 100;
}

static void set_up_at_span(struct scene *scene)
{
    set_up_at_small(scene);
    scene->size = 30;
}

static void set_up_at_large(struct scene *scene)
{
    set_up_at_small(scene);
    scene->size = 17000;
}

static void set_up_at_free(struct scene *scene)
{
    set_up(scene);
    name_cell(scene, must_take(scene, 500));
    scene->size = 510;
}

static void set_up_at_move(struct scene *scene)
{
    set_up_at_free(scene);
    scene->size = 120;
    scene->fixture.hints.mark_refused = true;
    name_cell(scene, must_take(scene, 100));
}

static void set_up_at_grow(struct scene *scene)
{
    set_up_at_free(scene);
    scene->size = 17000;
}

static void set_up_at_run(struct scene *scene)
{
    set_up_both(scene);
    name_cell(scene, scene->ptr);
}

static void set_up_at_run_moves(struct scene *scene)
{
    set_up_no_neighbour(scene);
    name_cell(scene, scene->ptr);
    scene->size = 9000;
}

static void set_up_at_run_shrinks(struct scene *scene)
{
    set_up_no_neighbour(scene);
    name_cell(scene, scene->ptr);
    scene->size = 100;
}

static const struct scenario {
    const char *name;
    void (*set_up)(struct scene *scene);
    operation *operate;
    int more; /* what it returns if nobody disturbs it */
} scenarios[] = {
    {"alloc, by hint", set_up_hint, do_alloc, 1},
    {"alloc, without a hint", set_up_no_hint, do_alloc, 1},
    {"alloc, from a magazine", set_up_magazine, do_alloc, 1},
    {"alloc, a new span", set_up_new_span, do_alloc, 1},
    {"alloc, an empty span of another class", set_up_reclaim, do_alloc, 1},
    {"alloc, nothing left", set_up_full, do_alloc, 0},
    {"alloc, the budget is low", set_up_low, do_alloc, 1},
    {"alloc, large", set_up_large, do_alloc, 1},
    {"alloc, large, as long as a gap", set_up_exact, do_alloc, 1},
    {"alloc, large, aligned", set_up_large, do_align, 1},
    {"alloc, large, what the dead kept", set_up_dead, do_alloc, 1},
    {"free, by hint", set_up_free_hinted, do_free, -1},
    {"free, of a full word", set_up_free_full, do_free, -1},
    {"free, to a magazine", set_up_free_magazine, do_free, -1},
    {"free, large", set_up_no_neighbour, do_free, -1},
    {"free, large, left neighbour", set_up_left, do_free, -1},
    {"free, large, right neighbour", set_up_right, do_free, -1},
    {"free, large, both neighbours", set_up_both, do_free, -1},
    {"resize, small, in place", set_up_resize_small, do_resize, 0},
    {"resize, small, moves", set_up_move_small, do_resize, 0},
    {"resize, small becomes large", set_up_become_large, do_resize, 0},
    {"resize, shrinks", set_up_left, do_resize, 0},
    {"resize, shrinks to one unit", set_up_both, do_resize, 0},
    {"resize, extends", set_up_right, do_resize, 0},
    {"resize, extends over all", set_up_right_all, do_resize, 0},
    {"resize, extends by one unit", set_up_right_one, do_resize, 0},
    {"resize, large, moves", set_up_no_neighbour, do_resize, 0},
    {"reset", set_up_magazine, do_reset, 0},
    {"flush", set_up_magazine, do_flush, 0},
    {"exact alloc, small", set_up_at_small, do_alloc_at, 1},
    {"exact alloc, a new span", set_up_at_span, do_alloc_at, 1},
    {"exact alloc, large", set_up_at_large, do_alloc_at, 1},
    {"exact free, small", set_up_at_free, do_free_at, -1},
    {"exact free, large", set_up_at_run, do_free_at, -1},
    {"exact resize, in place", set_up_at_free, do_resize_at, 0},
    {"exact resize, small, moves", set_up_at_move, do_resize_at, 0},
    {"exact resize, small becomes large", set_up_at_grow, do_resize_at, 0},
    {"exact resize, large, moves", set_up_at_run_moves, do_resize_at, 0},
    {"exact resize, large, shrinks", set_up_at_run_shrinks, do_resize_at, 0},
};

static void restore(struct scene *scene, const char *original)
{
    memcpy(scene->fixture.block, original, scene->fixture.block_size);
}

static void open_scene(struct scene *scene, const struct scenario *scenario)
{
    memset(scene, 0, sizeof *scene);
    scenario->set_up(scene);
    struct fixture *f = &scene->fixture;
    f->held = &report->held;
    if (!collect(scene, &scene->before))
        bail("walk: %s", mmi_fail_text());
    size_t named_at = scene->cell ? *scene->cell : 0;
    for (size_t i = 0; i < scene->before.count; i++)
        fill(&scene->before.blocks[i]);
    if (scene->cell)
        *scene->cell = named_at;
    const struct block *named =
        find_block(&scene->before, scene->fixture.block + named_at);
    if (scene->cell && named)
        scene->named = *named;
    scene->cell_less = scene->before.count - (named_at != 0 ? 1 : 0);
    scene->copy = malloc(3 * f->block_size);
    if (!scene->copy)
        bail("no memory");
    scene->original = scene->copy + 2 * f->block_size;
    memcpy(scene->original, f->block, f->block_size);
    if (scenario->operate == do_flush)
        scene->may_leak = 1;

    /* Once in full: this is how it ends. */
    pid_t pid = fork();
    if (pid < 0)
        bail("fork: %s", strerror(errno));
    if (pid == 0)
        _exit(scenario->operate(scene) != scenario->more);
    if (end_child(pid) != 0)
        bail("%s: it did not what it should", scenario->name);
    if (!collect(scene, &scene->after))
        bail("walk: %s", mmi_fail_text());
    if (scenario->operate == do_reset && scene->after.count != 0)
        bail("a reset forgot nothing");
    restore(scene, scene->original);
}

static void close_scene(struct scene *scene)
{
    drop_heap(&scene->fixture);
    free(scene->copy);
}

static void try_deaths(struct scene *scene, const struct scenario *scenario)
{
    open_scene(scene, scenario);
    survive_each_step(scene, scenario->operate, scene->copy,
                      scene->copy + scene->fixture.block_size);
    if (!scene->finding && scene->state < 2 &&
        (scene->before.count != scene->after.count ||
         count_missing(&scene->before, &scene->after, true)))
        find(scene, "it never came to pass");
    ok(!scene->finding, "%s: %zu instructions, %zu states, %zu repairs",
       scenario->name, scene->steps, scene->deaths, scene->repairs);
    close_scene(scene);
}

/* --- frozen victims ------------------------------------------------------- */

static void let_go(struct scene *scene, pid_t pid)
{
    int status;
    if (ptrace(PTRACE_CONT, pid, NULL, NULL) < 0)
        bail("ptrace: %s", strerror(errno));
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        bail("the victim did not come to its end");
    expect(scene, report->ended, "the victim did not finish");
}

/* Blocks that the victim does not use come and go beside it.  How many more
 * there are. */
static int work_beside(struct scene *scene, struct block *taken, int count)
{
    static const size_t sizes[] = {100, 48, 300, 30, 55, 700, 2000, 500};
    struct fixture *f = &scene->fixture;
    uint64_t seed = scene->steps + 7;
    int more = 0;
    for (int i = 0; i < count; i++) {
        size_t size = sizes[i % 8];
        taken[i] = (struct block){take(f, size), size};
        more += taken[i].ptr != NULL;
        if (taken[i].ptr)
            fill(&taken[i]);
        size_t which = next_random(&seed) % scene->before.count;
        struct block *other = &scene->before.blocks[which];
        if (other->size != 0 && other->ptr != scene->ptr &&
            other->ptr != scene->named.ptr && other->ptr != scene->cell_block &&
            give(f, other->ptr) == 0) {
            other->size = 0;
            more--;
        }
        if (i % 3 == 2 && taken[i].ptr && give(f, taken[i].ptr) == 0) {
            taken[i].ptr = NULL;
            more--;
        }
    }
    return more;
}

static void freeze_at(struct scene *scene, operation *operate, size_t place)
{
    struct fixture *f = &scene->fixture;
    struct block taken[24];
    restore(scene, scene->original);
    collect(scene, &scene->before);
    size_t count = scene->before.count;
    struct heap_hints saved = f->hints;
    pid_t pid = start_victim(scene, operate);
    for (scene->steps = 0; scene->steps < place; scene->steps++)
        if (!step(pid))
            break;

    memset(&f->hints, 0, sizeof f->hints);
    f->hints.self = SURVIVOR;
    f->name = SURVIVOR;
    f->impatient = true;
    int more = work_beside(scene, taken, 24);
    f->impatient = false;
    let_go(scene, pid);

    check_sound(scene);
    expect(scene, collect(scene, &scene->now), "walk failed");
    expect(scene, (int)scene->now.count == (int)count + more + report->more,
           "the number of live allocations is wrong");
    for (int i = 0; i < 24; i++)
        expect(scene,
               !taken[i].ptr ||
                   is_filled(taken[i].ptr, taken[i].size, taken[i].ptr),
               "contents changed");
    mmi_heap_flush(&f->heap, &f->hints);
    f->hints.mark_refused = false;
    sweep_dead(scene);
    empty_heap(scene);
    f->hints = saved;
    f->name = VICTIM;
}

/* Anywhere, or just before something changes. */
static size_t pick_place(const struct scene *dead, uint64_t *seed)
{
    size_t place = next_random(seed) % dead->steps;
    if (next_random(seed) % 2 && dead->change_count > 0) {
        place = dead->changes[next_random(seed) % dead->change_count];
        place -= place > 3 ? next_random(seed) % 3 : 0;
    }
    return place;
}

static void try_frozen(const struct scene *dead,
                       const struct scenario *scenario)
{
    static struct scene scene;
    uint64_t seed = (uint64_t)getpid() * 2654435761u;
    open_scene(&scene, scenario);
    size_t places = FROZEN_STEPS / (dead->steps / 2 + 1) + 1;
    if (places > FROZEN_MAX)
        places = FROZEN_MAX;
    for (size_t i = 0; i < places && !scene.finding; i++)
        freeze_at(&scene, scenario->operate, pick_place(dead, &seed));
    ok(!scene.finding, "%s: frozen at %zu places", scenario->name, places);
    close_scene(&scene);
}

int main(void)
{
    static struct scene scene;
    const char *sanitizers = getenv("SANITIZERS");
    if (sanitizers && *sanitizers)
        skip_all("stepping through instrumented code takes too long");
    report = map_shared(PAGE_BYTES);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        try_deaths(&scene, &scenarios[i]);
        if (scenarios[i].operate != do_reset)
            try_frozen(&scene, &scenarios[i]);
    }
    return done();
}
