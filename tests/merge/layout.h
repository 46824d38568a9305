/* SPDX-License-Identifier: MIT */
/*
 * layout.h -- what the kernel/user contract looks like, byte by byte, on every
 * machine and for 32-bit callers too.  LAYOUT(CHECK) is one CHECK(EXPRESSION,
 * VALUE) after the other.  A difference here is another protocol.
 */
#ifndef TESTS_MERGE_LAYOUT_H
#define TESTS_MERGE_LAYOUT_H

#include <stddef.h>

#include "../../kmod/uapi/mergemod.h"

#define AT(name, field) offsetof(struct mergemod_##name, field)
#define SIZE(name)      sizeof(struct mergemod_##name)
#define ALIGN(name)     _Alignof(struct mergemod_##name)

#define LAYOUT(CHECK)                                                          \
    CHECK(MERGEMOD_PROTOCOL, 1)                                                \
    CHECK(MERGEMOD_MAX_NEL, 4096)                                              \
    CHECK(SIZE(version), 16)                                                   \
    CHECK(AT(version, features), 4)                                            \
    CHECK(AT(version, page_size), 8)                                           \
    CHECK(AT(version, padding), 12)                                            \
    CHECK(SIZE(page), 32)                                                      \
    CHECK(ALIGN(page), 8)                                                      \
    CHECK(AT(page, p_addr), 8)                                                 \
    CHECK(AT(page, count), 16)                                                 \
    CHECK(AT(page, hash), 24)                                                  \
    CHECK(SIZE(pageinfos), 48)                                                 \
    CHECK(ALIGN(pageinfos), 8)                                                 \
    CHECK(AT(pageinfos, flags), 4)                                             \
    CHECK(AT(pageinfos, start), 8)                                             \
    CHECK(AT(pageinfos, end), 16)                                              \
    CHECK(AT(pageinfos, pages), 24)                                            \
    CHECK(AT(pageinfos, nel), 32)                                              \
    CHECK(AT(pageinfos, found), 36)                                            \
    CHECK(AT(pageinfos, next), 40)                                             \
    CHECK(SIZE(hashpages), 32)                                                 \
    CHECK(ALIGN(hashpages), 8)                                                 \
    CHECK(AT(hashpages, function), 4)                                          \
    CHECK(AT(hashpages, pages), 8)                                             \
    CHECK(AT(hashpages, nel), 16)                                              \
    CHECK(AT(hashpages, done), 20)                                             \
    CHECK(AT(hashpages, hashed), 24)                                           \
    CHECK(AT(hashpages, padding), 28)                                          \
    CHECK(SIZE(readpages), 48)                                                 \
    CHECK(ALIGN(readpages), 8)                                                 \
    CHECK(AT(readpages, flags), 4)                                             \
    CHECK(AT(readpages, pages), 8)                                             \
    CHECK(AT(readpages, buffer), 16)                                           \
    CHECK(AT(readpages, buffer_size), 24)                                      \
    CHECK(AT(readpages, nel), 32)                                              \
    CHECK(AT(readpages, done), 36)                                             \
    CHECK(AT(readpages, copied), 40)                                           \
    CHECK(AT(readpages, padding), 44)                                          \
    CHECK(SIZE(pair), 32)                                                      \
    CHECK(ALIGN(pair), 8)                                                      \
    CHECK(AT(pair, dpid), 4)                                                   \
    CHECK(AT(pair, s_addr), 8)                                                 \
    CHECK(AT(pair, d_addr), 16)                                                \
    CHECK(AT(pair, status), 24)                                                \
    CHECK(AT(pair, padding), 28)                                               \
    CHECK(SIZE(merge), 24)                                                     \
    CHECK(ALIGN(merge), 8)                                                     \
    CHECK(AT(merge, nel), 8)                                                   \
    CHECK(AT(merge, flags), 12)                                                \
    CHECK(AT(merge, done), 16)                                                 \
    CHECK(AT(merge, merged), 20)                                               \
    CHECK(MERGEMOD_HASH_XXH64, 1)                                              \
    CHECK(MERGEMOD_HASH_ADDROTHALF, 2)                                         \
    CHECK(MERGEMOD_HASH_CONST, 3)                                              \
    CHECK(_IOC_TYPE(MERGEMOD_IOC_VERSION), 0xBE)                               \
    CHECK(_IOC_NR(MERGEMOD_IOC_VERSION), 0)                                    \
    CHECK(_IOC_NR(MERGEMOD_IOC_PAGEINFOS), 1)                                  \
    CHECK(_IOC_NR(MERGEMOD_IOC_HASHPAGES), 2)                                  \
    CHECK(_IOC_NR(MERGEMOD_IOC_READPAGES), 3)                                  \
    CHECK(_IOC_NR(MERGEMOD_IOC_MERGE), 4)                                      \
    CHECK(_IOC_SIZE(MERGEMOD_IOC_VERSION), 16)                                 \
    CHECK(_IOC_SIZE(MERGEMOD_IOC_PAGEINFOS), 48)                               \
    CHECK(_IOC_SIZE(MERGEMOD_IOC_HASHPAGES), 32)                               \
    CHECK(_IOC_SIZE(MERGEMOD_IOC_READPAGES), 48)                               \
    CHECK(_IOC_SIZE(MERGEMOD_IOC_MERGE), 24)

#endif
