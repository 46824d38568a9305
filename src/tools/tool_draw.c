/* SPDX-License-Identifier: MIT */
/*
 * tool_draw.c -- the result as a picture: a bar for each process, and which
 * processes are alike.
 *
 * One SVG file that needs nothing else.  Names of processes are escaped: they
 * are anybody's text.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "tools/tool.h"

enum {
    BARS = 64,
    ROW = 20,
    LEFT = 180,
    BAR = 420,
    CELL = 16,
    TOP = 70,
    MARGIN = 20,
};

static void put_text(FILE *file, const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~' || strchr("<>&\"'", *text))
            fprintf(file, "&#%d;", *text < ' ' || *text > '~' ? '?' : *text);
        else
            putc(*text, file);
}

/* The processes that are drawn, in the order of their ids; their number. */
static size_t choose(const struct tool_round *round, size_t chosen[BARS])
{
    size_t count = 0;
    for (size_t i = 0; i < round->process_count && count < BARS; i++)
        if (round->processes[i].pages > 0)
            chosen[count++] = i;
    return count;
}

static void draw_bars(FILE *file, const struct tool_round *round,
                      const size_t *chosen, size_t count)
{
    char size[2][TOOL_SIZE_TEXT];
    uint64_t largest = 1;
    for (size_t i = 0; i < count; i++)
        if (round->processes[chosen[i]].pages > largest)
            largest = round->processes[chosen[i]].pages;
    for (size_t i = 0; i < count; i++) {
        const struct tool_process *process = &round->processes[chosen[i]];
        double scale = (double)BAR / (double)largest;
        double equal = (double)process->equal * scale;
        double own = (double)(process->pages - process->equal) * scale;
        int y = TOP + (int)i * ROW;
        fprintf(file, "<g><title>");
        put_text(file, process->name);
        fprintf(file, " (%ld): %s, of it %s also elsewhere</title>",
                (long)process->pid,
                tool_size(process->pages * round->page_size, size[0]),
                tool_size(process->equal * round->page_size, size[1]));
        fprintf(file, "<text x='%d' y='%d' text-anchor='end'>", LEFT - 8,
                y + 13);
        put_text(file, process->name);
        fprintf(file, " %ld</text>", (long)process->pid);
        fprintf(file,
                "<rect class='equal' x='%d' y='%d' width='%.1f' height='%d'/>"
                "<rect class='own' x='%.1f' y='%d' width='%.1f' height='%d'/>"
                "</g>\n",
                LEFT, y, equal, ROW - 4, LEFT + equal, y, own, ROW - 4);
    }
}

static size_t place_of(const size_t *chosen, size_t count, uint32_t process)
{
    size_t place = 0;
    while (place < count && chosen[place] != process)
        place++;
    return place;
}

/* The darker a cell, the more of the smaller process the two have in common. */
static void draw_matrix(FILE *file, const struct tool_round *round,
                        const size_t *chosen, size_t count)
{
    char size[TOOL_SIZE_TEXT];
    int left = LEFT + BAR + 2 * MARGIN;
    for (size_t i = 0; i < round->pair_count; i++) {
        const struct tool_pair *pair = &round->pairs[i];
        const struct tool_process *a = &round->processes[pair->one];
        const struct tool_process *b = &round->processes[pair->other];
        uint64_t smaller = a->pages < b->pages ? a->pages : b->pages;
        size_t x = place_of(chosen, count, pair->one);
        size_t y = place_of(chosen, count, pair->other);
        if (x == count || y == count || smaller == 0)
            continue;
        for (int turn = 0; turn < 2; turn++) {
            size_t column = turn ? y : x;
            size_t row = turn ? x : y;
            fprintf(file,
                    "<rect class='pair' x='%d' y='%d' width='%d' height='%d' "
                    "fill-opacity='%.3f'><title>%ld and %ld: %s</title>"
                    "</rect>\n",
                    left + (int)column * CELL, TOP + (int)row * ROW, CELL - 1,
                    ROW - 4, (double)pair->pages / (double)smaller,
                    (long)a->pid, (long)b->pid,
                    tool_size(pair->pages * round->page_size, size));
        }
    }
}

static void draw_all(FILE *file, const struct tool *tool,
                     const struct tool_round *round)
{
    size_t chosen[BARS];
    char size[2][TOOL_SIZE_TEXT];
    size_t count = choose(round, chosen);
    int width = LEFT + BAR + 3 * MARGIN + (int)count * CELL;
    int height = TOP + (int)count * ROW + MARGIN;
    fprintf(file,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' "
            "viewBox='0 0 %d %d'>\n"
            "<style>svg{background:#fff;font:12px sans-serif}"
            ".own{fill:#9aa5b1}.equal,.pair{fill:#d9480f}"
            ".big{font-size:15px}</style>\n",
            width, height, width, height);
    fprintf(file,
            "<text class='big' x='%d' y='24'>%s: %s in %zu processes, %s could "
            "be saved</text>\n",
            MARGIN, tool->name,
            tool_size(round->frames * round->page_size, size[0]),
            round->looked_at,
            tool_size(round->saveable * round->page_size, size[1]));
    fprintf(file,
            "<rect class='equal' x='%d' y='38' width='12' height='12'/>"
            "<text x='%d' y='49'>also in another place</text>"
            "<rect class='own' x='%d' y='38' width='12' height='12'/>"
            "<text x='%d' y='49'>only here</text>\n",
            LEFT, LEFT + 18, LEFT + 180, LEFT + 198);
    draw_bars(file, round, chosen, count);
    draw_matrix(file, round, chosen, count);
    fprintf(file, "</svg>\n");
}

int tool_draw(const struct tool *tool, const struct tool_round *round)
{
    FILE *file = fopen(tool->svg, "we");
    if (!file)
        return -1;
    draw_all(file, tool, round);
    bool failed = ferror(file) != 0;
    if (fclose(file) == 0 && !failed)
        return 0;
    if (errno == 0)
        errno = EIO;
    return -1;
}
