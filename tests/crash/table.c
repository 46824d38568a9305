/* SPDX-License-Identifier: MIT */
/*
 * table.c -- what was found, in columns.
 *
 * One row for each operation, all lock variants together, and one for each
 * variant and way of dying, all operations together.
 */
#include "config.h"

#include "../tap.h"
#include "crash.h"

static struct row *rows;
static size_t row_count;

static const char *const mode_names[MODE_COUNT] = {"plain", "frozen", "double"};

struct row *table_add(const char *scene, enum mode mode)
{
    struct row *more = realloc(rows, (row_count + 1) * sizeof *rows);
    if (!more)
        bail("no memory");
    rows = more;
    rows[row_count] =
        (struct row){.scene = scene, .lock = options.lock, .mode = mode};
    return &rows[row_count++];
}

static void add(struct row *sum, const struct row *row)
{
    if (row->steps > sum->steps)
        sum->steps = row->steps;
    sum->points += row->points;
    sum->missed += row->missed;
    sum->hangs += row->hangs;
    sum->corruptions += row->corruptions;
    if (row->lost > sum->lost)
        sum->lost = row->lost;
    sum->left += row->left;
    sum->seconds += row->seconds;
}

static void print_row(FILE *to, bool markdown, const char *name,
                      const struct row *row)
{
    fprintf(to,
            markdown ? "| %s | %zu | %zu | %zu | %zu | %zu | %zu | %zu |\n"
                     : "# %-28s %7zu %8zu %6zu %5zu %5zu %4zu %4zu",
            name, row->steps, row->points, row->missed, row->hangs,
            row->corruptions, row->lost, row->left);
    if (!markdown)
        fprintf(to, " %7.0f\n",
                row->seconds > 0 ? (double)row->points / row->seconds : 0);
}

static void print_head(FILE *to, bool markdown, const char *what)
{
    if (markdown)
        fprintf(to,
                "\n| %s | instructions | deaths | missed | hangs | "
                "corruptions | blocks lost | objects left |\n"
                "| --- | --: | --: | --: | --: | --: | --: | --: |\n",
                what);
    else
        fprintf(to, "#\n# %-28s %7s %8s %6s %5s %5s %4s %4s %7s\n", what,
                "instr.", "deaths", "missed", "hangs", "corr.", "lost", "left",
                "/s");
}

/* The rows that are alike in what SAME compares are one. */
static void print_sums(FILE *to, bool markdown, bool by_scene)
{
    print_head(to, markdown, by_scene ? "operation" : "lock, death");
    for (size_t i = 0; i < row_count; i++) {
        struct row sum = {0};
        bool first = true;
        for (size_t k = 0; k < row_count; k++) {
            if (by_scene ? strcmp(rows[k].scene, rows[i].scene) != 0
                         : strcmp(rows[k].lock, rows[i].lock) != 0 ||
                               rows[k].mode != rows[i].mode)
                continue;
            first = first && k >= i;
            add(&sum, &rows[k]);
        }
        char name[64];
        snprintf(name, sizeof name, "%s, %s", rows[i].lock,
                 mode_names[rows[i].mode]);
        if (first)
            print_row(to, markdown, by_scene ? rows[i].scene : name, &sum);
    }
}

void table_print(FILE *to, bool markdown)
{
    struct row all = {0};
    print_sums(to, markdown, true);
    print_sums(to, markdown, false);
    for (size_t i = 0; i < row_count; i++)
        add(&all, &rows[i]);
    print_head(to, markdown, "");
    print_row(to, markdown, "all", &all);
    fflush(to);
}

const char *mode_name(enum mode mode)
{
    return mode_names[mode];
}
