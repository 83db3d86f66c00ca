/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MESSAGES_H
#define MESSAGES_H 1

/* What a switch and a host say to each other: every message on the wire and
 * every constant of time that both ends must agree on.
 *
 * Messages travel in UDP, port MIGRATE_PORT to port MIGRATE_PORT, between a
 * switch's migration address and a host's address.  All of them start with
 * 'struct migrate_header', are a multiple of 8 bytes long, and are sealed:
 * 'mac' is SipHash-2-4 (siphash.h) over
 *
 *      source address (16 bytes) | destination address (16 bytes) |
 *      the first 16 bytes of the header | everything after the header
 *
 * where an IPv4 address is written as an IPv4-mapped IPv6 address
 * (RFC 4291 2.5.5.2).  The outer addresses are under the seal so that a
 * message for one host means nothing to another.
 *
 * This file is read by BPF programs as well, so it needs only kernel types.
 * The bytes are explained one by one in docs/protocol.md. */

#include <linux/types.h>

#define MIGRATE_PORT 7471           /* UDP, both ends. */
#define MIGRATE_CONTROLLER_PORT 7472    /* The same, of messages to the
                                         * controller: see below. */
#define MIGRATE_VERSION 1

#define MIGRATE_KEY_LEN 16          /* Bytes of a fabric key. */

/* The longest message, in bytes of UDP payload. */
#define MIGRATE_MESSAGE_MAX 9000

enum migrate_type {
    MIGRATE_BUNDLE = 1,         /* Switch -> host: infuse this connection. */
    MIGRATE_REPORT = 2,         /* Host -> switch: what became of flows. */
    MIGRATE_ABORT = 3,          /* Switch -> host: end these flows. */
    MIGRATE_HELLO = 4,          /* Switch -> host: are you there? */
    MIGRATE_STATUS = 5,         /* Host -> switch: the answer to HELLO. */
    MIGRATE_AUDIT = 6,          /* Switch -> host: which flows do you have? */
    MIGRATE_MAPPINGS = 7,       /* Host -> switch: the answer to AUDIT. */
    MIGRATE_DECIDE = 8,         /* Switch -> controller: which host? */
    MIGRATE_DECISION = 9,       /* Controller -> switch: the answer. */
    MIGRATE_NEWS = 10,          /* Host -> switch: what became of flows of
                                 * other switches. */
    MIGRATE_HEARD = 11,         /* Switch -> host: the answer to NEWS. */
    MIGRATE_LIST = 12,          /* Controller -> switch: which connections? */
    MIGRATE_LISTING = 13,       /* Switch -> controller: the answer. */
};

/* An IPv6 address, or an IPv4 address mapped into one. */
struct migrate_address {
    __u8 byte[16];
};

/* One TCP connection. */
struct tuple {
    struct migrate_address client;
    struct migrate_address service;
    __be16 client_port;
    __be16 service_port;
};

_Static_assert(sizeof(struct tuple) == 36, "no hole in a key");

/* Starts every message. */
struct migrate_header {
    __u8 version;               /* MIGRATE_VERSION. */
    __u8 type;                  /* enum migrate_type. */
    __u8 key_id;                /* Which key sealed it: see seal.h. */
    __u8 reserved;              /* 0. */
    __be16 length;              /* Bytes, this header included; n * 8. */
    __be16 count;               /* Records that follow, where they do. */
    __be32 epoch;               /* The sender's incarnation, not 0. */
    __be32 sequence;            /* HELLO, AUDIT: each counts up; answers echo
                                 * it.
                                 * BUNDLE: transmission number, from 0.
                                 * REPORT, NEWS: the epoch of the switch. */
    __be64 mac;                 /* The seal.  Little-endian bytes, as SipHash
                                 * writes its result. */
};

/* Bits of 'options' in a bundle: what the switch negotiated with the client
 * when it answered the SYN. */
enum {
    MIGRATE_OPT_WSCALE = 1 << 0,    /* RFC 7323 2. */
    MIGRATE_OPT_SACK = 1 << 1,      /* RFC 2018. */
    MIGRATE_OPT_TSTAMP = 1 << 2,    /* RFC 7323 3. */
};

/* MIGRATE_BUNDLE: one live connection.  After it comes the IP packet that the
 * host's stack shall see first ('packet_len' bytes, checksums correct), and
 * zeros up to 'header.length'.
 *
 * The packet's sequence number is one past the client's ISN and its
 * acknowledgment number one past the switch's, so both ISNs are in it. */
struct migrate_bundle {
    struct migrate_header header;

    /* The mapping: flow ID <-> (client, service). */
    __be32 flow_id;
    __be32 service_id;          /* Migration_Service id. */
    struct migrate_address client;
    struct migrate_address service;
    __be16 client_port;
    __be16 service_port;
    __u8 family;                /* 4 or 6: of client, service and packet. */

    /* TCP state. */
    __u8 options;               /* MIGRATE_OPT_*. */
    __u8 snd_wscale;            /* The client's shift, 0..14. */
    __u8 rcv_wscale;            /* The shift the switch promised, 0..14. */
    __be16 mss;                 /* The client's MSS, bytes. */
    __be16 packet_len;          /* Bytes of the packet after this struct. */
    __be32 tsval;               /* The client's latest TSval. */
    __be32 tsecr;               /* ... and the switch's TSval it echoed. */
    __be32 reserved;            /* 0. */
};

enum migrate_event {
    MIGRATE_CONFIRM = 1,        /* Infused: the connection is ESTABLISHED. */
    MIGRATE_REFUSE = 2,         /* Not infused, and never will be. */
    MIGRATE_RELEASE = 3,        /* The connection is closed. */
    MIGRATE_KNOWN = 4,          /* Infused earlier, under another flow ID. */
};

/* Why a host refused. */
enum migrate_reason {
    MIGRATE_REASON_NONE = 0,
    MIGRATE_REASON_NO_LISTENER = 1, /* Nothing listens on address:port. */
    MIGRATE_REASON_BACKLOG = 2,     /* The listener's accept queue is full. */
    MIGRATE_REASON_KERNEL = 3,      /* The kernel would not take the state. */
    MIGRATE_REASON_TABLE = 4,       /* The mapping table is full. */
    MIGRATE_REASON_FLOW_ID = 5,     /* The flow ID maps another connection. */
    MIGRATE_REASON_CLOSED = 6,      /* Aborted, as another flow ID. */
    MIGRATE_REASON_BUSY = 7,        /* The 4-tuple is in use by a socket that
                                     * was not migrated. */
    MIGRATE_N_REASONS
};

/* MIGRATE_REPORT: 'header.count' of these. */
struct migrate_report {
    __be32 flow_id;
    __u8 event;                 /* enum migrate_event. */
    __u8 reason;                /* enum migrate_reason. */
    __be16 reserved;            /* 0. */
    __be32 rcv_nxt;             /* CONFIRM: next byte the host expects from
                                 * the client (TCP sequence), else 0. */
    __be32 known_as;            /* KNOWN: that flow ID, else 0. */
};

/* MIGRATE_ABORT: 'header.count' of these.  The host ends the connection, if
 * there is one, without a word to the client and reports RELEASE. */
struct migrate_abort {
    __be32 flow_id;
    __be32 reserved;            /* 0. */
};

/* MIGRATE_HELLO: one of these, and then 'header.count' of the next. */
struct migrate_hello {
    __be32 next_flow_id;        /* None from here on was given out yet... */
    __be32 next_audit;          /* ...nor a sequence number of an AUDIT. */
    __be64 challenge;           /* What the host's last STATUS had. */
};

/* The addresses whose connections the switch may send.  The host makes them
 * its own. */
struct migrate_vip {
    struct migrate_address address;
};

/* MIGRATE_STATUS: one of these. */
struct migrate_status {
    __be32 connections;         /* Live migrated connections. */
    __be32 capacity;            /* The most it can hold. */
    __be32 epoch;               /* Of the HELLO that this answers. */
    __be32 others;              /* Other switches of its family that the host
                                 * hears of. */
    __be64 challenge;           /* 0: the HELLO was taken.  Else it may be an
                                 * old one, and the switch is to say another
                                 * with this in it. */
};

/* MIGRATE_AUDIT: one of these.  The host answers with those of its mappings,
 * whichever switch made them, that come next after flow ID 'after': as many as
 * fit into one message.  The switch asks on from there, and again what is not
 * answered, until it has all. */
struct migrate_audit {
    __be32 after;               /* 0: from the first. */
    __be32 number;              /* The same for all questions of an audit, but
                                 * not for the next audit. */
};

/* MIGRATE_MAPPINGS: one of these, and 'header.count' mappings by ascending
 * flow ID. */
struct migrate_slice {
    __be32 after;               /* As asked. */
    __u8 last;                  /* 1: there are no more. */
    __u8 reserved[3];           /* 0. */
};

enum migrate_mapping_state {
    MIGRATE_MAPPING_LIVE = 1,
    MIGRATE_MAPPING_ENDED = 2,  /* Lingers. */
    MIGRATE_MAPPING_ABORTED = 3, /* NEWS: its switch has taken it elsewhere, or
                                  * given it up. */
};

struct migrate_mapping {
    __be32 flow_id;
    __be32 service_id;
    struct migrate_address client;
    struct migrate_address service;
    __be16 client_port;
    __be16 service_port;
    __be32 isn;                 /* The switch's. */
    __be32 age;                 /* ms since it was infused, or ended. */
    __u8 state;                 /* enum migrate_mapping_state. */
    __u8 yours;                 /* 1: the asking switch's bundle brought it. */
    __be16 reserved;            /* 0. */
};

/* What a switch and its controller say to each other are messages as well.  A
 * message to the controller goes from the switch's migration address to the
 * same address, port MIGRATE_CONTROLLER_PORT, and the controller installs an
 * OpenFlow flow that gives it to the controller.  The answer comes from that
 * address to that address, port MIGRATE_PORT, as a packet-out. */

/* The longest of them, in bytes of UDP payload. */
#define MIGRATE_DECIDE_MAX 4096

/* MIGRATE_DECIDE: one of these, 'header.count' fields, and zeros. */
struct migrate_decide {
    __be64 token;               /* The answer has the same. */
    __be32 service_id;
    __be32 timeout;             /* ms until an answer is too late. */
    struct migrate_address client;
    struct migrate_address service;
    __be16 client_port;
    __be16 service_port;
    __be32 reserved;            /* 0. */
};

/* What a field is, and in what order they come.  There is none of what the
 * request has not; what does not fit is cut. */
enum migrate_field_type {
    MIGRATE_FIELD_POOL = 1,     /* Name of the pool to select from. */
    MIGRATE_FIELD_RULE = 2,     /* What the rule matches, as text. */
    MIGRATE_FIELD_METHOD = 3,
    MIGRATE_FIELD_HOST = 4,     /* Without port. */
    MIGRATE_FIELD_PATH = 5,
    MIGRATE_FIELD_SNI = 6,
    MIGRATE_FIELD_ALPN = 7,     /* As in TLS: lengths before names. */
    MIGRATE_FIELD_HEADER = 8,   /* Name, colon, value. */
};

struct migrate_field {
    __u8 type;                  /* enum migrate_field_type. */
    __u8 reserved;              /* 0. */
    __be16 length;              /* Bytes that follow. */
};

enum migrate_decision_verdict {
    MIGRATE_DECISION_POLICY = 0,    /* The pool's policy is to decide. */
    MIGRATE_DECISION_HOST = 1,
};

/* MIGRATE_DECISION: one of these. */
struct migrate_decision {
    __be64 token;               /* As asked, and so are those below. */
    struct migrate_address client;
    struct migrate_address service;
    __be16 client_port;
    __be16 service_port;
    __u8 verdict;               /* enum migrate_decision_verdict. */
    __u8 reserved[3];           /* 0. */
    struct migrate_address host;    /* Zeros unless the verdict is a host. */
};

/* MIGRATE_NEWS: one of these, and 'header.count' mappings.  The next message
 * of the kind is sent when the switch has answered this one, with
 * MIGRATE_HEARD, whose body is the same: one of these. */
struct migrate_news {
    __be64 number;              /* Goes up from message to message, for as
                                 * long as the host has its epoch. */
};

/* MIGRATE_LIST: one of these.  The switch answers with as many of the
 * connections wanted, which come next after place 'after' of its table, as fit
 * into one message, or fewer. */
struct migrate_list {
    __be64 token;               /* The answer has the same. */
    __be32 after;               /* 0: from the first. */
    __be32 service_id;          /* Only those that have this, unless it is
                                 * 0; and likewise: */
    struct migrate_address client;
    struct migrate_address host;
    __be16 client_port;
    __be16 max;                 /* No more than so many; 0: as many as fit. */
    __be32 reserved;            /* 0. */
};

/* MIGRATE_LISTING: one of these, and 'header.count' connections. */
struct migrate_listing {
    __be64 token;
    __be32 after;               /* To ask on from. */
    __u8 last;                  /* 1: there are no more. */
    __u8 reserved[3];           /* 0. */
};

enum migrate_rule {
    MIGRATE_RULE_UNKNOWN = 0,
    MIGRATE_RULE_DEFAULT = 1,   /* No rule matched. */
    MIGRATE_RULE_MATCHED = 2,
};

/* Where a confirmed connection is kept. */
enum migrate_placement {
    MIGRATE_PLACED_TABLE = 0,   /* A row in the engine's table... */
    MIGRATE_PLACED_FLOW = 1,    /* ...and an OpenFlow flow... */
    MIGRATE_PLACED_KERNEL = 2,  /* ...or an entry in the switch's kernel. */
};

enum migrate_chooser {
    MIGRATE_CHOOSER_POLICY = 0, /* The pool's. */
    MIGRATE_CHOOSER_CONTROLLER = 1,
    MIGRATE_CHOOSER_AFFINITY = 2,
};

struct migrate_connection {
    struct migrate_address client;
    struct migrate_address service;
    struct migrate_address host;    /* Zeros: none yet. */
    __be16 client_port;
    __be16 service_port;
    __be32 service_id;
    __be32 flow_id;             /* 0: none yet. */
    __be32 age;                 /* ms since it began, or was infused. */
    __be32 idle;                /* ms since a packet came. */
    __be32 packets;             /* Of the client, sent on by the engine... */
    __be64 bytes;               /* ...Ethernet headers included. */
    char state[8];              /* Its name; padded with zeros. */
    __u8 placed;                /* enum migrate_placement. */
    __u8 rule;                  /* enum migrate_rule. */
    __be16 rule_priority;       /* Of that which matched. */
    __u8 chooser;               /* enum migrate_chooser: of the host. */
    __u8 retargets;             /* Hosts that it was offered before... */
    __u8 reason;                /* ...and why the last one of these has not
                                 * taken it: enum migrate_reason; NONE: it has
                                 * given none that is known, or not
                                 * answered. */
    __u8 reserved;              /* 0. */
};

/* The most connections in one listing. */
#define MIGRATE_LISTING_MAX 40

/* Flow IDs are given out in order, and not more than so many in one epoch of
 * a switch.  So within an epoch none comes twice, and serial arithmetic
 * (RFC 1982) tells which of two is older. */
#define MIGRATE_EPOCH_FLOWS (1u << 30)

/* Times, in milliseconds. */
#define MIGRATE_HELLO_INTERVAL 200  /* Switch asks each host so often... */
#define MIGRATE_HELLO_TIMEOUT 700   /* ...and after this silence it is down. */
#define MIGRATE_CONFIRM_WAIT 50     /* First wait for an answer to a bundle... */
#define MIGRATE_RETRANSMIT 15       /* ...and each wait after that. */
#define MIGRATE_ATTEMPT 400         /* Silence after which a host is given up
                                     * for one connection: so many
                                     * transmissions that even with a fifth of
                                     * them lost each way, silence means that
                                     * the host has none of them.  In half of
                                     * that time, a host that is there has
                                     * nearly always answered: then a client
                                     * sends its request again, to another
                                     * switch perhaps. */
#define MIGRATE_NEWS_RETRY 25       /* NEWS is sent again: some times before a
                                     * client sends its request again, to
                                     * another switch perhaps. */
#define MIGRATE_DEADLINE 1000       /* A request is accepted or refused. */
#define MIGRATE_STALE 2000          /* A flow ID as old as that is not infused
                                     * any more, nor is any from a switch that
                                     * was silent for so long. */
#define MIGRATE_LINGER 10000        /* A closed flow's mapping and record stay
                                     * so long, so that duplicates find it. */

_Static_assert(sizeof(struct migrate_header) == 24, "wire format");
_Static_assert(sizeof(struct migrate_bundle) == 88, "wire format");
_Static_assert(sizeof(struct migrate_report) == 16, "wire format");
_Static_assert(sizeof(struct migrate_abort) == 8, "wire format");
_Static_assert(sizeof(struct migrate_hello) == 16, "wire format");
_Static_assert(sizeof(struct migrate_vip) == 16, "wire format");
_Static_assert(sizeof(struct migrate_status) == 24, "wire format");
_Static_assert(sizeof(struct migrate_audit) == 8, "wire format");
_Static_assert(sizeof(struct migrate_slice) == 8, "wire format");
_Static_assert(sizeof(struct migrate_mapping) == 56, "wire format");
_Static_assert(sizeof(struct migrate_decide) == 56, "wire format");
_Static_assert(sizeof(struct migrate_field) == 4, "wire format");
_Static_assert(sizeof(struct migrate_decision) == 64, "wire format");
_Static_assert(sizeof(struct migrate_news) == 8, "wire format");
_Static_assert(sizeof(struct migrate_list) == 56, "wire format");
_Static_assert(sizeof(struct migrate_listing) == 16, "wire format");
_Static_assert(sizeof(struct migrate_connection) == 96, "wire format");

/* A flow ID travels in the TCP ports: high half source, low half
 * destination. */
static inline __u16
flow_id_src_port(__u32 flow_id)
{
    return flow_id >> 16;
}

static inline __u16
flow_id_dst_port(__u32 flow_id)
{
    return flow_id & 0xffff;
}

static inline __u32
flow_id_from_ports(__u16 src_port, __u16 dst_port)
{
    return (__u32) src_port << 16 | dst_port;
}

/* Ports of 0 are left out: devices on the way may frown on them. */
static inline int
flow_id_is_valid(__u32 flow_id)
{
    return flow_id_src_port(flow_id) && flow_id_dst_port(flow_id);
}

#endif /* messages.h */
