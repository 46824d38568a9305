/* SPDX-License-Identifier: MIT */
/*
 * thread.h -- what a thread remembers privately, and how it notices fork().
 *
 * Everything here lies in private memory.  A child made by fork() starts with
 * nothing remembered: no thread id, no hints, no lock depth of its parent.
 * That is noticed even without the fork handlers of the C library, because
 * mmi_process reads as 0 in a child (MADV_WIPEONFORK).
 *
 * The thread-local block of the library is a few words, so that it fits into
 * what the loader keeps in reserve for plug-ins.
 */
#ifndef MMI_THREAD_H
#define MMI_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROCESS_ALIGN = 4096 };

/* Shared by the threads of a process; all of it reads as 0 in a new child.  It
 * has a page to itself. */
struct process {
    /* Which process this is: never 0, another number after each fork(). */
    _Alignas(PROCESS_ALIGN) _Atomic uint64_t generation;
    /* Grows whenever an object that threads cache pointers to goes away. */
    _Atomic uint64_t epoch;
};

struct thread_failure {
    bool set;
    char text[1024];
};

struct thread {
    /* Valid while equal to mmi_process.epoch; compare before using any of
     * the cached pointers below.  mmi_thread() brings it up to date. */
    uint64_t epoch;
    uint64_t generation;

    /* One entry for the top layer: the last address looked up, and what it
     * found.  Cleared whenever the epoch changes, to an address that nobody
     * looks up. */
    const void *recent;
    void *recent_found;

    uint32_t tid;        /* 0 until mmi_thread_id() asked for it */
    uint32_t user_locks; /* how many user locks this thread is inside */
    size_t local_count;
    struct thread_local_data **locals; /* by slot of the object id */
    struct thread_failure failure;
    char answer[256]; /* of mm_query() */
};

/* What a thread keeps about one object. */
struct thread_local_data {
    uint64_t id;
    size_t size;
    _Alignas(max_align_t) char bytes[];
};

/* -fvisibility does not reach declarations; without this each access would go
 * through the table of what other libraries may replace. */
#if defined(__GNUC__)
#define MMI_HIDDEN __attribute__((visibility("hidden")))
#define MMI_TLS    _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define MMI_HIDDEN
#define MMI_TLS _Thread_local
#endif

extern struct process mmi_process MMI_HIDDEN;

/* Never NULL: threads without a record yet have one that matches nothing. */
extern MMI_TLS struct thread *mmi_thread_self;

/* As recent in the record, for locks, and without the way through it.  Valid
 * while the epoch is that of the process. */
struct thread_lock {
    const void *address;
    uint64_t epoch;
    void *found;
};

extern MMI_TLS struct thread_lock mmi_thread_lock;

/* The record of the calling thread, made or brought up to date first.  NULL
 * without private memory; sets errno, records nothing. */
struct thread *mmi_thread(void);

/* Kernel id of the calling thread; cached, right in fork children too. */
uint32_t mmi_thread_id(void);

/* A number for an object that threads keep private data about; never given
 * out twice in a process and its children.  0 without memory, after
 * mmi_fail_as(). */
uint64_t mmi_object_id(void);

/* The object ID is gone: its number becomes invalid, cached pointers are
 * dropped by bumping the epoch. */
void mmi_object_retire(uint64_t id);

/* SIZE bytes of private memory of the calling thread for object ID, zeroed
 * when first asked for and again in a fork child.  Stays at its address until
 * the thread ends or the object is retired.  NULL after mmi_fail_as(). */
void *mmi_thread_local(uint64_t id, size_t size);

/* What mmi_thread_local() gave for ID before, NULL if that must be asked. */
static inline void *mmi_thread_recall(uint64_t id)
{
    struct thread *self = mmi_thread_self;
    if ((uint32_t)id >= self->local_count ||
        self->epoch !=
            atomic_load_explicit(&mmi_process.epoch, memory_order_acquire))
        return NULL;
    struct thread_local_data *data = self->locals[(uint32_t)id];
    return data && data->id == id ? data->bytes : NULL;
}

#endif
