# SPDX-License-Identifier: MIT
# The merge library and its contract with the kernel.

UNIT_TESTS += tests/merge/uapi_layout.t
tests_merge_uapi_layout_t_SOURCES = tests/merge/uapi_layout.c \
	tests/merge/layout.h kmod/uapi/mergemod.h
tests_merge_uapi_layout_t_LDADD =

TESTS += tests/merge/uapi_m32.sh
EXTRA_DIST += tests/merge/uapi_m32.sh

if MERGE
API_TESTS += tests/merge/proc.t
tests_merge_proc_t_SOURCES = tests/merge/proc.c tests/merge/target.h
tests_merge_proc_t_LDADD = libmmlib.la
endif
