/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLY_H
#define REPLY_H 1

/* Answers to REST requests. */

#include "openvswitch/compiler.h"

struct http_request;
struct json;
struct ovsdb_idl_row;
struct problem;
struct resource;
struct store;

/* Answers with 'json', as media type 'type'.  'headers' is as of
 * http_reply(). */
void reply_json(struct http_request *, int status, const char *type,
                const struct json *json, const char *headers);

/* Answers with '*problem', which it empties. */
void reply_problem(struct http_request *, struct problem *problem,
                   const char *headers);

/* Answers with a problem. */
void reply_refusal(struct http_request *, int status, const char *remedy,
                   const char *detail, ...) OVS_PRINTF_FORMAT(4, 5);

/* Answers with 'row', which 'status' 201 says is new. */
void reply_row(const struct store *, struct http_request *, int status,
               const struct resource *, const struct ovsdb_idl_row *row);

#endif /* reply.h */
