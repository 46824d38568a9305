/* SPDX-License-Identifier: MIT */
/*
 * fuzz_hostile.c -- no sequence of calls, and of things that a hostile peer
 * writes in between, makes a call crash, hang, or lead out of the pool.
 *
 * The first byte chooses the pool; each step after it takes two bytes to say
 * what happens, and as many as that needs.
 */
#include "fuzz.h"

#include "../hostile/calls.h"
#include "../hostile/damage.h"
#include "../hostile/surroundings.h"
#include "base/life.h"

enum { STEPS_MAX = 4000 };

static char *image;
static size_t image_room;

static void keep_image(const struct target *target)
{
    if (image_room < target->control_size) {
        image_room = target->control_size;
        image = realloc(image, image_room);
        must(image, "no memory");
    }
    memcpy(image, target->base, target->control_size);
}

static void step(struct guest *guest, const struct target *target,
                 struct chance *chance)
{
    switch (pick(chance, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        damage_heap(target, chance);
        break;
    case 4:
        damage_lock(target, chance);
        /* Most who hold it let go, or nothing would ever happen. */
        if (pick(chance, 4))
            poke(target->base, 8, 0);
        break;
    case 5:
        damage_bytes(target, chance);
        break;
    case 6:
        damage_by_replay(target, chance, image);
        break;
    case 7:
        if (pick(chance, 8) == 0)
            memcpy(target->base, image, target->control_size);
        else if (pick(chance, 8) == 0)
            keep_image(target);
        break;
    default:
        calls[pick_call(chance)].make(guest, chance);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t requests[] = {8192, 20000, 65536, 300000, 4 << 20};
    static const char *const options[] = {
        "shm=MMANON,lock=FUTEX,lock.timeout=1ms",
        "shm=MMANON,lock=FUTEX,lock.timeout=1ms",
        "shm=MEMFD,lock=OFD,lock.timeout=1ms",
        "shm=MMANON,lock=IPCSEM,lock.timeout=1ms",
    };
    if (size < 1)
        return 0;
    /* What only a large pool has takes much longer. */
    size_t request = data[0] == 255 ? 64 << 20 : requests[data[0] % 5];
    struct guest guest = {.request = request, .wait_ms = data[0] & 1};
    struct chance chance = {.state = 1, .data = data + 1, .left = size - 1};
    struct target target;
    struct canaries canaries;
    must(mm_options(options[data[0] / 5 % 4]) == 0, "options");
    guest.mm = mm_create(guest.request, NULL);
    must(guest.mm, "mm_create");
    aim(&target, guest.mm);
    target.names[0] = mmi_life_self()->name;
    target.names[1] = (uint64_t)getppid();
    target.names[2] = UINT64_C(0x12345678) << 32 | 0x2fffffff;
    place_canaries(&canaries, target.base, target.size);
    keep_image(&target);
    for (int i = 0; i < STEPS_MAX && chance.left > 0; i++) {
        step(&guest, &target, &chance);
        must(!guest.finding, guest.finding);
    }
    mm_destroy(guest.mm);
    must(are_canaries_well(&canaries), "a store beyond the pool");
    remove_canaries(&canaries);
    return 0;
}

size_t fuzz_make_input(unsigned number, uint8_t *data, size_t size)
{
    if (number >= 150)
        return 0;
    uint64_t state = number + 1;
    size_t length = 1 + fuzz_random(&state) % 12000;
    if (length > size)
        length = size;
    for (size_t i = 0; i < length; i++)
        data[i] = (uint8_t)(fuzz_random(&state) >> 32);
    /* A long time without damage first. */
    if (number % 3 == 0)
        for (size_t i = 2; i < length / 3; i += 2)
            data[i] |= 8;
    return length;
}
