/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLEET_H
#define FLEET_H 1

/* The switches that the controller programs, which are those of the database
 * OVS_Migrate, each with its connections. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flows.h"
#include "openvswitch/hmap.h"
#include "openvswitch/ofp-port.h"
#include "pool-weights.h"
#include "sset.h"
#include "switch-rows.h"
#include "uuid.h"

struct fleet;
struct omrec_pool;
struct openflow;
struct ovsdb_idl;
struct switch_db;
struct tally;
struct topology;
struct topology_switch;

/* A row of the table Switch. */
struct fleet_switch {
    struct hmap_node node;      /* In the fleet's 'switches', by 'uuid'. */
    struct fleet *fleet;
    struct uuid uuid;
    uint64_t dpid;
    char *openflow;             /* The row's columns. */
    char *ovsdb;
    size_t index;               /* In the fabric; the owner sets it. */

    struct openflow *of;        /* NULL if there is no way to it. */
    unsigned int ports_seqno;   /* Of the ports that 'ts' has. */
    bool may_program;
    struct topology_switch *ts;

    struct switch_db *db;       /* NULL if there is no way to it. */
    bool db_changed;            /* What 'db' is made from has changed. */
    struct sset links;          /* Of 'ts'. */
};

/* What the fleet asks of its owner. */
struct fleet_ops {
    /* Fills an empty table with 'section' of the flows that the switch is to
     * have. */
    void (*wanted)(void *aux, const struct fleet_switch *, enum flows_section,
                   struct flow_table *);

    /* Stores the weights in the switch of 'pool->key_hosts'.  Returns whether
     * they are the same in all switches. */
    bool (*weights)(void *aux, const struct fleet_switch *,
                    const struct omrec_pool *pool, int64_t weights[]);

    /* The switch has sent a frame to the controller, which is no probe. */
    void (*packet_in)(void *aux, struct fleet_switch *, ofp_port_t in_port,
                      const void *frame, size_t len);
};

struct fleet {
    struct ovsdb_idl *idl;      /* OVS_Migrate. */
    struct topology *topology;
    const struct fleet_ops *ops;
    void *aux;
    struct hmap switches;       /* Of "struct fleet_switch"es. */
    long long int patient_until;
    unsigned int links_seqno;   /* Of 'topology', that 'links' are of. */
    struct pool_weights_cache weights;
};

/* A fleet without switches.  It tells 'topology' what switches say. */
void fleet_init(struct fleet *, struct ovsdb_idl *, struct topology *,
                const struct fleet_ops *, void *aux);
void fleet_uninit(struct fleet *);

/* The weights of hosts in the switch, which lives longer than these. */
struct switch_weights fleet_weights(const struct fleet_switch *);

/* Makes the switches those of the database.  Returns whether some have come or
 * gone. */
bool fleet_update(struct fleet *);

/* Something has changed that 'section' of the wanted flows follows from. */
void fleet_touch(struct fleet *, enum flows_section section);

/* Has the switch send 'frame' out of 'port', if it is connected. */
void fleet_send(struct fleet *, uint64_t dpid, ofp_port_t port,
                const void *frame, size_t len);

/* Has the switch take 'frame' in, as one for its engine, if it is
 * connected. */
void fleet_submit(struct fleet *, uint64_t dpid, const void *frame,
                  size_t len);

/* Hears what switches say, and changes the flows of those that may be. */
void fleet_run_openflow(struct fleet *);

/* Gives leave to change flows, as those that are wanted follow from what is
 * known now.  A switch that has some goes on with them until enough is known
 * for better ones. */
void fleet_permit(struct fleet *);

/* Whether each switch that is connected has the flows it is to have. */
bool fleet_has_flows(const struct fleet *);

/* Brings the databases of switches up to date.  'changed' tells that the
 * configuration is not what it was, 'pools' of which pools alone it is not. */
void fleet_run_db(struct fleet *, bool changed, const struct sset *pools);

/* Whether each switch that is connected has all that it is to have. */
bool fleet_is_synced(const struct fleet *);

/* Adds to 'tally' what 'n' switches say, from '*at' on, which is zeros at
 * first.  Returns whether there are no more. */
bool fleet_count(const struct fleet *, struct hmap_position *at, size_t n,
                 struct tally *tally);

/* Causes poll_block() to wake up when fleet_run_openflow() is to be called. */
void fleet_wait(const struct fleet *);

#endif /* fleet.h */
