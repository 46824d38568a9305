# SPDX-License-Identifier: MIT
# Programs that were written for mm 1.4.

API_TESTS += tests/compat/old_header.t
tests_compat_old_header_t_SOURCES = tests/compat/old_header.c
tests_compat_old_header_t_LDADD = libmm.la

COMPAT_TESTS = tests/compat/old_library.sh tests/compat/smsd.sh
TESTS += $(COMPAT_TESTS)
EXTRA_DIST += $(COMPAT_TESTS) tests/compat/fake_modem.py

# It runs that program.
tests/compat/old_library.log: tests/compat/old_header.t
