/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "http.h"
#include "socket-util.h"
#include "util.h"

static bool
is_loopback(const struct sockaddr_storage *ss)
{
    struct in6_addr in6 = ss_get_address(ss);

    return (IN6_IS_ADDR_LOOPBACK(&in6)
            || (IN6_IS_ADDR_V4MAPPED(&in6) && in6.s6_addr[12] == 127));
}

/* Opens a socket for 'address', "IP:PORT", and stores what it got in '*ss'.
 * Returns a negative errno value on failure, of which -EINVAL is that 'address'
 * is nothing like that. */
static int
open_socket(const char *address, struct sockaddr_storage *ss)
{
    char *copy = xstrdup(address), *host, *port, *target;
    struct migrate_address ip;
    unsigned int number;
    int fd;

    inet_parse_host_port_tokens(copy, &host, &port);
    if (!host || !address_parse(host, &ip)
        || !port || !str_to_uint(port, 10, &number) || number > UINT16_MAX) {
        free(copy);
        return -EINVAL;
    }
    target = xasprintf(address_is_v4(&ip) ? "%s:%s" : "%s:[%s]", port, host);
    fd = inet_open_passive(SOCK_STREAM, target, 0, ss, 0, true);
    free(target);
    free(copy);
    if (fd >= 0) {
        socklen_t len = sizeof *ss;

        listen(fd, SOMAXCONN);          /* OVS asks for less. */
        getsockname(fd, (struct sockaddr *) ss, &len);
    }
    return fd;
}

int
listener_open(const struct http_options *options, struct sockaddr_storage *ss,
              char **error)
{
    bool https = !strncmp(options->listen, "https:", 6);
    int fd = (https ? open_socket(options->listen + 6, ss)
              : !strncmp(options->listen, "http:", 5)
              ? open_socket(options->listen + 5, ss) : -EINVAL);

    if (fd == -EINVAL) {
        *error = xasprintf("%s: is not http:IP:PORT or https:IP:PORT, such "
                           "as http:127.0.0.1:7480 or https:[::]:7443",
                           options->listen);
    } else if (fd < 0) {
        *error = xasprintf("%s: cannot listen: %s", options->listen,
                           ovs_strerror(-fd));
    } else if (!is_loopback(ss) && (!https || !options->tokens)) {
        *error = xasprintf("%s: beyond the loopback interface, \"https:\" and "
                           "--rest-tokens are needed", options->listen);
        close(fd);
        fd = -1;
    }
    return fd;
}
