# SPDX-License-Identifier: MIT
# mm_compiler.m4 -- warnings, sanitizers, visibility, linker map: each probed.

# MM_CC_FLAG(VARIABLE, FLAG): append FLAG to VARIABLE if the compiler takes it.
AC_DEFUN([MM_CC_FLAG], [
    AS_VAR_PUSHDEF([result], [mm_cv_cc_$2])
    AC_CACHE_CHECK([whether $CC accepts $2], [result],
        [mm_saved=$CFLAGS
         CFLAGS="$CFLAGS -Werror $2"
         AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
             [AS_VAR_SET([result], [yes])], [AS_VAR_SET([result], [no])])
         CFLAGS=$mm_saved])
    AS_VAR_IF([result], [yes], [$1="$$1 $2"])
    AS_VAR_POPDEF([result])])

AC_DEFUN([MM_COMPILER], [
    MM_CFLAGS=
    MM_LDFLAGS=
    m4_foreach_w([flag], [-std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes
        -Wmissing-prototypes -Wundef -Wvla -Wformat=2 -Wpointer-arith
        -Wwrite-strings -fvisibility=hidden],
        [MM_CC_FLAG([MM_CFLAGS], flag)])

    AC_ARG_ENABLE([werror],
        [AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors])])
    AS_IF([test "x$enable_werror" = xyes], [MM_CFLAGS="$MM_CFLAGS -Werror"])

    AC_ARG_ENABLE([sanitizers],
        [AS_HELP_STRING([--enable-sanitizers=LIST],
            [build with -fsanitize=LIST; alone: address,undefined])])
    AS_CASE([$enable_sanitizers],
        [''|no], [MM_SANITIZERS=],
        [yes], [MM_SANITIZERS=address,undefined],
        [MM_SANITIZERS=$enable_sanitizers])

    AC_ARG_ENABLE([fuzzing],
        [AS_HELP_STRING([--enable-fuzzing],
            [build the fuzzers for "make fuzz"; needs CC=clang])])
    AS_IF([test "x$enable_fuzzing" = xyes],
        [MM_FUZZING
         MM_SANITIZERS=${MM_SANITIZERS:-address,undefined}])
    AM_CONDITIONAL([FUZZING], [test "x$enable_fuzzing" = xyes])

    AS_IF([test -n "$MM_SANITIZERS"], [MM_SANITIZED])
    AM_CONDITIONAL([SANITIZERS], [test -n "$MM_SANITIZERS"])
    AC_SUBST([MM_SANITIZERS])

    AC_CACHE_CHECK([whether the linker takes a version script],
        [mm_cv_ld_version_script],
        [mm_saved=$LDFLAGS
         echo 'MM_PROBE { global: mm_probe; };' > conftest.map
         LDFLAGS="$LDFLAGS -shared -Wl,--version-script=conftest.map"
         mm_saved_cflags=$CFLAGS
         CFLAGS="$CFLAGS -fPIC"
         AC_LINK_IFELSE([AC_LANG_SOURCE([[int mm_probe(void);
int mm_probe(void) { return 0; }]])],
             [mm_cv_ld_version_script=yes], [mm_cv_ld_version_script=no])
         CFLAGS=$mm_saved_cflags
         LDFLAGS=$mm_saved
         rm -f conftest.map])
    AM_CONDITIONAL([VERSION_SCRIPT],
        [test "$mm_cv_ld_version_script" = yes])

    AC_SUBST([MM_CFLAGS])
    AC_SUBST([MM_LDFLAGS])])

# MM_SANITIZED: build everything with MM_SANITIZERS; what they find is fatal.
AC_DEFUN([MM_SANITIZED], [
    AC_MSG_CHECKING([whether $CC has -fsanitize=$MM_SANITIZERS])
    mm_saved=$CFLAGS
    CFLAGS="$CFLAGS -fsanitize=$MM_SANITIZERS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([$CC cannot build with -fsanitize=$MM_SANITIZERS])])
    CFLAGS=$mm_saved
    MM_CFLAGS="$MM_CFLAGS -fsanitize=$MM_SANITIZERS -fno-sanitize-recover=all"
    MM_LDFLAGS="$MM_LDFLAGS -fsanitize=$MM_SANITIZERS"
    dnl gcc warns of fences, which its ThreadSanitizer does not know.
    AS_CASE([$MM_SANITIZERS],
        [*thread*], [MM_CC_FLAG([MM_CFLAGS], [-Wno-tsan])])])

# MM_FUZZING: what libFuzzer watches is compiled into everything; only the
# fuzzers are linked with its main().
AC_DEFUN([MM_FUZZING], [
    AC_MSG_CHECKING([whether $CC has libFuzzer])
    mm_saved=$CFLAGS
    CFLAGS="$CFLAGS -fsanitize=fuzzer"
    AC_LINK_IFELSE([AC_LANG_SOURCE([[
int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size);
int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size)
{
    return data[size] * 0;
}]])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([--enable-fuzzing needs libFuzzer: try CC=clang])])
    CFLAGS=$mm_saved
    MM_CFLAGS="$MM_CFLAGS -fsanitize=fuzzer-no-link"])

# MM_ATOMICS: 64-bit atomics between processes must not need a library's
# private locks.
AC_DEFUN([MM_ATOMICS], [
    AC_CACHE_CHECK([whether 64-bit atomics are lock-free],
        [mm_cv_atomics],
        [AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#include <stdatomic.h>
#include <stdint.h>
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "");
]])], [mm_cv_atomics=yes], [mm_cv_atomics=no])])
    AS_IF([test "$mm_cv_atomics" != yes],
        [AC_MSG_ERROR([mm needs 64-bit atomics that are always lock-free])])])
