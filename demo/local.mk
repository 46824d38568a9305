# SPDX-License-Identifier: MIT
# The prefork server of "bootstrap demo".  It links the test build of the
# library, so that its workers can die at fault points.

check_PROGRAMS += demo/mm-demo demo/http.t
demo_mm_demo_SOURCES = \
	demo/client.c \
	demo/client.h \
	demo/demo.c \
	demo/http.c \
	demo/http.h \
	demo/load.c \
	demo/load.h \
	demo/report.c \
	demo/report.h \
	demo/server.c \
	demo/server.h \
	demo/session_care.c \
	demo/session_private.h \
	demo/session_table.c \
	demo/session_table.h \
	demo/verify.c \
	demo/verify.h \
	demo/worker.c \
	demo/worker.h
demo_mm_demo_LDADD = libmm-test.la

# As short a run as shows everything, and what the parser makes of bad input.
demo_http_t_SOURCES = demo/http_test.c demo/http.c demo/http.h
TESTS += demo/http.t demo/demo.sh
EXTRA_DIST += demo/demo.sh

# make demo DEMO_FLAGS='--secs 30 --workers 4'
DEMO_FLAGS =
demo: demo/mm-demo
	@demo/mm-demo $(DEMO_FLAGS)
.PHONY: demo
