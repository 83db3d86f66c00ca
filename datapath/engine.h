/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_H
#define ENGINE_H 1

/* What the parts of the engine share: migrate.c (life and configuration),
 * client.c (packets of clients), gather.c (requests as they come in), synack.c,
 * handoff.c (connections on their way to a host), reject.c (error responses),
 * lost.c (connections whose host is dead), control.c (messages of hosts),
 * neighbor.c (Ethernet addresses), icmp.c, decide.c (questions to the
 * controller), list.c (its own). */

#include <string.h>
#include <sys/queue.h>

#include "assembly.h"
#include "migrate.h"
#include "policy.h"
#include "reader.h"
#include "timers.h"

#define MAX_VIPS 32             /* Service addresses told to hosts. */
#define RCV_WSCALE 7            /* The shift promised to clients: windows of
                                 * up to 8 MiB. */
#define DELAYED_ACK 40          /* ms; clients retransmit after 200 at the
                                 * earliest (RFC 6298 2.4 in practice). */
#define IDLE_TIMEOUT (4 * 3600 * 1000)  /* ms without a packet. */
#define STALL 1000              /* ms without a run: see engine_resume(). */
#define LISTEN 200              /* ms after that, before anything times out. */
#define SETTLE_INTERVAL 50      /* ms between hellos at the beginning, and when
                                 * the engine goes on: hosts take no bundle
                                 * before one. */
#define SWEEP_INTERVAL 100      /* ms between looks at part of the table... */
#define SWEEP_ROUND 2000        /* ...so that all is seen once in so many. */
#define SWEEP_HINTS 1000        /* The most that lost_hint() may send in one
                                 * such look. */
#define HOST_LOST 10000         /* ms that a host is down, and does not tell
                                 * its Ethernet address, until its connections
                                 * count as lost. */
#define FLOW_LIFE (60 * 1000)   /* ms until a flow is taken away, to see
                                 * whether the connection is in use. */
#define MAX_PENDING_BYTES (64u << 20)   /* Of unfinished requests. */
#define STRANGERS 1024          /* Segments of unknown connections that are
                                 * known again when they are repeated... */
#define STRANGER_AGE 1000       /* ...after so many ms at the earliest... */
#define STRANGER_LIFE 60000     /* ...and so many at the latest. */
#define HEADROOM 64             /* For the headers in front of a message: as
                                 * many as keep the message aligned. */

/* A policy, kept while pending connections select by it. */
struct generation {
    struct policy *policy;
    unsigned int refs;
};

/* What a connection needs until its host has confirmed. */
struct pending {
    TAILQ_ENTRY(pending) by_age;    /* In migrate's 'gathering' or
                                     * 'rejecting'. */
    struct timer timer;
    struct record *record;
    struct generation *generation;
    struct service *service;
    int64_t started;

    /* Layer 2 and TCP as the client has them. */
    uint8_t client_mac[6], switch_mac[6];
    vlan_tag tag;
    uint32_t client_isn;
    struct syn_options syn;
    bool tstamp_ok;
    uint32_t tsval;             /* The client's latest. */
    uint32_t ts_start;          /* The switch's, when it 'started'. */
    uint16_t window;            /* As in its latest header. */
    int64_t ack_due;            /* When data is ACKed at the latest; 0: all
                                 * was. */
    uint32_t acked;             /* Bytes of data that the switch has ACKed, or
                                 * a host that was offered it before may
                                 * have. */
    bool fin;                   /* The client's FIN came... */
    uint32_t fin_ofs;           /* ...behind so many bytes. */

    /* The request. */
    struct assembly assembly;
    uint32_t charged;           /* Bytes counted in 'pending_bytes'. */
    struct reader *reader;      /* While it is incomplete. */
    int64_t unread_due;         /* When the client, which may be waiting for
                                 * the server, gets one; 0: it is not. */
    enum service_protocol protocol; /* What the client speaks. */

    /* The handoff. */
    struct pool *pool;
    int rule;
    struct affinity_key affinity;
    uint64_t token;             /* Of the question to the controller. */
    struct tried tried;
    int64_t decided;
    bool flow_id_changed;       /* The first was taken at the host. */
    unsigned int offers;        /* Hosts and flow IDs that it was offered
                                 * to. */
    unsigned int transmissions; /* Of the bundle, to the last of them. */
    int64_t offered;            /* First of them. */
    uint32_t taken;             /* Bytes of data in it; the rest follows. */
    bool known;                 /* The host has the connection, as it says. */
    bool confirmed;             /* ...but not all that was ACKed is there. */
    uint32_t host_has;          /* Bytes of data that the host has. */
    struct migrate_address replaced_at; /* The host that has an older connection
                                         * of the same client port... */
    uint32_t replaced_flow_id;  /* ...as this; 0: none has. */

    /* The error response. */
    const struct rejection *rejection;
    int64_t rejected;
    uint32_t discarded;         /* Bytes of data taken in. */
    bool response_acked;
};

TAILQ_HEAD(pending_list, pending);

/* A SYN-ACK. */
struct synack {
    int64_t sent;
    struct tuple tuple;
    uint8_t client_mac[6], switch_mac[6];
    vlan_tag tag;
    uint32_t client_isn, isn;
    struct tcp_options options; /* 'tsval' is filled in as it is sent. */
};

#define SYNACK_REPEATS 2

/* The last ones of services whose server may speak first: see synack.c. */
struct synacks {
    struct synack *ring;        /* NULL until there is one. */
    uint32_t n;                 /* So many were kept; those from... */
    uint32_t next[SYNACK_REPEATS];  /* ...this on are to be sent again. */
};

/* A segment with data of no known connection. */
struct stranger {
    uint32_t hash;              /* Of its connection and sequence number. */
    uint32_t seen;              /* ms: when it came first. */
};

/* A packet of a client, and what it belongs to. */
struct arrival {
    struct frame *frame;
    const struct packet *packet;    /* In 'frame'. */
    struct tcp_options options; /* Parsed where they are needed. */
    struct tuple tuple;
    struct service *service;    /* NULL if it is not configured any more. */
    const struct host *replaced;    /* Has an older connection of the same
                                     * client port, if nonnull... */
    uint32_t replaced_flow_id;      /* ...as this. */
    int64_t now;
};

struct migrate {
    const struct migrate_ops *ops;
    void *aux;

    /* Configuration. */
    bool configured;
    struct migrate_address address4, address6;
    uint8_t mac[6];
    uint16_t mtu;
    struct keyring keys;
    struct generation *generation;
    unsigned int n_generations; /* That there are, old ones included. */
    struct host *hosts[HOST_MAX];
    size_t n_hosts;             /* Slots used in 'hosts', which may be NULL... */
    size_t n_gone;              /* ...as so many are. */
    struct host *buckets[HOST_BUCKETS]; /* Those in 'hosts', by the hash of
                                         * their address. */

    /* State. */
    uint32_t epoch;
    uint32_t epoch_start;       /* The epoch's first flow ID. */
    uint32_t next_flow_id;
    uint32_t first_sequence;    /* Of questions to hosts: at random, as epochs
                                 * are, to tell answers to earlier engines. */
    uint32_t ts_offset;         /* Of the engine's timestamp clock. */
    struct cookie_secrets secrets;
    struct record_table *records;
    struct synacks synacks;
    struct pending_list gathering, rejecting;   /* Oldest first. */
    size_t pending_bytes;
    struct timers timers;
    uint32_t last_token;        /* Of questions to the controller... */
    unsigned int n_asked;       /* ...of which so many are open. */
    struct migrate_address vips[MAX_VIPS];
    size_t n_vips;
    int64_t settle_by;          /* When hosts that were not heard of are not
                                 * waited for any more; 0: no frame came. */
    bool settled;               /* See audit.c. */
    int64_t next_hurry;         /* Audits out of turn. */
    struct stranger strangers[STRANGERS];
    int64_t last_run;
    int64_t stopped;            /* When it ran last before it was stopped; 0
                                 * once it has gone on.  Timers wait for
                                 * that. */
    int64_t listen_until;       /* It goes on then, but not before it is
                                 * 'settled'. */
    int64_t next_hello;
    int64_t next_sweep;
    uint32_t sweep_at;
    uint64_t counters[N_COUNTERS];

    /* The frame being built. */
    uint8_t scratch[HEADROOM + MIGRATE_MESSAGE_MAX]
        __attribute__((aligned(8)));
};

static inline void
count(struct migrate *m, enum migrate_counter counter)
{
    m->counters[counter]++;
}

static inline enum migrate_verdict
drop(struct migrate *m, enum migrate_counter counter)
{
    count(m, counter);
    return MIGRATE_DROP;
}

/* The migration address of the family of 'peer'; all zeros if there is
 * none. */
static inline const struct migrate_address *
engine_address(const struct migrate *m, const struct migrate_address *peer)
{
    return address_is_v4(peer) ? &m->address4 : &m->address6;
}

/* The switch's TCP timestamp clock towards a client.  It goes on from what
 * the client has heard in the SYN-ACK, and not from the engine's own: an
 * earlier engine, or another switch, may have sent that, and what is older
 * the client would drop (PAWS, RFC 7323 5). */
static inline uint32_t
pending_ts_clock(const struct pending *pending, int64_t now)
{
    return pending->ts_start + (uint32_t) (now - pending->started);
}

/* The engine's, for SYN-ACKs. */
static inline uint32_t
ts_clock(const struct migrate *m, int64_t now)
{
    return (uint32_t) now + m->ts_offset;
}

/* Notes where the client of 'r' is, and how far it is in its stream. */
static inline void
note_client(struct record *r, const struct arrival *a)
{
    const struct packet *p = a->packet;

    if (p->flags & SEG_ACK && !(p->flags & SEG_RST)) {
        r->client_known = true;
        r->client_ahead = false;
        memcpy(r->client_mac, a->frame->data + 6, 6);
        r->vlan = vlan_tag_vid(a->frame->tag);
        r->client_seq = (p->seq + p->payload_len
                         + (p->flags & SEG_FIN ? 1 : 0));
        r->client_ack = p->ack;
    }
}

/* migrate.c. */

/* The engine goes on, after it was not run for STALL or more. */
void engine_resume(struct migrate *, int64_t now);

/* A frame came: there are flows now that lead frames here. */
static inline void
engine_note_frame(struct migrate *m, int64_t now)
{
    if (!m->settle_by) {
        m->settle_by = now + MIGRATE_HELLO_TIMEOUT;
    }
    if (m->last_run && now - m->last_run > STALL) {
        engine_resume(m, now);
    }
}

/* Frees 'record' and all that hangs on it. */
void engine_forget(struct migrate *, struct record *);

/* Frees 'pending', whose record goes on without it. */
void pending_destroy(struct migrate *, struct pending *);

/* The host with 'address', or NULL. */
struct host *engine_find_host(struct migrate *,
                              const struct migrate_address *address);

/* Sends the 'len' bytes in 'scratch' with 'tag'. */
static inline void
engine_output(struct migrate *m, size_t len, vlan_tag tag)
{
    m->ops->output(m->aux, m->scratch, len, tag);
}

/* Seals the message at engine_message(), whose header but for type-specific
 * fields is filled in here, and sends it to 'host'. */
void engine_send(struct migrate *, const struct host *, uint8_t type,
                 size_t len, uint16_t n_records, uint32_t sequence);

/* The same, to 'dst', 'port', at Ethernet address 'eth_dst' in VLAN 'vlan'. */
void engine_send_to(struct migrate *, const struct migrate_address *dst,
                    uint16_t port, const uint8_t eth_dst[6], uint16_t vlan,
                    uint8_t type, size_t len, uint16_t n_records,
                    uint32_t sequence);

/* Where a message goes, aligned for the structs of messages.h. */
static inline void *
engine_message(struct migrate *m)
{
    return m->scratch + HEADROOM;
}

/* How windows are scaled after the handshake. */
static inline unsigned int
window_shift(const struct syn_options *syn)
{
    return syn->wscale_ok ? RCV_WSCALE : 0;
}

/* gather.c. */

/* Makes a record for the connection whose cookie 'a' has proven with
 * 'syn_options', and takes the packet in. */
enum migrate_verdict gather_begin(struct migrate *, struct arrival *a,
                                  const struct syn_options *syn_options);

/* Takes a packet of 'record', of which no host was offered yet. */
enum migrate_verdict gather_packet(struct migrate *, struct record *,
                                   struct arrival *);

/* Keeps the data in 'a', which goes to the host of 'pending': if that dies
 * before it has confirmed, and has acknowledged them, the next one must be
 * given them. */
void gather_keep(struct migrate *, struct pending *pending,
                 const struct arrival *a);

/* Notes what every packet of the client of 'pending' tells. */
void gather_note(struct pending *, const struct arrival *);

/* Does what is due for an incomplete request. */
void gather_timeout(struct migrate *, struct pending *, int64_t now);

/* Sends the client of 'pending' a segment with 'flags', in reply to all that
 * came in order. */
void pending_reply(struct migrate *, struct pending *, uint8_t flags,
                   uint32_t seq, const void *payload, size_t len,
                   int64_t now);

/* synack.c. */

/* Sends 'synack'. */
void synack_send(struct migrate *, const struct synack *synack, int64_t now);

/* Keeps a copy of 'synack', which has just been sent, to send it again while
 * there is no record of its connection. */
void synack_keep(struct migrate *, const struct synack *synack, int64_t now);

/* Sends again what is due, and says when the next is: TIMERS_NEVER if there
 * is none. */
void synack_run(struct migrate *, int64_t now);
int64_t synack_deadline(const struct migrate *);

/* lost.c. */

/* Tells the client of 'record', RECORD_LOST, that its connection is lost,
 * although it has not asked.  Returns false if that was done often enough, or
 * cannot be. */
bool lost_hint(struct migrate *, struct record *);

/* Takes a packet, perhaps a reset by which that client says that it has no
 * such connection. */
void lost_reset(struct record *, const struct packet *);

/* Whether it has been told. */
bool lost_is_told(const struct record *);

/* handoff.c. */

/* The request of 'pending' is complete: selects a host and offers the
 * connection to it. */
void handoff_start(struct migrate *, struct pending *,
                   const struct request *, int64_t now);

/* Offers 'pending', RECORD_ASKED, to 'host', or to one by the pool's policy if
 * that is null. */
void handoff_choose(struct migrate *, struct pending *, const struct host *,
                    int64_t now);

/* Its host has 'record' no more, or never had it. */
void handoff_end(struct migrate *, struct record *);

/* Gives 'record', which is live, its OpenFlow flow, if it wants one. */
void handoff_place(struct migrate *, struct record *, int64_t now);

/* Takes it away. */
void handoff_unplace(struct migrate *, struct record *);

/* Hosts have none of their connections any more, as their 'loss' says; adds to
 * their 'n_lost'. */
void handoff_lose(struct migrate *, int64_t now);

/* Events of a connection that was offered. */
void handoff_confirmed(struct migrate *, struct record *, uint32_t rcv_nxt,
                       int64_t now);
void handoff_refused(struct migrate *, struct record *, uint8_t reason,
                     int64_t now);
void handoff_released(struct migrate *, struct record *, int64_t now);

/* 'host' has the connection of 'record', which no host has confirmed, already,
 * as 'flow_id'. */
void handoff_known(struct migrate *, struct record *, const struct host *,
                   uint32_t flow_id, int64_t now);

/* Gives 'record' flow ID 'flow_id' at the host with index 'host'. */
void handoff_name(struct migrate *, struct record *, uint16_t host,
                  uint32_t flow_id);

/* 'record' is live at its host, although it was not, or nothing was known of
 * it, here: 'standby' as in record.h. */
void handoff_adopt(struct migrate *, struct record *, bool standby);

/* A packet of its client came for 'record', which is standby. */
void handoff_take_over(struct migrate *, struct record *);
void handoff_timeout(struct migrate *, struct pending *, int64_t now);

/* decide.c. */

/* Asks the controller for a host for 'pending', whose pool is known, so that
 * it becomes RECORD_ASKED; or returns false, if that is not to be done. */
bool decide_ask(struct migrate *, struct pending *, const struct request *,
                int64_t now);

/* Takes the DECISION that starts at 'header', which is followed by as much as
 * it says. */
void decide_decision(struct migrate *, const struct migrate_header *header,
                     int64_t now);
void decide_timeout(struct migrate *, struct pending *, int64_t now);

/* list.c. */

/* Answers the LIST that starts at 'header', which is followed by as much as it
 * says and came to 'own'. */
void list_connections(struct migrate *, const struct migrate_address *own,
                      const struct migrate_header *header, int64_t now);

/* reject.c. */

struct rejection;

/* Ends 'pending' with what its client's protocol has for an error that HTTP
 * gives status 'status', or with a reset if it has nothing. */
void reject_start(struct migrate *, struct pending *, unsigned int status,
                  int64_t now);

/* Takes a packet of a client that is being told an error. */
void reject_packet(struct migrate *, struct pending *, const struct packet *,
                   int64_t now);
void reject_timeout(struct migrate *, struct pending *, int64_t now);

/* Ends a rejected 'pending' now, however far it is. */
void reject_end(struct migrate *, struct pending *, int64_t now);

/* control.c. */

/* Looks after hosts: hellos, who is down. */
void control_hellos(struct migrate *, int64_t now);

/* Tells 'host' to end flow 'flow_id'. */
void control_abort(struct migrate *, const struct host *, uint32_t flow_id);

/* neighbor.c. */

/* Asks for the Ethernet address of 'host'. */
void neighbor_ask(struct migrate *, const struct host *);

/* Takes a frame with ARP, or with a neighbor solicitation or advertisement
 * whose checksum is right.  Learns from it where hosts are. */
enum migrate_verdict neighbor_arp(struct migrate *, const struct frame *,
                                  const struct packet *, int64_t now);
enum migrate_verdict neighbor_nd(struct migrate *, const struct frame *,
                                 const struct packet *, int64_t now);

/* icmp.c. */

/* Takes a frame with ICMP, whichever way it was steered here. */
enum migrate_verdict icmp_packet(struct migrate *, struct frame *,
                                 const struct packet *, int64_t now);

/* audit.c. */

/* Asks hosts what is due to be asked. */
void audit_run(struct migrate *, int64_t now);

/* Begins an audit of 'host', which has just come up. */
void audit_begin(struct migrate *, struct host *, int64_t now);

/* Takes the MAPPINGS of 'host' that start at 'header', which is followed by
 * as much as it says. */
void audit_mappings(struct migrate *, struct host *,
                    const struct migrate_header *header, int64_t now);

/* Takes the NEWS of 'host', in the same way. */
void audit_news(struct migrate *, struct host *host,
                const struct migrate_header *header, int64_t now);

/* Something came that hints at connections that are not known: audits hosts
 * soon, but not over and over. */
void audit_hurry(struct migrate *, int64_t now);

/* A segment with data and 'seq' has come of a connection, 'tuple', that is not
 * known.  Returns whether that is a repetition, and no host has the connection
 * for certain: all have been asked since it came first. */
bool audit_nobodys(struct migrate *, const struct tuple *, uint32_t seq,
                   int64_t now);

/* The engine was stopped: if there are other switches, which may have done its
 * work, all hosts are to be asked anew. */
void audit_resume(struct migrate *, int64_t now);

/* Whether all is known that hosts may have from before this engine began, or
 * went on. */
bool audit_settled(struct migrate *, int64_t now);

/* Whether the host of 'record', a live one, does not have it. */
bool audit_lost(const struct migrate *, const struct record *record);

#endif /* engine.h */
