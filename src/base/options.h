/* SPDX-License-Identifier: MIT */
/*
 * options.h -- "shm=NAME,lock=NAME,...": the parser and the store.
 *
 * Two ways in, one syntax: mm_options() of the program, and the environment
 * variable MM_OPTIONS, which has the last word but is ignored in set-uid
 * programs.  Values that name variants are checked by those who know them.
 */
#ifndef MMI_OPTIONS_H
#define MMI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum { OPTION_NAME_SIZE = 16, OPTION_POOL_NAME_SIZE = 64 };

struct options {
    char shm[OPTION_NAME_SIZE];       /* "" is the default of the build */
    char lock[OPTION_NAME_SIZE];      /* "" is the default of the build */
    char name[OPTION_POOL_NAME_SIZE]; /* what tools call the pool */
    long lock_timeout;                /* ms a call waits; 0 is for ever */
    bool keepfd;                      /* keep MEMFD's descriptor open */
    char refpage[OPTION_NAME_SIZE];   /* "" takes what there is */
};

/* Parse TEXT over *OUT.  -1 after mmi_fail_as(EINVAL), *OUT untouched; SOURCE
 * says in the message where the text came from. */
int mmi_options_parse(struct options *out, const char *text,
                      const char *source);

/* Remember what the program asks for from now on.  NULL or "": nothing.
 * Thread-safe.  -1 after mmi_fail_as(EINVAL), nothing changed. */
int mmi_options_set(const char *text);

/* Defaults, then the program, then the environment.  -1 after mmi_fail_as() if
 * the environment holds nonsense. */
int mmi_options_get(struct options *out);

/* The names of all options, at most SIZE bytes of TEXT. */
void mmi_options_names(char *text, size_t size, const char *separator);

#endif
