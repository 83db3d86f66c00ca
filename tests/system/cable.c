/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* A bad cable: carries frames between two interfaces, and loses, doubles,
 * delays and corrupts some of them.
 *
 * usage: cable INTERFACE INTERFACE SEED
 *
 * How many is said on standard input, a line whenever it shall change:
 *
 *     LOST DOUBLED DELAYED CORRUPTED SPARED
 *
 * the first four in percent.  If SPARED is not 0, nothing befalls TCP that
 * comes from the second interface.  A delayed frame comes 1 to 10 ms late, so that others
 * overtake it.  A corrupted one has one bit changed behind its Ethernet header
 * (on a real wire that would not pass the frame check sequence; here it stands
 * for what happens inside of devices).  Frames with unfinished checksums are
 * not corrupted, as nobody could tell.  Each line is answered with the numbers
 * of frames so far: "NAME=NUMBER" for what came, was lost, and so on.  The end
 * of the input ends the program. */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "packet.h"

#define ETH_LEN 14
#define FRAME_MAX 66000
#define DELAY_MIN 1000          /* Microseconds. */
#define DELAY_MAX 10000

enum { LOST, DOUBLED, DELAYED, CORRUPTED, N_FAULTS };

static const char *const fault_names[N_FAULTS] = {
    "lost", "doubled", "delayed", "corrupted"
};

/* A frame that is late, the header for its offloads in front. */
struct late {
    TAILQ_ENTRY(late) node;
    int64_t due;                /* Microseconds. */
    int out;                    /* Socket. */
    size_t len;
    uint8_t bytes[];
};

TAILQ_HEAD(late_list, late);

static struct late_list late = TAILQ_HEAD_INITIALIZER(late);    /* By 'due'. */
static double percent[N_FAULTS];
static int spared;
static unsigned long carried, faults[N_FAULTS], unsent;

static int64_t
microseconds(void)
{
    return seconds() * 1e6;
}

static int
open_end(const char *interface)
{
    int fd = packet_open(interface, ETH_P_ALL);
    int on = 1;

    if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on)) {
        die(interface);
    }
    return fd;
}

static bool
happens(unsigned int fault)
{
    bool yes = drand48() * 100 < percent[fault];

    faults[fault] += yes;
    return yes;
}

static void
put(int out, const uint8_t *bytes, size_t len)
{
    if (send(out, bytes, len, 0) < 0) {
        unsent++;               /* The interface is down. */
    }
}

static void
put_late(int out, const uint8_t *bytes, size_t len)
{
    struct late *l = malloc(sizeof *l + len), *before;

    if (!l) {
        die("malloc");
    }
    l->due = (microseconds() + DELAY_MIN
              + (int64_t) (drand48() * (DELAY_MAX - DELAY_MIN)));
    l->out = out;
    l->len = len;
    memcpy(l->bytes, bytes, len);
    TAILQ_FOREACH (before, &late, node) {
        if (before->due > l->due) {
            TAILQ_INSERT_BEFORE(before, l, node);
            return;
        }
    }
    TAILQ_INSERT_TAIL(&late, l, node);
}

static void
put_due(void)
{
    int64_t now = microseconds();
    struct late *l;

    while ((l = TAILQ_FIRST(&late)) && l->due <= now) {
        put(l->out, l->bytes, l->len);
        TAILQ_REMOVE(&late, l, node);
        free(l);
    }
}

/* Whether the frame at 'bytes' holds TCP. */
static bool
is_tcp(const uint8_t *bytes, size_t len)
{
    uint8_t ip = len > ETH_LEN + 20 ? bytes[ETH_LEN] >> 4 : 0;

    return ((ip == 4 && bytes[ETH_LEN + 9] == IPPROTO_TCP)
            || (ip == 6 && bytes[ETH_LEN + 6] == IPPROTO_TCP));
}

/* Passes one frame on.  Returns false if there is none. */
static bool
carry(int in, int out, bool may_be_spared)
{
    static uint8_t bytes[FRAME_MAX];
    const size_t first = sizeof(struct virtio_net_hdr) + ETH_LEN;
    struct virtio_net_hdr offload;
    ssize_t len = recv(in, bytes, sizeof bytes, MSG_DONTWAIT);

    if (len < (ssize_t) first) {
        return false;
    }
    carried++;
    memcpy(&offload, bytes, sizeof offload);
    if (may_be_spared && is_tcp(bytes + sizeof offload,
                                len - sizeof offload)) {
        put(out, bytes, len);
        return true;
    }
    if (happens(LOST)) {
        return true;
    }
    if ((size_t) len > first
        && !(offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        && happens(CORRUPTED)) {
        size_t bit = drand48() * (len - first) * 8;

        bytes[first + bit / 8] ^= 1 << bit % 8;
    }
    for (int copies = happens(DOUBLED) ? 2 : 1; copies; copies--) {
        if (happens(DELAYED)) {
            put_late(out, bytes, len);
        } else {
            put(out, bytes, len);
        }
    }
    return true;
}

/* Does what a line of the input says.  Returns false at its end. */
static bool
command(void)
{
    double new[N_FAULTS];
    char line[256];
    int new_spared;

    if (!fgets(line, sizeof line, stdin)) {
        return false;
    }
    if (sscanf(line, "%lf %lf %lf %lf %d", &new[LOST], &new[DOUBLED],
               &new[DELAYED], &new[CORRUPTED], &new_spared) == 5) {
        memcpy(percent, new, sizeof percent);
        spared = new_spared;
    }
    printf("carried=%lu", carried);
    for (int i = 0; i < N_FAULTS; i++) {
        printf(" %s=%lu", fault_names[i], faults[i]);
    }
    printf(" unsent=%lu\n", unsent);
    return true;
}

int
main(int argc, char *argv[])
{
    struct pollfd fds[3];

    if (argc != 4) {
        fprintf(stderr, "usage: cable INTERFACE INTERFACE SEED\n");
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        fds[i] = (struct pollfd) { open_end(argv[1 + i]), POLLIN, 0 };
    }
    fds[2] = (struct pollfd) { STDIN_FILENO, POLLIN, 0 };
    srand48(atol(argv[3]));
    setvbuf(stdin, NULL, _IONBF, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);

    for (;;) {
        struct late *next = TAILQ_FIRST(&late);
        int64_t wait = next ? next->due - microseconds() : INT64_MAX;
        struct timespec ts = { wait / 1000000, wait % 1000000 * 1000 };

        if (wait > 0
            && ppoll(fds, 3, next ? &ts : NULL, NULL) < 0 && errno != EINTR) {
            die("poll");
        }
        put_due();
        for (int i = 0; i < 32; i++) {
            if (!carry(fds[0].fd, fds[1].fd, false)
                & !carry(fds[1].fd, fds[0].fd, spared)) {
                break;
            }
        }
        if (fds[2].revents && !command()) {
            return 0;
        }
        fds[2].revents = 0;
    }
}
