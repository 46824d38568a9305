# SPDX-License-Identifier: MIT
# mm_shm.m4 -- THE TABLE of shared-memory variants, best first.
# A new variant needs a row here, src/shm/shm_NAME.c, its name in src/local.mk,
# and a paragraph in doc/VARIANTS.md.

AC_DEFUN([MM_SHM_TABLE], [
    MM_VARIANT([shm], [memfd],
        [test "$ac_cv_func_memfd_create$ac_cv_have_decl_F_ADD_SEALS" = yesyes])
    MM_VARIANT([shm], [mmanon], [test "$ac_cv_have_decl_MAP_ANONYMOUS" = yes])
    MM_VARIANT([shm], [ipcshm], [test "$ac_cv_func_shmget" = yes])
    MM_VARIANT([shm], [mmposx], [test "$ac_cv_func_shm_open" = yes])
    MM_VARIANT([shm], [mmzero], [:])
    MM_VARIANT([shm], [mmfile], [:])

    AC_ARG_WITH([shm],
        [AS_HELP_STRING([--with-shm=LIST],
            [shared-memory variants to build, the default first; auto:
             MEMFD,MMANON,IPCSHM,MMPOSX,MMZERO,MMFILE as far as usable])])
    MM_VARIANT_CHOOSE([shm], [$with_shm])])
