/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETLINK_H
#define NETLINK_H 1

/* What the agent asks of the kernel in netlink.  All calls block, for the
 * kernel's answer only. */

#include <stdbool.h>

#include "lib/address.h"
#include "bpf/migrator-shared.h"

/* Marks the agent's routes as its own (rtnetlink(7) rtm_protocol). */
#define NETLINK_ROUTE_PROTOCOL 171

/* Makes 'a' an address of this host, or no longer: a route of type 'local',
 * without which the stack would not take packets for it.  netlink_add_local()
 * returns 0 also if 'a' is local already, and tells in '*ours' whether the
 * route is the agent's.  Returns 0 or a positive errno. */
int netlink_add_local(const struct migrate_address *a, bool *ours);
int netlink_delete_local(const struct migrate_address *a);

/* Ends the TCP connection 't' of this host.  Returns 0, ENOENT if there is
 * none, EOPNOTSUPP if the kernel lacks CONFIG_INET_DIAG_DESTROY, or another
 * positive errno. */
int netlink_destroy_socket(const struct tuple *t);

#endif /* netlink.h */
