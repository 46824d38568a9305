/* SPDX-License-Identifier: MIT */
/*
 * merge_backend.c -- who answers: m_set_backend(), m_backend().
 *
 * What the program chose, else what the environment names, else the first that
 * works.  A choice is a choice: a backend that was named and cannot work makes
 * calls fail, it is not replaced.
 */
#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "merge/merge_private.h"

/* NULL is "auto". */
static const struct merge_backend *_Atomic chosen;
static atomic_bool was_chosen;

/* The backend NAME in *FOUND, NULL for "auto".  -1 with EINVAL. */
static int find_backend(const char *name, const struct merge_backend **found)
{
    *found = NULL;
    if (!name || strcmp(name, "auto") == 0)
        return 0;
    for (size_t i = 0; mmi_merge_backends[i]; i++)
        if (strcmp(name, mmi_merge_backends[i]->name) == 0) {
            *found = mmi_merge_backends[i];
            return 0;
        }
    errno = EINVAL;
    return -1;
}

/* The module if it is there for us.  One of another protocol is there: its
 * calls fail, nothing else is taken for it. */
static const struct merge_backend *first_working(void)
{
    int saved = errno;
    const struct merge_backend *preferred = mmi_merge_backends[0];
    if (preferred->probe() < 0 && errno != EPROTO && mmi_merge_backends[1])
        preferred = mmi_merge_backends[1];
    errno = saved;
    return preferred;
}

const struct merge_backend *mmi_merge_backend(void)
{
    const struct merge_backend *backend = atomic_load(&chosen);
    if (!atomic_load(&was_chosen)) {
        const char *name = secure_getenv("MMLIB_BACKEND");
        if (find_backend(name && *name ? name : NULL, &backend) < 0)
            return NULL;
    }
    return backend ? backend : first_working();
}

int m_set_backend(const char *name)
{
    const struct merge_backend *backend;
    if (find_backend(name, &backend) < 0)
        return -1;
    if (backend && backend->probe() < 0)
        return -1;
    atomic_store(&chosen, backend);
    atomic_store(&was_chosen, true);
    return 0;
}

const char *m_backend(void)
{
    const struct merge_backend *backend = mmi_merge_backend();
    return backend ? backend->name : NULL;
}
