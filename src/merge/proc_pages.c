/* SPDX-License-Identifier: MIT */
/*
 * proc_pages.c -- pagemap, kpageflags, kpagecount.
 *
 * pagemap alone tells nearly everything: what is there, whether it is anonymous
 * and whether it is mapped once only.  The others are asked about the rest, and
 * of frames that follow each other in one read.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "merge/proc_pages.h"

/* Bits of an entry of pagemap, as the kernel documents them. */
#define ENTRY_FRAME     ((UINT64_C(1) << 55) - 1)
#define ENTRY_EXCLUSIVE (UINT64_C(1) << 56)
#define ENTRY_FILE      (UINT64_C(1) << 61)
#define ENTRY_PRESENT   (UINT64_C(1) << 63)

/* Bits of an entry of kpageflags: anonymous, of a huge-page file system, bad
 * memory, no memory, the zero page. */
#define FRAME_ANON     (UINT64_C(1) << 12)
#define FRAME_HUGE     (UINT64_C(1) << 17)
#define FRAME_POISONED (UINT64_C(1) << 19)
#define FRAME_NONE     (UINT64_C(1) << 20)
#define FRAME_ZERO     (UINT64_C(1) << 24)
#define FRAME_UNUSABLE (FRAME_HUGE | FRAME_POISONED | FRAME_NONE | FRAME_ZERO)

/* The ioctl of pagemap that finds ranges of pages; headers of the system may be
 * older than it. */
struct scan_range {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
};

struct scan_request {
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;
    uint64_t ranges;
    uint64_t range_count;
    uint64_t max_pages;
    uint64_t inverted;
    uint64_t all_of;
    uint64_t any_of;
    uint64_t returned;
};

#define SCAN_IOCTL   _IOWR('f', 16, struct scan_request)
#define SCAN_FILE    (UINT64_C(1) << 2)
#define SCAN_PRESENT (UINT64_C(1) << 3)
#define SCAN_ZERO    (UINT64_C(1) << 5)

/* COUNT words of FD from word number FIRST on.  How many there were. */
static ssize_t read_words(int fd, uint64_t *words, size_t count, uint64_t first)
{
    ssize_t got;
    do
        got = pread(fd, words, count * sizeof *words,
                    (off_t)(first * sizeof *words));
    while (got < 0 && errno == EINTR);
    return got < 0 ? -1 : got / (ssize_t)sizeof *words;
}

/* Whether there is a page in [START, END) that is of all categories ALL_OF,
 * but not of those in INVERTED; *FOUND is its address. */
static bool scan(struct proc_pages *pages, uint64_t start, uint64_t end,
                 uint64_t all_of, uint64_t inverted, uint64_t *found)
{
    struct scan_range range = {0};
    struct scan_request request = {
        .size = sizeof request,
        .start = start,
        .end = end,
        .ranges = (uintptr_t)&range,
        .range_count = 1,
        .max_pages = 1,
        .inverted = inverted,
        .all_of = all_of,
        .returned = SCAN_PRESENT,
    };
    int result;
    do
        result = ioctl(pages->pagemap, SCAN_IOCTL, &request);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        pages->cannot_scan = true;
    if (result > 0)
        *found = range.start;
    return result > 0;
}

uint64_t mmi_proc_skip(struct proc_pages *pages, uint64_t address, uint64_t end)
{
    uint64_t found;
    if (address >= end || pages->cannot_scan)
        return address;
    bool any = scan(pages, address, end, SCAN_PRESENT | SCAN_FILE | SCAN_ZERO,
                    SCAN_FILE | SCAN_ZERO, &found);
    if (pages->cannot_scan)
        return address;
    return any ? found : end;
}

/* Fill values of the wanted pages from FD, one word for each frame; frames
 * that cannot be read are no longer wanted. */
static void ask_frames(struct proc_pages *pages, int fd, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!pages->wanted[i])
            continue;
        uint64_t frame = pages->entries[i] & ENTRY_FRAME;
        size_t run = 1;
        while (i + run < count && pages->wanted[i + run] &&
               (pages->entries[i + run] & ENTRY_FRAME) == frame + run)
            run++;
        ssize_t got = read_words(fd, pages->values + i, run, frame);
        for (size_t k = got > 0 ? (size_t)got : 0; k < run; k++)
            pages->wanted[i + k] = false;
        i += run - 1;
    }
}

/* Whether we were told the frame of page I. */
static bool is_told(const struct proc_pages *pages, size_t i)
{
    return (pages->entries[i] & ENTRY_FRAME) != 0;
}

int mmi_proc_look(struct proc_pages *pages, uint64_t address, size_t count,
                  bool file)
{
    ssize_t got = read_words(pages->pagemap, pages->entries, count,
                             address / pages->page_size);
    if (got < 0)
        return -1;
    if (got == 0) {
        errno = ESRCH;
        return -1;
    }
    memset(pages->entries + got, 0,
           (count - (size_t)got) * sizeof *pages->entries);

    for (size_t i = 0; i < count; i++) {
        uint64_t entry = pages->entries[i];
        bool usable = (entry & ENTRY_PRESENT) && !(entry & ENTRY_FILE);
        pages->counts[i] = !usable ? 0 : entry & ENTRY_EXCLUSIVE ? 1 : 2;
    }
    /* Only below a file there may be huge pages, or no memory at all. */
    for (size_t i = 0; i < count; i++)
        pages->wanted[i] = file && pages->kpageflags >= 0 &&
                           pages->counts[i] != 0 && is_told(pages, i);
    ask_frames(pages, pages->kpageflags, count);
    for (size_t i = 0; i < count; i++)
        if (pages->wanted[i] && (!(pages->values[i] & FRAME_ANON) ||
                                 (pages->values[i] & FRAME_UNUSABLE)))
            pages->counts[i] = 0;

    for (size_t i = 0; i < count; i++)
        pages->wanted[i] = pages->kpagecount >= 0 && pages->counts[i] == 2 &&
                           is_told(pages, i);
    ask_frames(pages, pages->kpagecount, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t found;
        /* The kernel does not count how often the zero page is mapped. */
        if (pages->wanted[i])
            pages->counts[i] = pages->values[i];
        /* Who is not told frames cannot tell the zero page from others. */
        else if (pages->counts[i] == 2 && !pages->cannot_scan &&
                 scan(pages, address + i * pages->page_size,
                      address + (i + 1) * pages->page_size, SCAN_ZERO, 0,
                      &found))
            pages->counts[i] = 0;
    }
    return 0;
}

uint64_t mmi_proc_frame(const struct proc_pages *pages, size_t i)
{
    return (pages->entries[i] & ENTRY_FRAME) * pages->page_size;
}
