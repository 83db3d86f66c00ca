/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "probe.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "unaligned.h"
#include "util.h"

#define ETH_TYPE_LLDP 0x88cc

/* Seconds, which nobody but other LLDP stations heeds. */
#define TTL 10

enum {
    TLV_END = 0,
    TLV_CHASSIS = 1,
    TLV_PORT = 2,
    TLV_TTL = 3,
    TLV_OTHER = 127,
};
#define CHASSIS_LOCAL 7         /* Subtypes: locally assigned, ... */
#define PORT_INTERFACE 5        /* ... name of an interface. */

/* Begins the value of our own TLV: an organization that is none (the bit for
 * locally administered is set), and a subtype. */
static const uint8_t own_prefix[4] = { 0x02, 'o', 'm', 1 };

#define DPID_LEN 16             /* Hexadecimal digits. */

static ovs_be64
tag(const struct probe *probe, const struct siphash_key *key)
{
    struct siphash h;
    uint64_t name[OFP_MAX_PORT_NAME_LEN / 8];

    memcpy(name, probe->port, sizeof name);
    siphash_init(&h, key);
    siphash_word(&h, probe->dpid);
    for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
        siphash_word(&h, name[i]);
    }
    return (OVS_FORCE ovs_be64) siphash_final(&h);
}

/* Appends a TLV with 'value', 'len' bytes after the byte or the 'prefix_len'
 * bytes at 'prefix', at 'p' and returns its end. */
static uint8_t *
put_tlv(uint8_t *p, int type, const void *prefix, size_t prefix_len,
        const void *value, size_t len)
{
    put_unaligned_be16((void *) p, htons(type << 9 | (prefix_len + len)));
    p = mempcpy(p + 2, prefix, prefix_len);
    return mempcpy(p, value, len);
}

size_t
probe_build(const struct probe *probe, const struct siphash_key *key,
            struct eth_addr src, uint8_t frame[PROBE_MAX_LEN])
{
    static const struct eth_addr nearest = ETH_ADDR_C(01,80,c2,00,00,0e);
    const ovs_be16 ttl = htons(TTL);
    const ovs_be64 our_tag = tag(probe, key);
    struct eth_header *eth = (void *) frame;
    char dpid[DPID_LEN + 1];
    uint8_t *p = frame + ETH_HEADER_LEN;

    eth->eth_dst = nearest;
    eth->eth_src = src;
    eth->eth_type = htons(ETH_TYPE_LLDP);
    snprintf(dpid, sizeof dpid, "%016"PRIx64, probe->dpid);
    p = put_tlv(p, TLV_CHASSIS, (uint8_t[]) { CHASSIS_LOCAL }, 1, dpid,
                DPID_LEN);
    p = put_tlv(p, TLV_PORT, (uint8_t[]) { PORT_INTERFACE }, 1, probe->port,
                strlen(probe->port));
    p = put_tlv(p, TLV_TTL, "", 0, &ttl, sizeof ttl);
    p = put_tlv(p, TLV_OTHER, own_prefix, sizeof own_prefix, &our_tag,
                sizeof our_tag);
    p = put_tlv(p, TLV_END, "", 0, "", 0);
    return p - frame;
}

/* If the TLV at '*p', before 'end', has 'type' and a value that begins with
 * the 'prefix_len' bytes at 'prefix', moves '*p' behind it, stores the length
 * of what follows the prefix in '*len' and returns that.  Otherwise, returns
 * NULL. */
static const uint8_t *
get_tlv(const uint8_t **p, const uint8_t *end, int type, const void *prefix,
        size_t prefix_len, size_t *len)
{
    const uint8_t *value = *p + 2;
    uint16_t header;

    if (end - *p < 2) {
        return NULL;
    }
    header = ntohs(get_unaligned_be16((const void *) *p));
    *len = header & 0x1ff;
    if (header >> 9 != type || *len > end - value || *len < prefix_len
        || memcmp(value, prefix, prefix_len)) {
        return NULL;
    }
    *p = value + *len;
    *len -= prefix_len;
    return value + prefix_len;
}

bool
probe_parse(const uint8_t *frame, size_t len_, const struct siphash_key *key,
            struct probe *probe)
{
    const uint8_t *end = frame + len_;
    const uint8_t *p = frame + ETH_HEADER_LEN;
    const uint8_t *value;
    char dpid[DPID_LEN + 1];
    ovs_be64 expected;
    size_t len;

    memset(probe, 0, sizeof *probe);
    if (len_ < ETH_HEADER_LEN) {
        return false;
    }
    value = get_tlv(&p, end, TLV_CHASSIS, (uint8_t[]) { CHASSIS_LOCAL }, 1,
                    &len);
    if (!value || len != DPID_LEN) {
        return false;
    }
    ovs_strzcpy(dpid, (const char *) value, sizeof dpid);
    probe->dpid = strtoull(dpid, NULL, 16);

    value = get_tlv(&p, end, TLV_PORT, (uint8_t[]) { PORT_INTERFACE }, 1,
                    &len);
    if (!value || len >= sizeof probe->port) {
        return false;
    }
    memcpy(probe->port, value, len);

    if (!get_tlv(&p, end, TLV_TTL, "", 0, &len)) {
        return false;
    }
    value = get_tlv(&p, end, TLV_OTHER, own_prefix, sizeof own_prefix, &len);
    expected = tag(probe, key);
    return value && len == sizeof expected && !memcmp(value, &expected, len);
}
