/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "view-schema.h"

#define STRING "{\"type\": \"string\"}"
#define TEXT(WHAT) "{\"type\": \"string\", \"description\": \"" WHAT "\"}"
#define INTEGER(WHAT) "{\"type\": \"integer\", \"description\": \"" WHAT "\"}"
#define NAMES(WHAT) "{\"type\": \"array\", \"items\": " STRING ", " \
    "\"description\": \"" WHAT "\"}"
#define STEPS(WHAT) "{\"type\": \"array\", \"items\": " \
    "{\"type\": \"array\", \"items\": " STRING "}, " \
    "\"description\": \"" WHAT "\"}"
#define RETARGETS "\"retargets\": " INTEGER( \
    "How many hosts it was offered before, which did not take it.") ", " \
    "\"reason\": {\"enum\": [\"silence\", \"no-listener\", \"backlog\", " \
    "\"kernel\", \"table\", \"flow-id\", \"closed\", \"busy\"], " \
    "\"description\": \"Why the last one of these did not.\"}"
#define FILTER(NAME) "{\"name\": \"" NAME "\", \"type\": \"string\"}"
#define FILTER_PORT "{\"name\": \"client_port\", \"type\": \"integer\"}"

const struct view_schema view_schemas[N_VIEW_SCHEMAS] = {
    { "connections", "Connection",
      "The connections that switches know of now, one after the other. "
      "\"unreachable\" names switches that did not answer.",
      "[" FILTER("service") ", " FILTER("host") ", " FILTER("client") ", "
      FILTER_PORT ", " FILTER("switch") "]",
      "{\"type\": \"object\","
      " \"x-columns\": [\"name\", \"service\", \"switch\", \"rule\","
      "  \"pool\", \"host\", \"state\", \"idle\"],"
      " \"required\": [\"name\", \"switch\", \"client\", \"client_port\","
      "  \"state\"],"
      " \"properties\": {"
      "  \"name\": " TEXT("Client and port.") ","
      "  \"switch\": " TEXT("That knows of it.") ","
      "  \"client\": " TEXT("Its address.") ","
      "  \"client_port\": " INTEGER("Its TCP port.") ","
      "  \"service\": " TEXT("The service that it is of.") ","
      "  \"host\": " TEXT("The host that has it, or is to have it.") ","
      "  \"rule\": {\"type\": \"string\", \"description\": \"The rule that "
      "matched; none if it went to the default pool.\"},"
      "  \"pool\": " TEXT("The pool that the rules led to.") ","
      "  \"state\": {\"type\": \"string\", \"description\":"
      "   \"gather: its request is incomplete. asked: the controller is to "
      "say the host. offered: a host is to take it. live: it has. rejected: "
      "it is told an error. linger: it has ended. lost: its host has it no "
      "more.\"},"
      "  \"placement\": {\"enum\": [\"table\", \"flow\", \"kernel\"],"
      "   \"description\": \"flow: it has an OpenFlow flow of its own now. "
      "kernel: the switch's kernel forwards its packets now. table: "
      "neither.\"},"
      "  \"flow_id\": " INTEGER("What it is called on its way to the host.")
      ", \"age\": " INTEGER("Milliseconds since it began, or the host took "
                            "it.")
      ", \"idle\": " INTEGER("Milliseconds since a packet came, as far as "
                             "the engine has seen.")
      ", \"packets\": " INTEGER("Of the client, sent on by the engine, or by "
                                "the kernel in its stead.")
      ", \"bytes\": " INTEGER("Of these.")
      ", " RETARGETS "}}" },
    { "decisions", "Decision",
      "Why connections are at their hosts: first the latest 1000 decisions "
      "that the controller was asked for, the latest first; then those of "
      "other connections that switches know of now. \"unreachable\" names "
      "switches that did not answer.",
      "[" FILTER("switch") ", " FILTER("service") ", " FILTER("client") ", "
      FILTER_PORT ", " FILTER("pool") ", " FILTER("host") ", " FILTER("by")
      "]",
      "{\"type\": \"object\","
      " \"x-columns\": [\"client\", \"client_port\", \"service\","
      "  \"switch\", \"rule\", \"pool\", \"host\", \"by\", \"policy\","
      "  \"why\"],"
      " \"required\": [\"time\", \"switch\", \"client\", \"client_port\","
      "  \"host\", \"by\"],"
      " \"properties\": {"
      "  \"time\": " INTEGER("When it was asked for, or when the host took "
                             "the connection, in milliseconds since 1970.")
      ", \"msec\": " INTEGER("How long the controller took.")
      ", \"switch\": " TEXT("That has asked, or that has decided "
                              "itself.") ","
      "  \"service\": " TEXT("The connection's service.") ","
      "  \"client\": " TEXT("Its client's address.") ","
      "  \"client_port\": " INTEGER("Its client's TCP port.") ","
      "  \"pool\": " TEXT("The pool that the rules led to.") ","
      "  \"rule\": {\"type\": \"string\", \"description\": \"What the rule "
      "matches, or default.\"},"
      "  \"policy\": " TEXT("The policy of the pool, if that has chosen.") ","
      "  \"affinity\": " TEXT("Or what of the request the pool's affinity has "
                              "chosen by.") ","
      "  \"candidates\": " NAMES("The hosts that the controller could choose "
                               "from.") ","
      "  \"host\": {\"type\": [\"string\", \"null\"], \"description\":"
      "   \"Which one was chosen; null: none was.\"},"
      "  \"by\": {\"enum\": [\"webhook\", \"controller\", \"switch\","
      "   \"unknown\"], \"description\": \"Who has chosen; switch: the pool "
      "has, or was to.\"},"
      "  \"why\": {\"type\": \"string\", \"description\": \"Why nobody else "
      "has.\"},"
      "  " RETARGETS ","
      "  \"request\": {\"type\": \"object\", \"description\": \"What the "
      "client has sent: method, host, path, headers, sni, alpn.\"}}}" },
    { "paths", "Path",
      "The shortest ways from each switch that migrates to each host, and "
      "back.",
      "[" FILTER("switch") ", " FILTER("host") ", " FILTER("to") "]",
      "{\"type\": \"object\","
      " \"x-columns\": [\"switch\", \"host\", \"to\", \"cost\", \"there\","
      "  \"back\"],"
      " \"required\": [\"name\", \"switch\", \"host\", \"to\", \"cost\","
      "  \"there\", \"back\"],"
      " \"properties\": {"
      "  \"name\": " TEXT("Switch and host.") ","
      "  \"switch\": " TEXT("Where it begins.") ","
      "  \"host\": " TEXT("Where it ends.") ","
      "  \"to\": {\"type\": [\"string\", \"null\"], \"description\": \"The "
      "host's switch, if it is known.\"},"
      "  \"cost\": {\"type\": [\"integer\", \"null\"], \"description\": "
      "\"Of the links; null: there is no way.\"},"
      "  \"there\": " STEPS("For each step the links that may be taken.") ","
      "  \"back\": " STEPS("Likewise.") "}}" },
};
