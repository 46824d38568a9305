# SPDX-License-Identifier: MIT
# The kill harness.  `make check` dies at a selection of instructions, `make
# crash-sweep` at all of them; CRASH has further arguments for it.

CRASH_SOURCES = \
	tests/crash/crash.c \
	tests/crash/crash.h \
	tests/crash/frozen.c \
	tests/crash/image.c \
	tests/crash/left.c \
	tests/crash/scenes.h \
	tests/crash/scenes_exact.c \
	tests/crash/scenes_heap.c \
	tests/crash/scenes_lock.c \
	tests/crash/scenes_pool.c \
	tests/crash/survive.c \
	tests/crash/sweep.c \
	tests/crash/table.c \
	tests/crash/trace.c \
	tests/crash/world.c

# No lazy binding: the first call of a function would take another way.
UNIT_TESTS += tests/crash/crash.t
tests_crash_crash_t_SOURCES = $(CRASH_SOURCES)
tests_crash_crash_t_LDADD = libmm-core.la
tests_crash_crash_t_LDFLAGS = $(AM_LDFLAGS) -Wl,-z,now

# The same with the mistakes of the test build.
check_PROGRAMS += tests/crash/mutant
tests_crash_mutant_SOURCES = $(CRASH_SOURCES)
tests_crash_mutant_CPPFLAGS = $(AM_CPPFLAGS) -DMMI_TEST_BUILD=1
tests_crash_mutant_LDADD = libmm-test.la
tests_crash_mutant_LDFLAGS = $(AM_LDFLAGS) -Wl,-z,now

CRASH =
crash-sweep: tests/crash/crash.t
	$(AM_V_at)tests/crash/crash.t --all $(CRASH)
.PHONY: crash-sweep

TESTS += tests/crash/mutants.sh
EXTRA_DIST += tests/crash/mutants.sh
