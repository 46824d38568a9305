/* SPDX-License-Identifier: MIT */
/*
 * mm.h -- malloc for memory that stays shared across fork().
 *
 * Three layers, each usable by itself: MM_* works on one global pool, mm_* on
 * any number of pools, mm_core_* on raw shared segments with a lock.  Programs
 * written for the mm library of 1999 to 2006 compile and run unchanged.
 *
 * Make pools before fork(): parent, children and grandchildren then see the
 * same memory at the same addresses.  Every function may be called from any
 * thread of any of these processes at any time, except as noted; none may be
 * called from a signal handler or in a vfork() child.
 *
 * A function that fails sets errno and leaves a sentence for mm_error(), which
 * is kept per thread.  The return conventions are historic and mixed:
 *   1 success, 0 failure     MM_create and all that lock: *_lock, *_unlock,
 *                            mm_trylock, mm_timedlock, mm_lock_state
 *   0 success, -1 failure    *_permission and what is new in 1.5
 *   pointer, NULL            everything that returns a pointer
 * Success leaves errno and mm_error() as they were.
 *
 * Copyright (c) 2026 the mm authors.  See COPYING.
 */
#ifndef _MM_H_
#define _MM_H_

/* Programs have always found these included. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a program may test for with the preprocessor. */
#define MM_FEATURE_THREADS   1 /* pools and locks are safe between threads */
#define MM_FEATURE_RECURSIVE 1 /* mm_lock() nests, around all calls */

#if defined(__GNUC__)
#define MM_API __attribute__((visibility("default")))
#else
#define MM_API
#endif

/* How to lock: shared with other readers, or exclusively. */
typedef enum { MM_LOCK_RD, MM_LOCK_RW } mm_lock_mode;

/* A pool; also the address of the segment it lies in. */
typedef void MM;

struct timespec;

/*
 * Global pool: the functions of the next section on one pool per process.
 * Before MM_create() and after MM_destroy(), MM_sizeof() and MM_available()
 * return (size_t)-1 and the others fail with EINVAL.  MM_create() fails with
 * EEXIST while there is a global pool.
 */
MM_API int MM_create(size_t size, const char *file);
MM_API int MM_permission(mode_t mode, uid_t owner, gid_t group);
MM_API void MM_reset(void);
MM_API void MM_destroy(void);
MM_API int MM_lock(mm_lock_mode mode);
MM_API int MM_unlock(void);
MM_API void *MM_malloc(size_t size);
MM_API void *MM_realloc(void *ptr, size_t size);
MM_API void MM_free(void *ptr);
MM_API void *MM_calloc(size_t number, size_t size);
MM_API char *MM_strdup(const char *str);
MM_API size_t MM_sizeof(const void *ptr);
MM_API size_t MM_maxsize(void);
MM_API size_t MM_available(void);
MM_API char *MM_error(void);

/*
 * Pools.  A NULL pool, or an address that is no pool, fails with EINVAL.
 */

/* Make a pool of SIZE bytes; 0 means 64 MiB, and less than 8192 means 8192.
 * Any sequence of allocations fits into the new pool as long as the sum of
 * (n + 16 rounded up to 8) over their sizes n is at most SIZE.  FILE names
 * the backing file for variants that have one, which must not exist yet; it may
 * be NULL.  ENOMEM, ENOSPC, EFBIG, EEXIST, ENAMETOOLONG, EINVAL (options), and
 * what the system calls report. */
MM_API MM *mm_create(size_t size, const char *file);

/* chmod and chown what backs the pool, (uid_t)-1 and (gid_t)-1 unchanged; 0,
 * also where nothing backs it. */
MM_API int mm_permission(MM *mm, mode_t mode, uid_t owner, gid_t group);

/* Forget all allocations.  Nobody may be using any of them. */
MM_API void mm_reset(MM *mm);

/* Give the pool up in this process; others that have it go on.  The creator
 * also removes files and system objects.  Nothing is wiped.  No thread of this
 * process may be using the pool. */
MM_API void mm_destroy(MM *mm);

/* The pool's lock, for the caller's own data: recursive, counted per thread,
 * shared (MM_LOCK_RD) or exclusive (MM_LOCK_RW).  RW inside RD upgrades; if two
 * readers try at once the second gets EDEADLK.  RD inside RW stays RW.  A lock
 * whose holder died is granted to the next one, see mm_lock_state().  The
 * allocation functions do not use this lock and may be called under it. */
MM_API int mm_lock(MM *mm, mm_lock_mode mode);

/* Undo one mm_lock() of this thread.  Returns 1; without a lock it also returns
 * 1, as ever, but changes nothing and sets errno to EPERM. */
MM_API int mm_unlock(MM *mm);

/* SIZE bytes, aligned to 16, contents undefined.  NULL: ENOMEM; EINVAL if SIZE
 * is 0; ETIMEDOUT if another process blocks the pool (mm_options(3)). */
MM_API void *mm_malloc(MM *mm, size_t size);

/* As realloc(3).  PTR NULL allocates; SIZE 0 frees and returns NULL.  On
 * failure PTR stays as it was.  Who is killed in it leaves one block, either
 * the old or the new one.  EINVAL if PTR is no allocation of the pool. */
MM_API void *mm_realloc(MM *mm, void *ptr, size_t size);

/* PTR may be NULL.  A double free, a foreign or an interior pointer is
 * recognized, changes nothing, and sets errno to EINVAL; of two frees at the
 * same instant both may succeed. */
MM_API void mm_free(MM *mm, void *ptr);

/* NUMBER * SIZE zeroed bytes; ENOMEM if the product overflows. */
MM_API void *mm_calloc(MM *mm, size_t number, size_t size);

/* A copy of the string in the pool. */
MM_API char *mm_strdup(MM *mm, const char *str);

/* The size last asked for PTR; (size_t)-1 if it is no allocation of MM. */
MM_API size_t mm_sizeof(MM *mm, const void *ptr);

/* Largest SIZE that programs should show in an int; larger pools work, see
 * mm_query(NULL, "maxsize"). */
MM_API size_t mm_maxsize(void);

/* Bytes left.  An allocation of n bytes takes n + 16 rounded up to 8 of them;
 * one that takes more than there are fails, but for what others take and give
 * at that instant.  0 without a pool. */
MM_API size_t mm_available(MM *mm);

/* What went wrong last in this thread, NULL if nothing ever did.  The text is
 * the library's, and valid until the thread's next failure. */
MM_API char *mm_error(void);

/* Print a summary of the pool to stderr. */
MM_API void mm_display_info(MM *mm);

/*
 * New in 1.5.
 */

/* "name=value,...": defaults for the pools made from now on; see mm_options(3).
 * The environment variable MM_OPTIONS overrides them.  0, or -1: EINVAL. */
MM_API int mm_options(const char *options);

/* The value of KEY as text, valid until the thread's next call: what POOL
 * really has ("shm", "lock", "name", ...), or, with a NULL pool, what this
 * library can do ("version", "shm.variants", "maxsize", ...).  NULL: EINVAL. */
MM_API const char *mm_query(MM *mm, const char *key);

/* SIZE bytes at a multiple of ALIGNMENT, a power of two. */
MM_API void *mm_memalign(MM *mm, size_t alignment, size_t size);

/* Bytes that can be used at PTR, at least mm_sizeof(); 0 if it is no
 * allocation of MM. */
MM_API size_t mm_usable_size(MM *mm, const void *ptr);

/* A copy of at most SIZE bytes of the string, terminated. */
MM_API char *mm_strndup(MM *mm, const char *str, size_t size);

/* A copy of SIZE bytes. */
MM_API void *mm_memdup(MM *mm, const void *data, size_t size);

/*
 * Exact calls: an allocation and a word of the pool that says where it is
 * change in the same instant, so that whoever is killed in one of these calls
 * loses nothing.  WHERE, the *cell*, is a size_t in an allocation of the pool;
 * it holds mm_offset() of a block, or 0 for none.  Either only these calls
 * change a cell, or all who use it do so under mm_lock(MM_LOCK_RW).  A block
 * that moves is copied while page-level calls of others wait.  EINVAL: WHERE is
 * not an aligned word of the pool, or holds neither 0 nor an allocation; EBUSY:
 * somebody else changed it meanwhile; the rest as for mm_malloc().
 */

/* Allocate SIZE bytes and store where into *WHERE, which must hold 0 (else
 * EEXIST).  The contents are undefined: who is killed afterwards leaves the
 * block as it was. */
MM_API void *mm_malloc_at(MM *mm, size_t size, size_t *where);

/* Free what *WHERE holds, and make it 0.  0, also if it was 0, or -1. */
MM_API int mm_free_at(MM *mm, size_t *where);

/* As mm_realloc() of what *WHERE holds; there is a valid block in it at each
 * instant.  SIZE 0 frees and returns NULL. */
MM_API void *mm_realloc_at(MM *mm, size_t *where, size_t size);

/* Call VISIT(argument, ptr, size) for each allocation, in address order, until
 * it returns non-zero; returns that value, or 0 at the end, or -1 with errno
 * set.  VISIT may use the pool, and free PTR.  Allocations that come or go
 * meanwhile may or may not be seen; all others are seen exactly once. */
MM_API int mm_walk(MM *mm, int (*visit)(void *argument, void *ptr, size_t size),
                   void *argument);

/* Verify all that the pool keeps about itself; mends nothing.  0: sound.  -1:
 * EUCLEAN with the finding in mm_error(), or ETIMEDOUT. */
MM_API int mm_check(MM *mm);

/* What a pool looks like; bytes unless said.  Members are only ever added at
 * the end. */
struct mm_stat {
    size_t size;         /* as created */
    size_t available;    /* as mm_available() */
    size_t used;         /* sum of the sizes asked for */
    size_t used_count;   /* allocations */
    size_t largest_free; /* largest single allocation that still fits */
    size_t mapped;       /* address space taken */
    size_t committed;    /* of it, ever used for allocations */
    size_t small_count;  /* allocations that share pages */
    size_t large_count;  /* allocations that have their own pages */
    size_t free_runs;    /* stretches of free pages */
    size_t spans;        /* stretches of pages that hold small allocations */
    size_t repairs;      /* times that a survivor repaired the pool */
    size_t failed;       /* allocations refused for lack of space */
    size_t dead_owners;  /* dead threads found that held a lock or blocks */
    size_t reclaimed;    /* blocks that were taken back from them */
};

/* Fill at most SIZE bytes of *STAT, normally sizeof(struct mm_stat).  The
 * figures are from one moment only while nobody else uses the pool. */
MM_API int mm_stat(MM *mm, struct mm_stat *stat, size_t size);

/* The same and the variants as a JSON object, as snprintf(3): at most SIZE
 * bytes, returns the full length, or -1. */
MM_API int mm_stat_json(MM *mm, char *text, size_t size);

/* Where PTR lies in the pool, for storing in the pool instead of an address;
 * (size_t)-1 with EINVAL outside of it.  mm_pointer() turns it back. */
MM_API size_t mm_offset(MM *mm, const void *ptr);
MM_API void *mm_pointer(MM *mm, size_t offset);

/* mm_lock() that does not wait (0: EBUSY), or waits until DEADLINE, absolute on
 * CLOCK_MONOTONIC (0: ETIMEDOUT). */
MM_API int mm_trylock(MM *mm, mm_lock_mode mode);
MM_API int mm_timedlock(MM *mm, mm_lock_mode mode,
                        const struct timespec *deadline);

/* The pool's lock as it is now, for mm_lock_state() to fill; 1 or 0. */
struct mm_lock_state {
    pid_t holder;     /* thread that holds it exclusively, 0 if none does, -1
                         if the lock variant cannot name it */
    unsigned readers; /* shared holders, 0 where they cannot be counted */
    unsigned depth;   /* times that this thread holds it */
    int owner_died;   /* a holder died; reported once, to the first who asks */
};
MM_API int mm_lock_state(MM *mm, struct mm_lock_state *state);

/*
 * Reference pages: private memory that starts out as a repeated pattern.  See
 * mm_refpage(3).
 */
struct mm_refpage;

/* A reference to the SIZE bytes at CONTENT, which are copied now.  SIZE is a
 * power of two up to the page size, CONTENT a multiple of it, FLAGS 0 (else
 * EINVAL); EFAULT if CONTENT cannot be read; EMFILE, ENFILE, ENOMEM. */
MM_API struct mm_refpage *mm_refpage_create(const void *content, size_t size,
                                            unsigned long flags);

/* LENGTH bytes, rounded up to whole pages, that read as the content repeated,
 * from a few physical pages.  Private: what is written to is copied, children
 * have their own, madvise(MADV_DONTNEED) brings the content back.  NULL: EINVAL
 * if REF is none or LENGTH 0; ENOMEM. */
MM_API void *mm_refpage_map(struct mm_refpage *ref, size_t length);

/* Give back what mm_refpage_map() returned for LENGTH.  0, or -1: EINVAL. */
MM_API int mm_refpage_unmap(void *address, size_t length);

/* Forget REF, whose mappings stay.  0, or -1: EINVAL. */
MM_API int mm_refpage_close(struct mm_refpage *ref);

/* A new descriptor that mmap(2) maps like mm_refpage_map(), where the kernel
 * makes the pages; it belongs to the caller.  -1: ENOTSUP elsewhere. */
MM_API int mm_refpage_fd(struct mm_refpage *ref);

/*
 * Raw segments.  They accept the address of a pool too.
 */

/* SIZE zeroed bytes that children share, page-aligned.  EINVAL if SIZE is 0 or
 * cannot be had. */
MM_API void *mm_core_create(size_t size, const char *file);
MM_API int mm_core_permission(void *core, mode_t mode, uid_t owner,
                              gid_t group);
MM_API void mm_core_delete(void *core);

/* The SIZE it was created with. */
MM_API size_t mm_core_size(const void *core);
MM_API int mm_core_lock(const void *core, mm_lock_mode mode);
MM_API int mm_core_unlock(const void *core);
MM_API size_t mm_core_maxsegsize(void);

/* SIZE rounded up to a page, to 8 bytes; 0 if that overflows. */
MM_API size_t mm_core_align2page(size_t size);
MM_API size_t mm_core_align2word(size_t size);

/*
 * The library.
 */

/* Set the text of mm_error().  TYPE: 1 puts "mm:alloc: " before it, 2 puts
 * "mm:core: ", 4 appends the text of errno.  NULL clears. */
MM_API void mm_lib_error_set(unsigned int type, const char *str);
MM_API char *mm_lib_error_get(void);

/* 0xVRRTLL: version, revision, type (2: release) and level. */
MM_API int mm_lib_version(void);

#ifdef __cplusplus
}
#endif

#endif
