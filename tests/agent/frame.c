/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/address.h"

uint16_t
sum16(const void *data_, size_t size, uint32_t start)
{
    const uint8_t *data = data_;
    uint32_t sum = start;

    for (size_t i = 0; i + 1 < size; i += 2) {
        sum += data[i] << 8 | data[i + 1];
    }
    if (size % 2) {
        sum += data[size - 1] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static void
put16(uint8_t *p, uint16_t x)
{
    p[0] = x >> 8;
    p[1] = x;
}

static void
put32(uint8_t *p, uint32_t x)
{
    put16(p, x >> 16);
    put16(p + 2, x);
}

void
frame_init(struct frame *f, const struct migrate_address *a)
{
    memset(f, 0, sizeof *f);
    put16(&f->bytes[12], address_is_v4(a) ? 0x0800 : 0x86dd);
    f->size = 14;
}

/* Writes an IP header before the 'size' bytes that follow it.  Returns the
 * header's size. */
static size_t
ip_header(uint8_t *buf, const struct migrate_address *src,
          const struct migrate_address *dst, uint8_t protocol, size_t size)
{
    if (address_is_v4(src)) {
        memset(buf, 0, 20);
        buf[0] = 0x45;
        put16(&buf[2], 20 + size);
        put16(&buf[6], 0x4000);
        buf[8] = 64;
        buf[9] = protocol;
        memcpy(&buf[12], &src->byte[12], 4);
        memcpy(&buf[16], &dst->byte[12], 4);
        put16(&buf[10], ~sum16(buf, 20, 0));
        return 20;
    }
    memset(buf, 0, 40);
    buf[0] = 0x60;
    put16(&buf[4], size);
    buf[6] = protocol;
    buf[7] = 64;
    memcpy(&buf[8], src, 16);
    memcpy(&buf[24], dst, 16);
    return 40;
}

/* The checksum of a segment: mapped addresses add ffff each, which is 0. */
static uint16_t
l4_checksum(const struct migrate_address *src,
            const struct migrate_address *dst, uint8_t protocol,
            const uint8_t *segment, size_t size)
{
    uint32_t sum = protocol + size;

    sum = sum16(src, sizeof *src, sum);
    sum = sum16(dst, sizeof *dst, sum);
    return ~sum16(segment, size, sum);
}

size_t
ip_tcp(uint8_t *buf, const struct endpoint *src, const struct endpoint *dst,
       uint32_t seq, uint32_t ack, uint8_t flags, const void *data,
       size_t size)
{
    size_t ip = ip_header(buf, &src->address, &dst->address, IPPROTO_TCP,
                          20 + size);
    uint8_t *tcp = buf + ip;

    memset(tcp, 0, 20);
    put16(&tcp[0], src->port);
    put16(&tcp[2], dst->port);
    put32(&tcp[4], seq);
    put32(&tcp[8], ack);
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    put16(&tcp[14], 0xffff);
    memcpy(&tcp[20], data, size);
    put16(&tcp[16], l4_checksum(&src->address, &dst->address, IPPROTO_TCP,
                                tcp, 20 + size));
    return ip + 20 + size;
}

size_t
ip_udp(uint8_t *buf, const struct endpoint *src, const struct endpoint *dst,
       const void *data, size_t size)
{
    size_t ip = ip_header(buf, &src->address, &dst->address, IPPROTO_UDP,
                          8 + size);
    uint8_t *udp = buf + ip;
    uint16_t checksum;

    put16(&udp[0], src->port);
    put16(&udp[2], dst->port);
    put16(&udp[4], 8 + size);
    put16(&udp[6], 0);
    memcpy(&udp[8], data, size);
    checksum = l4_checksum(&src->address, &dst->address, IPPROTO_UDP, udp,
                           8 + size);
    put16(&udp[6], checksum ? checksum : 0xffff);
    return ip + 8 + size;
}

void
frame_tcp(struct frame *f, const struct endpoint *src,
          const struct endpoint *dst, uint32_t seq, uint32_t ack,
          uint8_t flags, const void *data, size_t size)
{
    frame_init(f, &src->address);
    f->size += ip_tcp(&f->bytes[f->size], src, dst, seq, ack, flags, data,
                      size);
}

void
frame_udp(struct frame *f, const struct endpoint *src,
          const struct endpoint *dst, const void *data, size_t size)
{
    frame_init(f, &src->address);
    f->size += ip_udp(&f->bytes[f->size], src, dst, data, size);
}
