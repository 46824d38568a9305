# SPDX-License-Identifier: MIT
# mergemem and mergeall: nothing but the public header of libmmlib.

TOOL_SOURCES = \
	src/tools/tool.h \
	src/tools/tool_draw.c \
	src/tools/tool_estimate.c \
	src/tools/tool_find.c \
	src/tools/tool_json.c \
	src/tools/tool_main.c \
	src/tools/tool_merge.c \
	src/tools/tool_options.c \
	src/tools/tool_progress.c \
	src/tools/tool_report.c \
	src/tools/tool_scan.c

if MERGE
sbin_PROGRAMS = mergeall mergemem
mergeall_SOURCES = src/tools/mergeall.c $(TOOL_SOURCES)
mergeall_LDADD = libmmlib.la
mergemem_SOURCES = src/tools/mergemem.c $(TOOL_SOURCES)
mergemem_LDADD = libmmlib.la
endif
