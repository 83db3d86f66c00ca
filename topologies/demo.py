#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ovs-migrate at work, in Mininet: a fabric, its controller, and connections
that move into eight web servers.

       c1             c2                  clients, outside, behind routers
        |              |
      leaf1   leaf2   leaf3   leaf4       these migrate; each has a link to
        |  \\\\  / ...                      each spine, and two hosts: nginx,
      spine1    spine2                    and an agent

The controller is on a machine of its own, ops, in a management network with
the hosts, which register themselves there.  The fabric is configured by the
controller's REST interface and its command line alone.  Then clients ask, and
for each request it is shown which host answered and why, which client that
host's own access log names, which way the packets took, and which bytes met
the engine in the switch.  All that it claims is checked: the exit status is 0
only if everything is so.

It needs root, and takes some ten seconds.  Nothing leaves the network
namespaces that it makes, and nothing of them is left afterwards.
"""

import json
import re
import sys
import time

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import single
from single import Failure, Reading, Request, Table, say, title
from leaf_spine import HELP, SERVICE_ADDRESS
from managed import ManagedNet, ManagedTopo, URL
from workspace import CommandError, Timeout

WIDTH = 79                      # Of what is printed.

RULES = (
    ("img", "priority=10", "match.path-prefix=/img/", "pool=images"),
    ("shop", "priority=20", "match.host=shop", "pool=shop"),
    ("beta", "priority=30", "match.header.cookie=*beta*", "pool=beta"),
)
POOLS = {"images": ("h1", "h3"), "shop": ("h5", "h6"), "beta": ("h8",)}

ALL = tuple(f"h{i}" for i in range(1, 9))
IMG, SHOP, BETA = "path-prefix=/img/", "host=shop", "header.cookie=*beta*"

# On a connection each, by client.
CLOSING = {
    "c1": (
        Request("www", "/", ALL, "default"),
        Request("www", "/", ALL, "default"),
        Request("www", "/", ALL, "default"),
        Request("www", "/img/cat", POOLS["images"], IMG),
        Request("www", "/img/cat", POOLS["images"], IMG),
        Request("shop", "/", POOLS["shop"], SHOP),
        Request("www", "/", POOLS["beta"], BETA, "group=beta"),
    ),
    "c2": (
        Request("www", "/img/cat", POOLS["images"], IMG),
        Request("shop", "/img/cat", POOLS["shop"], SHOP),
    ),
}

# One connection, which the first request moves.
KEPT = (
    Request("shop", "/img/cat", POOLS["shop"], SHOP),
    Request("shop", "/img/dog", POOLS["shop"], SHOP),
    Request("www", "/", POOLS["shop"], SHOP),
)


class Meter(single.Meter):
    """What passes a leaf where a client comes in, and which spine it goes by.

    It adds flows that do what would be done without them, and count.  What
    machines send comes in by table 2, before the controller's flows there; the
    engine's own frames have the bridge's address, and are in table 3 only.
    SYN-ACKs are no reply."""

    def __init__(self, net, leaf, router):
        self.spines = [switch for switch in net.switches
                       if switch.name.startswith("spine")]
        address = net.get(f"switches/{leaf.name}")["migrate_address"]
        vip = f"tcp,nw_src={SERVICE_ADDRESS}"
        port = leaf.ovs.vsctl("get", "interface", router, "ofport").strip()
        leaf.ovs.add_flow(f"cookie=1,table=2,priority=250,{vip},"
                          "actions=goto_table:3")
        leaf.ovs.add_flow(f"cookie=2,table=3,priority=40000,{vip},"
                          f"dl_src={leaf.ovs.mac},tcp_flags=-syn,"
                          f"actions=output:{port}")
        self.cookie = 0x100 + leaf.ovs.dpid
        for spine in self.spines:
            spine.ovs.add_flow(f"cookie={self.cookie},table=2,priority=250,"
                               f"tcp,nw_src={address},actions=goto_table:3")
        self.ways = {}
        super().__init__(leaf.ovs)
        self.by = set()         # The spines that packets went by last.

    def _read(self):
        for spine in self.spines:
            spine.ovs.appctl("revalidator/purge")
            text = spine.ovs.ofctl("dump-flows", "br0",
                                   f"cookie={self.cookie:#x}/-1")
            self.ways[spine.name] = int(re.search(r"n_packets=(\d+)",
                                                  text)[1])
        return super()._read()

    def read(self):
        before = dict(self.ways)
        change = super().read()
        self.by = {name for name, n in self.ways.items() if n > before[name]}
        return change


class FabricTable(Table):
    COLUMNS = (                 # As of Table.
        (12, "request", ""),
        (4, "host", ""),
        (7, "because", "of its"),
        (14, "client in the", "host's own log"),
        (8, "flow ID", ""),
        (8, "path", ""),
        (-7, "to host", "bytes"),
        (-11, "of reply", "met engine"),
    )


class Demo(single.Demo):
    """The requests, and what is seen of them."""

    def __init__(self, net):
        self.net = net
        self.meters = {client: Meter(net, net[leaf], router)
                       for client, leaf, router in (("c1", "leaf1", "r1"),
                                                    ("c2", "leaf2", "r2"))}
        self.problems = []
        self.table = FabricTable()
        self.total = Reading()
        self.chosen = []
        self.use("c1")

    def use(self, client):
        """From now on this one asks."""
        self.client = self.net[client].machine
        self.leaf = self.net[self.net.topo.leaf_of(
            f"r{client[1:]}")]
        self.switch = self.leaf.ovs
        self.meter = self.meters[client]
        self.meter.read()

    def run(self):
        self.table.head()
        for client, requests in CLOSING.items():
            self.use(client)
            self.table.section(f"{client}, which comes in at "
                               f"{self.leaf.name}; a connection each")
            for request in requests:
                self.converse([request], close=True)
        self.use("c1")
        self.table.section("c1, one connection, keep-alive")
        self.converse(KEPT, close=False)
        self.check(len(set(self.chosen[:3])) == 3,
                   f"3 requests by default went to {self.chosen[:3]} instead "
                   "of to each host in turn")

    def path(self, host):
        """The switches from the client's to the host's, and whether that is
        as it must be."""
        last = self.net.topo.leaf_of(host)
        by = sorted(self.meter.by)
        self.check(len(by) == (last != self.leaf.name),
                   f"packets to {host} went by {by}")
        return " ".join(name[0] + name[-1] for name in dict.fromkeys(
            [self.leaf.name, *by, last]))

    def show(self, request, record, n, logged, moved):
        reason = record["rule"].partition("=")[0]
        words = {"path-prefix": "path", "header.cookie": "cookie",
                 "default": "-"}
        self.table.row(request.name + request.path
                       + (" *" if request.cookie else ""), record["host"],
                       words.get(reason, reason) if n == 1 else '"', logged,
                       record["flow_id"].removeprefix("0x"),
                       self.path(record["host"]), f"{moved.to_host:,}",
                       f"{moved.engine} of {moved.passed // 1000}k"
                       if moved.passed > 9999 else
                       f"{moved.engine} of {moved.passed}")

    def account(self):
        say(f"{self.total.to_host:,} bytes of frames went to hosts through "
            "the engine of the ingress: bundles,")
        say(f"ACKs and later requests.  {self.total.passed:,} bytes of "
            "replies came back, switched as any")
        say(f"frame; of these the engine touched {self.total.engine:,}.  (Is "
            "it counted at all?  Its own reply")
        say(f"to a malformed request, 400: {self.malformed():,} bytes.)")


class Requests:
    """Prints what is asked by REST: of requests that are alike only the
    first."""

    def __init__(self):
        self.kind = None
        self.more = 0

    def __call__(self, method, path, body):
        kind = path.split("/")[0]
        if kind == self.kind:
            self.more += 1
            return
        self.end()
        self.kind = kind
        text = json.dumps(body)
        line = f"    {method} /v1/{path} {text}"
        say(line if len(line) <= WIDTH else line[:WIDTH - 3] + "...")

    def end(self):
        if self.more:
            say(f"        and {self.more} more {self.kind}")
        self.kind, self.more = None, 0


def set_up(net):
    """From a network of machines to a fabric that migrates."""
    net.start()
    for host in net.servers:
        for path in "/", "/img/cat", "/img/dog":
            host.server.put(path + ("index.html" if path == "/" else ""),
                            single.content(host.name, path))
    title(f"Switches, by REST, at {URL}")
    net.add_switches()
    net.on_request.end()
    title("Hosts register themselves, and get the key")
    say("    h1# ovs-migrate-agent-register --interface eth0 --name h1 \\\n"
        f"            --controller {URL} --ca-file cert.pem \\\n"
        "            --token-file h1.token --key-file h1.key\n"
        f"        and {len(net.servers) - 1} more")
    net.add_hosts([host.name for host in net.servers])
    title("A service, by REST")
    net.put("pools/web", hosts={host.name: 1 for host in net.servers})
    net.put("services/web", address=SERVICE_ADDRESS, port=80,
            default_pool="web")
    for name, hosts in POOLS.items():
        net.put(f"pools/{name}", hosts=dict.fromkeys(hosts, 1))
    net.on_request.end()
    net.on_request = None
    title("The same by the command line: rules")
    for rule in RULES:
        words = ("rule", "add", rule[0], "service=web", *rule[1:])
        say("    # ovs-migratectl " + " ".join(words[:5])
            + " \\\n        " + " ".join(words[5:]))
        net.ctl(*words)
    started = time.monotonic()
    net.wait_links()
    net.wait_synced()
    net.start_agents()
    n = len(net.links_up()) // 2
    say(f"\n{n} links were found, {len(net.switches)} switches programmed, "
        f"{len(net.servers)} agents are up: {time.monotonic() - started:.1f} "
        "s.")
    show_programmed(net)


def show_programmed(net):
    title("What was programmed, as Open vSwitch shows it")
    leaf = net["leaf1"].ovs
    say("    leaf1# ovs-ofctl --no-stats dump-flows br0 "
        f"tcp,nw_dst={SERVICE_ADDRESS}")
    for flow in leaf.flows(f"tcp,nw_dst={SERVICE_ADDRESS}"):
        say("    " + re.sub(r"^.*?(?=table=)", "", flow).replace(
            " actions", "\n        actions"))
    say("    leaf1# ovs-vsctl --columns=match,priority find Migration_Rule "
        "priority=10")
    say("    " + " ".join(leaf.vsctl(
        "--columns=match,priority", "find", "Migration_Rule",
        "priority=10").split()))


def demonstrate(net):
    """Returns whether everything is as it must be."""
    try:
        set_up(net)
        demo = Demo(net)
        title(f"Requests to http://{SERVICE_ADDRESS}/, with Host: www or shop")
        say("")
        demo.run()
        say("  * with the cookie group=beta.  Path: l is leaf, s is spine.\n")
        demo.account()
    except (Failure, Timeout, CommandError, RuntimeError, OSError) as error:
        single.complain([error], net)
        return False
    if demo.problems:
        single.complain(demo.problems, net)
    return not demo.problems


if __name__ == "__main__":
    sys.exit(single.run(
        __doc__, "Network: 2 spines, 4 leaves, 8 hosts, 2 clients; each in a "
        "namespace",
        lambda: ManagedNet(ManagedTopo(), on_request=Requests()),
        demonstrate, HELP.format(machine="ops", other="spine1")
        + "\n  ops ovs-migratectl path show 'leaf1' 'h8'\n"
        "(Without quotes, Mininet puts addresses for the names of hosts.)"))
