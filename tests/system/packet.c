/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define BUFFER (64 << 20)       /* Bytes. */

void
die(const char *what)
{
    perror(what);
    exit(1);
}

double
seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

int
packet_open(const char *interface, int protocol)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(protocol),
        .sll_ifindex = if_nametoindex(interface),
    };
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    int size = BUFFER, on = 1;

    if (fd < 0
        || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on)
        || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)
        || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size)
        || bind(fd, (struct sockaddr *) &sll, sizeof sll)) {
        die(interface);
    }
    return fd;
}
