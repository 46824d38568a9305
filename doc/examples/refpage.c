/* SPDX-License-Identifier: MIT */
/*
 * refpage.c -- 128 KiB of the byte 0xAA that take no memory until written to.
 *
 *     cc refpage.c $(mm-config --cflags --libs) && ./a.out
 *
 * The example of refpage_create(2), for kernels that have no such call.  Where
 * the kernel does have reference pages, the second half maps their descriptor
 * with mmap(2), as that page shows.  Exits with 0 if every byte is right.
 */
#include <errno.h>
#include <mm.h>
#include <sys/mman.h>

enum { SIZE = 131072 };

static const unsigned char pattern = 0xAA;

static int check(const unsigned char *bytes, const char *what)
{
    for (unsigned i = 0; i < SIZE; i++)
        if (bytes[i] != pattern) {
            fprintf(stderr, "%s @ %u: 0x%x instead of 0x%x\n", what, i,
                    bytes[i], pattern);
            return 1;
        }
    return 0;
}

static int fail(void)
{
    fprintf(stderr, "%s\n", mm_error());
    return 1;
}

int main(void)
{
    struct mm_refpage *ref = mm_refpage_create(&pattern, 1, 0);
    unsigned char *bytes = ref ? mm_refpage_map(ref, SIZE) : NULL;
    if (!bytes)
        return fail();
    printf("reference pages: %s\n", mm_query(NULL, "refpage"));
    int bad = check(bytes, "mm_refpage_map");

    /* A page that is written to becomes ordinary memory, until it is given
     * back. */
    memset(bytes + 5000, 1, 100);
    madvise(bytes + (size_t)sysconf(_SC_PAGESIZE), 1, MADV_DONTNEED);
    bad |= check(bytes, "after MADV_DONTNEED");

    int fd = mm_refpage_fd(ref);
    if (fd >= 0) {
        unsigned char *map =
            mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        bad |= map == MAP_FAILED || check(map, "mmap");
        close(fd);
    } else if (errno != ENOTSUP) {
        return fail();
    }

    mm_refpage_close(ref); /* the mapping stays until it is given back */
    mm_refpage_unmap(bytes, SIZE);
    return bad;
}
