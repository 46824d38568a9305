/* SPDX-License-Identifier: MIT */
/*
 * tool_options.c -- the command line of mergemem and mergeall, and --run.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tools/tool.h"

/* Since Linux 6.4; headers may be older. */
#define SET_MEMORY_MERGE 67

enum {
    OPTION_MERGE = 256,
    OPTION_BACKEND,
    OPTION_HASH,
    OPTION_STRATEGY,
    OPTION_ALL_USERS,
    OPTION_ALL_CGROUPS,
    OPTION_SVG,
    OPTION_PROGRESS,
    OPTION_RUN,
    OPTION_MATCH,
    OPTION_EXCLUDE,
    OPTION_MIN_RSS,
    OPTION_MAX_PAGES,
    OPTION_INTERVAL,
    OPTION_ROUNDS,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option options[] = {
    {"no-merge", no_argument, NULL, 'n'},
    {"merge", no_argument, NULL, OPTION_MERGE},
    {"json", no_argument, NULL, 'J'},
    {"verbose", no_argument, NULL, 'v'},
    {"backend", required_argument, NULL, OPTION_BACKEND},
    {"hash", required_argument, NULL, OPTION_HASH},
    {"strategy", required_argument, NULL, OPTION_STRATEGY},
    {"all-users", no_argument, NULL, OPTION_ALL_USERS},
    {"all-cgroups", no_argument, NULL, OPTION_ALL_CGROUPS},
    {"svg", required_argument, NULL, OPTION_SVG},
    {"progress", required_argument, NULL, OPTION_PROGRESS},
    {"max-pages", required_argument, NULL, OPTION_MAX_PAGES},
    {"run", no_argument, NULL, OPTION_RUN},
    {"user", required_argument, NULL, 'u'},
    {"match", required_argument, NULL, OPTION_MATCH},
    {"exclude", required_argument, NULL, OPTION_EXCLUDE},
    {"min-rss", required_argument, NULL, OPTION_MIN_RSS},
    {"interval", required_argument, NULL, OPTION_INTERVAL},
    {"rounds", required_argument, NULL, OPTION_ROUNDS},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static const char common_help[] =
    "Tell how much memory is held more than once, or merge it.\n"
    "  -n, --no-merge         only tell (default); needs no kernel module\n"
    "      --merge            merge what is equal\n"
    "      --backend=NAME     proc, mergemod or ksm\n"
    "      --strategy=NAME    content: anywhere (default); position: only at\n"
    "                         equal addresses\n"
    "      --hash=NAME        xxh64 (default) or addrothalf\n"
    "      --all-users        also between users; see SECURITY in the manual\n"
    "      --all-cgroups      also between control groups\n"
    "      --max-pages=N      look at N pages at most\n"
    "  -J, --json             the result as JSON\n"
    "      --svg=FILE         the result as a picture\n"
    "  -v, --verbose          longer tables\n"
    "      --progress=WHEN    auto, plain or none\n";

static const char all_help[] =
    "  -u, --user=USER        only processes of USER\n"
    "      --match=REGEX      only names that match\n"
    "      --exclude=REGEX    no names that match\n"
    "      --min-rss=SIZE     only processes with as much memory (K, M, G)\n"
    "      --interval=SEC     again and again\n"
    "      --rounds=N         so many times\n";

static const char mem_help[] = "      --run COMMAND...   run COMMAND with its "
                               "memory opted in to merging\n";

static _Noreturn void refuse(const struct tool *tool, const char *what,
                             const char *value)
{
    fprintf(stderr, "%s: %s%s%s\nTry '%s --help'.\n", tool->name, what,
            value ? ": " : "", value ? value : "", tool->name);
    exit(TOOL_USAGE);
}

static _Noreturn void help(const struct tool *tool)
{
    printf("Usage: %s [OPTION...]%s\n%s%s", tool->name,
           tool->whole_machine ? ""
                               : " NAME|PID...\n       mergemem --run "
                                 "COMMAND [ARGUMENT...]",
           common_help, tool->whole_machine ? all_help : mem_help);
    exit(TOOL_DONE);
}

/* The opt-in is inherited, so COMMAND and all its children have it. */
static _Noreturn void run(const struct tool *tool, char *argv[])
{
    if (!argv[0])
        refuse(tool, "--run needs a command", NULL);
    if (prctl(SET_MEMORY_MERGE, 1, 0, 0, 0) < 0) {
        int error = errno;
        fprintf(stderr,
                "%s: the memory of a program cannot be opted in to merging "
                "here (%s)%s\n",
                tool->name, strerror(error),
                error == EINVAL ? "; that needs Linux 6.4 with KSM" : "");
        exit(error == EPERM ? TOOL_NOT_PERMITTED : TOOL_NO_MODULE);
    }
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s: %s\n", tool->name, argv[0], strerror(errno));
    exit(errno == ENOENT ? 127 : 126);
}

/* A number, with a unit if UNITS. */
static uint64_t number(const struct tool *tool, const char *text, bool units)
{
    static const char letters[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *text == '-')
        refuse(tool, "not a number", text);
    if (units && *end) {
        const char *letter = strchr(letters, *end);
        int shift = letter ? 10 * (int)(letter - letters + 1) : 0;
        if (!letter || value > UINT64_MAX >> shift)
            refuse(tool, "not a size", text);
        value <<= shift;
        end++;
    }
    if (*end)
        refuse(tool, "not a number", text);
    return value;
}

static void set_user(struct tool *tool, const char *text)
{
    const struct passwd *entry = getpwnam(text);
    tool->has_user = true;
    tool->user = entry ? entry->pw_uid : (uid_t)number(tool, text, false);
}

static bool set_regex(const struct tool *tool, regex_t *regex, const char *text)
{
    if (regcomp(regex, text, REG_EXTENDED | REG_NOSUB) != 0)
        refuse(tool, "not a regular expression", text);
    return true;
}

static void set_hash(struct tool *tool, const char *text)
{
    if (strcmp(text, "xxh64") == 0)
        tool->hash = m_hash_xxh64;
    else if (strcmp(text, "addrothalf") == 0)
        tool->hash = m_hash_addrothalf;
    else
        refuse(tool, "no such hash function", text);
}

static void set_strategy(struct tool *tool, const char *text)
{
    tool->by_position = strcmp(text, "position") == 0;
    if (!tool->by_position && strcmp(text, "content") != 0)
        refuse(tool, "no such strategy", text);
}

static void set_progress(struct tool *tool, const char *text)
{
    if (strcmp(text, "auto") == 0)
        tool->progress = PROGRESS_AUTO;
    else if (strcmp(text, "plain") == 0)
        tool->progress = PROGRESS_PLAIN;
    else if (strcmp(text, "none") == 0)
        tool->progress = PROGRESS_NONE;
    else
        refuse(tool, "no such progress", text);
}

/* Options that only mergeall has.  False if OPTION is none of them. */
static bool take_all_option(struct tool *tool, int option)
{
    switch (option) {
    case 'u':
        set_user(tool, optarg);
        return true;
    case OPTION_MATCH:
        tool->has_match = set_regex(tool, &tool->match, optarg);
        return true;
    case OPTION_EXCLUDE:
        tool->has_exclude = set_regex(tool, &tool->exclude, optarg);
        return true;
    case OPTION_MIN_RSS:
        tool->min_resident = number(tool, optarg, true);
        return true;
    case OPTION_INTERVAL:
        tool->interval = (unsigned)number(tool, optarg, false);
        return true;
    case OPTION_ROUNDS:
        tool->rounds = (unsigned)number(tool, optarg, false);
        return true;
    default:
        return false;
    }
}

static void take_option(struct tool *tool, int option, char *argv[])
{
    switch (option) {
    case 'n':
        tool->merge = false;
        break;
    case 'J':
        tool->json = true;
        break;
    case 'v':
        tool->verbose = true;
        break;
    case 'h':
    case OPTION_HELP:
        help(tool);
    case OPTION_VERSION:
        printf("%s %s\n", tool->name, PACKAGE_VERSION);
        exit(TOOL_DONE);
    case OPTION_MERGE:
        tool->merge = true;
        break;
    case OPTION_BACKEND:
        tool->backend = optarg;
        break;
    case OPTION_HASH:
        set_hash(tool, optarg);
        break;
    case OPTION_STRATEGY:
        set_strategy(tool, optarg);
        break;
    case OPTION_ALL_USERS:
        tool->all_users = true;
        break;
    case OPTION_ALL_CGROUPS:
        tool->all_cgroups = true;
        break;
    case OPTION_SVG:
        tool->svg = optarg;
        break;
    case OPTION_PROGRESS:
        set_progress(tool, optarg);
        break;
    case OPTION_MAX_PAGES:
        tool->max_pages = number(tool, optarg, false);
        break;
    case OPTION_RUN:
        if (tool->whole_machine)
            refuse(tool, "--run is an option of mergemem", NULL);
        run(tool, argv + optind);
    case '?':
        refuse(tool, "wrong option", NULL);
    default:
        if (!tool->whole_machine || !take_all_option(tool, option))
            refuse(tool, "wrong option", NULL);
    }
}

void tool_options(struct tool *tool, int argc, char *argv[])
{
    int option;
    tool->hash = m_hash_xxh64;
    tool->rounds = 0;
    while ((option = getopt_long(argc, argv,
                                 tool->whole_machine ? "+nJvhu:" : "+nJvh",
                                 options, NULL)) != -1)
        take_option(tool, option, argv);
    tool->wanted = argv + optind;
    tool->wanted_count = argc - optind;
    if (tool->whole_machine && tool->wanted_count > 0)
        refuse(tool, "takes no names", tool->wanted[0]);
    if (!tool->whole_machine && tool->wanted_count == 0)
        refuse(tool, "whose memory? Name processes or their ids", NULL);
    if (tool->merge && tool->backend && strcmp(tool->backend, "proc") == 0)
        refuse(tool, "the backend proc cannot merge", NULL);
}
