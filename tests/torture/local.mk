# SPDX-License-Identifier: MIT
# Processes that are killed all the time.  `make check` gives each test a
# moment; `make torture` the time that it takes to believe them.

API_TESTS += tests/torture/torture.t
tests_torture_torture_t_SOURCES = \
	tests/torture/scene.c \
	tests/torture/table.h \
	tests/torture/torture.c \
	tests/torture/worker.c \
	tests/torture/worker.h \
	tests/workload.h
tests_torture_torture_t_LDADD = libmm.la

API_TESTS += tests/torture/reported.t
tests_torture_reported_t_SOURCES = \
	tests/torture/reported.c \
	tests/torture/variants.h
tests_torture_reported_t_LDADD = libmm.la

API_TESTS += tests/torture/leaving.t
tests_torture_leaving_t_SOURCES = \
	tests/torture/leaving.c \
	tests/torture/variants.h
tests_torture_leaving_t_LDADD = libmm.la

API_TESTS += tests/torture/namespaces.t
tests_torture_namespaces_t_SOURCES = \
	tests/torture/namespaces.c \
	tests/torture/variants.h
tests_torture_namespaces_t_LDADD = libmm.la

FAULT_TESTS += tests/torture/cells.t
tests_torture_cells_t_SOURCES = \
	tests/torture/cells.c \
	tests/torture/variants.h
tests_torture_cells_t_LDADD = libmm-test.la

API_TESTS += tests/torture/readers.t
tests_torture_readers_t_SOURCES = \
	tests/torture/readers.c \
	tests/torture/variants.h
tests_torture_readers_t_LDADD = libmm.la

UNIT_TESTS += tests/torture/wakeups.t
tests_torture_wakeups_t_SOURCES = tests/torture/wakeups.c
tests_torture_wakeups_t_LDADD = libmm-core.la

# make torture TORTURE='--minutes=10 --processes=6 --lock=FUTEX'
TORTURE = --minutes=10 --processes=6
torture: tests/torture/torture.t
	$(AM_V_at)tests/torture/torture.t $(TORTURE)
.PHONY: torture
