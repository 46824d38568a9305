/* SPDX-License-Identifier: MIT */
/*
 * bytes.h -- arithmetic on sizes that cannot overflow unnoticed.
 */
#ifndef MMI_BYTES_H
#define MMI_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *SUM = A + B; false, with *SUM untouched, if that does not fit. */
static inline bool bytes_add(size_t a, size_t b, size_t *sum)
{
    if (a > SIZE_MAX - b)
        return false;
    *sum = a + b;
    return true;
}

/* *PRODUCT = A * B; false, with *PRODUCT untouched, if that does not fit. */
static inline bool bytes_multiply(size_t a, size_t b, size_t *product)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *product = a * b;
    return true;
}

/* SIZE rounded up to a multiple of ALIGN, a power of two; 0 on overflow. */
static inline size_t bytes_align(size_t size, size_t align)
{
    return (size + (align - 1)) & ~(align - 1);
}

#endif
