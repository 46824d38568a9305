/* SPDX-License-Identifier: MIT */
/*
 * mm_stat.c -- the figures of a pool, for programs: a struct and JSON.
 */
#include "config.h"

#include <errno.h>
#include <mm.h>
#include <stdarg.h>
#include <stdbool.h>

#include "api/pool.h"
#include "base/fail.h"

static int fill_stat(struct pool *pool, struct mm_stat *stat)
{
    struct heap_stat found;
    if (mmi_heap_stat(&pool->heap, &found) < 0)
        return -1;
    *stat = (struct mm_stat){
        .size = pool->size,
        .available = found.available,
        .used = found.used,
        .used_count = found.used_count,
        .largest_free = found.largest_free,
        .mapped = pool->segment->shm.size,
        .committed = found.committed,
        .small_count = found.small_count,
        .large_count = found.large_count,
        .free_runs = found.free_runs,
        .spans = found.spans,
        .repairs = found.repairs,
        .failed = found.failed,
        .dead_owners = found.dead_owners,
        .reclaimed = found.reclaimed,
    };
    return 0;
}

int mm_stat(MM *mm, struct mm_stat *stat, size_t size)
{
    struct pool *pool = mmi_pool_find(mm);
    struct mm_stat found;
    if (!pool)
        return -1;
    if (!stat)
        return mmi_fail_as(EINVAL, "mm:core: no place for the figures");
    if (fill_stat(pool, &found) < 0)
        return -1;
    memcpy(stat, &found, size < sizeof found ? size : sizeof found);
    return 0;
}

/* Text that goes on counting where it has no more room. */
struct writer {
    char *text;
    size_t size;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void
write_text(struct writer *writer, const char *format, ...)
{
    size_t used = writer->length < writer->size ? writer->length : writer->size;
    va_list values;
    va_start(values, format);
    int length = vsnprintf(writer->text ? writer->text + used : NULL,
                           writer->size - used, format, values);
    va_end(values);
    writer->length += length > 0 ? (size_t)length : 0;
}

static void write_string(struct writer *writer, const char *key,
                         const char *value)
{
    write_text(writer, "\"%s\":\"", key);
    for (const char *at = value; *at; at++) {
        if (*at == '"' || *at == '\\')
            write_text(writer, "\\%c", *at);
        else if (*at >= ' ' && *at <= '~')
            write_text(writer, "%c", *at);
        else
            write_text(writer, "\\u%04x", (unsigned char)*at);
    }
    write_text(writer, "\"");
}

static const struct {
    const char *key;
    size_t offset;
} figures[] = {
#define FIGURE(member)                                                         \
    {                                                                          \
#member, offsetof(struct mm_stat, member)                              \
    }
    FIGURE(size),       FIGURE(available),    FIGURE(used),
    FIGURE(used_count), FIGURE(largest_free), FIGURE(mapped),
    FIGURE(committed),  FIGURE(small_count),  FIGURE(large_count),
    FIGURE(free_runs),  FIGURE(spans),        FIGURE(repairs),
    FIGURE(failed),     FIGURE(dead_owners),  FIGURE(reclaimed),
#undef FIGURE
};
enum { FIGURE_COUNT = sizeof figures / sizeof *figures };

_Static_assert(sizeof(struct mm_stat) == FIGURE_COUNT * sizeof(size_t),
               "each member of struct mm_stat has its row");

int mm_stat_json(MM *mm, char *text, size_t size)
{
    struct pool *pool = mmi_pool_find(mm);
    struct mm_stat stat;
    if (!pool)
        return -1;
    if (!text && size != 0)
        return mmi_fail_as(EINVAL, "mm:core: no place for the text");
    if (fill_stat(pool, &stat) < 0)
        return -1;

    struct writer writer = {text, size, 0};
    write_text(&writer, "{");
    write_string(&writer, "name", pool->segment->name);
    write_text(&writer, ",");
    write_string(&writer, "shm", pool->segment->shm_variant->name);
    write_text(&writer, ",");
    write_string(&writer, "lock", pool->segment->lock.variant->name);
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        size_t value;
        memcpy(&value, (const char *)&stat + figures[i].offset, sizeof value);
        write_text(&writer, ",\"%s\":%zu", figures[i].key, value);
    }
    write_text(&writer, "}");
    return (int)writer.length;
}
