/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "syntax.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "affinity.h"
#include "packets.h"
#include "util.h"

static bool
is_alnum(char c)
{
    return isalnum((unsigned char) c) && !(c & 0x80);
}

/* Whether 's' begins with a letter or digit and goes on with these and
 * 'others'. */
static bool
is_word(const char *s, const char *others)
{
    if (!is_alnum(*s)) {
        return false;
    }
    while (is_alnum(*s) || (*s && strchr(others, *s))) {
        s++;
    }
    return !*s;
}

/* 's' in lower case, if it is made of 'n' hexadecimal digits. */
static char *
hex(const char *s, size_t n)
{
    if (strlen(s) != n || strspn(s, "0123456789abcdefABCDEF") != n) {
        return NULL;
    }
    char *lower = xstrdup(s);

    for (char *p = lower; *p; p++) {
        *p = tolower((unsigned char) *p);
    }
    return lower;
}

static char *
name_canonical(const char *s)
{
    return is_word(s, "._-") ? xstrdup(s) : NULL;
}

const struct syntax syntax_name = {
    .format = "name",
    .what = "a name made of letters, digits, \".\", \"_\" and \"-\" that "
            "begins with a letter or digit",
    .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
    .canonical = name_canonical,
};

static char *
port_canonical(const char *s)
{
    return is_word(s, "._-@") ? xstrdup(s) : NULL;
}

const struct syntax syntax_port = {
    .format = "port",
    .what = "the name of a port, made of letters, digits, \".\", \"_\", \"-\" "
            "and \"@\"",
    .pattern = "^[A-Za-z0-9][A-Za-z0-9._@-]*$",
    .canonical = port_canonical,
};

/* Whether one machine can have address 'a' and others reach it there. */
static bool
is_machine(const struct migrate_address *a)
{
    if (address_is_v4(a)) {
        uint32_t ip = ntohl((OVS_FORCE ovs_be32) address_to_v4(a));

        return (ip >> 24 != 0 && ip >> 24 != 127 && ip >> 28 < 14);
    } else {
        struct in6_addr in6;

        memcpy(&in6, a->byte, sizeof in6);
        return !(IN6_IS_ADDR_UNSPECIFIED(&in6) || IN6_IS_ADDR_LOOPBACK(&in6)
                 || IN6_IS_ADDR_MULTICAST(&in6)
                 || IN6_IS_ADDR_V4COMPAT(&in6));
    }
}

static char *
ip_canonical(const char *s)
{
    struct migrate_address a;
    char buf[ADDRESS_STRLEN];

    return (address_parse(s, &a) && is_machine(&a)
            ? xstrdup(address_format(&a, buf)) : NULL);
}

const struct syntax syntax_ip = {
    .format = "ip",
    .what = "an IPv4 or IPv6 address that a machine may have",
    .canonical = ip_canonical,
};

/* Both families' addresses, IPv4's first. */
static char *
ips_canonical(const char *s)
{
    char *copy = xstrdup(s);
    char *save_ptr = NULL;
    char *ips[2] = { NULL, NULL };
    bool ok = *s && *s != ',' && s[strlen(s) - 1] != ',';
    char *result = NULL;

    for (char *word = strtok_r(copy, ",", &save_ptr); word;
         word = strtok_r(NULL, ",", &save_ptr)) {
        char *ip = ip_canonical(word + strspn(word, " "));
        char **slot = &ips[ip && strchr(ip, ':')];

        ok &= ip && !*slot;
        free(*slot);
        *slot = ip;
    }
    if (ok) {
        result = xasprintf("%s%s%s", ips[0] ? ips[0] : "",
                           ips[0] && ips[1] ? "," : "", ips[1] ? ips[1] : "");
    }
    free(ips[0]);
    free(ips[1]);
    free(copy);
    return result;
}

const struct syntax syntax_ips = {
    .format = "ips",
    .what = "an IPv4 or IPv6 address that a machine may have, or one of each "
            "with a comma between them",
    .canonical = ips_canonical,
};

static char *
address_canonical(const char *s)
{
    struct migrate_address a;
    char buf[ADDRESS_STRLEN];

    return (address_parse(s, &a) && address_is_unicast(&a)
            ? xstrdup(address_format(&a, buf)) : NULL);
}

const struct syntax syntax_address = {
    .format = "address",
    .what = "an IPv4 or IPv6 address",
    .canonical = address_canonical,
};

static char *
path_canonical(const char *s)
{
    size_t n = 0;

    while (s[n] > ' ' && s[n] < 0x7f) {
        n++;
    }
    return *s == '/' && !s[n] ? xstrdup(s) : NULL;
}

const struct syntax syntax_path = {
    .format = "path",
    .what = "a path that begins with \"/\", and has no spaces",
    .pattern = "^/[!-~]*$",
    .canonical = path_canonical,
};

static char *
affinity_canonical(const char *s)
{
    struct affinity a;
    char *error = affinity_init(&a, s);
    char *result = (error ? NULL
                    : xasprintf("%s.%s", a.cookie ? "cookie" : "header",
                                a.name));

    free(error);
    affinity_uninit(&a);
    return result;
}

const struct syntax syntax_affinity = {
    .format = "affinity",
    .what = "cookie.NAME or header.NAME",
    .pattern = "^(cookie|header)[.][!#$%&'*+.^_`|~0-9A-Za-z-]+$",
    .canonical = affinity_canonical,
};

static char *
mac_canonical(const char *s)
{
    struct eth_addr ea;

    return (eth_addr_from_string(s, &ea) && !eth_addr_is_multicast(ea)
            && !eth_addr_is_zero(ea)
            ? xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(ea)) : NULL);
}

const struct syntax syntax_mac = {
    .format = "mac",
    .what = "the Ethernet address of a machine, six pairs of hexadecimal "
            "digits with colons between them",
    .pattern = "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$",
    .canonical = mac_canonical,
};

static char *
dpid_canonical(const char *s)
{
    return strspn(s, "0") == strlen(s) ? NULL : hex(s, 16);
}

const struct syntax syntax_dpid = {
    .format = "dpid",
    .what = "a datapath ID, 16 hexadecimal digits that are not all 0",
    .pattern = "^[0-9A-Fa-f]{16}$",
    .canonical = dpid_canonical,
};

static char *
key_canonical(const char *s)
{
    return hex(s, 32);
}

const struct syntax syntax_key = {
    .format = "key",
    .what = "a key, 32 hexadecimal digits (\"openssl rand -hex 16\")",
    .pattern = "^[0-9A-Fa-f]{32}$",
    .canonical = key_canonical,
};

/* Whether 's' is "ADDRESS:PORT", with brackets around an IPv6 address. */
static bool
is_socket_address(const char *s)
{
    const char *colon = strrchr(s, ':');
    struct migrate_address a;
    unsigned int port;
    char *host;
    bool ok;

    if (!colon || !str_to_uint(colon + 1, 10, &port) || !port
        || port > 65535) {
        return false;
    }
    host = (*s == '[' && colon > s + 1 && colon[-1] == ']'
            ? xmemdup0(s + 1, colon - s - 2) : xmemdup0(s, colon - s));
    ok = address_parse(host, &a) && (address_is_v4(&a) == (*s != '['));
    free(host);
    return ok;
}

static char *
remote_canonical(const char *s)
{
    return (!strncmp(s, "unix:/", 6)
            || ((!strncmp(s, "ssl:", 4) || !strncmp(s, "tcp:", 4))
                && is_socket_address(s + 4))
            ? xstrdup(s) : NULL);
}

const struct syntax syntax_remote = {
    .format = "remote",
    .what = "an active connection method: ssl:IP:PORT, tcp:IP:PORT (an IPv6 "
            "address in brackets) or unix:PATH with an absolute path",
    .pattern = "^(ssl:|tcp:|unix:/)",
    .canonical = remote_canonical,
};

static char *
url_canonical(const char *s)
{
    const char *host = (!strncmp(s, "http://", 7) ? s + 7
                        : !strncmp(s, "https://", 8) ? s + 8 : "");

    if (!*host || *host == '/') {
        return NULL;
    }
    for (const char *p = s; *p; p++) {
        if (*p <= ' ' || *p >= 0x7f) {
            return NULL;
        }
    }
    return xstrdup(s);
}

const struct syntax syntax_url = {
    .format = "uri",
    .what = "a URL that begins with http:// or https://",
    .pattern = "^https?://[^/]",
    .canonical = url_canonical,
};
