# SPDX-License-Identifier: MIT
# Tests: NAME.c builds NAME.t, each speaks TAP.  Unit tests link the
# convenience library and reach internals; tests of the API link libmm.la and
# cannot; tests that need fault points link libmm-test.la.

TEST_EXTENSIONS = .t .sh
T_LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(T_LOG_DRIVER)
SH_LOG_COMPILER = $(SHELL)
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(top_srcdir)'; top_builddir='$(top_builddir)'; \
	CC='$(CC)'; SANITIZERS='$(MM_SANITIZERS)'; SHELL='$(SHELL)'; \
	TSAN_OPTIONS='detect_deadlocks=0:suppressions=$(abs_top_srcdir)/tests/threads.supp'; \
	MERGE='$(MERGE)'; \
	export top_srcdir top_builddir CC SANITIZERS SHELL TSAN_OPTIONS MERGE;

UNIT_TESTS =
API_TESTS =
FAULT_TESTS =

include tests/base/local.mk
include tests/heap/local.mk
include tests/shm/local.mk
include tests/lock/local.mk
include tests/segment/local.mk
include tests/refpage/local.mk
include tests/api/local.mk
include tests/merge/local.mk
include tests/compat/local.mk
include tests/rules/local.mk
include tests/hostile/local.mk
include tests/faults/local.mk
include tests/fuzz/local.mk
include tests/bench/local.mk
include tests/torture/local.mk
include tests/crash/local.mk

# What ThreadSanitizer can judge: threads of one process.  It does not see that
# one of them waited for what another process did.  Pools of 16 TiB do not fit
# into what it leaves of the address space.
THREAD_TESTS = \
	tests/api/crossing.t \
	tests/api/nesting.t \
	tests/api/threads.t \
	tests/api/userlock.t \
	tests/heap/random.t \
	tests/lock/contract.t \
	tests/lock/upgrade.t \
	tests/segment/segment.t \
	tests/segment/table.t \
	tests/torture/leaving.t \
	tests/torture/torture.t
check-threads:
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(THREAD_TESTS)'
.PHONY: check-threads
EXTRA_DIST += tests/threads.supp

check_PROGRAMS += $(UNIT_TESTS) $(API_TESTS) $(FAULT_TESTS)
TESTS += $(UNIT_TESTS) $(API_TESTS) $(FAULT_TESTS)
EXTRA_DIST += tests/tap.h tests/children.h
