/* SPDX-License-Identifier: MIT */
/*
 * proc.c -- the merge library lists and hashes the pages of real processes
 * without its module, exactly, and changes nothing by looking.
 */
#include "target.h"

#include <fcntl.h>
#include <mmlib.h>

enum { EQUAL = 8, UNIQUE = 8, ZERO = 16, ABSENT = 17, PAGES = 64 };

static size_t page_size;

/* Page I of what every target holds.  Pages 0 to 7 are equal; 8 to 15 each
 * different; 16 was only read; the rest never was touched. */
static char *build(void)
{
    char *base = map_pages(PAGES);
    for (size_t i = 0; i < EQUAL + UNIQUE; i++)
        memset(base + i * page_size, i < EQUAL ? 'e' : 'A' + (int)i, page_size);
    volatile char *zero = base + ZERO * page_size;
    (void)*zero;
    return base;
}

static const char *page_of(const struct target *target, size_t i)
{
    return target->base + i * page_size;
}

static ssize_t list(const struct target *target, size_t first, size_t last,
                    MPAGEINFO *infos, size_t nel, const void **contp)
{
    return m_getpageinfos(target->pid, page_of(target, first),
                          page_of(target, last), infos, nel, contp);
}

static void test_infos(const struct target *target)
{
    MPAGEINFO infos[PAGES];
    const void *rest = "something";
    memset(infos, 0x55, sizeof infos);
    unsigned long untouched = infos[0].hash;
    is_int(list(target, 0, PAGES - 1, infos, PAGES, &rest), EQUAL + UNIQUE,
           "all pages are listed, but none that is not there");
    ok(rest == NULL, "there are no further pages");
    bool right = true;
    for (size_t i = 0; i < EQUAL + UNIQUE; i++)
        right = right && infos[i].v_addr == page_of(target, i) &&
                infos[i].count == 1 && infos[i].hash == untouched;
    ok(right, "in order, each mapped once, the hash left alone");
    if (geteuid() == 0 && infos[0].p_addr) {
        bool different = true;
        for (size_t i = 1; i < EQUAL + UNIQUE; i++)
            different = different && infos[i].p_addr != infos[i - 1].p_addr &&
                        (uintptr_t)infos[i].p_addr % page_size == 0;
        ok(different, "each has a physical address of its own");
    } else {
        skip(1, "physical addresses are told to the superuser only");
    }
    is_int(list(target, 2, 2, infos, PAGES, NULL), 1,
           "a region of one byte is the page it lies in");
    is_int(m_getpageinfos(target->pid, page_of(target, 2) + page_size - 1,
                          page_of(target, 3), infos, PAGES, NULL),
           2, "the first and the last page of a region count whole");
    ok(infos[0].v_addr == page_of(target, 2), "and are told by their start");
}

static void test_continued(const struct target *target)
{
    MPAGEINFO infos[PAGES];
    const void *rest = page_of(target, 0);
    size_t found = 0;
    int calls = 0;
    while (rest && calls++ < PAGES) {
        ssize_t got =
            m_getpageinfos(target->pid, rest, page_of(target, PAGES - 1),
                           infos + found, 3, &rest);
        if (got < 0)
            break;
        found += (size_t)got;
    }
    is_int((long long)found, EQUAL + UNIQUE, "three at a time find all");
    is_int(calls, (EQUAL + UNIQUE + 2) / 3, "in as few calls as possible");
    ok(infos[found - 1].v_addr == page_of(target, EQUAL + UNIQUE - 1),
       "none twice");

    is_int(list(target, 0, PAGES - 1, infos, EQUAL + UNIQUE, &rest),
           EQUAL + UNIQUE, "room for exactly all of them is enough");
    ok(rest == NULL, "and then there is no rest");
    is_int(list(target, 0, PAGES - 1, infos, 5, &rest), 5, "room for five");
    ok(rest == page_of(target, 5), "and the sixth is the rest");
    is_int(list(target, 0, PAGES - 1, NULL, 0, &rest), 0, "room for none");
    ok(rest == page_of(target, 0), "and the first is the rest");

    rest = "something";
    is_int(m_getpageinfos(target->pid, (void *)-1, (void *)-1, infos, 1, &rest),
           0, "the last page of the address space has nothing of ours");
    ok(rest == NULL, "and nothing follows it");
    ssize_t all =
        m_getpageinfos(target->pid, NULL, (void *)-1, infos, PAGES, &rest);
    ok(all > 0, "all of a process can be asked for");
}

static void test_hashes(const struct target *target)
{
    MPAGEINFO infos[PAGES];
    bool right = true;
    char *copy = build();
    memset(infos, 0x55, sizeof infos);
    for (size_t i = 0; i < PAGES; i++)
        infos[i].v_addr = page_of(target, i) + 8 * i;
    is_int(m_hashpages(target->pid, infos, PAGES, NULL), EQUAL + UNIQUE,
           "all pages are hashed that are there");
    for (size_t i = 0; i < EQUAL + UNIQUE; i++)
        right = right && infos[i].count == 1 &&
                infos[i].hash == m_hash_xxh64(copy + i * page_size, page_size);
    ok(right, "by the strong function over the whole page");
    right = true;
    for (size_t i = ABSENT; i < PAGES; i++)
        right = right && infos[i].count == 0 && infos[i].p_addr == NULL;
    ok(right, "and the others have neither count nor address");
    ok(infos[3].v_addr == page_of(target, 3) + 24, "v_addr stays as given");

    MPAGEINFO back[] = {{.v_addr = page_of(target, 9)},
                        {.v_addr = page_of(target, 40)},
                        {.v_addr = page_of(target, 1)},
                        {.v_addr = NULL},
                        {.v_addr = (void *)-1}};
    is_int(m_hashpages(target->pid, back, 5, NULL), 2, "in any order");
    ok(back[0].hash == infos[9].hash && back[2].hash == infos[1].hash,
       "with the same result");
    ok(back[3].count == 0 && back[4].count == 0, "wild addresses are no pages");
    munmap(copy, PAGES * page_size);
}

static size_t seen_size;
static size_t seen_calls;

static unsigned long first_byte(void *address, size_t size)
{
    seen_size = size;
    seen_calls++;
    return *(unsigned char *)address;
}

static void test_functions(const struct target *target)
{
    MPAGEINFO infos[PAGES];
    for (size_t i = 0; i < PAGES; i++)
        infos[i].v_addr = page_of(target, i);
    is_int(m_hashpages(target->pid, infos, PAGES, first_byte), EQUAL + UNIQUE,
           "a function of the program hashes");
    ok(infos[0].hash == 'e' && infos[9].hash == 'A' + 9,
       "what it is handed is the page");
    ok(seen_size == page_size && seen_calls == EQUAL + UNIQUE,
       "whole, and once");

    unsigned long weak[2];
    m_hashpages(target->pid, infos, 2, (m_hash_function_1999 *)m_hash_const);
    ok(infos[0].hash == 0, "the constant function can be chosen");
    m_hashpages(target->pid, infos, 2,
                (m_hash_function_1999 *)m_hash_addrothalf);
    weak[0] = infos[0].hash;
    m_hashpages(target->pid, infos, 2,
                (m_hash_function_1999 *)m_libhash_addrothalf);
    weak[1] = infos[0].hash;
    ok(weak[0] == weak[1] && weak[0] != 0,
       "both forms of the old function give the same");

    is_int(m_set_hash_default(m_hash_const), 0, "another default");
    infos[8].hash = 1;
    m_hashpages(target->pid, infos, PAGES, NULL);
    is_int((long long)infos[8].hash, 0, "is used from then on");
    m_set_hash_default(NULL);
    m_hashpages(target->pid, infos, PAGES, NULL);
    ok(infos[8].hash != 0, "NULL brings the strong one back");
}

/* Looking must not fault pages in, nor copy what is shared. */
static void test_harmless(const struct target *target)
{
    static MPAGEINFO infos[PAGES];
    long resident = smaps_of(target->pid, target->base, "Rss");
    for (size_t i = 0; i < PAGES; i++)
        infos[i].v_addr = page_of(target, i);
    m_hashpages(target->pid, infos, PAGES, NULL);
    is_int(smaps_of(target->pid, target->base, "Rss"), resident,
           "hashing faults nothing in");

    char *shared = map_pages(PAGES);
    memset(shared, 's', PAGES * page_size);
    struct target twin = start_target(build);
    long before = smaps_of(getpid(), shared, "Private_Dirty");
    for (size_t i = 0; i < PAGES; i++)
        infos[i].v_addr = shared + i * page_size;
    is_int(m_hashpages(twin.pid, infos, PAGES, NULL), PAGES,
           "what was inherited by fork is hashed");
    ok(infos[0].count == 2, "and known to be mapped twice");
    m_hashpages(getpid(), infos, PAGES, NULL);
    m_hashpages(getpid(), infos, PAGES, first_byte);
    ok(before >= 0 && before < (long)(PAGES * page_size / 1024) / 2 &&
           smaps_of(getpid(), shared, "Private_Dirty") == before,
       "and is shared as before");
    end_target(&twin);
    munmap(shared, PAGES * page_size);
}

static char *build_special(void)
{
    char *base = map_pages(3 * PAGES);
    size_t size = PAGES * page_size;
    mmap(base + size, size, PROT_READ | PROT_WRITE,
         MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memset(base, 'x', 3 * size);
    mprotect(base + 2 * size, size, PROT_NONE);
    return base;
}

/* A page of a file, mapped privately and only read. */
static char *build_file(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    char *base =
        mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (fd < 0 || base == MAP_FAILED)
        return NULL;
    volatile char *byte = base;
    (void)*byte;
    return base;
}

static void test_file(void)
{
    MPAGEINFO info;
    struct target target = start_target(build_file);
    info.v_addr = target.base;
    is_int(list(&target, 0, 0, &info, 1, NULL), 0,
           "a page of a file that nobody changed is not listed");
    is_int(m_hashpages(target.pid, &info, 1, NULL), 0, "nor is it hashed");
    end_target(&target);
}

static void test_special(void)
{
    MPAGEINFO infos[3 * PAGES];
    struct target target = start_target(build_special);
    is_int(list(&target, 0, 3 * PAGES - 1, infos, 3 * PAGES, NULL), PAGES,
           "shared and inaccessible memory is not listed");
    for (size_t i = 0; i < 3 * PAGES; i++)
        infos[i].v_addr = page_of(&target, i);
    is_int(m_hashpages(target.pid, infos, 3 * PAGES, NULL), PAGES,
           "nor is it hashed");
    end_target(&target);
}

static char *build_sparse(void)
{
    size_t size = (size_t)1 << 40;
    char *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    madvise(base, size, MADV_NOHUGEPAGE);
    base[0] = base[size / 2] = base[size - 1] = 1;
    return base;
}

static void test_sparse(void)
{
    MPAGEINFO infos[8];
    size_t size = (size_t)1 << 40;
    struct target target = start_target(build_sparse);
    if (!target.base) {
        skip(1, "no mapping of that size can be had");
    } else if (sizeof size > 4) {
        alarm(30); /* a kernel without PAGEMAP_SCAN would take longer */
        is_int(m_getpageinfos(target.pid, target.base, target.base + size - 1,
                              infos, 8, NULL),
               3, "three pages of a tebibyte are found");
        alarm(0);
    }
    end_target(&target);
}

int main(void)
{
    need_proc();
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    if (m_set_backend("proc") < 0)
        skip_all("the process file system does not tell about pages");
    is_str(m_backend(), "proc", "the process file system can be chosen");
    struct target target = start_target(build);
    test_infos(&target);
    test_continued(&target);
    test_hashes(&target);
    test_functions(&target);
    test_harmless(&target);
    end_target(&target);
    test_special();
    test_file();
    test_sparse();
    return done();
}
