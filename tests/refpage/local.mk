# SPDX-License-Identifier: MIT
EXTRA_DIST += tests/refpage/refpage.h
API_TESTS += tests/refpage/rules.t tests/refpage/memory.t
tests_refpage_rules_t_SOURCES = tests/refpage/rules.c
tests_refpage_rules_t_LDADD = libmm.la
tests_refpage_memory_t_SOURCES = tests/refpage/memory.c
tests_refpage_memory_t_LDADD = libmm.la
API_TESTS += tests/refpage/sealed.t tests/refpage/limits.t
tests_refpage_sealed_t_SOURCES = tests/refpage/sealed.c
tests_refpage_sealed_t_LDADD = libmm.la
tests_refpage_limits_t_SOURCES = tests/refpage/limits.c
tests_refpage_limits_t_LDADD = libmm.la
API_TESTS += tests/refpage/threads.t
tests_refpage_threads_t_SOURCES = tests/refpage/threads.c
tests_refpage_threads_t_LDADD = libmm.la
UNIT_TESTS += tests/refpage/kernel.t tests/refpage/faults.t
tests_refpage_kernel_t_SOURCES = tests/refpage/kernel.c
tests_refpage_kernel_t_LDADD = libmm-core.la
tests_refpage_kernel_t_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=open,--wrap=ioctl,--wrap=syscall,--wrap=mmap
tests_refpage_faults_t_SOURCES = tests/refpage/faults.c
tests_refpage_faults_t_LDADD = libmm-core.la
tests_refpage_faults_t_LDFLAGS = $(AM_LDFLAGS) $(WRAPPED_CALLS) \
	-Wl,--wrap=pwrite,--wrap=pread,--wrap=pwritev
