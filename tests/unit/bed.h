/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BED_H
#define BED_H 1

/* A test bed for the engine: a clock that stands still until it is told to go
 * on, clients, hosts, and all frames that the engine sends, in order.
 *
 * There is one bed at a time, in 'bed'.  Functions end the test if what they
 * expect does not happen. */

#include "engine.h"
#include "unit.h"

#define BED_HOSTS 3

/* Services that bed_open() configures. */
enum {
    BED_HTTP = 1,               /* Pool "all"; paths from /images: "h3". */
    BED_TCP = 2,                /* Pool "all". */
    BED_FLOW = 3,               /* As BED_HTTP, with placement=flow. */
    BED_TLS = 4,                /* Pool "all"; SNI "images.example": "h3". */
    BED_H2C = 5,                /* As BED_HTTP. */
    BED_AUTO = 6,               /* As BED_HTTP and BED_TLS. */
    BED_KERNEL = 7,             /* As BED_HTTP, with placement=kernel. */
};
#define BED_SERVICES 7

/* A frame that the engine sent, parsed. */
struct bed_frame {
    TAILQ_ENTRY(bed_frame) next;
    int64_t when;
    struct frame frame;
    enum frame_kind kind;
    struct packet packet;
    uint8_t data[];
};

struct bed_host {
    struct migrate_address address;
    uint8_t mac[6];
    uint32_t epoch;
    uint16_t vlan;
    bool alive;                 /* Answers HELLO, ARP and ND at once. */
    bool mute;                  /* Only ARP and ND: its agent is dead. */
    uint32_t heard;             /* Sequence number of its last HELLO... */
    uint32_t asked;             /* ...and AUDIT. */
    uint64_t challenge;         /* What it wants to hear; 0: nothing. */
};

struct bed_client {
    struct tuple tuple;
    uint32_t service_id;
    uint8_t mac[6];
    vlan_tag tag;
    uint16_t window;
    struct tcp_options options; /* Of its SYN; its clock is the bed's. */
    uint32_t ts_recent;         /* The switch's clock, in the SYN-ACK. */
    uint32_t isn;
    uint32_t seq;               /* Next byte to send. */
    uint32_t ack;               /* One past the switch's ISN. */
};

/* A bundle as a host got it. */
struct bed_bundle {
    unsigned int host;          /* Number of the host, from 0. */
    int64_t when;
    uint32_t flow_id;
    struct migrate_bundle b;
    struct bed_frame *inner;    /* Its packet, behind an Ethernet header. */
};

/* Arguments of a call of place() or unplace(). */
struct bed_placement {
    unsigned int n;
    struct migrate_flow flow;   /* Of the last call. */
};

struct bed {
    struct migrate *engine;
    int64_t now;
    int family;                 /* 4 or 6. */
    struct keyring keys;
    struct migrate_address address, vip;
    uint8_t mac[6];
    struct bed_host hosts[BED_HOSTS];
    TAILQ_HEAD(, bed_frame) frames;
    size_t n_sent;              /* Frames, those not kept included. */
    bool discard;               /* Frames are counted, not kept. */
    uint32_t others;            /* Switches, as hosts say. */
    bool keep_hellos;           /* HELLO, ARP and ND frames are kept too. */
    bool keep_audits;           /* So are AUDITs, which otherwise hosts answer
                                 * with what the engine knows. */
    bool may_place;             /* What place() answers. */
    struct bed_placement placed, unplaced;
    struct migrate_use use;     /* What use() and unplace() say. */
    char last_log[256];
    unsigned int n_logs;
    struct bed_frame *forwarded;    /* Of the last MIGRATE_FORWARD. */

    /* The configuration, for bed_configure(). */
    struct migrate_config config;
    struct host_config host_configs[BED_HOSTS];
    struct member_config members[BED_HOSTS];
    struct pool_config pools[2];
    struct match_config matches[2];
    struct rule_config rules[2];    /* By path, and by SNI. */
    struct service_config services[BED_SERVICES];   /* BED_HTTP first. */
};

extern struct bed bed;

/* Makes a bed for up to 'max_connections', IPv4 or IPv6, with all hosts up. */
void bed_open(int family, uint32_t max_connections);
void bed_close(void);

/* Replaces the engine with one that knows nothing. */
void bed_restart(void);

/* Applies 'bed.config'. */
void bed_configure(void);

/* What the engine knows of host 'i'. */
struct host *bed_engine_host(unsigned int i);

/* Puts host 'host' in VLAN 'vlan', and says so in 'bed.config'. */
void bed_host_vlan(unsigned int host, uint16_t vlan);

/* Lets 'ms' milliseconds pass, in which the engine runs whenever it asked
 * to. */
void bed_wait(unsigned int ms);

/* Counts since the engine was made. */
#define BED_COUNT(NAME) migrate_counter(bed.engine, COUNTER_##NAME)

/* Clients. */

/* Client number 'n', which has not sent anything. */
struct bed_client bed_client(unsigned int n, uint32_t service_id);

/* Sends a segment; its FIN or SYN bit is up to 'flags'. */
enum migrate_verdict bed_segment(const struct bed_client *, uint8_t flags,
                                 uint32_t seq, const void *data, size_t len);

/* Sends a segment with one bit turned in byte 'ofs' from the end. */
enum migrate_verdict bed_corrupted(const struct bed_client *, uint8_t flags,
                                   uint32_t seq, const void *data, size_t len,
                                   size_t ofs);

/* Does the handshake, its last ACK included. */
void bed_connect(struct bed_client *);

/* Sends 'data' as the next bytes. */
enum migrate_verdict bed_data(struct bed_client *, const void *data,
                              size_t len);
enum migrate_verdict bed_text(struct bed_client *, const char *text);

/* Sends a ClientHello for the server 'sni'. */
void bed_hello(struct bed_client *, const char *sni);

/* Sends a request for 'path' in HTTP/1 or 2. */
void bed_http_request(struct bed_client *, const char *path);
void bed_h2_request(struct bed_client *, const char *path);

/* Connects and sends a request for '/', or 'path'. */
void bed_request(struct bed_client *, const char *path);

/* The same, through to the confirmation.  Returns the flow ID. */
uint32_t bed_live(struct bed_client *, unsigned int *host);

/* The engine's record of a client's connection, or NULL. */
const struct record *bed_record(const struct bed_client *);

/* Its state, or "none". */
const char *bed_state(const struct bed_client *);

/* What the engine sent. */

/* The next frame, or NULL.  The caller frees it. */
struct bed_frame *bed_take(void);
void bed_expect_none(void);

/* The next frame is a segment for the client with 'flags', the expected
 * acknowledgment, its tag and right checksums. */
struct bed_frame *bed_expect(const struct bed_client *, uint8_t flags,
                             uint32_t ack);

/* Drops all frames that were not taken. */
void bed_clear(void);

/* The next frame is a message of 'type', whole and sealed, whose first bytes
 * are copied to 'message'.  Returns the number of the host. */
unsigned int bed_expect_message(enum migrate_type type, void *message,
                                size_t size);

/* The next frame is a bundle.  bed_bundle_free() it. */
struct bed_bundle bed_expect_bundle(void);
void bed_bundle_free(struct bed_bundle *);

/* The same, and there is nothing else. */
struct bed_bundle bed_only_bundle(void);

/* The next frame is a bundle, of which only the flow ID is wanted, and in
 * '*host', if nonnull, for whom it is. */
uint32_t bed_expect_flow_id(unsigned int *host);

/* The next frame is a bundle of 'c' that holds just the 'len' bytes at
 * 'data'. */
void bed_expect_request(const struct bed_client *c, const void *data,
                        size_t len);

/* The next frame is an ABORT of 'flow_id' for host 'host'. */
void bed_expect_abort(unsigned int host, uint32_t flow_id);

/* Whether the frame holds the string 'text'. */
bool bed_holds(const struct bed_frame *, const char *text);

/* Hosts. */

/* Gives the engine a sealed message of host 'host'. */
void bed_message(unsigned int host, uint8_t type, const void *body,
                 size_t len, uint16_t count);
void bed_status(unsigned int host);
void bed_report(unsigned int host, uint32_t flow_id, uint8_t event,
                uint8_t reason, uint32_t rcv_nxt);

/* Gives the engine a sealed message of the controller. */
void bed_controller_message(uint8_t type, const void *body, size_t len);

/* The next frame is a question in an audit, for what comes after '*after'.
 * Returns the number of the host. */
unsigned int bed_expect_audit(uint32_t *after);

/* Host 'host' answers the last such question. */
void bed_mappings(unsigned int host, uint32_t after, bool last,
                  const struct migrate_mapping *, unsigned int n);

/* The mapping that a host has of a live connection. */
struct migrate_mapping bed_mapping(const struct bed_client *,
                                   uint32_t flow_id);

/* Gives the engine a frame for the switch itself. */
enum migrate_verdict bed_control(const void *data, size_t len);
enum migrate_verdict bed_control_tagged(const void *data, size_t len,
                                        vlan_tag);

/* Gives the engine a frame for a service. */
enum migrate_verdict bed_service(uint32_t service_id, const void *data,
                                 size_t len, vlan_tag tag);

/* Builds a message as bed_message() would send it and returns its length. */
size_t bed_build_message(unsigned int host, uint8_t type, const void *body,
                         size_t len, uint16_t count, uint8_t *buf);

/* bed-audit.c. */

/* Client 'n', whose connection an earlier engine has handed to a host. */
struct bed_client bed_old_client(unsigned int n);

/* Has the engine audit all hosts, out of turn, with the answers up to the
 * test.  Returns when they have been asked. */
void bed_audit_all(void);

/* The same, where all but 'host' answer that they have nothing, and 'host' has
 * the 'n' mappings at 'maps'. */
void bed_audit(unsigned int host, const struct migrate_mapping *maps,
               unsigned int n);

/* A new engine, whose hosts are away. */
void bed_open_silent(void);

/* Lets host 'i' come up. */
void bed_wake(unsigned int i);

#endif /* bed.h */
