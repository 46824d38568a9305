/* SPDX-License-Identifier: MIT */
/*
 * mm_options.c -- what may be asked for, and what one got.
 *
 * One row of a table per question.  Names in answers are separated by commas,
 * as in the options themselves.
 */
#include "config.h"

#include <errno.h>
#include <mm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/pool.h"
#include "base/fail.h"
#include "base/options.h"
#include "base/page.h"
#include "refpage/refpage.h"

int mm_options(const char *options)
{
    struct options wanted = {0};
    if (!options)
        return 0;
    if (mmi_options_parse(&wanted, options, "mm_options()") < 0 ||
        !mmi_shm_find(wanted.shm) || !mmi_lock_find(wanted.lock) ||
        mmi_refpage_source_check(wanted.refpage) < 0)
        return -1;
    return mmi_options_set(options);
}

/* An answer in the making; what does not fit is left out. */
struct answer {
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static int
answer_with(struct answer *answer, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(answer->text, answer->size, format, values);
    va_end(values);
    return 0;
}

static void add_name(struct answer *answer, const char *name)
{
    size_t used = strlen(answer->text);
    snprintf(answer->text + used, answer->size - used, "%s%s", used ? "," : "",
             name);
}

static int lib_version(struct answer *answer)
{
    return answer_with(answer, "%s", PACKAGE_VERSION);
}

static int lib_release_date(struct answer *answer)
{
    return answer_with(answer, "%s", RELEASE_DATE);
}

static int lib_shm_variants(struct answer *answer)
{
    for (size_t i = 0; i < mmi_shm_count(); i++)
        add_name(answer, mmi_shm_at(i)->name);
    return 0;
}

static int lib_lock_variants(struct answer *answer)
{
    for (size_t i = 0; i < mmi_lock_count(); i++)
        add_name(answer, mmi_lock_at(i)->name);
    return 0;
}

/* The defaults are those that the next pool would get. */
static int lib_shm(struct answer *answer)
{
    struct options options;
    if (mmi_options_get(&options) < 0)
        return -1;
    const struct shm_variant *variant = mmi_shm_find(options.shm);
    return variant ? answer_with(answer, "%s", variant->name) : -1;
}

static int lib_lock(struct answer *answer)
{
    struct options options;
    if (mmi_options_get(&options) < 0)
        return -1;
    const struct lock_variant *variant = mmi_lock_find(options.lock);
    return variant ? answer_with(answer, "%s", variant->name) : -1;
}

static int lib_lock_timeout(struct answer *answer)
{
    struct options options;
    if (mmi_options_get(&options) < 0)
        return -1;
    return answer_with(answer, "%ld", options.lock_timeout);
}

static int lib_maxsize(struct answer *answer)
{
    size_t most = mmi_pool_max_size();
    return most != 0 ? answer_with(answer, "%zu", most) : -1;
}

static int lib_page_size(struct answer *answer)
{
    return answer_with(answer, "%zu", mmi_page_size());
}

static int lib_refpage(struct answer *answer)
{
    const char *source = mmi_refpage_source_now();
    return source ? answer_with(answer, "%s", source) : -1;
}

static int lib_refpage_variants(struct answer *answer)
{
    for (size_t i = 0; i < mmi_refpage_source_count(); i++)
        add_name(answer, mmi_refpage_source_name(i));
    return 0;
}

static int lib_options(struct answer *answer)
{
    mmi_options_names(answer->text, answer->size, ",");
    return 0;
}

static int pool_shm(struct answer *answer, struct pool *pool)
{
    return answer_with(answer, "%s", pool->segment->shm_variant->name);
}

static int pool_lock(struct answer *answer, struct pool *pool)
{
    return answer_with(answer, "%s", pool->segment->lock.variant->name);
}

static int pool_name(struct answer *answer, struct pool *pool)
{
    return answer_with(answer, "%s", pool->segment->name);
}

static int pool_id(struct answer *answer, struct pool *pool)
{
    return answer_with(answer, "%ju", (uintmax_t)pool->segment->id);
}

static int pool_size(struct answer *answer, struct pool *pool)
{
    return answer_with(answer, "%zu", pool->size);
}

static int pool_available(struct answer *answer, struct pool *pool)
{
    size_t available = mmi_heap_available(&pool->heap);
    if (available == SIZE_MAX)
        return -1;
    return answer_with(answer, "%zu", available);
}

static int pool_mapped(struct answer *answer, struct pool *pool)
{
    return answer_with(answer, "%zu", pool->segment->shm.size);
}

static int pool_unit(struct answer *answer, struct pool *pool)
{
    return answer_with(answer, "%zu", (size_t)1 << pool->heap.unit_shift);
}

static int pool_lock_timeout(struct answer *answer, struct pool *pool)
{
    return answer_with(answer, "%ld", pool->segment->lock.timeout);
}

static int pool_creator(struct answer *answer, struct pool *pool)
{
    return answer_with(answer, "%ld", (long)pool->segment->shm.creator);
}

static const struct {
    const char *key;
    int (*ask)(struct answer *answer);
} lib_keys[] = {
    {"version", lib_version},
    {"release.date", lib_release_date},
    {"shm", lib_shm},
    {"shm.variants", lib_shm_variants},
    {"lock", lib_lock},
    {"lock.variants", lib_lock_variants},
    {"lock.timeout", lib_lock_timeout},
    {"maxsize", lib_maxsize},
    {"page.size", lib_page_size},
    {"refpage", lib_refpage},
    {"refpage.variants", lib_refpage_variants},
    {"options", lib_options},
};
enum { LIB_KEY_COUNT = sizeof lib_keys / sizeof *lib_keys };

static const struct {
    const char *key;
    int (*ask)(struct answer *answer, struct pool *pool);
} pool_keys[] = {
    {"shm", pool_shm},
    {"lock", pool_lock},
    {"lock.timeout", pool_lock_timeout},
    {"name", pool_name},
    {"id", pool_id},
    {"size", pool_size},
    {"available", pool_available},
    {"mapped", pool_mapped},
    {"unit", pool_unit},
    {"creator", pool_creator},
};
enum { POOL_KEY_COUNT = sizeof pool_keys / sizeof *pool_keys };

static int ask_lib(struct answer *answer, const char *key)
{
    for (size_t i = 0; i < LIB_KEY_COUNT; i++)
        if (strcmp(lib_keys[i].key, key) == 0)
            return lib_keys[i].ask(answer);
    for (size_t i = 0; i < LIB_KEY_COUNT; i++)
        add_name(answer, lib_keys[i].key);
    return mmi_fail_as(EINVAL,
                       "mm:core: unknown key '%s' for the library; known: %s",
                       key, answer->text);
}

static int ask_pool(struct answer *answer, struct pool *pool, const char *key)
{
    for (size_t i = 0; i < POOL_KEY_COUNT; i++)
        if (strcmp(pool_keys[i].key, key) == 0)
            return pool_keys[i].ask(answer, pool);
    for (size_t i = 0; i < POOL_KEY_COUNT; i++)
        add_name(answer, pool_keys[i].key);
    return mmi_fail_as(EINVAL,
                       "mm:core: unknown key '%s' for a pool; known: %s", key,
                       answer->text);
}

const char *mm_query(MM *mm, const char *key)
{
    struct thread *self = mmi_thread();
    if (!self) {
        mmi_fail("mm:core: no private memory for an answer");
        return NULL;
    }
    if (!key) {
        mmi_fail_as(EINVAL, "mm:core: mm_query() without a key");
        return NULL;
    }
    struct answer answer = {self->answer, sizeof self->answer};
    answer.text[0] = '\0';
    struct pool *pool = mm ? mmi_pool_find(mm) : NULL;
    if (mm && !pool)
        return NULL;
    int result = pool ? ask_pool(&answer, pool, key) : ask_lib(&answer, key);
    return result < 0 ? NULL : answer.text;
}
