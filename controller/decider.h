/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DECIDER_H
#define DECIDER_H 1

/* Answers switches that ask for the host of a connection: what the service's
 * webhook says, if it has one, or one of the pool's hosts, so that over all
 * switches each gets new connections by its weight in the switch that asks.
 *
 * Whoever fails, the switch is answered in time, or decides itself. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel_end;
struct decider;
struct events;
struct json;
struct keyring;
struct migrate_header;
struct ovsdb_idl;
struct switch_weights;

/* Has the switch 'dpid' take in 'frame', which goes to its engine. */
typedef void decider_send_cb(void *aux, uint64_t dpid, const void *frame,
                             size_t len);

struct decider *decider_create(const struct ovsdb_idl *, decider_send_cb *,
                               void *aux);
void decider_destroy(struct decider *);

/* Takes the DECIDE that starts at 'header', which is followed by as much as it
 * says, from 'end', the switch 'sw', where hosts have 'weights'. */
void decider_receive(struct decider *, const struct keyring *,
                     const struct channel_end *end, const char *sw,
                     const struct switch_weights *weights,
                     const struct migrate_header *header);

void decider_run(struct decider *);
void decider_wait(struct decider *);

/* Adds events about what orchestrators do wrong, now and then. */
void decider_report(struct decider *, struct events *);

/* The decision with number 'i', an object which the caller does not destroy.
 * The latest ones are remembered: those up to, and not including, '*end', from
 * the number on that is returned. */
unsigned long long int decider_range(const struct decider *,
                                     unsigned long long int *end);
const struct json *decider_decision(const struct decider *,
                                    unsigned long long int i);

/* Since the program began. */
struct decider_statistics {
    unsigned long long int asked;
    unsigned long long int malformed;   /* Questions that were not understood,
                                         * or nothing is known about. */
    unsigned long long int by_webhook;
    unsigned long long int by_controller;
    unsigned long long int by_policy;   /* Left to the switch. */
    unsigned long long int failed;      /* Webhooks that gave no answer... */
    unsigned long long int unfit;       /* ...or a host that does not do. */
    unsigned long long int skipped;     /* ...or were not asked, because they
                                         * failed before. */
};
extern struct decider_statistics decider_statistics;

#endif /* decider.h */
