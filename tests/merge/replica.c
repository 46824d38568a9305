/* SPDX-License-Identifier: MIT */
/*
 * replica.c -- no test, but a process for the tests of the tools: replica EQUAL
 * UNIQUE [UID [ADDRESS]] holds EQUAL pages that are different from each other
 * but the same in each replica, then UNIQUE pages that nobody else has, says
 * "ready", and waits to be ended.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { LIFE_SECONDS = 300 };

static uint64_t state;

static uint64_t next_random(void)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return state ^ state >> 29;
}

int main(int argc, char *argv[])
{
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    size_t equal = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    size_t unique = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    uid_t uid = argc > 3 ? (uid_t)strtoul(argv[3], NULL, 10) : getuid();
    uintptr_t at = argc > 4 ? strtoull(argv[4], NULL, 0) : 0;
    size_t size = (equal + unique) * page_size;

    alarm(LIFE_SECONDS);
    if (uid != getuid() && (setgid(uid) < 0 || setuid(uid) < 0))
        return 1;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    char *base = mmap((void *)at, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || (at && base != (char *)at))
        return 1;
    madvise(base, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < equal + unique; i++) {
        state = i < equal ? i : (uint64_t)getpid() << 32 | i;
        for (size_t k = 0; k < page_size; k += sizeof state) {
            uint64_t word = next_random();
            memcpy(base + i * page_size + k, &word, sizeof word);
        }
    }
    puts("ready");
    fflush(stdout);
    pause();
    return 0;
}
