# SPDX-License-Identifier: MIT
# Sources of libmmlib, which links nothing of libmm: it has its own copy of the
# little it needs of src/base.

if MERGE
include_HEADERS += include/mmlib.h
pkgconfig_DATA += mmlib.pc

noinst_LTLIBRARIES += libmmlib-core.la
libmmlib_core_la_SOURCES = \
	kmod/uapi/mergemod.h \
	src/base/page.c \
	src/base/page.h \
	src/merge/backend_ksm.c \
	src/merge/backend_mergemod.c \
	src/merge/backend_proc.c \
	src/merge/ksm_control.c \
	src/merge/ksm_control.h \
	src/merge/merge_backend.c \
	src/merge/merge_backends.c \
	src/merge/merge_copy.c \
	src/merge/merge_hash.c \
	src/merge/merge_pageinfo.c \
	src/merge/merge_pages.c \
	src/merge/merge_private.h \
	src/merge/proc_maps.c \
	src/merge/proc_maps.h \
	src/merge/proc_pages.c \
	src/merge/proc_pages.h
libmmlib_core_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

lib_LTLIBRARIES += libmmlib.la
libmmlib_la_SOURCES =
libmmlib_la_LIBADD = libmmlib-core.la
libmmlib_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined
EXTRA_libmmlib_la_DEPENDENCIES = src/merge/libmmlib.map
if VERSION_SCRIPT
libmmlib_la_LDFLAGS += -Wl,--version-script=$(srcdir)/src/merge/libmmlib.map
endif
endif

EXTRA_DIST += src/merge/libmmlib.map
