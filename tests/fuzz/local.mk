# SPDX-License-Identifier: MIT
# Each fuzz target replays a corpus of its own in `make check`; with
# --enable-fuzzing, `make fuzz` lets libFuzzer look for more.

UNIT_TESTS += tests/fuzz/fuzz_heap.t tests/fuzz/fuzz_hostile.t \
	tests/fuzz/fuzz_options.t
FUZZ_REPLAY = tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_heap_t_SOURCES = tests/fuzz/fuzz_heap.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_heap_t_LDADD = libmm-core.la
tests_fuzz_fuzz_hostile_t_SOURCES = tests/fuzz/fuzz_hostile.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_hostile_t_LDADD = libmm-core.la
tests_fuzz_fuzz_options_t_SOURCES = tests/fuzz/fuzz_options.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_options_t_LDADD = libmm-core.la

FUZZERS = tests/fuzz/heap.fuzz tests/fuzz/hostile.fuzz \
	tests/fuzz/options.fuzz
EXTRA_PROGRAMS += $(FUZZERS)
tests_fuzz_heap_fuzz_SOURCES = tests/fuzz/fuzz_heap.c tests/fuzz/fuzz.h
tests_fuzz_heap_fuzz_LDADD = libmm-core.la
tests_fuzz_heap_fuzz_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_hostile_fuzz_SOURCES = tests/fuzz/fuzz_hostile.c tests/fuzz/fuzz.h
tests_fuzz_hostile_fuzz_LDADD = libmm-core.la
tests_fuzz_hostile_fuzz_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_options_fuzz_SOURCES = tests/fuzz/fuzz_options.c tests/fuzz/fuzz.h
tests_fuzz_options_fuzz_LDADD = libmm-core.la
tests_fuzz_options_fuzz_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
CLEANFILES += $(FUZZERS)

FUZZ_SECS = 60
if FUZZING
fuzz: $(FUZZERS) $(UNIT_TESTS)
	@for target in heap hostile options; do \
		corpus=tests/fuzz/corpus-$$target; \
		$(MKDIR_P) $$corpus && \
		tests/fuzz/fuzz_$$target.t --write $$corpus && \
		tests/fuzz/$$target.fuzz -max_total_time=$(FUZZ_SECS) -max_len=1024 \
			-artifact_prefix=tests/fuzz/$$target- $$corpus || exit 1; \
	done
else
fuzz:
	@echo 'make fuzz needs ./configure --enable-fuzzing CC=clang' >&2; exit 1
endif
.PHONY: fuzz

clean-local: clean-fuzz
clean-fuzz:
	rm -rf tests/fuzz/corpus-heap tests/fuzz/corpus-hostile \
		tests/fuzz/corpus-options
.PHONY: clean-fuzz
