/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xalloc.h"

/* Clients of the bed. */

struct bed_client
bed_client(unsigned int n, uint32_t service_id)
{
    struct bed_client c = {
        .service_id = service_id,
        .mac = { 2, 0, 0, 0, 1, n },
        .window = 512,
        .options = { .mss = 1460, .wscale_ok = true, .wscale = 7,
                     .sack_ok = true, .tstamp_ok = true },
        .isn = 0x10000000 * (n + 1),
    };

    address_parse(bed.family == 4 ? "192.0.2.1" : "2001:db8:2::1",
                  &c.tuple.client);
    c.tuple.client.byte[14] += n >> 8;
    c.tuple.client.byte[15] += n;
    c.tuple.service = bed.vip;
    c.tuple.client_port = htons(40000 + n);
    c.tuple.service_port = htons(80);
    c.seq = c.isn + 1;
    return c;
}

static size_t
build(const struct bed_client *c, uint8_t flags, uint32_t seq,
      const void *data, size_t len, uint8_t *buf)
{
    struct tcp_options options = c->options;
    struct segment s = {
        .eth_dst = bed.mac, .eth_src = c->mac,
        .src = &c->tuple.client, .dst = &c->tuple.service,
        .src_port = c->tuple.client_port, .dst_port = c->tuple.service_port,
        .seq = seq, .ack = flags & SEG_ACK ? c->ack : 0,
        .window = c->window,
        .flags = flags,
        .options = &options,
        .payload = data, .payload_len = len,
    };

    options.tsval = bed.now;
    options.tsecr = c->ts_recent;
    return segment_build(&s, buf);
}

enum migrate_verdict
bed_segment(const struct bed_client *c, uint8_t flags, uint32_t seq,
            const void *data, size_t len)
{
    static uint8_t buf[66000];

    return bed_service(c->service_id, buf,
                       build(c, flags, seq, data, len, buf), c->tag);
}

enum migrate_verdict
bed_corrupted(const struct bed_client *c, uint8_t flags, uint32_t seq,
              const void *data, size_t len, size_t ofs)
{
    static uint8_t buf[66000];
    size_t frame_len = build(c, flags, seq, data, len, buf);

    buf[frame_len - 1 - ofs] ^= 4;
    return bed_service(c->service_id, buf, frame_len, c->tag);
}

void
bed_connect(struct bed_client *c)
{
    struct tcp_options options;
    struct bed_frame *f;

    c->seq = c->isn + 1;
    bed_segment(c, SEG_SYN, c->isn, NULL, 0);
    f = bed_expect(c, SEG_SYN | SEG_ACK, c->isn + 1);
    c->ack = f->packet.seq + 1;
    tcp_options_parse(&f->frame, &f->packet, &options);
    c->ts_recent = options.tsval;
    free(f);
    if (c->service_id != BED_TCP && c->service_id != BED_AUTO) {
        CHECK_INT(bed_segment(c, SEG_ACK, c->seq, NULL, 0), MIGRATE_DROP);
    }
}

enum migrate_verdict
bed_data(struct bed_client *c, const void *data, size_t len)
{
    uint32_t seq = c->seq;

    c->seq += len;
    return bed_segment(c, SEG_ACK | SEG_PSH, seq, data, len);
}

enum migrate_verdict
bed_text(struct bed_client *c, const char *text)
{
    return bed_data(c, text, strlen(text));
}

void
bed_hello(struct bed_client *c, const char *sni)
{
    uint8_t n = strlen(sni);
    const uint8_t head[] = {
        0x16, 3, 1, 0, 56 + n, 1, 0, 0, 52 + n, 3, 3
    };
    const uint8_t middle[] = {
        0, 0, 2, 0x13, 1, 1, 0, 0, 9 + n, 0, 0, 0, 5 + n, 0, 3 + n, 0, 0, n
    };
    uint8_t hello[sizeof head + 32 + sizeof middle + 255] = { 0 };

    memcpy(hello, head, sizeof head);
    memcpy(hello + sizeof head + 32, middle, sizeof middle);
    memcpy(hello + sizeof head + 32 + sizeof middle, sni, n);
    CHECK_INT(bed_data(c, hello, sizeof head + 32 + sizeof middle + n),
              MIGRATE_DROP);
}

void
bed_h2_request(struct bed_client *c, const char *path)
{
    static const char head[] = H2_PREFACE "\0\0\0\4\0\0\0\0\0";
    uint8_t n = strlen(path);
    const uint8_t headers[] = {
        0, 0, 4 + n, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 4, n /* :path */
    };
    uint8_t data[sizeof head - 1 + sizeof headers + 255];

    memcpy(data, head, sizeof head - 1);
    memcpy(data + sizeof head - 1, headers, sizeof headers);
    memcpy(data + sizeof head - 1 + sizeof headers, path, n);
    CHECK_INT(bed_data(c, data, sizeof head - 1 + sizeof headers + n),
              MIGRATE_DROP);
}

void
bed_http_request(struct bed_client *c, const char *path)
{
    char *head = xasprintf("GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);

    CHECK_INT(bed_text(c, head), MIGRATE_DROP);
    free(head);
}

void
bed_request(struct bed_client *c, const char *path)
{
    bed_connect(c);
    bed_http_request(c, path ? path : "/");
}

uint32_t
bed_live(struct bed_client *c, unsigned int *host)
{
    struct bed_bundle bundle;
    uint32_t flow_id;

    bed_request(c, NULL);
    bundle = bed_expect_bundle();
    flow_id = bundle.flow_id;
    bed_report(bundle.host, flow_id, MIGRATE_CONFIRM, 0, c->seq);
    CHECK_STR(bed_state(c), "live");
    if (host) {
        *host = bundle.host;
    }
    bed_bundle_free(&bundle);
    return flow_id;
}

const struct record *
bed_record(const struct bed_client *c)
{
    return migrate_find_connection(bed.engine, &c->tuple);
}

const char *
bed_state(const struct bed_client *c)
{
    const struct record *r = bed_record(c);

    return r ? migrate_state_name(r) : "none";
}
