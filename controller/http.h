/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_H
#define HTTP_H 1

/* An HTTP server for the poll loop, on libmicrohttpd: it reads requests
 * whole, within limits on their size and time, and has somebody else answer
 * them, now or later.
 *
 * A connection without a request costs memory and a file descriptor, but no
 * time.  One that has not sent a whole request within its time is closed. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct http_server;
struct json;
struct tokens;

struct http_request {
    const char *method;
    const char *path;           /* Decoded, without the query. */
    const char *user;           /* Whose token it has; NULL: none needed. */
    bool is_agent;              /* ... which is that of a host's agent. */
    const char *body;           /* Ends in a null byte that is not counted. */
    size_t body_len;            /* Bytes. */
};

/* Is called with each request, which lives until http_reply(). */
typedef void http_handler(struct http_request *, void *aux);

struct http_options {
    /* "http:ADDRESS:PORT" or "https:ADDRESS:PORT", with brackets around an
     * IPv6 address. */
    const char *listen;
    const char *certificate;    /* PEM files, for https. */
    const char *private_key;
    const struct tokens *tokens;        /* Or NULL: none is needed.  Must live
                                         * as long as the server. */
};

/* Starts to listen.  Returns NULL and sets '*error', which the caller frees,
 * if that is not possible. */
struct http_server *http_server_create(const struct http_options *,
                                       http_handler *, void *aux,
                                       char **error);

/* Closes all connections.  All requests must have been answered, which need
 * not have reached the client. */
void http_server_destroy(struct http_server *);

void http_server_run(struct http_server *);
void http_server_wait(struct http_server *);

/* Exchanges the tokens. */
void http_server_set_tokens(struct http_server *, const struct tokens *);

/* Where it listens, such as "http://127.0.0.1:7480". */
const char *http_server_url(const struct http_server *);

/* The value of a header field of the request, or NULL. */
const char *http_header(const struct http_request *, const char *name);

/* Calls 'cb' with each parameter of the query, decoded; 'value' is NULL if it
 * has none. */
void http_for_each_parameter(struct http_request *,
                             void (*cb)(const char *name, const char *value,
                                        void *aux), void *aux);

/* Answers with 'status' and 'body', 'len' bytes which it frees; 'type' is its
 * media type.  'headers', "NAME: VALUE" lines, may be NULL. */
void http_reply(struct http_request *, int status, const char *type,
                char *body, size_t len, const char *headers);

/* A body that is sent bit by bit, for as long as the client listens. */
struct http_stream;

struct http_stream_ops {
    /* Stores up to 'size' bytes at 'buf' and returns how many, or 0 if there
     * is nothing to send now, or -1 at the end. */
    ssize_t (*read)(void *aux, char *buf, size_t size);

    /* The stream has ended, perhaps because the client has gone. */
    void (*destroy)(void *aux);
};

/* Answers with status 200 and a stream of media type 'type'.  The time limits
 * of answers do not hold for it. */
struct http_stream *http_reply_stream(struct http_request *, const char *type,
                                      const struct http_stream_ops *,
                                      void *aux);

/* There may be something to read. */
void http_stream_wake(struct http_stream *);

/* Counters of all servers, since the program began. */
struct http_statistics {
    unsigned long long int connections; /* Open now. */
    unsigned long long int accepted;
    unsigned long long int streams;     /* Sent now. */
    unsigned long long int timed_out;
    unsigned long long int requests[6]; /* By the status's first digit. */
};
extern struct http_statistics http_statistics;

#endif /* http.h */
