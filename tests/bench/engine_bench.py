# SPDX-License-Identifier: Apache-2.0
"""The engine alone: runs engine-bench, and OVS's own benchmark of its
connection tracker in turn with it."""

import re
import resource
import statistics
import subprocess

from tables import Table, human

PACKETS = 4 << 20               # For the connection tracker.
BATCH = 32                      # Its packets at once: one a connection.

# What is asked for at every number of connections: (name in the output of
# engine-bench, name for people, at least).
RATES = (("syns", "SYNs answered a second", None),
         ("handoffs", "handoffs a second", 1e6),
         ("hot", "packets encapsulated a second, 32 connections", 10e6),
         ("spread", "packets encapsulated a second, all connections", None))
CONNECTION_BYTES = 128
FEW = 1000                      # Too few to say what one of them takes.


def _conntrack(ovstest):
    """Packets a second of processor time."""
    def seconds():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime
    start = seconds()
    subprocess.run([ovstest, "test-conntrack", "benchmark", "1", str(PACKETS),
                    str(BATCH), "1"], check=True, stdout=subprocess.DEVNULL)
    return PACKETS / (seconds() - start)


def measure(program, ovstest, rounds):
    """Returns lists of figures by (name, number of connections)."""
    figures = {}
    for _ in range(rounds):
        text = subprocess.run([program, "2"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        for name, live, value in re.findall(r"^(\S+) (\d+) (\S+)$", text,
                                            re.M):
            figures.setdefault((name, int(live)), []).append(float(value))
        figures.setdefault(("conntrack", 0), []).append(_conntrack(ovstest))
    return figures


def table(figures):
    sizes = sorted({live for _, live in figures if live})
    median = {key: statistics.median(values)
              for key, values in figures.items()}
    result = Table("The engine alone, on one core",
                   ["connections live", *map(human, sizes), "reach"])
    for name, text, least in RATES:
        result.add(text, *(human(median[name, live]) for live in sizes),
                   human(least) if least else "")
    result.add("bytes of memory a migrated connection",
               *("" if live < FEW
                 else f"{median['bytes-per-connection', live]:.0f}"
                 for live in sizes), f"<= {CONNECTION_BYTES}")
    result.add("bytes of memory a SYN",
               *(f"{median['bytes-per-syn', live]:.0f}" for live in sizes),
               "0")
    result.add("beside it, packets a second of OVS's conntrack, 32 connections",
               human(median["conntrack", 0]), *("" for _ in sizes[1:]), "")
    return result


def shortfalls(figures):
    texts = []
    for (name, live), values in figures.items():
        value = statistics.median(values)
        for rate, text, least in RATES:
            if rate == name and least and value < least:
                texts.append(f"{text}, {live} live: {human(value)}, not "
                             f"{human(least)}")
        if name == "bytes-per-connection" and live >= FEW \
                and value > CONNECTION_BYTES:
            texts.append(f"a connection takes {value:.0f} bytes, more than "
                         f"{CONNECTION_BYTES}")
        if name == "bytes-per-syn" and value > 0:
            texts.append(f"a SYN takes {value:.1f} bytes of memory")
    return texts
