# SPDX-License-Identifier: MIT
UNIT_TESTS += tests/base/options.t
tests_base_options_t_SOURCES = tests/base/options.c
tests_base_options_t_LDADD = libmm-core.la
UNIT_TESTS += tests/base/file.t
tests_base_file_t_SOURCES = tests/base/file.c tests/shm/leaks.h
tests_base_file_t_LDADD = libmm-core.la
