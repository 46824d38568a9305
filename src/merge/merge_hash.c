/* SPDX-License-Identifier: MIT */
/*
 * merge_hash.c -- the hash functions, and which of them is the default.
 *
 * XXH64 as published: four lanes over 32 bytes a step, then what is left in
 * words of 8, 4 and 1 bytes, then the mixing of the result.  Numbers are read
 * in little-endian order, so all machines agree with each other and the module.
 */
#include "config.h"

#include <endian.h>
#include <stdatomic.h>
#include <string.h>

#include "merge/merge_private.h"

static const uint64_t prime1 = 0x9E3779B185EBCA87u;
static const uint64_t prime2 = 0xC2B2AE3D27D4EB4Fu;
static const uint64_t prime3 = 0x165667B19E3779F9u;
static const uint64_t prime4 = 0x85EBCA77C2B2AE63u;
static const uint64_t prime5 = 0x27D4EB2F165667C5u;

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

/* Whatever the alignment. */
static inline uint64_t read_word(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint64_t read_half(const unsigned char *at)
{
    uint32_t half;
    memcpy(&half, at, sizeof half);
    return le32toh(half);
}

/* One lane takes one word. */
static inline uint64_t take(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * prime2, 31) * prime1;
}

static uint64_t join(uint64_t hash, uint64_t lane)
{
    return (hash ^ take(0, lane)) * prime1 + prime4;
}

uint64_t mmi_merge_xxh64(const void *data, size_t size)
{
    const unsigned char *at = data;
    const unsigned char *end = at + size;
    uint64_t hash = prime5;

    if (size >= 32) {
        uint64_t a = prime1 + prime2;
        uint64_t b = prime2;
        uint64_t c = 0;
        uint64_t d = 0 - prime1;
        for (; end - at >= 32; at += 32) {
            a = take(a, le64toh(read_word(at)));
            b = take(b, le64toh(read_word(at + 8)));
            c = take(c, le64toh(read_word(at + 16)));
            d = take(d, le64toh(read_word(at + 24)));
        }
        hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
        hash = join(join(join(join(hash, a), b), c), d);
    }
    hash += size;

    for (; end - at >= 8; at += 8)
        hash = rotate(hash ^ take(0, le64toh(read_word(at))), 27) * prime1 +
               prime4;
    for (; end - at >= 4; at += 4)
        hash = rotate(hash ^ read_half(at) * prime1, 23) * prime2 + prime3;
    for (; at < end; at++)
        hash = rotate(hash ^ *at * prime5, 11) * prime1;

    hash = (hash ^ hash >> 33) * prime2;
    hash = (hash ^ hash >> 29) * prime3;
    return hash ^ hash >> 32;
}

uint64_t mmi_merge_addrothalf(const void *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t hash = 0;
    for (size_t left = size / 2 / 8; left > 0; left--, at += 8)
        hash = rotate(hash, 7) + read_word(at);
    return hash;
}

uint64_t mmi_merge_hash_run(enum mergemod_hash function, const void *data,
                            size_t size)
{
    switch (function) {
    case MERGEMOD_HASH_XXH64:
        return mmi_merge_xxh64(data, size);
    case MERGEMOD_HASH_ADDROTHALF:
        return mmi_merge_addrothalf(data, size);
    case MERGEMOD_HASH_CONST:
        break;
    }
    return 0;
}

unsigned long m_hash_xxh64(const void *addr, size_t size)
{
    return (unsigned long)mmi_merge_xxh64(addr, size);
}

unsigned long m_hash_addrothalf(const void *addr, size_t size)
{
    return (unsigned long)mmi_merge_addrothalf(addr, size);
}

unsigned long m_hash_const(const void *addr, size_t size)
{
    (void)addr;
    (void)size;
    return 0;
}

unsigned long m_libhash_addrothalf(const void *addr, size_t size)
{
    return (unsigned long)mmi_merge_addrothalf(addr, size);
}

unsigned long m_libhash_const(const void *addr, size_t size)
{
    (void)addr;
    (void)size;
    return 0;
}

/* Compilers that fold equal functions into one would make m_libhash_ names
 * the same as m_hash_ ones; the linkers in use do not unless asked to. */
int mmi_merge_hash_number(m_hash_function *function)
{
    if (function == m_hash_xxh64)
        return MERGEMOD_HASH_XXH64;
    if (function == m_hash_addrothalf)
        return MERGEMOD_HASH_ADDROTHALF;
    if (function == m_hash_const)
        return MERGEMOD_HASH_CONST;
    return 0;
}

static _Atomic(m_hash_function *) hash_default;

m_hash_function *mmi_merge_hash_default(void)
{
    m_hash_function *function = atomic_load(&hash_default);
    return function ? function : m_hash_xxh64;
}

ssize_t m_set_hash_default(m_hash_function *hashfunction)
{
    atomic_store(&hash_default, hashfunction);
    return 0;
}
