/* SPDX-License-Identifier: MIT */
/*
 * futex_bias.c -- a thread that alone writes a FUTEX lock has it biased;
 * whoever else comes gets in nevertheless, but never together with it.
 */
#include <pthread.h>

#include "futex.h"

#define GETS(got, wanted, ...) ok((got) == (wanted), __VA_ARGS__)

static int ask_state(void *argument, int number)
{
    struct lock_state *state = argument;
    (void)number;
    return mmi_lock_state(&futex, state) < 0;
}

/* One test point: what another process sees. */
static void seen_by_others(pid_t holder, unsigned readers, const char *when)
{
    struct lock_state *state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = end_child(start_child(ask_state, state, 0));
    if (!ok(status == 0 && state->holder == holder &&
                state->readers == readers && !state->owner_died,
            "%s: others see who is inside", when))
        diag("%d: holder %d, wanted %d; %u readers, wanted %u", status,
             state->holder, holder, state->readers, readers);
    munmap(state, sizeof *state);
}

static int try_once(void *argument, int way)
{
    (void)argument;
    if (take(way, &at_once) < 0)
        return errno;
    give(way);
    return 0;
}

static void others_get(int reader, int writer, const char *when)
{
    GETS(end_child(start_child(try_once, NULL, READ)), reader,
         "%s: what a reader gets", when);
    GETS(end_child(start_child(try_once, NULL, WRITE)), writer,
         "%s: what a writer gets", when);
}

static void be_granted(void)
{
    for (int i = 0; i < BIAS_WRITES - 1; i++) {
        take(WRITE, NULL);
        give(WRITE);
    }
    ok(!is_mine(), "not biased after a few exclusive locks");
    ok(become_biased(), "but after some more");
    uint64_t word = bytes->user.word.owner;
    seen_by_others(0, 0, "biased, outside");
    take(WRITE, NULL);
    ok(bytes->user.word.owner == word, "the thread leaves the word alone");
    seen_by_others((pid_t)mmi_thread_id(), 0, "biased, inside as a writer");
    others_get(EBUSY, EBUSY, "biased, inside as a writer");
    ok(bytes->user.word.owner == word, "who gives up puts the bias back");
    give(WRITE);
    take(READ, NULL);
    seen_by_others(0, 1, "biased, inside as a reader");
    is_int(end_child(start_child(try_once, NULL, WRITE)), EBUSY,
           "biased, inside as a reader: what a writer gets");
    is_int(end_child(start_child(try_once, NULL, READ)), 0,
           "and what a reader gets");
    give(READ);
    ok(!is_mine(), "that ended the bias");
}

static void nest(void)
{
    become_biased();
    take(WRITE, NULL);
    take(READ, NULL);
    take(WRITE, NULL);
    give(WRITE);
    others_get(EBUSY, EBUSY, "RW, RD, RW, one unlock");
    give(READ);
    others_get(EBUSY, EBUSY, "two unlocks");
    give(WRITE);
    ok(mmi_lock_release(&futex) < 0 && errno == EPERM, "then it is outside");
    others_get(0, 0, "three unlocks");
}

static void upgrade(void)
{
    become_biased();
    uint64_t word = bytes->user.word.owner;
    take(READ, NULL);
    is_int(take(WRITE, &at_once), 0, "upgrade under the bias");
    ok(bytes->user.word.owner == word, "which leaves the word alone");
    others_get(EBUSY, EBUSY, "upgraded");
    seen_by_others((pid_t)mmi_thread_id(), 0, "upgraded");
    give(WRITE);
    others_get(EBUSY, EBUSY, "upgraded, one unlock");
    give(READ);
    ok(is_mine(), "still biased afterwards");

    /* Others read, too: then it has to wait for them. */
    numbers->stage = 0;
    take(READ, NULL);
    pid_t reader = start_child(hold_for_ever, NULL, READ);
    await(1);
    ok(take(WRITE, &at_once) < 0 && errno == EBUSY,
       "no upgrade among readers who ended the bias");
    kill(reader, SIGKILL);
    end_child(reader);
    is_int(take(WRITE, NULL), 0, "but when they are dead");
    others_get(EBUSY, EBUSY, "upgraded after them");
    give(WRITE);
    give(READ);
    struct lock_state state;
    mmi_lock_state(&futex, &state);
    ok(state.owner_died, "their death is reported");
    others_get(0, 0, "all unlocked");
}

static void *try_as_thread(void *way)
{
    return (void *)(intptr_t)try_once(NULL, (int)(intptr_t)way);
}

static void be_revoked(void)
{
    for (int way = WRITE; way <= READ; way++) {
        become_biased();
        GETS(end_child(start_child(try_once, NULL, way)), 0,
             "idle: another process tries %s", way_names[way]);
        ok(!is_mine(), "and ends the bias");
        for (int inside = 0; inside < 2; inside++) {
            become_biased();
            if (inside)
                take(WRITE, NULL);
            pthread_t thread;
            void *result;
            pthread_create(&thread, NULL, try_as_thread, (void *)(intptr_t)way);
            pthread_join(thread, &result);
            GETS((intptr_t)result, inside ? EBUSY : 0,
                 "%s: another thread tries %s", inside ? "inside" : "idle",
                 way_names[way]);
            ok(is_mine() == inside, "which %s the bias",
               inside ? "keeps" : "ends");
            if (inside)
                give(WRITE);
        }
    }
}

static int enter_once(void *argument, int way)
{
    (void)argument;
    numbers->stage++;
    if (take(way, NULL) < 0)
        return 1;
    bool good = numbers->tag == 0;
    give(way);
    return good ? 0 : 2;
}

/* Others wait while it goes in and out. */
static void be_waited_for(void)
{
    for (int way = WRITE; way <= READ; way++) {
        numbers->stage = 0;
        become_biased();
        take(WRITE, NULL);
        numbers->tag = 1;
        pid_t pid = start_child(enter_once, NULL, way);
        await(1);
        while (is_mine())
            nap(100);
        nap(3000);
        numbers->tag = 0;
        give(WRITE);
        GETS(end_child(pid), 0, "%s waits until it is outside", way_names[way]);
    }
}

/* In a child. */
static int hold_biased(void *argument, int way)
{
    if (!become_biased())
        return 1;
    if (way != INTERNAL)
        return hold_for_ever(argument, way);
    numbers->stage++;
    for (;;)
        pause();
}

static void die_biased(void)
{
    static const char *const finders[] = {"state", "exclusive", "shared"};
    for (int way = INTERNAL; way <= READ; way++)
        for (int finder = 0; finder < 3; finder++) {
            char what[80];
            snprintf(what, sizeof what, "%s, found by %s",
                     way == INTERNAL ? "killed idle"
                     : way == WRITE  ? "killed as a writer"
                                     : "killed as a reader",
                     finders[finder]);
            numbers->stage = 0;
            pid_t pid = start_child(hold_biased, NULL, way);
            await(1);
            kill(pid, SIGKILL);
            end_child(pid);
            if (finder != 0)
                can_take(finder, what);
            struct lock_state state;
            mmi_lock_state(&futex, &state);
            ok(state.owner_died == (way != INTERNAL) && state.holder == 0 &&
                   state.readers == 0,
               "%s: the death is %sreported", what,
               way == INTERNAL ? "not " : "");
            mmi_lock_state(&futex, &state);
            ok(!state.owner_died, "%s: once", what);
            can_take(WRITE, what);
        }
}

static void *end_biased(void *inside)
{
    void *biased = become_biased() ? inside : NULL;
    if (inside != numbers)
        take(WRITE, NULL);
    return biased;
}

static void exit_biased(void)
{
    pthread_t thread;
    void *biased;
    for (int inside = 0; inside < 2; inside++) {
        pthread_create(&thread, NULL, end_biased,
                       inside ? (void *)&futex : (void *)numbers);
        pthread_join(thread, &biased);
        ok(biased != NULL, "a thread has the bias and ends");
        can_take(WRITE, inside ? "ended inside" : "ended outside");
        struct lock_state state;
        mmi_lock_state(&futex, &state);
        ok(state.owner_died == inside, "that is %sreported",
           inside ? "" : "not ");
    }
}

static int begin_outside(void *argument, int number)
{
    (void)argument;
    (void)number;
    struct lock_state state;
    if (mmi_lock_state(&futex, &state) < 0 || state.holder != getppid() ||
        state.depth != 0)
        return 1;
    if (mmi_lock_release(&futex) == 0 || errno != EPERM)
        return 2;
    return try_once(NULL, READ) == EBUSY && try_once(NULL, WRITE) == EBUSY ? 0
                                                                           : 3;
}

static void fork_inside(void)
{
    become_biased();
    take(WRITE, NULL);
    is_int(end_child(start_child(begin_outside, NULL, 0)), 0,
           "a child forked inside starts outside, without the bias");
    others_get(EBUSY, EBUSY, "forked inside");
    give(WRITE);
    others_get(0, 0, "then unlocked");
}

static int write_once(void *argument, int number)
{
    (void)argument;
    (void)number;
    return try_once(NULL, WRITE);
}

static void take_turns(void)
{
    int bad = 0;
    bool biased = false;
    for (int i = 0; i < 12; i++) {
        for (int j = 0; j < BIAS_WRITES / 4; j++) {
            bad += take(WRITE, NULL) < 0;
            give(WRITE);
            biased |= is_mine();
        }
        bad += end_child(start_child(write_once, NULL, 0)) != 0;
    }
    ok(bad == 0 && !biased, "no bias among several who write");
}

int main(void)
{
    need_proc();
    make_futex(10000);
    if (!has_fences())
        skip_all("there is no membarrier() here");
    be_granted();
    nest();
    upgrade();
    be_revoked();
    be_waited_for();
    die_biased();
    exit_biased();
    fork_inside();
    take_turns();
    return done();
}
