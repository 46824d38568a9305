# SPDX-License-Identifier: MIT
EXTRA_DIST += tests/faults/trace.h
UNIT_TESTS += tests/faults/inject.t
tests_faults_inject_t_SOURCES = tests/faults/inject.c
tests_faults_inject_t_LDADD = libmm-core.la
API_TESTS += tests/faults/exhausted.t
tests_faults_exhausted_t_SOURCES = tests/faults/exhausted.c
tests_faults_exhausted_t_LDADD = libmm.la
