/* SPDX-License-Identifier: MIT */
/*
 * merge_pageinfo.c -- m_getpageinfos().
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "merge/merge_private.h"

/* Where results wait before they go to the program. */
struct batch {
    struct mergemod_page pages[MERGE_BATCH];
    MPAGEINFO infos[MERGE_BATCH];
};

/* Hand the first COUNT pages on to the program.  The hash of each element is
 * left as it is. */
static int deliver(MPAGEINFO *to, struct batch *batch, size_t count)
{
    if (mmi_merge_copy_in(batch->infos, to, count * sizeof *to) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const struct mergemod_page *page = &batch->pages[i];
        batch->infos[i].v_addr = (const void *)(uintptr_t)page->v_addr;
        batch->infos[i].p_addr = (const void *)(uintptr_t)page->p_addr;
        batch->infos[i].count = (size_t)page->count;
    }
    return mmi_merge_copy_out(to, batch->infos, count * sizeof *to);
}

/* Fill NEL elements, then find out whether there is a further page: *NEXT is
 * it, 0 if there is none.  How many were filled. */
static ssize_t list_pages(const struct merge_backend *backend,
                          struct merge_session *session, uint64_t *next,
                          uint64_t end, MPAGEINFO *infos, size_t nel,
                          struct batch *batch)
{
    size_t done = 0;
    for (bool more = true; more;) {
        size_t wanted = nel - done < MERGE_BATCH ? nel - done : MERGE_BATCH;
        ssize_t found = backend->infos(session, next, end, batch->pages,
                                       wanted ? wanted : 1);
        if (found < 0)
            return -1;
        if (wanted == 0 && found > 0) {
            *next = batch->pages[0].v_addr;
            break;
        }
        if (deliver(infos + done, batch, (size_t)found) < 0)
            return -1;
        done += (size_t)found;
        more = *next != 0;
    }
    return (ssize_t)done;
}

ssize_t m_getpageinfos(pid_t pid, const void *start, const void *end,
                       MPAGEINFO *pageinfos, size_t nel, const void **contp)
{
    uint64_t next = (uintptr_t)start;
    struct merge_session *session;
    const struct merge_backend *backend = mmi_merge_backend();
    if (!backend)
        return -1;
    if (pid <= 0 || (uintptr_t)start > (uintptr_t)end) {
        errno = EINVAL;
        return -1;
    }
    if (mmi_merge_array(pageinfos, nel, sizeof *pageinfos) < 0 ||
        (contp && mmi_merge_accessible(contp, sizeof *contp) < 0))
        return -1;

    struct batch *batch = malloc(sizeof *batch);
    if (!batch)
        return -1;
    ssize_t found = -1;
    if (backend->open(pid, &session) < 0)
        goto free_batch;
    found = list_pages(backend, session, &next, (uintptr_t)end, pageinfos, nel,
                       batch);
    int saved = errno;
    backend->close(session);
    errno = saved;

    const void *rest = (const void *)(uintptr_t)next;
    if (found >= 0 && contp &&
        mmi_merge_copy_out(contp, &rest, sizeof rest) < 0)
        found = -1;
free_batch:
    free(batch);
    return found;
}
