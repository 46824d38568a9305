# SPDX-License-Identifier: MIT
# mm_merge.m4 -- can the library that merges pages be built here?

# MM_MERGE_PROBE: sets mm_cv_merge.
AC_DEFUN([MM_MERGE_PROBE], [
    AC_CACHE_CHECK([whether pages can be merged here], [mm_cv_merge],
        [AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#define _GNU_SOURCE
#include <linux/ioctl.h>
#include <linux/types.h>
#include <stdlib.h>
#include <sys/uio.h>
]], [[
    __aligned_u64 value = 0;
    return process_vm_readv(0, NULL, 0, NULL, 0, value) == 1 ||
        secure_getenv("NAME");
]])], [mm_cv_merge=yes], [mm_cv_merge=no])])])
