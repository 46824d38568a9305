/* SPDX-License-Identifier: MIT */
/*
 * report.c -- what the demo tells: lines for people, or a JSON object a line.
 */
#include "config.h"

#include "report.h"

static const char *const phases[] = {"calm", "killing", "renewed"};

/* VALUE with a comma every three digits, good for the next seven calls. */
static const char *spell(double value)
{
    static char texts[8][32];
    static unsigned turn;
    char digits[24], *out = texts[turn++ % 8], *start = out;
    int length = snprintf(digits, sizeof digits, "%.0f", value);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = 0;
    return start;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* A value of mm_query(), to TEXT. */
static const char *ask(MM *pool, const char *key, char *text, size_t size)
{
    const char *value = mm_query(pool, key);
    snprintf(text, size, "%s", value ? value : "?");
    return text;
}

void report_start(const struct server *s, unsigned clients, bool json)
{
    char shm[32], lock[32];
    double size = (double)s->fresh;
    ask(s->pool, "shm", shm, sizeof shm);
    ask(s->pool, "lock", lock, sizeof lock);
    if (json)
        printf("{\"event\":\"start\",\"port\":%u,\"workers\":%u,"
               "\"clients\":%u,\"pool\":%.0f,\"shm\":\"%s\","
               "\"lock\":\"%s\"}\n",
               s->port, s->workers, clients, size, shm, lock);
    else
        printf("prefork server on 127.0.0.1:%u   %u workers, %u clients, "
               "one %.1f MiB pool   shm: %s, lock: %s\n",
               s->port, s->workers, clients, size / 1048576, shm, lock);
    fflush(stdout);
}

void report_phase(enum phase phase, uint64_t sessions, bool json)
{
    if (json)
        printf("{\"event\":\"phase\",\"phase\":\"%s\",\"sessions\":%.0f}\n",
               phases[phase], (double)sessions);
    else if (phase == PHASE_KILLING)
        printf("now killing workers with -9, four times a second; each time "
               "the successor dies too,\nat a point where it holds the lock\n");
    else if (phase == PHASE_RENEWED)
        printf("all workers replaced: a new generation took over %s "
               "sessions\n",
               spell((double)sessions));
    fflush(stdout);
}

void report_moment(const struct moment *m, bool json)
{
    uint64_t gets = m->after.gets - m->before.gets;
    uint64_t hits = m->after.hits - m->before.hits;
    uint64_t elsewhere = m->after.elsewhere - m->before.elsewhere;
    double rate = (double)(m->after.answered - m->before.answered) / m->seconds;
    double repeated = (double)m->after.repeated;
    double damaged = (double)m->after.damaged;

    if (json)
        printf("{\"event\":\"second\",\"second\":%u,\"phase\":\"%s\","
               "\"rate\":%.0f,\"hits\":%.1f,\"elsewhere\":%.1f,"
               "\"killed\":%u,\"killed_holding_lock\":%u,"
               "\"lock_repairs\":%.0f,\"heap_repairs\":%.0f,"
               "\"repeated\":%.0f,\"damaged\":%.0f}\n",
               m->second, phases[m->phase], rate, percent(hits, gets),
               percent(elsewhere, hits), m->shot + m->fell, m->fell,
               (double)m->owners_died, (double)m->heap_repairs, repeated,
               damaged);
    else {
        printf("%3u s  %8s requests/s   hits %4.1f %% (%.0f %% stored by "
               "another worker)",
               m->second, spell(rate), percent(hits, gets),
               percent(elsewhere, hits));
        if (m->phase == PHASE_KILLING)
            printf("   killed %u, %u with the lock   lock repaired %s   "
                   "damaged %s",
                   m->shot + m->fell, m->fell, spell((double)m->owners_died),
                   spell(damaged));
        printf("\n");
    }
    fflush(stdout);
}

void report_finding(const char *text, bool json)
{
    if (json)
        printf("{\"event\":\"finding\",\"text\":\"%s\"}\n", text);
    else
        fprintf(stderr, "WRONG: %s\n", text);
    fflush(stdout);
}

static void print_verdict(const struct verdict *v)
{
    double used = (double)(v->stat.size - v->stat.available);
    printf("pool after the run: %s allocations, %.1f %% full; %s blocks swept "
           "up after killed workers, %s repairs of the heap\n",
           spell((double)v->stat.used_count), 100 * used / (double)v->stat.size,
           spell((double)v->orphans), spell((double)v->stat.repairs));
    printf("killed %u workers, %u while they held the lock; lock repaired %s "
           "times, unfinished changes completed %s\n",
           v->shot + v->fell, v->fell, spell((double)v->notes.owners_died),
           spell((double)v->notes.redone));
    printf("%s requests sent again, %s of them recognized as already applied\n",
           spell((double)v->load.repeated), spell((double)v->notes.recognized));
    printf("evicted or expired: the clients miss %s sessions, the table says "
           "%s\n",
           spell((double)v->load.lost),
           spell((double)(v->counts.evicted + v->counts.expired)));
    printf("changes: the clients made %s, the table says %s\n",
           spell((double)v->load.changes), spell((double)v->counts.applied));
    printf("checked %s sessions, %s damaged; served %s requests   %s\n",
           spell((double)v->sessions), spell((double)v->damaged),
           spell((double)v->load.answered), v->passed ? "PASS" : "FAIL");
}

static void print_verdict_json(const struct verdict *v)
{
    printf("{\"event\":\"end\",\"served\":%.0f,\"killed\":%u,"
           "\"killed_holding_lock\":%u,\"lock_repairs\":%.0f,"
           "\"completed\":%.0f,\"heap_repairs\":%.0f,\"orphans\":%.0f,"
           "\"repeated\":%.0f,\"recognized\":%.0f,",
           (double)v->load.answered, v->shot + v->fell, v->fell,
           (double)v->notes.owners_died, (double)v->notes.redone,
           (double)v->stat.repairs, (double)v->orphans,
           (double)v->load.repeated, (double)v->notes.recognized);
    printf("\"changes\":%.0f,\"applied\":%.0f,\"lost\":%.0f,"
           "\"evicted\":%.0f,\"expired\":%.0f,\"sessions\":%.0f,"
           "\"damaged\":%.0f,\"result\":\"%s\"}\n",
           (double)v->load.changes, (double)v->counts.applied,
           (double)v->load.lost, (double)v->counts.evicted,
           (double)v->counts.expired, (double)v->sessions, (double)v->damaged,
           v->passed ? "PASS" : "FAIL");
}

void report_verdict(const struct verdict *verdict, bool json)
{
    if (json)
        print_verdict_json(verdict);
    else
        print_verdict(verdict);
    fflush(stdout);
}

void report_comparison(const char *lock, double rate, double other, bool json)
{
    if (json)
        printf("{\"event\":\"comparison\",\"lock\":\"%s\",\"rate\":%.0f,"
               "\"file_lock_rate\":%.0f}\n",
               lock, rate, other);
    else
        printf("the same work without kills, best second of each: %s "
               "requests/s with %s, %s with the file lock of 1999\n",
               spell(rate), lock, spell(other));
    fflush(stdout);
}
