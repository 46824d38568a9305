/* SPDX-License-Identifier: MIT */
/*
 * mmlib.h -- find pages of processes that hold the same, and merge them.
 *
 * The interface of the mmlib of 1999, on Linux of today.  A program lists the
 * pages of processes (m_getpageinfos), hashes them (m_hashpages), and has those
 * merged that seem to be equal (m_merge).  The kernel compares before it
 * merges: no mistake here can change what a process sees.
 *
 * Who answers is a matter of the backend, see m_set_backend() below.  Functions
 * return -1 and set errno if they fail.  All may be called from any thread at
 * any time, none from a signal handler.
 *
 * Copyright (c) 2026 the mm authors.  See COPYING.
 */
#ifndef _MMLIB_H_
#define _MMLIB_H_

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define M_API __attribute__((visibility("default")))
#else
#define M_API
#endif

/* A page of a process. */
typedef struct {
    const void *v_addr; /* virtual address */
    const void *p_addr; /* physical address, NULL if it is not told */
    size_t count;       /* how often the frame is mapped; 0: no page */
    unsigned long hash; /* by m_hashpages() */
} MPAGEINFO;

/* Two pages that seem to hold the same. */
typedef struct {
    pid_t spid;          /* source: whose page is replaced */
    const void *sv_addr; /* any address in it */
    pid_t dpid;          /* destination: whose page it becomes */
    const void *dv_addr;
    int status; /* 0 if they are one now, else what errno would be */
} MEQUALPAIR;

/* The hash of SIZE bytes at ADDR, which is word aligned.  The second type is
 * how the first version of this library declared it for m_hashpages(). */
typedef unsigned long m_hash_function(const void *addr, size_t size);
typedef unsigned long m_hash_function_1999(void *addr, size_t size);

/* What m_hashpages() takes: either type, without a cast but in strict C. */
#if defined(__GNUC__) && !defined(__STRICT_ANSI__) && !defined(__cplusplus)
typedef union {
    m_hash_function_1999 *plain;
    m_hash_function *constant;
} m_hash_argument __attribute__((transparent_union));
#else
typedef m_hash_function_1999 *m_hash_argument;
#endif

/* The pages of PID from the one at START to the one at END, both included,
 * that could be merged: NEL of them at most.  Returns how many were written.
 * *CONTP becomes the first page that was not examined, NULL if there is no
 * further one; CONTP may be NULL. */
M_API ssize_t m_getpageinfos(pid_t pid, const void *start, const void *end,
                             MPAGEINFO *pageinfos, size_t nel,
                             const void **contp);

/* Hash the NEL pages of PID that PAGEINFOS names by v_addr, and bring p_addr
 * and count up to date; both are 0 where there is no page.  NULL: the default
 * function.  Returns how many were hashed. */
M_API ssize_t m_hashpages(pid_t pid, MPAGEINFO *pageinfos, size_t nel,
                          m_hash_argument hashfunction);

/* Try to merge NEL pairs, each with a status of its own.  Returns how many are
 * one page now. */
M_API ssize_t m_merge(MEQUALPAIR *pagepairs, size_t nel);

/* What m_hashpages() takes for NULL from now on; NULL: m_hash_xxh64.  0. */
M_API ssize_t m_set_hash_default(m_hash_function *hashfunction);

/* Hash functions that backends know: the module runs them in the kernel.
 * xxh64: the whole page, strong.  addrothalf: half of it, weak.  const: 0, to
 * measure what everything else costs. */
M_API unsigned long m_hash_xxh64(const void *addr, size_t size);
M_API unsigned long m_hash_addrothalf(const void *addr, size_t size);
M_API unsigned long m_hash_const(const void *addr, size_t size);

/* The same, run like a function of the program's own. */
M_API unsigned long m_libhash_addrothalf(const void *addr, size_t size);
M_API unsigned long m_libhash_const(const void *addr, size_t size);

/* Choose who answers: "mergemod" is the kernel module; "proc" reads the
 * process file system and cannot merge; "ksm" does, too, but merges by steering
 * the merging of the kernel; "auto" or NULL is the module where its device
 * opens, else proc.  Never is one taken for another.  0, or -1: EINVAL unknown,
 * ENOPKG, EPROTO, EPERM cannot work here; then nothing changes. */
M_API int m_set_backend(const char *name);

/* The name of who would answer now, never "auto".  NULL if MMLIB_BACKEND in
 * the environment names nothing known. */
M_API const char *m_backend(void);

#ifdef __cplusplus
}

/* A template, so that NULL still means the function above. */
template <class Hash>
inline ssize_t m_hashpages(pid_t pid, MPAGEINFO *pageinfos, size_t nel,
                           Hash (*hashfunction)(const void *, size_t))
{
    return m_hashpages(pid, pageinfos, nel,
                       reinterpret_cast<m_hash_function_1999 *>(hashfunction));
}
#endif

#endif
