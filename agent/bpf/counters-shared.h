/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 OR BSD-2-Clause */
#ifndef COUNTERS_SHARED_H
#define COUNTERS_SHARED_H 1

/* Everything that the programs count: symbol, the name that people see, what
 * it means.  A packet that is dropped is counted under exactly one. */
#define COUNTERS                                                            \
    /* Messages. */                                                         \
    COUNTER(BAD_LENGTH, "bad_length", "messages of a wrong length, or in "    \
            "fragments, or behind IPv6 extension headers")                   \
    COUNTER(BAD_VERSION, "bad_version", "messages of another version")      \
    COUNTER(UNKNOWN_KEY, "unknown_key", "messages sealed with no key of "   \
            "ours")                                                         \
    COUNTER(BAD_SEAL, "bad_seal", "messages with a wrong seal")             \
    /* Bundles. */                                                          \
    COUNTER(BUNDLE, "bundles", "bundles with a right seal")                 \
    COUNTER(MALFORMED, "malformed", "sealed bundles that make no sense")    \
    COUNTER(DUPLICATE, "duplicates", "bundles of connections already here") \
    COUNTER(LATE, "late_duplicates", "bundles of connections that ended")   \
    COUNTER(NO_HELLO, "no_hello", "bundles of a switch that did not say "   \
            "HELLO lately, or as another incarnation")                      \
    COUNTER(OLD, "old_bundles", "bundles of flow IDs of some time ago")     \
    COUNTER(INFUSED, "infused", "connections handed to the kernel")         \
    COUNTER(INFUSE_FAILED, "infuse_failed",                                 \
            "infusions that failed after their bundle was opened")          \
    COUNTER(ESTABLISHED, "established", "connections the kernel took")      \
    COUNTER(ENDED, "ended", "established connections that ended")           \
    COUNTER(REPLACED, "replaced", "ended connections whose client came back") \
    COUNTER(TIME_WAIT, "time_wait_ended", "TIME_WAIT sockets ended")        \
    COUNTER(OLD_SOCKET, "old_socket_ended",                                 \
            "live sockets ended because their client came back")            \
    COUNTER(ANSWER_FAILED, "answer_failed", "answers that could not be made") \
    /* Refusals. */                                                         \
    COUNTER(REFUSED_NO_LISTENER, "refused_no_listener",                     \
            "refused: nothing listens on the address and port")             \
    COUNTER(REFUSED_BACKLOG, "refused_backlog",                             \
            "refused: the server's accept queue is full")                   \
    COUNTER(REFUSED_KERNEL, "refused_kernel",                               \
            "refused: the kernel would not take the state")                 \
    COUNTER(REFUSED_MPTCP, "refused_mptcp",                                 \
            "refused: the server listens with MPTCP")                       \
    COUNTER(REFUSED_TABLE, "refused_table",                                 \
            "refused: the mapping table is full")                           \
    COUNTER(REFUSED_FLOW_ID, "refused_flow_id",                             \
            "refused: the flow ID maps another connection")                 \
    COUNTER(REFUSED_BUSY, "refused_busy",                                   \
            "refused: a socket of this host has the same addresses")        \
    COUNTER(REFUSED_AGAIN, "refused_again", "duplicates of refused bundles") \
    /* Encapsulated packets. */                                             \
    COUNTER(FORWARDED, "forwarded", "packets mapped to their connection")   \
    COUNTER(UNKNOWN_FLOW, "unknown_flow", "packets of no known flow ID")    \
    COUNTER(EARLY, "early", "packets that came before their connection")    \
    COUNTER(STALE, "stale", "packets of connections replaced or aborted, "  \
            "or of others than the one that ended")                         \
    COUNTER(FLOW_SYN, "flow_syn", "packets of a flow ID with SYN set")      \
    COUNTER(FLOW_FRAGMENT, "flow_fragment", "IP fragments, or packets with " \
            "IPv6 extension headers, from a switch")                         \
    COUNTER(FLOW_ERROR, "flow_error", "packets that could not be rewritten") \
    /* Egress. */                                                           \
    COUNTER(NEIGHBOR_SILENCED, "neighbor_silenced",                         \
            "ARP or ND announcements of a service address, not sent")       \
    COUNTER(NEIGHBOR_REWRITTEN, "neighbor_rewritten",                       \
            "ARP or ND requests from a service address, rewritten")         \
    COUNTER(RST_SILENCED, "rst_silenced", "resets of aborted connections")  \
    /* Events. */                                                           \
    COUNTER(EVENT_LOST, "events_lost", "events for which there was no room")

enum counter {
#define COUNTER(SYMBOL, NAME, MEANING) COUNTER_##SYMBOL,
    COUNTERS
#undef COUNTER
    N_COUNTERS
};

#endif /* counters-shared.h */
