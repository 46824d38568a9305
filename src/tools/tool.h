/* SPDX-License-Identifier: MIT */
/*
 * tool.h -- what mergemem and mergeall have in common.
 *
 * Both find processes, hash their pages into one table, sort it, and tell what
 * is there more than once; asked to, they hand pairs to the merge library. They
 * know its public header only.
 *
 * A round goes through the parts in this order: tool_find, tool_scan,
 * tool_estimate, tool_merge, tool_report.  A page costs 32 bytes of memory
 * while it is looked at, twice that while the table is sorted.
 */
#ifndef TOOL_H
#define TOOL_H

#include <mmlib.h>
#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* What a tool exits with. */
enum tool_exit {
    TOOL_DONE = 0,
    TOOL_PARTLY = 1,
    TOOL_USAGE = 2,
    TOOL_NO_MODULE = 3,
    TOOL_NOT_PERMITTED = 4,
    TOOL_OTHER_PROTOCOL = 5,
};

enum tool_progress_mode { PROGRESS_AUTO, PROGRESS_PLAIN, PROGRESS_NONE };

/* What the user asked for. */
struct tool {
    const char *name;
    bool whole_machine;  /* mergeall */
    char *const *wanted; /* mergemem: names and process ids */
    int wanted_count;

    bool merge;
    bool json;
    bool verbose;
    bool all_users;
    bool all_cgroups;
    bool by_position;
    const char *backend; /* NULL: as the task needs */
    const char *svg;     /* a file to write, or NULL */
    m_hash_function *hash;
    enum tool_progress_mode progress;

    bool has_user;
    uid_t user;
    bool has_match;
    bool has_exclude;
    regex_t match;
    regex_t exclude;
    uint64_t min_resident; /* bytes */
    uint64_t max_pages;    /* 0: all */
    unsigned interval;     /* seconds; 0: once */
    unsigned rounds;       /* 0: until interrupted */
};

/* A process, and what was found out about it. */
struct tool_process {
    pid_t pid;
    uid_t uid;
    char name[32];
    uint32_t domain;   /* whose pages may be compared with its */
    uint64_t resident; /* pages, as the kernel counts them */
    uint64_t pages;    /* that were hashed */
    uint64_t equal;    /* of them, also in another frame */
    uint64_t before;   /* its share of memory before merging, bytes */
    int error;         /* why it could not be looked at, 0 if it could */
    bool undumpable;   /* it does not want to be looked into */
};

/* A page in the table. */
struct tool_page {
    uint64_t key;   /* of its contents, and its place if that matters */
    uint64_t frame; /* equal numbers are one frame */
    uint64_t address;
    uint32_t process; /* index */
    uint32_t label;   /* index: what mapping it lies in */
};

/* What pages lie in: a file, the heap, a stack. */
struct tool_label {
    char *name;
    uint64_t frames;   /* different ones */
    uint64_t saveable; /* of them */
};

/* Two processes with equal pages in different frames. */
struct tool_pair {
    uint32_t one, other; /* indices of processes */
    uint64_t pages;
};

/* Statuses of pairs by errno; larger ones do not occur. */
enum { TOOL_STATUSES = 134, TOOL_PAIRS = 64 };

struct tool_round {
    struct tool_process *processes;
    size_t process_count;
    struct tool_page *pages;
    size_t page_count, page_room;
    struct tool_label *labels;
    size_t label_count;
    struct tool_pair *pairs; /* the largest first */
    size_t pair_count;
    char **domains;
    size_t domain_count;

    size_t page_size;
    size_t looked_at;     /* processes */
    size_t not_permitted; /* likewise */
    size_t missing;       /* names and ids that were given in vain */
    uint64_t frames;      /* different ones that were seen */
    uint64_t contents;    /* different contents */
    uint64_t saveable;    /* frames that could be given back */
    uint64_t tried, merged;
    uint64_t statuses[TOOL_STATUSES];
    uint64_t before, after; /* memory of all processes, bytes */
    int merge_error;        /* why merging ended early */
    double seconds;
    bool exact; /* frames were told */
    bool interrupted;
    bool limited; /* max_pages was reached */
};

/* Read the arguments; does not return if they are wrong, or ask for help. */
void tool_options(struct tool *tool, int argc, char *argv[]);

/* Everything; what main() returns. */
int tool_main(struct tool *tool);

/* The processes to look at.  Exits without memory. */
void tool_find(const struct tool *tool, struct tool_round *round);

/* Hash their pages. */
void tool_scan(const struct tool *tool, struct tool_round *round);

/* Sort, and count what is equal. */
void tool_estimate(struct tool_round *round);

/* Merge what is equal. */
void tool_merge(struct tool_round *round);

/* The memory that is the share of process PID, bytes; 0 if unknown. */
uint64_t tool_share(pid_t pid);

/* Tell about it, on standard output. */
void tool_report(const struct tool *tool, const struct tool_round *round);
void tool_report_json(const struct tool *tool, const struct tool_round *round);

/* Draw it.  0, or -1 with errno. */
int tool_draw(const struct tool *tool, const struct tool_round *round);

void tool_free(struct tool_round *round);

/* Memory or the end. */
void *tool_allocate(void *old, size_t count, size_t size);

/* SIZE bytes for people, in TEXT. */
enum { TOOL_SIZE_TEXT = 24 };
const char *tool_size(uint64_t size, char text[TOOL_SIZE_TEXT]);

/* Progress on standard error: WHAT goes on, DONE of ALL pages. */
void tool_progress_start(const struct tool *tool, size_t page_size);
void tool_progress(const char *what, uint64_t done, uint64_t all);
void tool_progress_end(void);

/* Whether the user wants an end. */
bool tool_interrupted(void);

/* Seconds since some time in the past. */
double tool_now(void);

#endif
