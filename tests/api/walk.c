/* SPDX-License-Identifier: MIT */
/*
 * walk.c -- mm can visit all allocations, and sweep those that nobody owns.
 */
#include <signal.h>

#include "api.h"

static MM *mm;

struct visit {
    size_t count;
    size_t bytes;
    char *last;
    bool ordered;
    bool sized;
    size_t stop_after;
};

static int visit_one(void *argument, void *ptr, size_t size)
{
    struct visit *visit = argument;
    visit->count++;
    visit->bytes += size;
    visit->ordered &= (char *)ptr > visit->last;
    visit->sized &= mm_sizeof(mm, ptr) == size;
    visit->last = ptr;
    return visit->stop_after && visit->count == visit->stop_after ? 42 : 0;
}

static struct visit walk(size_t stop_after, int result)
{
    struct visit visit = {
        .ordered = true, .sized = true, .stop_after = stop_after};
    is_int(mm_walk(mm, visit_one, &visit), result, "mm_walk() returns");
    return visit;
}

static int free_each(void *argument, void *ptr, size_t size)
{
    size_t *count = argument;
    (void)size;
    mm_free(mm, ptr);
    ++*count;
    return 0;
}

/* Visits a block for each that it makes, but not for ever. */
static int use_pool(void *argument, void *ptr, size_t size)
{
    size_t *count = argument;
    void *more = mm_malloc(mm, size);
    mm_free(mm, more);
    mm_available(mm);
    mm_lock(mm, MM_LOCK_RW);
    mm_unlock(mm);
    ++*count;
    return mm_sizeof(mm, ptr) == size ? 0 : 1;
}

/* Children mark what is theirs; one of them is killed. */
struct object {
    pid_t owner;
    char data[60];
};

static int own_some(void *argument, int number)
{
    (void)argument;
    for (int i = 0; i < 20; i++) {
        struct object *object =
            mm_calloc(mm, 1, sizeof *object + (size_t)(i * number * 300));
        if (!object)
            return 1;
        object->owner = getpid();
    }
    if (number == 1)
        kill(getpid(), SIGKILL);
    return 0;
}

static int sweep(void *argument, void *ptr, size_t size)
{
    const struct object *object = ptr;
    pid_t *dead = argument;
    if (size >= sizeof *object && object->owner == *dead)
        mm_free(mm, ptr);
    return 0;
}

static void test_sweep(void)
{
    size_t before = mm_available(mm);
    pid_t living = start_child(own_some, NULL, 0);
    pid_t killed = start_child(own_some, NULL, 1);
    is_int(end_child(living), 0, "a child leaves objects behind");
    is_int(end_child(killed), 1000 + SIGKILL, "a killed one, too");
    is_int(walk(0, 0).count, 40, "all of them are found");
    is_int(mm_walk(mm, sweep, &killed), 0, "those of the dead are swept");
    is_int(walk(0, 0).count, 20, "the others stay");
    mm_walk(mm, sweep, &living);
    is_int(mm_available(mm), before, "and can be swept later");
}

int main(void)
{
    mm = make_pool(4 << 20);
    ok(walk(0, 0).count == 0, "an empty pool has nothing to visit");
    size_t bytes = 0, count = 0;
    void *kept[500];
    uint64_t state = 1;
    for (int i = 0; i < 500; i++) {
        size_t size = 1 + next_random(&state) % (i % 10 ? 300 : 40000);
        kept[i] = mm_malloc(mm, size);
        bytes += size;
        count++;
    }
    for (int i = 0; i < 500; i += 3) {
        bytes -= mm_sizeof(mm, kept[i]);
        mm_free(mm, kept[i]);
        count--;
    }
    struct visit visit = walk(0, 0);
    is_int(visit.count, count, "each allocation is visited once");
    is_int(visit.bytes, bytes, "with its size");
    ok(visit.sized, "as mm_sizeof() says");
    ok(visit.ordered, "in address order");
    is_int(walk(7, 42).count, 7, "a visitor can stop");
    size_t used = 0;
    is_int(mm_walk(mm, use_pool, &used), 0, "a visitor may use the pool");
    ok(used >= count, "all the while");
    size_t freed = 0;
    is_int(mm_walk(mm, free_each, &freed), 0, "a visitor may free");
    is_int(freed, count, "all that it sees");
    is_int(mm_available(mm), 4 << 20, "until nothing is left");
    is_int(mm_check(mm), 0, "the pool is sound");
    test_sweep();
    fails(mm_walk(mm, NULL, NULL) == -1, EINVAL, "without a function");
    fails(mm_walk(NULL, visit_one, NULL) == -1, EINVAL, "mm:core: ");
    mm_destroy(mm);
    return done();
}
