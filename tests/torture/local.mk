# SPDX-License-Identifier: MIT
# Processes that are killed all the time.  `make check` gives each test a
# moment; `make torture` the time that it takes to believe them.

API_TESTS += tests/torture/reported.t
tests_torture_reported_t_SOURCES = \
	tests/torture/reported.c \
	tests/torture/variants.h
tests_torture_reported_t_LDADD = libmm.la
