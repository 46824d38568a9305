# SPDX-License-Identifier: MIT
# mm_lock.m4 -- THE TABLE of lock variants, best first.
# A new variant needs a row here, src/lock/lock_NAME.c, its name in
# src/local.mk, and a paragraph in doc/VARIANTS.md.

AC_DEFUN([MM_LOCK_TABLE], [
    MM_VARIANT([lock], [futex], [test "$ac_cv_header_linux_futex_h" = yes],
        [futex_fence futex_slots futex_user futex_word])
    MM_VARIANT([lock], [ofd], [test "$ac_cv_have_decl_F_OFD_SETLKW" = yes])
    MM_VARIANT([lock], [fcntl], [:])
    MM_VARIANT([lock], [ipcsem],
        [test "$ac_cv_func_semget$ac_cv_func_semtimedop" = yesyes])
    MM_VARIANT([lock], [flock], [test "$ac_cv_func_flock" = yes])
    MM_VARIANT([lock], [pthread],
        [test "$ac_cv_have_decl_PTHREAD_MUTEX_ROBUST" = yes])

    AC_ARG_WITH([lock],
        [AS_HELP_STRING([--with-lock=LIST],
            [lock variants to build, the default first; auto:
             FUTEX,OFD,FCNTL,IPCSEM,FLOCK,PTHREAD as far as usable])])
    AC_ARG_WITH([sem],
        [AS_HELP_STRING([--with-sem=LIST], [old name of --with-lock])])
    AS_IF([test -n "$with_lock" && test -n "$with_sem"],
        [AC_MSG_ERROR([--with-sem is the old name of --with-lock: give one])])
    MM_VARIANT_CHOOSE([lock], [${with_lock:-$with_sem}])])
