/* SPDX-License-Identifier: MIT */
/*
 * memory.c -- reference pages are private memory that costs nothing until it is
 * written to: fork, copy-on-write, discard, lengths, and what 1 GiB takes.
 */
#include <sys/prctl.h>

#include "../shm/leaks.h"
#include "refpage.h"

enum { LENGTH = 5 * MIB };
static const size_t GIB = (size_t)1 << 30;

static void test_lengths(void)
{
    static const size_t lengths[] = {
        1,           4095,        4096,        4097,        65535,
        65537,       131072,      2 * MIB - 1, 2 * MIB,     2 * MIB + 1,
        3 * MIB + 5, 7 * MIB + 1, 64 * MIB,    64 * MIB + 1};
    struct mm_refpage *ref = make_ref(sample(), 256);
    size_t page = page_size();
    int bad = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t length = lengths[i], whole = (length + page - 1) & ~(page - 1);
        unsigned char *start = map_ref(ref, length);
        bad += !shows(start, whole, sample(), 256);
        start[length - 1] ^= 1;
        bad += start[length - 1] == sample()[(length - 1) % 256];
        if (mm_refpage_unmap(start, length) != 0 || bad) {
            diag("%zu bytes: %d mistakes", length, bad);
            break;
        }
    }
    is_int(bad, 0, "mappings of any length");
    mm_refpage_close(ref);
}

/* One page of each mapping is written to; nothing else changes. */
static void test_copy_on_write(void)
{
    struct mm_refpage *ref = make_ref(sample(), 8);
    unsigned char *a = map_ref(ref, LENGTH), *b = map_ref(ref, LENGTH);
    size_t page = page_size();
    memset(a + 3 * page, 1, page);
    a[0] = 2;
    b[LENGTH - 1] = 3;
    ok(a[3 * page] == 1 && a[4 * page - 1] == 1 && a[0] == 2,
       "what is written is there");
    ok(!memcmp(a + 1, sample() + 1, 7) && shows(a + 8, page - 8, sample(), 8) &&
           shows(a + page, 2 * page, sample(), 8) &&
           shows(a + 4 * page, LENGTH - 4 * page, sample(), 8),
       "the rest of the mapping is the pattern");
    ok(b[LENGTH - 1] == 3 && shows(b, LENGTH - 8, sample(), 8),
       "another mapping has its own");
    unsigned char *c = map_ref(ref, LENGTH);
    ok(shows(c, LENGTH, sample(), 8), "a new one is as good as new");
    /* The same place of a mapping, in each unit it consists of. */
    for (size_t at = 0; at < LENGTH; at += 65536)
        c[at] ^= 0xff;
    int bad = 0;
    for (size_t at = 0; at < LENGTH; at += 65536)
        bad += c[at] != (sample()[0] ^ 0xff) || c[at + 1] != sample()[1];
    is_int(bad, 0, "the same page of each unit is another page");
    mm_refpage_unmap(a, LENGTH);
    mm_refpage_unmap(b, LENGTH);
    mm_refpage_unmap(c, LENGTH);
    mm_refpage_close(ref);
}

static void test_discard(void)
{
    struct mm_refpage *ref = make_ref(sample(), 1024);
    unsigned char *start = map_ref(ref, LENGTH);
    size_t page = page_size();
    memset(start, 9, LENGTH);
    is_int(madvise(start + page, 2 * page, MADV_DONTNEED), 0,
           "pages can be discarded");
    ok(shows(start + page, 2 * page, sample(), 1024), "and show the pattern");
    ok(start[page - 1] == 9 && start[3 * page] == 9, "their neighbours do not");
    is_int(madvise(start, LENGTH, MADV_DONTNEED), 0, "so can all of it");
    ok(shows(start, LENGTH, sample(), 1024), "and is as good as new");
    start[1] = 4;
    ok(start[1] == 4 && start[2] == sample()[2], "it can be written to again");
    mprotect(start, LENGTH, PROT_READ);
    mprotect(start, LENGTH, PROT_READ | PROT_WRITE);
    ok(start[1] == 4 && start[LENGTH - 1] == sample()[1023],
       "protection comes and goes without a change");
    mm_refpage_unmap(start, LENGTH);
    mm_refpage_close(ref);
}

/* A child sees what its parent wrote before, changes it, and the parent does
 * not notice; nor does the child what the parent writes. */
struct family {
    struct mm_refpage *ref;
    unsigned char *start;
    int turn[2][2]; /* pipes */
};

static int child_of(void *argument, int number)
{
    struct family *family = argument;
    unsigned char *start = family->start;
    size_t page = page_size();
    char byte;
    (void)number;
    bool good = start[0] == 1 && start[page] == sample()[0] &&
                shows(start + page, LENGTH - page, sample(), 16);
    start[0] = 2;
    start[page] = 2;
    if (write(family->turn[0][1], "", 1) != 1 ||
        read(family->turn[1][0], &byte, 1) != 1)
        return 2;
    good &= start[0] == 2 && start[page] == 2;
    good &= shows(start + 2 * page, LENGTH - 2 * page, sample(), 16);
    /* Without the descriptors, as daemons are. */
    for (int fd = 3; fd < 100; fd++)
        close(fd);
    unsigned char *own = mm_refpage_map(family->ref, LENGTH);
    good &= own && shows(own, LENGTH, sample(), 16);
    good &= mm_refpage_unmap(own, LENGTH) == 0;
    good &= madvise(start, LENGTH, MADV_DONTNEED) == 0 &&
            shows(start, LENGTH, sample(), 16);
    good &= mm_refpage_unmap(start, LENGTH) == 0;
    good &= mm_refpage_close(family->ref) == 0;
    return good ? 0 : 1;
}

static void test_fork(void)
{
    struct family family = {.ref = make_ref(sample(), 16)};
    unsigned char *start = family.start = map_ref(family.ref, LENGTH);
    size_t page = page_size();
    char byte;
    if (pipe(family.turn[0]) < 0 || pipe(family.turn[1]) < 0)
        bail("pipe: %s", strerror(errno));
    start[0] = 1;
    pid_t pid = start_child(child_of, &family, 0);
    bool heard = read(family.turn[0][0], &byte, 1) == 1;
    ok(heard && start[0] == 1 && start[page] == sample()[0],
       "the parent does not see what the child writes");
    memset(start + page, 3, LENGTH - page);
    heard = write(family.turn[1][1], "", 1) == 1;
    int status = end_child(pid);
    ok(heard && status == 0, "nor the child what the parent writes (%d)",
       status);
    ok(start[0] == 1 && start[page] == 3 && start[LENGTH - 1] == 3,
       "what the child gives back stays here");
    unsigned char *again = map_ref(family.ref, LENGTH);
    ok(shows(again, LENGTH, sample(), 16), "and the reference works");
    mm_refpage_unmap(again, LENGTH);
    mm_refpage_unmap(start, LENGTH);
    mm_refpage_close(family.ref);
    for (int i = 0; i < 4; i++)
        close(family.turn[i / 2][i % 2]);
}

/* Bytes in the line NAME of a file of /proc/self. */
static size_t proc_bytes(const char *path, const char *name)
{
    FILE *file = fopen(path, "re");
    char line[200];
    size_t kilobytes = 0;
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            sscanf(line + strlen(name), "%zu", &kilobytes);
    if (file)
        fclose(file);
    return kilobytes << 10;
}

/* What this process has to itself, and what describes it. */
static size_t memory_taken(void)
{
    return proc_bytes("/proc/self/smaps_rollup", "Pss:") +
           proc_bytes("/proc/self/status", "VmPTE:");
}

/* 0 if reading 1 GiB takes at most 4 MiB. */
static int read_gigabyte(void *unused, int huge)
{
    static const uint64_t pattern = UINT64_C(0xAAAAAAAAAAAAAAAA);
    (void)unused;
    if (!huge && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) < 0)
        return 77;
    size_t before = memory_taken();
    struct mm_refpage *ref = mm_refpage_create(&pattern, 8, 0);
    uint64_t *start = ref ? mm_refpage_map(ref, GIB) : NULL;
    if (!start)
        return 2;
    for (size_t i = 0; i < GIB / 8; i++)
        if (start[i] != pattern)
            return 3;
    size_t after = memory_taken();
    printf("# %s: %zu KiB\n", huge ? "huge pages" : "no huge pages",
           (after - before) >> 10);
    fflush(stdout);
    return after - before <= 4 * MIB ? 0 : 1;
}

static void test_gigabyte(void)
{
    const char *sanitizers = getenv("SANITIZERS");
    if (sanitizers && *sanitizers) {
        skip(2, "a sanitizer has memory of its own");
        return;
    }
    if (access("/proc/self/smaps_rollup", R_OK) < 0) {
        skip(2, "this kernel does not tell what a process has to itself");
        return;
    }
    int status = end_child(start_child(read_gigabyte, NULL, 1));
    is_int(status, 0, "reading 1 GiB takes at most 4 MiB");
    status = end_child(start_child(read_gigabyte, NULL, 0));
    if (status == 77)
        skip(1, "huge pages cannot be switched off");
    else
        is_int(status, 0, "also where there are no huge pages");
}

/* More than there can be memory for. */
static void test_terabyte(void)
{
    const size_t length = GIB * 1024 + 1;
    struct mm_refpage *ref = make_ref(sample(), 2);
    unsigned char *start = mm_refpage_map(ref, length);
    if (!start) {
        skip(1, mm_error());
    } else {
        uint64_t state = 3;
        int bad = 0;
        for (int i = 0; i < 1000; i++) {
            size_t at = (next_random(&state) * (size_t)page_size()) % length;
            at &= ~(page_size() - 1);
            bad += !shows(start + at, page_size(), sample(), 2);
            start[at] ^= 1;
        }
        bad += start[length - 1] != sample()[0];
        is_int(bad, 0, "1 TiB");
        mm_refpage_unmap(start, length);
    }
    mm_refpage_close(ref);
}

int main(void)
{
    need_proc();
    if (strcmp(mm_query(NULL, "refpage"), "NONE") == 0)
        skip_all("this system has no reference pages");
    diag("source: %s", mm_query(NULL, "refpage"));
    test_lengths();
    test_copy_on_write();
    test_discard();
    test_fork();
    test_gigabyte();
    test_terabyte();
    return done();
}
