/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    char buf[CMSG_SPACE(sizeof(struct in6_pktinfo))
             + CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr align;
};

/* Comes before bind(): two agents may have an interface each. */
static int
bind_to_device(int fd, const char *interface)
{
    return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
                      strlen(interface));
}

/* One socket of both families, where the kernel has IPv6: there an IPv4
 * address looks like 'struct migrate_address'. */
static int
open_v6(const char *interface)
{
    struct sockaddr_in6 any = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(MIGRATE_PORT),
    };
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int zero = 0, one = 1;

    if (fd < 0) {
        return -errno;
    }
    if (bind_to_device(fd, interface)
        || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero)
        || setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one)
        || bind(fd, (struct sockaddr *) &any, sizeof any)) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

static int
open_v4(const char *interface)
{
    struct sockaddr_in any = {
        .sin_family = AF_INET,
        .sin_port = htons(MIGRATE_PORT),
    };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;

    if (fd < 0) {
        return -errno;
    }
    if (bind_to_device(fd, interface)
        || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one)
        || bind(fd, (struct sockaddr *) &any, sizeof any)) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

int
udp_open(const char *interface)
{
    int size = 4 << 20;
    int fd = open_v6(interface);

    if (fd == -EAFNOSUPPORT) {
        fd = open_v4(interface);
    }
    if (fd < 0) {
        return fd;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    return fd;
}

static bool
get_destination(struct msghdr *msg, struct migrate_address *dst)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(dst, &info.ipi6_addr, sizeof *dst);
            return true;
        } else if (c->cmsg_level == IPPROTO_IP
                   && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof info);
            *dst = address_from_v4(info.ipi_addr.s_addr);
            return true;
        }
    }
    return false;
}

ssize_t
udp_receive(int fd, struct migrate_address *src, struct migrate_address *dst,
            void *buf, size_t size)
{
    union {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } from;
    union control control;
    struct iovec iov = { .iov_base = buf, .iov_len = size };
    struct msghdr msg = {
        .msg_name = &from,
        .msg_namelen = sizeof from,
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t n = recvmsg(fd, &msg, 0);
    in_port_t port;

    if (n < 0) {
        return -errno;
    }
    if (from.v6.sin6_family == AF_INET6) {
        memcpy(src, &from.v6.sin6_addr, sizeof *src);
        port = from.v6.sin6_port;
    } else {
        *src = address_from_v4(from.v4.sin_addr.s_addr);
        port = from.v4.sin_port;
    }
    return (msg.msg_flags & MSG_TRUNC || port != htons(MIGRATE_PORT)
            || !get_destination(&msg, dst)) ? 0 : n;
}

static bool
is_v4_socket(int fd)
{
    int domain = AF_INET6;
    socklen_t len = sizeof domain;

    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    return domain == AF_INET;
}

static int
send_v4(int fd, const struct migrate_address *src,
        const struct migrate_address *dst, struct msghdr *msg,
        union control *control)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(MIGRATE_PORT),
        .sin_addr = { address_to_v4(dst) },
    };
    struct in_pktinfo info = { .ipi_spec_dst = { address_to_v4(src) } };
    struct cmsghdr *c;

    msg->msg_name = &to;
    msg->msg_namelen = sizeof to;
    msg->msg_control = control;
    msg->msg_controllen = CMSG_SPACE(sizeof info);
    c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(c), &info, sizeof info);
    return sendmsg(fd, msg, 0) < 0 ? errno : 0;
}

static int
send_v6(int fd, const struct migrate_address *src,
        const struct migrate_address *dst, struct msghdr *msg,
        union control *control)
{
    struct sockaddr_in6 to = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(MIGRATE_PORT),
    };
    struct in6_pktinfo info = { .ipi6_ifindex = 0 };
    struct cmsghdr *c;

    memcpy(&to.sin6_addr, dst, sizeof *dst);
    memcpy(&info.ipi6_addr, src, sizeof *src);
    msg->msg_name = &to;
    msg->msg_namelen = sizeof to;
    msg->msg_control = control;
    msg->msg_controllen = CMSG_SPACE(sizeof info);
    c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = IPPROTO_IPV6;
    c->cmsg_type = IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(c), &info, sizeof info);
    return sendmsg(fd, msg, 0) < 0 ? errno : 0;
}

int
udp_send(int fd, const struct migrate_address *src,
         const struct migrate_address *dst, const void *buf, size_t size)
{
    union control control = { .buf = "" };
    struct iovec iov = { .iov_base = (void *) buf, .iov_len = size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    return (is_v4_socket(fd) ? send_v4 : send_v6)(fd, src, dst, &msg,
                                                  &control);
}
