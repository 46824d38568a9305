/* SPDX-License-Identifier: MIT */
/*
 * display.c -- mm can show a pool to people, correct to the byte.
 */
#include <fcntl.h>
#include <inttypes.h>

#include "api.h"

static char shown[65536];

static void show(MM *mm)
{
    FILE *file = tmpfile();
    fflush(stderr);
    int saved = dup(2);
    if (!file || saved < 0 || dup2(fileno(file), 2) < 0)
        bail("cannot redirect stderr");
    mm_display_info(mm);
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    rewind(file);
    shown[fread(shown, 1, sizeof shown - 1, file)] = '\0';
    fclose(file);
}

/* The number behind LABEL, in its own line. */
static size_t value_of(const char *label)
{
    const char *at = strstr(shown, label);
    if (!at) {
        diag("no '%s' in:\n%s", label, shown);
        return NONE;
    }
    at += strlen(label);
    at += strspn(at, " =");
    return strtoull(at, NULL, 0);
}

static void test_summary(MM *mm, const char *what)
{
    show(mm);
    size_t size = strtoull(mm_query(mm, "size"), NULL, 10);
    size_t spare = value_of("bytes spare");
    size_t left = value_of("bytes free");
    size_t allocated = value_of("bytes allocated");
    is_int(value_of("memory size"), size, what);
    is_int(spare + left, mm_available(mm), "spare and free are available");
    is_int(allocated, size - mm_available(mm), "the rest is allocated");
    is_int(value_of("memory offset"), size - spare, "up to the spare bytes");
    is_int(value_of("repairs"), 0, "nothing was repaired");
    uintmax_t from = 0, to = 0;
    const char *area = strstr(shown, "memory area");
    ok(area && sscanf(area, "memory area = 0x%jx - 0x%jx", &from, &to) == 2 &&
           from == (uintptr_t)mm && to >= from + size,
       "the area begins at the pool and holds its size");

    /* The free chunks lie in it, ordered, and are as many as announced. */
    size_t chunks = 0, announced = NONE;
    bool inside = true;
    uintmax_t last = from;
    const char *line = strstr(shown, "bytes free");
    if (line)
        sscanf(line, "bytes free = %*u (%zu chunk", &announced);
    line = strstr(shown, "List of free chunks:\n");
    if (!ok(line != NULL, "the free chunks are listed"))
        return;
    uintmax_t start, end;
    size_t number, bytes;
    for (line = strchr(line, '\n') + 1;
         sscanf(line, " chunk #%zu: 0x%jx-0x%jx (%zu bytes)", &number, &start,
                &end, &bytes) == 4;
         line = strchr(line, '\n') + 1) {
        chunks++;
        inside &= number == chunks && start >= last && end <= to &&
                  end - start == bytes;
        last = end;
    }
    ok(inside, "%zu of them, in order, inside the pool", chunks);
    is_int(announced, chunks, "as many as announced");
    ok(chunks > 0 || strstr(line, "<empty-list>"), "or it says that none is");
}

int main(void)
{
    MM *mm = make_pool(4 << 20);
    test_summary(mm, "a fresh pool");
    ok(strncmp(shown, "Information for MM\n", 19) == 0,
       "the title comes first");
    void *ptrs[160];
    for (int i = 0; i < 160; i++)
        ptrs[i] = mm_malloc(mm, 20000);
    test_summary(mm, "a pool in use");
    for (int i = 0; i < 160; i += 2)
        mm_free(mm, ptrs[i]);
    test_summary(mm, "a pool with holes");
    for (int i = 1; i < 160; i += 2)
        mm_free(mm, ptrs[i]);
    void *all = mm_malloc(mm, mm_available(mm) - 16);
    test_summary(mm, "a full pool");
    mm_free(mm, all);
    mm_destroy(mm);

    mm = make_pool((size_t)5 << 30);
    ok(mm_malloc(mm, (size_t)3 << 30) != NULL, "3 GiB in 5 GiB");
    test_summary(mm, "a pool whose size needs 64 bits");
    mm_destroy(mm);
    shown[0] = '\0';
    complains(show(NULL), EINVAL, "mm:core: ");
    is_str(shown, "", "nothing is shown of no pool");
    return done();
}
