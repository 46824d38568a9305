/* SPDX-License-Identifier: MIT */
/*
 * stat.c -- mm can give the figures of a pool, as a struct and as JSON.
 */
#include "api.h"

static struct mm_stat figures(MM *mm)
{
    struct mm_stat stat;
    memset(&stat, 0xff, sizeof stat);
    if (mm_stat(mm, &stat, sizeof stat) != 0)
        bail("mm_stat: %s", mm_error());
    return stat;
}

static size_t member(const char *json, const char *key)
{
    char wanted[40];
    snprintf(wanted, sizeof wanted, "\"%s\":", key);
    const char *at = strstr(json, wanted);
    return at ? strtoull(at + strlen(wanted), NULL, 10) : NONE;
}

/* One object of strings and numbers, nothing else. */
static bool is_json(const char *text)
{
    if (*text++ != '{')
        return false;
    for (;;) {
        size_t key = *text == '"' ? strcspn(text + 1, "\"") : 0;
        if (key == 0 || strncmp(text + 1 + key, "\":", 2) != 0)
            return false;
        text += key + 3;
        if (*text == '"') {
            for (text++; *text && *text != '"'; text++)
                text += *text == '\\';
            if (*text++ != '"')
                return false;
        } else {
            size_t digits = strspn(text, "0123456789");
            if (digits == 0 || (digits > 1 && *text == '0'))
                return false;
            text += digits;
        }
        if (*text == '}')
            return text[1] == '\0';
        if (*text++ != ',')
            return false;
    }
}

static void test_struct(MM *mm)
{
    struct mm_stat empty = figures(mm);
    ok(empty.size == 1 << 20 && empty.available == empty.size,
       "size and available of a fresh pool");
    ok(empty.used == 0 && empty.used_count == 0 && empty.small_count == 0 &&
           empty.large_count == 0,
       "nothing is used");
    ok(empty.mapped >= empty.size, "at least the size is mapped");
    ok(empty.repairs == 0 && empty.failed == 0, "nothing went wrong");

    void *small = mm_malloc(mm, 100);
    void *large = mm_malloc(mm, 100000);
    struct mm_stat stat = figures(mm);
    is_int(stat.used, 100100, "used is the sum of the sizes");
    is_int(stat.used_count, 2, "two allocations");
    ok(stat.small_count + stat.large_count == 2, "small or large");
    is_int(stat.available, mm_available(mm), "available is mm_available()");
    ok(stat.largest_free <= stat.available && stat.largest_free > 0,
       "the largest free piece is within it");
    void *largest = mm_malloc(mm, stat.largest_free);
    ok(largest != NULL, "and can be allocated");
    mm_free(mm, largest);
    ok(mm_malloc(mm, (size_t)1 << 30) == NULL, "too much is refused");
    is_int((long long)(figures(mm).failed - stat.failed), 1, "and counted");
    mm_free(mm, small);
    mm_free(mm, large);
    stat = figures(mm);
    ok(stat.used == 0 && stat.used_count == 0 && stat.available == stat.size,
       "freeing all returns to the start");
}

static void test_sizes(MM *mm)
{
    struct mm_stat stat;
    memset(&stat, 0xff, sizeof stat);
    is_int(mm_stat(mm, &stat, sizeof stat.size), 0, "an older, shorter struct");
    ok(stat.size == 1 << 20 && stat.available == NONE,
       "is filled as far as it goes");
    struct {
        struct mm_stat stat;
        size_t more;
    } newer;
    memset(&newer, 0xff, sizeof newer);
    is_int(mm_stat(mm, &newer.stat, sizeof newer), 0, "a newer, longer one");
    ok(newer.stat.size == 1 << 20 && newer.more == NONE, "as far as known");
    is_int(mm_stat(mm, &stat, 0), 0, "none at all");
    fails(mm_stat(mm, NULL, sizeof stat) == -1, EINVAL, "mm:core: ");
    fails(mm_stat(NULL, &stat, sizeof stat) == -1, EINVAL, "mm:core: ");
}

static void test_json(MM *mm)
{
    char text[1024], part[16];
    mm_malloc(mm, 1000);
    int length = mm_stat_json(mm, text, sizeof text);
    is_int(length, (long long)strlen(text), "the length is returned");
    if (!ok(is_json(text), "the text is JSON"))
        diag("%s", text);
    struct mm_stat stat = figures(mm);
    is_int(member(text, "size"), 1 << 20, "size");
    is_int(member(text, "available"), stat.available, "available");
    is_int(member(text, "used"), 1000, "used");
    is_int(member(text, "failed"), stat.failed, "failed");
    char shm[40];
    snprintf(shm, sizeof shm, "\"shm\":\"%s\"", mm_query(mm, "shm"));
    ok(strstr(text, shm) != NULL, "%s", shm);

    memset(part, 'x', sizeof part);
    is_int(mm_stat_json(mm, part, 10), length, "a short buffer is not passed");
    ok(memcmp(part, text, 9) == 0 && part[9] == '\0' && part[10] == 'x',
       "and terminated");
    is_int(mm_stat_json(mm, part, 1), length, "of one byte, too");
    ok(part[0] == '\0', "then it is empty");
    is_int(mm_stat_json(mm, NULL, 0), length, "no buffer asks for the length");
    is_int(mm_stat_json(mm, text, (size_t)length + 1), length, "an exact one");
    ok(is_json(text), "is enough");
    fails(mm_stat_json(mm, NULL, 10) == -1, EINVAL, "mm:core: ");
    fails(mm_stat_json(NULL, text, 10) == -1, EINVAL, "mm:core: ");
}

static int die_with_lock(void *mm, int number)
{
    (void)number;
    if (mm_lock(mm, MM_LOCK_RW))
        raise(SIGKILL);
    return 1;
}

static void test_deaths(void)
{
    MM *mm = make_pool(1 << 20);
    struct mm_stat stat = figures(mm);
    ok(stat.dead_owners == 0 && stat.reclaimed == 0, "nobody died");
    end_child(start_child(die_with_lock, mm, 0));
    ok(mm_lock(mm, MM_LOCK_RD) && mm_unlock(mm), "the lock of the dead is had");
    stat = figures(mm);
    is_int(stat.dead_owners, 1, "its death is counted");
    is_int(stat.reclaimed, 0, "it had no blocks");
    mm_destroy(mm);
}

int main(void)
{
    MM *mm = make_pool(1 << 20);
    test_struct(mm);
    test_sizes(mm);
    test_json(mm);
    test_deaths();
    mm_destroy(mm);
    return done();
}
