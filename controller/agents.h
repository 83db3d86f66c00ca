/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENTS_H
#define AGENTS_H 1

/* What the agents of hosts have said, through REST (enroll.h), to the active
 * controller.
 *
 * This is not kept in the database: each agent says all of it every second,
 * and looks for another controller when this one does not listen any more.
 * The essence of it goes into the status of Host rows (report.h), which is how
 * the next active controller knows whom to wait for. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/hmap.h"

struct smap;

#define AGENTS_INTERVAL_MSEC 1000       /* Between two times that one speaks. */
#define AGENTS_LOST_MSEC 3500           /* One that is silent so long is
                                         * lost. */

enum agent_state {
    AGENT_UP,
    AGENT_STOPPED,              /* Only its companion, which registers it,
                                 * runs. */
    AGENT_LEFT,                 /* It need not be waited for any more. */
};

/* What an agent says.  A number is -1 if it does not say it. */
struct agent_words {
    enum agent_state state;
    char *version;              /* Or NULL. */
    char *kernel;               /* Or NULL. */
    char *addresses;            /* With commas between them, or NULL. */
    int64_t cpu;                /* Percent of the machine that is busy. */
    int64_t connections;        /* Migrated ones. */
    int64_t accept_queue;       /* In the longest one, connections. */
};

void agent_words_uninit(struct agent_words *);

struct agent {
    struct hmap_node node;      /* In the agents' 'all', by 'name'. */
    char *name;                 /* Of its host. */
    struct agent_words words;   /* The last ones, ... */
    long long int heard;        /* ... and when, as of time_msec(). */
};

struct agents {
    struct hmap all;
    bool active;                /* Somebody wants to know. */
    long long int since;        /* When that began, as of time_msec(). */
};

void agents_init(struct agents *);
void agents_uninit(struct agents *);

/* Whether this is the active controller.  One that becomes so knows of
 * nobody. */
void agents_set_active(struct agents *, bool active);

/* The agent of host 'name' has said '*words', whose strings are taken over. */
void agents_hear(struct agents *, const char *name,
                 const struct agent_words *words);

/* The agent of host 'name', or NULL if there was none, or it has left. */
const struct agent *agents_find(const struct agents *, const char *name);

/* How the agent of host 'name' is: "up", "stopped" or "lost", or NULL if there
 * is none.  'status' is that of the host, as it was written last, perhaps by
 * another controller. */
const char *agents_state(const struct agents *, const char *name,
                         const struct smap *status);

#endif /* agents.h */
