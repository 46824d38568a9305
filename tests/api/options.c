/* SPDX-License-Identifier: MIT */
/*
 * options.c -- mm can be told which variants to use, and refuses what it does
 * not have.
 */
#include "api.h"

static void is_query(MM *mm, const char *key, const char *wanted)
{
    char what[64];
    snprintf(what, sizeof what, "%s is %s", key, wanted);
    is_str(mm_query(mm, key), wanted, what);
}

/* The last name of a list that mm_query() gives. */
static const char *last_of(const char *key)
{
    static char name[2][32];
    static int turn;
    const char *list = mm_query(NULL, key);
    const char *comma = strrchr(list, ',');
    turn = !turn;
    snprintf(name[turn], sizeof name[turn], "%s", comma ? comma + 1 : list);
    return name[turn];
}

/* The environment has the last word. */
static void test_environment(const char *shm, const char *lock)
{
    char first[32], text[100];
    snprintf(first, sizeof first, "%.*s",
             (int)strcspn(mm_query(NULL, "shm.variants"), ","),
             mm_query(NULL, "shm.variants"));
    snprintf(text, sizeof text, "shm=%s", first);
    setenv("MM_OPTIONS", text, 1);
    MM *mm = make_pool(10000);
    is_query(mm, "shm", first);
    is_query(mm, "lock", lock);
    mm_destroy(mm);
    setenv("MM_OPTIONS", "shm=PAPER", 1);
    fails(mm_create(10000, NULL) == NULL, EINVAL, shm);
    fails(mm_core_create(10000, NULL) == NULL, EINVAL, shm);
    fails(MM_create(10000, NULL) == 0, EINVAL, shm);
    fails(mm_query(NULL, "shm") == NULL, EINVAL, shm);
    setenv("MM_OPTIONS", "colour=red", 1);
    fails(mm_create(10000, NULL) == NULL, EINVAL, "MM_OPTIONS");
    setenv("MM_OPTIONS", "lock=PAPER", 1);
    fails(mm_create(10000, NULL) == NULL, EINVAL, lock);
    unsetenv("MM_OPTIONS");
    mm = make_pool(10000);
    ok(mm != NULL, "and all is well without it");
    mm_destroy(mm);
}

int main(void)
{
    unsetenv("MM_OPTIONS");
    const char *shm = last_of("shm.variants");
    const char *lock = last_of("lock.variants");
    char text[100];
    snprintf(text, sizeof text, "shm=%s,lock=%s,name=test.pool", shm, lock);
    is_int(mm_options(text), 0, text);
    is_query(NULL, "shm", shm);
    is_query(NULL, "lock", lock);
    MM *mm = make_pool(10000);
    is_query(mm, "shm", shm);
    is_query(mm, "lock", lock);
    is_query(mm, "name", "test.pool");
    mm_destroy(mm);

    is_int(mm_options(NULL), 0, "NULL changes nothing");
    is_int(mm_options(""), 0, "neither does an empty text");
    is_query(NULL, "shm", shm);
    fails(mm_options("shm=PAPER") == -1, EINVAL, shm);
    fails(mm_options("lock=PAPER") == -1, EINVAL, lock);
    fails(mm_options("lock.timeout=1s,lock=PAPER") == -1, EINVAL, lock);
    fails(mm_options("colour=red") == -1, EINVAL, "lock.timeout");
    fails(mm_options("lock.timeout=soon") == -1, EINVAL, "a time");
    fails(mm_options("lock.timeout=5s,keepfd=2") == -1, EINVAL, "keepfd");
    fails(mm_options("name=../etc") == -1, EINVAL, "name");
    is_query(NULL, "shm", shm);
    is_query(NULL, "lock", lock);
    is_query(NULL, "lock.timeout", "10000");
    is_int(mm_options("lock.timeout=250ms"), 0, "a time is accepted");
    mm = make_pool(10000);
    is_query(mm, "lock.timeout", "250");
    mm_destroy(mm);

    char lower[32];
    for (size_t i = 0; i <= strlen(shm); i++)
        lower[i] =
            (char)(shm[i] >= 'A' && shm[i] <= 'Z' ? shm[i] + 32 : shm[i]);
    snprintf(text, sizeof text, "SHM=%s", lower);
    is_int(mm_options(text), 0, "case does not matter");
    is_query(NULL, "shm", shm);

    test_environment(shm, lock);
    return done();
}
