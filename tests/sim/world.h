/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORLD_H
#define WORLD_H 1

/* What the parts of the simulator share: sim.c (the world: links, switches,
 * time), sim-faults.c, sim-client.c, sim-host.c, sim-tcp.c, which is in both of
 * these, and sim-controller.c. */

#include "seal.h"
#include "sim.h"

#define END 30000               /* ms that a run may take. */
#define RTO 200                 /* ms */
#define REQUEST_MAX 32768       /* Bytes. */

/* A time in which a machine, or a process, stands still.  What comes for a
 * machine is lost; for a process, it waits. */
struct stop {
    int64_t from, until;
    unsigned int held;          /* Frames that wait. */
};

/* The keys of a machine, which change by steps: see operations.md 3. */
#define KEY_STEPS 3
struct key_file {
    struct keyring keys;
    int64_t when[KEY_STEPS];    /* The next steps; 0: no more. */
};

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
    bool dead;                  /* It has been reset. */
    unsigned int infusions;     /* Into hosts that live... */
    unsigned int unsure;        /* ...and into such as died, or were stopped,
                                 * before any switch knew. */
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
    bool news;                  /* Its agent has not told the switches yet. */
};

#define HOST_SOCKETS 32
#define HOST_LINE 256

/* A switch, as a host sees it. */
struct peer {
    __be32 epoch;               /* Not known: 0. */
    int64_t said;               /* When it last said hello... */
    uint32_t heard;             /* ...with this sequence number... */
    uint32_t audit;             /* ...and question in an audit. */
    uint8_t key_id;             /* Of its last message. */
    uint32_t floor;             /* Flow IDs from before are too old... */
    uint32_t mark;              /* ...and will be from before this... */
    int64_t marked;             /* ...which it said then. */
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
    struct key_file keys;
    uint32_t epoch;
    int64_t dies, returns;      /* 0: it does not. */
    bool dead;
    struct stop stop, agent_stop;
    struct peer peers[SIM_SWITCHES];
    struct infused sockets[HOST_SOCKETS];
};

struct sim_switch {
    struct sim *sim;
    struct migrate *engine;     /* NULL: it is dead. */
    struct migrate_address address;
    uint8_t mac[6];
    int64_t dies, returns;      /* 0: it does not. */
    struct stop stop;
    unsigned int late;          /* Handoffs that have passed their deadline,
                                 * looked at now and then. */
    struct key_file keys;
    int64_t wall;               /* How far its clock is ahead of 'now'... */
    int64_t clock_set;          /* ...until it is set, then; 0: it is not. */
};

struct sim {
    const struct sim_config *config;
    bool v6;
    uint64_t random;
    int64_t now;
    int64_t keys_change;        /* When the first machine gets another key. */
    int64_t wall;               /* The time of day was that, at 0. */
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

/* The same, to be there at 'when' for certain. */
void fly_until(struct sim *, int64_t when, const void *data, size_t len);

/* sim-faults.c. */

/* Begins the faults of 's', before those of its machines. */
void faults_init(struct sim *);

/* Lets it stand still for 5 seconds, when there are handoffs. */
void stop_init(struct sim *, struct stop *);
bool is_stopped(const struct sim *, const struct stop *);

/* Keeps a frame for who is stopped, if there is room. */
void stop_hold(struct sim *, struct stop *, const void *data, size_t len);

/* Gives a machine its first keys, and others in the middle if the scenario has
 * it so.  keys_run() returns whether they have changed. */
void keys_init(struct sim *, struct key_file *);
bool keys_run(struct sim *, struct key_file *);

/* The time of day at 'sw'. */
void clock_init(struct sim *, struct sim_switch *);
int64_t clock_read(struct sim *, struct sim_switch *sw);

/* 'h' dies, if it is 'dead', or stands still: its connections are not there any
 * more, or those of which only it knows. */
void host_gone(struct sim *, struct sim_host *h, bool dead);

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

/* Makes host number 'i'. */
void host_init(struct sim *, struct sim_host *, unsigned int i);
void host_uninit(struct sim_host *);

void host_frame(struct sim *, struct sim_host *, const struct frame *,
                enum frame_kind, const struct packet *);

/* Does what is due. */
void host_run(struct sim *, struct sim_host *);

/* sim-controller.c. */

/* Takes a question of 'sw'. */
void controller_frame(struct sim *, const struct sim_switch *sw,
                      const struct frame *, const struct packet *);

#endif /* world.h */
