/* SPDX-License-Identifier: MIT */
/*
 * mm_lib.c -- the library about itself: its version and its last error.
 */
#include "config.h"

#include <errno.h>
#include <mm.h>
#include <stdio.h>

#include "base/fail.h"

/* The object that programs have found beside the functions since 1.0.  Not in
 * mm.h, but its size and its order are part of the binary interface. */
struct version {
    int number;
    const char *short_text;
    const char *long_text;
    const char *tex_text;
    const char *gnu_text;
    const char *web_text;
    const char *sccs_text;
    const char *rcs_text;
};

#define VERSION_LONG PACKAGE_VERSION " (" RELEASE_DATE ")"

extern MM_API const struct version mm_version;
const struct version mm_version = {
    .number = MM_VERSION_NUMBER,
    .short_text = PACKAGE_VERSION,
    .long_text = VERSION_LONG,
    .tex_text = "This is mm, Version " VERSION_LONG,
    .gnu_text = "mm " VERSION_LONG,
    .web_text = "mm/" PACKAGE_VERSION,
    .sccs_text = "@(#)mm " VERSION_LONG,
    .rcs_text = "$Id: mm " VERSION_LONG " $",
};

enum { ERROR_ALLOC = 1, ERROR_CORE = 2, ERROR_SYSTEM = 4 };

void mm_lib_error_set(unsigned int type, const char *str)
{
    if (!str) {
        mmi_fail_clear();
        return;
    }
    /* STR may be the very text that is about to be overwritten. */
    char text[1024];
    const char *prefix = type & ERROR_ALLOC  ? "mm:alloc: "
                         : type & ERROR_CORE ? "mm:core: "
                                             : "";
    snprintf(text, sizeof text, "%s%s", prefix, str);
    if (type & ERROR_SYSTEM && errno != 0)
        mmi_fail("%s", text);
    else
        mmi_fail_as(errno, "%s", text);
}

char *mm_lib_error_get(void)
{
    return mmi_fail_text();
}

char *mm_error(void)
{
    return mmi_fail_text();
}

int mm_lib_version(void)
{
    return mm_version.number;
}
