/* SPDX-License-Identifier: MIT */
/*
 * ksm.c -- the merge library can have pages merged by the kernel's own merging,
 * says honestly what became of each pair, and restores all settings.
 */
#include "target.h"

#include <fcntl.h>
#include <mmlib.h>

enum { PAGES = 16 };

#define SETTINGS "/sys/kernel/mm/ksm/"

static const char *const names[] = {"run", "pages_to_scan", "sleep_millisecs",
                                    "smart_scan", "advisor_mode"};
static size_t page_size;

static char *build(void)
{
    char *base = map_pages(PAGES);
    for (size_t i = 0; i < PAGES; i++)
        memset(base + i * page_size, 'k' + (int)i, page_size);
    return base;
}

static char *build_opted_in(void)
{
    char *base = build();
    madvise(base, PAGES * page_size, MADV_MERGEABLE);
    return base;
}

/* All settings, one behind the other. */
static void read_settings(char *text, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, SETTINGS "%s", names[i]);
        FILE *file = fopen(path, "re");
        if (!file)
            continue;
        length += fread(text + length, 1, size - 1 - length, file);
        fclose(file);
    }
    text[length] = '\0';
}

/* Pair I of SPID and DPID, page by page. */
static MEQUALPAIR pair_of(pid_t spid, const char *source, pid_t dpid,
                          const char *destination)
{
    return (MEQUALPAIR){.spid = spid,
                        .sv_addr = source,
                        .dpid = dpid,
                        .dv_addr = destination,
                        .status = 1234};
}

static int leave(void *argument, int number)
{
    (void)argument;
    return number;
}

/* Merge PAGES pairs of equal pages, and some that cannot be. */
static void try_pairs(struct target *one, struct target *other, bool opted_in)
{
    MEQUALPAIR pairs[PAGES + 4];
    char before[512];
    char after[512];
    for (size_t i = 0; i < PAGES; i++)
        pairs[i] = pair_of(one->pid, one->base + i * page_size, other->pid,
                           other->base + i * page_size);
    pairs[PAGES] =
        pair_of(one->pid, one->base, other->pid, other->base + page_size);
    pairs[PAGES + 1] = pair_of(0, one->base, other->pid, other->base);
    pairs[PAGES + 2] = pair_of(one->pid, NULL, other->pid, other->base);
    pid_t gone = start_child(leave, NULL, 0);
    end_child(gone);
    pairs[PAGES + 3] = pair_of(one->pid, one->base, gone, other->base);

    read_settings(before, sizeof before);
    ssize_t merged = m_merge(pairs, PAGES + 4);
    read_settings(after, sizeof after);
    is_str(after, before, "the settings are what they were");

    int waiting = 0;
    int right = 0;
    for (size_t i = 0; i < PAGES; i++) {
        waiting += pairs[i].status == EINPROGRESS;
        right += pairs[i].status == (opted_in ? 0 : EOPNOTSUPP);
    }
    if (opted_in && waiting > 0) {
        diag("%d of %d pairs were not merged in time", waiting, PAGES);
        skip(2, "the kernel is too busy to merge");
    } else {
        is_int(right, PAGES,
               opted_in ? "equal pages are merged"
                        : "what has not opted in is not merged");
        is_int(merged, opted_in ? PAGES : 0, "and counted");
    }
    is_int(pairs[PAGES].status, EILSEQ, "different pages are not");
    is_int(pairs[PAGES + 1].status, EINVAL, "process 0 is none");
    is_int(pairs[PAGES + 2].status, ENXIO, "no page is no page");
    is_int(pairs[PAGES + 3].status, ESRCH, "a process that has gone is none");
}

static void test_contents(const char *base)
{
    bool right = true;
    for (size_t i = 0; i < PAGES * page_size; i++)
        right = right && base[i] == 'k' + (char)(i / page_size);
    ok(right, "the contents are what they were");
}

int main(void)
{
    need_proc();
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    setenv("MMLIB_KSM_SECONDS", "30", 1);
    if (m_set_backend("ksm") < 0)
        skip_all(errno == EPERM ? "only the superuser steers the kernel"
                                : "this kernel merges no pages by itself");
    is_str(m_backend(), "ksm", "the kernel's own merging can be chosen");

    struct target first = start_target(build_opted_in);
    struct target second = start_target(build_opted_in);
    struct target third = start_target(build);
    diag("processes that have opted in");
    try_pairs(&first, &second, true);
    diag("one that has not");
    try_pairs(&first, &third, false);
    end_target(&third);

    diag("the caller's own memory");
    struct target own = {.pid = getpid(), .base = build()};
    try_pairs(&own, &first, true);
    test_contents(own.base);
    MPAGEINFO info = {.v_addr = own.base};
    unsigned long wanted = m_hash_xxh64(own.base, page_size);
    m_hashpages(own.pid, &info, 1, NULL);
    ok(info.count >= 1 && info.hash == wanted, "hashes work as well");
    own.base[0] = '!';
    is_int(own.base[0], '!', "and it can be written again");
    end_target(&first);
    end_target(&second);
    return done();
}
