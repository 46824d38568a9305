/* SPDX-License-Identifier: MIT */
/*
 * uapi_layout.c -- the kernel/user contract is laid out as promised.
 */
#include "layout.h"

#include "../tap.h"

#define CHECK(expression, value)                                               \
    is_int((long long)(expression), value, #expression " is " #value);

int main(void)
{
    LAYOUT(CHECK)
    return done();
}
