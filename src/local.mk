# SPDX-License-Identifier: MIT
# Sources of libmm.  Everything is compiled once into a convenience library;
# libmm.la is just that with an ABI around it.

LIBMM_SOURCES = \
	src/api/mm_core.c \
	src/api/mm_display.c \
	src/api/mm_exact.c \
	src/api/mm_global.c \
	src/api/mm_lib.c \
	src/api/mm_lock.c \
	src/api/mm_look.c \
	src/api/mm_options.c \
	src/api/mm_pool.c \
	src/api/mm_refpage.c \
	src/api/mm_stat.c \
	src/api/pool.h \
	src/base/bytes.h \
	src/base/fail.c \
	src/base/fail.h \
	src/base/fault.h \
	src/base/file.c \
	src/base/file.h \
	src/base/life.h \
	src/base/options.c \
	src/base/options.h \
	src/base/page.c \
	src/base/page.h \
	src/base/thread.c \
	src/base/thread.h \
	src/heap/heap.c \
	src/heap/heap.h \
	src/heap/heap_budget.c \
	src/heap/heap_check.c \
	src/heap/heap_create.c \
	src/heap/heap_exact.c \
	src/heap/heap_fast.h \
	src/heap/heap_layout.h \
	src/heap/heap_magazine.c \
	src/heap/heap_parts.h \
	src/heap/heap_repair.c \
	src/heap/heap_run.c \
	src/heap/heap_small.c \
	src/heap/heap_space.c \
	src/heap/heap_span.c \
	src/heap/heap_walk.c \
	src/lock/lock.h \
	src/lock/lock_fast.h \
	src/lock/futex_fence.h \
	src/lock/futex_slots.h \
	src/lock/futex_user.h \
	src/lock/futex_word.h \
	src/lock/lock_file.c \
	src/lock/lock_file.h \
	src/lock/lock_local.c \
	src/lock/lock_local.h \
	src/lock/lock_record.c \
	src/lock/lock_record.h \
	src/lock/lock_registry.c \
	src/lock/lock_user.c \
	src/lock/lock_wait.c \
	src/lock/lock_wait.h \
	src/refpage/refpage.h \
	src/segment/segment.c \
	src/segment/segment.h \
	src/segment/segment_table.c \
	src/segment/segment_table.h \
	src/shm/shm.h \
	src/shm/shm_registry.c

if LINUX_TASKS
LIBMM_SOURCES += src/base/life_linux.c
else
LIBMM_SOURCES += src/base/life_none.c
endif

if REFPAGES
LIBMM_SOURCES += \
	kmod/uapi/refpage.h \
	src/refpage/refpage.c \
	src/refpage/refpage_device.c \
	src/refpage/refpage_kernel.c \
	src/refpage/refpage_memfd.c \
	src/refpage/refpage_parts.h \
	src/refpage/refpage_syscall.c \
	src/refpage/refpage_unit.c
else
LIBMM_SOURCES += src/refpage/refpage_none.c
endif
EXTRA_DIST += src/refpage/refpage_none.c

# configure chooses among these.
VARIANT_SOURCES = \
	src/lock/futex_fence.c \
	src/lock/futex_slots.c \
	src/lock/futex_user.c \
	src/lock/futex_word.c \
	src/lock/lock_fcntl.c \
	src/lock/lock_flock.c \
	src/lock/lock_futex.c \
	src/lock/lock_ipcsem.c \
	src/lock/lock_ofd.c \
	src/lock/lock_pthread.c \
	src/shm/shm_ipcshm.c \
	src/shm/shm_memfd.c \
	src/shm/shm_mmanon.c \
	src/shm/shm_mmfile.c \
	src/shm/shm_mmposx.c \
	src/shm/shm_mmzero.c

noinst_LTLIBRARIES = libmm-core.la
libmm_core_la_SOURCES = $(LIBMM_SOURCES)
EXTRA_libmm_core_la_SOURCES = $(VARIANT_SOURCES)
libmm_core_la_LIBADD = $(SHM_OBJECTS) $(LOCK_OBJECTS)
libmm_core_la_DEPENDENCIES = $(SHM_OBJECTS) $(LOCK_OBJECTS)

# The test build: the same sources with fault points (base/fault.h).
EXTRA_LTLIBRARIES += libmm-test.la
CLEANFILES += libmm-test.la
libmm_test_la_SOURCES = $(LIBMM_SOURCES) src/base/fault.c
EXTRA_libmm_test_la_SOURCES = $(VARIANT_SOURCES)
libmm_test_la_CPPFLAGS = $(AM_CPPFLAGS) -DMMI_TEST_BUILD=1
libmm_test_la_LIBADD = $(SHM_TEST_OBJECTS) $(LOCK_TEST_OBJECTS)
libmm_test_la_DEPENDENCIES = $(SHM_TEST_OBJECTS) $(LOCK_TEST_OBJECTS)

lib_LTLIBRARIES = libmm.la
libmm_la_SOURCES =
libmm_la_LIBADD = libmm-core.la
libmm_la_LDFLAGS = $(AM_LDFLAGS) -version-info 15:0:1 -no-undefined -Wl,-z,nodelete
EXTRA_libmm_la_DEPENDENCIES = src/libmm.map
if VERSION_SCRIPT
libmm_la_LDFLAGS += -Wl,--version-script=$(srcdir)/src/libmm.map
endif

EXTRA_DIST += src/libmm.map
