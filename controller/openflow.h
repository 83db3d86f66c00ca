/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENFLOW_H
#define OPENFLOW_H 1

/* The OpenFlow connection to a switch.
 *
 * It keeps a copy of the flows and groups that the switch has and are the
 * controller's: what it had when it was connected, and every change since,
 * whoever made it.  It compares that with what is wanted, and sends the
 * difference in bundles, which take effect at once or not at all.  So what is
 * right is never touched, and what is changed by somebody else is changed
 * back.
 *
 * Flows are the controller's by their cookie.  Flows with other cookies are
 * left alone, unless one has table, priority and match of a flow that is
 * wanted.  All groups are the controller's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flows.h"
#include "openvswitch/hmap.h"
#include "openvswitch/ofp-port.h"

struct openflow;

/* What the connection asks of its owner. */
struct openflow_ops {
    /* Fills an empty table with 'section' of the flows that the switch is to
     * have. */
    void (*wanted)(void *aux, enum flows_section section, struct flow_table *);

    /* The switch has sent a frame to the controller. */
    void (*packet_in)(void *aux, ofp_port_t in_port, const void *frame,
                      size_t len);
};

/* A port of the switch, as it was last reported. */
struct openflow_port {
    struct hmap_node node;      /* In openflow_ports(), by hash_ofp_port(). */
    struct ofputil_phy_port pp;
};

/* A connection to the bridge with datapath ID 'dpid' at 'remote'; it is made
 * as soon, and as often, as possible. */
struct openflow *openflow_create(const char *remote, uint64_t dpid,
                                 const struct openflow_ops *, void *aux);
void openflow_destroy(struct openflow *);

/* Does what there is to do.  Flows are changed only if 'may_program'. */
void openflow_run(struct openflow *, bool may_program);
void openflow_wait(struct openflow *);

/* Whether the switch is connected, and is known to the full. */
bool openflow_is_ready(const struct openflow *);

/* Of a switch that is ready: whether it has flows of the controller's. */
bool openflow_has_flows(const struct openflow *);

/* Its ports, which stay the same as long as the number does that is returned
 * by openflow_ports_seqno().  That is so also while it is not ready. */
const struct hmap *openflow_ports(const struct openflow *);
unsigned int openflow_ports_seqno(const struct openflow *);

/* Something has changed that 'section' of the wanted flows follows from. */
void openflow_touch(struct openflow *, enum flows_section);

/* Whether the switch has what is wanted. */
bool openflow_is_synced(const struct openflow *);

/* Why the switch is not programmed as it should be, although it is connected,
 * or NULL. */
const char *openflow_error(const struct openflow *);

/* Why the last attempt to connect has failed, as an errno value or EOF, or 0 if
 * there is a connection. */
int openflow_connection_error(const struct openflow *);

/* Has the switch send a frame out of 'port', if it is connected. */
void openflow_send(struct openflow *, ofp_port_t port, const void *frame,
                   size_t len);

/* Has the switch take a frame in at FLOWS_TABLE_OWN, if it is connected. */
void openflow_submit(struct openflow *, const void *frame, size_t len);

#endif /* openflow.h */
