/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_H
#define SYNTAX_H 1

/* The sorts of strings that resources have. */

#include "resource.h"

extern const struct syntax syntax_name;     /* Of a resource. */
extern const struct syntax syntax_port;     /* Of a switch. */
extern const struct syntax syntax_ip;       /* Of a machine. */
extern const struct syntax syntax_ips;      /* One of each family. */
extern const struct syntax syntax_address;  /* Of anything. */
extern const struct syntax syntax_path;     /* Of a URL. */
extern const struct syntax syntax_affinity;
extern const struct syntax syntax_mac;      /* Of a machine. */
extern const struct syntax syntax_dpid;
extern const struct syntax syntax_key;
extern const struct syntax syntax_remote;
extern const struct syntax syntax_url;

#endif /* syntax.h */
