/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LISTENER_H
#define LISTENER_H 1

/* The socket that an HTTP server listens at. */

struct http_options;
struct sockaddr_storage;

/* Opens a socket for 'options', if these may be listened to with its tokens,
 * and stores its address in '*ss'.  Otherwise returns a negative value and sets
 * '*error' to a message that the caller frees. */
int listener_open(const struct http_options *options,
                  struct sockaddr_storage *ss, char **error);

#endif /* listener.h */
