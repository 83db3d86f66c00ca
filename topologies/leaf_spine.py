#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A leaf-spine fabric in Mininet, run by ovs-migrate-controller.

       c1 10.1.0.2    c2 10.2.0.2         clients, outside
            |              |
           r1             r2              routers, 10.0.0.201 and so on
            |              |
          leaf1   leaf2 ... leaf4         ingress switches, which migrate
            | \\   / | \\  / |
            |   X   |  X   |              each leaf has a link to each spine
            | /   \\ | /  \\ |
         spine1          spine2           switches that only forward

    h1 10.0.0.11 and h2 10.0.0.12 at leaf1, h3 and h4 at leaf2, ...
    service at 10.0.0.100:80; nginx and an agent on each host

Router r1, with client c1 behind it, is at leaf1, r2 at leaf2.  Every node is in
a network namespace of its own, and every switch runs its own ovsdb-server and
ovs-vswitchd, which can be killed and started again (net["spine1"].kill()).
The controller and its database are on the machine's loopback.

By hand, as root:

    leaf_spine.py [--spines N] [--leaves N] [--hosts N] [--clients N] [--cli]

configures the service through the REST interface, and has each client ask for
it; --cli leaves you in Mininet's prompt.
"""

import argparse
import os
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "../tests/controller"))

# pylint: disable=wrong-import-position
try:
    from migrate_topo import (Missing, MigrateClient, MigrateHost, MigrateNet,
                              MigrateSwitch)
    from mininet.cli import CLI
    from mininet.log import setLogLevel
    from mininet.topo import Topo
except ModuleNotFoundError as error:
    sys.exit(f"leaf_spine: {error}: apt-get install mininet, and use Debian's "
             "Python: /usr/bin/python3 topologies/leaf_spine.py")
import ovs
from controllers import Controller
from workspace import CommandError, Timeout, run, wait_until

SERVICE_ADDRESS = "10.0.0.100"

HELP = f"""\
This is Mininet's prompt; "exit" ends everything.  For example:
  c1 curl -s http://{SERVICE_ADDRESS}/name
  {{machine}} ovs-migratectl host list
  {{machine}} ovs-migratectl decision list
  leaf1 ovs-appctl migrate/show
  leaf1 ovs-ofctl -OOpenFlow15 dump-flows br0
  leaf1 ovs-ofctl -OOpenFlow15 dump-groups br0
  link leaf1 {{other}} down
  py net["{{other}}"].kill()
  py net["{{other}}"].restart()"""


class FabricSwitch(MigrateSwitch):
    """A switch as it comes out of the box, but for its datapath ID, ports and
    fail mode: it forwards nothing."""

    def __init__(self, name, workspace, tools, key_file, number, **params):
        super().__init__(name, workspace, tools, key_file, **params)
        self.ovs = ovs.Switch(self.machine, tools, dpid=number,
                              mac=f"02:00:00:00:fe:{number:02x}",
                              fail_mode="secure")

    def start(self, _controllers=()):
        self.ovs.start()
        ports = [name for name in self.intfNames() if name != "lo"]
        args = []
        for port in ports:
            self.cmd(f"ethtool -K {port} tx off")
            args += ["--", "add-port", self.ovs.bridge, port]
        self.ovs.vsctl(*args[1:])

    def kill(self):
        """ovs-vswitchd, without a warning."""
        self.ovs.vswitchd.send(signal.SIGKILL)
        self.ovs.vswitchd.wait()
        os.remove(f"{self.ovs.dir}/ovs-vswitchd.ctl")

    def restart(self):
        self.ovs.start_vswitchd()


class Router(MigrateClient):
    """A way from the fabric (eth0) to a network behind it (eth1)."""

    def config(self, **params):
        super().config(**params)
        self.cmd("sysctl -qw net.ipv4.ip_forward=1")


class LeafSpineTopo(Topo):
    """See above.  The interface of a switch is called as what it leads to,
    that of a machine eth0."""

    def build(self, spines=2, leaves=4, hosts=2, clients=2):
        for i in range(1, spines + 1):
            self.addSwitch(f"spine{i}", cls=FabricSwitch, number=0x80 + i)
        for i in range(1, leaves + 1):
            self.addSwitch(f"leaf{i}", cls=FabricSwitch, number=i)
            for j in range(1, spines + 1):
                self.join(f"leaf{i}", f"spine{j}")
        self.add_machines(leaves, hosts, clients)

    def join(self, a, b):
        """Lays a cable between two switches."""
        self.addLink(a, b, intfName1=b, intfName2=a)

    def add_machines(self, leaves, hosts, clients):
        """Hosts and clients at leaf1, leaf2, ..."""
        for i in range(hosts * leaves):
            name = f"h{i + 1}"
            self.addHost(name, cls=MigrateHost, ip=f"10.0.0.{11 + i}/24")
            self.plug(name, f"leaf{i // hosts + 1}")
        for i in range(1, clients + 1):
            leaf = f"leaf{(i - 1) % leaves + 1}"
            self.addHost(f"r{i}", cls=Router, ip=f"10.0.0.{200 + i}/24")
            self.plug(f"r{i}", leaf)
            self.addHost(f"c{i}", cls=MigrateClient, ip=f"10.{i}.0.2/24",
                         defaultRoute=f"via 10.{i}.0.1")
            self.addLink(f"r{i}", f"c{i}", intfName1="eth1", intfName2="eth0",
                         params1={"ip": f"10.{i}.0.1/24"})

    def plug(self, name, leaf):
        self.addLink(name, leaf, intfName1="eth0", intfName2=name)

    def leaf_of(self, name):
        return next(node for node in self.g[name] if node.startswith("leaf"))


class LeafSpineNet(MigrateNet):
    """A network of such a topology, and its controller.  A context manager;
    close() leaves nothing."""

    def __init__(self, topo, tools=None, echo=None, on_request=None):
        super().__init__(topo, tools, echo)
        self.on_request = on_request    # Is told of what is asked by REST.
        try:
            self.tools.find("ovs-migrate-controller")
        except FileNotFoundError as error:
            raise Missing(str(error)) from None
        self.controller = None
        self.rest = None

    @property
    def clients(self):
        return [host for host in self.hosts if host.name.startswith("c")]

    def start(self):
        super().start()
        for host in self.servers:
            host.server.put("/name", f"{host.name}\n".encode())
        for host in self.servers:
            for client in self.clients:
                i = int(client.name[1:])
                host.cmd(f"ip route add 10.{i}.0.0/24 via 10.0.0.{200 + i}")
        self.start_controller()

    def start_controller(self):
        self.controller = Controller(self.workspace)
        self.controller.wait_active()
        self.rest = self.controller.client()

    # What an operator does, through the REST interface.

    def put(self, path, **body):
        """PUT of /v1/PATH; returns what has become of it."""
        return self._request("PUT", path, body)

    def patch(self, path, **body):
        return self._request("PATCH", path, body)

    def delete(self, path):
        self._request("DELETE", path)

    def get(self, path):
        return self._request("GET", path)

    def _request(self, method, path, body=None):
        if self.on_request and body is not None:
            self.on_request(method, path, body)
        response = self.rest(method, f"/v1/{path}", body)
        if response.status >= 300:
            raise CommandError(f"{method} {path}: {response}")
        return response.json if response.body else None

    def ctl_environment(self):
        """What ovs-migratectl, called by its name, needs."""
        return {"PATH": os.pathsep.join(self.tools.dirs
                                        + [os.environ["PATH"]]),
                "OVS_MIGRATE_URL": self.controller.urls()[0]}

    def ctl(self, *words):
        """Runs ovs-migratectl; returns what it prints."""
        return run([self.tools.find("ovs-migratectl"), *words],
                   env={**os.environ, **self.ctl_environment()})

    def share_key(self):
        """Tells the controller the key that agents have."""
        with open(self.key_file) as file:
            self.patch("fabric", current_key=file.read())

    def add_switches(self):
        """Has the controller run all switches; leaves migrate."""
        self.share_key()
        for switch in self.switches:
            body = {"dpid": f"{switch.ovs.dpid:016x}", "ovsdb": switch.ovs.db,
                    "openflow": f"unix:{switch.ovs.dir}/br0.mgmt"}
            if switch.name.startswith("leaf"):
                body["migrate_address"] = f"10.0.0.{220 + switch.ovs.dpid}"
            self.put(f"switches/{switch.name}", **body)

    def add_hosts(self, names):
        for name in names:
            self.put(f"hosts/{name}", ip=self[name].IP())

    def add_service(self, name="web", hosts=None, **body):
        """Adds a service, by default of all hosts."""
        hosts = hosts or {host.name: 1 for host in self.servers}
        self.add_hosts(hosts)
        self.put(f"pools/{name}", hosts=hosts)
        self.put(f"services/{name}", **{
            "address": SERVICE_ADDRESS, "port": 80, "default_pool": name,
            **body})

    def is_synced(self, switch):
        return (self.get(f"switches/{switch.name}").get("cur_cfg", 0)
                >= self.get("fabric")["next_cfg"])

    def wait_synced(self, *switches, seconds=15):
        """Waits until the controller says that switches, by default all, have
        been programmed."""
        for switch in switches or self.switches:
            wait_until(lambda: self.is_synced(switch),
                       f"{switch.name} to be programmed", seconds, 0.1)

    def links_up(self):
        """The names of the links that are up, of either direction."""
        return {link["name"] for link in self.get("links?limit=1000")["items"]
                if link["status"].get("state") == "up"}

    def all_links(self):
        """The names of the links that there are."""
        return {f"{a.node.name}:{a.name}" for link in self.links
                for a in (link.intf1, link.intf2)
                if all(isinstance(b.node, FabricSwitch)
                       for b in (link.intf1, link.intf2))}

    def wait_links(self, seconds=15):
        """Waits until all links are up."""
        wait_until(lambda: self.links_up() == self.all_links(),
                   "all links to be up", seconds, 0.1)

    def start_agents(self, switches=None):
        """Starts the agents of all hosts and waits until 'switches', by
        default all that migrate, have heard of them."""
        for host in self.servers:
            host.agent.start()
        for switch in switches or self.leaves:
            for host in self.servers:
                wait_until(lambda: switch.ovs.host_status(host.name) == "up"
                           or not host.agent.process.alive(),
                           f"{switch.name} to hear of {host.name}", 15, 0.05)
                if not host.agent.process.alive():
                    raise Missing(f"the agent of {host.name} has ended: "
                                  + host.agent.process.output())

    @property
    def leaves(self):
        return [switch for switch in self.switches
                if switch.name.startswith("leaf")]


def say(text):
    print(text, flush=True)


def configure(net):
    """From nothing to a service."""
    say("The controller is to run the switches, and to find their links.")
    net.add_switches()
    net.wait_links()
    say(f"  {len(net.links_up()) // 2} links are up")
    say(f"The service {SERVICE_ADDRESS}:80, of all hosts.")
    net.add_service()
    net.wait_synced()
    net.start_agents()
    say("  All hosts are up.")


def ask(net, requests):
    """Has each client ask for the service so often."""
    url = f"http://{SERVICE_ADDRESS}/name"
    for client in net.clients:
        answers = [client.machine.run("curl", "-sS", "-m", "5", url).strip()
                   for _ in range(requests)]
        say(f"  {client.name} asks {url}: {' '.join(answers)}")


def add_arguments(parser):
    """Those that each of these topologies has."""
    parser.add_argument("--hosts", type=int, default=2,
                        help="at each leaf (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--cli", action="store_true",
                        help="ends in Mininet's prompt")


def run_topology(topo, cli, other):
    """Runs a network, has clients ask, and leaves the user in Mininet's
    prompt if 'cli'.  'other' is a switch that leaf1 has a link to.  Returns
    the program's exit status."""
    setLogLevel("output")
    try:
        with LeafSpineNet(topo) as net:
            say("Starting switches, hosts and the controller.")
            net.start()
            configure(net)
            ask(net, len(net.servers))
            if cli:
                say(f"\nThe REST interface is at {net.controller.urls()[0]}.")
                say(HELP.format(machine="sh", other=other))
                os.environ.update(net.ctl_environment())
                CLI(net)
    except KeyboardInterrupt:
        return 130
    except (CommandError, Missing, Timeout) as error:
        print(f"{os.path.basename(sys.argv[0])}: {error}", file=sys.stderr)
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spines", type=int, default=2)
    parser.add_argument("--leaves", type=int, default=4)
    add_arguments(parser)
    args = parser.parse_args()
    return run_topology(LeafSpineTopo(args.spines, args.leaves, args.hosts,
                                      args.clients), args.cli, "spine1")


if __name__ == "__main__":
    sys.exit(main())
