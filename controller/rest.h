/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REST_H
#define REST_H 1

/* The REST interface: HTTP requests become transactions of the database, and
 * its rows the answers.
 *
 * A write is answered when it is committed.  Every controller on a database
 * serves this interface, whether or not it is the active one. */

struct agents;
struct database;
struct http_options;
struct live;
struct rest;

/* Starts to serve 'db'.  'name' is what the controller is called in the
 * database; 'agents' hears what agents say, and 'live', which must live as
 * long, is what is known beside the database. */
struct rest *rest_create(const struct database *db, const char *name,
                         struct agents *agents, const struct live *live);

/* Answers what is under way, as "unavailable" if it must, and ends. */
void rest_destroy(struct rest *);

/* From now on, tokens that are in 'file' are needed: see tokens.h.  May be
 * called again, to read it again.  Returns NULL, or an error message that the
 * caller frees, in which case the tokens that were in force stay so. */
char *rest_read_tokens(struct rest *, const char *file);

/* Listens as 'options' say, too, whose tokens do not matter.  Returns NULL, or
 * an error message that the caller frees. */
char *rest_listen(struct rest *, const struct http_options *options);

void rest_run(struct rest *);
void rest_wait(struct rest *);

/* The URLs where it listens, a line for each.  The caller frees it. */
char *rest_show(const struct rest *);

#endif /* rest.h */
