/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADDRESS_H
#define ADDRESS_H 1

/* IPv4 and IPv6 addresses in one type: 'struct migrate_address', where IPv4
 * is mapped into IPv6 (RFC 4291 2.5.5.2). */

#include <stdbool.h>
#include <string.h>

#include "messages.h"

#define ADDRESS_STRLEN 46           /* INET6_ADDRSTRLEN. */

static inline struct migrate_address
address_from_v4(__be32 v4)
{
    struct migrate_address a = { .byte = { [10] = 0xff, [11] = 0xff } };

    memcpy(&a.byte[12], &v4, sizeof v4);
    return a;
}

static inline __be32
address_to_v4(const struct migrate_address *a)
{
    __be32 v4;

    memcpy(&v4, &a->byte[12], sizeof v4);
    return v4;
}

static inline bool
address_is_v4(const struct migrate_address *a)
{
    static const __u8 prefix[12] = { [10] = 0xff, [11] = 0xff };

    return !memcmp(a->byte, prefix, sizeof prefix);
}

static inline bool
address_equals(const struct migrate_address *a,
               const struct migrate_address *b)
{
    return !memcmp(a, b, sizeof *a);
}

/* Whether 'a' may be the address of one machine: not of a group (224.0.0.0/4,
 * ff00::/8), nor the broadcast or unspecified address, nor any other of
 * 0.0.0.0/8 and 240.0.0.0/4. */
static inline bool
address_is_unicast(const struct migrate_address *a)
{
    static const struct migrate_address unspecified;

    return (address_is_v4(a)
            ? a->byte[12] != 0 && a->byte[12] < 224
            : a->byte[0] != 0xff && !address_equals(a, &unspecified));
}

/* Parses 's', an IPv4 or IPv6 address in text form.  Returns false, and
 * leaves '*a' alone, if it is neither. */
bool address_parse(const char *s, struct migrate_address *a);

/* Writes 'a' in text form into 'buf' and returns 'buf'. */
char *address_format(const struct migrate_address *a,
                     char buf[ADDRESS_STRLEN]);

#endif /* address.h */
