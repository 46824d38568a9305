/* SPDX-License-Identifier: MIT */
/*
 * replay.c -- run a fuzz target over its corpus, or over files.
 *
 *   TARGET              all inputs of the corpus, a test point for each batch
 *   TARGET FILE...      these inputs, such as one that a fuzzer found
 *   TARGET --write DIR  store the corpus in DIR for a fuzzer to begin with
 */
#include "../children.h"
#include "../tap.h"
#include "fuzz.h"

enum { INPUT_MAX = 65536, BATCH = 50 };

static uint8_t input[INPUT_MAX];

static int run_batch(void *argument, int batch)
{
    (void)argument;
    for (unsigned i = 0; i < BATCH; i++) {
        unsigned number = (unsigned)batch * BATCH + i;
        size_t size = fuzz_make_input(number, input, sizeof input);
        if (size == 0)
            break;
        fprintf(stderr, "# input %u\n", number);
        LLVMFuzzerTestOneInput(input, size);
    }
    return 0;
}

static int write_corpus(const char *directory)
{
    char name[4096];
    size_t size;
    for (unsigned i = 0; (size = fuzz_make_input(i, input, sizeof input)) > 0;
         i++) {
        snprintf(name, sizeof name, "%s/made-%04u", directory, i);
        FILE *file = fopen(name, "wb");
        if (!file || fwrite(input, 1, size, file) != size || fclose(file)) {
            perror(name);
            return 1;
        }
    }
    return 0;
}

static int run_file(void *argument, int number)
{
    (void)number;
    FILE *file = fopen(argument, "rb");
    if (!file)
        return 1;
    size_t size = fread(input, 1, sizeof input, file);
    fclose(file);
    LLVMFuzzerTestOneInput(input, size);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return write_corpus(argv[2]);
    for (int i = 1; i < argc; i++)
        is_int(end_child(start_child(run_file, argv[i], i)), 0, argv[i]);
    /* A child each, so that one input that crashes does not hide the rest. */
    for (int i = 0; argc == 1; i++) {
        if (fuzz_make_input((unsigned)i * BATCH, input, sizeof input) == 0)
            break;
        int status = end_child(start_child(run_batch, NULL, i));
        if (!ok(status == 0, "inputs from %d", i * BATCH))
            diag("ended with %d", status);
    }
    return done();
}
