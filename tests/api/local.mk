# SPDX-License-Identifier: MIT
API_TESTS += \
	tests/api/contract.t \
	tests/api/core.t \
	tests/api/crossing.t \
	tests/api/destroy.t \
	tests/api/display.t \
	tests/api/errors.t \
	tests/api/exact.t \
	tests/api/global.t \
	tests/api/huge.t \
	tests/api/lib.t \
	tests/api/limits.t \
	tests/api/misuse.t \
	tests/api/nesting.t \
	tests/api/often.t \
	tests/api/options.t \
	tests/api/pool.t \
	tests/api/prefork.t \
	tests/api/query.t \
	tests/api/stat.t \
	tests/api/threads.t \
	tests/api/userlock.t \
	tests/api/walk.t

tests_api_contract_t_SOURCES = tests/api/contract.c tests/api/api.h
tests_api_contract_t_LDADD = libmm.la
tests_api_core_t_SOURCES = tests/api/core.c tests/api/api.h
tests_api_core_t_LDADD = libmm.la
tests_api_crossing_t_SOURCES = tests/api/crossing.c tests/api/api.h
tests_api_crossing_t_LDADD = libmm.la
tests_api_destroy_t_SOURCES = tests/api/destroy.c tests/api/api.h
tests_api_destroy_t_LDADD = libmm.la
tests_api_display_t_SOURCES = tests/api/display.c tests/api/api.h
tests_api_display_t_LDADD = libmm.la
tests_api_errors_t_SOURCES = tests/api/errors.c tests/api/api.h
tests_api_errors_t_LDADD = libmm.la
tests_api_exact_t_SOURCES = tests/api/exact.c tests/api/api.h
tests_api_exact_t_LDADD = libmm.la
tests_api_global_t_SOURCES = tests/api/global.c tests/api/api.h
tests_api_global_t_LDADD = libmm.la
tests_api_huge_t_SOURCES = tests/api/huge.c tests/api/api.h
tests_api_huge_t_LDADD = libmm.la
tests_api_lib_t_SOURCES = tests/api/lib.c tests/api/api.h
tests_api_lib_t_LDADD = libmm.la
tests_api_limits_t_SOURCES = tests/api/limits.c tests/api/api.h
tests_api_limits_t_LDADD = libmm.la
tests_api_misuse_t_SOURCES = tests/api/misuse.c tests/api/api.h
tests_api_misuse_t_LDADD = libmm.la
tests_api_nesting_t_SOURCES = tests/api/nesting.c tests/api/api.h
tests_api_nesting_t_LDADD = libmm.la
tests_api_often_t_SOURCES = tests/api/often.c tests/api/api.h
tests_api_often_t_LDADD = libmm.la
tests_api_options_t_SOURCES = tests/api/options.c tests/api/api.h
tests_api_options_t_LDADD = libmm.la
tests_api_pool_t_SOURCES = tests/api/pool.c tests/api/api.h
tests_api_pool_t_LDADD = libmm.la
tests_api_prefork_t_SOURCES = tests/api/prefork.c tests/api/api.h
tests_api_prefork_t_LDADD = libmm.la
tests_api_query_t_SOURCES = tests/api/query.c tests/api/api.h
tests_api_query_t_LDADD = libmm.la
tests_api_stat_t_SOURCES = tests/api/stat.c tests/api/api.h
tests_api_stat_t_LDADD = libmm.la
tests_api_threads_t_SOURCES = tests/api/threads.c tests/api/api.h
tests_api_threads_t_LDADD = libmm.la
tests_api_userlock_t_SOURCES = tests/api/userlock.c tests/api/api.h
tests_api_userlock_t_LDADD = libmm.la
tests_api_walk_t_SOURCES = tests/api/walk.c tests/api/api.h
tests_api_walk_t_LDADD = libmm.la

TESTS += tests/api/matrix.sh
EXTRA_DIST += tests/api/matrix.sh

# Bars that do not depend on time.
API_TESTS += tests/api/space.t tests/api/syscalls.t
tests_api_space_t_SOURCES = tests/api/space.c tests/workload.h
tests_api_space_t_LDADD = libmm.la
tests_api_syscalls_t_SOURCES = tests/api/syscalls.c tests/workload.h
tests_api_syscalls_t_LDADD = libmm.la
FAULT_TESTS += tests/api/repair.t
tests_api_repair_t_SOURCES = tests/api/repair.c
tests_api_repair_t_CPPFLAGS = $(AM_CPPFLAGS) -DMMI_TEST_BUILD=1
tests_api_repair_t_LDADD = libmm-test.la

# Needs to stop a process at the wrong moment.
UNIT_TESTS += tests/api/stopped.t
tests_api_stopped_t_SOURCES = tests/api/stopped.c tests/api/api.h
tests_api_stopped_t_LDADD = libmm-core.la
