/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include <arpa/inet.h>

#include "compile.h"
#include "fuzz.h"
#include "seal.h"

#include <migrator.bpf.c>

/* The input is two bytes of settings and a frame that comes to a host.  The
 * BPF programs are compiled in, and plainer code, by the offsets of
 * docs/protocol.md, must read the same in it.  With COMPILE it is a connection
 * instead, whose bundle the host must take for what it is.
 *
 * A bundle that is taken ends in COUNTER_INFUSE_FAILED, when the kernel has
 * been given its connection, and a packet that is to be rewritten in
 * COUNTER_FLOW_ERROR: see bpf_helpers.h. */

enum {
    SEAL = 0x01,                /* The message is sealed first... */
    OTHER_KEY = 0x02,           /* ...with the second key. */
    PIECES = 0x04,              /* Only the Ethernet header is linear. */
    GSO = 0x08,
    COMPILE = 0x10,
};

#define BUNDLE_LEN 88
#define NOTHING N_COUNTERS      /* Let alone. */
#define DAEMON (N_COUNTERS + 1) /* The same, and the daemon may see it. */
#define EPOCH htonl(1)          /* Of both switches... */
#define FLOOR 0x1000            /* ...and their floor. */
#define FLOW_ID htonl(0xabcd1234) /* Of the mapping that there is... */
#define SND_UNA 0xfffffff0      /* ...and what may be acknowledged. */
#define SND_NXT 0x1000

static struct keyring ring;
static struct migrate_address switch_addresses[2], service_addresses[2];

/* What plain code reads in a packet. */
struct reading {
    bool v4, fragment;
    uint8_t protocol;
    struct migrate_address src, dst;
    const uint8_t *l4, *end;
};

/* What becomes of it: a counter, NOTHING or DAEMON; with INFUSE_FAILED, also
 * what was to be mapped, and what the kernel was given. */
struct fate {
    unsigned int counter;
    bool is_bundle;
    __be32 flow_id;
    struct mapping mapping;
    struct bpf_tcp_req_attrs attrs;
};

static struct bpf_tcp_req_attrs given;

int
bpf_sk_assign_tcp_reqsk(struct __sk_buff *skb __attribute__((unused)),
                        struct sock *sk, struct bpf_tcp_req_attrs *attrs,
                        int size)
{
    FUZZ_CHECK((void *) sk == kernel_socket && size == sizeof given);
    given = *attrs;
    return 0;
}

void *
bpf_cast_to_kern_ctx(void *skb __attribute__((unused)))
{
    static struct sk_buff none;

    return &none;
}

static uint16_t
get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static __be32
raw32(const uint8_t *p)
{
    __be32 x;

    memcpy(&x, p, sizeof x);
    return x;
}

static struct migrate_address
raw_address(const uint8_t *p)
{
    struct migrate_address a;

    memcpy(&a, p, sizeof a);
    return a;
}

static void
init(void)
{
    static const __u8 bytes[2][MIGRATE_KEY_LEN] = { "current", "previous" };
    static struct tcp_sock listener;

    for (int i = 0; i < 2; i++) {
        seal_key_init(&ring.keys[i], bytes[i]);
    }
    ring.n = 2;
    address_parse("10.0.0.254", &switch_addresses[0]);
    address_parse("fd00::fe", &switch_addresses[1]);
    address_parse("10.0.0.100", &service_addresses[0]);
    address_parse("fd00::100", &service_addresses[1]);
    listener.inet_conn.icsk_inet.sk.__sk_common.skc_state = TCP_LISTEN;
    kernel_socket = &listener;
}

/* Fills the maps.  There is a mapping if 'state' is not 0. */
static void
set_up(enum mapping_state state)
{
    struct switch_peer peer = { .heard = KERNEL_NOW, .epoch = EPOCH,
                                .floor = FLOOR };
    struct mapping m = { .state = state, .snd_una = SND_UNA,
                         .snd_nxt = SND_NXT };
    struct service service = { .named = KERNEL_NOW };
    __be32 flow_id = FLOW_ID;

    for (__u32 i = 0; i < 2; i++) {
        struct fabric_key key = { ring.keys[i].key, ring.keys[i].id, 1 };

        bpf_map_update_elem(&keys, &i, &key, BPF_ANY);
        bpf_map_update_elem(&switches, &switch_addresses[i], &peer, BPF_ANY);
        bpf_map_update_elem(&services, &service_addresses[i], &service,
                            BPF_ANY);
    }
    if (state) {
        bpf_map_update_elem(&mappings, &flow_id, &m, BPF_ANY);
    }
    memset(&given, 0, sizeof given);
}

/* Reads the frame.  Returns false if it is of no concern to a host. */
static bool
read_frame(const uint8_t *f, size_t size, uint8_t settings,
           struct reading *r)
{
    const uint8_t *ip = f + 14;
    uint16_t len;

    if (size < 14 + 40 || (get16(f + 12) != ETH_P_IP
                           && get16(f + 12) != ETH_P_IPV6)) {
        return false;
    }
    r->v4 = get16(f + 12) == ETH_P_IP;
    if (r->v4) {
        r->protocol = ip[9];
        r->fragment = (get16(ip + 6) & 0x3fff) != 0;
        r->src = address_from_v4(raw32(ip + 12));
        r->dst = address_from_v4(raw32(ip + 16));
        r->l4 = ip + (ip[0] & 15) * 4;
        len = get16(ip + 2);
        r->end = ip + len;
    } else {
        r->fragment = (ip[6] == IPPROTO_HOPOPTS || ip[6] == IPPROTO_ROUTING
                       || ip[6] == IPPROTO_FRAGMENT
                       || ip[6] == IPPROTO_DSTOPTS);
        r->protocol = r->fragment ? IPPROTO_TCP : ip[6];
        r->src = raw_address(ip + 8);
        r->dst = raw_address(ip + 24);
        r->l4 = ip + 40;
        len = get16(ip + 4);
        r->end = r->l4 + len;
    }
    if (!len && settings & GSO) {
        r->end = f + size;
    }
    return ((r->protocol == IPPROTO_TCP || r->protocol == IPPROTO_UDP)
            && r->l4 - ip >= 20 && r->end - f <= size && f + size - r->l4 >= 4
            && r->end - r->l4 >= (r->fragment ? 0
                                  : r->protocol == IPPROTO_TCP ? 20 : 8));
}

/* Whether 'a' has said HELLO. */
static bool
is_switch(const struct migrate_address *a)
{
    return (address_equals(a, &switch_addresses[0])
            || address_equals(a, &switch_addresses[1]));
}

/* Whether the parts of the bundle 'b' of 'len' bytes agree. */
static bool
makes_sense(const struct reading *r, const uint8_t *b, size_t len)
{
    const uint8_t *ip = b + BUNDLE_LEN;
    size_t packet_len = get16(b + 74);
    size_t ip_len = r->v4 ? 20 : 40;
    const uint8_t *tcp = ip + ip_len;

    if (b[68] != (r->v4 ? 4 : 6) || packet_len < ip_len + 20
        || BUNDLE_LEN + packet_len > len) {
        return false;
    }
    if (r->v4) {
        struct migrate_address src = address_from_v4(raw32(ip + 12));
        struct migrate_address dst = address_from_v4(raw32(ip + 16));

        if (ip[0] != 0x45 || get16(ip + 2) != packet_len
            || get16(ip + 6) & 0x3fff || ip[9] != IPPROTO_TCP
            || memcmp(&src, b + 32, 16) || memcmp(&dst, b + 48, 16)) {
            return false;
        }
    } else if (ip[0] >> 4 != 6 || get16(ip + 4) != packet_len - 40
               || ip[6] != IPPROTO_TCP || memcmp(ip + 8, b + 32, 32)) {
        return false;
    }
    return (!memcmp(tcp, b + 64, 4) && get16(tcp) && get16(tcp + 2)
            && tcp[12] >> 4 >= 5 && (tcp[12] >> 4) * 4 <= packet_len - ip_len
            && (tcp[13] & (TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK))
               == TCP_FLAG_ACK
            && b[69] < 8 && b[70] <= 14 && b[71] <= 14);
}

/* What the bundle 'b' brings. */
static void
read_bundle(const struct reading *r, const uint8_t *b, struct fate *fate)
{
    const uint8_t *tcp = b + BUNDLE_LEN + (r->v4 ? 20 : 40);
    uint16_t mss = get16(b + 72), min_mss = r->v4 ? 536 : 1220;

    fate->flow_id = raw32(b + 24);
    fate->mapping = (struct mapping) {
        .service_id = raw32(b + 28),
        .state = MAPPING_INFUSING,
        .seq = raw32(tcp + 4),
        .ack_seq = raw32(tcp + 8),
        .switch_address = r->src,
        .host = r->dst,
        .epoch = raw32(b + 8),
        .changed = KERNEL_NOW,
        .snd_nxt = UINT32_MAX,
    };
    memcpy(&fate->mapping.tuple, b + 32, 36);
    fate->attrs = (struct bpf_tcp_req_attrs) {
        .rcv_tsval = ntohl(raw32(b + 76)),
        .rcv_tsecr = ntohl(raw32(b + 80)),
        .mss = mss > min_mss ? mss : min_mss,
        .snd_wscale = b[70],
        .rcv_wscale = b[71],
        .wscale_ok = b[69] & 1,
        .sack_ok = b[69] >> 1 & 1,
        .tstamp_ok = b[69] >> 2 & 1,
    };
}

/* What becomes of a message in a frame that ends at 'end'. */
static unsigned int
read_message(const struct reading *r, const uint8_t *end, struct fate *fate)
{
    const uint8_t *m = r->l4 + 8;
    size_t len = r->end - m;
    void *copy;
    bool sealed;

    if (end - m < 24) {
        return COUNTER_BAD_LENGTH;
    } else if (m[0] != MIGRATE_VERSION) {
        return COUNTER_BAD_VERSION;
    } else if (len != get16(m + 4) || get16(r->l4 + 4) != len + 8
               || len < 24 || len % 8 || len > MIGRATE_MESSAGE_MAX) {
        return COUNTER_BAD_LENGTH;
    }
    copy = fuzz_copy(m, len);
    sealed = seal_check(&ring, &r->src, &r->dst, copy, len);
    free(copy);
    if (!sealed) {
        return (m[2] == ring.keys[0].id || m[2] == ring.keys[1].id
                ? COUNTER_BAD_SEAL : COUNTER_UNKNOWN_KEY);
    } else if (m[1] != MIGRATE_BUNDLE) {
        return DAEMON;
    } else if (len < BUNDLE_LEN + 40) {
        return COUNTER_BAD_LENGTH;
    }
    fate->is_bundle = true;
    if (!makes_sense(r, m, len)) {
        return COUNTER_MALFORMED;
    } else if (!is_switch(&r->src) || raw32(m + 8) != EPOCH) {
        return COUNTER_NO_HELLO;
    } else if (ntohl(raw32(m + 24)) - FLOOR >= 0x80000000) {
        return COUNTER_OLD;
    }
    read_bundle(r, m, fate);
    return COUNTER_INFUSE_FAILED;
}

/* What becomes of a packet under a flow ID. */
static unsigned int
read_tcp(const struct reading *r, enum mapping_state state)
{
    const uint8_t *tcp = r->l4;

    if (!is_switch(&r->src)) {
        return NOTHING;
    } else if (r->fragment) {
        return COUNTER_FLOW_FRAGMENT;
    } else if (!state || raw32(tcp) != FLOW_ID) {
        return COUNTER_UNKNOWN_FLOW;
    } else if (state > MAPPING_CLOSED) {
        return COUNTER_STALE;
    } else if (tcp[13] & TCP_FLAG_SYN) {
        return COUNTER_FLOW_SYN;
    } else if (state == MAPPING_CLOSED
               && (!(tcp[13] & TCP_FLAG_ACK)
                   || ntohl(raw32(tcp + 8)) - SND_UNA > SND_NXT - SND_UNA)) {
        return COUNTER_STALE;
    }
    return state == MAPPING_INFUSING ? COUNTER_EARLY : COUNTER_FLOW_ERROR;
}

/* Seals the message in the frame, if it is whole. */
static void
seal_message(const struct reading *r, uint8_t settings)
{
    size_t len = r->end - r->l4 - 8;

    if (len >= 24 && len % 8 == 0 && len == get16(r->l4 + 12)) {
        void *copy = fuzz_copy(r->l4 + 8, len);

        seal(&ring.keys[settings & OTHER_KEY ? 1 : 0], &r->src, &r->dst,
             copy);
        memcpy((uint8_t *) r->l4 + 8, copy, len);
        free(copy);
    }
}

/* Checks that the maps have what 'fate' says, and empties them. */
static void
tear_down(const struct fate *fate, bool had_mapping)
{
    bool infused = fate->counter == COUNTER_INFUSE_FAILED;
    unsigned int n_mappings = 0;

    for (__u32 i = 0; i < N_COUNTERS; i++) {
        const uint64_t *n = kernel_lookup(&counters, &i, sizeof i);

        FUZZ_CHECK((n ? *n : 0) == (i == fate->counter)
                                   + (i == COUNTER_BUNDLE && fate->is_bundle));
    }
    for (unsigned int i = 0; i < kernel_n_entries; i++) {
        n_mappings += kernel_entries[i].map == &mappings;
    }
    FUZZ_CHECK(n_mappings == had_mapping + infused);
    if (infused) {
        const void *m = kernel_lookup(&mappings, &fate->flow_id, 4);
        const __be32 *k = kernel_lookup(&tuples, &fate->mapping.tuple, 36);

        FUZZ_CHECK(m && !memcmp(m, &fate->mapping, sizeof fate->mapping));
        FUZZ_CHECK(k && *k == fate->flow_id);
        FUZZ_CHECK(!memcmp(&given, &fate->attrs, sizeof given));
    }
    kernel_forget();
    FUZZ_CHECK(!kernel_references);
}

/* Gives the frame to the programs, sealed first if 'settings' says so, and
 * checks that they do with it what they should, which is returned. */
static struct fate
run(uint8_t *f, size_t size, uint8_t settings, enum mapping_state state)
{
    struct __sk_buff skb = { .bytes = f, .len = size,
                             .gso_size = settings & GSO ? 1000 : 0,
                             .protocol = htons(get16(f + 12)) };
    struct fate fate = { .counter = NOTHING };
    struct reading r;
    int verdict;

    if (read_frame(f, size, settings, &r)) {
        if (r.protocol == IPPROTO_TCP) {
            fate.counter = read_tcp(&r, state);
        } else if (get16(r.l4 + 2) == MIGRATE_PORT && !r.fragment) {
            state = 0;
            if (settings & SEAL) {
                seal_message(&r, settings);
            }
            fate.counter = read_message(&r, f + size, &fate);
        }
    }

    set_up(state);
    bpf_skb_pull_data(&skb, settings & PIECES ? 14 : size);
    verdict = migrator_ingress(&skb);
    FUZZ_CHECK(verdict == (fate.counter < N_COUNTERS ? TC_ACT_SHOT
                           : TC_ACT_UNSPEC));
    FUZZ_CHECK((skb.priority == SEALED_PRIORITY) == (fate.counter == DAEMON));
    tear_down(&fate, state != 0);

    /* What goes out is read within its bounds, at least. */
    set_up(state);
    migrator_egress(&skb);
    kernel_forget();
    free((void *) (skb.data - 2));
    return fate;
}

/* A connection for the engine to compile.  Its data comes behind it. */
struct state {
    uint8_t v6, scaling, sack_ok, tstamp_ok, fin, scale, promised;
    uint16_t mss, window, max;
    uint32_t client_isn, switch_isn, service_id, flow_id, tsval, tsecr;
    uint8_t client[16], service[16];
    __be16 ports[2];
} __attribute__((packed));

static struct migrate_address
state_address(const struct state *s, const uint8_t *p)
{
    return s->v6 & 1 ? raw_address(p) : address_from_v4(raw32(p));
}

/* Makes a frame with the bundle that 'c' becomes.  Returns its size. */
static size_t
compile(const struct connection *c, size_t max, bool v6, uint8_t *f)
{
    static uint64_t message[MIGRATE_MESSAGE_MAX / 8];
    struct migrate_header *header = (void *) message;
    uint8_t *ip = f + 14, *udp = ip + (v6 ? 40 : 20);
    size_t taken, len = migrate_connection(c, message, max, &taken);
    __be16 port = htons(MIGRATE_PORT), udp_len = htons(8 + len);
    __be16 ip_len = v6 ? udp_len : htons(28 + len);

    *header = (struct migrate_header) {
        .version = MIGRATE_VERSION, .type = MIGRATE_BUNDLE,
        .length = htons(len), .epoch = EPOCH,
    };
    memset(f, 0, udp - f);
    f[12] = v6 ? 0x86 : 0x08;
    f[13] = v6 ? 0xdd : 0x00;
    ip[0] = v6 ? 0x60 : 0x45;
    ip[v6 ? 6 : 9] = IPPROTO_UDP;
    memcpy(ip + (v6 ? 4 : 2), &ip_len, 2);
    memcpy(ip + (v6 ? 8 : 12), &switch_addresses[v6].byte[v6 ? 0 : 12],
           v6 ? 16 : 4);
    memcpy(udp + 2, &port, 2);
    memcpy(udp + 4, &udp_len, 2);
    memcpy(udp + 8, message, len);
    return udp + 8 + len - f;
}

static void
check_compiled(const uint8_t *data, size_t size, uint8_t settings)
{
    static uint8_t frame[MIGRATE_MESSAGE_MAX + 100];
    struct state s;
    struct connection c;
    struct fate fate;

    if (size < sizeof s) {
        return;
    }
    memcpy(&s, data, sizeof s);
    c = (struct connection) {
        .service_id = s.service_id,
        .data = data + sizeof s,
        .data_len = size - sizeof s,
        .fin = s.fin & 1,
        .client_isn = s.client_isn,
        .switch_isn = s.switch_isn,
        .syn = { s.mss, s.scaling & 1, s.scaling & 1 ? s.scale % 15 : 0,
                 s.sack_ok & 1 },
        .rcv_wscale = s.scaling & 1 ? s.promised % 15 : 0,
        .tstamp_ok = s.tstamp_ok & 1,
        .tsval = s.tsval,
        .tsecr = s.tsecr,
        .window = s.window,
        .tuple = {
            state_address(&s, s.client), state_address(&s, s.service),
            s.ports[0] ? s.ports[0] : 1, s.ports[1] ? s.ports[1] : 1,
        },
        .flow_id = FLOOR + s.flow_id % 0x80000000,
    };
    if (s.v6 & 1 && address_is_v4(&c.tuple.service)) {
        return;
    }
    size = compile(&c, 500 + s.max % 8501, s.v6 & 1, frame);
    fate = run(frame, size, settings | SEAL, 0);
    FUZZ_CHECK(fate.counter == COUNTER_INFUSE_FAILED);
    FUZZ_CHECK(fate.flow_id == htonl(c.flow_id)
               && fate.mapping.service_id == htonl(c.service_id));
    FUZZ_CHECK(!memcmp(&fate.mapping.tuple, &c.tuple, 36));
    FUZZ_CHECK(fate.mapping.seq == htonl(c.client_isn + 1)
               && fate.mapping.ack_seq == htonl(c.switch_isn + 1));
    FUZZ_CHECK(fate.attrs.rcv_tsval == c.tsval
               && fate.attrs.rcv_tsecr == c.tsecr);
    FUZZ_CHECK(fate.attrs.mss == c.syn.mss
               || c.syn.mss < (s.v6 & 1 ? 1220 : 536));
    FUZZ_CHECK(fate.attrs.snd_wscale == c.syn.wscale
               && fate.attrs.rcv_wscale == c.rcv_wscale);
    FUZZ_CHECK(fate.attrs.wscale_ok == c.syn.wscale_ok
               && fate.attrs.sack_ok == c.syn.sack_ok
               && fate.attrs.tstamp_ok == c.tstamp_ok);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *frame;

    if (size < 2 + 14) {
        return 0;
    }
    if (!ring.n) {
        init();
    }
    frame = fuzz_copy(data + 2, size - 2);
    if (data[0] & COMPILE) {
        check_compiled(frame, size - 2, data[0]);
    } else {
        run(frame, size - 2, data[0], data[1] % (MAPPING_FORGOTTEN + 1));
    }
    free(frame);
    return 0;
}
