/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORLD_H
#define WORLD_H 1

/* What the parts of the simulator share: sim.c (the world: links, switches,
 * time), sim-client.c, sim-host.c, sim-tcp.c, which is in both of these, and
 * sim-controller.c. */

#include "seal.h"
#include "sim.h"

#define END 30000               /* ms that a run may take. */
#define RTO 200                 /* ms */
#define REQUEST_MAX 32768       /* Bytes. */

/* One end of a TCP connection: just enough of RFC 9293 to notice what the
 * other end does wrong. */
struct tcp {
    uint32_t snd_isn, rcv_isn;
    uint32_t snd_una;           /* Offsets in the stream, from 0. */
    uint32_t rcv_nxt;
    uint8_t *send;              /* What to send... */
    uint32_t send_len;
    bool send_fin;
    uint8_t *receive;           /* ...and what came. */
    bool received_fin;
    uint8_t *have;              /* Which bytes of 'receive' came. */
    int64_t resend;             /* Next retransmission; 0: none. */
    unsigned int backoff;
};

enum client_state { SYN_SENT, OPEN, SERVED, REFUSED };

struct client {
    struct tuple tuple;
    uint8_t mac[6];
    unsigned int via;           /* Index of the switch that it goes to. */
    enum client_state state;
    int64_t start;
    struct tcp tcp;
    bool changed;
    bool rude;                  /* Leaves before it is heard to close. */
    bool gone;                  /* Another has its address and port. */
    bool reset;                 /* Although a host had the connection. */
    unsigned int infusions;
};

/* A connection in a host's stack, or of the past. */
struct infused {
    bool used;
    uint32_t flow_id;
    unsigned int owner;         /* Index of its switch. */
    struct client *client;
    struct tcp tcp;
    int64_t since;              /* Infused, or ended. */
    int64_t answer_at;          /* When the server has its answer. */
    bool closed, aborted;
};

#define HOST_SOCKETS 32
#define HOST_LINE 256

/* A switch, as a host sees it. */
struct peer {
    __be32 epoch;               /* Not known: 0. */
    int64_t said;               /* When it last said hello... */
    uint32_t heard;             /* ...with this sequence number... */
    uint32_t audit;             /* ...and question in an audit. */
    uint32_t line[HOST_LINE];   /* Flow IDs that it is to be told of... */
    unsigned int first, last;   /* ...from there to there. */
    uint64_t number;            /* Of the last NEWS. */
    int64_t told;               /* When that was sent; 0: it was heard. */
    unsigned int n_told;        /* So many of the line are in it. */
};

struct sim_host {
    struct migrate_address address;
    uint8_t mac[6];
    enum sim_host_mood mood;
    int64_t dies;
    struct peer peers[SIM_SWITCHES];
    struct infused sockets[HOST_SOCKETS];
};

struct sim_switch {
    struct sim *sim;
    struct migrate *engine;     /* NULL: it is dead. */
    struct migrate_address address;
    uint8_t mac[6];
    int64_t dies, returns;      /* 0: it does not. */
};

struct sim {
    const struct sim_config *config;
    bool v6;
    uint64_t random;
    int64_t now;
    struct keyring keys;
    struct sim_switch switches[SIM_SWITCHES];
    unsigned int n_switches;
    uint64_t counters[N_COUNTERS];  /* Of dead engines. */
    struct flight *flights;
    struct client clients[SIM_CLIENTS];
    struct sim_host hosts[SIM_HOSTS];
};

/* sim.c. */

/* Random numbers: 64 bits, one below 'n', and whether it is so 'per_mille'. */
uint64_t rnd(struct sim *);
unsigned int rnd_below(struct sim *, unsigned int n);
bool chance(struct sim *, unsigned int per_mille);

/* Puts a frame on its way over 'link'. */
void fly(struct sim *, const struct sim_link *, const void *data, size_t len);

/* sim-tcp.c. */

void tcp_init(struct tcp *);
void tcp_uninit(struct tcp *);

/* Takes in 'p'.  Returns whether it should be acknowledged. */
bool tcp_receive(struct tcp *, const struct frame *, const struct packet *);

/* Sends 'flags' and the bytes [from, to) from 'eth_src' to 'eth_dst' as they
 * are on the wire. */
void tcp_send(struct sim *, const struct tcp *, const struct tuple *,
              bool from_client, const uint8_t eth_dst[6],
              const uint8_t eth_src[6], uint8_t flags, uint32_t from,
              uint32_t to);

/* Sends all that is not acknowledged, cut at random. */
void tcp_transmit(struct sim *, struct tcp *, const struct tuple *,
                  bool from_client, const uint8_t *eth_dst,
                  const uint8_t *eth_src);

/* sim-client.c. */

/* Makes client number 'i', those before it being there. */
void client_init(struct sim *, struct client *, unsigned int i);
void client_frame(struct sim *, struct client *, const struct frame *,
                  const struct packet *);

/* Does what is due. */
void client_run(struct sim *, struct client *);

/* sim-host.c. */

void host_frame(struct sim *, struct sim_host *, const struct frame *,
                enum frame_kind, const struct packet *);

/* Does what is due. */
void host_run(struct sim *, struct sim_host *);

/* sim-controller.c. */

/* Takes a question of 'sw'. */
void controller_frame(struct sim *, const struct sim_switch *sw,
                      const struct frame *, const struct packet *);

#endif /* world.h */
