/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPORTS_H
#define REPORTS_H 1

/* Collects what switches are to be told, and tells them in few messages. */

#include <stdint.h>

#include "lib/seal.h"

#define REPORTS_MAX 80              /* Records a message: fits any MTU. */

struct reports_peer;
struct switches;

struct reports {
    int fd;                         /* udp.h. */
    __be32 epoch;                   /* This host's. */
    const struct keyring *keyring;
    const struct switches *switches;
    struct reports_peer *peers;     /* With something to be told. */
    size_t n_peers, allocated_peers;
    uint64_t n_records, n_messages, n_errors;   /* Sent, or failed to be. */
};

void reports_init(struct reports *, int fd, __be32 epoch,
                  const struct keyring *, const struct switches *);
void reports_destroy(struct reports *);

/* Adds 'report', from this host's address 'host', for the switch 'to'. */
void reports_add(struct reports *, const struct migrate_address *host,
                 const struct migrate_address *to,
                 const struct migrate_report *report);

/* Sends all that was added. */
void reports_flush(struct reports *);

#endif /* reports.h */
