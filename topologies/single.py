#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ovs-migrate at work, in Mininet: connections move into three web servers.
One switch, configured by hand; demo.py has a fabric and the controller.

    client c1 10.0.0.1  ---  switch s1  ---  host h1 10.0.0.11  nginx, agent
                             bridge br0  \\-  host h2 10.0.0.12  nginx, agent
             service at 10.0.0.100:80     \\- host h3 10.0.0.13  nginx, agent

It configures the switch, sends requests, and shows for each of them which
host answered and why, which client that host's own access log names, and
which bytes met the engine in the switch.  All that it claims is checked: the
exit status is 0 only if everything is so.

It needs root, and takes a few seconds.  Nothing leaves the network namespaces
that it makes, and nothing of them is left afterwards.
"""

import argparse
import dataclasses
import http.client
import re
import signal
import sys
import time

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
try:
    from migrate_topo import Missing, MigrateNet, MigrateTopo
    from mininet.cli import CLI
    from mininet.log import setLogLevel
except ModuleNotFoundError as error:
    sys.exit(f"demo: {error}: apt-get install mininet, and use Debian's "
             "Python: /usr/bin/python3 topologies/single.py")
from lab import MIGRATE_ADDRESS, SERVICE_ADDRESS
from workspace import CommandError, Timeout, wait_until

SERVICE = """\
ovs-vsctl -- --id=@h1 create Migration_Host name=h1 ip=10.0.0.11 \\
    -- --id=@h2 create Migration_Host name=h2 ip=10.0.0.12 \\
    -- --id=@h3 create Migration_Host name=h3 ip=10.0.0.13 \\
    -- --id=@img create Migration_Pool name=images hosts=@h1 \\
    -- --id=@shop create Migration_Pool name=shop hosts=@h2 \\
    -- --id=@beta create Migration_Pool name=beta hosts=@h3 \\
    -- --id=@all create Migration_Pool name=all hosts=@h1,@h2,@h3 \\
    -- --id=@r1 create Migration_Rule priority=10 \\
               match:path-prefix=/images/ pool=@img \\
    -- --id=@r2 create Migration_Rule priority=20 \\
               match:host=shop.test pool=@shop \\
    -- --id=@r3 create Migration_Rule priority=30 \\
               'match:header.cookie=*beta*' pool=@beta \\
    -- --id=@s create Migration_Service name=web id=1 protocol=http \\
               rules=@r1,@r2,@r3 default_pool=@all \\
    -- add bridge br0 migration_services @s"""

ADD_FLOW = "ovs-ofctl add-flow br0 \\\n    '{}'"

FLOWS = (
    f"table=0,priority=100,arp,arp_tpa={SERVICE_ADDRESS},"
    "actions=migrate(control,table=1)",
    f"table=0,priority=100,arp,arp_tpa={MIGRATE_ADDRESS},"
    "actions=migrate(control,table=1)",
    f"table=0,priority=100,tcp,nw_dst={SERVICE_ADDRESS},tp_dst=80,"
    "actions=migrate(service=1,table=1)",
    f"table=0,priority=100,icmp,nw_dst={SERVICE_ADDRESS},"
    "actions=migrate(service=1,table=1)",
    f"table=0,priority=100,udp,nw_dst={MIGRATE_ADDRESS},tp_dst=7471,"
    "actions=migrate(control,table=1)",
    f"table=0,priority=65535,ip,nw_src={MIGRATE_ADDRESS},actions=drop",
    "table=1,actions=NORMAL",
)

# They do what would be done without them, and count.  What the engine makes
# appears in table 1, whose other flow has priority 32768; what a machine sends
# appears in table 0.  SYN-ACKs are no reply.
METERS = (
    f"cookie=1,table=0,priority=10,tcp,nw_src={SERVICE_ADDRESS},"
    "actions=NORMAL",
    f"cookie=2,table=1,priority=40000,tcp,nw_src={SERVICE_ADDRESS},"
    "tcp_flags=-syn,actions=NORMAL",
)

# An Ethernet, an IPv4 and a TCP header have at least so many bytes.
HEADERS = 54

HELP = f"""\
This is Mininet's prompt; "exit" ends everything.  For example:
  c1 curl -s -H 'Host: shop.test' http://{SERVICE_ADDRESS}/
  s1 ovs-appctl migrate/connections
  s1 ovs-ofctl dump-flows br0
  h1 ovs-migrate-agent --interface eth0 --status"""


class Failure(Exception):
    """The demo did not show what it claims to show."""


@dataclasses.dataclass
class Request:
    """What is asked, and what must come of it: a reply from one of 'hosts'
    (names), because of 'rule'."""

    name: str
    path: str
    hosts: tuple
    rule: str
    cookie: str = None

    def __str__(self):
        return (self.name + self.path
                + (f" ({self.cookie})" if self.cookie else ""))


ALL = ("h1", "h2", "h3")

# On a connection each.
CLOSING = (
    Request("www.test", "/", ALL, "default"),
    Request("www.test", "/", ALL, "default"),
    Request("www.test", "/", ALL, "default"),
    Request("www.test", "/images/cat", ("h1",), "path-prefix=/images/"),
    Request("shop.test", "/", ("h2",), "host=shop.test"),
    Request("shop.test", "/images/cat", ("h2",), "host=shop.test"),
    Request("www.test", "/", ("h3",), "header.cookie=*beta*", "group=beta"),
)

# One connection after the other, which the first request of each moves.
KEPT = (
    (Request("www.test", "/images/cat", ("h1",), "path-prefix=/images/"),
     Request("www.test", "/images/dog", ("h1",), "path-prefix=/images/"),
     Request("www.test", "/", ("h1",), "path-prefix=/images/")),
    (Request("shop.test", "/", ("h2",), "host=shop.test"),
     Request("shop.test", "/images/dog", ("h2",), "host=shop.test")),
)


@dataclasses.dataclass
class Reading:
    """The switch's counters.  Bytes are of whole frames."""

    to_host: int = 0            # Bundles, and packets under a flow ID.
    passed_packets: int = 0     # From hosts to clients, without the engine.
    passed: int = 0
    engine: int = 0             # From the engine to clients, but SYN-ACKs.

    def __sub__(self, other):
        return Reading(*(a - b for a, b in zip(dataclasses.astuple(self),
                                               dataclasses.astuple(other))))


class Meter:
    """Reads what has changed since it was read before."""

    def __init__(self, switch):
        self.switch = switch
        self.last = self._read()

    def _read(self):
        # Makes the datapath hand over what it has counted.
        self.switch.appctl("revalidator/purge")
        flows = {int(cookie): (int(packets), int(size))
                 for cookie, packets, size in re.findall(
                     r"cookie=0x([12]),.*n_packets=(\d+), n_bytes=(\d+)",
                     self.switch.ofctl("dump-flows", "br0"))}
        counters = self.switch.counters()
        return Reading(counters["encapsulated-bytes"]
                       + counters["bundle-bytes"], *flows[1], flows[2][1])

    def read(self):
        """Waits until nothing moves: ACKs may be late by 40 ms."""
        before, now = None, self._read()
        while before != now:
            time.sleep(0.06)
            before, now = now, self._read()
        change, self.last = now - self.last, now
        return change


class Connection(http.client.HTTPConnection):
    """From the client to the service."""

    def __init__(self, machine):
        super().__init__(SERVICE_ADDRESS, 80)
        self.machine = machine
        self.client = None      # "ADDRESS:PORT"

    def connect(self):
        self.sock = self.machine.connect((self.host, self.port))
        self.client = "{}:{}".format(*self.sock.getsockname())

    def ask(self, request, close):
        """Returns the reply's body."""
        headers = {"Host": request.name,
                   "Connection": "close" if close else "keep-alive"}
        if request.cookie:
            headers["Cookie"] = request.cookie
        try:
            self.request("GET", request.path, headers=headers)
            response = self.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"{request}: not answered: "
                          f"{error or type(error).__name__}") from None
        if response.status != 200:
            raise Failure(f"{request}: answered with {response.status} "
                          f"{response.reason} instead of 200")
        return body


class Demo:
    """The requests, and what is seen of them."""

    def __init__(self, net):
        self.net = net
        self.client = net["c1"].machine
        self.switch = net["s1"].ovs
        self.meter = Meter(self.switch)
        self.problems = []      # Claims that do not hold, for people.
        self.table = Table()
        self.total = Reading()
        self.chosen = []        # A host's name for each connection.

    def check(self, claim, problem):
        if not claim:
            self.problems.append(problem)

    def run(self):
        self.table.head()
        self.table.section("Connection: close")
        for request in CLOSING:
            self.converse([request], close=True)
        for requests in KEPT:
            self.table.section("One connection, keep-alive")
            self.converse(requests, close=False)
        self.check(len(set(self.chosen[:3])) == 3,
                   f"3 requests by default went to {self.chosen[:3]} instead "
                   "of to each host in turn")

    def converse(self, requests, close):
        """Sends 'requests' on one connection; a row of the table each."""
        connection = Connection(self.client)
        for n, request in enumerate(requests, 1):
            body = connection.ask(request, close)
            if n == len(requests):
                connection.close()
                self.wait_released(connection.client)
            self.row(request, connection.client, n, body)

    def records(self, client):
        return [record for record in self.switch.all_connections()
                if record["client"] == client]

    def wait_released(self, client):
        wait_until(lambda: all(record["state"] == "linger"
                               for record in self.records(client)),
                   f"the end of the connection of {client}, which is closed")

    def row(self, request, client, n, body):
        """Looks at what became of 'request', the 'n'th of the connection from
        'client'."""
        moved = self.meter.read()
        host, logged = self.served(request, client, n)
        record = self.records(client)
        if len(record) != 1 or "flow_id" not in record[0]:
            raise Failure(f"{request}: the switch does not know of a moved "
                          f"connection of {client}: {record}")
        record = record[0]
        if n == 1:
            self.chosen.append(record["host"])
        self.total.to_host += moved.to_host
        self.total.passed += moved.passed
        self.total.engine += moved.engine
        self.show(request, record, n, logged, moved)

        self.check(record["host"] == host.name,
                   f"{request}: {host.name} has served it, but the switch "
                   f"has sent it to {record['host']}")
        self.check(host.name in request.hosts,
                   f"{request}: {host.name} has served it instead of "
                   f"{' or '.join(request.hosts)}")
        self.check(record["rule"] == request.rule,
                   f"{request}: moved because of {record['rule']} instead of "
                   f"{request.rule}")
        self.check(body == content(host.name, request.path),
                   f"{request}: the reply is not what {host.name} has")
        self.check(moved.to_host > 0,
                   f"{request}: no bytes to the host were counted")
        self.check(moved.passed - HEADERS * moved.passed_packets >= len(body),
                   f"{request}: of a reply with {len(body)} bytes only "
                   f"{moved.passed} passed by the engine, with headers")
        self.check(moved.engine == 0,
                   f"{request}: {moved.engine} bytes of the reply came from "
                   "the engine")

    def show(self, request, record, n, logged, moved):
        self.table.row(request, record["host"],
                       record["rule"] if n == 1 else "the same connection",
                       logged, record["flow_id"], f"{moved.to_host:,}",
                       f"{moved.passed:,}", f"{moved.engine:,}")

    def served(self, request, client, n):
        """The host that has logged the 'n'th request of 'client', and the
        client as its log has it."""
        def lines(host):
            return [line for line in host.server.access_log()
                    if line.startswith(client + " ")]

        try:
            wait_until(lambda: any(len(lines(host)) == n
                                   for host in self.net.servers), "", 2)
        except Timeout:
            raise Failure(f"{request}: {client} is in no host's access log "
                          f"{n} times") from None
        hosts = [host for host in self.net.servers if lines(host)]
        if len(hosts) != 1:
            raise Failure(f"{request}: {client} is in the access logs of "
                          f"{' and '.join(host.name for host in hosts)}")
        last = lines(hosts[0])[-1]
        self.check(f' {request.name} "GET {request.path} ' in last,
                   f"{request}: the host's log has {last}")
        return hosts[0], last.split()[0]

    def malformed(self):
        """Shows that the zeros above are counted, by a reply that the engine
        does make; returns its bytes, as counted."""
        with self.client.connect((SERVICE_ADDRESS, 80)) as sock:
            sock.sendall(b"this is not HTTP\r\n\r\n")
            answer = b""
            while data := sock.recv(4096):
                answer += data
        moved = self.meter.read()
        self.check(answer.startswith(b"HTTP/1.1 400 "),
                   f"a malformed request was answered with {answer[:40]!r} "
                   "instead of 400 by the engine")
        self.check(moved.engine >= len(answer) and moved.passed == 0,
                   f"the engine's own reply of {len(answer)} bytes was "
                   f"counted as {moved}")
        return moved.engine

    def account(self):
        """What moved where."""
        say("What moved where")
        for host in self.net.servers:
            n = self.chosen.count(host.name)
            shown = self.switch.appctl("migrate/show", f"host={host.name}")
            handoffs = int(re.search(r"(\d+) handoffs", shown)[1])
            log = host.server.access_log()
            say(f"    {host.name}: {handoffs} connections moved into its "
                f"kernel; {len(log)} requests in nginx's log")
            self.check(handoffs == n, f"{host.name} has {handoffs} handoffs, "
                       f"but {n} of the requests' connections")
        say("    In whole frames:")
        say(f"    {self.total.to_host:,} bytes went to the hosts through the "
            "engine: bundles, ACKs and later requests.")
        say(f"    {self.total.passed:,} bytes came back, switched as any "
            f"frame: the engine touched {self.total.engine:,} of them.")
        say(f"    (Is it counted at all?  The engine's own reply to a "
            f"malformed request, 400: {self.malformed():,} bytes.)")
        say("\ns1# ovs-appctl migrate/show")
        say(self.switch.appctl("migrate/show").rstrip())


class Table:
    """Rows as they come, in columns that are wide enough for all."""

    COLUMNS = (                 # Width; negative: to the right.  Heading.
        (22, "request", ""),
        (4, "host", ""),
        (20, "because of", ""),
        (14, "client in the", "host's own log"),
        (10, "flow ID", ""),
        (-8, "to host,", "bytes"),
        (-8, "reply,", "bytes"),
        (-7, "engine", "touched"),
    )

    def head(self):
        for i in 1, 2:
            self.row(*(column[i] for column in self.COLUMNS))
        self.row(*("-" * abs(column[0]) for column in self.COLUMNS))

    def section(self, title):
        say(f"{title}:")

    def row(self, *cells):
        texts = []
        for cell, (width, _, _) in zip(map(str, cells), self.COLUMNS):
            texts.append(cell.ljust(width) if width > 0 else
                         cell.rjust(-width))
        say(" ".join(texts).rstrip())


def say(text):
    print(text, flush=True)


def title(text):
    say(f"\n==> {text}")


def echo(command):
    """Shows a command of the switch as it is run."""
    say("s1# " + command.replace("\n", "\n    "))


def content(host, path):
    """What a host has below 'path': different things each."""
    if path == "/":
        return f"Welcome to {host}\n".encode()
    line = f"{host}{path} "
    return (line * 20000).encode()[:100000 if path.endswith("cat")
                                   else 30000]


def set_up(net):
    """From a network of machines to one that migrates."""
    title("Switch: the patched Open vSwitch, a bridge that migrates, ports")
    net.start()
    for host in net.servers:
        for path in "/", "/images/cat", "/images/dog":
            host.server.put(path + ("index.html" if path == "/" else ""),
                            content(host.name, path))
    title("Service: three hosts, four pools, three rules")
    net["s1"].sh(SERVICE)
    title("Flows")
    for flow in FLOWS:
        net["s1"].sh(ADD_FLOW.format(flow))
    say("  Two more that only count, for the last columns of the table below:")
    for flow in METERS:
        net["s1"].sh(ADD_FLOW.format(flow))
    title("Hosts: nginx as Debian has it, unchanged, and beside it the agent")
    for host in net.servers:
        say(f"{host.name}# ovs-migrate-agent --interface eth0 "
            f"--key-file {net.key_file} \\\n"
            f"        --run-dir {host.agent.run_dir}")
    started = time.monotonic()
    net.start_agents()
    say(f"  All are up, {time.monotonic() - started:.1f} s later.")


class Ended(BaseException):
    """By a signal, whose name it has.  Not KeyboardInterrupt: Mininet's
    prompt would take that for Control-C and go on."""


def end_by_signal(signum, _frame):
    raise Ended(signal.Signals(signum).name)


def complain(problems, net=None):
    """Says what is wrong, and what to do about it."""
    lines = [""] + [f"demo: FAILED: {problem}" for problem in problems]
    if net:
        lines += [f"{process.name} has ended"
                  for process in net.workspace.processes
                  if not process.alive()]
        lines += ["The last words of the programs:",
                  net.workspace.logs(lines=4) or "(none)",
                  "To look around, give it --cli.  In the prompt, "
                  '"s1 ovs-appctl migrate/show"',
                  '(s1: a switch that migrates) says which hosts are up, "s1 '
                  'ovs-appctl migrate/counters"',
                  "what became of the packets."]
    print("\n".join(lines), file=sys.stderr, flush=True)


def demonstrate(net):
    """Returns whether everything is as it must be."""
    try:
        set_up(net)
        demo = Demo(net)
        title("Requests from c1, 10.0.0.1, to "
              f"http://{SERVICE_ADDRESS}/, with these names and paths")
        say("")
        demo.run()
        say("")
        demo.account()
    except (Failure, Timeout, CommandError, RuntimeError, OSError) as error:
        complain([error], net)
        return False
    if demo.problems:
        complain(demo.problems, net)
    return not demo.problems


def parse_arguments(description):
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="OVM_BUILD says where ovs-migrate was built, or OVM_PREFIX "
        "where it is installed;\nby default that is build/ of this tree.")
    parser.add_argument("--cli", action="store_true",
                        help="leave you in Mininet's prompt afterwards")
    return parser.parse_args()


def run(description, network, make, demonstrate, hint):
    """A demo: 'make' makes the network that 'network' is the title of, and
    'demonstrate' returns whether everything is as it must be.  'hint' is for
    --cli.  Returns the exit status."""
    args = parse_arguments(description)
    started = time.monotonic()
    # Such as the prompt's output, but not Mininet's own progress.
    setLogLevel("output")
    try:
        title(network)
        with make() as net:
            for signum in signal.SIGTERM, signal.SIGHUP:
                signal.signal(signum, end_by_signal)
            say(f"    files are in {net.workspace.dir}")
            right = demonstrate(net)
            if right:
                say(f"\nEverything is as claimed; "
                    f"{time.monotonic() - started:.1f} s.")
            if args.cli:
                say("\n" + hint)
                CLI(net)
    except Missing as missing:
        complain([missing])
        return 1
    except (KeyboardInterrupt, Ended) as end:
        complain([f"ended by {str(end) or 'SIGINT'}; everything is removed"])
        return 128 + getattr(signal, str(end), signal.SIGINT)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(run(__doc__, "Network: a switch, s1, a client and three hosts, "
                 "in namespaces of their own",
                 lambda: MigrateNet(MigrateTopo(hosts=3, clients=1),
                                    echo=echo), demonstrate, HELP))
