# SPDX-License-Identifier: MIT
# `make bench` compares speed and space with other allocators; `make bench
# BENCH='--rounds=9 churn'` chooses.  Only that it runs is part of make check.

check_PROGRAMS += tests/bench/bench tests/bench/bare
tests_bench_bench_SOURCES = \
	tests/bench/bench.c \
	tests/bench/bench.h \
	tests/bench/clock.c \
	tests/bench/death.c \
	tests/bench/pattern.c \
	tests/bench/peers.c \
	tests/bench/space.c \
	tests/bench/speed.c \
	tests/bench/team.c \
	tests/bench/trace.c \
	tests/workload.h
tests_bench_bench_LDADD = libmm.la -ldl
tests_bench_bare_SOURCES = tests/bench/bare.c tests/workload.h
tests_bench_bare_LDADD = libmm-core.la

TESTS += tests/bench/smoke.sh
EXTRA_DIST += tests/bench/smoke.sh

BENCH =
bench: tests/bench/bench$(EXEEXT) tests/bench/bare$(EXEEXT)
	$(AM_V_at)tests/bench/bench$(EXEEXT) \
		--bare=tests/bench/bare$(EXEEXT) $(BENCH)
.PHONY: bench
