/* SPDX-License-Identifier: MIT */
/*
 * hash.c -- the hash functions give the published values, whatever the length
 * and alignment, and are told apart.
 */
#include "config.h"

#include "merge/merge_private.h"

#include "../tap.h"

enum { LENGTH = 4096 };

static unsigned char data[LENGTH + 8];

/* The bytes that the published test vectors are made of. */
static void fill(unsigned char *at, size_t size)
{
    uint64_t generator = 2654435761u;
    for (size_t i = 0; i < size; i++) {
        at[i] = (unsigned char)(generator >> 56);
        generator *= UINT64_C(11400714785074694797);
    }
}

static void test_published(void)
{
    static const struct {
        size_t size;
        uint64_t hash;
    } vectors[] = {
        {0, UINT64_C(0xEF46DB3751D8E999)},
        {1, UINT64_C(0xE934A84ADB052768)},
        {4, UINT64_C(0x9136A0DCA57457EE)},
        {14, UINT64_C(0x8282DCC4994E35C8)},
        {32, UINT64_C(0x18B216492BB44B70)},
        {222, UINT64_C(0xB641AE8CB691C174)},
        {4096, UINT64_C(0xAB77F4AF85F4E70B)},
    };
    fill(data, LENGTH);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        ok(mmi_merge_xxh64(data, vectors[i].size) == vectors[i].hash,
           "the published value of %zu bytes", vectors[i].size);
    ok(mmi_merge_xxh64("abc", 3) == UINT64_C(0x44BC2CF5AD770999), "and of abc");
}

static void test_alignment(void)
{
    bool same = true;
    uint64_t wanted = mmi_merge_xxh64(data, LENGTH);
    uint64_t weak = mmi_merge_addrothalf(data, LENGTH);
    for (size_t shift = 1; shift < 8; shift++) {
        fill(data + shift, LENGTH);
        same = same && mmi_merge_xxh64(data + shift, LENGTH) == wanted &&
               mmi_merge_addrothalf(data + shift, LENGTH) == weak;
    }
    ok(same, "the alignment makes no difference");
}

/* Each bit of a page must matter to the strong function, those of the first
 * half to the weak one. */
static void test_sensitivity(void)
{
    size_t unnoticed = 0;
    size_t weak = 0;
    fill(data, LENGTH);
    uint64_t strong_hash = mmi_merge_xxh64(data, LENGTH);
    uint64_t weak_hash = mmi_merge_addrothalf(data, LENGTH);
    for (size_t bit = 0; bit < LENGTH * 8; bit += 3) {
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        unnoticed += mmi_merge_xxh64(data, LENGTH) == strong_hash;
        bool changed = mmi_merge_addrothalf(data, LENGTH) != weak_hash;
        weak += changed != (bit < LENGTH * 4);
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    is_int((long long)unnoticed, 0, "the strong function sees every bit");
    is_int((long long)weak, 0, "the weak one those of the first half");
}

/* What the contract with the module says, word by word. */
static void test_contract(void)
{
    uint64_t words[4] = {1, 2, 3, 4};
    ok(mmi_merge_addrothalf(words, sizeof words) == (UINT64_C(1) << 7) + 2,
       "the weak function rotates by 7 and adds");
    ok(mmi_merge_hash_run(MERGEMOD_HASH_CONST, words, sizeof words) == 0,
       "the constant one is 0");
    ok(mmi_merge_hash_number(m_hash_xxh64) == MERGEMOD_HASH_XXH64 &&
           mmi_merge_hash_number(m_hash_addrothalf) ==
               MERGEMOD_HASH_ADDROTHALF &&
           mmi_merge_hash_number(m_hash_const) == MERGEMOD_HASH_CONST,
       "three functions have a number");
    ok(mmi_merge_hash_number(m_libhash_addrothalf) == 0 &&
           mmi_merge_hash_number(m_libhash_const) == 0,
       "those that run as functions of the program have none");
}

int main(void)
{
    test_published();
    test_alignment();
    test_sensitivity();
    test_contract();
    return done();
}
