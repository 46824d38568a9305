# SPDX-License-Identifier: MIT
HEAP_TESTS = \
	tests/heap/budget.t \
	tests/heap/enomem.t \
	tests/heap/processes.t \
	tests/heap/random.t \
	tests/heap/scribble.t \
	tests/heap/space.t \
	tests/heap/spans.t \
	tests/heap/sweep.t \
	tests/heap/units.t
UNIT_TESTS += $(HEAP_TESTS)
tests_heap_enomem_t_SOURCES = tests/heap/enomem.c tests/heap/fixture.h
tests_heap_enomem_t_LDADD = libmm-core.la
tests_heap_random_t_SOURCES = tests/heap/random.c tests/heap/fixture.h
tests_heap_random_t_LDADD = libmm-core.la
tests_heap_scribble_t_SOURCES = tests/heap/scribble.c tests/heap/fixture.h
tests_heap_scribble_t_LDADD = libmm-core.la
tests_heap_space_t_SOURCES = tests/heap/space.c tests/heap/fixture.h
tests_heap_space_t_LDADD = libmm-core.la
tests_heap_spans_t_SOURCES = tests/heap/spans.c tests/heap/fixture.h
tests_heap_spans_t_LDADD = libmm-core.la
tests_heap_sweep_t_SOURCES = tests/heap/sweep.c tests/heap/fixture.h
tests_heap_sweep_t_LDADD = libmm-core.la
tests_heap_units_t_SOURCES = tests/heap/units.c tests/heap/fixture.h
tests_heap_units_t_LDADD = libmm-core.la
tests_heap_budget_t_SOURCES = tests/heap/budget.c tests/heap/fixture.h
tests_heap_budget_t_LDADD = libmm-core.la
tests_heap_processes_t_SOURCES = tests/heap/processes.c tests/heap/fixture.h
tests_heap_processes_t_LDADD = libmm-core.la

FAULT_TESTS += tests/heap/repair.t
tests_heap_repair_t_SOURCES = tests/heap/repair.c tests/heap/fixture.h
tests_heap_repair_t_CPPFLAGS = $(AM_CPPFLAGS) -DMMI_TEST_BUILD=1
tests_heap_repair_t_LDADD = libmm-test.la
