dnl SPDX-License-Identifier: MIT
dnl mm.m4 -- finds the mm library for configure scripts that use it.
dnl
dnl AM_PATH_MM([MINIMUM-VERSION], [ACTION-IF-FOUND], [ACTION-IF-NOT-FOUND])
dnl Sets MM_CFLAGS and MM_LIBS from mm-config, which is looked for in PATH, or
dnl in what the user gave as --with-mm=PREFIX or as MM_CONFIG=PROGRAM.  Runs no
dnl compiled program.  Without actions a missing library is an error.
AC_DEFUN([AM_PATH_MM], [
    AC_ARG_VAR([MM_CONFIG], [the mm-config program to ask])
    AC_ARG_WITH([mm],
        [AS_HELP_STRING([--with-mm=PREFIX],
            [where the mm library is installed])],
        [AS_CASE([$withval], [yes|no], [],
            [MM_CONFIG=${MM_CONFIG:-$withval/bin/mm-config}])])
    AC_PATH_PROG([MM_CONFIG], [mm-config], [no])
    AC_MSG_CHECKING([for mm m4_ifval([$1], [>= $1])])
    mm_found=no
    AS_IF([test "x$with_mm" != xno && test "x$MM_CONFIG" != xno],
        [mm_found=`"$MM_CONFIG" --version 2>/dev/null |
            sed -n 's/^MM \([[0-9.]]*\) .*/\1/p'`
         mm_found=${mm_found:-no}])
    AC_MSG_RESULT([$mm_found])
    m4_ifval([$1], [AS_IF([test "$mm_found" != no],
        [AS_VERSION_COMPARE([$mm_found], [$1], [mm_found=no])])])
    MM_CFLAGS=
    MM_LIBS=
    AS_IF([test "$mm_found" != no],
        [MM_CFLAGS=`"$MM_CONFIG" --cflags`
         MM_LIBS=`"$MM_CONFIG" --ldflags --libs`
         m4_default([$2], [:])],
        [m4_default([$3],
            [AC_MSG_ERROR([the mm library m4_ifval([$1],
                [($1 or newer) ])was not found; see --with-mm])])])
    AC_SUBST([MM_CFLAGS])
    AC_SUBST([MM_LIBS])])
