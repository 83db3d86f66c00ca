/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UDP_H
#define UDP_H 1

/* The socket on MIGRATE_PORT.  The address that a message was sent to and the
 * one that an answer is sent from are under the seal, so both are explicit. */

#include <stddef.h>
#include <sys/types.h>

#include "lib/address.h"

/* Opens the socket, bound to MIGRATE_PORT of 'interface'.  Returns it, or a
 * negative errno. */
int udp_open(const char *interface);

/* Receives a message of at most 'size' bytes into 'buf'.  Returns its length,
 * or a negative errno: -EAGAIN if there is none.  One that did not come from
 * MIGRATE_PORT, or was cut short, comes back with length 0. */
ssize_t udp_receive(int fd, struct migrate_address *src,
                    struct migrate_address *dst, void *buf, size_t size);

/* Sends the 'size' bytes at 'buf' from 'src' to 'dst'.  Returns 0 or a
 * positive errno. */
int udp_send(int fd, const struct migrate_address *src,
             const struct migrate_address *dst, const void *buf, size_t size);

#endif /* udp.h */
