/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "replica.h"

#include "controller/ovs-migrate-idl.h"
#include "openvswitch/vlog.h"
#include "stream.h"

VLOG_DEFINE_THIS_MODULE(replica);

/* Who is silent for so long is asked for an answer, and is given up if he is
 * silent as long again. */
#define PROBE_MSEC 1500

struct ovsdb_idl *
replica_create(const char *remote)
{
    struct ovsdb_idl *idl = ovsdb_idl_create(remote, &omrec_idl_class, true,
                                             true);

    if (stream_or_pstream_needs_probes(remote) > 0) {
        ovsdb_idl_set_probe_interval(idl, PROBE_MSEC);
    }
    return idl;
}

void
replica_set_probes(const struct ovsdb_idl *idl)
{
    const struct omrec_connection *row;
    const int64_t probe = PROBE_MSEC;

    OMREC_CONNECTION_FOR_EACH (row, idl) {
        if (!row->n_inactivity_probe) {
            omrec_connection_set_inactivity_probe(row, &probe, 1);
        }
    }
}

void
replica_check_probes(const struct ovsdb_idl *idl, const char *remote)
{
    if (stream_or_pstream_needs_probes(remote) > 0
        && !omrec_connection_first(idl)) {
        VLOG_WARN("should this controller be cut off from %s, another one "
                  "will be active after 10 s only: have the database listen "
                  "by its table Connection, as ovs-migrate(5) says", remote);
    }
}
