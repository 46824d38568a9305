/* SPDX-License-Identifier: MIT */
/*
 * inspect.c -- look into a pool: figures, blocks, consistency.
 *
 *     cc inspect.c $(mm-config --cflags --libs) && ./a.out
 *
 * Exits with 0 if all the ways to look agree.
 */
#include <mm.h>

struct summary {
    size_t count;
    size_t bytes;
    size_t largest;
};

static int add_block(void *argument, void *ptr, size_t size)
{
    struct summary *summary = argument;
    (void)ptr;
    summary->count++;
    summary->bytes += size;
    if (size > summary->largest)
        summary->largest = size;
    return 0; /* go on */
}

int main(void)
{
    mm_options("name=example");
    MM *mm = mm_create(1 << 20, NULL);
    if (!mm) {
        fprintf(stderr, "inspect: %s\n", mm_error());
        return 1;
    }
    for (size_t size = 1; size <= 100000; size *= 10)
        if (!mm_malloc(mm, size)) {
            fprintf(stderr, "inspect: %s\n", mm_error());
            return 1;
        }

    /* Each answer is gone with the next question. */
    printf("pool %s: ", mm_query(mm, "name"));
    printf("pages from %s, ", mm_query(mm, "shm"));
    printf("locks made of %s\n", mm_query(mm, "lock"));

    struct summary summary = {0, 0, 0};
    if (mm_walk(mm, add_block, &summary) < 0) {
        fprintf(stderr, "inspect: %s\n", mm_error());
        return 1;
    }
    printf("%zu blocks of %zu bytes, the largest of %zu\n", summary.count,
           summary.bytes, summary.largest);

    struct mm_stat stat;
    if (mm_stat(mm, &stat, sizeof stat) < 0) {
        fprintf(stderr, "inspect: %s\n", mm_error());
        return 1;
    }
    printf("%zu of %zu bytes left, %zu in one piece\n", stat.available,
           stat.size, stat.largest_free);

    int length = mm_stat_json(mm, NULL, 0);
    char *json = length < 0 ? NULL : malloc((size_t)length + 1);
    if (!json || mm_stat_json(mm, json, (size_t)length + 1) != length) {
        fprintf(stderr, "inspect: %s\n", mm_error());
        return 1;
    }
    puts(json);
    free(json);

    int bad = mm_check(mm) != 0 || summary.count != 6 ||
              summary.bytes != 111111 || stat.used_count != summary.count ||
              stat.used != summary.bytes || stat.available != mm_available(mm);
    mm_destroy(mm);
    return bad;
}
