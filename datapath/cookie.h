/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COOKIE_H
#define COOKIE_H 1

/* The switch's half of a TCP handshake without memory: what the client said
 * in its SYN is held in the ISN of the SYN-ACK, as FreeBSD does it
 * (sys/netinet/tcp_syncache.c), so that nothing is lost for clients without
 * timestamps.
 *
 *      bits 31..8   keyed hash over addresses, ports, the client's ISN and
 *                   the low byte
 *      bits 7..5    index in the MSS table
 *      bits 4..2    index in the window scale table (0: no window scaling)
 *      bit  1       SACK permitted
 *      bit  0       which of the two secrets
 *
 * The low byte is masked with bits of the hash.  Secrets are shared by the
 * switches of a fabric: they derive from its keys and a generation number
 * that counts COOKIE_LIFETIME periods of real time.
 *
 * Neither a change of keys nor a step of the clock ends the cookies that are
 * out: what was taken before the last of these is taken for as long again as
 * a cookie may be out. */

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "seal.h"

#define COOKIE_LIFETIME 120     /* Seconds a secret is given out; it is taken
                                 * for as long again. */

/* What a SYN said, as far as a cookie holds it (values are rounded down to
 * those that the tables have). */
struct syn_options {
    uint16_t mss;               /* Bytes. */
    bool wscale_ok;
    uint8_t wscale;             /* The client's shift, 0..14. */
    bool sack_ok;
};

/* What cookies are good at one time: a secret for each key of the fabric and
 * either low bit of a generation. */
struct cookie_set {
    struct siphash_key secret[SEAL_MAX_KEYS][2];
    unsigned int n;             /* Keys. */
};

struct cookie_secrets {
    struct cookie_set current;
    struct cookie_set former;   /* Before a change; empty without one... */
    int64_t former_until;       /* ...and from then on. */
    int64_t updated;            /* When 'current' was so still. */
    uint64_t generation;        /* The current one, of 'current'. */
    struct keyring keys;        /* What 'current' was derived from... */
    bool ready;                 /* ... if it was. */
};

/* Brings 'secrets' to what they are under the fabric's keys at 'wall'
 * (milliseconds of real time, as all switches of the fabric have it, which may
 * step) and 'now' (milliseconds of a clock that does not).  Cheap when nothing
 * changed.  A zeroed struct is a valid start. */
void cookie_secrets_update(struct cookie_secrets *, const struct keyring *,
                           int64_t wall, int64_t now);

/* The ISN that answers a SYN with 'options' and sequence number
 * 'client_isn'. */
uint32_t cookie_make(const struct cookie_secrets *, const struct tuple *,
                     uint32_t client_isn, const struct syn_options *options);

/* Whether 'isn' is a cookie for this connection; sets '*options' then. */
bool cookie_check(const struct cookie_secrets *, const struct tuple *,
                  uint32_t client_isn, uint32_t isn,
                  struct syn_options *options);

#endif /* cookie.h */
