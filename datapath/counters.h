/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COUNTERS_H
#define COUNTERS_H 1

/* What happened to frames, by name.  Every frame that goes no further, and
 * every step of a connection's life, is counted under one of these. */

#define MIGRATE_COUNTERS                                                     \
    /* Clients. */                                                           \
    COUNTER(SYN, "syn", "SYNs answered with a cookie")                       \
    COUNTER(PROBE, "probe", "keepalive probes and empty closes answered "    \
            "without a record")                                              \
    COUNTER(SYN_ACK_AGAIN, "syn-ack-again", "SYN-ACKs sent again, because "  \
            "the client may wait for the server")                            \
    COUNTER(ACK_DROP, "ack-drop", "empty ACKs of a handshake, not needed")   \
    COUNTER(GATHER, "gather", "connections that sent data, proven by "       \
            "cookie")                                                        \
    COUNTER(DELAYED_ACK, "delayed-ack", "ACKs for incomplete requests")      \
    COUNTER(UNREAD, "unread", "connections decided without a request, whose "\
            "clients seemed to wait for the server")                         \
    COUNTER(ENCAPSULATED, "encapsulated", "packets sent on under a flow ID") \
    COUNTER(ENCAPSULATED_BYTES, "encapsulated-bytes",                        \
            "bytes of these, Ethernet header included")                      \
    COUNTER(KERNEL, "kernel", "of these packets, those that the kernel "     \
            "sent on")                                                       \
    /* Questions to the controller. */                                       \
    COUNTER(DECIDE, "decide", "connections that the controller was asked "   \
            "about")                                                         \
    COUNTER(DECIDED, "decided", "of these, those that went where it said")   \
    COUNTER(DECIDE_DECLINED, "decide-declined", "of these, those that it "   \
            "left to the pool's policy")                                     \
    COUNTER(DECIDE_UNFIT, "decide-unfit", "of these, those that it gave to " \
            "a host that may not have them")                                 \
    COUNTER(DECIDE_TIMEOUT, "decide-timeout", "of these, those that it did " \
            "not answer in time")                                            \
    COUNTER(DECIDE_SKIPPED, "decide-skipped", "connections that it was to "  \
            "be asked about, but did not answer others before")              \
    /* Handoffs. */                                                          \
    COUNTER(BUNDLE, "bundle", "bundles sent")                                \
    COUNTER(BUNDLE_BYTES, "bundle-bytes", "bytes of these, Ethernet header " \
            "included")                                                      \
    COUNTER(BUNDLE_RETRANSMIT, "bundle-retransmit", "bundles sent again")    \
    COUNTER(CONTINUATION, "continuation", "packets of requests longer than " \
            "a bundle")                                                      \
    COUNTER(CONFIRMED, "confirmed", "handoffs confirmed")                    \
    COUNTER(CONFIRMED_ACK, "confirmed-ack", "of these, by the client's "     \
            "ACK")                                                           \
    COUNTER(ADOPTED, "adopted", "connections learned of from the host that " \
            "has them")                                                      \
    COUNTER(TAKEN_OVER, "taken-over", "connections of other switches whose " \
            "packets came here")                                             \
    COUNTER(REPAIRED, "repaired", "connections that their host turned out "  \
            "not to have any more")                                          \
    COUNTER(LOST, "lost", "connections that a host has no more")             \
    COUNTER(RELEASED, "released", "connections that ended at the host")      \
    COUNTER(REFUSED, "refused", "handoffs that a host refused")              \
    COUNTER(SILENT, "silent", "handoffs that a host did not answer")         \
    COUNTER(RETARGETED, "retargeted", "connections offered to another host") \
    COUNTER(ABORT, "abort", "aborts sent for handoffs given up")             \
    COUNTER(CLIENT_RESET, "client-reset", "connections reset by the client " \
            "before they were confirmed")                                    \
    COUNTER(REPLACED, "replaced", "records replaced by a new connection "    \
            "from the same port")                                            \
    COUNTER(IDLE, "idle", "records dropped because nothing came for long")   \
    /* Answers of the engine's own. */                                       \
    COUNTER(REJECT_400, "reject-400", "malformed requests")                  \
    COUNTER(REJECT_408, "reject-408", "requests not completed in time")      \
    COUNTER(REJECT_431, "reject-431", "request heads too large")             \
    COUNTER(REJECT_503, "reject-503", "requests without a host")             \
    COUNTER(RESET, "reset", "connections reset")                             \
    COUNTER(LOST_HINT, "lost-hint", "unasked words to clients whose "        \
            "connection is lost")                                            \
    /* Drops. */                                                             \
    COUNTER(DROP_MALFORMED, "drop-malformed", "frames with broken headers")  \
    COUNTER(DROP_FRAGMENT, "drop-fragment", "IP fragments")                  \
    COUNTER(DROP_EXTENDED, "drop-extended", "IPv6 packets with extension "   \
            "headers")                                                       \
    COUNTER(DROP_NOT_TCP, "drop-not-tcp", "other than TCP and ICMP to a "    \
            "service")                                                       \
    COUNTER(DROP_FLAGS, "drop-flags", "senseless TCP flags")                 \
    COUNTER(DROP_CHECKSUM, "drop-checksum", "wrong checksums")               \
    COUNTER(DROP_FAMILY, "drop-family", "SYNs in an IP version without a "   \
            "migration address")                                             \
    COUNTER(DROP_NO_SERVICE, "drop-no-service", "packets for a service id "  \
            "that is not configured")                                        \
    COUNTER(DROP_COOKIE, "drop-cookie", "data of no known connection and "   \
            "without a right cookie")                                        \
    COUNTER(DROP_AHEAD, "drop-ahead", "packets that were before the first "  \
            "data of a new connection from the same port")                   \
    COUNTER(DROP_UNSETTLED, "drop-unsettled", "first packets of connections "\
            "that may be live already, before all hosts have said what they "\
            "have")                                                          \
    COUNTER(DROP_NO_RECORD, "drop-no-record", "RSTs and FINs of no known "   \
            "connection")                                                    \
    COUNTER(DROP_WINDOW, "drop-window", "segments outside the window")       \
    COUNTER(DROP_TABLE_FULL, "drop-table-full", "new connections beyond the "\
            "most there may be")                                             \
    COUNTER(DROP_EVICTED, "drop-evicted", "oldest unfinished requests given "\
            "up for newer ones")                                             \
    COUNTER(DROP_NO_HOST, "drop-no-host", "packets for a host whose "        \
            "Ethernet address is unknown")                                   \
    /* Control. */                                                           \
    COUNTER(ARP_REPLY, "arp-reply", "ARP requests answered")                 \
    COUNTER(ND_ADVERTISE, "nd-advertise", "neighbor solicitations answered") \
    COUNTER(NEIGHBOR, "neighbor", "what others say of where they are by ARP "\
            "and neighbor discovery")                                        \
    COUNTER(DROP_ND, "drop-nd", "neighbor discovery that breaks its rules")  \
    COUNTER(ECHO_REPLY, "echo-reply", "pings answered")                      \
    COUNTER(ICMP_ERROR, "icmp-error", "ICMP errors sent on to the host of "  \
            "their connection")                                              \
    COUNTER(DROP_ICMP_UNKNOWN, "drop-icmp-unknown", "ICMP errors about "     \
            "connections that no host has")                                  \
    COUNTER(DROP_ICMP, "drop-icmp", "other ICMP")                            \
    COUNTER(VIP_OVERFLOW, "vip-overflow", "SYNs to more service addresses "  \
            "than hosts can be told of")                                     \
    COUNTER(HELLO, "hello", "hellos sent")                                   \
    COUNTER(STATUS, "status", "answers to them")                             \
    COUNTER(AUDIT, "audit", "questions what connections a host has")         \
    COUNTER(NEWS, "news", "messages of what became of other switches' "      \
            "connections")                                                   \
    COUNTER(LIST, "list", "questions of the controller for connections")     \
    COUNTER(DROP_SEAL, "drop-seal", "control messages with a wrong seal, "   \
            "length or version")                                             \
    COUNTER(DROP_STRANGER, "drop-stranger", "control messages from a host "  \
            "that is not configured")                                        \
    COUNTER(DROP_CONTROL, "drop-control", "control messages, and other "     \
            "frames for the engine, that make no sense here")                \
    COUNTER(DROP_OLD, "drop-old", "control messages that came before, or "   \
            "are meant for an engine before this")                           \
    COUNTER(REPORT_UNKNOWN, "report-unknown", "reports of unknown flows; "   \
            "repeated releases among them")

enum migrate_counter {
#define COUNTER(ENUM, NAME, TEXT) COUNTER_##ENUM,
    MIGRATE_COUNTERS
#undef COUNTER
    N_COUNTERS
};

#endif /* counters.h */
