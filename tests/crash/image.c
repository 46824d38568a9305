/* SPDX-License-Identifier: MIT */
/*
 * image.c -- the segment as it was: the pages in use, copied, and put back.
 *
 * The whole mapping, the shared bytes of the lock included.  Most of it was
 * never touched, which mincore() tells; pages that were touched since become
 * zero again.
 */
#include "config.h"

#include <inttypes.h>
#include <sys/mman.h>

#include "../tap.h"
#include "crash.h"

enum { PAGE = 4096 };

static unsigned char *residence;
static size_t residence_room;

void image_attach(struct image *image, const void *inside)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        bail("/proc/self/maps: %s", strerror(errno));
    char line[512];
    uintptr_t start = 0;
    uintptr_t end = 0;
    bool found = false;
    while (!found && fgets(line, sizeof line, maps)) {
        char *at = line;
        start = strtoumax(at, &at, 16);
        end = strtoumax(at + 1, NULL, 16);
        found = (uintptr_t)inside >= start && (uintptr_t)inside < end;
    }
    fclose(maps);
    if (!found)
        bail("the segment is not mapped");
    image->start = (char *)start;
    image->pages = (end - start) / PAGE;
    image->count = 0;
    if (residence_room < image->pages) {
        free(residence);
        residence_room = image->pages;
        residence = malloc(residence_room);
    }
    if (!residence)
        bail("no memory");
}

static void look_at_pages(const struct image *image)
{
    if (mincore(image->start, image->pages * PAGE, residence) < 0)
        bail("mincore: %s", strerror(errno));
}

void image_save(struct image *image)
{
    look_at_pages(image);
    image->count = 0;
    for (size_t page = 0; page < image->pages; page++) {
        if (!(residence[page] & 1))
            continue;
        if (image->count == image->room) {
            image->room = image->room ? 2 * image->room : 256;
            image->index =
                realloc(image->index, image->room * sizeof *image->index);
            image->data = realloc(image->data, image->room * PAGE);
            if (!image->index || !image->data)
                bail("no memory");
        }
        memcpy(image->data + image->count * PAGE, image->start + page * PAGE,
               PAGE);
        image->index[image->count++] = (uint32_t)page;
    }
}

void image_restore(const struct image *image)
{
    static const char zero[PAGE];
    look_at_pages(image);
    size_t next = 0;
    for (size_t page = 0; page < image->pages; page++) {
        bool kept = next < image->count && image->index[next] == page;
        if (!kept && !(residence[page] & 1))
            continue;
        const char *was = kept ? image->data + next++ * PAGE : zero;
        if (memcmp(image->start + page * PAGE, was, PAGE) != 0)
            memcpy(image->start + page * PAGE, was, PAGE);
    }
}

bool image_is(const struct image *image)
{
    look_at_pages(image);
    size_t next = 0;
    for (size_t page = 0; page < image->pages; page++) {
        bool kept = next < image->count && image->index[next] == page;
        if (kept != (bool)(residence[page] & 1))
            return false;
        if (kept && memcmp(image->start + page * PAGE,
                           image->data + next++ * PAGE, PAGE) != 0)
            return false;
    }
    return true;
}
