/* SPDX-License-Identifier: MIT */
/*
 * fuzz_options.c -- no text makes the parser of options do harm: it is taken
 * whole or refused whole, with EINVAL and a message, and what it leaves behind
 * is terminated and in range.
 */
#include <errno.h>
#include <string.h>

#include "base/fail.h"
#include "base/options.h"
#include "fuzz.h"

static bool is_terminated(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    must(text, "no memory");
    memcpy(text, data, size);
    text[size] = '\0';

    struct options options;
    memset(&options, 0, sizeof options);
    strcpy(options.name, "before");
    options.lock_timeout = 1234;
    struct options before = options;

    errno = 0;
    mmi_fail_clear();
    if (mmi_options_parse(&options, text, "a fuzzer") == 0) {
        must(is_terminated(options.shm, sizeof options.shm), "shm");
        must(is_terminated(options.lock, sizeof options.lock), "lock");
        must(is_terminated(options.name, sizeof options.name), "name");
        must(options.lock_timeout >= 0 && options.lock_timeout <= 86400000,
             "a time out of range");
        must(!mmi_fail_text(), "a message without a failure");
    } else {
        must(errno == EINVAL, "refused without EINVAL");
        must(memcmp(&before, &options, sizeof options) == 0,
             "a refused text changed something");
        must(mmi_fail_text() &&
                 strstr(mmi_fail_text(), "mm:core: ") == mmi_fail_text(),
             "refused without a message");
        must(is_terminated(mmi_fail_text(), 4096), "an endless message");
    }
    free(text);
    return 0;
}

size_t fuzz_make_input(unsigned number, uint8_t *data, size_t size)
{
    static const char *const words[] = {
        "shm",
        "lock",
        "name",
        "lock.timeout",
        "keepfd",
        "=",
        "=",
        ",",
        ", ",
        "0",
        "1",
        "10s",
        "500ms",
        "MEMFD",
        "FUTEX",
        "colour",
        "=",
        "99999999999999999999",
        "\n",
        "s",
        "\xff\x01",
        "%s%n",
        "A-name.of_letters",
        "averyveryveryveryveryveryveryveryveryverylongwordthatnothingtakes",
    };
    enum { WORD_COUNT = sizeof words / sizeof *words };
    if (number >= 2000)
        return 0;
    uint64_t state = number + 1;
    unsigned count = 1 + fuzz_random(&state) % 12;
    size_t used = 0;
    while (count-- > 0) {
        const char *word = words[fuzz_random(&state) % WORD_COUNT];
        size_t length = strlen(word);
        if (used + length > size)
            break;
        memcpy(data + used, word, length);
        used += length;
    }
    if (number % 7 == 0)
        data[fuzz_random(&state) % used] = (uint8_t)fuzz_random(&state);
    return used;
}
