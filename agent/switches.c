/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "switches.h"

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
}

void
switches_destroy(struct switches *s)
{
    free(s->used);
    s->used = NULL;
}

void
switches_heard(struct switches *s, const struct migrate_address *address,
               __be32 epoch)
{
    struct switch_peer peer = { .heard = time_nsec(), .epoch = epoch };
    char text[ADDRESS_STRLEN];
    struct switch_peer old;

    if (bpf_map_lookup_elem(s->m->switches_fd, address, &old)) {
        log_info("switch %s says hello", address_format(address, text));
    } else if (old.epoch != epoch) {
        log_info("switch %s has started anew",
                 address_format(address, text));
    }
    bpf_map_update_elem(s->m->switches_fd, address, &peer, BPF_ANY);
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
