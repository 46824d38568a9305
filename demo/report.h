/* SPDX-License-Identifier: MIT */
/*
 * report.h -- what the demo tells: lines for people, or a JSON object a line.
 *
 * Every figure is one that was counted or measured in this run.
 */
#ifndef DEMO_REPORT_H
#define DEMO_REPORT_H

#include "load.h"
#include "server.h"

enum phase { PHASE_CALM, PHASE_KILLING, PHASE_RENEWED };

/* One stretch of the run, about a second. */
struct moment {
    unsigned second;
    enum phase phase;
    double seconds;             /* how long it really took */
    struct load_figures before; /* at its begin and end */
    struct load_figures after;
    unsigned shot, fell; /* workers, from the beginning */
    uint64_t owners_died, heap_repairs;
};

/* What verify_run() found. */
struct verdict {
    struct load_figures load;
    struct table_counts counts;
    struct table_notes notes;
    struct mm_stat stat;
    unsigned shot, fell;
    unsigned long orphans; /* swept up */
    uint64_t sessions;     /* compared with what the clients know */
    uint64_t damaged;      /* of them */
    bool passed;
};

void report_start(const struct server *server, unsigned clients, bool json);
void report_phase(enum phase phase, uint64_t sessions, bool json);
void report_moment(const struct moment *moment, bool json);

/* One thing that is wrong. */
void report_finding(const char *text, bool json);
void report_verdict(const struct verdict *verdict, bool json);

/* Requests per second in the best turn with LOCK, and with the file lock. */
void report_comparison(const char *lock, double rate, double other, bool json);

#endif
