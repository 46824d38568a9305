/* SPDX-License-Identifier: MIT */
/*
 * crash.h -- what the files of the kill harness have for each other.
 *
 * The *tracer* makes a pool, sets a scene up in it, and keeps an image of the
 * segment.  For each instruction of the operation it puts the image back, forks
 * a *victim*, lets it run to that instruction, and kills it with SIGKILL; a
 * *survivor*, another fork, then repairs, looks at everything, and reports.
 * The tracer itself does not use the pool once the scene is set up.
 */
#ifndef TESTS_CRASH_H
#define TESTS_CRASH_H

#include <mm.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    POOL_SIZE = 600 << 10,
    LIVE_MAX = 4096,
    TAKEN_MAX = 64,
    PATIENCE = 20, /* seconds until a process counts as hanging, usually */
};

struct block {
    char *ptr;
    size_t size;
};

struct live {
    size_t count;
    struct block blocks[LIVE_MAX];
};

/* --- scenes --------------------------------------------------------------- */

enum scene_flags {
    SCENE_RESET = 1,    /* nobody may work beside it */
    SCENE_FULL = 2,     /* small allocations may fail beside it */
    SCENE_LOCKED = 4,   /* the victim has the user lock before or after */
    SCENE_CREATES = 8,  /* the victim makes or gives up a pool */
    SCENE_EXACT = 16,   /* nothing may be lost at all */
    SCENE_ALONE = 32,   /* a thread that reads beside it would block it */
    SCENE_EACH = 64,    /* in the selection for each lock */
    SCENE_SHM = 128,    /* differs by shared-memory variant */
    SCENE_DEAD = 256,   /* there is a dead thread with blocks */
    SCENE_WRITES = 512, /* the victim is the writer at the mark, ... */
    SCENE_WROTE = 1024, /* ... or at the end */
};

/* What an operation is about.  Lies in memory that all processes share. */
struct stage {
    MM *mm;
    char *ptr;   /* an allocation, or NULL */
    size_t size; /* wanted */
    size_t align;
    size_t *where; /* a cell of the exact calls */
    size_t *other; /* a second one, must not change */
    MM *second;    /* another pool */
    char *result;  /* what the operation gave */
};

struct scene {
    const char *name;
    unsigned flags;
    void (*set_up)(struct stage *stage);  /* in the tracer, or NULL */
    void (*warm_up)(struct stage *stage); /* in the victim, or NULL */
    void (*operate)(struct stage *stage); /* in the victim */
};

extern const struct scene heap_scenes[];
extern const struct scene lock_scenes[];
extern const struct scene pool_scenes[];
extern const struct scene exact_scenes[];

/* --- what the processes tell each other ----------------------------------- */

struct report {
    _Atomic int ended; /* the victim completed its operation */
    struct stage stage;
    struct live before; /* at the mark */
    struct live after;  /* when the operation is complete */
    struct live base;   /* before, and what a peer changed since */
    struct live now;    /* as the survivor found it */
    char *moved;        /* what should have the contents of stage.ptr */
    bool reused;        /* the peer has stage.ptr now */
    bool frozen;        /* a peer worked meanwhile */
    int state;          /* 0: as before, 1: in between, 2: as after */
    size_t lost;        /* blocks that nobody knows of */
    int owner_died;     /* what the survivor was told */
    uint64_t seed;
    char finding[512];
};
extern struct report *report;

/* Something is wrong; the first finding stands. */
__attribute__((format(printf, 1, 2))) void find(const char *format, ...);

/* --- options and results -------------------------------------------------- */

enum mode { MODE_PLAIN, MODE_FROZEN, MODE_DOUBLE, MODE_COUNT };

struct options {
    const char *lock; /* a variant */
    const char *shm;
    bool threads;      /* victim and survivor have a second thread */
    bool robust;       /* the kernel helps with robust lists */
    bool stops;        /* at the first finding */
    unsigned patience; /* seconds until a process counts as hanging */
    size_t limit;      /* points of a scene, 0: all */
    size_t pairs;      /* double kills of a scene */
    uint64_t seed;
};
extern struct options options;

struct row {
    const char *scene;
    const char *lock;
    enum mode mode;
    size_t steps;
    size_t points;
    size_t missed; /* points that a victim did not come by */
    size_t hangs;
    size_t corruptions;
    size_t lost; /* blocks, at most for one death */
    size_t left; /* system objects that deaths left behind */
    double seconds;
};

/* --- image.c: the segment as it was --------------------------------------- */

struct image {
    char *start;
    size_t pages;
    uint32_t *index; /* of the pages kept, ascending */
    char *data;
    size_t count;
    size_t room;
};

void image_attach(struct image *image, const void *inside);
void image_save(struct image *image);
void image_restore(const struct image *image);
bool image_is(const struct image *image); /* is the segment still so? */

/* --- trace.c: victims under control --------------------------------------- */

struct path {
    uintptr_t *pc;    /* where it stands after so many steps */
    uint32_t *visits; /* how often it was there before */
    uint32_t *last;   /* the step of the visit before */
    bool *news;       /* it is worth dying there */
    size_t count;
    size_t room;
};

enum arrival { ARRIVED, ENDED, LOST_WAY, HANGS };

/* Start a process that waits at its mark, after WARM_UP, for OPERATE; HELPED:
 * by a second thread, which is not traced.  0: it does not get there. */
pid_t start_victim(void (*warm_up)(struct stage *),
                   void (*operate)(struct stage *), bool helped);
/* Let it run to its end one by one, and note the way.  SHADOW, if given, tells
 * whether instructions in long loops changed the segment. */
bool record_path(pid_t pid, struct path *path, struct image *shadow);
/* Let it run as far as STEP of PATH. */
enum arrival run_to(pid_t pid, const struct path *path, size_t step);
/* Let it go on to its end; false if it does not get there. */
bool let_go(pid_t pid);
void end_victim(pid_t pid);
/* Where a step stands, for addr2line. */
uintptr_t code_offset(uintptr_t pc);

/* --- world.c: pools, processes that judge ----------------------------------
 */

void world_begin(const struct scene *scene); /* a pool, set up */
void world_end(void);
/* Run WORK in a fork of its own.  0: it was content, 1: it left a finding,
 * 2: it hung. */
int judge(void (*work)(void));
void collect_live(struct live *live);
void fill(const struct block *block);
bool is_filled(const char *ptr, size_t size, const char *like);
char *make(struct stage *stage, size_t size); /* allocate and fill, or bail */
uint64_t next_random(uint64_t *state);
bool has_exact(void);    /* the library has the exact calls */
void start_helper(void); /* the second thread */
bool has_lock(const char *name);

/* --- survive.c, frozen.c, left.c --------------------------------------------
 */

void survive(void); /* judge what a death left */
void work_beside(void);
void get_ready_to_mend(void);
void mend(void);              /* what the first of two survivors does */
void left_begin(void);        /* a directory of our own for temporary files */
void left_mark(void);         /* before victims of a scene */
void left_note(pid_t pid);    /* what a victim has open, before it dies */
size_t left_sweep(pid_t pid); /* remove what it made; how much there was */
void left_end(void);

/* --- sweep.c, table.c
 * --------------------------------------------------------- */

void sweep_scene(const struct scene *scene, const bool modes[MODE_COUNT]);
struct row *table_add(const char *scene, enum mode mode);
void table_print(FILE *to, bool markdown);
const char *mode_name(enum mode mode);
void tell_row(const struct row *row); /* a test point */

#endif
