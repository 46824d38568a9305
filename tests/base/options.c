/* SPDX-License-Identifier: MIT */
/*
 * options.c -- mm can be told what to use, and says what it did not
 * understand.
 */
#include "base/options.h"
#include "base/fail.h"

#include "../tap.h"

static void accepts(const char *text)
{
    struct options options = {0};
    is_int(mmi_options_parse(&options, text, "test"), 0, text);
}

static void refuses(const char *text, const char *mentions)
{
    struct options options = {.shm = "before"};
    errno = 0;
    int result = mmi_options_parse(&options, text, "test");
    ok(result == -1 && errno == EINVAL, "'%s' is refused with EINVAL", text);
    const char *message = mmi_fail_text();
    if (!ok(message && strstr(message, mentions), "the message mentions '%s'",
            mentions))
        diag("message: %s", message ? message : "(none)");
    is_str(options.shm, "before", "a refused text changes nothing");
}

int main(void)
{
    struct options options = {0};
    is_int(mmi_options_parse(&options,
                             "shm=MMFILE, lock=fcntl,lock.timeout=3s,keepfd",
                             "test"),
           0, "a list is accepted");
    is_str(options.shm, "MMFILE", "shm is taken over");
    is_str(options.lock, "fcntl", "lock is taken over");
    is_int(options.lock_timeout, 3000, "seconds become milliseconds");
    is_int(options.keepfd, true, "a bare switch is on");

    accepts("");
    accepts(",,");
    accepts("keepfd=0");
    accepts("lock.timeout=250");
    accepts("lock.timeout=250ms");
    accepts("LOCK.TIMEOUT=0");
    accepts("name=sess-cache_1.x");

    refuses("colour=red", "known: shm, lock, name");
    refuses("shm", "a name");
    refuses("shm=", "a name");
    refuses("shm=a/b", "a name");
    refuses("shm=averylongvariantname", "shorter");
    refuses("lock.timeout=soon", "a time");
    refuses("lock.timeout=5m", "a time");
    refuses("lock.timeout=99999999999999999999", "a time");
    refuses("keepfd=2", "0 or 1");
    refuses("shm=MMANON,colour=red", "colour");

    is_int(mmi_options_set("shm=MMANON,lock.timeout=1s"), 0,
           "the program can ask");
    setenv("MM_OPTIONS", "lock.timeout=2s", 1);
    is_int(mmi_options_get(&options), 0, "both sources are read");
    is_str(options.shm, "MMANON", "the program's word holds");
    is_int(options.lock_timeout, 2000, "the environment has the last word");
    setenv("MM_OPTIONS", "nonsense=1", 1);
    is_int(mmi_options_get(&options), -1, "nonsense in MM_OPTIONS is refused");
    ok(strstr(mmi_fail_text(), "MM_OPTIONS") != NULL,
       "and the message names MM_OPTIONS");
    return done();
}
