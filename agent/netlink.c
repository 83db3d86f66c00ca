/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#ifndef SOCK_DESTROY
#define SOCK_DESTROY 21
#endif

#define REQUEST_MAX 512             /* Bytes, of every request here. */

/* Sends 'nlh' and awaits the acknowledgment; 'cb' is called with what else
 * comes.  Returns 0 or a positive errno. */
static int
transact(int bus, struct nlmsghdr *nlh, mnl_cb_t cb, void *aux)
{
    struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);
    char buf[8192];
    int error = 0;
    ssize_t n;

    if (!nl) {
        return errno;
    }
    nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    nlh->nlmsg_seq = 1;
    if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0
        || mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0
        || (n = mnl_socket_recvfrom(nl, buf, sizeof buf)) < 0
        || mnl_cb_run(buf, n, 1, mnl_socket_get_portid(nl), cb, aux) < 0) {
        error = errno;
    }
    mnl_socket_close(nl);
    return error;
}

static int
local_route(int type, int flags, const struct migrate_address *a)
{
    char buf[REQUEST_MAX];
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
    bool v4 = address_is_v4(a);
    struct rtmsg *rtm;

    nlh->nlmsg_type = type;
    nlh->nlmsg_flags = flags;
    rtm = mnl_nlmsg_put_extra_header(nlh, sizeof *rtm);
    rtm->rtm_family = v4 ? AF_INET : AF_INET6;
    rtm->rtm_dst_len = v4 ? 32 : 128;
    rtm->rtm_table = RT_TABLE_LOCAL;
    rtm->rtm_protocol = NETLINK_ROUTE_PROTOCOL;
    rtm->rtm_scope = v4 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
    rtm->rtm_type = RTN_LOCAL;
    mnl_attr_put(nlh, RTA_DST, v4 ? 4 : 16, v4 ? &a->byte[12] : a->byte);
    mnl_attr_put_u32(nlh, RTA_OIF, if_nametoindex("lo"));
    return transact(NETLINK_ROUTE, nlh, NULL, NULL);
}

int
netlink_add_local(const struct migrate_address *a, bool *ours)
{
    int error = local_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, a);

    *ours = !error;
    return error == EEXIST ? 0 : error;
}

int
netlink_delete_local(const struct migrate_address *a)
{
    return local_route(RTM_DELROUTE, 0, a);
}

/* Asks the kernel to do 'type' to the socket with the addresses 't' and, if it
 * is not NULL, the 'cookie'. */
static int
socket_request(uint16_t type, const struct tuple *t, const uint32_t *cookie,
               mnl_cb_t cb, void *aux)
{
    static const uint32_t any[2] = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE };
    char buf[REQUEST_MAX];
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
    bool v4 = address_is_v4(&t->client);
    struct inet_diag_req_v2 *req;

    nlh->nlmsg_type = type;
    req = mnl_nlmsg_put_extra_header(nlh, sizeof *req);
    req->sdiag_family = v4 ? AF_INET : AF_INET6;
    req->sdiag_protocol = IPPROTO_TCP;
    req->idiag_states = -1;
    req->id.idiag_sport = t->service_port;
    req->id.idiag_dport = t->client_port;
    if (v4) {
        memcpy(req->id.idiag_src, &t->service.byte[12], 4);
        memcpy(req->id.idiag_dst, &t->client.byte[12], 4);
    } else {
        memcpy(req->id.idiag_src, &t->service, 16);
        memcpy(req->id.idiag_dst, &t->client, 16);
    }
    memcpy(req->id.idiag_cookie, cookie ? cookie : any, sizeof any);
    return transact(NETLINK_SOCK_DIAG, nlh, cb, aux);
}

static int
copy_socket(const struct nlmsghdr *nlh, void *socket)
{
    if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct inet_diag_msg)) {
        memcpy(socket, mnl_nlmsg_get_payload(nlh),
               sizeof(struct inet_diag_msg));
    }
    return MNL_CB_OK;
}

int
netlink_destroy_socket(const struct tuple *t)
{
    struct inet_diag_msg socket = { .idiag_state = 0 };
    int error;

    /* Where there is no connection the kernel finds the socket that listens,
     * and would end that. */
    error = socket_request(SOCK_DIAG_BY_FAMILY, t, NULL, copy_socket,
                           &socket);
    if (error) {
        return error;
    } else if (socket.id.idiag_dport != t->client_port) {
        return ENOENT;
    }
    return socket_request(SOCK_DESTROY, t, socket.id.idiag_cookie, NULL,
                          NULL);
}
