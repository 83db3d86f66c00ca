/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "services.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "lib/address.h"
#include "log.h"
#include "netlink.h"
#include "util.h"

static struct services_one *
find(struct services *s, const struct migrate_address *address)
{
    for (size_t i = 0; i < s->n; i++) {
        if (address_equals(&s->all[i].address, address)) {
            return &s->all[i];
        }
    }
    return NULL;
}

static struct services_one *
add(struct services *s, const struct migrate_address *address)
{
    struct services_one *one;

    if (s->n == s->allocated) {
        s->allocated = s->allocated * 2 + 8;
        s->all = xreallocarray(s->all, s->allocated, sizeof *s->all);
    }
    one = &s->all[s->n++];
    memset(one, 0, sizeof *one);
    one->address = *address;
    return one;
}

void
services_init(struct services *s, struct migrator *m)
{
    struct migrate_address key, *previous = NULL;

    memset(s, 0, sizeof *s);
    s->m = m;
    while (!bpf_map_get_next_key(m->services_fd, previous, &key)) {
        struct service value = { .ours = 0 };
        struct services_one *one = add(s, &key);

        bpf_map_lookup_elem(m->services_fd, &key, &value);
        one->named = one->used = time_msec();
        one->ours = value.ours;
        previous = &key;
    }
}

void
services_destroy(struct services *s)
{
    free(s->all);
    s->all = NULL;
}

/* Tells the egress program, and only then makes the address local: the host
 * must not announce it for a moment. */
static void
assert_route(struct services *s, struct services_one *one)
{
    struct service value = { .named = time_nsec(), .ours = one->ours };
    char text[ADDRESS_STRLEN];
    bool ours;
    int error;

    one->asserted = time_msec();
    bpf_map_update_elem(s->m->services_fd, &one->address, &value, BPF_ANY);
    error = netlink_add_local(&one->address, &ours);
    if (error && error != one->error) {
        log_error("%s: cannot make service address local: %s%s",
                  address_format(&one->address, text), strerror(error),
                  error == ENETDOWN ? "; run \"ip link set lo up\"" : "");
    }
    one->error = error;
    if (!error && ours && !one->ours) {
        log_info("%s: service address is local now",
                 address_format(&one->address, text));
        one->ours = true;
        value.ours = 1;
        bpf_map_update_elem(s->m->services_fd, &one->address, &value,
                            BPF_ANY);
    }
}

void
services_name(struct services *s, const struct migrate_address *address)
{
    struct services_one *one = find(s, address);
    int64_t now = time_msec();

    if (!one) {
        if (s->n >= SERVICES_MAX) {
            return;
        }
        one = add(s, address);
    }
    one->named = now;
    if (!one->asserted || now - one->asserted >= SERVICES_REPEAT) {
        assert_route(s, one);
    }
}

void
services_use(struct services *s, const struct migrate_address *address)
{
    struct services_one *one = find(s, address);

    if (one) {
        one->used = time_msec();
    }
}

void
services_expire(struct services *s)
{
    int64_t before = time_msec() - SERVICES_TIMEOUT;
    char text[ADDRESS_STRLEN];

    for (size_t i = 0; i < s->n; ) {
        struct services_one *one = &s->all[i];

        if (one->named >= before || one->used >= before) {
            i++;
            continue;
        }
        if (one->ours) {
            netlink_delete_local(&one->address);
            log_info("%s: no switch names this service address any longer; "
                     "it is not local now",
                     address_format(&one->address, text));
        }
        bpf_map_delete_elem(s->m->services_fd, &one->address);
        *one = s->all[--s->n];
    }
}
