/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h -- what a fuzz target provides, and how it complains.
 *
 * Each target is built twice: with replay.c, which runs a corpus that it makes
 * up itself and is part of `make check`, and with libFuzzer (`make fuzz`).
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Do with DATA what it says; abort() by must() if anything is wrong.  Returns
 * 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Write the NUMBER-th input of the corpus to DATA, at most SIZE bytes, always
 * the same ones; returns how many, 0 after the last input. */
size_t fuzz_make_input(unsigned number, uint8_t *data, size_t size);

#define must(condition, text)                                                  \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (text));        \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* Repeatable numbers (xorshift64*, Vigna 2016); STATE is not 0. */
static inline uint64_t fuzz_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

#endif
