/* SPDX-License-Identifier: Apache-2.0 */

/* ovs-migratectl: orders for ovs-migrate-controller, through its REST
 * interface. */

#include <config.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "apply.h"
#include "commands.h"
#include "complete.h"
#include "live.h"
#include "model.h"
#include "output.h"
#include "util.h"

#define DEFAULT_URL "http://127.0.0.1:7480"

struct options {
    const char *urls, *token, *ca_cert;         /* As of api_init(). */
    struct apply_options apply;
    bool json;
    bool complete;
};

static void
print_help(void)
{
    printf("ovs-migratectl: orders for ovs-migrate-controller\n"
           "usage: ovs-migratectl [OPTION]... RESOURCE VERB [ARGUMENT]...\n"
           "       ovs-migratectl [OPTION]... apply -f FILE [--dry-run] "
           "[--prune]\n"
           "       ovs-migratectl [OPTION]... export | status | top | watch "
           "| trace CLIENT:PORT\n"
           "\n"
           "  RESOURCE list [FIELD=VALUE]...     all, or those that have "
           "these values\n"
           "  RESOURCE show NAME...              all about one\n"
           "  RESOURCE add NAME [FIELD=VALUE]... a new one\n"
           "  RESOURCE set NAME FIELD=VALUE...   change one; \"FIELD=\" "
           "empties\n"
           "  RESOURCE rm NAME...                delete\n"
           "  RESOURCE fields                    what it has\n"
           "  connection|decision list [FIELD=VALUE]...\n"
           "                                     connections that there are; "
           "why they are at\n"
           "                                     their hosts\n"
           "  path list [FIELD=VALUE]... | path show SWITCH HOST\n"
           "                                     which way packets take\n"
           "  host drain|ready NAME...           give no new connections; "
           "give them again\n"
           "  apply -f FILE                      make all be as in FILE "
           "(\"-\": standard input)\n"
           "  export                             print all, for \"apply\"\n"
           "  status                             what the controller says of "
           "itself\n"
           "  top                                services and hosts, anew every "
           "second\n"
           "  watch                              events as they happen\n"
           "  trace CLIENT:PORT                  where a connection is, why, "
           "and which way\n"
           "                                     its packets take\n"
           "\n"
           "RESOURCE is service, rule, pool, host, switch, link, event or "
           "fabric (without NAME).\n"
           "A member of an object is FIELD.NAME=VALUE, such as hosts.h1=5.\n"
           "\n"
           "  --url URL[,URL]...     controllers; the first that can be "
           "reached is asked\n"
           "                         (default: $OVS_MIGRATE_URL or %s)\n"
           "  --token-file FILE      has the token (default: "
           "$OVS_MIGRATE_TOKEN_FILE)\n"
           "  --ca-cert FILE         who signs controllers' certificates "
           "(default:\n"
           "                         $OVS_MIGRATE_CA_CERT)\n"
           "  -o json|table          how to print (default: table)\n"
           "  -h, --help             print this\n"
           "  -V, --version          print the version\n"
           "\n"
           "Exit status: 0 done, 1 refused, 2 wrong usage or file, 3 no "
           "controller, no\ndatabase, or not every switch can be "
           "reached.\n", DEFAULT_URL);
    exit(EXIT_DONE);
}

/* The first word of 'file'. */
static const char *
read_token(const char *file)
{
    static char token[1024];
    FILE *stream = fopen(file, "r");

    if (!stream || fscanf(stream, "%1023s", token) != 1) {
        die(EXIT_USAGE, "%s: cannot read a token from it", file);
    }
    fclose(stream);
    return token;
}

static void
parse_options(struct options *o, int argc, char *argv[])
{
    enum { OPT_URL = 256, OPT_TOKEN_FILE, OPT_CA_CERT, OPT_DRY_RUN,
           OPT_PRUNE, OPT_COMPLETE };
    static const struct option long_options[] = {
        { "url", required_argument, NULL, OPT_URL },
        { "token-file", required_argument, NULL, OPT_TOKEN_FILE },
        { "ca-cert", required_argument, NULL, OPT_CA_CERT },
        { "dry-run", no_argument, NULL, OPT_DRY_RUN },
        { "prune", no_argument, NULL, OPT_PRUNE },
        { "complete", no_argument, NULL, OPT_COMPLETE },
        { "file", required_argument, NULL, 'f' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    const char *url = getenv("OVS_MIGRATE_URL");
    const char *token_file = getenv("OVS_MIGRATE_TOKEN_FILE");
    const char *ca_cert = getenv("OVS_MIGRATE_CA_CERT");
    int c;

    memset(o, 0, sizeof *o);
    o->urls = url && *url ? url : DEFAULT_URL;
    o->ca_cert = ca_cert && *ca_cert ? ca_cert : NULL;
    while ((c = getopt_long(argc, argv, "f:o:hV", long_options,
                            NULL)) != -1) {
        switch (c) {
        case OPT_URL:
            o->urls = optarg;
            break;
        case OPT_TOKEN_FILE:
            token_file = optarg;
            break;
        case OPT_CA_CERT:
            o->ca_cert = optarg;
            break;
        case OPT_DRY_RUN:
            o->apply.dry_run = true;
            break;
        case OPT_PRUNE:
            o->apply.prune = true;
            break;
        case OPT_COMPLETE:
            o->complete = true;
            break;
        case 'f':
            o->apply.file = optarg;
            break;
        case 'o':
            if (strcmp(optarg, "json") && strcmp(optarg, "table")) {
                die(EXIT_USAGE, "-o %s: is neither \"json\" nor \"table\"",
                    optarg);
            }
            o->json = o->apply.json = !strcmp(optarg, "json");
            break;
        case 'h':
            print_help();
            break;
        case 'V':
            printf("ovs-migratectl %s\n", PACKAGE_VERSION);
            exit(EXIT_DONE);
        default:
            exit(EXIT_USAGE);
        }
    }
    if (token_file && *token_file) {
        o->token = read_token(token_file);
    }
}

static void
run_status(bool json)
{
    json_t *health = api_request("GET", "/healthz", NULL, NULL);
    const char *name;
    json_t *value;

    if (json) {
        output_json(health);
        json_decref(health);
        return;
    }
    json_object_foreach(health, name, value) {
        char *text = json_text(value);

        printf("%s: %s\n", name, text);
        free(text);
    }
    json_decref(health);
}

static void
run(const struct options *o, int n, char **words)
{
    struct model model;
    struct kind kind;

    model_init(&model);
    if (o->complete) {
        complete(&model, n, words);
    } else if (!strcmp(words[0], "status") && n == 1) {
        run_status(o->json);
    } else if (!strcmp(words[0], "top") && n == 1) {
        live_top(o->json);
    } else if (!strcmp(words[0], "watch") && n == 1) {
        live_watch(o->json);
    } else if (!strcmp(words[0], "trace") && n == 2) {
        live_trace(words[1], o->json);
    } else if (!strcmp(words[0], "apply")) {
        if (!o->apply.file || n > 1) {
            die(EXIT_USAGE, "usage: ovs-migratectl apply -f FILE [--dry-run] "
                "[--prune]");
        }
        apply(&model, &o->apply);
    } else if (!strcmp(words[0], "export") && n == 1) {
        apply_export(&model);
    } else if (model_find(&model, words[0], &kind)) {
        commands_run(&kind, n - 1, words + 1, o->json);
        kind_uninit(&kind);
    } else {
        die(EXIT_USAGE, "%s: is no resource, and no command with %d "
            "arguments; see --help", words[0], n - 1);
    }
    model_uninit(&model);
}

int
main(int argc, char *argv[])
{
    struct options options;

    parse_options(&options, argc, argv);
    if (optind == argc) {
        die(EXIT_USAGE, "no command; see --help");
    }
    api_init(options.urls, options.token, options.ca_cert);
    run(&options, argc - optind, argv + optind);
    return EXIT_DONE;
}
