/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FRAME_H
#define FRAME_H 1

/* Makes frames for the tests of the BPF programs. */

#include <stddef.h>
#include <stdint.h>

#include "lib/seal.h"

#define FRAME_MAX 3400              /* What BPF_PROG_TEST_RUN takes. */

struct frame {
    uint8_t bytes[FRAME_MAX];
    size_t size;
};

struct endpoint {
    struct migrate_address address;
    uint16_t port;
};

/* TCP flags. */
enum { T_FIN = 1, T_SYN = 2, T_RST = 4, T_PSH = 8, T_ACK = 16 };

/* Starts an Ethernet frame, between two interfaces without addresses, which
 * is what BPF_PROG_TEST_RUN takes for this host's.  The family is that of
 * 'a'. */
void frame_init(struct frame *f, const struct migrate_address *a);

/* Writes an IP packet of 'size' bytes in all after what is in 'buf', with its
 * protocol header and 'data'; checksums are right.  Returns its size. */
size_t ip_tcp(uint8_t *buf, const struct endpoint *src,
              const struct endpoint *dst, uint32_t seq, uint32_t ack,
              uint8_t flags, const void *data, size_t size);
size_t ip_udp(uint8_t *buf, const struct endpoint *src,
              const struct endpoint *dst, const void *data, size_t size);

/* A whole frame with one of the above. */
void frame_tcp(struct frame *f, const struct endpoint *src,
               const struct endpoint *dst, uint32_t seq, uint32_t ack,
               uint8_t flags, const void *data, size_t size);
void frame_udp(struct frame *f, const struct endpoint *src,
               const struct endpoint *dst, const void *data, size_t size);

/* The sum of RFC 1071 over 'size' bytes, not complemented, in host order. */
uint16_t sum16(const void *data, size_t size, uint32_t start);

#endif /* frame.h */
