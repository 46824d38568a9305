/* SPDX-License-Identifier: MIT */
/*
 * old_header.c -- mm can be what a program compiled long ago expects.
 *
 * The declarations below are those of 1.4, written down here once more, so
 * that a change of mm.h cannot hide a change of the binary interface.  All that
 * is tested is what programs may have come to rely on; the same program runs
 * against the old library too (old_library.sh), which proves that it asks for
 * nothing new.  What 1.5 does better is asked only of 1.5.
 */
#include <stdint.h>
#include <sys/types.h>

#include "../children.h"
#include "../tap.h"

typedef enum { MM_LOCK_RD, MM_LOCK_RW } mm_lock_mode;
typedef void MM;

int MM_create(size_t, const char *);
int MM_permission(mode_t, uid_t, gid_t);
void MM_reset(void);
void MM_destroy(void);
int MM_lock(mm_lock_mode);
int MM_unlock(void);
void *MM_malloc(size_t);
void *MM_realloc(void *, size_t);
void MM_free(void *);
void *MM_calloc(size_t, size_t);
char *MM_strdup(const char *);
size_t MM_sizeof(const void *);
size_t MM_maxsize(void);
size_t MM_available(void);
char *MM_error(void);

MM *mm_create(size_t, const char *);
int mm_permission(MM *, mode_t, uid_t, gid_t);
void mm_reset(MM *);
void mm_destroy(MM *);
int mm_lock(MM *, mm_lock_mode);
int mm_unlock(MM *);
void *mm_malloc(MM *, size_t);
void *mm_realloc(MM *, void *, size_t);
void mm_free(MM *, void *);
void *mm_calloc(MM *, size_t, size_t);
char *mm_strdup(MM *, const char *);
size_t mm_sizeof(MM *, const void *);
size_t mm_maxsize(void);
size_t mm_available(MM *);
char *mm_error(void);
void mm_display_info(MM *);

void *mm_core_create(size_t, const char *);
int mm_core_permission(void *, mode_t, uid_t, gid_t);
void mm_core_delete(void *);
size_t mm_core_size(const void *);
int mm_core_lock(const void *, mm_lock_mode);
int mm_core_unlock(const void *);
size_t mm_core_maxsegsize(void);
size_t mm_core_align2page(size_t);
size_t mm_core_align2word(size_t);

void mm_lib_error_set(unsigned int, const char *);
char *mm_lib_error_get(void);
int mm_lib_version(void);

/* Exported, never declared: a number and seven texts. */
extern struct {
    int number;
    const char *text[7];
} mm_version;

enum { NO_SIZE = -1 };

static void test_version(void)
{
    int version = mm_lib_version();
    is_int(version >> 20, 1, "major version");
    is_int(version >> 8 & 15, 2, "it is a release");
    is_int(mm_version.number, version, "mm_version says the same");
    for (int i = 0; i < 7; i++)
        ok(mm_version.text[i] && *mm_version.text[i], "mm_version text %d", i);
}

static void test_without_pool(void)
{
    is_int(MM_lock(MM_LOCK_RW), 0, "MM_lock before MM_create");
    is_int(MM_unlock(), 0, "MM_unlock before MM_create");
    is_int(MM_permission(0600, 0, 0), -1, "MM_permission before MM_create");
    ok(!MM_malloc(8), "MM_malloc before MM_create");
    ok(!MM_calloc(1, 8), "MM_calloc before MM_create");
    ok(!MM_realloc(NULL, 8), "MM_realloc before MM_create");
    ok(!MM_strdup("x"), "MM_strdup before MM_create");
    is_int((ssize_t)MM_sizeof("x"), NO_SIZE, "MM_sizeof before MM_create");
    is_int((ssize_t)MM_available(), NO_SIZE, "MM_available before MM_create");
    MM_free(NULL);
    MM_reset();
    MM_destroy();

    is_int(mm_lock(NULL, MM_LOCK_RW), 0, "mm_lock without a pool");
    is_int(mm_unlock(NULL), 0, "mm_unlock without a pool");
    is_int(mm_permission(NULL, 0600, 0, 0), -1, "mm_permission without a pool");
    ok(!mm_malloc(NULL, 8), "mm_malloc without a pool");
    ok(!mm_calloc(NULL, 1, 8), "mm_calloc without a pool");
    ok(!mm_realloc(NULL, NULL, 8), "mm_realloc without a pool");
    ok(!mm_strdup(NULL, "x"), "mm_strdup without a pool");
    is_int((ssize_t)mm_sizeof(NULL, "x"), NO_SIZE, "mm_sizeof without a pool");
    is_int((ssize_t)mm_available(NULL), 0, "mm_available without a pool");
    mm_free(NULL, NULL);
    mm_reset(NULL);
    mm_destroy(NULL);
    mm_display_info(NULL);
    is_int(mm_core_lock(NULL, MM_LOCK_RW), 0, "mm_core_lock without a segment");
    is_int(mm_core_permission(NULL, 0600, 0, 0), -1,
           "mm_core_permission without a segment");
    is_int((ssize_t)mm_core_size(NULL), 0, "mm_core_size without a segment");
    mm_core_delete(NULL);
}

static void test_sizes(void)
{
    static const struct {
        size_t size, cost;
    } cases[] = {{1, 24},  {8, 24},  {9, 32},   {16, 32},
                 {17, 40}, {64, 80}, {100, 120}};
    MM *mm = mm_create(100, NULL);
    is_int((ssize_t)mm_available(mm), 8192, "a tiny pool has 8192 bytes");
    mm_destroy(mm);
    mm = mm_create(0, NULL);
    size_t most = mm_available(mm);
    ok(most > 67000000 && most <= 67108864, "a pool of size 0 has 64 MiB");
    mm_destroy(mm);

    mm = mm_create(100000, NULL);
    is_int((ssize_t)mm_available(mm), 100000, "a pool has what was asked for");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t before = mm_available(mm);
        void *ptr = mm_malloc(mm, cases[i].size);
        is_int((ssize_t)(before - mm_available(mm)), (ssize_t)cases[i].cost,
               "what an allocation takes");
        is_int((ssize_t)mm_sizeof(mm, ptr), (ssize_t)cases[i].size,
               "mm_sizeof is what was asked for");
        ok((uintptr_t)ptr % 8 == 0, "aligned for a word");
    }
    errno = 0;
    ok(!mm_malloc(mm, mm_available(mm)), "the last bytes are not payload");
    is_int(errno, ENOMEM, "which is ENOMEM");
    ok(mm_error() && !strncmp(mm_error(), "mm:alloc: ", 10),
       "and mm_error() tells");
    mm_reset(mm);
    is_int((ssize_t)mm_available(mm), 100000, "mm_reset gives all back");
    mm_destroy(mm);
    ok(mm_maxsize() > 67000000 && mm_maxsize() <= INT32_MAX,
       "mm_maxsize fits an int");
    ok(mm_core_maxsegsize() >= mm_maxsize(), "a pool fits a segment");
}

static void test_contents(void)
{
    MM *mm = mm_create(65536, NULL);
    ok(!mm_malloc(mm, 0), "mm_malloc of nothing");
    ok(!mm_calloc(mm, 0, 8), "mm_calloc of nothing");
    char *text = mm_strdup(mm, "a text");
    is_str(text, "a text", "mm_strdup");
    text = mm_realloc(mm, text, 4000);
    ok(text && !strcmp(text, "a text"), "mm_realloc keeps the contents");
    is_int((ssize_t)mm_sizeof(mm, text), 4000, "and is as large as wanted");
    is_int((ssize_t)mm_sizeof(mm, mm_strdup(mm, "")), 1, "an empty string");
    char *zeros = mm_calloc(mm, 30, 10);
    int sum = 0;
    for (int i = 0; i < 300; i++)
        sum |= zeros[i];
    is_int(sum, 0, "mm_calloc clears");
    ok(mm_realloc(mm, NULL, 10) != NULL, "mm_realloc of NULL allocates");
    ok(!mm_realloc(mm, text, 100000), "what does not fit");
    is_str(text, "a text", "leaves the old block");
    mm_free(mm, text);
    mm_free(mm, zeros);
    mm_destroy(mm);
}

/* mm_smsd's pool: 64 modems and a text, computed with the old overhead. */
static void test_exact_fit(void)
{
    is_int(MM_create(124 * 64 + 272, NULL), 1, "MM_create");
    int count = 0;
    while (count < 124 && MM_malloc(48))
        count++;
    is_int(count, 124, "all records of a pool that was computed exactly");
    ok(MM_malloc(256) != NULL, "and the last bit of it");
    ok(!MM_malloc(1), "and no more");
    is_int(MM_create(10000, NULL), 0, "there is one global pool only");
    MM_destroy();
    is_int(MM_create(10000, NULL), 1, "until it is destroyed");
    is_int((ssize_t)MM_available(), 10000, "a fresh one");
    is_int(MM_lock(MM_LOCK_RD), 1, "MM_lock");
    is_int(MM_unlock(), 1, "MM_unlock");
    MM_destroy();
}

static void test_segment(void)
{
    errno = 0;
    ok(!mm_core_create(0, NULL) && errno == EINVAL, "a segment of nothing");
    char *core = mm_core_create(5000, NULL);
    is_int((ssize_t)mm_core_size(core), 5000, "mm_core_size");
    memset(core, 'x', 5000);
    is_int(mm_core_lock(core, MM_LOCK_RW), 1, "mm_core_lock");
    is_int(mm_core_unlock(core), 1, "mm_core_unlock");
    is_int(mm_core_permission(core, 0600, (uid_t)-1, (gid_t)-1), 0,
           "mm_core_permission");
    mm_core_delete(core);
    MM *mm = mm_create(20000, NULL);
    ok(mm_core_size(mm) >= 20000, "a pool is a segment");
    is_int(mm_core_lock(mm, MM_LOCK_RW), 1, "and locked as such");
    is_int(mm_core_unlock(mm), 1, "and unlocked");
    mm_destroy(mm);
    is_int((ssize_t)mm_core_align2word(0), 0, "0 is aligned");
    is_int((ssize_t)mm_core_align2word(9), 16, "a word");
    is_int((ssize_t)mm_core_align2page(1), sysconf(_SC_PAGESIZE), "a page");
}

static void test_error_text(void)
{
    mm_lib_error_set(1, "one");
    is_str(mm_lib_error_get(), "mm:alloc: one", "type 1");
    mm_lib_error_set(2, "two");
    is_str(mm_error(), "mm:core: two", "type 2");
    errno = ENOENT;
    mm_lib_error_set(2 | 4, "three");
    is_str(MM_error(), "mm:core: three (No such file or directory)", "type 4");
    mm_lib_error_set(0, NULL);
    is_str(mm_error(), NULL, "NULL clears");
}

static int *counter;

static int count_up(void *argument, int number)
{
    (void)number;
    for (int i = 0; i < 500; i++) {
        if (mm_lock(argument, MM_LOCK_RW) != 1)
            return 1;
        int seen = *(volatile int *)counter;
        if (i % 50 == 0)
            usleep(10);
        *(volatile int *)counter = seen + 1;
        if (mm_unlock(argument) != 1)
            return 1;
    }
    return 0;
}

static void test_children(void)
{
    MM *mm = mm_create(10000, NULL);
    is_int(mm_permission(mm, 0600, (uid_t)-1, (gid_t)-1), 0, "mm_permission");
    counter = mm_calloc(mm, 1, sizeof *counter);
    children_ok(3, count_up, mm, "children count under the lock");
    is_int(*counter, 1500, "and none is lost");
    mm_destroy(mm);
}

static void test_better(void)
{
    MM *mm = mm_create(10000, NULL);
    void *ptr = mm_malloc(mm, 20);
    ok((uintptr_t)ptr % 16 == 0, "aligned for everything");
    mm_free(mm, ptr);
    mm_free(mm, ptr);
    mm_free(mm, &mm);
    is_int((ssize_t)mm_available(mm), 10000, "wrong frees are harmless");
    ptr = mm_malloc(mm, 20);
    ok(!mm_realloc(mm, ptr, 0), "mm_realloc to nothing");
    is_int((ssize_t)mm_available(mm), 10000, "frees");
    mm_destroy(mm);
    MM_create(10000, NULL);
    is_int(MM_permission(0600, (uid_t)-1, (gid_t)-1), 0, "MM_permission");
    MM_destroy();
}

int main(void)
{
    test_version();
    test_without_pool();
    test_sizes();
    test_contents();
    test_exact_fit();
    test_segment();
    test_error_text();
    test_children();
    if (mm_lib_version() >= 0x105200)
        test_better();
    else
        diag("this is the old library");
    return done();
}
