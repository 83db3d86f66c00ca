/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_H
#define AGENT_H 1

/* The daemon's state, all of it. */

#include <jansson.h>

#include "events.h"
#include "news.h"
#include "options.h"
#include "peers.h"
#include "reaper.h"
#include "rundir.h"
#include "services.h"
#include "switches.h"

struct agent {
    struct options options;
    struct rundir rundir;
    struct keyring keyring;
    struct migrator migrator;
    struct reports reports;
    struct services services;
    struct switches switches;
    struct reaper reaper;
    struct news news;
    struct events events;
    struct peers peers;
    int udp_fd, control_fd, signal_fd;
    int64_t next_watch;             /* ms: of the attachments. */
    int64_t started;                /* time_msec(). */
};

/* Describes 'agent', a 'struct agent', for people and programs.  The caller
 * owns the result. */
json_t *agent_status(void *agent);

#endif /* agent.h */
