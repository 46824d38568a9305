/* SPDX-License-Identifier: MIT */
/*
 * space.c -- the space contract: in a fresh pool any allocations whose cost,
 * round8(n + 16) each, is within the request fit, and nothing more does.
 *
 * Sizes are taken from patterns that are hard on the allocator; several threads
 * are simulated by as many sets of hints that take turns.
 */
#include "../children.h"
#include "fixture.h"

enum { CROWD_MAX = 300 };

struct pattern {
    size_t (*next)(struct pattern *pattern);
    size_t argument;
    uint64_t seed;
    size_t count;
};

static size_t same(struct pattern *pattern)
{
    return pattern->argument;
}

/* Just above a class, each in turn. */
static size_t above_classes(struct pattern *pattern)
{
    return mmi_heap_class_size[pattern->count++ % HEAP_CLASS_COUNT] + 1u;
}

static size_t all_classes(struct pattern *pattern)
{
    return mmi_heap_class_size[pattern->count++ % HEAP_CLASS_COUNT];
}

/* Just above so many halves of a unit. */
static size_t above_halves(struct pattern *pattern)
{
    return (1 + pattern->count++ % 9) * pattern->argument / 2 + 1;
}

static size_t alternating(struct pattern *pattern)
{
    return pattern->count++ % 2 ? pattern->argument : 1;
}

static size_t at_random(struct pattern *pattern)
{
    return random_size(&pattern->seed, pattern->argument);
}

struct pool {
    struct fixture fixture;
    struct heap_hints crowd[CROWD_MAX];
    size_t crowd_size;
    size_t turn; /* whose */
    size_t request;
    size_t left;
    const char *failure;
};

static void open_pool(struct pool *pool, size_t request, size_t crowd)
{
    make_heap(&pool->fixture, request);
    memset(pool->crowd, 0, sizeof pool->crowd);
    for (size_t i = 0; i < CROWD_MAX; i++)
        pool->crowd[i].self = (uint32_t)i + 1;
    pool->crowd_size = crowd;
    pool->turn = 0;
    pool->request = request;
    pool->left = request;
    pool->failure = NULL;
}

static char *pool_take(struct pool *pool, size_t size)
{
    struct heap_hints *hints = &pool->crowd[pool->turn++ % pool->crowd_size];
    char *ptr = mmi_heap_alloc(&pool->fixture.heap, hints, size);
    bool fits = (size_t)cost_of(size) <= pool->left;
    if (!ptr == fits && !pool->failure) {
        pool->failure = fits ? "refused though it fits" : "served too much";
        diag("%zu bytes of %zu, %zu left, turn %zu: %s", size, pool->request,
             pool->left, pool->turn, pool->failure);
    }
    if (ptr)
        pool->left -= (size_t)cost_of(size);
    return ptr;
}

static void pool_give(struct pool *pool, char *ptr)
{
    struct heap *heap = &pool->fixture.heap;
    struct heap_hints *hints = &pool->crowd[pool->turn++ % pool->crowd_size];
    size_t size = mmi_heap_sizeof(heap, ptr);
    if (mmi_heap_free(heap, hints, ptr) < 0)
        pool->failure = "a block could not be freed";
    else
        pool->left += (size_t)cost_of(size);
}

/* Take by PATTERN until the pool is full, and what is left to the last byte. */
static void fill(struct pool *pool, struct pattern *pattern)
{
    while (!pool->failure) {
        size_t size = pattern->next(pattern);
        if ((size_t)cost_of(size) > pool->left)
            break;
        pool_take(pool, size);
    }
    if (pool->left >= 24 && pool->left < pool->request) {
        size_t last = (pool->left - 16) & ~(size_t)7;
        pool_take(pool, last + 1);
        pool_take(pool, last);
    }
    pool_take(pool, 1);
    if (mmi_heap_available(&pool->fixture.heap) != pool->left)
        pool->failure = "available is wrong";
}

static int free_one(void *argument, void *ptr, size_t size)
{
    (void)size;
    pool_give(argument, ptr);
    return 0;
}

/* Free all; then the largest request possible fits. */
static void empty(struct pool *pool)
{
    mmi_heap_walk(&pool->fixture.heap, free_one, pool);
    /* What living threads have in magazines is theirs. */
    for (size_t i = 0; i < pool->crowd_size; i++)
        mmi_heap_flush(&pool->fixture.heap, &pool->crowd[i]);
    pool_take(pool, (pool->request - 16) & ~(size_t)7);
    if (mmi_heap_available(&pool->fixture.heap) != pool->left)
        pool->failure = "available is wrong after all was freed";
}

static const char *try_pattern(size_t request, size_t crowd,
                               struct pattern pattern)
{
    static struct pool pool;
    open_pool(&pool, request, crowd);
    fill(&pool, &pattern);
    if (!pool.failure)
        empty(&pool);
    if (!pool.failure && mmi_heap_check(&pool.fixture.heap) < 0)
        pool.failure = mmi_fail_text();
    if (pool.failure)
        diag("%zu bytes, %zu threads, argument %zu: %s", request, crowd,
             pattern.argument, pool.failure);
    drop_heap(&pool.fixture);
    return pool.failure;
}

static void try_same_sizes(size_t request, size_t from, size_t to, size_t step)
{
    const char *failure = NULL;
    size_t size = from;
    for (; size <= to && !failure; size += step)
        failure = try_pattern(request, 1,
                              (struct pattern){.next = same, .argument = size});
    ok(!failure, "%zu bytes: %zu to %zu bytes each", request, from, to);
}

static void try_mixes(size_t request, size_t crowd, uint64_t seed)
{
    const char *failure = NULL;
    size_t unit = request < (size_t)4 << 20 ? 1024 : 4096;
    const struct pattern patterns[] = {
        {.next = above_classes},
        {.next = all_classes},
        {.next = above_halves, .argument = unit},
        {.next = alternating, .argument = unit / 2 + 1},
        {.next = alternating, .argument = 3000},
        {.next = alternating, .argument = 4 * unit + 1},
        {.next = at_random, .argument = 500, .seed = seed},
        {.next = at_random, .argument = 20000, .seed = seed + 1},
        {.next = at_random, .argument = request / 10, .seed = seed + 2},
    };
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns && !failure; i++)
        failure = try_pattern(request, crowd, patterns[i]);
    ok(!failure, "%zu bytes: mixes of sizes, %zu threads", request, crowd);
}

/* Every thread has one block of every class; half of the pool is left, and can
 * be had at once. */
static void try_half(size_t request, size_t crowd, unsigned parallel)
{
    static struct pool pool;
    open_pool(&pool, request, crowd);
    pool.fixture.heap.host.parallel = parallel;
    struct heap again;
    const struct heap_host host = pool.fixture.heap.host;
    memset(pool.fixture.block, 0, pool.fixture.block_size);
    if (mmi_heap_create(&again, pool.fixture.block, pool.fixture.block_size,
                        request, &host) < 0)
        bail("mmi_heap_create: %s", mmi_fail_text());
    pool.fixture.heap = again;
    for (unsigned class = 0; class < HEAP_CLASS_COUNT; class ++)
        for (size_t i = 0; i < crowd; i++)
            if (pool.left > request / 2 + 20000)
                pool_take(&pool, mmi_heap_class_size[class]);
            else
                pool.turn++;
    pool_take(&pool, (pool.left - 16) & ~(size_t)7);
    ok(!pool.failure,
       "%zu bytes: blocks of all classes for %zu threads on %u processors, "
       "then the rest at once",
       request, crowd, parallel);
    drop_heap(&pool.fixture);
}

/* --- processes ----------------------------------------------------------- */

struct shared {
    struct fixture fixture;
    size_t most;
    _Atomic uint64_t *taken; /* what the children took, together */
};

/* Take until there is nothing left. */
static int take_all(void *argument, int number)
{
    struct shared *shared = argument;
    join_heap(&shared->fixture);
    uint64_t seed = 77 + (uint64_t)number;
    for (int refused = 0; refused < 20;) {
        size_t size = random_size(&seed, shared->most);
        char *ptr = take(&shared->fixture, size);
        if (ptr)
            atomic_fetch_add(shared->taken, (uint64_t)cost_of(size));
        else
            refused++;
        if (!ptr && errno != ENOMEM)
            return 1;
        /* Some come and go. */
        if (ptr && next_random(&seed) % 3 == 0) {
            if (give(&shared->fixture, ptr) < 0)
                return 2;
            atomic_fetch_sub(shared->taken, (uint64_t)cost_of(size));
        }
    }
    return 0;
}

static void try_processes(size_t request, size_t most)
{
    static struct shared shared;
    make_heap(&shared.fixture, request);
    share_heap(&shared.fixture);
    shared.taken = map_shared(PAGE_BYTES);
    shared.most = most;
    children_ok(3, take_all, &shared, "taking all there is");
    struct fixture *f = &shared.fixture;
    /* At the brim one may be served while another counts: a little more than
     * there was, never less. */
    size_t left = *shared.taken < request ? request - *shared.taken : 0;
    is_int((long long)mmi_heap_available(&f->heap), (long long)left,
           "available is what they left");
    ok(*shared.taken <= request + 3 * (uint64_t)cost_of(most),
       "and they took no more than there was, and what was under way");
    /* Of what others had, nothing is lost. */
    bool right = true;
    while (left >= 24) {
        size_t size = (left - 16) & ~(size_t)7;
        if (size > most)
            size = most;
        right = right && take(f, size);
        if (!right)
            break;
        left -= (size_t)cost_of(size);
    }
    ok(right && !take(f, 1), "the last of %zu bytes can be had", request);
    is_sound(f, "when it is full");
    munmap(shared.taken, PAGE_BYTES);
    drop_heap(f);
}

int main(void)
{
    try_same_sizes(8192, 1, 3000, 1);
    try_same_sizes(100000, 1, 3000, 1);
    try_same_sizes(1 << 20, 1, 3000, 13);
    try_same_sizes((4 << 20) - 8, 3, 17000, 631);
    try_same_sizes(4 << 20, 1, 17000, 577);
    try_same_sizes(16 << 20, 2, 40000, 3301);
    const size_t requests[] = {8192,    10000,   65536,   300000,  1 << 20,
                               3 << 20, 4 << 20, 5000000, 16 << 20};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        try_mixes(requests[i], 1, 11 * i + 1);
        try_mixes(requests[i], 3, 11 * i + 4);
        try_mixes(requests[i], CROWD_MAX, 11 * i + 7);
        try_half(requests[i], CROWD_MAX, 2);
        try_half(requests[i], CROWD_MAX, 128);
    }
    try_processes(100000, 600);
    try_processes(4 << 20, 9000);
    try_processes(16 << 20, 100000);
    return done();
}
