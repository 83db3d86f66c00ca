/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROLLER_H
#define CONTROLLER_H 1

/* Speaks to controllers, by HTTP: one of them, until it does not answer or
 * says that it is not the active one; then the next. */

#include <jansson.h>

#include "lib/rest-client.h"

/* Sets the times in 'options', which must live as long as the process. */
void controller_init(struct rest_options *options);

/* POSTs 'body' for 'path', such as "/v1/agents/h1", and waits for the answer,
 * for some seconds at most.  Returns its status, and stores its body, which
 * the caller owns, in '*answer', NULL if that is no JSON.  Returns 0, if no
 * controller wants it, after it has logged why; so does a controller that
 * wants something else.  The same is not logged twice. */
long controller_post(const char *path, const json_t *body, json_t **answer);

#endif /* controller.h */
