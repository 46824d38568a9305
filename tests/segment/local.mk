# SPDX-License-Identifier: MIT
UNIT_TESTS += tests/segment/segment.t tests/segment/table.t \
	tests/segment/faults.t
tests_segment_segment_t_SOURCES = tests/segment/segment.c tests/shm/leaks.h tests/shm/small.h
tests_segment_segment_t_LDADD = libmm-core.la
tests_segment_table_t_SOURCES = tests/segment/table.c
tests_segment_table_t_LDADD = libmm-core.la
tests_segment_faults_t_SOURCES = tests/segment/faults.c tests/shm/leaks.h tests/shm/wrap.h
tests_segment_faults_t_LDADD = libmm-core.la
tests_segment_faults_t_LDFLAGS = $(AM_LDFLAGS) $(WRAPPED_CALLS)
