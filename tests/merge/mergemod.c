/* SPDX-License-Identifier: MIT */
/*
 * mergemod.c -- the merge library speaks with the module as the contract says.
 *
 * The linker sends open() and ioctl() of the library through here, so that the
 * module can be played: right, wrong, of another version, interrupted, absent.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include <mmlib.h>

#include "../../kmod/uapi/mergemod.h"
#include "../tap.h"

enum { PAGES = 3000, DEVICE_FD_NONE = -1 };

/* The module that is played. */
static struct {
    int open_error;
    int version_error;
    uint32_t protocol;
    uint32_t step;   /* so many elements are done in one call */
    int interrupted; /* so many calls fail with EINTR first */
    int error;       /* what all but the version fails with */
    uint32_t lie;    /* added to how many were done */
    bool stuck;      /* the next page is where we are */
    int fd;
    int opened;
    int flags;
    int calls;
    int bad; /* requests that the contract forbids */
    uint32_t function;
} module;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_open(const char *path, int flags, ...)
{
    if (strcmp(path, MERGEMOD_DEVICE) != 0)
        return __real_open(path, flags);
    if (module.open_error) {
        errno = module.open_error;
        return -1;
    }
    module.opened++;
    module.flags = flags;
    return module.fd = __real_open("/dev/null", O_RDWR | O_CLOEXEC);
}

static uint32_t step_of(uint32_t nel)
{
    return nel < module.step ? nel : module.step;
}

/* Pages are 1 to PAGES; those divisible by 10 are not there. */
static bool is_there(uint64_t page)
{
    return page >= 1 && page <= PAGES && page % 10 != 0;
}

static int play_infos(struct mergemod_pageinfos *request)
{
    uint64_t size = (uint64_t)sysconf(_SC_PAGESIZE);
    struct mergemod_page *pages =
        (struct mergemod_page *)(uintptr_t)request->pages;
    uint32_t room = step_of(request->nel);
    uint64_t page = request->start / size;
    module.bad += request->flags != 0 || request->start > request->end ||
                  request->nel > MERGEMOD_MAX_NEL;
    request->found = 0;
    for (;
         page <= PAGES && page <= request->end / size && request->found < room;
         page++)
        if (is_there(page))
            pages[request->found++] = (struct mergemod_page){
                .v_addr = page * size, .p_addr = page * 16, .count = page};
    request->next =
        page <= PAGES && page <= request->end / size ? page * size : 0;
    if (module.stuck)
        request->next = request->start;
    request->found += module.lie;
    return 0;
}

static int play_pages(struct mergemod_page *pages, uint32_t count,
                      char *contents, uint32_t *available)
{
    uint64_t size = (uint64_t)sysconf(_SC_PAGESIZE);
    *available = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t page = pages[i].v_addr / size;
        bool there = is_there(page);
        pages[i].count = there ? page : 0;
        pages[i].p_addr = there ? page * 16 : 0;
        *available += there;
        if (there && contents)
            memset(contents + i * size, (int)(page % 251), size);
        else if (there)
            pages[i].hash = page * 1000 + module.function;
    }
    return 0;
}

static int play_hash(struct mergemod_hashpages *request)
{
    module.bad += request->padding != 0 || request->nel > MERGEMOD_MAX_NEL;
    module.function = request->function;
    request->done = step_of(request->nel) + module.lie;
    return play_pages((struct mergemod_page *)(uintptr_t)request->pages,
                      step_of(request->nel), NULL, &request->hashed);
}

static int play_read(struct mergemod_readpages *request)
{
    uint64_t size = (uint64_t)sysconf(_SC_PAGESIZE);
    module.bad += request->padding != 0 || request->flags != 0 ||
                  request->buffer_size < request->nel * size ||
                  request->buffer % sizeof(uint64_t) != 0;
    request->done = step_of(request->nel) + module.lie;
    return play_pages((struct mergemod_page *)(uintptr_t)request->pages,
                      step_of(request->nel), (char *)(uintptr_t)request->buffer,
                      &request->copied);
}

static int play_merge(struct mergemod_merge *request)
{
    struct mergemod_pair *pairs =
        (struct mergemod_pair *)(uintptr_t)request->pairs;
    module.bad += request->flags != 0 || request->nel > MERGEMOD_MAX_NEL;
    request->done = step_of(request->nel);
    request->merged = 0;
    for (uint32_t i = 0; i < request->done; i++) {
        module.bad += pairs[i].padding != 0;
        pairs[i].status = pairs[i].s_addr == pairs[i].d_addr ? 0
                          : pairs[i].spid == pairs[i].dpid   ? EILSEQ
                                                             : ENXIO;
        request->merged += pairs[i].status == 0;
    }
    request->done += module.lie;
    return 0;
}

static int play(unsigned long request, void *argument)
{
    if (request == MERGEMOD_IOC_VERSION) {
        if (module.version_error) {
            errno = module.version_error;
            return -1;
        }
        *(struct mergemod_version *)argument = (struct mergemod_version){
            .protocol = module.protocol,
            .features = MERGEMOD_CAN_MERGE,
            .page_size = (uint32_t)sysconf(_SC_PAGESIZE)};
        return 0;
    }
    module.calls++;
    if (module.interrupted > 0) {
        module.interrupted--;
        errno = EINTR;
        return -1;
    }
    if (module.error) {
        errno = module.error;
        return -1;
    }
    if (request == MERGEMOD_IOC_PAGEINFOS)
        return play_infos(argument);
    if (request == MERGEMOD_IOC_HASHPAGES)
        return play_hash(argument);
    if (request == MERGEMOD_IOC_READPAGES)
        return play_read(argument);
    if (request == MERGEMOD_IOC_MERGE)
        return play_merge(argument);
    module.bad++;
    errno = ENOTTY;
    return -1;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (module.fd < 0 || fd != module.fd)
        return __real_ioctl(fd, request, argument);
    return play(request, argument);
}

static void reset(void)
{
    memset(&module, 0, sizeof module);
    module.fd = DEVICE_FD_NONE;
    module.protocol = MERGEMOD_PROTOCOL;
    module.step = MERGEMOD_MAX_NEL;
}

/* One test point: RESULT is -1 and errno WANTED. */
static void fails(ssize_t result, int wanted, const char *what)
{
    int error = errno;
    if (!ok(result == -1 && error == wanted, "%s", what))
        diag("got %zd, %s", result, strerror(error));
}

static MPAGEINFO infos[PAGES + 10];
static MEQUALPAIR pairs[PAGES];

static ssize_t list(size_t nel, const void **contp)
{
    return m_getpageinfos(1234, NULL, (void *)-1, infos, nel, contp);
}

static void test_absent(void)
{
    static const int absent[] = {ENOENT, ENXIO, ENODEV};
    reset();
    for (size_t i = 0; i < 3; i++) {
        module.open_error = absent[i];
        fails(m_set_backend("mergemod"), ENOPKG,
              "without the device there is no package");
    }
    is_str(m_backend(), "proc", "and the process file system answers");
    fails(m_merge(pairs, 1), ENOPKG, "which merges nothing");
    module.open_error = EACCES;
    fails(m_set_backend("mergemod"), EPERM, "the device may be forbidden");
    is_str(m_backend(), "proc", "then, too, another answers");
    fails(m_merge(pairs, 1), EPERM, "but says why it does not merge");

    module.open_error = 0;
    is_int(m_set_backend("mergemod"), 0, "chosen while it is there");
    module.open_error = ENOENT;
    is_str(m_backend(), "mergemod", "it stays chosen");
    fails(list(1, NULL), ENOPKG, "even when it is gone");
    m_set_backend("auto");
}

static void test_other_version(void)
{
    reset();
    module.protocol = MERGEMOD_PROTOCOL + 1;
    is_str(m_backend(), "mergemod", "a module of another version is a module");
    fails(list(1, NULL), EPROTO, "that cannot be talked to: listing");
    fails(m_hashpages(1234, infos, 1, NULL), EPROTO, "hashing");
    fails(m_merge(pairs, 1), EPROTO, "merging");
    fails(m_set_backend("mergemod"), EPROTO, "choosing it");
    is_int(module.calls, 0, "nothing else was asked of it");
    reset();
    module.version_error = ENOTTY;
    fails(list(1, NULL), EPROTO, "what knows no version is of no version");
}

static void test_infos(uint32_t step)
{
    const void *rest = "";
    reset();
    module.step = step;
    module.interrupted = 2;
    is_int(list(PAGES + 10, &rest), PAGES - PAGES / 10, "all are listed");
    ok(rest == NULL && infos[9].count == 11 &&
           infos[9].p_addr == (void *)(11 * 16),
       "as the module says");
    is_int(list(2000, &rest), 2000, "or some of them");
    ok((uintptr_t)rest == (uintptr_t)sysconf(_SC_PAGESIZE) * 2223,
       "and where to go on");
    is_int(module.bad, 0, "as the contract says");
}

static void test_hashes(uint32_t step)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    reset();
    module.step = step;
    for (size_t i = 0; i < PAGES; i++)
        infos[i] = (MPAGEINFO){.v_addr = (void *)((i + 1) * size), .hash = 7};
    is_int(m_hashpages(1234, infos, PAGES, NULL), PAGES - PAGES / 10,
           "all are hashed");
    ok(infos[10].hash == 11001 && infos[PAGES - 2].count == PAGES - 1,
       "by the strong function in the kernel");
    ok(infos[9].hash == 7 && infos[9].count == 0 && !infos[9].p_addr,
       "but not what is not there");
    m_hashpages(1234, infos, 2, (m_hash_function_1999 *)m_hash_addrothalf);
    is_int((long long)infos[1].hash, 2002, "or by the half one");
    m_hashpages(1234, infos, 2, (m_hash_function_1999 *)m_hash_const);
    is_int((long long)infos[1].hash, 2003, "or by none");
    is_int(m_hashpages(1234, infos, PAGES,
                       (m_hash_function_1999 *)m_libhash_addrothalf),
           PAGES - PAGES / 10, "others run here");
    char *page = malloc(size);
    memset(page, 2999 % 251, size);
    ok(infos[2998].hash == m_hash_addrothalf(page, size),
       "on what the module read");
    free(page);
    is_int(module.bad, 0, "as the contract says");
}

static void test_merge(uint32_t step)
{
    reset();
    module.step = step;
    module.interrupted = 1;
    for (int i = 0; i < PAGES; i++)
        pairs[i] = (MEQUALPAIR){.spid = 10,
                                .dpid = 10 + i % 2,
                                .sv_addr = (void *)(uintptr_t)(i / 2),
                                .dv_addr = (void *)(uintptr_t)(i / 2 % 3),
                                .status = 99};
    int equal = 0;
    for (int i = 0; i < PAGES; i++)
        equal += pairs[i].sv_addr == pairs[i].dv_addr;
    is_int(m_merge(pairs, PAGES), equal, "what is equal is merged");
    ok(pairs[0].status == 0 && pairs[PAGES - 2].status == EILSEQ &&
           pairs[PAGES - 1].status == ENXIO,
       "each pair has its status");
    is_int(module.bad, 0, "as the contract says");
    is_int(m_merge(pairs, 0), 0, "no pairs are merged easily");
}

static void test_errors(void)
{
    static const int errors[] = {EPERM, ESRCH, EINVAL, ENOMEM, EOPNOTSUPP};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        reset();
        module.error = errors[i];
        fails(list(1, NULL), errors[i], "errors of the module: listing");
        fails(m_hashpages(1234, infos, 1, NULL), errors[i], "hashing");
        fails(m_merge(pairs, 1), errors[i], "merging");
    }
    reset();
    module.step = 0;
    fails(m_hashpages(1234, infos, 1, NULL), EPROTO, "no progress: hashing");
    fails(m_merge(pairs, 1), EPROTO, "merging");
    fails(m_hashpages(1234, infos, 1, (m_hash_function_1999 *)m_libhash_const),
          EPROTO, "reading");
    reset();
    module.lie = 1;
    fails(list(1, NULL), EPROTO, "more than was asked for: listing");
    fails(m_hashpages(1234, infos, 1, NULL), EPROTO, "hashing");
    fails(m_merge(pairs, 1), EPROTO, "merging");
    reset();
    module.stuck = true;
    module.step = 0;
    fails(m_getpageinfos(1234, &module, (void *)-1, infos, 1, NULL), EPROTO,
          "the same place for ever");
}

/* The next free descriptor: the same as before if nothing was left open. */
static int next_descriptor(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

int main(void)
{
    int before = next_descriptor();
    test_absent();
    test_other_version();
    reset();
    is_str(m_backend(), "mergemod", "the module answers if it is there");
    ok((module.flags & O_CLOEXEC) != 0, "programs do not inherit the device");
    for (uint32_t step = 7; step <= MERGEMOD_MAX_NEL; step = step * 50 + 1) {
        test_infos(step);
        test_hashes(step);
        test_merge(step);
    }
    test_errors();
    is_int(next_descriptor(), before, "nothing is left open");
    return done();
}
