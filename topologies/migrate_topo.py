# SPDX-License-Identifier: Apache-2.0
"""ovs-migrate in Mininet: a switch, hosts and clients to build networks of.

    topo = MigrateTopo(hosts=3, clients=1)
    with MigrateNet(topo) as net:
        net.start()                     # Daemons, bridge, ports, nginx.
        net["s1"].sh("ovs-vsctl ...")   # The service, and its flows.
        net.start_agents()
        CLI(net)

Every node is in a network namespace of its own, the switch as well: its
daemons have a run directory of their own, so neither the machine's network
nor its Open vSwitch is touched.  The pieces are those of the lab that the
tests use (tests/system); this puts them into Mininet's classes.

Everything belongs to a Workspace and ends with it, by process id.  Do not run
"mn -c" beside it: that kills by name, whosever the processes are.
"""

import os
import shlex
import shutil
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "../tests/system"))

# pylint: disable=wrong-import-position
from mininet.net import Mininet
from mininet.node import Host, Switch
from mininet.topo import Topo

import ovs
from lab import MIGRATE_ADDRESS
from netns import Node as Namespace, offload
from servers import Agent, Nginx
from workspace import Timeout, Workspace, wait_until

# Programs that are needed beside ovs-migrate's own, and Debian's packages.
PROGRAMS = {
    "ethtool": "ethtool",
    "ifconfig": "net-tools",
    "ip": "iproute2",
    "mnexec": "mininet",
    "nginx": "nginx-light",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ss": "iproute2",
}

# As in the walk-through of the README.
BRIDGE = """\
ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev \\
    other_config:migrate-address={migrate_address} \\
    other_config:migrate-key-file={key_file}"""


class Missing(Exception):
    """Something that must be there is not; says what to do about it."""


def check_requirements(tools):
    """Raises Missing if something is missing that can be known beforehand.
    What a host's kernel must have, the agent knows and says."""
    if os.geteuid():
        raise Missing("network namespaces need root: run this with sudo")
    for program, package in PROGRAMS.items():
        if not shutil.which(program):
            raise Missing(f"{program} is not there: apt-get install {package}")
    if not os.path.exists("/dev/net/tun"):
        raise Missing("/dev/net/tun is not there: modprobe tun")
    try:
        for program in ("ovsdb-server", "ovs-vswitchd", "ovs-vsctl",
                        "ovs-ofctl", "ovs-appctl", "ovs-migrate-agent"):
            tools.find(program)
    except FileNotFoundError as error:
        raise Missing(f"{error} there, or ./quickstart, or say by OVM_BUILD "
                      "or OVM_PREFIX where the programs are") from None


class _Isolated:
    """For a Mininet node: its namespace is one of the workspace's."""

    def __init__(self, name, workspace, **params):
        self.machine = Namespace.create(workspace, name)
        super().__init__(name, **{**params, "inNamespace": True})

    def startShell(self, mnopts=None):
        # Not in a namespace by mnexec: it would mount another /sys as well,
        # in which the agent's pinned maps are not.
        self.inNamespace = False
        super().startShell(mnopts)
        self.inNamespace = True

    def _popen(self, cmd, **params):
        return super()._popen(self.machine.command(cmd), **params)

    def define(self, variables, functions=()):
        """For the shell, and so for Mininet's prompt."""
        self.cmd("export " + " ".join(f"{name}={shlex.quote(value)}"
                                      for name, value in variables.items()))
        for name, options in dict(functions).items():
            self.cmd(f'{name}() {{ command {name} {options} "$@"; }}')


def _path(tools):
    return os.pathsep.join(tools.dirs + [os.environ["PATH"]])


class MigrateClient(_Isolated, Host):
    """A machine with an interface, eth0."""

    def config(self, **params):
        super().config(**params)
        offload(self.machine, "eth0", False)


class MigrateHost(MigrateClient):
    """A machine with nginx and the agent."""

    def __init__(self, name, workspace, tools, key_file, **params):
        super().__init__(name, workspace, **params)
        self.server = Nginx(self.machine)
        self.agent = Agent(self.machine, tools, key_file)
        self.define({"PATH": _path(tools)}, {
            "ovs-migrate-agent": f"--run-dir {self.agent.run_dir}"})


class MigrateSwitch(_Isolated, Switch):
    """The patched ovsdb-server and ovs-vswitchd with a bridge, br0, on the
    userspace datapath, that migrates.

    'echo' is called with every command as it is run, as text."""

    controlIntf = None          # Mininet's prompt reads it, and may not set
                                # it.

    def __init__(self, name, workspace, tools, key_file, echo=None, **params):
        super().__init__(name, workspace, **params)
        self.ovs = ovs.Switch(self.machine, tools)
        self.key_file = key_file
        self.echo = echo or (lambda text: None)
        self.define({"PATH": _path(tools), **self.ovs.env}, {
            "ovs-appctl": f"--target={self.ovs.dir}/ovs-vswitchd.ctl"})

    def sh(self, text):
        """Runs a command of Open vSwitch, written as for a shell; returns its
        output."""
        self.echo(text)
        program, *args = shlex.split(text.replace("\\\n", ""))
        if program == "ovs-appctl":
            return self.ovs.appctl(*args)
        return self.ovs.run(program, *args, timeout=20)

    def start(self, _controllers=()):
        self.ovs.start()
        # Walk the user's way, from a switch without a bridge.
        self.ovs.vsctl("del-br", self.ovs.bridge)
        self.sh(BRIDGE.format(migrate_address=MIGRATE_ADDRESS,
                              key_file=self.key_file))
        ports = [name for name in self.intfNames() if name != "lo"]
        self.sh("ovs-vsctl " + " -- ".join(f"add-port br0 {port}"
                                           for port in ports))


class MigrateTopo(Topo):
    """One switch, s1; hosts h1, h2, ... at 10.0.0.11 and so on; clients c1,
    c2, ... at 10.0.0.1 and so on.  A machine's interface is eth0, and the
    switch's to it is called as the machine is."""

    def build(self, hosts=3, clients=1):
        self.addSwitch("s1", cls=MigrateSwitch)
        for i in range(1, clients + 1):
            self._add(f"c{i}", MigrateClient, f"10.0.0.{i}")
        for i in range(1, hosts + 1):
            self._add(f"h{i}", MigrateHost, f"10.0.0.{10 + i}")

    def _add(self, name, cls, address):
        self.addHost(name, cls=cls, ip=f"{address}/24")
        self.addLink(name, "s1", intfName1="eth0", intfName2=name)


class MigrateNet(Mininet):
    """A Mininet of such nodes.  A context manager; close() leaves nothing.

    'echo' is for the switches' commands, see there."""

    def __init__(self, topo, tools=None, echo=None):
        self.tools = tools or ovs.Tools.default()
        check_requirements(self.tools)
        self.echo = echo
        self.workspace = Workspace()
        self.key_file = self.workspace.write("key", os.urandom(16).hex(),
                                             0o600)
        # Mininet would change the limits and sysctls of the whole machine.
        Mininet.inited = True
        try:
            super().__init__(topo, controller=None, build=False)
            self.build()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # Mininet's hooks: what the nodes need beside what is in the topology.

    def addHost(self, name, cls=None, **params):
        params["workspace"] = self.workspace
        if issubclass(cls, MigrateHost):
            params.update(tools=self.tools, key_file=self.key_file)
        return super().addHost(name, cls, **params)

    def addSwitch(self, name, cls=None, **params):
        return super().addSwitch(name, cls, workspace=self.workspace,
                                 tools=self.tools, key_file=self.key_file,
                                 echo=self.echo, **params)

    @property
    def servers(self):
        """The hosts that serve, in the order of their names."""
        return [host for host in self.hosts if isinstance(host, MigrateHost)]

    def start(self):
        super().start()
        for host in self.servers:
            host.server.start()

    def start_agents(self):
        """Starts the agents of all hosts.  They must be in a service, for the
        switch to call them."""
        for host in self.servers:
            host.agent.start()
        for host in self.servers:
            self._wait_up(host)

    def _wait_up(self, host):
        switch = self.switches[0].ovs

        def up():
            return (switch.host_status(host.name) == "up"
                    or not host.agent.process.alive())

        try:
            wait_until(up, "the agent", 15)
        except Timeout:
            pass
        if switch.host_status(host.name) != "up":
            raise Missing(f"the agent of {host.name} is not ready.  It said:"
                          f"\n{host.agent.process.output().strip()}\n"
                          'What a host needs is in README.md, "Requirements"')

    def close(self):
        """Ends and removes everything.  May be called again."""
        self.workspace.close()
        # Their shells have ended with the namespaces.
        for node in self.switches + self.hosts:
            node.terminate()
        self.switches, self.hosts = [], []
