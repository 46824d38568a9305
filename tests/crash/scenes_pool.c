/* SPDX-License-Identifier: MIT */
/*
 * scenes_pool.c -- making pools and giving them up.
 *
 * The pool that everything else is judged by is another one, and must not
 * notice.  What may be left behind is in doc/VARIANTS.md.
 */
#include "config.h"

#include "../tap.h"
#include "crash.h"
#include "scenes.h"

enum { SECOND_SIZE = 32 << 10 };

/* In place of the C library's, so that each victim goes the same way when it
 * makes up a file name.  Runs at the same time have different names. */
int getentropy(void *bytes, size_t size)
{
    uint64_t seed = options.seed;
    unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++)
        at[i] = (unsigned char)(16 + next_random(&seed) % 240);
    return 0;
}

static void set_up(struct stage *stage)
{
    for (int i = 0; i < 4; i++) {
        make(stage, 100);
        make(stage, 5000);
    }
    make_peers_sizes(stage);
}

static void choose(struct stage *stage)
{
    char text[128];
    mm_free(stage->mm, make(stage, 48));
    snprintf(text, sizeof text, "shm=%s,lock=%s", options.shm, options.lock);
    if (mm_options(text) < 0)
        bail("%s", mm_error());
}

static const char *file_name(void)
{
    static char name[256];
    snprintf(name, sizeof name, "%s/pool", getenv("TMPDIR"));
    return name;
}

static void create(struct stage *stage)
{
    stage->second = mm_create(SECOND_SIZE, NULL);
}

static void create_named(struct stage *stage)
{
    stage->second = mm_create(SECOND_SIZE, file_name());
}

static void create_core(struct stage *stage)
{
    stage->second = mm_core_create(SECOND_SIZE, NULL);
}

static void choose_and_create(struct stage *stage)
{
    choose(stage);
    create(stage);
    if (!stage->second || !mm_malloc(stage->second, 100))
        bail("%s: %s", scene_now->name, mm_error());
}

static void destroy(struct stage *stage)
{
    mm_destroy(stage->second);
}

/* The victim is no creator: others go on with it. */
static void warm_up(struct stage *stage)
{
    char *ptr = make(stage, 64);
    mm_free(stage->mm, ptr);
    mm_lock(stage->mm, MM_LOCK_RD);
    mm_unlock(stage->mm);
}

static void destroy_main(struct stage *stage)
{
    mm_destroy(stage->mm);
}

const struct scene pool_scenes[] = {
    {"create", SCENE_CREATES | SCENE_SHM | SCENE_EACH, set_up, choose, create},
    {"create, named", SCENE_CREATES | SCENE_SHM, set_up, choose, create_named},
    {"create, raw", SCENE_CREATES | SCENE_SHM, set_up, choose, create_core},
    {"destroy", SCENE_CREATES | SCENE_SHM | SCENE_EACH, set_up,
     choose_and_create, destroy},
    {"destroy, by a child", SCENE_RESET | SCENE_ALONE, set_up, warm_up,
     destroy_main},
    {0},
};
