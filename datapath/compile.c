/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "compile.h"

#include <arpa/inet.h>
#include <string.h>

#include "frame.h"

/* A bundle in the making. */
struct compiler {
    const struct connection *connection;
    struct migrate_bundle *bundle;
    uint8_t *packet;            /* Behind the bundle's fields. */
    size_t max_packet;          /* Bytes there. */
    struct tcp_options options;
    struct segment segment;     /* What the packet will be... */
    size_t len;                 /* ...and its length as far as it has come. */
};

/* A layer's "migrate connection": adds what the layer knows to what those
 * above it said. */
typedef void compile_function(struct compiler *);

static size_t
ip_header_len(const struct connection *c)
{
    return address_is_v4(&c->tuple.service) ? 20 : 40;
}

static void
compile_application(struct compiler *compiler)
{
    const struct connection *c = compiler->connection;

    compiler->bundle->service_id = htonl(c->service_id);
    compiler->bundle->flow_id = htonl(c->flow_id);
    compiler->segment.payload = c->data;
    compiler->segment.payload_len = c->data_len;
}

static void
compile_tcp(struct compiler *compiler)
{
    const struct connection *c = compiler->connection;
    struct migrate_bundle *b = compiler->bundle;
    struct segment *s = &compiler->segment;
    /* The least that the kernel takes (bpf_sk_assign_tcp_reqsk()). */
    uint16_t min_mss = address_is_v4(&c->tuple.service) ? 536 : 1220;
    size_t header = 20;
    size_t max;                 /* Of the data. */

    b->client_port = c->tuple.client_port;
    b->service_port = c->tuple.service_port;
    b->options = ((c->syn.wscale_ok ? MIGRATE_OPT_WSCALE : 0)
                  | (c->syn.sack_ok ? MIGRATE_OPT_SACK : 0)
                  | (c->tstamp_ok ? MIGRATE_OPT_TSTAMP : 0));
    b->snd_wscale = c->syn.wscale_ok ? c->syn.wscale : 0;
    b->rcv_wscale = c->syn.wscale_ok ? c->rcv_wscale : 0;
    b->mss = htons(c->syn.mss > min_mss ? c->syn.mss : min_mss);
    b->tsval = htonl(c->tsval);
    b->tsecr = htonl(c->tsecr);

    s->src_port = c->tuple.client_port;
    s->dst_port = c->tuple.service_port;
    s->seq = c->client_isn + 1;
    s->ack = c->switch_isn + 1;
    s->window = c->window;
    s->flags = SEG_ACK | SEG_PSH;
    if (c->tstamp_ok) {
        compiler->options.tstamp_ok = true;
        compiler->options.tsval = c->tsval;
        compiler->options.tsecr = c->tsecr;
        s->options = &compiler->options;
        header += 12;
    }
    max = compiler->max_packet - header - ip_header_len(c);
    if (s->payload_len > max) {
        s->payload_len = max;
    } else if (c->fin) {
        s->flags |= SEG_FIN;
    }
    compiler->len = header + s->payload_len;
}

static void
compile_ip(struct compiler *compiler)
{
    const struct connection *c = compiler->connection;
    struct migrate_bundle *b = compiler->bundle;

    b->client = c->tuple.client;
    b->service = c->tuple.service;
    b->family = address_is_v4(&c->tuple.service) ? 4 : 6;
    compiler->segment.src = &c->tuple.client;
    compiler->segment.dst = &c->tuple.service;
    compiler->len += ip_header_len(c);
    b->packet_len = htons(compiler->len);
}

/* The stack, from the top. */
static compile_function *const layers[] = {
    compile_application,
    compile_tcp,
    compile_ip,
};

size_t
migrate_connection(const struct connection *c, void *buf, size_t max,
                   size_t *taken)
{
    struct migrate_bundle *b = buf;
    struct compiler compiler = {
        .connection = c,
        .bundle = b,
        .packet = (uint8_t *) (b + 1),
        .max_packet = max / 8 * 8 - sizeof *b,
    };
    size_t len;

    memset(b, 0, sizeof *b);
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        layers[i](&compiler);
    }

    /* The state is complete; the received data joins it. */
    segment_build(&compiler.segment, compiler.packet);
    *taken = compiler.segment.payload_len;
    len = (sizeof *b + compiler.len + 7) / 8 * 8;
    memset(compiler.packet + compiler.len, 0,
           len - sizeof *b - compiler.len);
    return len;
}
