/* SPDX-License-Identifier: MIT */
/*
 * bench.c -- runs the rows, prints the table, judges the bars.
 *
 * Figures depend on the machine and its load; nothing here is a test, and a bar
 * that is missed does not change the exit status.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { MAX_ROWS = 40, MAX_ROUNDS = 50, CELL_SECONDS = 60, NOTE_SIZE = 160 };

bool bench_smoke;
const char *bench_bare;
int bench_round;

/* What a cell's child leaves to its parent. */
struct outcome {
    bool valid;
    double value;
    char note[NOTE_SIZE];
};

struct cell {
    double values[MAX_ROUNDS]; /* NaN where it failed */
    char note[NOTE_SIZE];
};

static struct outcome *outcome; /* shared with the child */
static const struct row *rows[MAX_ROWS];
static struct cell cells[MAX_ROWS][PEER_COUNT];
static int row_count, rounds = 5;

/* Cell A of the bar, divided by cell B if it names one, and what it must be. */
struct bar {
    const char *row_a;
    int peer_a;
    const char *row_b;
    int peer_b;
    bool at_least; /* else at most */
    double limit;
    bool binding; /* else a goal */
};

static const struct bar bars[] = {
    {"pair-16", 0, "pair-16", PEER_MIMALLOC, false, 2.3, true},
    {"pair-64", 0, "pair-64", PEER_MIMALLOC, false, 2.3, true},
    {"pair-1024", 0, "pair-1024", PEER_MIMALLOC, false, 2.3, true},
    {"churn", 0, "churn", PEER_MIMALLOC, false, 2.0, true},
    {"pair-16", PEER_OSSP, "pair-16", 0, true, 100, true},
    {"pair-64", PEER_OSSP, "pair-64", 0, true, 100, true},
    {"pair-1024", PEER_OSSP, "pair-1024", 0, true, 100, true},
    {"churn", PEER_OSSP, "churn", 0, true, 100, true},
    {"holes-100k", 0, "holes-100", 0, false, 1.25, true},
    {"gaps-100k", 0, "gaps-100", 0, false, 1.25, true},
    {"holes-100k", PEER_OSSP, "holes-100k", 0, true, 20000, true},
    {"random-100k", PEER_OSSP, "random-100k", 0, true, 1000, false},
    {"mpchurn-2", 0, "mpchurn-1", 0, true, 1.7, true},
    {"mpchurn-2", 0, "mpchurn-2", PEER_OSSP, true, 350, false},
    {"mpchurn-2", 0, "mpchurn-2", PEER_MIMALLOC, true, 0.4, false},
    {"lock-rw", PEER_OSSP, "lock-rw", 0, true, 75, true},
    {"lock-rd", PEER_OSSP, "lock-rd", 0, true, 90, true},
    {"died-rw", 0, NULL, 0, false, 2000, true},
    {"died-rd", 0, NULL, 0, false, 2000, true},
    {"dies-rw", 0, NULL, 0, false, 2000, true},
    {"dies-rd", 0, NULL, 0, false, 2000, true},
    {"create", 0, NULL, 0, false, 100, true},
    {"create-pages", 0, NULL, 0, false, 63, true},
    {"calls-malloc", 0, NULL, 0, false, 0, true},
    {"calls-lock", 0, NULL, 0, false, 0, true},
    {"space-16", 0, NULL, 0, false, 19, true},
    {"space-64", 0, NULL, 0, false, 70, true},
    {"space-mix", 0, NULL, 0, false, 1.2, true},
    {"yield-512K", 0, NULL, 0, true, 78, true},
    {"yield-8M", 0, NULL, 0, true, 90, true},
    {"largest-8M", 0, NULL, 0, true, 40, true},
    {"repair-64M", 0, NULL, 0, false, 50, true},
    {"repair-1G-16", 0, NULL, 0, false, 2000, true},
    {"repair-1G-run", 0, NULL, 0, false, 2000, true},
    {"ref-setup", 0, NULL, 0, false, 10, true},
    {"ref-setup", PEER_GLIBC, "ref-setup", 0, true, 50, true},
    {"ref-write", 0, "ref-write", PEER_GLIBC, false, 1.3, true},
    {"ref-memory", 0, NULL, 0, false, 4, true},
};

enum { BAR_COUNT = sizeof bars / sizeof *bars };

void bench_note(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(outcome->note, NOTE_SIZE, format, values);
    va_end(values);
}

_Noreturn void bench_give_up(const char *why)
{
    bench_note("%s", why);
    _exit(1);
}

void *bench_pool(const struct peer *peer, size_t size)
{
    if (!peer->pooled)
        return NULL;
    void *pool = peer->create(size, NULL);
    if (!pool)
        bench_give_up(peer == &bench_peers[PEER_LIBMM] ? mm_error()
                                                       : "no pool");
    return pool;
}

/* One cell of one round, in a child. */
static void run_cell(const struct row *row, const struct peer *peer,
                     struct cell *cell)
{
    *outcome = (struct outcome){0};
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(CELL_SECONDS);
        outcome->value = row->run(peer, row->parameter);
        outcome->valid = true;
        _exit(0);
    }
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    bool valid = pid > 0 && status == 0 && outcome->valid;
    cell->values[bench_round] = valid ? outcome->value : __builtin_nan("");
    if (outcome->note[0])
        memcpy(cell->note, outcome->note, NOTE_SIZE);
    else if (!valid)
        snprintf(cell->note, NOTE_SIZE, "ended with signal %d",
                 WTERMSIG(status));
}

static bool can_run(const struct row *row, int peer)
{
    return row->peers >> peer & 1 && !bench_peers[peer].absent;
}

static void run_rounds(void)
{
    for (bench_round = 0; bench_round < rounds; bench_round++)
        for (int i = 0; i < row_count; i++)
            for (int p = 0; p < PEER_COUNT; p++) {
                struct cell *cell = &cells[i][p];
                if (!can_run(rows[i], p))
                    cell->values[bench_round] = __builtin_nan("");
                else if (rows[i]->timed || bench_round == 0)
                    run_cell(rows[i], &bench_peers[p], cell);
                else
                    cell->values[bench_round] = cell->values[0];
            }
}

/* Median of the rounds of A, or of A / B; NaN if there is none. */
static double middle(const struct cell *a, const struct cell *b)
{
    double values[MAX_ROUNDS];
    int count = 0;
    for (int i = 0; i < rounds; i++) {
        double value = b ? a->values[i] / b->values[i] : a->values[i];
        if (value == value)
            values[count++] = value;
    }
    return count ? bench_median(values, count) : __builtin_nan("");
}

static int find_row(const char *name)
{
    for (int i = 0; name && i < row_count; i++)
        if (strcmp(rows[i]->name, name) == 0)
            return i;
    return -1;
}

/* The value that BAR judges; NaN if it was not measured. */
static double bar_value(const struct bar *bar)
{
    int a = find_row(bar->row_a), b = find_row(bar->row_b);
    if (a < 0 || (bar->row_b && b < 0))
        return __builtin_nan("");
    return middle(&cells[a][bar->peer_a],
                  b < 0 ? NULL : &cells[b][bar->peer_b]);
}

static bool is_met(const struct bar *bar, double value)
{
    return bar->at_least ? value >= bar->limit : value <= bar->limit;
}

static void name_bar(const struct bar *bar, char *text, size_t size)
{
    const char *a = bench_peers[bar->peer_a].name;
    const char *b = bench_peers[bar->peer_b].name;
    if (!bar->row_b)
        snprintf(text, size, "%s", bar->row_a);
    else if (strcmp(bar->row_a, bar->row_b) == 0)
        snprintf(text, size, "%s, %s / %s", bar->row_a, a, b);
    else
        snprintf(text, size, "%s / %s", bar->row_a, bar->row_b);
}

static void print_table(void)
{
    printf("%-14s%-8s", "row", "unit");
    for (int p = 0; p < PEER_COUNT; p++)
        printf("%12s", bench_peers[p].name);
    printf("\n");
    for (int i = 0; i < row_count; i++) {
        printf("%-14s%-8s", rows[i]->name, rows[i]->unit);
        for (int p = 0; p < PEER_COUNT; p++) {
            double value = middle(&cells[i][p], NULL);
            if (!can_run(rows[i], p))
                printf("%12s", "-");
            else if (value != value)
                printf("%12s", "failed");
            else
                printf("%12.*f", rows[i]->digits, value);
        }
        printf("\n");
    }
    printf("\n");
    for (int p = 0; p < PEER_COUNT; p++)
        if (bench_peers[p].absent)
            printf("%s: not measured, %s\n", bench_peers[p].name,
                   bench_peers[p].absent);
    for (int i = 0; i < row_count; i++)
        for (int p = 0; p < PEER_COUNT; p++)
            if (cells[i][p].note[0])
                printf("%s %s: %s\n", rows[i]->name, bench_peers[p].name,
                       cells[i][p].note);
}

static void print_bars(void)
{
    printf("\n%-36s%11s  %-19s%s\n", "bar", "value", "wanted", "");
    for (int i = 0; i < BAR_COUNT; i++) {
        char name[80];
        double value = bar_value(&bars[i]);
        if (value != value)
            continue;
        name_bar(&bars[i], name, sizeof name);
        printf("%-36s%11.2f  %s %-9g %s%s\n", name, value,
               bars[i].at_least ? "at least" : "at most ", bars[i].limit,
               is_met(&bars[i], value) ? "met" : "MISSED",
               bars[i].binding ? "" : " (goal)");
    }
}

static void print_number(double value)
{
    if (value == value)
        printf("%.6g", value);
    else
        printf("null");
}

static void print_json(void)
{
    printf("{\"rounds\": %d, \"rows\": [", rounds);
    for (int i = 0; i < row_count; i++) {
        printf("%s\n  {\"row\": \"%s\", \"unit\": \"%s\"", i ? "," : "",
               rows[i]->name, rows[i]->unit);
        for (int p = 0; p < PEER_COUNT; p++) {
            printf(", \"%s\": ", bench_peers[p].name);
            print_number(middle(&cells[i][p], NULL));
        }
        printf("}");
    }
    printf("],\n \"bars\": [");
    for (int i = 0; i < BAR_COUNT; i++) {
        char name[80];
        double value = bar_value(&bars[i]);
        name_bar(&bars[i], name, sizeof name);
        printf("%s\n  {\"bar\": \"%s\", \"value\": ", i ? "," : "", name);
        print_number(value);
        printf(", \"%s\": %g, \"binding\": %s, \"met\": %s}",
               bars[i].at_least ? "at_least" : "at_most", bars[i].limit,
               bars[i].binding ? "true" : "false",
               value != value            ? "null"
               : is_met(&bars[i], value) ? "true"
                                         : "false");
    }
    printf("]}\n");
}

/* Rows whose name begins with one of the NAMES; all without names. */
static void choose_rows(const struct row *from, char **names)
{
    for (; from->name; from++) {
        bool wanted = !names[0];
        for (char **name = names; *name; name++)
            if (strncmp(from->name, *name, strlen(*name)) == 0)
                wanted = true;
        if (wanted && row_count < MAX_ROWS)
            rows[row_count++] = from;
    }
}

static int usage(FILE *stream)
{
    fprintf(stream,
            "usage: bench [--rounds=N] [--json] [--smoke] [--ossp=FILE]\n"
            "             [--bare=PROGRAM] [ROW...]\n"
            "ROW is the beginning of a row's name; all run without any.\n");
    return stream == stderr ? 2 : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"rounds", required_argument, NULL, 'r'},
        {"json", no_argument, NULL, 'j'},
        {"smoke", no_argument, NULL, 's'},
        {"ossp", required_argument, NULL, 'o'},
        {"bare", required_argument, NULL, 'b'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *ossp = NULL;
    bool json = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;)
        switch (c) {
        case 'r':
            rounds = atoi(optarg);
            break;
        case 'j':
            json = true;
            break;
        case 's':
            bench_smoke = true;
            break;
        case 'o':
            ossp = optarg;
            break;
        case 'b':
            bench_bare = optarg;
            break;
        case 'h':
            return usage(stdout);
        default:
            return usage(stderr);
        }
    if (rounds < 1 || rounds > MAX_ROUNDS)
        return usage(stderr);
    if (bench_smoke)
        rounds = 1;
    choose_rows(bench_speed_rows, argv + optind);
    choose_rows(bench_team_rows, argv + optind);
    choose_rows(bench_death_rows, argv + optind);
    choose_rows(bench_space_rows, argv + optind);
    choose_rows(bench_trace_rows, argv + optind);
    choose_rows(bench_pattern_rows, argv + optind);
    outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (row_count == 0 || outcome == MAP_FAILED)
        return usage(stderr);
    bench_find_peers(ossp);
    run_rounds();
    if (json) {
        print_json();
    } else {
        print_table();
        print_bars();
    }
    return 0;
}
