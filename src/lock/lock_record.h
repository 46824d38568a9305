/* SPDX-License-Identifier: MIT */
/*
 * lock_record.h -- what FCNTL and OFD share: record locks on single bytes.
 *
 * Each lock of a pool is one byte of the lock file; a third byte says that a
 * shared holder is upgrading.  The kernel turns a shared lock into an exclusive
 * one without letting go in between, and while it waits for the other readers
 * no writer gets in, so an upgrade never waits for a writer.
 */
#ifndef MMI_LOCK_RECORD_H
#define MMI_LOCK_RECORD_H

#include "lock/lock.h"
#include "lock/lock_file.h"

struct record_commands {
    int try;
    int wait;
    int get;
};

int mmi_record_acquire(const struct record_commands *commands, int fd,
                       enum lock_which which, enum lock_mode mode,
                       const struct timespec *deadline);
int mmi_record_release(const struct record_commands *commands, int fd,
                       enum lock_which which);
int mmi_record_state(const struct record_commands *commands, int fd,
                     struct lock_state *state);

#endif
