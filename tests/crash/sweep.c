/* SPDX-License-Identifier: MIT */
/*
 * sweep.c -- one scene: recorded once, and died in at every instruction.
 */
#include "config.h"

#include <sys/wait.h>
#include <time.h>

#include "heap/heap_layout.h"

#include "../tap.h"
#include "crash.h"

enum { SHOWN_MAX = 3, TRY_MAX = 40, MEND_POINTS = 24 };

struct sweep {
    const struct scene *scene;
    struct image start;  /* the scene set up */
    struct image dead;   /* what a victim left */
    struct image shadow; /* what it looked like a while ago */
    struct path path;    /* of the victim */
    struct path mending; /* of who repairs */
    unsigned char *busy; /* by step: there was something to repair */
    uint32_t *points;    /* steps to die at */
    size_t count;
    struct row *row;
    int state; /* of the step before */
    int died;
    int turns; /* how often that changed */
    size_t shown;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static pid_t start(struct sweep *sweep)
{
    image_restore(&sweep->start);
    report->stage.result = NULL;
    return start_victim(sweep->scene->warm_up, sweep->scene->operate,
                        options.threads);
}

static void show(struct sweep *sweep, const struct path *path, size_t step,
                 const char *what)
{
    if (sweep->shown++ < SHOWN_MAX)
        diag("%s, step %zu at %#lx: %s (seed %llu)", what, step,
             (unsigned long)(step < path->count ? code_offset(path->pc[step])
                                                : 0),
             report->finding, (unsigned long long)report->seed);
}

/* Let a survivor judge, and count. */
static bool count_verdict(struct sweep *sweep, const struct path *path,
                          size_t step, const char *what)
{
    int verdict = judge(survive);
    sweep->row->points++;
    sweep->row->hangs += verdict == 2;
    sweep->row->corruptions += verdict == 1;
    if (verdict != 0)
        show(sweep, path, step, what);
    else if (report->lost > sweep->row->lost)
        sweep->row->lost = report->lost;
    return verdict == 0;
}

static void count_finding(struct sweep *sweep, const struct path *path,
                          size_t step, const char *finding)
{
    snprintf(report->finding, sizeof report->finding, "%s", finding);
    sweep->row->corruptions++;
    show(sweep, path, step, "afterwards");
}

static size_t end_and_sweep(const struct sweep *sweep, pid_t pid)
{
    bool creates = sweep->scene->flags & SCENE_CREATES;
    if (creates)
        left_note(pid);
    end_victim(pid);
    return creates ? left_sweep(pid) : 0;
}

/* Bring a new victim to STEP; 0 if it does not get there.  Where its number
 * makes a difference, another one may. */
static pid_t bring_to(struct sweep *sweep, size_t step)
{
    enum arrival arrival = LOST_WAY;
    for (int tries = 0; tries < TRY_MAX && arrival != HANGS; tries++) {
        pid_t pid = start(sweep);
        if (pid == 0)
            arrival = HANGS;
        else if (step == sweep->path.count)
            arrival = let_go(pid) ? ARRIVED : HANGS;
        else
            arrival = run_to(pid, &sweep->path, step);
        if (arrival == ARRIVED)
            return pid;
        if (pid != 0)
            sweep->row->left += end_and_sweep(sweep, pid);
    }
    sweep->row->points++;
    sweep->row->hangs += arrival == HANGS;
    sweep->row->missed += arrival != HANGS;
    if (arrival == HANGS) {
        snprintf(report->finding, sizeof report->finding,
                 "the victim does not get there");
        show(sweep, &sweep->path, step, "before");
    }
    return 0;
}

static void kill_it(struct sweep *sweep, pid_t pid)
{
    sweep->row->left += end_and_sweep(sweep, pid);
}

/* --- the ways of dying
 * -------------------------------------------------------- */

static bool is_busy(void)
{
    const struct control *control = report->stage.mm;
    return get(&control->busy) != 0;
}

/* An operation that came to pass stays so at each later step; and so does that
 * its victim is missed as the holder of the lock, or not. */
static void check_order(struct sweep *sweep, size_t step)
{
    if (report->state < sweep->state)
        count_finding(sweep, &sweep->path, step, "what was done is undone");
    sweep->state = report->state;
    if (step != 0 && report->owner_died != sweep->died && sweep->turns++ > 0)
        count_finding(sweep, &sweep->path, step,
                      "its death is told now and then");
    sweep->died = report->owner_died;
    unsigned flags = sweep->scene->flags;
    bool wrote = (step == 0 && flags & SCENE_WRITES) ||
                 (step == sweep->path.count && flags & SCENE_WROTE);
    if (wrote && !report->owner_died)
        count_finding(sweep, &sweep->path, step, "nobody is told of its death");
    if (!(flags & SCENE_LOCKED) && !options.threads && report->owner_died)
        count_finding(sweep, &sweep->path, step,
                      "a death is told that does not matter");
}

static void die_plainly(struct sweep *sweep, size_t step)
{
    pid_t pid = bring_to(sweep, step);
    if (pid == 0)
        return;
    kill_it(sweep, pid);
    if (step < sweep->path.count)
        sweep->busy[step] = is_busy();
    report->base = report->before;
    report->frozen = false;
    report->reused = false;
    report->seed = options.seed + step;
    if (count_verdict(sweep, &sweep->path, step, "killed"))
        check_order(sweep, step);
}

static void die_frozen(struct sweep *sweep, size_t step)
{
    pid_t pid = bring_to(sweep, step);
    if (pid == 0)
        return;
    report->base = report->before;
    report->frozen = true;
    report->reused = false;
    report->seed = options.seed + step;
    if (judge(work_beside) != 0) {
        sweep->row->points++;
        sweep->row->corruptions++;
        show(sweep, &sweep->path, step, "the peer of a frozen victim");
        end_victim(pid);
        return;
    }
    bool goes_on = (options.seed + step) % 2;
    if (goes_on && step < sweep->path.count && !let_go(pid)) {
        end_victim(pid);
        sweep->row->points++;
        sweep->row->hangs++;
        snprintf(report->finding, sizeof report->finding, "it does not go on");
        show(sweep, &sweep->path, step, "frozen");
        return;
    }
    kill_it(sweep, pid);
    count_verdict(sweep, &sweep->path, step,
                  goes_on ? "frozen, went on" : "frozen, killed");
}

static void get_ready(struct stage *stage)
{
    (void)stage;
    get_ready_to_mend();
}

static void operate_mend(struct stage *stage)
{
    (void)stage;
    mend();
}

static bool is_enough(const struct sweep *sweep)
{
    return options.stops && sweep->row->hangs + sweep->row->corruptions > 0;
}

static size_t count_news(const struct path *path)
{
    size_t count = 0;
    for (size_t i = 0; i < path->count; i++)
        count += path->news[i];
    return count;
}

/* Who repairs what a victim left at STEP dies, too, at some of his steps. */
static void die_mending(struct sweep *sweep, size_t step, size_t count)
{
    pid_t pid = bring_to(sweep, step);
    if (pid == 0)
        return;
    kill_it(sweep, pid);
    image_save(&sweep->dead);
    report->base = report->before;
    report->frozen = false;
    report->reused = false;
    report->seed = options.seed + step;
    int verdict = judge(survive);
    int state = report->state;
    if (verdict != 0)
        return; /* the plain way of dying tells */

    image_restore(&sweep->dead);
    pid = start_victim(get_ready, operate_mend, false);
    bool complete =
        pid != 0 && record_path(pid, &sweep->mending, &sweep->shadow);
    if (pid != 0)
        end_victim(pid);
    if (!complete) {
        sweep->row->hangs++;
        show(sweep, &sweep->path, step, "repair does not end");
        return;
    }
    size_t every = count_news(&sweep->mending) / count + 1;
    size_t seen = step % every;
    for (size_t i = 0; i < sweep->mending.count; i++) {
        if (!sweep->mending.news[i] || seen++ % every != 0 || is_enough(sweep))
            continue;
        enum arrival arrival = LOST_WAY;
        for (int tries = 0; tries < TRY_MAX && arrival != ARRIVED; tries++) {
            image_restore(&sweep->dead);
            pid = start_victim(get_ready, operate_mend, false);
            if (pid == 0)
                continue;
            arrival = run_to(pid, &sweep->mending, i);
            end_victim(pid);
        }
        if (arrival != ARRIVED) {
            sweep->row->points++;
            sweep->row->missed++;
            continue;
        }
        report->seed = options.seed + step + i;
        if (count_verdict(sweep, &sweep->mending, i,
                          "killed while it repairs") &&
            report->state != state)
            count_finding(sweep, &sweep->mending, i, "the repair changed it");
    }
}

/* --- sweeps
 * --------------------------------------------------------------------- */

static void sweep_points(struct sweep *sweep,
                         void (*die)(struct sweep *sweep, size_t step))
{
    size_t every = options.limit ? sweep->count / options.limit + 1 : 1;
    for (size_t i = 0; i < sweep->count; i += every) {
        /* Another one of each group in each run, but the very first. */
        size_t point = i == 0 ? 0 : i + options.seed % every;
        if (point < sweep->count && !is_enough(sweep))
            die(sweep, sweep->points[point]);
    }
    if (!is_enough(sweep))
        die(sweep, sweep->path.count);
}

static void sweep_double(struct sweep *sweep)
{
    size_t count = sweep->count;
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || sweep->busy[sweep->points[i]];
    size_t candidates = 0;
    for (size_t i = 0; i < count; i++) {
        if (!any)
            sweep->busy[sweep->points[i]] = 1;
        candidates += sweep->busy[sweep->points[i]];
    }
    size_t points =
        options.pairs / 16 < MEND_POINTS ? options.pairs / 16 : MEND_POINTS;
    if (points == 0)
        points = 1;
    if (points > candidates)
        points = candidates;
    size_t every = points > 0 ? candidates / points : 1;
    size_t seen = 0;
    for (size_t i = 0; i < count; i++)
        if (sweep->busy[sweep->points[i]] &&
            seen++ % every == options.seed % every && !is_enough(sweep))
            die_mending(sweep, sweep->points[i], options.pairs / points);
}

static void choose_points(struct sweep *sweep)
{
    sweep->busy = calloc(sweep->path.count, 1);
    sweep->points = malloc(sweep->path.count * sizeof *sweep->points);
    if (!sweep->busy || !sweep->points)
        bail("no memory");
    sweep->count = 0;
    for (size_t i = 0; i < sweep->path.count; i++)
        if (sweep->path.news[i])
            sweep->points[sweep->count++] = (uint32_t)i;
}

static void collect_before(void)
{
    collect_live(&report->before);
}

static void collect_after(void)
{
    collect_live(&report->after);
}

/* Once in full: the way, and how it ends. */
static bool record_scene(struct sweep *sweep)
{
    pid_t pid = start(sweep);
    if (pid == 0)
        return false;
    int before = judge(collect_before);
    bool complete =
        before == 0 && record_path(pid, &sweep->path, &sweep->shadow);
    end_and_sweep(sweep, pid);
    if (before != 0 || judge(collect_after) != 0)
        diag("%s: %s", sweep->scene->name, report->finding);
    else if (!complete)
        diag("%s: it did not come to its end", sweep->scene->name);
    return complete;
}

static void sweep_mode(struct sweep *sweep, enum mode mode)
{
    double begin = now();
    struct row *row = table_add(sweep->scene->name, mode);
    sweep->row = row;
    sweep->state = 0;
    sweep->turns = 0;
    sweep->shown = 0;
    row->steps = sweep->path.count;
    if (mode == MODE_PLAIN)
        sweep_points(sweep, die_plainly);
    else if (mode == MODE_FROZEN)
        sweep_points(sweep, die_frozen);
    else
        sweep_double(sweep);
    row->seconds = now() - begin;
    tell_row(row);
}

void sweep_scene(const struct scene *scene, const bool modes[MODE_COUNT])
{
    static struct sweep sweep;
    sweep.scene = scene;
    world_begin(scene);
    left_mark();
    image_attach(&sweep.start, report->stage.mm);
    image_attach(&sweep.dead, report->stage.mm);
    image_attach(&sweep.shadow, report->stage.mm);
    image_save(&sweep.start);
    if (!record_scene(&sweep)) {
        struct row *row = table_add(scene->name, MODE_PLAIN);
        row->corruptions = 1;
        tell_row(row);
    } else {
        choose_points(&sweep);
        for (int mode = 0; mode < MODE_COUNT; mode++)
            if (modes[mode] && !(mode == MODE_FROZEN &&
                                 scene->flags & (SCENE_RESET | SCENE_CREATES)))
                sweep_mode(&sweep, (enum mode)mode);
        free(sweep.busy);
        free(sweep.points);
    }
    image_restore(&sweep.start);
    world_end();
}
