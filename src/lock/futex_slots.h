/* SPDX-License-Identifier: MIT */
/*
 * futex_slots.h -- the slots of the readers of FUTEX: who is inside by one, who
 * of them is dead, and who gets which.
 */
#ifndef MMI_FUTEX_SLOTS_H
#define MMI_FUTEX_SLOTS_H

#include "lock/futex_user.h"

/* Slots ever in use. */
uint32_t mmi_futex_slots(struct futex_user *user);

/* The first slot from AT on that has all bits of STATE, SLOT_READING perhaps
 * with SLOT_WRITING; HIGH if none. */
uint32_t mmi_futex_next(struct futex_user *user, uint64_t state, uint32_t at,
                        uint32_t high);

/* Does any thread but that of HOLD have a slot with all bits of STATE? */
bool mmi_futex_busy(struct futex_user *user, const struct futex_hold *hold,
                    uint64_t state);

/* Free slot AT if its owner is dead, and have it told.  A WRITING one only by
 * who owns the word. */
bool mmi_futex_bury(struct futex_user *user, const struct futex_hold *hold,
                    uint32_t at);

/* Look after some of the slots with STATE, starting with number *FIRST, and
 * move *FIRST on.  By who owns the word. */
void mmi_futex_bury_some(struct futex_user *user, const struct futex_hold *hold,
                         uint64_t state, unsigned *first);

/* Clear the bits of idle slots, by who is inside as a writer while the era is
 * even. */
void mmi_futex_forget(struct futex_user *user);

/* Give the thread of HOLD a slot of its own; false if there is none. */
bool mmi_futex_claim(struct futex_user *user, struct futex_hold *hold);

/* Set the bit of the slot of HOLD. */
void mmi_futex_show(struct futex_user *user, const struct futex_hold *hold);

/* Somebody died inside. */
void mmi_futex_tell(struct futex_user *user, const struct futex_hold *hold);

#endif
