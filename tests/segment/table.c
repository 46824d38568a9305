/* SPDX-License-Identifier: MIT */
/*
 * table.c -- the table finds what is in it, and nothing else, whatever other
 * threads put in and take out meanwhile, and in children forked meanwhile.
 *
 * The records are made up: the table reads nothing through an address.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/fail.h"
#include "segment/segment_table.h"

#include "../children.h"

enum { COUNT = 5000, STEPS = 300000, THREADS = 4, EACH = 200 };

static struct segment records[COUNT];
static bool in[COUNT];

static char *address_of(size_t index)
{
    /* Neighbours, and others far away. */
    return (char *)(uintptr_t)((index + 1) << (index % 3 ? 12 : 30));
}

static bool agrees(size_t index)
{
    const struct segment *found = mmi_segment_find(records[index].user);
    return found == (in[index] ? &records[index] : NULL);
}

static bool all_agree(void)
{
    for (size_t i = 0; i < COUNT; i++)
        if (!agrees(i)) {
            diag("record %zu is %s", i, in[i] ? "missing" : "there");
            return false;
        }
    return true;
}

static void test_model(void)
{
    uint64_t random = 88172645463325252;
    size_t live = 0, wrong = 0;
    for (int i = 0; i < STEPS && wrong == 0; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t index = random % COUNT;
        if (in[index]) {
            mmi_segment_table_remove(&records[index]);
            in[index] = false;
            live--;
        } else if (mmi_segment_table_insert(&records[index]) == 0) {
            in[index] = true;
            live++;
        }
        if (!agrees(index) || !agrees((random >> 32) % COUNT) ||
            mmi_segment_table_count() != live ||
            (i % 10000 == 0 && !all_agree()))
            wrong++;
    }
    ok(wrong == 0, "%d random steps", STEPS);
    ok(all_agree(), "%zu records at the end, all found", live);
}

static void test_unknown(void)
{
    int local;
    const void *const unknown[] = {
        NULL,
        (void *)1,
        &local,
        records,
        (void *)(uintptr_t)-1,
        (void *)(uintptr_t)0xdead000,
    };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        errno = 0;
        ok(mmi_segment_find(unknown[i]) == NULL && errno == EINVAL &&
               strstr(mmi_fail_text(), "is no pool or segment"),
           "address %zu is unknown", i);
    }
    struct segment twin = {.user = records[0].user};
    size_t count = mmi_segment_table_count();
    bool was_in = in[0];
    if (!was_in)
        mmi_segment_table_insert(&records[0]);
    mmi_segment_table_remove(&twin);
    ok(mmi_segment_find(records[0].user) == &records[0],
       "only the record itself is taken out");
    mmi_segment_table_remove(&records[0]);
    mmi_segment_table_remove(&records[0]);
    is_int((long long)mmi_segment_table_count(), (long long)count - was_in,
           "and only once");
    in[0] = false;
}

static atomic_bool stop;

/* Puts its own records in and takes them out, and looks for them and for some
 * that stay. */
static void *churn(void *argument)
{
    size_t first = COUNT / 2 + (uintptr_t)argument * EACH;
    uintptr_t wrong = 0;
    while (!atomic_load(&stop))
        for (size_t i = first; i < first + EACH; i++) {
            wrong += mmi_segment_table_insert(&records[i]) != 0;
            wrong += mmi_segment_find(records[i].user) != &records[i];
            if (i >= first + EACH / 2) {
                size_t old = i - EACH / 2;
                wrong += mmi_segment_find(records[old].user) != &records[old];
                mmi_segment_table_remove(&records[old]);
                wrong += mmi_segment_find(records[old].user) != NULL;
            }
            if (i == first + EACH - 1)
                for (size_t k = first + EACH / 2; k <= i; k++)
                    mmi_segment_table_remove(&records[k]);
            size_t fixed = i % (COUNT / 2);
            wrong += mmi_segment_find(records[fixed].user) != &records[fixed];
        }
    return (void *)wrong;
}

/* A child has only the thread that forked: nobody may hold the mutex. */
static int change_in_child(void *argument, int number)
{
    (void)argument;
    (void)number;
    for (size_t i = 0; i < COUNT / 2; i++)
        if (mmi_segment_find(records[i].user) != &records[i])
            return 1;
    size_t count = mmi_segment_table_count();
    for (size_t i = 0; i < COUNT / 2; i++)
        mmi_segment_table_remove(&records[i]);
    if (mmi_segment_table_count() != count - COUNT / 2)
        return 2;
    return mmi_segment_table_insert(&records[0]) == 0 ? 0 : 3;
}

static void test_threads(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        bool wanted = i < COUNT / 2;
        if (in[i])
            mmi_segment_table_remove(&records[i]);
        if (wanted)
            mmi_segment_table_insert(&records[i]);
        in[i] = wanted;
    }
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, churn, (void *)i) != 0)
            bail("pthread_create");
    int bad = 0;
    for (int i = 0; i < 100; i++) {
        int status = end_child(start_child(change_in_child, NULL, 0));
        if (status != 0 && bad++ == 0)
            diag("a child ended with %d", status);
    }
    is_int(bad, 0, "100 children change the table");
    atomic_store(&stop, true);
    uintptr_t wrong = 0;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        wrong += (uintptr_t)result;
    }
    is_int((long long)wrong, 0, "threads find what is there");
    ok(all_agree(), "and nothing else is left");
}

int main(void)
{
    for (size_t i = 0; i < COUNT; i++)
        records[i].user = address_of(i);
    ok(mmi_segment_find(records[0].user) == NULL, "nothing is there at first");
    test_model();
    test_unknown();
    test_threads();
    return done();
}
