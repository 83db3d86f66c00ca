/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_H
#define SIM_H 1

/* A world of clients, hosts and one engine or two between them, with links that lose,
 * duplicate, delay and corrupt.  Everything follows from a seed: the same
 * seed gives the same run, to the last bit.  An odd one gives it in IPv6. */

#include "migrate.h"

#define SIM_HOSTS 3
#define SIM_CLIENTS 4
#define SIM_SWITCHES 2

/* What a link does to frames, in parts of 1000. */
struct sim_link {
    unsigned int loss;
    unsigned int duplication;
    unsigned int corruption;    /* One bit is turned, not in Ethernet's own
                                 * header. */
    unsigned int delay_max;     /* Milliseconds; from 0: reorders. */
};

enum sim_host_mood {
    HOST_WILLING,
    HOST_REFUSES,               /* As if nothing listened. */
    HOST_DIES,                  /* Silent from a random moment on. */
    HOST_STALLS,                /* Infuses, but its agent never confirms. */
    HOST_REBOOTS,               /* Dies, and is back without what it had. */
    HOST_STOPS,                 /* Stands still for 5 seconds, as when it is
                                 * suspended. */
    HOST_AGENT_STOPS,           /* Its agent does, not its kernel. */
};

struct sim_config {
    const char *name;
    struct sim_link client_link;    /* Clients <-> switch, hosts -> clients. */
    struct sim_link host_link;      /* Switch <-> hosts. */
    struct sim_link controller_link;    /* Switch <-> controller. */
    unsigned int decide_timeout;    /* Of the service. */
    enum sim_host_mood moods[SIM_HOSTS];
    enum service_protocol protocol;
    size_t request_max;         /* Bytes; requests are random in size... */
    size_t segment_max;         /* ...and in how they are cut. */
    bool shuffle;               /* Clients send their segments in any order. */
    bool nonsense;              /* Requests are not HTTP. */
    bool slow_server;           /* Takes 1 to 3 seconds to answer. */
    bool one_port;              /* Clients take turns at one address and port;
                                 * some leave without a word. */
    bool guarded;               /* For closed sockets, only what may be of their
                                 * connection is answered, as the agent sees
                                 * to. */
    bool two_switches;
    unsigned int flips;         /* How often clients go by the other one: parts
                                 * of 1000 each millisecond. */
    bool switch_dies;           /* The first one, at a random moment... */
    unsigned int away;          /* ...and is back after so many ms at most; 0:
                                 * never. */
    bool switch_stops;          /* The first one's process, for 5 seconds. */
    bool copies_fork;           /* What is doubled on a client's path reaches
                                 * both switches. */
    bool by_client;             /* Hosts are chosen by the client's address. */
    bool keys_change;           /* By steps, in the middle. */
    bool clock_set;             /* So is the time of day. */
    bool wraps;                 /* Flow IDs run over. */
};

/* What became of the clients of one run. */
struct sim_result {
    unsigned int served;        /* Got their own bytes back, all of them. */
    unsigned int refused;       /* Got an error response or a reset. */
    unsigned int hung;          /* Neither, to the end. */
    unsigned int lost;          /* Neither, as a switch died that had
                                 * acknowledged what no host has got. */
    unsigned int reset;         /* Although a host had their connection. */
    unsigned int changed;       /* Got or delivered a wrong byte. */
    unsigned int doubled;       /* Were infused into more than one stack. */
    unsigned int unsure;        /* Were infused into one, and into another that
                                 * died or stopped before it could say so. */
    unsigned int late;          /* Handoffs neither confirmed nor refused by
                                 * their deadline. */
    unsigned int leaked;        /* Records left when all was over. */
    uint64_t counters[N_COUNTERS];
};

/* Runs 'config' with 'seed'. */
void sim_run(const struct sim_config *config, uint64_t seed,
             struct sim_result *result);

#endif /* sim.h */
