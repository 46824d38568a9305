/* SPDX-License-Identifier: MIT */
/*
 * full.c -- a full file system is an error, never SIGBUS.
 *
 * A child mounts small file systems where only it sees them.
 */
#include <stdint.h>

#include "base/fail.h"
#include "shm/shm.h"

#include "../children.h"
#include "leaks.h"
#include "small.h"

enum { ROOM = 1 << 20, SIZE = 16 << 20, CANNOT_MOUNT = 77 };

static char directory[200];

static bool is_full(int result)
{
    return result == -1 && errno == ENOSPC &&
           strstr(mmi_fail_text(), "system is full");
}

/* Each number it returns is a broken promise. */
static int fill(void *argument, int number)
{
    (void)number;
    const struct shm_variant *variant = argument;
    char path[300];
    struct shm shm;
    struct shm_request request = {.size = SIZE, .path = path, .name = ""};
    if (!mount_small(directory, "size=1m"))
        return CANNOT_MOUNT;
    snprintf(path, sizeof path, "%s/pool", directory);

    if (variant->create(&shm, &request) < 0)
        return 1;
    if (variant->commit(&shm, 0, ROOM / 2) < 0)
        return 2;
    memset(shm.base, 1, ROOM / 2);
    if (!is_full(variant->commit(&shm, 0, 2 * ROOM)))
        return 3;
    if (!is_full(variant->commit(&shm, SIZE - ROOM, ROOM)))
        return 4;
    memset(shm.base, 2, ROOM / 2);
    variant->destroy(&shm);

    struct footprint before = take_footprint(directory);
    request.reserve = true;
    if (!is_full(variant->create(&shm, &request)))
        return 5;
    request.size = ROOM + 4096;
    if (!is_full(variant->create(&shm, &request)))
        return 6;
    if (!same_footprint(before, directory) || count_names("/dev/shm") != 0)
        return 7;
    request.size = ROOM / 2;
    if (variant->create(&shm, &request) < 0)
        return 8;
    struct shm second;
    request.size = ROOM / 2 + 4096;
    char other[300];
    snprintf(other, sizeof other, "%s/other", directory);
    request.path = other;
    if (!is_full(variant->create(&second, &request)))
        return 9;
    memset(shm.base, 3, shm.size);
    variant->destroy(&shm);
    return 0;
}

int main(void)
{
    static const char *const names[] = {"MMFILE", "MMPOSX"};
    make_directory(directory, sizeof directory);
    for (int i = 0; i < 2; i++) {
        const struct shm_variant *variant = mmi_shm_find(names[i]);
        if (!variant) {
            skip(1, "not in this build");
            continue;
        }
        int status =
            end_child(start_child(fill, (void *)(uintptr_t)variant, 0));
        if (status == CANNOT_MOUNT)
            skip(1, "no right to mount a small file system");
        else
            is_int(status, 0, names[i]);
    }
    rmdir(directory);
    return done();
}
