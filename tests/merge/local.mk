# SPDX-License-Identifier: MIT
# The merge library and its contract with the kernel.

UNIT_TESTS += tests/merge/uapi_layout.t
tests_merge_uapi_layout_t_SOURCES = tests/merge/uapi_layout.c \
	tests/merge/layout.h kmod/uapi/mergemod.h
tests_merge_uapi_layout_t_LDADD =

TESTS += tests/merge/uapi_m32.sh
EXTRA_DIST += tests/merge/tools.sh tests/merge/uapi_m32.sh

if MERGE
API_TESTS += tests/merge/bad.t tests/merge/ksm.t tests/merge/proc.t
tests_merge_ksm_t_SOURCES = tests/merge/ksm.c tests/merge/target.h
tests_merge_ksm_t_LDADD = libmmlib.la
tests_merge_bad_t_SOURCES = tests/merge/bad.c tests/merge/target.h
tests_merge_bad_t_LDADD = libmmlib.la
tests_merge_proc_t_SOURCES = tests/merge/proc.c tests/merge/target.h
tests_merge_proc_t_LDADD = libmmlib.la

TESTS += tests/merge/tools.sh
check_PROGRAMS += tests/merge/replica
tests_merge_replica_SOURCES = tests/merge/replica.c
# Sanitizers would give it memory of theirs.
tests_merge_replica_CFLAGS = -std=c11 -Wall -Wextra
tests_merge_replica_LDFLAGS =

UNIT_TESTS += tests/merge/hash.t tests/merge/mergemod.t
tests_merge_hash_t_SOURCES = tests/merge/hash.c
tests_merge_hash_t_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_merge_hash_t_LDADD = libmmlib-core.la
tests_merge_mergemod_t_SOURCES = tests/merge/mergemod.c
tests_merge_mergemod_t_LDADD = libmmlib-core.la
tests_merge_mergemod_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=open -Wl,--wrap=ioctl
endif
