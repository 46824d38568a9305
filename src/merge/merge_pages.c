/* SPDX-License-Identifier: MIT */
/*
 * merge_pages.c -- m_hashpages(), m_merge().
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "base/page.h"
#include "merge/merge_private.h"

/* What is needed to hash pages: who, how, and room for a batch. */
struct hashing {
    const struct merge_backend *backend;
    struct merge_session *session;
    m_hash_function *function;
    char *contents; /* NULL if the backend knows the function */
    struct mergemod_page pages[MERGE_BATCH];
    MPAGEINFO infos[MERGE_BATCH];
};

/* Read COUNT pages and run the function on each. */
static int hash_here(struct hashing *work, struct mergemod_page *pages,
                     size_t count)
{
    size_t page_size = mmi_page_size();
    if (work->backend->read(work->session, pages, count, work->contents) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (pages[i].count != 0)
            pages[i].hash =
                work->function(work->contents + i * page_size, page_size);
    }
    return 0;
}

static int hash_batch(struct hashing *work, size_t count)
{
    if (!work->contents)
        return work->backend->hash(
            work->session, work->pages, count,
            (enum mergemod_hash)mmi_merge_hash_number(work->function));
    for (size_t done = 0; done < count;) {
        size_t step = count - done;
        if (step > MERGE_READ_BATCH)
            step = MERGE_READ_BATCH;
        if (hash_here(work, work->pages + done, step) < 0)
            return -1;
        done += step;
    }
    return 0;
}

/* How many of the NEL pages were hashed. */
static ssize_t hash_all(struct hashing *work, MPAGEINFO *infos, size_t nel)
{
    ssize_t hashed = 0;
    for (size_t done = 0; done < nel;) {
        size_t count = nel - done < MERGE_BATCH ? nel - done : MERGE_BATCH;
        size_t size = count * sizeof *infos;
        if (mmi_merge_copy_in(work->infos, infos + done, size) < 0)
            return -1;
        for (size_t i = 0; i < count; i++)
            work->pages[i] = (struct mergemod_page){
                .v_addr = (uintptr_t)work->infos[i].v_addr,
                .hash = work->infos[i].hash,
            };
        if (hash_batch(work, count) < 0)
            return -1;
        for (size_t i = 0; i < count; i++) {
            const struct mergemod_page *page = &work->pages[i];
            work->infos[i].p_addr = (const void *)(uintptr_t)page->p_addr;
            work->infos[i].count = (size_t)page->count;
            work->infos[i].hash = (unsigned long)page->hash;
            hashed += page->count != 0;
        }
        if (mmi_merge_copy_out(infos + done, work->infos, size) < 0)
            return -1;
        done += count;
    }
    return hashed;
}

ssize_t m_hashpages(pid_t pid, MPAGEINFO *pageinfos, size_t nel,
                    m_hash_argument hashfunction)
{
    m_hash_function *function = hashfunction ? (m_hash_function *)hashfunction
                                             : mmi_merge_hash_default();
    const struct merge_backend *backend = mmi_merge_backend();
    ssize_t hashed = -1;
    if (!backend)
        return -1;
    if (pid <= 0) {
        errno = EINVAL;
        return -1;
    }
    if (mmi_merge_array(pageinfos, nel, sizeof *pageinfos) < 0 ||
        mmi_merge_accessible((const void *)(uintptr_t)function, 1) < 0)
        return -1;

    struct hashing *work = malloc(sizeof *work);
    if (!work)
        return -1;
    work->backend = backend;
    work->function = function;
    work->contents = NULL;
    if (!mmi_merge_hash_number(function)) {
        work->contents = malloc(MERGE_READ_BATCH * mmi_page_size());
        if (!work->contents)
            goto free_work;
    }
    if (backend->open(pid, &work->session) < 0)
        goto free_contents;
    hashed = hash_all(work, pageinfos, nel);
    int saved = errno;
    backend->close(work->session);
    errno = saved;
free_contents:
    free(work->contents);
free_work:
    free(work);
    return hashed;
}

/* The kernel's structures for a batch of pairs, and back again. */
struct merging {
    struct mergemod_pair pairs[MERGE_BATCH];
    MEQUALPAIR given[MERGE_BATCH];
};

/* How many of the NEL pairs are one page now. */
static ssize_t merge_all(const struct merge_backend *backend,
                         struct merge_session *session, MEQUALPAIR *pagepairs,
                         size_t nel, struct merging *work)
{
    ssize_t merged = 0;
    for (size_t done = 0; done < nel;) {
        size_t count = nel - done < MERGE_BATCH ? nel - done : MERGE_BATCH;
        size_t size = count * sizeof *pagepairs;
        if (mmi_merge_copy_in(work->given, pagepairs + done, size) < 0)
            return -1;
        for (size_t i = 0; i < count; i++)
            work->pairs[i] = (struct mergemod_pair){
                .spid = work->given[i].spid,
                .dpid = work->given[i].dpid,
                .s_addr = (uintptr_t)work->given[i].sv_addr,
                .d_addr = (uintptr_t)work->given[i].dv_addr,
            };
        if (backend->merge(session, work->pairs, count) < 0)
            return -1;
        for (size_t i = 0; i < count; i++) {
            work->given[i].status = work->pairs[i].status;
            merged += work->pairs[i].status == 0;
        }
        if (mmi_merge_copy_out(pagepairs + done, work->given, size) < 0)
            return -1;
        done += count;
    }
    return merged;
}

ssize_t m_merge(MEQUALPAIR *pagepairs, size_t nel)
{
    const struct merge_backend *backend = mmi_merge_backend();
    struct merge_session *session;
    ssize_t merged = -1;
    if (!backend || mmi_merge_array(pagepairs, nel, sizeof *pagepairs) < 0)
        return -1;
    struct merging *work = malloc(sizeof *work);
    if (!work)
        return -1;
    if (backend->open(0, &session) < 0)
        goto free_work;
    merged = merge_all(backend, session, pagepairs, nel, work);
    int saved = errno;
    backend->close(session);
    errno = saved;
free_work:
    free(work);
    return merged;
}
