/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rundir.h"
#include "util.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

#define MAX_CONNECTIONS_DEFAULT 262144
#define MAX_CONNECTIONS_MAX (1 << 24)

static void
print_help(void)
{
    printf("ovs-migrate-agent: receives migrated connections on a host\n"
           "usage: ovs-migrate-agent --interface IF --key-file FILE "
           "[OPTION]...\n"
           "       ovs-migrate-agent --interface IF --status [--json]\n"
           "       ovs-migrate-agent --interface IF --cleanup\n"
           "       ovs-migrate-agent --interface IF --prepare\n"
           "\n"
           "  --interface IF         where switches and clients are\n"
           "  --key-file FILE        the fabric's keys; SIGHUP rereads it\n"
           "  --run-dir DIR          default: %s\n"
           "  --max-connections N    live and just ended; default: %d\n"
           "  --detach               run in the background, log to syslog\n"
           "  --status [--json]      print a running agent's state\n"
           "  --cleanup              remove all that an agent left at work\n"
           "  --prepare              make the run directory, and exit\n"
           "  -h, --help             print this\n"
           "  -V, --version          print the version\n"
           "\n"
           "An agent that is stopped leaves its connections at work in the "
           "kernel.\n", RUNDIR_DEFAULT, MAX_CONNECTIONS_DEFAULT);
}

static void __attribute__((noreturn, format(printf, 1, 2)))
refuse(const char *format, ...)
{
    va_list args;

    fputs("ovs-migrate-agent: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("; see --help\n", stderr);
    exit(EXIT_COMMAND_LINE);
}

static uint32_t
parse_max_connections(const char *s)
{
    char *end;
    unsigned long n = strtoul(s, &end, 10);

    if (*end || end == s || n < 1 || n > MAX_CONNECTIONS_MAX) {
        refuse("--max-connections %s: must be 1 to %d", s,
               MAX_CONNECTIONS_MAX);
    }
    return n;
}

static void
check(const struct options *o, int n_rest, const char *rest)
{
    if (n_rest > 0) {
        refuse("%s: unexpected argument", rest);
    } else if (!o->interface) {
        refuse("--interface is missing");
    } else if (strchr(o->interface, '/') || !o->interface[0]) {
        refuse("--interface %s: not the name of one", o->interface);
    } else if (o->action == ACTION_RUN && !o->key_file) {
        refuse("--key-file is missing");
    }
}

void
options_parse(struct options *o, int argc, char *argv[])
{
    enum { OPT_INTERFACE = 256, OPT_KEY_FILE, OPT_RUN_DIR, OPT_MAX,
           OPT_DETACH, OPT_STATUS, OPT_JSON, OPT_CLEANUP, OPT_PREPARE };
    static const struct option long_options[] = {
        { "interface", required_argument, NULL, OPT_INTERFACE },
        { "key-file", required_argument, NULL, OPT_KEY_FILE },
        { "run-dir", required_argument, NULL, OPT_RUN_DIR },
        { "max-connections", required_argument, NULL, OPT_MAX },
        { "detach", no_argument, NULL, OPT_DETACH },
        { "status", no_argument, NULL, OPT_STATUS },
        { "json", no_argument, NULL, OPT_JSON },
        { "cleanup", no_argument, NULL, OPT_CLEANUP },
        { "prepare", no_argument, NULL, OPT_PREPARE },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    memset(o, 0, sizeof *o);
    o->run_dir = RUNDIR_DEFAULT;
    o->max_connections = MAX_CONNECTIONS_DEFAULT;
    while ((c = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_INTERFACE: o->interface = optarg; break;
        case OPT_KEY_FILE: o->key_file = optarg; break;
        case OPT_RUN_DIR: o->run_dir = optarg; break;
        case OPT_MAX: o->max_connections = parse_max_connections(optarg);
            break;
        case OPT_DETACH: o->detach = true; break;
        case OPT_STATUS: o->action = ACTION_STATUS; break;
        case OPT_JSON: o->json = true; break;
        case OPT_CLEANUP: o->action = ACTION_CLEANUP; break;
        case OPT_PREPARE: o->action = ACTION_PREPARE; break;
        case 'h':
            print_help();
            exit(0);
        case 'V':
            puts("ovs-migrate-agent " PACKAGE_VERSION);
            exit(0);
        default:
            exit(EXIT_COMMAND_LINE);
        }
    }
    check(o, argc - optind, argv[optind]);
}
