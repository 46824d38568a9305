/* SPDX-License-Identifier: MIT */
/*
 * peers.c -- the allocators that are compared.
 *
 * Our library is the one this program is linked with.  The original has the
 * same SONAME and symbols: it is loaded by its path, binds to itself, and must
 * say that it is 1.4.2, which is the peer that the bars name.  (A link
 * namespace of its own would bring a second C library, whose system calls are
 * slower: it takes every process for one with threads.)
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { OSSP_VERSION = 0x104202 };

#ifdef RTLD_DEEPBIND
enum { BIND_TO_ITSELF = RTLD_DEEPBIND };
#else
enum { BIND_TO_ITSELF = 0 };
#endif

struct peer bench_peers[PEER_COUNT] = {
    [PEER_LIBMM] = {.name = "libmm",
                    .pooled = true,
                    .create = mm_create,
                    .destroy = mm_destroy,
                    .pool_alloc = mm_malloc,
                    .pool_free = mm_free,
                    .lock = mm_lock,
                    .unlock = mm_unlock},
    [PEER_OSSP] = {.name = "OSSP mm", .pooled = true},
    [PEER_MIMALLOC] = {.name = "mimalloc"},
    [PEER_GLIBC] = {.name = "glibc", .heap_alloc = malloc, .heap_free = free},
};

/* dlsym() into a pointer to a function. */
static bool find_symbol(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
    return address != NULL;
}

static bool load_ossp(struct peer *peer, const char *path)
{
    int (*version)(void);
    if (!BIND_TO_ITSELF)
        return false;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | BIND_TO_ITSELF);
    if (!library)
        return false;
    if (find_symbol(library, "mm_lib_version", &version) &&
        version() == OSSP_VERSION &&
        find_symbol(library, "mm_create", &peer->create) &&
        find_symbol(library, "mm_destroy", &peer->destroy) &&
        find_symbol(library, "mm_malloc", &peer->pool_alloc) &&
        find_symbol(library, "mm_free", &peer->pool_free) &&
        find_symbol(library, "mm_lock", &peer->lock) &&
        find_symbol(library, "mm_unlock", &peer->unlock))
        return true;
    dlclose(library);
    return false;
}

/* Where the distribution keeps libraries: beside the C library, or as in the
 * days of the original. */
static bool search_ossp(struct peer *peer)
{
    static const char *const places[] = {NULL, "/usr/lib", "/usr/lib64",
                                         "/usr/local/lib"};
    Dl_info libc;
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *place = places[i];
        int length = place ? (int)strlen(place) : 0;
        if (!place) {
            if (!dladdr((void *)bench_peers[PEER_GLIBC].heap_free, &libc))
                continue;
            place = libc.dli_fname;
            const char *slash = strrchr(place, '/');
            length = slash ? (int)(slash - place) : 0;
        }
        snprintf(path, sizeof path, "%.*s/libmm.so.14", length, place);
        if (load_ossp(peer, path))
            return true;
    }
    return false;
}

void bench_find_peers(const char *ossp)
{
    struct peer *peer = &bench_peers[PEER_OSSP];
    if (!(ossp ? load_ossp(peer, ossp) : search_ossp(peer)))
        peer->absent = "OSSP mm 1.4.2 is not installed (Debian: libmm14)";
    peer = &bench_peers[PEER_MIMALLOC];
    void *library = dlopen("libmimalloc.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library || !find_symbol(library, "mi_malloc", &peer->heap_alloc) ||
        !find_symbol(library, "mi_free", &peer->heap_free))
        peer->absent = "mimalloc is not installed (Debian: libmimalloc2.0)";
}
