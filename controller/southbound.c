/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "southbound.h"

#include <stdlib.h>

#include "controller/ovs-migrate-idl.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(southbound);

#define LOCK "ovs_migrate_active"

struct southbound {
    struct ovsdb_idl_loop loop;
    char *name;
    bool active;
    long long int since;        /* When 'active' changed, seconds since 1970. */
};

struct southbound *
southbound_create(const char *remote, const char *name)
{
    struct southbound *sb = xzalloc(sizeof *sb);

    sb->loop = (struct ovsdb_idl_loop) OVSDB_IDL_LOOP_INITIALIZER(
        ovsdb_idl_create(remote, &omrec_idl_class, true, true));
    sb->name = xstrdup(name);
    ovsdb_idl_set_lock(sb->loop.idl, LOCK);
    return sb;
}

void
southbound_destroy(struct southbound *sb)
{
    if (sb) {
        ovsdb_idl_loop_destroy(&sb->loop);
        free(sb->name);
        free(sb);
    }
}

/* Sees to it that the database says who is active. */
static void
set_active(const struct southbound *sb, const struct omrec_fabric *fabric)
{
    struct smap active = SMAP_INITIALIZER(&active);

    smap_add(&active, "name", sb->name);
    smap_add_format(&active, "since", "%lld", sb->since);
    smap_add(&active, "version", OVM_VERSION);
    if (!smap_equal(&active, &fabric->active)) {
        omrec_fabric_set_active(fabric, &active);
    }
    smap_destroy(&active);
}

void
southbound_run(struct southbound *sb)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_loop_run(&sb->loop);
    struct ovsdb_idl *idl = sb->loop.idl;
    const struct omrec_fabric *fabric = omrec_fabric_first(idl);

    if (sb->active != ovsdb_idl_has_lock(idl)) {
        sb->active = !sb->active;
        sb->since = time_wall();
        VLOG_INFO("this controller is %s", sb->active ? "active now"
                  : "not active any more");
    }
    if (sb->active && txn && fabric) {
        set_active(sb, fabric);
    }
    ovsdb_idl_loop_commit_and_wait(&sb->loop);
}

bool
southbound_is_active(const struct southbound *sb)
{
    return sb->active;
}
