/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPTIONS_H
#define OPTIONS_H 1

/* The command line. */

#include <stdbool.h>
#include <stdint.h>

enum action { ACTION_RUN, ACTION_PREPARE, ACTION_STATUS, ACTION_CLEANUP };

struct options {
    enum action action;
    const char *interface;
    const char *key_file;
    const char *run_dir;
    uint32_t max_connections;
    bool detach;
    bool json;
};

/* Parses the command line into 'o'.  Exits on --help and --version, and, with
 * a message, if it makes no sense. */
void options_parse(struct options *o, int argc, char *argv[]);

#endif /* options.h */
