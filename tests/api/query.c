/* SPDX-License-Identifier: MIT */
/*
 * query.c -- mm can say what it is, what it has, and what a pool got.
 */
#include "api.h"

/* NAME is one of those in LIST. */
static bool lists(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (; list; list = strchr(list, ',')) {
        list += *list == ',';
        if (!strncmp(list, name, length) &&
            (!list[length] || list[length] == ','))
            return true;
    }
    return false;
}

static char *answer(MM *mm, const char *key)
{
    const char *text = mm_query(mm, key);
    if (!ok(text != NULL, "mm_query(%s, \"%s\")", mm ? "mm" : "NULL", key))
        bail("%s", mm_error());
    diag("%s: %s", key, text);
    return strdup(text);
}

/* Each key that the message of an unknown one lists has an answer. */
static void test_keys(MM *mm)
{
    fails(mm_query(mm, "colour") == NULL, EINVAL, "known: ");
    char *known = strdup(strstr(mm_error(), "known: ") + 7);
    for (char *key = strtok(known, ", "); key; key = strtok(NULL, ", "))
        free(answer(mm, key));
    free(known);
    fails(mm_query(mm, NULL) == NULL, EINVAL, "key");
    fails(mm_query(mm, "") == NULL, EINVAL, "known: ");
}

int main(void)
{
    MM *mm = make_pool(100000);
    test_keys(NULL);
    test_keys(mm);

    char *version = answer(NULL, "version");
    int major, minor, level;
    ok(sscanf(version, "%d.%d.%d", &major, &minor, &level) == 3 &&
           mm_lib_version() ==
               (major << 20 | minor / 10 << 16 | minor % 10 << 12 | 2 << 8 |
                level / 10 << 4 | level % 10),
       "the version is mm_lib_version()'s");
    char *shms = answer(NULL, "shm.variants");
    char *shm = answer(mm, "shm");
    char *locks = answer(NULL, "lock.variants");
    char *lock = answer(mm, "lock");
    ok(lists(shms, shm), "the pool's shm variant is one of those built");
    ok(lists(locks, lock), "so is its lock variant");
    char *options = answer(NULL, "options");
    ok(lists(options, "shm") && lists(options, "lock.timeout"),
       "the options are listed");
    is_str(mm_query(mm, "size"), "100000", "the size is the one asked for");
    is_str(mm_query(mm, "available"), "100000", "all of it available");
    mm_malloc(mm, 84);
    is_str(mm_query(mm, "available"), "99896", "until something is allocated");
    char page[32];
    snprintf(page, sizeof page, "%ld", sysconf(_SC_PAGESIZE));
    is_str(mm_query(NULL, "page.size"), page, "the page size is the system's");
    ok(strtoull(mm_query(NULL, "maxsize"), NULL, 10) >= mm_maxsize(),
       "maxsize is not cut to an int");

    fails(mm_query(&page, "shm") == NULL, EINVAL, "mm:core: ");
    mm_destroy(mm);
    fails(mm_query(mm, "shm") == NULL, EINVAL, "mm:core: ");
    free(version);
    free(shms);
    free(shm);
    free(locks);
    free(lock);
    free(options);
    return done();
}
