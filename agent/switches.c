/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "switches.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

#include "lib/address.h"
#include "log.h"
#include "util.h"

void
switches_init(struct switches *s, struct migrator *m)
{
    memset(s, 0, sizeof *s);
    s->m = m;
    s->challenge = random_nonzero();
}

void
switches_destroy(struct switches *s)
{
    free(s->used);
    s->used = NULL;
}

bool
switches_find(const struct switches *s, const struct migrate_address *address,
              struct switch_peer *peer)
{
    memset(peer, 0, sizeof *peer);
    return !bpf_map_lookup_elem(s->m->switches_fd, address, peer);
}

/* Whether 'peer' is the sender of 'header', and said a HELLO not long ago. */
static bool
is_present(const struct switch_peer *peer, const struct migrate_header *header)
{
    return (peer->epoch == header->epoch
            && time_nsec() - peer->heard <= MIGRATE_STALE * NSEC_PER_MSEC);
}

/* Whether a question from 'peer' came after 'last', the one before it, and a
 * HELLO not long ago. */
static bool
is_next(const struct switch_peer *peer, uint32_t last,
        const struct migrate_header *header)
{
    return (is_present(peer, header)
            && (int32_t) (ntohl(header->sequence) - last) > 0);
}

/* Lets the floor of 'peer' follow what it says. */
static void
raise_floor(struct switch_peer *peer, uint32_t next_flow_id)
{
    uint64_t now = time_nsec();

    if (now - peer->marked >= MIGRATE_STALE * NSEC_PER_MSEC) {
        /* The programs raise it, too, for what they forget. */
        if ((int32_t) (peer->mark - peer->floor) > 0) {
            peer->floor = peer->mark;
        }
        peer->mark = next_flow_id;
        peer->marked = now;
    }
}

__be64
switches_hello(struct switches *s, const struct migrate_address *address,
               const struct migrate_header *header,
               const struct migrate_hello *hello)
{
    struct switch_peer peer;
    bool known = switches_find(s, address, &peer);
    char text[ADDRESS_STRLEN];

    if (hello->challenge == s->challenge) {
        s->challenge = random_nonzero();
        /* The switch may have forgotten this host meanwhile, and count its
         * questions from elsewhere. */
        peer.audit = ntohl(hello->next_audit) - 1;
        /* Else only a HELLO was doubled, and there may be bundles under way
         * that the floor must not overtake. */
        if (!is_present(&peer, header)) {
            log_info("switch %s %s", address_format(address, text),
                     !known ? "says hello"
                     : peer.epoch != header->epoch ? "has started anew"
                     : "is back");
            peer.epoch = header->epoch;
            peer.floor = peer.mark = ntohl(hello->next_flow_id);
            peer.marked = time_nsec();
        }
    } else if (!known || !is_next(&peer, peer.sequence, header)) {
        return s->challenge;
    }
    raise_floor(&peer, ntohl(hello->next_flow_id));
    peer.sequence = ntohl(header->sequence);
    peer.heard = time_nsec();
    peer.key_id = header->key_id;
    bpf_map_update_elem(s->m->switches_fd, address, &peer, BPF_ANY);
    return 0;
}

bool
switches_know(const struct switches *s, const struct migrate_address *address,
              __be32 epoch)
{
    struct switch_peer peer;

    return switches_find(s, address, &peer) && peer.epoch == epoch;
}

bool
switches_audit(struct switches *s, const struct migrate_address *address,
               const struct migrate_header *header)
{
    struct switch_peer peer;

    if (!switches_find(s, address, &peer) || !is_next(&peer, peer.audit, header)) {
        return false;
    }
    peer.audit = ntohl(header->sequence);
    bpf_map_update_elem(s->m->switches_fd, address, &peer, BPF_EXIST);
    return true;
}

static bool
is_used(const struct switches *s, const struct migrate_address *address)
{
    for (size_t i = 0; i < s->n; i++) {
        if (address_equals(&s->used[i], address)) {
            return true;
        }
    }
    return false;
}

void
switches_use(struct switches *s, const struct migrate_address *address)
{
    if (is_used(s, address)) {
        return;
    }
    if (s->n == s->allocated) {
        s->allocated = s->allocated * 2 + 8;
        s->used = xreallocarray(s->used, s->allocated, sizeof *s->used);
    }
    s->used[s->n++] = *address;
}

void
switches_expire(struct switches *s)
{
    const uint64_t timeout = (uint64_t) SWITCHES_TIMEOUT * NSEC_PER_MSEC;
    struct migrate_address key, next, *previous = NULL;
    uint64_t now = time_nsec();
    char text[ADDRESS_STRLEN];

    while (!bpf_map_get_next_key(s->m->switches_fd, previous, &next)) {
        struct switch_peer peer;

        key = next;
        previous = &key;
        if (!bpf_map_lookup_elem(s->m->switches_fd, &key, &peer)
            && now - peer.heard > timeout && !is_used(s, &key)) {
            log_info("switch %s has not been heard of for an hour: "
                     "forgotten", address_format(&key, text));
            bpf_map_delete_elem(s->m->switches_fd, &key);
            previous = NULL;        /* Its successor is unknown now. */
        }
    }
    s->n = 0;
}
