/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "load.h"

#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>

#include "util.h"

/* The first line of /proc/stat (proc(5)). */
static bool
read_ticks(struct load_ticks *ticks)
{
    FILE *stream = fopen("/proc/stat", "r");
    uint64_t t[8];
    int n = 0;

    if (stream) {
        n = fscanf(stream, "cpu %"SCNu64" %"SCNu64" %"SCNu64" %"SCNu64" %"
                   SCNu64" %"SCNu64" %"SCNu64" %"SCNu64, &t[0], &t[1], &t[2],
                   &t[3], &t[4], &t[5], &t[6], &t[7]);
        fclose(stream);
    }
    if (n != 8) {
        return false;
    }
    ticks->all = 0;
    for (int i = 0; i < 8; i++) {
        ticks->all += t[i];
    }
    ticks->busy = ticks->all - t[3] - t[4];     /* Idle, waiting for disks. */
    return true;
}

int
load_cpu(struct load_ticks *previous)
{
    struct load_ticks then = *previous;

    if (!read_ticks(previous) || !then.all || previous->all <= then.all
        || previous->busy < then.busy) {
        return -1;
    }
    return 100 * (previous->busy - then.busy) / (previous->all - then.all);
}

static int
take_socket(const struct nlmsghdr *nlh, void *longest_)
{
    int64_t *longest = longest_;

    if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct inet_diag_msg)) {
        const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(nlh);

        if (socket->idiag_rqueue > *longest) {
            *longest = socket->idiag_rqueue;
        }
    }
    return MNL_CB_OK;
}

/* Sees the sockets of 'family' that listen.  Returns whether all went well. */
static bool
dump_listeners(struct mnl_socket *nl, uint8_t family, int64_t *longest)
{
    char buf[16384];
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
    struct inet_diag_req_v2 *req;
    ssize_t n;
    int more = MNL_CB_OK;

    nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    nlh->nlmsg_seq = family;
    req = mnl_nlmsg_put_extra_header(nlh, sizeof *req);
    req->sdiag_family = family;
    req->sdiag_protocol = IPPROTO_TCP;
    req->idiag_states = 1 << TCP_LISTEN;
    if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0) {
        return false;
    }
    while (more > MNL_CB_STOP
           && (n = mnl_socket_recvfrom(nl, buf, sizeof buf)) > 0) {
        more = mnl_cb_run(buf, n, family, mnl_socket_get_portid(nl),
                          take_socket, longest);
    }
    return more == MNL_CB_STOP;
}

int64_t
load_accept_queue(void)
{
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
    int64_t longest = 0;

    if (!nl) {
        return -1;
    }
    if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0
        || !dump_listeners(nl, AF_INET, &longest)
        || !dump_listeners(nl, AF_INET6, &longest)) {
        longest = -1;
    }
    mnl_socket_close(nl);
    return longest;
}
