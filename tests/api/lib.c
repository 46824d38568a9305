/* SPDX-License-Identifier: MIT */
/*
 * lib.c -- mm can tell its version and keep an error text, as it always did.
 */
#include "api.h"

/* Exported since 1.0, never declared in <mm.h>; binaries know its layout. */
extern const struct {
    int number;
    const char *texts[7];
} mm_version;

static void is_error(unsigned type, const char *text, const char *wanted)
{
    char what[100];
    snprintf(what, sizeof what, "type %u, text '%s'", type, text);
    mm_lib_error_set(type, text);
    is_str(mm_lib_error_get(), wanted, what);
    ok(mm_error() == mm_lib_error_get() && MM_error() == mm_error(),
       "the same for all who ask");
}

int main(void)
{
    ok(mm_error() == NULL, "at first there is no error");
    is_int(mm_lib_version(), 0x105200, "the version is 1.5.0");
    is_int(mm_version.number, mm_lib_version(), "mm_version has it");
    is_int(sizeof mm_version, 64, "and keeps its size");
    bool named = true;
    for (int i = 0; i < 7; i++)
        named &= strstr(mm_version.texts[i], mm_version.texts[0]) != NULL;
    ok(named, "its texts all contain the first");
    is_str(mm_version.texts[0], mm_query(NULL, "version"), "which is this");

    errno = 0;
    is_error(1, "one", "mm:alloc: one");
    is_error(2, "two", "mm:core: two");
    is_error(0, "three", "three");
    is_error(4, "no system error", "no system error");
    errno = ENOENT;
    is_error(2 | 4, "four", "mm:core: four (No such file or directory)");
    is_int(errno, ENOENT, "errno stays");
    is_error(1 | 4, "five", "mm:alloc: five (No such file or directory)");
    is_error(4, "six", "six (No such file or directory)");
    is_error(0, "", "");
    mm_lib_error_set(2, "self");
    mm_lib_error_set(1, mm_lib_error_get());
    is_str(mm_error(), "mm:alloc: mm:core: self", "a text may be its own");
    char *longer = malloc(100000);
    memset(longer, 'x', 99999);
    longer[99999] = '\0';
    mm_lib_error_set(2, longer);
    ok(strncmp(mm_error(), "mm:core: xxxxxx", 15) == 0 &&
           strlen(mm_error()) < 2000,
       "a long text is cut");
    free(longer);
    mm_lib_error_set(2, NULL);
    ok(mm_error() == NULL, "NULL clears");

    mm_lib_error_set(0, "kept");
    MM *mm = make_pool(10000);
    mm_free(mm, mm_malloc(mm, 10));
    is_str(mm_error(), "kept", "success does not clear");
    mm_destroy(mm);
    return done();
}
