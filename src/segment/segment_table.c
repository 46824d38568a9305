/* SPDX-License-Identifier: MIT */
/*
 * segment_table.c -- user address -> this process's record of the segment.
 *
 * A hash table with open addressing in private memory.  Lookups take no lock
 * and read nothing through the address.  They rely on one promise: as long as
 * a segment lives, the slot that holds it does not change.  Hence a slot is
 * given a new address only after its old one was taken out; growth builds
 * another table and leaves the old one, readers may still be in it, for ever.
 * All tables together are smaller than twice the last one.
 *
 * Creators and destroyers take a mutex, which fork() finds released.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/fail.h"
#include "segment/segment_table.h"

/* Addresses of slots; a user area starts at neither. */
enum { SLOT_EMPTY = 0, SLOT_REMOVED = 1 };
enum { FIRST_SLOT_COUNT = 64 };

struct slot {
    _Atomic uintptr_t address;
    struct segment *_Atomic segment;
};

struct table {
    struct table *previous; /* replaced by this one */
    size_t count;           /* of slots; a power of two, at least half empty
                               or removed */
    struct slot slots[];
};

static struct table *_Atomic current;
static _Atomic size_t live_count;

static pthread_mutex_t change_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t started = PTHREAD_ONCE_INIT;
static int start_error;

static void before_fork(void)
{
    pthread_mutex_lock(&change_lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&change_lock);
}

static void start(void)
{
    start_error = pthread_atfork(before_fork, after_fork, after_fork);
}

static size_t first_index(const struct table *table, uintptr_t address)
{
    uint64_t mixed = (uint64_t)address * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32) & (table->count - 1);
}

static size_t next_index(const struct table *table, size_t index)
{
    return (index + 1) & (table->count - 1);
}

/* The slot of ADDRESS, NULL if there is none. */
static struct slot *find_slot(struct table *table, uintptr_t address)
{
    if (!table || address == SLOT_EMPTY || address == SLOT_REMOVED)
        return NULL;
    size_t index = first_index(table, address);
    for (size_t i = 0; i < table->count; i++) {
        struct slot *slot = &table->slots[index];
        uintptr_t found =
            atomic_load_explicit(&slot->address, memory_order_acquire);
        if (found == address)
            return slot;
        if (found == SLOT_EMPTY)
            return NULL;
        index = next_index(table, index);
    }
    return NULL;
}

static void insert_into(struct table *table, struct segment *segment)
{
    uintptr_t address = (uintptr_t)segment->user;
    size_t index = first_index(table, address);
    struct slot *slot = &table->slots[index];
    while (atomic_load_explicit(&slot->address, memory_order_relaxed) >
           SLOT_REMOVED) {
        index = next_index(table, index);
        slot = &table->slots[index];
    }
    atomic_store_explicit(&slot->segment, segment, memory_order_relaxed);
    atomic_store_explicit(&slot->address, address, memory_order_release);
}

/* Room for one more; false without memory. */
static bool make_room(void)
{
    struct table *old = atomic_load_explicit(&current, memory_order_relaxed);
    if (old && 2 * (live_count + 1) <= old->count)
        return true;

    size_t count = old ? 2 * old->count : FIRST_SLOT_COUNT;
    struct table *table =
        calloc(1, sizeof *table + count * sizeof *table->slots);
    if (!table)
        return false;
    table->previous = old;
    table->count = count;
    for (size_t i = 0; old && i < old->count; i++)
        if (old->slots[i].address > SLOT_REMOVED)
            insert_into(table, old->slots[i].segment);
    atomic_store_explicit(&current, table, memory_order_release);
    return true;
}

int mmi_segment_table_insert(struct segment *segment)
{
    pthread_once(&started, start);
    if (start_error)
        return mmi_fail_as(start_error, "mm:core: cannot prepare for fork()");
    pthread_mutex_lock(&change_lock);
    bool room = make_room();
    if (room) {
        insert_into(current, segment);
        live_count++;
    }
    pthread_mutex_unlock(&change_lock);
    if (!room)
        return mmi_fail_as(ENOMEM,
                           "mm:core: no private memory for another segment");
    return 0;
}

/* SLOT, just removed, becomes empty if no lookup needs to get past it, and so
 * do removed ones before it. */
static void empty_slots(struct table *table, struct slot *slot)
{
    size_t index = (size_t)(slot - table->slots);
    if (table->slots[next_index(table, index)].address != SLOT_EMPTY)
        return;
    while (table->slots[index].address == SLOT_REMOVED) {
        atomic_store(&table->slots[index].address, SLOT_EMPTY);
        index = (index - 1) & (table->count - 1);
    }
}

void mmi_segment_table_remove(const struct segment *segment)
{
    pthread_mutex_lock(&change_lock);
    struct table *table = current;
    struct slot *slot = find_slot(table, (uintptr_t)segment->user);
    if (slot && slot->segment == segment) {
        atomic_store(&slot->address, SLOT_REMOVED);
        atomic_store(&slot->segment, NULL);
        empty_slots(table, slot);
        live_count--;
    }
    pthread_mutex_unlock(&change_lock);
}

struct segment *mmi_segment_find(const void *address)
{
    struct table *table = atomic_load_explicit(&current, memory_order_acquire);
    struct slot *slot = find_slot(table, (uintptr_t)address);
    struct segment *segment =
        slot ? atomic_load_explicit(&slot->segment, memory_order_relaxed)
             : NULL;
    if (!segment)
        mmi_fail_as(EINVAL, "mm:core: address %p is no pool or segment",
                    address);
    return segment;
}

size_t mmi_segment_table_count(void)
{
    return live_count;
}
