/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "events.h"
#include "fleet.h"
#include "openflow.h"
#include "openvswitch/dynamic-string.h"
#include "smap.h"
#include "switch-db.h"
#include "tally.h"
#include "topology.h"
#include "util.h"

const struct omrec_switch *
report_find_switch(const struct ovsdb_idl *idl, uint64_t dpid)
{
    const struct omrec_switch *row;

    OMREC_SWITCH_FOR_EACH (row, idl) {
        if (strtoull(row->dpid, NULL, 16) == dpid) {
            return row;
        }
    }
    return NULL;
}

static const struct omrec_link *
find_link(const struct omrec_switch *sw, const char *port)
{
    for (size_t i = 0; i < sw->n_links; i++) {
        if (!strcmp(sw->links[i]->port, port)) {
            return sw->links[i];
        }
    }
    return NULL;
}

/* Writes the link that begins at 'port' of 'sw'. */
static void
write_link(struct events *events, const struct omrec_switch *sw,
           const struct topology_port *port)
{
    const struct omrec_link *row = find_link(sw, port->name);
    const struct omrec_switch *peer = (port->peer_port
                                       ? report_find_switch(events->idl,
                                                            port->peer)
                                       : NULL);
    const char *state = topology_link_is_up(port) ? "up" : "down";
    struct smap status;

    if (!row) {
        char *name = xasprintf("%s:%s", sw->name, port->name);

        row = omrec_link_insert(events->txn);
        omrec_link_set_name(row, name);
        omrec_link_set_port(row, port->name);
        omrec_switch_update_links_addvalue(sw, row);
        free(name);
    } else if (events_is_change(&row->status, "state", state)) {
        bool up = topology_link_is_up(port);

        events_add(events, up ? "info" : "warning",
                   up ? "link-up" : "link-down", "links", row->name,
                   "link %s is %s", row->name, state);
    }
    omrec_link_set_peer(row, peer);
    omrec_link_set_peer_port(row, peer ? port->peer_port : NULL);
    smap_init(&status);
    smap_add(&status, "state", state);
    omrec_link_set_status(row, &status);
    smap_destroy(&status);
}

void
report_links(struct events *events, const struct topology *t)
{
    const struct omrec_switch *sw;

    OMREC_SWITCH_FOR_EACH (sw, events->idl) {
        const struct topology_switch *ts
            = topology_find_switch(t, strtoull(sw->dpid, NULL, 16));
        struct shash_node *node;

        if (!ts) {
            continue;
        }
        SHASH_FOR_EACH (node, &ts->ports) {
            const struct topology_port *port = node->data;

            if (port->role == TOPOLOGY_LINK) {
                write_link(events, sw, port);
            }
        }
    }
}

/* Notes that a connection to the switch, 'key' of its status, is now in
 * 'state'. */
static void
note_connection(struct events *events, const struct omrec_switch *row,
                const char *key, bool connected)
{
    const char *state = connected ? "connected" : "disconnected";

    if (events_is_change(&row->status, key, state)) {
        char *kind = xasprintf("switch-%s", state);

        events_add(events, connected ? "info" : "error", kind, "switches",
                   row->name, "%s of switch %s is %s",
                   !strcmp(key, "ovsdb") ? "the database" : "OpenFlow",
                   row->name, state);
        free(kind);
    }
}

/* Adds to 'ds' what is wrong with the connection to 'remote', column 'key' of a
 * switch, if something is: 'error', or 'connection_error', or that there is
 * none. */
static void
put_error(struct ds *ds, const char *key, const char *remote,
          const char *error, int connection_error)
{
    const char *separator = ds->length ? "; " : "";

    if (!remote) {
        ds_put_format(ds, "%sset its column %s", separator, key);
    } else if (error) {
        ds_put_format(ds, "%s%s", separator, error);
    } else if (connection_error) {
        ds_put_format(ds, "%s%s, %s: %s", separator, key, remote,
                      ovs_retval_to_string(connection_error));
    }
}

static void
write_switch(struct events *events, const struct omrec_switch *row,
             const struct fleet_switch *sw, const struct omrec_fabric *fabric,
             bool current)
{
    bool ovsdb = sw->db && switch_db_is_connected(sw->db);
    bool openflow = sw->of && openflow_is_ready(sw->of);
    struct smap status = SMAP_INITIALIZER(&status);
    struct ds error = DS_EMPTY_INITIALIZER;

    note_connection(events, row, "ovsdb", ovsdb);
    note_connection(events, row, "openflow", openflow);
    smap_add(&status, "ovsdb", ovsdb ? "connected" : "disconnected");
    smap_add(&status, "openflow", openflow ? "connected" : "disconnected");
    put_error(&error, "openflow", sw->openflow,
              sw->of ? openflow_error(sw->of) : NULL,
              sw->of ? openflow_connection_error(sw->of) : 0);
    put_error(&error, "ovsdb", sw->ovsdb,
              sw->db ? switch_db_error(sw->db) : NULL,
              sw->db ? switch_db_connection_error(sw->db) : 0);
    if (error.length) {
        smap_add(&status, "error", ds_cstr(&error));
    }
    ds_destroy(&error);
    omrec_switch_set_status(row, &status);
    smap_destroy(&status);
    if (current && openflow && openflow_is_synced(sw->of)
        && ovsdb && switch_db_is_synced(sw->db)) {
        omrec_switch_set_cur_cfg(row, fabric->next_cfg);
    }
}

void
report_switches(struct events *events, const struct fleet *fleet,
                const struct omrec_fabric *fabric, bool current)
{
    const struct fleet_switch *sw;

    HMAP_FOR_EACH (sw, node, &fleet->switches) {
        const struct omrec_switch *row
            = omrec_switch_get_for_uuid(fleet->idl, &sw->uuid);

        if (row) {
            write_switch(events, row, sw, fabric, current);
        }
    }
}

/* Services. */

void
report_services(const struct ovsdb_idl *idl, const struct tally *tally)
{
    const struct omrec_service *row;

    OMREC_SERVICE_FOR_EACH (row, idl) {
        static const char *keys[] = { "connections", "handoffs" };
        const struct tally_service *s = shash_find_data(&tally->services,
                                                        row->name);
        const int64_t values[] = {
            s ? s->connections : 0, s ? s->handoffs : 0,
        };

        omrec_service_set_statistics(row, keys, values, ARRAY_SIZE(keys));
    }
}
