/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORLD_H
#define WORLD_H 1

/* A world around an engine: clients, hosts and time.  What the engine sends
 * must be sound, and its books must balance. */

#include "engine.h"
#include "fuzz.h"

#define N_CLIENTS 4
#define N_HOSTS 3
#define MAX_FRAME 70000

/* All of it. */
struct world {
    struct migrate *engine;
    int64_t born, now;
    bool v6;
    bool may_place;
    enum service_protocol protocol; /* Of the first service. */
    unsigned int n_placed;
    struct keyring keys;
    struct migrate_address address, vip, hosts[N_HOSTS];
    uint32_t epoch, sequences[N_HOSTS];     /* Of the engine's hellos. */
    struct client {
        struct tuple tuple;
        uint8_t mac[6];
        struct tcp_options options;
        uint32_t seq, ack;
    } clients[N_CLIENTS];
};

extern struct world f;
extern const uint8_t switch_mac[6];

/* Begins a new world; 'settings' is any byte.  The engine has its hosts and
 * services. */
void set_up(uint8_t settings);

/* Ends it. */
void tear_down(void);

/* Hands the parts that 'data' up to 'end' consists of to 'take', and checks the
 * books after each.  A part is a head of 'head_size' bytes, the last two of
 * which say how many follow, high byte first.  There are 'max' parts at
 * most. */
void take_parts(const uint8_t *data, const uint8_t *end, size_t head_size,
                int max, void (*take)(const void *head, const uint8_t *body,
                                      size_t len));

/* Configures the engine anew, with the hosts and services whose bits are set,
 * and bit 4 of 'which_services' for the policy of the pool. */
void configure(unsigned int which_hosts, unsigned int which_services);

/* Lets time pass. */
void run(int64_t until);

/* Waits until all is quiet: what is under way must come to its end by
 * itself. */
void run_out(void);

/* Checks that what records there are says what the engine, hosts and timers
 * count.  Most of the table is empty: 'all' says whether to look there as
 * well. */
void check_books(bool all);

/* Gives the engine a frame: for service 'service_id' or, if that is 0, for
 * itself.  'offload' has bit 0 for a checksum known to be good, bit 1 for one
 * that is yet to be completed. */
void give(uint32_t service_id, const void *data, size_t len, uint8_t offload);

/* ... a TCP segment of 'c'. */
void give_segment(struct client *c, uint32_t service_id, uint8_t flags,
                  uint32_t seq, uint32_t ack, const void *payload, size_t len,
                  bool corrupt);

/* ... a sealed message of a host, its body cut to what fits; with a bit of the
 * seal turned, unless 'turned_bit' is negative. */
void give_message(unsigned int host, uint8_t type, uint16_t n, uint32_t epoch,
                  uint32_t sequence, const void *body, size_t len,
                  int turned_bit);

/* What the engine knows of host 'host' in its audits, or NULL. */
const struct host_audit *find_audit(unsigned int host);

#endif /* world.h */
