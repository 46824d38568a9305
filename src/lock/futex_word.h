/* SPDX-License-Identifier: MIT */
/*
 * futex_word.h -- exclusive ownership in one 64-bit word of shared memory.
 *
 * The word holds the owner's name (base/life.h), so that taking it and saying
 * who has it is one step.  Its low half is the futex: the thread id, and
 *
 *   WORD_WAITERS: somebody may sleep.  Whoever takes the word keeps the bit,
 * and only he who woke nobody clears it.  So a waiter that is killed between
 * being woken and taking the word loses no wake-up for the others.
 *
 *   WORD_MARK: free for the user.  It has the place of FUTEX_OWNER_DIED, which
 *   the kernel leaves, with thread id 0, in a word whose owner died.
 *
 *   WORD_BIAS: nobody has the word, but it is kept for the thread of that name,
 * which may enter without taking it, and everybody else may take it, but must
 * then see whether that thread is inside.  Together with WORD_MARK: its owner
 * is about to see.
 *
 * All waits are timed: nobody depends on being woken.  One of the waiters looks
 * every millisecond whether the owner lives; the others, who see by the time of
 * the last look that this is taken care of, sleep longer.
 */
#ifndef MMI_FUTEX_WORD_H
#define MMI_FUTEX_WORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/life.h"

#define WORD_WAITERS UINT64_C(0x80000000)
#define WORD_MARK    UINT64_C(0x40000000)
#define WORD_BIAS    UINT64_C(0x20000000)

struct futex_word {
    _Atomic uint64_t owner;
    _Atomic uint64_t looked; /* when somebody last looked after the owner */
};

/* Somebody's turn of waiting, private. */
struct futex_wait {
    uint64_t until;    /* ns of CLOCK_MONOTONIC; UINT64_MAX: for ever */
    uint64_t looked;   /* when this waiter last looked; 0: it just came */
    uint64_t interval; /* ns to sleep at most */
    bool slept;
};

enum {
    WAIT_SPINS = 100,
    WAIT_LOOK = 1000000, /* ns between two looks */
    WAIT_LONG = 64 * WAIT_LOOK
};

/* Sleep until *FUTEX is not VALUE, a wake-up, or NS passed; and its other end,
 * which returns how many it woke. */
void mmi_futex_sleep(_Atomic uint32_t *futex, uint32_t value, uint64_t ns);
int mmi_futex_wake(_Atomic uint32_t *futex, int count);

uint64_t mmi_futex_now(void);
uint64_t mmi_futex_until(const struct timespec *deadline);
void mmi_futex_relax(void);

/* Take WORD for ME, a name perhaps with WORD_MARK, waiting until UNTIL.  Words
 * of dead owners and biased ones are taken over: *BEFORE is then what was in
 * it, else 0, and WORD_MARK gets WORD_BIAS beside it.  Stand back while *FIRST,
 * if given, names somebody alive.  0, or -1 if UNTIL came; records nothing. */
int mmi_word_acquire(struct futex_word *word, uint64_t me, uint64_t until,
                     _Atomic uint64_t *first, uint64_t *before);

/* Leave BEFORE in WORD, which is free then (0), biased, or of a dead owner; ME
 * is what its owner had put there.  What word_release() does when somebody
 * waits, or forged the word. */
void mmi_word_leave(struct futex_word *word, uint64_t me, uint64_t before);

static inline bool word_try(struct futex_word *word, uint64_t me)
{
    uint64_t none = 0;
    return atomic_compare_exchange_strong(&word->owner, &none, me);
}

static inline void word_release(struct futex_word *word, uint64_t me)
{
    uint64_t seen = me;
    if (!atomic_compare_exchange_strong_explicit(
            &word->owner, &seen, 0, memory_order_release, memory_order_relaxed))
        mmi_word_leave(word, me, 0);
}

/* The thread that owns a word with SEEN in it; 0: nobody. */
static inline uint32_t word_tid(uint64_t seen)
{
    return (uint32_t)(seen & LIFE_TID);
}

/* May anybody take a word with SEEN in it? */
static inline bool word_is_biased(uint64_t seen)
{
    return (seen & (WORD_BIAS | WORD_MARK)) == WORD_BIAS;
}

/* What ME is in a word that had BEFORE in it. */
static inline uint64_t word_taken(uint64_t me, uint64_t before)
{
    return before != 0 && me & WORD_MARK ? me | WORD_BIAS : me;
}

static inline _Atomic uint32_t *word_futex(struct futex_word *word)
{
    /* The robust list and the futex calls know 32-bit words only. */
    return (_Atomic uint32_t *)&word->owner +
           (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

#endif
