/* SPDX-License-Identifier: MIT */
/*
 * demo.c -- mm at work: a prefork server whose workers get killed.
 *
 * Runs the server and its clients in one process tree, kills workers, compares
 * at the end everything with everything, and exits with 1 if a single session,
 * count or byte of the pool is not as it must be.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "report.h"
#include "verify.h"
#include "worker.h"

enum {
    SHOTS = 4,                /* workers killed in a second */
    TICK = 5,                 /* ms between two looks at the workers */
    CLIENT_POOL = 512 * 1024, /* bytes for the sessions of one client */
    PATIENCE = 20,            /* seconds more than asked for */
};

struct settings {
    unsigned seconds, workers, port;
    bool json, serve, compare;
};

static volatile sig_atomic_t interrupted;

static void note_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static double read_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void usage(FILE *out)
{
    fprintf(out,
            "usage: mm-demo [--secs N] [--workers N] [--json]\n"
            "       mm-demo --serve PORT [--workers N]\n"
            "A prefork server with its sessions in shared memory, real "
            "clients, and workers that get killed.\n"
            "  --secs N      run for N seconds (10; at least 3), then verify\n"
            "  --workers N   worker processes, and as many clients (8)\n"
            "  --json        one JSON object a line\n"
            "  --serve PORT  no clients: serve 127.0.0.1:PORT until ended\n"
            "MM_OPTIONS chooses variants, such as "
            "MM_OPTIONS=shm=IPCSHM,lock=OFD.\n"
            "Exits with 1 if anything was damaged, with 2 if it cannot run.\n");
}

static bool read_number(const char *text, unsigned least, unsigned most,
                        unsigned *number)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < (long)least ||
        value > (long)most) {
        fprintf(stderr, "mm-demo: '%s' is not a number from %u to %u\n", text,
                least, most);
        return false;
    }
    *number = (unsigned)value;
    return true;
}

/* 0: go on; otherwise what to exit with, plus 1. */
static int read_settings(int argc, char **argv, struct settings *o)
{
    static const struct option options[] = {
        {"secs", required_argument, NULL, 's'},
        {"workers", required_argument, NULL, 'w'},
        {"serve", required_argument, NULL, 'p'},
        {"json", no_argument, NULL, 'j'},
        {"compare", no_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    bool good = true;
    *o = (struct settings){.seconds = 10, .workers = 8};
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 's')
            good &= read_number(optarg, o->compare ? 1 : 3, 86400, &o->seconds);
        else if (option == 'w')
            good &= read_number(optarg, 1, LOAD_CLIENTS, &o->workers);
        else if (option == 'p')
            good &= read_number(optarg, 0, 65535, &o->port);
        o->serve |= option == 'p';
        o->json |= option == 'j';
        o->compare |= option == 'c';
        if (option == 'h') {
            usage(stdout);
            return 1;
        }
        good &= option != '?';
    }
    if (good && optind == argc)
        return 0;
    usage(stderr);
    return 3;
}

/* Tend the server for a second, shooting at it meanwhile in that phase.  0, or
 * -1: it cannot go on. */
static int pass_second(struct server *s, bool shooting)
{
    double begin = read_clock(), shot = begin;
    double gap = 0;
    while (read_clock() < begin + 1 && !interrupted) {
        if (shooting && read_clock() >= shot + gap) {
            server_shoot(s, (unsigned)rand());
            shot = read_clock();
            gap = (0.5 + (double)rand() / RAND_MAX) / SHOTS;
        }
        nanosleep(&(struct timespec){0, TICK * 1000000L}, NULL);
        if (server_tend(s) < 0)
            return -1;
    }
    return interrupted || table_expire(s->table) < 0 ? -1 : 0;
}

static int run_second(struct server *s, struct load *load, struct moment *m,
                      const struct settings *o)
{
    struct table_notes notes;
    struct mm_stat stat;
    double begin = read_clock();

    m->before = m->after;
    if (pass_second(s, m->phase == PHASE_KILLING) < 0 ||
        table_look(s->table, NULL, &notes) < 0 ||
        mm_stat(s->pool, &stat, sizeof stat) < 0)
        return -1;
    m->second++;
    m->seconds = read_clock() - begin;
    m->after = load_look(load);
    m->shot = s->shot;
    m->fell = s->fell;
    m->owners_died = notes.owners_died;
    m->heap_repairs = stat.repairs;
    if (!o->compare)
        report_moment(m, o->json);
    return 0;
}

static uint64_t count_sessions(struct table *table)
{
    struct table_counts n = {0};
    table_look(table, &n, NULL);
    return n.created - n.deleted - n.evicted - n.expired;
}

/* A third of the time calm, half of it killing, the rest with a new generation
 * of workers; a slow machine gets more time to kill until a worker died with
 * the lock held.  *RATE becomes the requests per second of the calm time.
 * 0, or -1: it cannot go on. */
static int run_phases(struct server *s, struct load *load,
                      const struct settings *o, double *rate)
{
    struct moment m = {0};
    unsigned calm = o->compare ? o->seconds : o->seconds / 3;
    unsigned renewed = o->compare ? o->seconds : o->seconds * 5 / 6;
    unsigned end = o->seconds;
    double begin = read_clock();

    while (m.second < end) {
        enum phase phase = m.second < calm      ? PHASE_CALM
                           : m.second < renewed ? PHASE_KILLING
                                                : PHASE_RENEWED;
        if (phase == PHASE_RENEWED && m.phase != phase && server_renew(s) < 0)
            return -1;
        if (phase != m.phase)
            report_phase(phase, count_sessions(s->table), o->json);
        m.phase = phase;
        if (run_second(s, load, &m, o) < 0)
            return -1;
        if (phase == PHASE_CALM)
            *rate = (double)m.after.answered / (read_clock() - begin);
        if (phase == PHASE_KILLING && m.second == renewed && !s->fell &&
            end < o->seconds + PATIENCE) {
            renewed++;
            end++;
        }
    }
    return 0;
}

/* Let the clients end; workers may still die meanwhile.  The number of clients
 * that got no last answer. */
static unsigned finish_load(struct server *s, struct load *load)
{
    unsigned silent;
    load_stop(load);
    while (!load_is_over(load, &silent)) {
        nanosleep(&(struct timespec){0, TICK * 1000000L}, NULL);
        if (server_tend(s) < 0)
            load_abort(load);
    }
    return silent;
}

/* 0: verified; 1: damage; 2: could not run.  Tells the LOCK used. */
static int run(const struct settings *o, char *lock, size_t size, double *rate)
{
    struct server server;
    struct verdict verdict;
    struct load *load;

    if (server_start(&server, (size_t)o->workers * CLIENT_POOL, 0, o->workers) <
        0)
        return 2;
    const char *name = mm_query(server.pool, "lock");
    snprintf(lock, size, "%s", name ? name : "");
    load = load_start(server.port, o->workers);
    if (!load) {
        server_finish(&server);
        server_end(&server);
        return 2;
    }
    if (!o->compare)
        report_start(&server, o->workers, o->json);
    if (run_phases(&server, load, o, rate) < 0) {
        load_abort(load);
        server_finish(&server);
        server_end(&server);
        load_free(load);
        return 2;
    }
    unsigned silent = finish_load(&server, load);
    server_finish(&server);
    verify_run(&server, load, silent, o->json, &verdict);
    load_free(load);
    if (!o->compare)
        report_verdict(&verdict, o->json);
    return verdict.passed ? 0 : 1;
}

/* Run this program again for a second, with OPTIONS more in MM_OPTIONS, and
 * raise *BEST to its requests per second.  What it exited with. */
static int run_again(const struct settings *o, const char *options,
                     double *best)
{
    const char *given = getenv("MM_OPTIONS");
    char both[256], workers[16], text[64] = "";
    char *arguments[] = {(char[]){"mm-demo"},
                         (char[]){"--compare"},
                         (char[]){"--secs"},
                         (char[]){"1"},
                         (char[]){"--workers"},
                         workers,
                         NULL};
    int ends[2], status;

    snprintf(both, sizeof both, "%s,%s", given ? given : "", options);
    snprintf(workers, sizeof workers, "%u", o->workers);
    if (pipe(ends) < 0)
        return 2;
    pid_t pid = fork();
    if (pid == 0) {
        setenv("MM_OPTIONS", both + (*both == ','), 1);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv("/proc/self/exe", arguments);
        execv(program_invocation_name, arguments); /* there is no /proc */
        _exit(2);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 2;
    double rate = got > 0 ? strtod(text, NULL) : 0;
    *best = rate > *best ? rate : *best;
    return WEXITSTATUS(status);
}

/* The same work on the lock of the run and on the one that the library was born
 * with, by turns. */
static int compare(const struct settings *o, const char *lock)
{
    int rounds = o->seconds < 10 ? 1 : 2, status = 0;
    double rate = 0, other = 0;
    char options[64];

    snprintf(options, sizeof options, "lock=%s", lock);
    for (int i = 0; i < rounds && status == 0; i++) {
        status = run_again(o, options, &rate);
        if (status == 0)
            status = run_again(o, "lock=FCNTL", &other);
    }
    if (status == 0)
        report_comparison(lock, rate, other, o->json);
    else if (!interrupted)
        fprintf(stderr, "mm-demo: the comparison with the FCNTL lock failed\n");
    return status;
}

static int serve(const struct settings *o)
{
    struct server server;
    if (server_start(&server, (size_t)o->workers * CLIENT_POOL, o->port,
                     o->workers) < 0)
        return 2;
    report_start(&server, 0, o->json);
    printf("%s", worker_usage(server.port));
    fflush(stdout);
    int status = 0;
    while (!interrupted && status == 0) {
        nanosleep(&(struct timespec){0, 20 * TICK * 1000000L}, NULL);
        if (server_tend(&server) < 0 || table_expire(server.table) < 0)
            status = 2;
    }
    server_finish(&server);
    return server_end(&server) ? status : 1;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct sigaction action = {.sa_handler = note_signal};
    char lock[32];
    double rate = 0;

    int status = read_settings(argc, argv, &settings);
    if (status)
        return status - 1;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    srand((unsigned)getpid());
    if (settings.serve)
        return serve(&settings);
    status = run(&settings, lock, sizeof lock, &rate);
    if (settings.compare) {
        printf("%.0f\n", rate);
        return status;
    }
    return status ? status : compare(&settings, lock);
}
