/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENROLL_H
#define ENROLL_H 1

/* "POST /v1/agents/{name}", by which the agent of host 'name' makes itself
 * known, again and again, says how it is, and gets the fabric's keys. */

struct agent_words;
struct agents;
struct http_request;
struct json;
struct problem;
struct writes;

/* Handles such a request, with 'body', which it destroys.  A host that is not
 * there yet is created; 'writes' answers then. */
void enroll_handle(struct agents *, struct writes *, struct http_request *,
                   const char *name, struct json *body);

/* Takes from 'body', an object, what the agent says into 'words', and notes
 * in 'problem' what is wrong.  The caller uninitializes 'words'. */
void enroll_read(const struct json *body, struct agent_words *words,
                 struct problem *problem);

/* What the body has to look like, as OpenAPI has it. */
struct json *enroll_schema(void);

#endif /* enroll.h */
