/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Floods a service with packets of made-up clients, as fast as the machine
 * can send them.
 *
 * usage: flood [OPTION]... KIND INTERFACE MAC SOURCE/BITS DESTINATION PORT
 *
 *   syn        SYNs
 *   ack        ACKs without data, whose cookie is wrong
 *   data       segments with data, whose cookie is wrong
 *   request    SYNs, and for each SYN-ACK that comes the data
 *
 *   -p TEXT    the data
 *   -r RATE    at most so many packets a second
 *   -n COUNT   so many packets
 *   -t SECONDS so long (default: 10)
 *   -m         from made-up Ethernet addresses as well
 *
 * MAC is where frames go.  Clients' addresses are SOURCE but for the bits
 * behind the first BITS, and they and the ports are random.  Nobody must have
 * these addresses.  SIGINT and SIGTERM end it early.  It ends with a line of
 * "NAME=NUMBER".
 *
 * As nothing is kept for a client, there may be any number of them. */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "packet.h"

#define BURST 64
#define CLIENT_ISN_MASK 0xffff0000u     /* So that a SYN-ACK is known by its
                                         * acknowledgment number. */
#define CLIENT_ISN 0x00007471u

enum kind { SYN, ACK, DATA, REQUEST };

static enum kind kind;
static struct migrate_address source, destination;
static unsigned int source_bits;
static __be16 port;
static uint8_t switch_mac[6], own_mac[6];
static bool random_mac;
static const char *text = "";
static double rate;
static unsigned long max_sent = -1UL;
static double duration = 10;

static int fd;
static volatile sig_atomic_t ended;
static unsigned long sent, dropped, answered;

static struct burst {
    uint8_t bytes[BURST][2048];
    struct iovec iovs[BURST];
    struct mmsghdr msgs[BURST];
    unsigned int n;
} burst;

/* xorshift64* (Vigna, 2016). */
static uint64_t
random64(void)
{
    static uint64_t x;

    if (!x) {
        x = (uint64_t) (seconds() * 1e9) | 1;
    }
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    return x * 0x2545f4914f6cdd1d;
}

static struct migrate_address
random_source(void)
{
    struct migrate_address a = source;
    unsigned int first = (address_is_v4(&a) ? 96 : 0) + source_bits;

    for (unsigned int i = first / 8; i < 16; i++) {
        uint8_t mask = i == first / 8 ? 0xff >> first % 8 : 0xff;

        a.byte[i] ^= random64() & mask;
    }
    return a;
}

static void
flush_burst(void)
{
    unsigned int done = 0;

    while (done < burst.n) {
        int n = sendmmsg(fd, burst.msgs + done, burst.n - done, 0);

        if (n > 0) {
            done += n;
            sent += n;
        } else if (errno == ENOBUFS || errno == EAGAIN) {
            done++;             /* The interface's queue is full. */
            dropped++;
        } else if (errno != EINTR) {
            die("send");
        }
    }
    burst.n = 0;
}

static void
send_segment(struct segment *s)
{
    uint8_t mac[6];

    s->eth_dst = switch_mac;
    s->eth_src = own_mac;
    if (random_mac) {
        uint64_t word = random64();

        memcpy(mac, &word, sizeof mac);
        mac[0] = 0x02;          /* One of those that anybody may use. */
        s->eth_src = mac;
    }
    s->dst = &destination;
    s->dst_port = port;
    burst.iovs[burst.n].iov_len = segment_build(s, burst.bytes[burst.n]);
    if (++burst.n == BURST) {
        flush_burst();
    }
}

/* Sends what a flood consists of. */
static void
send_one(void)
{
    struct migrate_address client = random_source();
    uint64_t word = random64();
    struct tcp_options options = {
        .mss = 1460, .wscale_ok = true, .wscale = 7, .sack_ok = true,
        .tstamp_ok = true, .tsval = word,
    };
    struct segment s = {
        .src = &client,
        .src_port = htons(1024 + (word >> 32) % 64512),
        .seq = ((uint32_t) word & CLIENT_ISN_MASK) | CLIENT_ISN,
        .window = 65535,
        .flags = SEG_SYN,
        .options = &options,
    };

    if (kind == ACK || kind == DATA) {
        s.ack = random64();
        s.flags = SEG_ACK;
        s.options = NULL;
        if (kind == DATA) {
            s.payload = text;
            s.payload_len = strlen(text);
        }
    }
    send_segment(&s);
}

/* Answers SYN-ACKs that have come with the data. */
static void
answer(void)
{
    static uint8_t buf[65536];
    struct frame frame = { .data = buf };
    ssize_t n;

    while ((n = recv(fd, buf, sizeof buf, MSG_DONTWAIT)) > 0) {
        struct tcp_options options;
        struct packet p;
        struct segment s;

        frame.len = n;
        if (frame_parse(&frame, &p) != FRAME_TCP
            || p.flags != (SEG_SYN | SEG_ACK)
            || ((p.ack - 1) & ~CLIENT_ISN_MASK) != CLIENT_ISN
            || !tcp_options_parse(&frame, &p, &options)) {
            continue;
        }
        options.tsecr = options.tsval;
        s = (struct segment) {
            .src = &p.dst, .src_port = p.dst_port,
            .seq = p.ack, .ack = p.seq + 1,
            .window = 65535,
            .flags = SEG_ACK | SEG_PSH,
            .options = &options,
            .payload = text, .payload_len = strlen(text),
        };
        send_segment(&s);
        answered++;
    }
    flush_burst();
}

static void
open_socket(const char *interface)
{
    struct ifreq ifr = { .ifr_flags = 0 };
    int on = 1;

    fd = packet_open(interface, kind == REQUEST ? ETH_P_ALL : 0);
    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", interface);
    if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on)
        || ioctl(fd, SIOCGIFHWADDR, &ifr)) {
        die(interface);
    }
    memcpy(own_mac, ifr.ifr_hwaddr.sa_data, sizeof own_mac);
}

static void
usage(void)
{
    fprintf(stderr, "usage: flood [-p TEXT] [-r RATE] [-n COUNT] [-t SECONDS] "
            "[-m] syn|ack|data|request\n"
            "             INTERFACE MAC SOURCE/BITS DESTINATION PORT\n");
    exit(2);
}

static void
parse_options(int argc, char *argv[])
{
    static const char *const kinds[] = { "syn", "ack", "data", "request" };
    char *slash;
    int option;

    while ((option = getopt(argc, argv, "p:r:n:t:m")) != -1) {
        switch (option) {
        case 'p': text = optarg; break;
        case 'r': rate = atof(optarg); break;
        case 'n': max_sent = strtoul(optarg, NULL, 10); break;
        case 't': duration = atof(optarg); break;
        case 'm': random_mac = true; break;
        default: usage();
        }
    }
    argv += optind;
    if (argc - optind != 6 || strlen(text) > 1400) {
        usage();
    }
    while (strcmp(argv[0], kinds[kind])) {
        if (kind++ == REQUEST) {
            usage();
        }
    }
    slash = strchr(argv[3], '/');
    if (!slash) {
        usage();
    }
    *slash = '\0';
    source_bits = atoi(slash + 1);
    port = htons(atoi(argv[5]));
    if (sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx",
               &switch_mac[0], &switch_mac[1], &switch_mac[2],
               &switch_mac[3], &switch_mac[4], &switch_mac[5]) != 6
        || !address_parse(argv[3], &source)
        || !address_parse(argv[4], &destination)
        || source_bits > (address_is_v4(&source) ? 32 : 128)) {
        usage();
    }
    open_socket(argv[1]);
}

static void
end(int signum)
{
    (void) signum;
    ended = 1;
}

int
main(int argc, char *argv[])
{
    double start, now;

    parse_options(argc, argv);
    signal(SIGINT, end);
    signal(SIGTERM, end);
    for (unsigned int i = 0; i < BURST; i++) {
        burst.iovs[i].iov_base = burst.bytes[i];
        burst.msgs[i].msg_hdr.msg_iov = &burst.iovs[i];
        burst.msgs[i].msg_hdr.msg_iovlen = 1;
    }
    start = now = seconds();
    while (!ended && now < start + duration) {
        double due = rate ? (now - start) * rate : 1e18;

        if (sent >= max_sent && kind != REQUEST) {
            break;
        }
        for (int i = 0; i < BURST && sent + burst.n - answered < due
             && sent + burst.n - answered < max_sent; i++) {
            send_one();
        }
        flush_burst();
        if (kind == REQUEST) {
            answer();
        }
        if (sent >= due || sent - answered >= max_sent) {
            usleep(200);
        }
        now = seconds();
    }
    printf("sent=%lu dropped=%lu answered=%lu seconds=%.3f\n",
           sent, dropped, answered, now - start);
    return 0;
}
