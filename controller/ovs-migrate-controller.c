/* SPDX-License-Identifier: Apache-2.0 */

/* ovs-migrate-controller: runs a fabric of switches and hosts.
 *
 * Its parts know each other only through the database OVS_Migrate: REST
 * requests write it, the southbound part programs switches as it says.  The
 * exception is what agents say every second, which would be too much for it
 * (agents.h).  All run in one thread, around OVS's poll loop. */

#include <config.h>

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agents.h"
#include "command-line.h"
#include "daemon.h"
#include "database.h"
#include "dirs.h"
#include "fatal-signal.h"
#include "http.h"
#include "openapi.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "rest.h"
#include "southbound.h"
#include "stream-ssl.h"
#include "stream.h"
#include "svec.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(controller);

struct options {
    char *db;                   /* --db, or NULL: a private one. */
    char *db_file;              /* --db-file. */
    char *name;                 /* --name. */
    char *unixctl;              /* --unixctl, or NULL. */
    struct svec listen;         /* --rest. */
    struct http_options http;   /* --rest-certificate, --rest-private-key. */
    char *tokens;               /* --rest-tokens, or NULL. */
};

#define DEFAULT_LISTEN "http:127.0.0.1:7480"

static void OVS_NO_RETURN
usage(void)
{
    printf("%s: runs a fabric of switches that migrate connections\n"
           "usage: %s [OPTIONS]\n"
           "\nDatabase:\n"
           "  --db-file=FILE          keep the database in FILE, with an "
           "ovsdb-server of\n"
           "                          the controller's own (default:\n"
           "                          %s/ovs-migrate.db)\n"
           "  --db=REMOTE[,REMOTE]... use the database at REMOTE, which "
           "somebody else runs\n"
           "  --name=NAME             what this controller is called in the "
           "database\n"
           "                          (default: the name of the machine)\n",
           program_name, program_name, ovs_dbdir());
    printf("\nREST:\n"
           "  --rest=http:IP:PORT     listen there (default: %s);\n"
           "  --rest=https:IP:PORT    may be repeated\n"
           "  --rest-certificate=FILE, --rest-private-key=FILE\n"
           "                          for https\n"
           "  --rest-tokens=FILE      who may use it: lines of NAME, read, "
           "write or\n"
           "                          agent, TOKEN; needed, with https, for "
           "other than\n"
           "                          loopback addresses\n", DEFAULT_LISTEN);
    printf("  --print-openapi         print what it can do, as OpenAPI has "
           "it, and end\n");
    stream_usage("REMOTE", true, false, false);
    daemon_usage();
    vlog_usage();
    printf("\nOther options:\n"
           "  --unixctl=SOCKET        override default control socket name\n"
           "  -h, --help              display this help message\n"
           "  -V, --version           display version information\n");
    exit(EXIT_SUCCESS);
}

static void OVS_NO_RETURN
print_openapi(void)
{
    struct json *json = openapi_create();
    char *text = json_to_string(json, JSSF_SORT | JSSF_PRETTY);

    puts(text);
    free(text);
    json_destroy(json);
    exit(EXIT_SUCCESS);
}

static char *
host_name(void)
{
    char name[256];

    if (gethostname(name, sizeof name)) {
        ovs_fatal(errno, "cannot tell the name of the machine; give --name");
    }
    name[sizeof name - 1] = '\0';
    return xstrdup(name);
}

static void
parse_options(struct options *o, int argc, char *argv[])
{
    enum {
        OPT_DB = UCHAR_MAX + 1,
        OPT_DB_FILE,
        OPT_NAME,
        OPT_PRINT_OPENAPI,
        OPT_REST,
        OPT_REST_CERTIFICATE,
        OPT_REST_PRIVATE_KEY,
        OPT_REST_TOKENS,
        OPT_UNIXCTL,
        SSL_OPTION_ENUMS,
        DAEMON_OPTION_ENUMS,
        VLOG_OPTION_ENUMS,
    };
    static const struct option long_options[] = {
        {"db", required_argument, NULL, OPT_DB},
        {"db-file", required_argument, NULL, OPT_DB_FILE},
        {"name", required_argument, NULL, OPT_NAME},
        {"print-openapi", no_argument, NULL, OPT_PRINT_OPENAPI},
        {"rest", required_argument, NULL, OPT_REST},
        {"rest-certificate", required_argument, NULL, OPT_REST_CERTIFICATE},
        {"rest-private-key", required_argument, NULL, OPT_REST_PRIVATE_KEY},
        {"rest-tokens", required_argument, NULL, OPT_REST_TOKENS},
        {"unixctl", required_argument, NULL, OPT_UNIXCTL},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        STREAM_SSL_LONG_OPTIONS,
        DAEMON_LONG_OPTIONS,
        VLOG_LONG_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);
    int c;

    memset(o, 0, sizeof *o);
    svec_init(&o->listen);
    while ((c = getopt_long(argc, argv, short_options, long_options,
                            NULL)) != -1) {
        switch (c) {
        case OPT_DB:
            o->db = optarg;
            break;
        case OPT_DB_FILE:
            o->db_file = optarg;
            break;
        case OPT_NAME:
            o->name = xstrdup(optarg);
            break;
        case OPT_PRINT_OPENAPI:
            print_openapi();
        case OPT_REST:
            svec_add(&o->listen, optarg);
            break;
        case OPT_REST_CERTIFICATE:
            o->http.certificate = optarg;
            break;
        case OPT_REST_PRIVATE_KEY:
            o->http.private_key = optarg;
            break;
        case OPT_REST_TOKENS:
            o->tokens = abs_file_name(NULL, optarg);
            break;
        case OPT_UNIXCTL:
            o->unixctl = optarg;
            break;
        case 'h':
            usage();
        case 'V':
            ovs_print_version(0, 0);
            exit(EXIT_SUCCESS);
        STREAM_SSL_OPTION_HANDLERS
        DAEMON_OPTION_HANDLERS
        VLOG_OPTION_HANDLERS
        case '?':
        default:
            exit(EXIT_FAILURE);
        }
    }
    free(short_options);
    if (optind < argc) {
        ovs_fatal(0, "%s: unexpected argument; see --help", argv[optind]);
    } else if (o->db && o->db_file) {
        ovs_fatal(0, "--db and --db-file exclude each other");
    }
    o->db_file = (o->db_file ? abs_file_name(NULL, o->db_file)
                  : xasprintf("%s/ovs-migrate.db", ovs_dbdir()));
    if (!o->name) {
        o->name = host_name();
    }
    if (svec_is_empty(&o->listen)) {
        svec_add(&o->listen, DEFAULT_LISTEN);
    }
}

/* A switch that is away is tried to be connected to once a second, for as long
 * as it takes.  What becomes of that is in the switch's status, and logged when
 * it changes. */
static void
ignore_attempts(void)
{
    vlog_set_levels(vlog_module_from_name("reconnect"), VLF_ANY_DESTINATION,
                    VLL_WARN);
    vlog_set_levels(vlog_module_from_name("rconn"), VLF_ANY_DESTINATION,
                    VLL_ERR);
}

/* From now on signals that ask to end are read from the file descriptor that
 * is returned: what is under way is to be completed. */
static int
open_signals(void)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        ovs_fatal(errno, "signalfd failed");
    }
    return fd;
}

/* Returns whether to go on. */
static bool
handle_signals(int fd, struct rest *rest, const struct options *o)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGHUP) {
            return false;
        } else if (o->tokens) {
            char *error = rest_read_tokens(rest, o->tokens);

            if (error) {
                VLOG_ERR("%s; the tokens stay as they were", error);
                free(error);
            } else {
                VLOG_INFO("%s: read again", o->tokens);
            }
        }
    }
    return true;
}

static void
unixctl_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *exiting_)
{
    bool *exiting = exiting_;

    *exiting = true;
    unixctl_command_reply(conn, NULL);
}

static void
unixctl_status(struct unixctl_conn *conn, int argc OVS_UNUSED,
               const char *argv[] OVS_UNUSED, void *sb_)
{
    struct southbound *sb = sb_;

    unixctl_command_reply(conn, southbound_is_active(sb) ? "active\n"
                          : "standby\n");
}

static void
unixctl_rest(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *rest_)
{
    char *text = rest_show(rest_);

    unixctl_command_reply(conn, text);
    free(text);
}

static struct database *
open_database(const struct options *o)
{
    char *error;
    struct database *db = (o->db ? database_open_remote(o->db, &error)
                           : database_open_private(o->db_file, &error));

    if (!db) {
        ovs_fatal(0, "%s", error);
    }
    return db;
}

static struct rest *
open_rest(const struct options *o, const struct database *db,
          struct agents *agents, const struct southbound *sb)
{
    struct rest *rest = rest_create(db, o->name, agents,
                                    southbound_live(sb));
    char *error = o->tokens ? rest_read_tokens(rest, o->tokens) : NULL;

    for (size_t i = 0; !error && i < o->listen.n; i++) {
        struct http_options http = o->http;

        http.listen = o->listen.names[i];
        error = rest_listen(rest, &http);
    }
    if (error) {
        rest_destroy(rest);
        ovs_fatal(0, "%s", error);
    }
    return rest;
}

int
main(int argc, char *argv[])
{
    struct unixctl_server *unixctl;
    struct southbound *sb;
    struct agents agents;
    struct database *db;
    struct rest *rest;
    struct options o;
    bool exiting = false;
    int signal_fd;

    ovs_set_program_name(argv[0], OVM_VERSION);
    ignore_attempts();
    parse_options(&o, argc, argv);
    fatal_ignore_sigpipe();
    daemonize_start(false);
    signal_fd = open_signals();
    if (unixctl_server_create(o.unixctl, &unixctl)) {
        exit(EXIT_FAILURE);
    }
    db = open_database(&o);
    agents_init(&agents);
    sb = southbound_create(database_remote(db), o.name, &agents);
    rest = open_rest(&o, db, &agents, sb);
    unixctl_command_register("exit", "", 0, 0, unixctl_exit, &exiting);
    unixctl_command_register("status", "", 0, 0, unixctl_status, sb);
    unixctl_command_register("rest", "", 0, 0, unixctl_rest, rest);
    daemonize_complete();

    while (!exiting) {
        database_run(db);
        rest_run(rest);
        southbound_run(sb);
        unixctl_server_run(unixctl);
        exiting |= !handle_signals(signal_fd, rest, &o);

        database_wait(db);
        rest_wait(rest);
        unixctl_server_wait(unixctl);
        poll_fd_wait(signal_fd, POLLIN);
        if (exiting) {
            poll_immediate_wake();
        }
        poll_block();
    }
    VLOG_INFO("leaving");
    rest_destroy(rest);
    southbound_destroy(sb);
    agents_uninit(&agents);
    database_close(db);
    unixctl_server_destroy(unixctl);
    free(o.db_file);
    free(o.name);
    free(o.tokens);
    svec_destroy(&o.listen);
    return 0;
}
