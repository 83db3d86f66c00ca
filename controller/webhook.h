/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEBHOOK_H
#define WEBHOOK_H 1

/* Questions to orchestrators: JSON that is POSTed to a URL, on libcurl, for
 * the poll loop.  Nothing here waits. */

#include <stdbool.h>
#include <stddef.h>

struct webhooks;

/* What became of a question: the HTTP status and the body, which is cut if it
 * is long; or 0 and, as the body, why there is no answer. */
typedef void webhook_cb(void *aux, int status, const char *body);

struct webhooks *webhooks_create(void);

/* Ends all questions that are open, and calls back for each. */
void webhooks_destroy(struct webhooks *);

/* POSTs 'body' to 'url', and calls back from webhooks_run(), after
 * 'timeout_msec' at the latest.  Returns false if too many questions are open;
 * then it does not call back. */
bool webhooks_post(struct webhooks *, const char *url, const char *body,
                   unsigned int timeout_msec, webhook_cb *, void *aux);

void webhooks_run(struct webhooks *);
void webhooks_wait(struct webhooks *);

#endif /* webhook.h */
