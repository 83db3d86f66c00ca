/* SPDX-License-Identifier: Apache-2.0 */

/* Sends a host bundles as fast as it confirms them: for bench.py.
 *
 * usage: flood INTERFACE HOST-MAC KEY N PORT
 *
 * N connections of made-up clients, from switch 10.99.0.254, for port PORT of
 * 10.99.0.100.  Ends when all have been released, or nothing has come for two
 * seconds; then it prints how many bundles a second that was. */

#include <config.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "lib/address.h"
#include "lib/xalloc.h"
#include "tests/system/packet.h"

#define BURST 32
#define WINDOW 400                  /* Bundles under way. */
#define FIRST_FLOW_ID 0x40000000
#define REQUEST 400                 /* Bytes: what a browser sends. */

static struct keyring keyring;
static struct endpoint sw, host, service;

/* What was told of each connection, a bit for each enum migrate_event: an
 * event may be told more than once. */
static uint8_t *told;
static unsigned int n_connections;
static unsigned int n_told[8];      /* Connections, by event. */
static int fd;

/* Makes the frame of the 'i'th bundle. */
static void
make(struct frame *f, unsigned int i, const uint8_t mac[6])
{
    static uint8_t buf[2048] __attribute__((aligned(8)));
    struct migrate_bundle *b = (void *) buf;
    char request[REQUEST];
    struct endpoint client = {
        .address = address_from_v4(htonl(0x0a630101 + i / 60000)),
        .port = 2000 + i % 60000,
    };
    size_t len;

    memset(buf, 0, sizeof buf);
    memset(request, 'x', sizeof request);
    len = ip_tcp(buf + sizeof *b, &client, &service, 1001, 5001,
                 T_ACK | T_PSH, request, sizeof request);
    b->flow_id = htonl(FIRST_FLOW_ID + i);
    b->client = client.address;
    b->service = service.address;
    b->client_port = htons(client.port);
    b->service_port = htons(service.port);
    b->family = 4;
    b->options = MIGRATE_OPT_WSCALE | MIGRATE_OPT_SACK;
    b->snd_wscale = b->rcv_wscale = 7;
    b->mss = htons(1460);
    b->packet_len = htons(len);
    b->header.version = MIGRATE_VERSION;
    b->header.type = MIGRATE_BUNDLE;
    b->header.length = htons((sizeof *b + len + 7) / 8 * 8);
    b->header.epoch = htonl(1);
    seal(&keyring.keys[0], &sw.address, &host.address, &b->header);
    frame_udp(f, &sw, &host, buf, ntohs(b->header.length));
    memcpy(f->bytes, mac, 6);
}

static void
send_burst(unsigned int first, unsigned int n, const uint8_t mac[6])
{
    static struct frame frames[BURST];
    struct mmsghdr msgs[BURST];
    struct iovec iovs[BURST];

    memset(msgs, 0, sizeof msgs);
    for (unsigned int i = 0; i < n; i++) {
        make(&frames[i], first + i, mac);
        iovs[i].iov_base = frames[i].bytes;
        iovs[i].iov_len = frames[i].size;
        msgs[i].msg_hdr.msg_iov = &iovs[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
    }
    if (sendmmsg(fd, msgs, n, 0) != (int) n) {
        die("send");
    }
}

static void
count(const uint8_t *p)
{
    struct migrate_report report;
    uint32_t i;

    memcpy(&report, p, sizeof report);
    i = ntohl(report.flow_id) - FIRST_FLOW_ID;
    if (i < n_connections && report.event < 8
        && !(told[i] & 1 << report.event)) {
        told[i] |= 1 << report.event;
        n_told[report.event]++;
    }
}

static void
take(const uint8_t *frame, size_t size)
{
    struct migrate_header header;
    const uint8_t *p = frame + 14 + 20 + 8;

    if (size < 14 + 28 + sizeof header || frame[23] != IPPROTO_UDP) {
        return;
    }
    memcpy(&header, p, sizeof header);
    p += sizeof header;
    for (int i = 0; header.type == MIGRATE_REPORT && i < ntohs(header.count);
         i++) {
        count(p);
        p += sizeof(struct migrate_report);
    }
}

static void
receive(int timeout)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    uint8_t frame[2048];

    if (poll(&pfd, 1, timeout) > 0) {
        ssize_t n;

        while ((n = recv(fd, frame, sizeof frame, MSG_DONTWAIT)) > 0) {
            take(frame, n);
        }
    }
}

int
main(int argc, char *argv[])
{
    unsigned int sent = 0, before = 0;
    uint8_t mac[6], key[MIGRATE_KEY_LEN];
    double start, last;

    if (argc != 6 || sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac,
                            mac + 1, mac + 2, mac + 3, mac + 4, mac + 5)
                     != 6) {
        fprintf(stderr, "usage: flood INTERFACE HOST-MAC KEY N PORT\n");
        return 1;
    }
    n_connections = atoi(argv[4]);
    told = xcalloc(n_connections, sizeof *told);
    for (size_t i = 0; i < sizeof key; i++) {
        sscanf(argv[3] + 2 * i, "%2hhx", &key[i]);
    }
    seal_key_init(&keyring.keys[0], key);
    keyring.n = 1;
    sw = (struct endpoint) { address_from_v4(htonl(0x0a6300fe)),
                             MIGRATE_PORT };
    host = (struct endpoint) { address_from_v4(htonl(0x0a63000b)),
                               MIGRATE_PORT };
    service = (struct endpoint) { address_from_v4(htonl(0x0a630064)),
                                  atoi(argv[5]) };
    fd = packet_open(argv[1], ETH_P_IP);

    start = last = seconds();
    while (n_told[MIGRATE_RELEASE] + n_told[MIGRATE_REFUSE] < n_connections
           && seconds() - last < 2) {
        unsigned int done = n_told[MIGRATE_RELEASE]
                            + n_told[MIGRATE_REFUSE];

        if (sent < n_connections && sent - done < WINDOW) {
            unsigned int left = n_connections - sent;
            unsigned int burst = left < BURST ? left : BURST;

            send_burst(sent, burst, mac);
            sent += burst;
            receive(0);
        } else {
            receive(1);
        }
        if (done != before) {
            before = done;
            last = seconds();
        }
    }
    printf("%u %u %u %.3f\n", n_told[MIGRATE_CONFIRM],
           n_told[MIGRATE_REFUSE], n_told[MIGRATE_RELEASE],
           last - start);
    return 0;
}
