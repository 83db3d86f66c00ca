/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATUS_H
#define STATUS_H 1

/* The control socket, which answers "status" and "status json", and
 * ovs-migrate-agent --status, which asks. */

#include <jansson.h>
#include <stdbool.h>

#include "rundir.h"

/* Opens the control socket of 'rd'.  Returns it or a negative errno. */
int status_listen(const struct rundir *rd);

/* Answers whoever waits on 'fd' with what 'make' returns. */
void status_run(int fd, json_t *(*make)(void *aux), void *aux);

/* Asks the agent of 'rd' and prints its answer.  Returns an exit status. */
int status_ask(const struct rundir *rd, bool json);

/* The same as an object that the caller owns, or NULL if no agent answers. */
json_t *status_get(const struct rundir *rd);

#endif /* status.h */
