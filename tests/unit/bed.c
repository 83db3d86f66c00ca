/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "seal.h"
#include "xalloc.h"

#define WALL 1700000000000LL    /* Real time when the clock is at 0. */

struct bed bed;

static struct guard guard;

static struct bed_frame *
frame_new(const void *data, size_t len, vlan_tag tag)
{
    struct bed_frame *f = xcalloc(1, sizeof *f + len);

    memcpy(f->data, data, len);
    f->when = bed.now;
    f->frame = (struct frame) { .data = f->data, .len = len, .tag = tag };
    f->kind = frame_parse(&f->frame, &f->packet);
    return f;
}

/* Operations of the engine. */

static bool
is_message(const struct bed_frame *f, enum migrate_type type)
{
    return (f->kind == FRAME_UDP
            && f->data[f->packet.payload + 1] == type);
}

/* Whether hosts answer 'f' by themselves. */
static bool
is_question(const struct bed_frame *f)
{
    return (f->kind == FRAME_ARP
            || (f->kind == FRAME_ICMP && f->data[f->packet.l4] == ND_SOLICIT)
            || is_message(f, MIGRATE_HELLO)
            || (is_message(f, MIGRATE_AUDIT) && !bed.keep_audits));
}

static void
op_output(void *aux __attribute__((unused)), const void *data, size_t len,
          vlan_tag tag)
{
    struct bed_frame *f;

    bed.n_sent++;
    if (!bed.discard) {
        f = frame_new(data, len, tag);
        TAILQ_INSERT_TAIL(&bed.frames, f, next);
    }
}

static bool
op_place(void *aux __attribute__((unused)), const struct migrate_flow *flow)
{
    bed.placed.n++;
    bed.placed.flow = *flow;
    return bed.may_place;
}

static void
op_unplace(void *aux __attribute__((unused)), const struct migrate_flow *flow,
           struct migrate_use *use)
{
    bed.unplaced.n++;
    bed.unplaced.flow = *flow;
    *use = bed.use;
}

static void
op_use(void *aux __attribute__((unused)),
       const struct tuple *tuple __attribute__((unused)),
       struct migrate_use *use)
{
    *use = bed.use;
}

static void
op_log(void *aux __attribute__((unused)), const char *message)
{
    bed.n_logs++;
    snprintf(bed.last_log, sizeof bed.last_log, "%s", message);
}

static const struct migrate_ops ops = {
    .output = op_output,
    .place = op_place,
    .unplace = op_unplace,
    .use = op_use,
    .log = op_log,
};

/* Hosts. */

static vlan_tag
host_tag(unsigned int host)
{
    uint16_t vlan = bed.hosts[host].vlan;

    return vlan ? 0x81000000 | vlan : 0;
}

size_t
bed_build_message(unsigned int host, uint8_t type, const void *body,
                  size_t len, uint16_t n, uint8_t *buf)
{
    struct migrate_header header = {
        .version = MIGRATE_VERSION,
        .type = type,
        .length = htons(sizeof header + len),
        .count = htons(n),
        .epoch = htonl(bed.hosts[host].epoch),
        .sequence = htonl(type == MIGRATE_REPORT || type == MIGRATE_NEWS
                          ? bed.engine->epoch
                          : type == MIGRATE_MAPPINGS ? bed.hosts[host].asked
                          : bed.hosts[host].heard),
    };
    const struct bed_host *h = &bed.hosts[host];
    uint64_t message[MIGRATE_MESSAGE_MAX / 8];

    memcpy(message, &header, sizeof header);
    if (len) {
        memcpy((uint8_t *) message + sizeof header, body, len);
    }
    seal(&bed.keys.keys[0], &h->address, &bed.address, (void *) message);
    memcpy(buf + udp_overhead(&bed.address), message, sizeof header + len);
    return udp_build(buf, sizeof header + len, bed.mac, h->mac, &h->address,
                     &bed.address, MIGRATE_PORT);
}

enum migrate_verdict
bed_control_tagged(const void *data, size_t len, vlan_tag tag)
{
    struct frame frame = {
        .data = (uint8_t *) guard_copy(&guard, data, len), .len = len,
        .tag = tag,
    };

    return migrate_control_frame(bed.engine, &frame, bed.now);
}

enum migrate_verdict
bed_control(const void *data, size_t len)
{
    return bed_control_tagged(data, len, 0);
}

enum migrate_verdict
bed_service(uint32_t service_id, const void *data, size_t len, vlan_tag tag)
{
    static unsigned int n;
    struct frame frame = {
        .data = (uint8_t *) guard_copy(&guard, data, len), .len = len,
        .tag = tag,
    };
    enum migrate_verdict verdict;

    if (n++ % 2) {              /* Both must do. */
        migrate_lookup(bed.engine, &frame, 1);
    }
    verdict = migrate_service_frame(bed.engine, service_id, &frame, bed.now);
    if (verdict == MIGRATE_FORWARD) {
        free(bed.forwarded);
        bed.forwarded = frame_new(frame.data, frame.len, frame.tag);
        bed.forwarded->frame.placeable = frame.placeable;
    }
    return verdict;
}

void
bed_message(unsigned int host, uint8_t type, const void *body, size_t len,
            uint16_t n)
{
    uint8_t buf[MIGRATE_MESSAGE_MAX + 64];

    len = bed_build_message(host, type, body, len, n, buf);
    CHECK_INT(bed_control_tagged(buf, len, host_tag(host)), MIGRATE_DROP);
}

void
bed_controller_message(uint8_t type, const void *body, size_t len)
{
    uint64_t message[MIGRATE_DECIDE_MAX / 8];
    uint8_t buf[MIGRATE_DECIDE_MAX + 64];
    struct migrate_header header = {
        .version = MIGRATE_VERSION,
        .type = type,
        .length = htons(sizeof header + len),
        .count = htons(1),
        .epoch = htonl(1),
    };

    memcpy(message, &header, sizeof header);
    memcpy(message + sizeof header / 8, body, len);
    seal(&bed.keys.keys[0], &bed.address, &bed.address, (void *) message);
    memcpy(buf + udp_overhead(&bed.address), message, sizeof header + len);
    CHECK_INT(bed_control(buf, udp_build(buf, sizeof header + len, bed.mac,
                                         bed.mac, &bed.address, &bed.address,
                                         MIGRATE_PORT)), MIGRATE_DROP);
}

void
bed_report(unsigned int host, uint32_t flow_id, uint8_t event,
           uint8_t reason, uint32_t rcv_nxt)
{
    struct migrate_report report = {
        .flow_id = htonl(flow_id),
        .event = event,
        .reason = reason,
        .rcv_nxt = htonl(rcv_nxt),
    };

    bed_message(host, MIGRATE_REPORT, &report, sizeof report, 1);
}

void
bed_status(unsigned int host)
{
    struct migrate_status status = {
        .capacity = htonl(1000),
        .epoch = htonl(bed.engine->epoch),
        .others = htonl(bed.others),
        .challenge = bed.hosts[host].challenge,
    };

    bed_message(host, MIGRATE_STATUS, &status, sizeof status, 0);
}

static void
host_arp_reply(unsigned int host)
{
    struct arp arp = {
        .op = ARP_REPLY,
        .sender = bed.hosts[host].address,
        .target = bed.address,
    };
    uint8_t buf[ARP_FRAME_LEN];

    memcpy(arp.sender_mac, bed.hosts[host].mac, 6);
    memcpy(arp.target_mac, bed.mac, 6);
    arp_build(&arp, bed.mac, buf);
    bed_control_tagged(buf, sizeof buf, host_tag(host));
}

static void
host_advertise(unsigned int host)
{
    struct nd nd = {
        .type = ND_ADVERTISE, .solicited = true,
        .target = bed.hosts[host].address,
    };
    uint8_t buf[ND_FRAME_LEN];

    memcpy(nd.mac, bed.hosts[host].mac, 6);
    nd_build(&nd, bed.mac, &nd.target, &bed.address, buf);
    bed_control_tagged(buf, sizeof buf, host_tag(host));
}

void
bed_mappings(unsigned int host, uint32_t after, bool last,
             const struct migrate_mapping *mappings, unsigned int n)
{
    struct migrate_slice slice = { .after = htonl(after), .last = last };
    uint8_t body[4096];

    CU_ASSERT_FATAL(sizeof slice + n * sizeof *mappings <= sizeof body);
    memcpy(body, &slice, sizeof slice);
    if (n) {                    /* memcpy() wants no null pointer. */
        memcpy(body + sizeof slice, mappings, n * sizeof *mappings);
    }
    bed_message(host, MIGRATE_MAPPINGS, body,
                sizeof slice + n * sizeof *mappings, n);
}

/* Takes notice of question 'f'; returns after which flow ID it asks. */
static uint32_t
note_audit(unsigned int host, const struct bed_frame *f)
{
    struct {
        struct migrate_header header;
        struct migrate_audit audit;
    } m;

    CHECK_INT(f->packet.payload_len, sizeof m);
    memcpy(&m, f->data + f->packet.payload, sizeof m);
    bed.hosts[host].asked = ntohl(m.header.sequence);
    return ntohl(m.audit.after);
}

unsigned int
bed_expect_audit(uint32_t *after)
{
    struct bed_frame *f = bed_take();
    unsigned int host = 0;

    CU_ASSERT_FATAL(f && is_message(f, MIGRATE_AUDIT));
    while (!address_equals(&bed.hosts[host].address, &f->packet.dst)) {
        host++;
        CU_ASSERT_FATAL(host < BED_HOSTS);
    }
    *after = note_audit(host, f);
    free(f);
    return host;
}

/* Answers with one mapping, the next that the engine knows of. */
static void
answer_audit(unsigned int host, uint32_t after)
{
    const struct record *r, *next = NULL;
    struct migrate_mapping map;
    uint32_t at = 0;

    while ((r = migrate_next_connection(bed.engine, &at))) {
        if (r->host == host && r->flow_id > after
            && (r->state == RECORD_LIVE || r->state == RECORD_LINGER)
            && (!next || r->flow_id < next->flow_id)) {
            next = r;
        }
    }
    if (next) {
        map = (struct migrate_mapping) {
            .flow_id = htonl(next->flow_id),
            .service_id = htonl(next->service_id),
            .client = next->tuple.client,
            .service = next->tuple.service,
            .client_port = next->tuple.client_port,
            .service_port = next->tuple.service_port,
            .isn = htonl(next->isn),
            .state = (next->state == RECORD_LIVE ? MIGRATE_MAPPING_LIVE
                      : MIGRATE_MAPPING_ENDED),
            .yours = 1,
        };
    }
    bed_mappings(host, after, !next, &map, next != NULL);
}

struct migrate_mapping
bed_mapping(const struct bed_client *c, uint32_t flow_id)
{
    return (struct migrate_mapping) {
        .flow_id = htonl(flow_id),
        .service_id = htonl(c->service_id),
        .client = c->tuple.client,
        .service = c->tuple.service,
        .client_port = c->tuple.client_port,
        .service_port = c->tuple.service_port,
        .isn = htonl(c->ack - 1),
        .age = htonl(10),
        .state = MIGRATE_MAPPING_LIVE,
        .yours = 1,
    };
}

static void
host_answer(unsigned int host, const struct bed_frame *f)
{
    const struct migrate_address *address = &bed.hosts[host].address;
    struct arp arp;
    struct nd nd;

    if (!bed.hosts[host].alive || f->frame.tag != host_tag(host)) {
        return;
    }
    if (f->kind == FRAME_ARP) {
        arp_read(&f->frame, &f->packet, &arp);
        if (arp.op == ARP_REQUEST && address_equals(&arp.target, address)) {
            host_arp_reply(host);
        }
    } else if (f->kind == FRAME_ICMP) {
        if (nd_read(&f->frame, &f->packet, &nd)
            && nd.type == ND_SOLICIT && address_equals(&nd.target, address)) {
            host_advertise(host);
        }
    } else if (!address_equals(&f->packet.dst, address)
               || bed.hosts[host].mute) {
        return;
    } else if (is_message(f, MIGRATE_AUDIT)) {
        answer_audit(host, note_audit(host, f));
    } else {
        struct {
            struct migrate_header header;
            struct migrate_hello hello;
        } m;

        memcpy(&m, f->data + f->packet.payload, sizeof m);
        bed.hosts[host].heard = ntohl(m.header.sequence);
        if (m.hello.challenge == bed.hosts[host].challenge) {
            bed.hosts[host].challenge = 0;
        }
        bed_status(host);
    }
}

/* Takes what hosts answer by themselves out of the frames and lets them, now
 * that the engine is done. */
static void
answer_hellos(void)
{
    struct bed_frame *f, *next;

    for (f = TAILQ_FIRST(&bed.frames); f && !bed.keep_hellos; f = next) {
        next = TAILQ_NEXT(f, next);
        if (is_question(f)) {
            TAILQ_REMOVE(&bed.frames, f, next);
            for (unsigned int i = 0; i < BED_HOSTS; i++) {
                host_answer(i, f);
            }
            free(f);
            next = TAILQ_FIRST(&bed.frames);
        }
    }
}

/* The bed. */

void
bed_configure(void)
{
    char *error = migrate_configure(bed.engine, &bed.config, bed.now);

    CHECK_STR(error ? error : "no error", "no error");
    free(error);
}

struct host *
bed_engine_host(unsigned int i)
{
    return bed.engine->hosts[i];
}

void
bed_host_vlan(unsigned int host, uint16_t vlan)
{
    bed.hosts[host].vlan = bed.host_configs[host].vlan = vlan;
}

static void
make_addresses(int family)
{
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0xfe };

    memcpy(bed.mac, mac, 6);
    address_parse(family == 4 ? "10.0.0.254" : "2001:db8::fe", &bed.address);
    address_parse(family == 4 ? "198.51.100.1" : "2001:db8:1::1", &bed.vip);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        const uint8_t host_mac[6] = { 2, 0, 0, 0, 2, i };

        address_parse(family == 4 ? "10.0.0.11" : "2001:db8::11",
                      &bed.hosts[i].address);
        bed.hosts[i].address.byte[15] += i;
        memcpy(bed.hosts[i].mac, host_mac, 6);
        bed.hosts[i].alive = true;
        bed.hosts[i].epoch = 0x1000 + i;
    }
}

static void
make_config(void)
{
    static char *const host_names[] = {
        (char *) "h1", (char *) "h2", (char *) "h3"
    };
    static const struct service_config services[BED_SERVICES] = {
        { .name = (char *) "http", .protocol = PROTOCOL_HTTP,
          .rules = &bed.rules[0], .n_rules = 1 },
        { .name = (char *) "tcp", .protocol = PROTOCOL_TCP },
        { .name = (char *) "flow", .protocol = PROTOCOL_HTTP,
          .placement = MIGRATE_PLACED_FLOW },
        { .name = (char *) "tls", .protocol = PROTOCOL_TLS,
          .rules = &bed.rules[1], .n_rules = 1 },
        { .name = (char *) "h2c", .protocol = PROTOCOL_H2C,
          .rules = &bed.rules[0], .n_rules = 1 },
        { .name = (char *) "auto", .protocol = PROTOCOL_AUTO,
          .rules = bed.rules, .n_rules = 2 },
        { .name = (char *) "kernel", .protocol = PROTOCOL_HTTP,
          .placement = MIGRATE_PLACED_KERNEL },
    };

    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed.host_configs[i].name = host_names[i];
        bed.host_configs[i].address = bed.hosts[i].address;
        bed.members[i] = (struct member_config) { i, 1 };
    }
    bed.pools[0] = (struct pool_config) {
        .name = (char *) "all",
        .members = bed.members, .n_members = BED_HOSTS,
    };
    bed.pools[1] = (struct pool_config) {
        .name = (char *) "h3", .members = &bed.members[2], .n_members = 1,
    };
    bed.matches[0] = (struct match_config) {
        (char *) "path-prefix", (char *) "/images"
    };
    bed.matches[1] = (struct match_config) {
        (char *) "sni", (char *) "images.example"
    };
    for (unsigned int i = 0; i < 2; i++) {
        bed.rules[i] = (struct rule_config) {
            .priority = 10, .matches = &bed.matches[i], .n_matches = 1,
            .pool = 1,
        };
    }
    memcpy(bed.services, services, sizeof services);
    for (unsigned int i = 0; i < BED_SERVICES; i++) {
        bed.services[i].id = 1 + i;
        bed.services[i].request_timeout = 5000;
        bed.services[i].first_data_timeout = 200;
    }
    bed.config = (struct migrate_config) {
        .mtu = 1500, .keys = bed.keys,
        .hosts = bed.host_configs, .n_hosts = BED_HOSTS,
        .pools = bed.pools, .n_pools = 2,
        .services = bed.services, .n_services = BED_SERVICES,
    };
    *(bed.family == 4 ? &bed.config.address4
      : &bed.config.address6) = bed.address;
    memcpy(bed.config.mac, bed.mac, 6);
}

void
bed_open(int family, uint32_t max_connections)
{
    static const uint8_t key[MIGRATE_KEY_LEN] = "a key for tests";
    static const uint8_t seed[16] = "a seed for tests";

    if (!guard.size) {
        guard_init(&guard, 70000);
    }
    if (bed.engine) {
        bed_close();            /* A test ended early. */
    }
    memset(&bed, 0, sizeof bed);
    TAILQ_INIT(&bed.frames);
    bed.now = 1000000;
    bed.family = family;
    bed.may_place = true;
    seal_key_init(&bed.keys.keys[0], key);
    bed.keys.n = 1;
    make_addresses(family);
    make_config();
    bed.engine = migrate_create(&ops, NULL, max_connections, seed);
    CU_ASSERT_FATAL(bed.engine != NULL);
    bed_configure();
    bed_wait(1);
}

void
bed_restart(void)
{
    static const uint8_t seed[16] = "another seed now";

    migrate_destroy(bed.engine);
    bed.engine = migrate_create(&ops, NULL, 64, seed);
    CU_ASSERT_FATAL(bed.engine != NULL);
    bed_configure();
    bed_wait(0);
}

void
bed_clear(void)
{
    struct bed_frame *f;

    while ((f = bed_take())) {
        free(f);
    }
}

void
bed_close(void)
{
    migrate_destroy(bed.engine);
    bed.engine = NULL;
    bed_clear();
    free(bed.forwarded);
    bed.forwarded = NULL;
}

void
bed_wait(unsigned int ms)
{
    do {
        if (migrate_deadline(bed.engine) <= bed.now) {
            migrate_run(bed.engine, bed.now, WALL + bed.now);
            answer_hellos();
        }
    } while (ms-- && ++bed.now);
}

/* What the engine sent. */

struct bed_frame *
bed_take(void)
{
    struct bed_frame *f;

    if (bed.engine) {
        answer_hellos();
    }
    f = TAILQ_FIRST(&bed.frames);
    if (f) {
        TAILQ_REMOVE(&bed.frames, f, next);
    }
    return f;
}

void
bed_expect_none(void)
{
    struct bed_frame *f = bed_take();

    CU_ASSERT(!f);
    free(f);
}

struct bed_frame *
bed_expect(const struct bed_client *c, uint8_t flags, uint32_t ack)
{
    struct bed_frame *f = bed_take();
    const struct packet *p;

    CU_ASSERT_FATAL(f && f->kind == FRAME_TCP);
    p = &f->packet;
    CU_ASSERT(frame_csum_ok(&f->frame, p));
    CHECK_INT(f->frame.tag, c->tag);
    CU_ASSERT(!memcmp(f->data, c->mac, 6));
    CU_ASSERT(!memcmp(f->data + 6, bed.mac, 6));
    CU_ASSERT(address_equals(&p->dst, &c->tuple.client));
    CU_ASSERT(address_equals(&p->src, &c->tuple.service));
    CHECK_INT(p->dst_port, c->tuple.client_port);
    CHECK_INT(p->src_port, c->tuple.service_port);
    CHECK_INT(p->flags, flags);
    CHECK_INT(p->ack, ack);
    return f;
}

bool
bed_holds(const struct bed_frame *f, const char *text)
{
    return memmem(f->data + f->packet.payload, f->packet.payload_len, text,
                  strlen(text)) != NULL;
}

unsigned int
bed_expect_message(enum migrate_type type, void *message, size_t size)
{
    struct bed_frame *f = bed_take();
    const struct packet *p;
    unsigned int host = 0;
    void *copy;

    CU_ASSERT_FATAL(f && f->kind == FRAME_UDP);
    p = &f->packet;
    while (host < BED_HOSTS
           && !address_equals(&bed.hosts[host].address, &p->dst)) {
        host++;
    }
    CU_ASSERT_FATAL(host < BED_HOSTS);
    CU_ASSERT(frame_csum_ok(&f->frame, p));
    CHECK_INT(f->frame.tag, host_tag(host));
    CU_ASSERT(!memcmp(f->data, bed.hosts[host].mac, 6));
    CU_ASSERT(address_equals(&p->src, &bed.address));
    CHECK_INT(p->dst_port, htons(MIGRATE_PORT));
    copy = xcalloc(1, p->payload_len);
    memcpy(copy, f->data + p->payload, p->payload_len);
    CU_ASSERT(seal_check(&bed.keys, &p->src, &p->dst, copy, p->payload_len));
    CHECK_INT(((struct migrate_header *) copy)->type, type);
    CU_ASSERT_FATAL(p->payload_len >= size);
    memcpy(message, copy, size);
    free(copy);
    free(f);
    return host;
}

struct bed_bundle
bed_expect_bundle(void)
{
    uint8_t message[MIGRATE_MESSAGE_MAX], packet[MIGRATE_MESSAGE_MAX] = { 0 };
    struct bed_bundle bundle = { .when = 0 };
    const struct bed_frame *f;
    size_t len, size;

    f = TAILQ_FIRST(&bed.frames);
    CU_ASSERT_FATAL(f != NULL);
    bundle.when = f->when;
    size = f->packet.payload_len;
    bundle.host = bed_expect_message(MIGRATE_BUNDLE, message, size);
    memcpy(&bundle.b, message, sizeof bundle.b);
    bundle.flow_id = ntohl(bundle.b.flow_id);
    len = ntohs(bundle.b.packet_len);
    CU_ASSERT_FATAL(sizeof bundle.b + len <= size);
    packet[12] = bundle.b.family == 4 ? 0x08 : 0x86;
    packet[13] = bundle.b.family == 4 ? 0x00 : 0xdd;
    memcpy(packet + ETH_LEN, message + sizeof bundle.b, len);
    bundle.inner = frame_new(packet, ETH_LEN + len, 0);
    CHECK_INT(bundle.inner->kind, FRAME_TCP);
    CU_ASSERT(frame_csum_ok(&bundle.inner->frame, &bundle.inner->packet));
    return bundle;
}

struct bed_bundle
bed_only_bundle(void)
{
    struct bed_bundle bundle = bed_expect_bundle();

    bed_expect_none();
    return bundle;
}

uint32_t
bed_expect_flow_id(unsigned int *host)
{
    struct bed_bundle bundle = bed_expect_bundle();

    if (host) {
        *host = bundle.host;
    }
    bed_bundle_free(&bundle);
    return bundle.flow_id;
}

void
bed_expect_request(const struct bed_client *c, const void *data, size_t len)
{
    struct bed_bundle bundle = bed_expect_bundle();
    const struct bed_frame *inner = bundle.inner;

    CHECK_INT(inner->packet.seq, c->isn + 1);
    CHECK_INT(inner->packet.payload_len, len);
    CU_ASSERT(!memcmp(inner->data + inner->packet.payload, data, len));
    bed_bundle_free(&bundle);
}

void
bed_bundle_free(struct bed_bundle *bundle)
{
    free(bundle->inner);
    bundle->inner = NULL;
}

void
bed_expect_abort(unsigned int host, uint32_t flow_id)
{
    struct {
        struct migrate_header header;
        struct migrate_abort abort;
    } message;

    CHECK_INT(bed_expect_message(MIGRATE_ABORT, &message, sizeof message),
              host);
    CHECK_INT(ntohl(message.abort.flow_id), flow_id);
}
