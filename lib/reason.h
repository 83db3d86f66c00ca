/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REASON_H
#define REASON_H 1

#include "messages.h"

/* What people are told of 'reason', a host's for not taking a connection: a
 * word, such as "no-listener". */
static inline const char *
reason_name(enum migrate_reason reason)
{
    switch (reason) {
    case MIGRATE_REASON_NO_LISTENER: return "no-listener";
    case MIGRATE_REASON_BACKLOG: return "backlog";
    case MIGRATE_REASON_KERNEL: return "kernel";
    case MIGRATE_REASON_TABLE: return "table";
    case MIGRATE_REASON_FLOW_ID: return "flow-id";
    case MIGRATE_REASON_CLOSED: return "closed";
    case MIGRATE_REASON_BUSY: return "busy";
    case MIGRATE_REASON_NONE:
    case MIGRATE_N_REASONS:
    default: return "silence";
    }
}

#endif /* reason.h */
