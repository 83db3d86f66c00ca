/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REST_CLIENT_H
#define REST_CLIENT_H 1

/* Requests to the REST interface of ovs-migrate-controller, for its command
 * line and for the companion of agents.  Of several controllers one is in use:
 * the first, until rest_turn().
 *
 * All functions are for one thread. */

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct rest_options {
    const char *urls;           /* Of controllers, with commas between them. */
    const char *token;          /* Or NULL. */
    const char *ca_file;        /* PEM, or NULL: the system's. */
    long connect_msec, answer_msec;     /* The most that it may take. */
    size_t answer_max;          /* Bytes of a body; a longer one is an
                                 * error. */
};

struct rest_answer {
    long status;                /* HTTP's; 0: there is none... */
    bool unanswered;            /* ...but the request may have arrived. */
    char error[CURL_ERROR_SIZE];        /* Why there is none. */
    json_t *json;               /* The body, or NULL if it is no JSON... */
    bool empty;                 /* ...as there is none. */
};

/* 'options' must stay as long as the process.  Returns false if libcurl does
 * not work. */
bool rest_init(const struct rest_options *options);

/* The URL of the controller in use; it has '*len' bytes, and no "/" at its
 * end. */
const char *rest_url(int *len);

/* From now on the next controller is in use.  Returns false if that is the
 * first one again. */
bool rest_turn(void);

/* Sends a request, with 'body' unless it is NULL, and with 'header', a whole
 * line, unless it is NULL.  The caller uses json_decref() on
 * 'answer->json'. */
void rest_ask(const char *method, const char *path, const json_t *body,
              const char *header, struct rest_answer *answer);

/* Gets a stream of events, with 'header' unless it is NULL: 'write', as for
 * CURLOPT_WRITEFUNCTION, gets what comes.  Ends when the controller, which
 * says something every 15 s, ends it, or says nothing for 40 s.  Returns the
 * status, or 0. */
long rest_follow(const char *path, const char *header,
                 size_t (*write)(char *data, size_t size, size_t n, void *aux),
                 void *aux);

/* What is wrong, number 'i' of what an answer says that is an
 * "application/problem+json", and what to do about it; NULL: no more.  The
 * caller frees it. */
char *rest_problem(const struct rest_answer *, size_t i);

/* 's' as it may be in a path or query.  The caller frees it. */
char *rest_encode(const char *s);

#endif /* rest-client.h */
