/* SPDX-License-Identifier: MIT */
/*
 * chance.h -- numbers for tests that do as chance has it: from a seed, which
 * repeats them, or from the bytes that a fuzzer made up.
 */
#ifndef TESTS_CHANCE_H
#define TESTS_CHANCE_H

#include <stddef.h>
#include <stdint.h>

struct chance {
    uint64_t state; /* xorshift64* (Vigna 2016); not 0 */
    const uint8_t *data;
    size_t left; /* bytes of DATA; when they are used up the seed goes on */
};

__attribute__((unused)) static uint64_t any_number(struct chance *chance)
{
    uint64_t number = 0;
    if (chance->left >= 2) {
        for (int i = 0; i < 2; i++)
            number = number << 8 | *chance->data++;
        chance->left -= 2;
        return number;
    }
    chance->state ^= chance->state >> 12;
    chance->state ^= chance->state << 25;
    chance->state ^= chance->state >> 27;
    return chance->state * UINT64_C(0x2545F4914F6CDD1D) >> 11;
}

/* One of 0 ... COUNT - 1. */
__attribute__((unused)) static size_t pick(struct chance *chance, size_t count)
{
    uint64_t number = any_number(chance);
    if (count > 65536)
        number = number << 16 ^ any_number(chance);
    return (size_t)(number % count);
}

#endif
