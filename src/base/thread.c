/* SPDX-License-Identifier: MIT */
/*
 * thread.c -- what a thread remembers privately, and how it notices fork().
 *
 * An object id is a slot number in its low 32 bits and a serial number above:
 * the slot indexes each thread's table, the serial number makes it unique.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/page.h"
#include "base/thread.h"

_Static_assert(sizeof(struct process) == PROCESS_ALIGN, "a page to itself");
struct process mmi_process;

/* No epoch is so high. */
static struct thread nobody = {.epoch = UINT64_MAX};
MMI_TLS struct thread *mmi_thread_self = &nobody;
MMI_TLS struct thread_lock mmi_thread_lock = {.epoch = UINT64_MAX};

static pthread_once_t started = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool is_started;
static _Atomic uint64_t counter; /* only grows, in children too */

/* Free slots of object ids, as a stack. */
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t *free_slots;
static uint32_t free_count;
static uint32_t free_room;
static uint32_t slot_count;

static uint64_t next_number(void)
{
    return atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed) + 1;
}

static void free_thread(void *record)
{
    struct thread *self = record;
    mmi_thread_self = &nobody;
    mmi_thread_lock.epoch = UINT64_MAX;
    for (size_t i = 0; i < self->local_count; i++)
        free(self->locals[i]);
    free(self->locals);
    free(self);
}

static void before_fork(void)
{
    pthread_mutex_lock(&slots_lock);
}

static void parent_after_fork(void)
{
    pthread_mutex_unlock(&slots_lock);
}

static void child_after_fork(void)
{
    /* The page does this by itself where the kernel can wipe it. */
    atomic_store(&mmi_process.generation, 0);
    atomic_store(&mmi_process.epoch, 0);
    pthread_mutex_unlock(&slots_lock);
}

static void start(void)
{
#ifdef MADV_WIPEONFORK
    /* Where pages are larger, or the loader put it on one of a file, the fork
     * handler has to do. */
    if (mmi_page_size() == sizeof mmi_process)
        madvise(&mmi_process, sizeof mmi_process, MADV_WIPEONFORK);
#endif
    is_started =
        pthread_key_create(&key, free_thread) == 0 &&
        pthread_atfork(before_fork, parent_after_fork, child_after_fork) == 0;
}

/* The number in WORD, a new one if the page was wiped. */
static uint64_t current_number(_Atomic uint64_t *word)
{
    uint64_t number = atomic_load(word);
    if (number == 0) {
        uint64_t fresh = next_number();
        if (atomic_compare_exchange_strong(word, &number, fresh))
            number = fresh;
    }
    return number;
}

static struct thread *make_thread(void)
{
    pthread_once(&started, start);
    if (!is_started) {
        errno = ENOMEM;
        return NULL;
    }
    struct thread *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    if (pthread_setspecific(key, self) != 0) {
        free(self);
        errno = ENOMEM;
        return NULL;
    }
    self->epoch = UINT64_MAX; /* nobody's: neither counted to nor wiped */
    mmi_thread_self = self;
    return self;
}

struct thread *mmi_thread(void)
{
    struct thread *self = mmi_thread_self;
    if (self == &nobody) {
        self = make_thread();
        if (!self)
            return NULL;
    }
    if (self->epoch ==
        atomic_load_explicit(&mmi_process.epoch, memory_order_acquire))
        return self;

    uint64_t generation = current_number(&mmi_process.generation);
    if (self->generation != generation) {
        self->generation = generation;
        self->tid = 0;
        self->user_locks = 0;
        for (size_t i = 0; i < self->local_count; i++)
            if (self->locals[i])
                self->locals[i]->id = 0;
    }
    self->recent = self;
    self->epoch = current_number(&mmi_process.epoch);
    return self;
}

uint32_t mmi_thread_id(void)
{
    struct thread *self = mmi_thread();
    if (self && self->tid != 0)
        return self->tid;
    uint32_t tid = (uint32_t)syscall(SYS_gettid);
    if (self)
        self->tid = tid;
    return tid;
}

uint64_t mmi_object_id(void)
{
    uint64_t id = 0;
    pthread_once(&started, start);
    pthread_mutex_lock(&slots_lock);
    /* Room to give every slot back is made before the slot is given out, so
     * that retiring cannot fail. */
    if (free_count == 0 && slot_count == free_room) {
        uint32_t room = free_room ? 2 * free_room : 16;
        uint32_t *more = realloc(free_slots, room * sizeof *more);
        if (more) {
            free_slots = more;
            free_room = room;
        }
    }
    if (free_count > 0)
        id = free_slots[--free_count];
    else if (slot_count < free_room)
        id = slot_count++;
    else
        id = UINT32_MAX;
    pthread_mutex_unlock(&slots_lock);
    if (id == UINT32_MAX) {
        mmi_fail_as(ENOMEM, "mm:core: no private memory for another object");
        return 0;
    }
    return next_number() << 32 | id;
}

void mmi_object_retire(uint64_t id)
{
    pthread_mutex_lock(&slots_lock);
    free_slots[free_count++] = (uint32_t)id;
    pthread_mutex_unlock(&slots_lock);
    atomic_store_explicit(&mmi_process.epoch, next_number(),
                          memory_order_release);
}

static bool grow_locals(struct thread *self, size_t slot)
{
    size_t count = slot + 8;
    struct thread_local_data **more =
        realloc(self->locals, count * sizeof(*more));
    if (!more)
        return false;
    memset(more + self->local_count, 0,
           (count - self->local_count) * sizeof(*more));
    self->locals = more;
    self->local_count = count;
    return true;
}

void *mmi_thread_local(uint64_t id, size_t size)
{
    struct thread *self = mmi_thread();
    size_t slot = (uint32_t)id;
    if (!self || (slot >= self->local_count && !grow_locals(self, slot)))
        goto fail;

    struct thread_local_data *data = self->locals[slot];
    if (data && data->id == id)
        return data->bytes;
    if (!data || data->size != size) {
        free(data);
        self->locals[slot] = NULL;
        data = malloc(sizeof *data + size);
        if (!data)
            goto fail;
        data->size = size;
        self->locals[slot] = data;
    }
    data->id = id;
    memset(data->bytes, 0, size);
    return data->bytes;

fail:
    mmi_fail_as(ENOMEM, "mm:core: no private memory for this thread");
    return NULL;
}
