/* SPDX-License-Identifier: MIT */
/*
 * contract.c -- mm can keep the promise of space that programs compute with:
 * in a fresh pool every sequence of allocations fits whose sum of n + 16,
 * rounded up to 8, is within the size.
 */
#include "api.h"

/* Allocate sizes that NEXT gives until the pool has no room for the next by
 * the arithmetic of old; each must succeed. */
static void test_sequence(size_t pool_size, const char *what,
                          size_t (*next)(uint64_t *state), uint64_t seed)
{
    MM *mm = make_pool(pool_size);
    uint64_t state = seed;
    size_t left = pool_size;
    size_t count = 0;
    bool right = mm_available(mm) == left;
    for (;;) {
        size_t size = next(&state);
        if (COST(size) > left)
            break;
        if (!mm_malloc(mm, size)) {
            diag("allocation %zu of %zu bytes, %zu left: %s", count, size, left,
                 mm_error());
            right = false;
            break;
        }
        left -= COST(size);
        count++;
        if (count % 64 == 0 && mm_available(mm) != left) {
            diag("after %zu: available %zu, not %zu", count, mm_available(mm),
                 left);
            right = false;
            break;
        }
    }
    /* And the rest to the last byte. */
    if (right && left >= COST(1))
        right = mm_malloc(mm, (left & ~(size_t)7) - 16) && mm_available(mm) < 8;
    ok(right, "%zu bytes hold what they must: %s (seed %llu)", pool_size, what,
       (unsigned long long)seed);
    if (mm_available(mm) < COST(1))
        fails(mm_malloc(mm, 1) == NULL, ENOMEM, "mm:alloc: ");
    is_int(mm_check(mm), 0, "and are sound when full");
    mm_destroy(mm);
}

static size_t always_1(uint64_t *state)
{
    (void)state;
    return 1;
}

static size_t always_48(uint64_t *state)
{
    (void)state;
    return 48;
}

static size_t always_odd(uint64_t *state)
{
    (void)state;
    return 2041;
}

static size_t always_page(uint64_t *state)
{
    (void)state;
    return 4097;
}

static size_t mostly_small(uint64_t *state)
{
    return 1 + next_random(state) % (1u << (next_random(state) % 12));
}

static size_t any_size(uint64_t *state)
{
    return 1 + next_random(state) % (1u << (next_random(state) % 18));
}

/* One block of every size class in turn: the worst for spans. */
static size_t each_class(uint64_t *state)
{
    *state = (*state + 16) % 4096;
    return 1 + *state;
}

/* What smstools computes: 64 records and one more, to the byte. */
static void test_smstools(void)
{
    size_t size = 200 * (48 + 16) + (256 + 16);
    MM *mm = make_pool(size);
    bool all = true;
    for (int i = 0; i < 200; i++)
        all &= mm_malloc(mm, 48) != NULL;
    all &= mm_malloc(mm, 256) != NULL;
    ok(all, "a sum computed with 16 bytes of overhead fits exactly");
    is_int(mm_available(mm), 0, "and nothing is left");
    mm_destroy(mm);
}

static void test_deltas(void)
{
    MM *mm = make_pool(1 << 20);
    size_t before = mm_available(mm);
    bool exact = true, back = true;
    for (size_t size = 1; size < 9000; size += 1 + size / 8) {
        void *ptr = mm_malloc(mm, size);
        exact &= before - mm_available(mm) == COST(size);
        ptr = mm_realloc(mm, ptr, 2 * size);
        exact &= before - mm_available(mm) == COST(2 * size);
        ptr = mm_realloc(mm, ptr, size / 2 + 1);
        exact &= before - mm_available(mm) == COST(size / 2 + 1);
        mm_free(mm, ptr);
        back &= mm_available(mm) == before;
    }
    ok(exact, "each operation changes mm_available() exactly");
    ok(back, "freeing undoes it");
    fails(mm_malloc(mm, before) == NULL, ENOMEM, "mm:alloc: ");
    fails(mm_malloc(mm, before + 1) == NULL, ENOMEM, "mm:alloc: ");
    fails(mm_malloc(mm, before - 15) == NULL, ENOMEM, "mm:alloc: ");
    void *all = mm_malloc(mm, before - 16);
    ok(all != NULL, "one allocation can take all");
    is_int(mm_available(mm), 0, "of the pool");
    fails(mm_malloc(mm, 1) == NULL, ENOMEM, "mm:alloc: ");
    mm_free(mm, all);
    is_int(mm_available(mm), before, "and give it back");
    is_int(mm_check(mm), 0, "the pool is sound");
    mm_destroy(mm);
}

static void test_sizes(void)
{
    static const struct {
        size_t asked, given;
    } sizes[] = {{1, 8192},          {8191, 8192},
                 {8192, 8192},       {8193, 8193},
                 {100001, 100001},   {0, 64 << 20},
                 {1 << 20, 1 << 20}, {(200 << 20) + 7, (200 << 20) + 7}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        MM *mm = make_pool(sizes[i].asked);
        ok(mm_available(mm) == sizes[i].given &&
               mm_core_size(mm) == sizes[i].given,
           "mm_create(%zu) has %zu bytes", sizes[i].asked, sizes[i].given);
        mm_destroy(mm);
    }
    size_t most = mm_maxsize();
    ok(most > 8192 && most <= 0x7fffffff - 4096, "mm_maxsize() fits an int");
    MM *mm = make_pool(most);
    is_int(mm_available(mm), most, "and can be had");
    mm_destroy(mm);
}

int main(void)
{
    test_sizes();
    test_deltas();
    test_smstools();
    test_sequence(8192, "single bytes", always_1, 0);
    test_sequence(100000, "single bytes", always_1, 0);
    test_sequence(100000, "records", always_48, 0);
    test_sequence(100000, "odd sizes", always_odd, 0);
    test_sequence(1 << 20, "a little more than a page", always_page, 0);
    test_sequence(8192, "each class", each_class, 0);
    test_sequence(1 << 20, "each class", each_class, 0);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        test_sequence(8192 + 1000 * seed, "mostly small", mostly_small, seed);
        test_sequence(300000 * seed, "mostly small", mostly_small, seed);
        test_sequence(1000001 * seed, "any size", any_size, seed);
    }
    return done();
}
