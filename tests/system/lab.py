#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small network to try ovs-migrate in: one switch, hosts, clients.

    client c1 10.0.0.1  --.                .--  host h1 10.0.0.11, nginx, agent
    client c2 10.0.0.2  --+-- switch br0 --+--  host h2 10.0.0.12
           ...            '                '           ...

With families=(4, 6) the same in fd00::/64: fd00::1, fd00::11, ...; a host is
then two rows, such as "h1" and "h1-6".

Every machine is a network namespace; the switch's runs ovsdb-server and
ovs-vswitchd.  No packet leaves them.  In Python:

    with Lab(hosts=2) as lab:
        lab.migrate()
        lab.add_service()
        print(lab.clients[0].run("curl", "-s", lab.url("/")))

By hand, as root:

    lab.py [--hosts N] [--clients N] [--tso] [--plain]     a lab and a shell
    lab.py --sweep                            removes what a killed lab left
"""

import argparse
import os
import subprocess
import sys

from netns import BadCable, Node, cable, offload
from ovs import Pool, Service, Switch, Tools
from servers import Agent, Nginx
from workspace import Workspace, sweep, wait_until

MIGRATE_ADDRESS = "10.0.0.254"
MIGRATE_ADDRESS6 = "fd00::fe"
SERVICE_ADDRESS = "10.0.0.100"
SERVICE_ADDRESS6 = "fd00::100"


class Machine(Node):
    """A node with one interface, eth0, at the switch."""

    address = None
    address6 = None             # If the lab has IPv6.
    port = None                 # Its interface at the switch.
    cable = None                # If it is a BadCable.


class Host(Machine):
    """A machine with a server and an agent."""

    server = None
    agent = None


class Lab:
    """See above.  'tso': frames of up to 64 KiB, checksums not computed, as
    with 'userspace-tso-enable'; 'server': a function that makes the server
    of a host; 'bad_cables': names of machines that have a BadCable;
    'families': what the switch migrates (hosts have IPv4 always)."""

    def __init__(self, hosts=2, clients=1, tso=False, tools=None,
                 server=Nginx, bad_cables=(), families=(4,)):
        self.workspace = Workspace()
        self.families = families
        try:
            self.tools = tools or Tools.default()
            self.tso = tso
            self.bad_cables = bad_cables
            self.switch = Switch(Node.create(self.workspace, "sw"),
                                 self.tools, tso)
            self.switch.start()
            self.clients = [self._add(Machine, f"c{i}", f"10.0.0.{i}")
                            for i in range(1, clients + 1)]
            self.hosts = [self._add(Host, f"h{i}", f"10.0.0.{10 + i}")
                          for i in range(1, hosts + 1)]
            for host in self.hosts:
                host.server = server(host)
                host.server.put("/name", f"{host.name}\n".encode())
                host.server.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.workspace.close()

    def _add(self, kind, name, address):
        """Adds a machine with a cable to the switch."""
        machine = kind.create(self.workspace, name)
        if 6 in self.families:
            machine.enable_ipv6()
        machine.address = address
        machine.port = name
        if name in self.bad_cables:
            machine.cable = BadCable(self.tools.find("cable"),
                                     self.switch.node, name, machine, "eth0")
        else:
            cable(self.switch.node, name, machine, "eth0")
        offload(machine, "eth0", self.tso)
        machine.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")
        if 6 in self.families:
            machine.address6 = f"fd00::{address.rpartition('.')[2]}"
            machine.run("ip", "addr", "add", f"{machine.address6}/64", "dev",
                        "eth0", "nodad")
        self.switch.add_port(name)
        return machine

    def add_plain_switch(self):
        """Debian's own ovs-vswitchd, with bridge br1, on the other end of a
        cable: each of the two has the port "trunk"."""
        node = Node.create(self.workspace, "plain")
        plain = Switch(node, Tools.debian(), self.tso, bridge="br1",
                       mac="02:00:00:00:00:fd")
        plain.start()
        cable(node, "trunk", self.switch.node, "trunk")
        plain.add_port("trunk")
        self.switch.add_port("trunk")
        return plain

    def move(self, machine, switch):
        """Plugs a machine into another switch."""
        self.switch.del_port(machine.port)
        self.switch.node.run("ip", "link", "set", machine.port, "netns",
                             switch.node.path)
        switch.node.run("ip", "link", "set", machine.port, "up")
        switch.add_port(machine.port)

    def host(self, name):
        name = name.removesuffix("-6")
        return next(host for host in self.hosts if host.name == name)

    def rows(self, host):
        """The rows of Migration_Host for 'host': addresses by name."""
        rows = {}
        if 4 in self.families:
            rows[host.name] = host.address
        if 6 in self.families:
            rows[f"{host.name}-6" if rows else host.name] = host.address6
        return rows

    # The walk-through of the README.

    def migrate(self, agents=True):
        """Makes the bridge migrate, and starts the agents."""
        self.key = os.urandom(16).hex()
        self.key_file = self.workspace.write("key", self.key, 0o600)
        self.switch.migrate(self._mine(MIGRATE_ADDRESS, MIGRATE_ADDRESS6),
                            self.key_file)
        for host in self.hosts:
            host.agent = Agent(host, self.tools, self.workspace.write(
                f"{host.name}/key", self.key, 0o600))
            if agents:
                host.agent.start()

    def _mine(self, address4, address6):
        """Those that are of the lab's families."""
        return [address for family, address in ((4, address4), (6, address6))
                if family in self.families]

    def add_service(self, pools=None, rules=(), addresses=None, **kwargs):
        """Adds a service, whose pools name the lab's hosts (by default there
        is one with all of them), and waits until the hosts are ready for it.
        Arguments are those of Service."""
        everyone = {name: address for host in self.hosts
                    for name, address in self.rows(host).items()}
        pools = pools or {"all": Pool(list(everyone))}
        addresses = addresses or self._mine(SERVICE_ADDRESS, SERVICE_ADDRESS6)
        service = Service(addresses, pools=pools, rules=rules, **kwargs)
        self.switch.add_service(service, everyone)
        self.wait_ready([self.host(name) for name in service.used_hosts()])

    def wait_ready(self, hosts=None):
        """Waits until the switch hears from 'hosts', by default all."""
        for host in self.hosts if hosts is None else hosts:
            self.wait_host(host, "up")

    def wait_host(self, host, state):
        for name in self.rows(host):
            wait_until(lambda: self.switch.host_status(name) == state,
                       f"the switch to see {name} {state}")

    def url(self, path, address=SERVICE_ADDRESS, port=80):
        if ":" in address:
            address = f"[{address}]"
        return f"http://{address}:{port}{path}"

    def proof_plain(self):
        """Whether every client reaches every host by plain switching."""
        for client in self.clients:
            for host in self.hosts:
                url = self.url("/name", host.address, host.server.port)
                answer = client.run("curl", "-sS", "-m", "5", url)
                if answer.strip() != host.name:
                    raise AssertionError(f"{url}: {answer!r}")
        return True


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--tso", action="store_true")
    parser.add_argument("--plain", action="store_true",
                        help="Debian's Open vSwitch, nothing migrates")
    parser.add_argument("--sweep", action="store_true")
    args = parser.parse_args()
    if args.sweep:
        print(f"{sweep()} dead labs removed")
        return
    with Lab(args.hosts, args.clients, args.tso,
             Tools.debian() if args.plain else None) as lab:
        if not args.plain:
            lab.migrate()
        lab.proof_plain()
        tools = os.pathsep.join(lab.tools.dirs)
        words = " ".join(f"{key}={value}" for key, value in (
            *lab.switch.env.items(), ("PATH", f"{tools}:$PATH")))
        print(f"files in {lab.workspace.dir}; the switch's tools are in the "
              "path, in another shell after\n"
              f"  export {words}\n"
              "and ovs-appctl needs -t $OVS_RUNDIR/ovs-vswitchd.ctl\n"
              f"namespaces {' '.join(lab.workspace.namespaces)}; exit ends "
              "all of it")
        subprocess.run(["bash"], env={
            **os.environ, **lab.switch.env,
            "PATH": f"{tools}:{os.environ['PATH']}"})


if __name__ == "__main__":
    sys.exit(main())
