/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "address.h"

#include <arpa/inet.h>

bool
address_parse(const char *s, struct migrate_address *a)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, s, &v4) == 1) {
        *a = address_from_v4(v4.s_addr);
        return true;
    } else if (inet_pton(AF_INET6, s, &v6) == 1) {
        memcpy(a->byte, &v6, sizeof a->byte);
        return true;
    }
    return false;
}

char *
address_format(const struct migrate_address *a, char buf[ADDRESS_STRLEN])
{
    if (address_is_v4(a)) {
        inet_ntop(AF_INET, &a->byte[12], buf, ADDRESS_STRLEN);
    } else {
        inet_ntop(AF_INET6, a->byte, buf, ADDRESS_STRLEN);
    }
    return buf;
}
