/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TALLY_H
#define TALLY_H 1

/* What switches say about hosts and services, summed over all of them. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/shash.h"

struct tally_host {
    unsigned int n_up, n_down;  /* Switches that it is so for. */
    int64_t connections;
    int64_t handoffs;
    char *mac;                  /* Or NULL. */
};

struct tally_service {
    int64_t connections;
    int64_t handoffs;
};

/* By name. */
struct tally {
    struct shash hosts;         /* Of "struct tally_host"s. */
    struct shash services;      /* Of "struct tally_service"s. */
};

void tally_init(struct tally *);
void tally_destroy(struct tally *);
void tally_swap(struct tally *, struct tally *);

/* What is known so far, all zeros at first. */
struct tally_host *tally_host(struct tally *, const char *name);
struct tally_service *tally_service(struct tally *, const char *name);

#endif /* tally.h */
