# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch, patched or as Debian has it, in a network namespace."""

import dataclasses
import json
import os
import re
import shutil

from workspace import run, wait_until

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
SWITCH_MAC = "02:00:00:00:00:fe"


class Tools:
    """Where the programs of one installation or build are."""

    def __init__(self, dirs, schema, hint):
        self.dirs = dirs
        self.schema = schema
        self.hint = hint

    def find(self, program):
        path = shutil.which(program, path=os.pathsep.join(self.dirs))
        if not path:
            raise FileNotFoundError(f"{program} is not in "
                                    f"{', '.join(self.dirs)}: {self.hint}")
        return path

    @classmethod
    def installed(cls, prefix):
        """ovs-migrate under 'prefix'."""
        return cls([f"{prefix}/bin", f"{prefix}/sbin"],
                   f"{prefix}/share/openvswitch/vswitch.ovsschema",
                   'run "make install"')

    @classmethod
    def built(cls, build):
        """ovs-migrate in its build directory."""
        return cls([f"{build}/ovs/{d}" for d in
                    ("ovsdb", "vswitchd", "utilities")]
                   + [f"{build}/{d}" for d in
                      ("agent", "controller", "controller/cli",
                       "tests/bench", "tests/system")],
                   f"{build}/ovs-src/vswitchd/vswitch.ovsschema",
                   'run "make"')

    @classmethod
    def debian(cls):
        """The Open vSwitch of Debian, without patches."""
        return cls(["/usr/bin", "/usr/sbin"],
                   "/usr/share/openvswitch/vswitch.ovsschema",
                   "install the Debian package openvswitch-switch")

    @classmethod
    def default(cls):
        """What the environment says (OVM_BUILD or OVM_PREFIX), else the
        build that quickstart makes."""
        if "OVM_PREFIX" in os.environ:
            return cls.installed(os.environ["OVM_PREFIX"])
        return cls.built(os.environ.get("OVM_BUILD", f"{REPOSITORY}/build"))


@dataclasses.dataclass
class Pool:
    """A row of Migration_Pool; hosts by name."""

    hosts: list
    policy: str = None
    weights: dict = dataclasses.field(default_factory=dict)
    affinity: str = None


@dataclasses.dataclass
class Rule:
    """A row of Migration_Rule; 'match' such as {"path-prefix": "/images/"},
    the pool by its name."""

    priority: int
    match: dict
    pool: str


@dataclasses.dataclass
class Service:
    """A row of Migration_Service with all that it refers to, and where it
    is."""

    addresses: list             # IPv4 or IPv6.
    port: int = 80
    id: int = 1
    name: str = "web"
    protocol: str = "http"
    placement: str = None
    pools: dict = None
    rules: list = ()
    default_pool: str = "all"
    tags: dict = dataclasses.field(default_factory=dict)    # Hosts' VLANs.
    other_config: dict = dataclasses.field(default_factory=dict)

    def flows(self):
        """Its connections, and the ICMP about them."""
        action = f"actions=migrate(service={self.id},table=1)"
        for address in self.addresses:
            v6, dst = _match_dst(address)
            yield (f"table=0,priority=100,tcp{v6},{dst},tp_dst={self.port},"
                   + action)
            yield f"table=0,priority=100,icmp{v6},{dst},{action}"

    def used_pools(self):
        """Those of 'pools' that it refers to."""
        names = {rule.pool for rule in self.rules} | {self.default_pool}
        return {name: pool for name, pool in self.pools.items()
                if name in names}

    def used_hosts(self):
        """Names of the hosts that may serve it."""
        return sorted({name for pool in self.used_pools().values()
                       for name in pool.hosts})

    def vsctl(self, bridge, hosts):
        """The arguments of ovs-vsctl that create it, for 'hosts', a dict from
        names to addresses."""
        args = []

        def create(row, table, **columns):
            args.extend(["--", f"--id=@{row}", "create", table])
            for column, value in columns.items():
                if value not in (None, ""):
                    args.append(f"{column}={value}")

        def pairs(column, mapping):
            return [f"{column}:{_quote(key)}={_quote(value)}"
                    for key, value in mapping.items()]

        pools = self.used_pools()
        for name in self.used_hosts():
            create(f"h_{name}", "Migration_Host", name=name,
                   ip=_quote(hosts[name]), tag=self.tags.get(name))
        for name, pool in pools.items():
            create(f"p_{name}", "Migration_Pool", name=name,
                   hosts=",".join(f"@h_{host}" for host in pool.hosts),
                   policy=pool.policy, affinity=pool.affinity)
            args.extend(pairs("weights", pool.weights))
        for i, rule in enumerate(self.rules):
            create(f"r{i}", "Migration_Rule", priority=rule.priority)
            args.extend(pairs("match", rule.match) + [f"pool=@p_{rule.pool}"])
        create("s", "Migration_Service", name=self.name, id=self.id,
               protocol=self.protocol, placement=self.placement,
               rules=",".join(f"@r{i}" for i in range(len(self.rules))),
               default_pool=self.default_pool and f"@p_{self.default_pool}")
        args.extend(pairs("other_config", self.other_config))
        return args[1:] + ["--", "add", "bridge", bridge,
                           "migration_services", "@s"]


def _quote(value):
    """As a string in the syntax of ovs-vsctl, whatever is in it."""
    return value if isinstance(value, int) else json.dumps(value)


def _match_dst(address):
    """What to write behind "tcp" and the like, and the match itself."""
    return ("6", f"ipv6_dst={address}") if ":" in address \
        else ("", f"nw_dst={address}")


class Switch:
    """ovsdb-server and ovs-vswitchd in 'node', with a run directory and a
    database of their own, and one bridge on the userspace datapath."""

    def __init__(self, node, tools=None, tso=False, bridge="br0",
                 mac=SWITCH_MAC, dpid=None, fail_mode="standalone"):
        self.node = node
        self.tools = tools or Tools.default()
        self.tso = tso
        self.bridge = bridge
        self.mac = mac
        self.dpid = dpid            # A number, or None for what comes.
        self.fail_mode = fail_mode
        self.dir = node.workspace.mkdir(node.name)
        # What a user would export to talk to this switch.
        self.env = {"OVS_RUNDIR": self.dir, "OVS_LOGDIR": self.dir,
                    "OVS_DBDIR": self.dir, "OVS_SYSCONFDIR": self.dir,
                    "OVS_PKGDATADIR": os.path.dirname(self.tools.schema)}
        self.db = f"unix:{self.dir}/db.sock"
        self.vswitchd = None
        self.vswitchd_prefix = []   # A command that runs ovs-vswitchd.
        self.db_server = None

    def _environment(self):
        return {**os.environ, **self.env}

    def run(self, program, *args, **kwargs):
        """Runs one of the switch's programs; returns its output."""
        return self.node.run(self.tools.find(program), *args,
                             env=self._environment(), **kwargs)

    def start(self):
        conf = f"{self.dir}/conf.db"
        run([self.tools.find("ovsdb-tool"), "create", conf,
             self.tools.schema])
        self.db_server = self.node.start(
            self.tools.find("ovsdb-server"), conf,
            f"--remote=punix:{self.dir}/db.sock",
            f"--unixctl={self.dir}/ovsdb-server.ctl",
            "-vconsole:warn", env=self._environment())
        wait_until(lambda: os.path.exists(f"{self.dir}/db.sock"),
                   "ovsdb-server's socket")
        self.vsctl("--no-wait", "init")
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".",
                   "other_config:userspace-tso-enable="
                   + ("true" if self.tso else "false"))
        self.start_vswitchd()
        config = [f"other-config:hwaddr={self.mac}"]
        if self.dpid is not None:
            config.append(f"other-config:datapath-id={self.dpid:016x}")
        self.vsctl("add-br", self.bridge, "--", "set", "bridge", self.bridge,
                   "datapath_type=netdev", f"fail_mode={self.fail_mode}",
                   *config)

    def start_vswitchd(self):
        self.vswitchd = self.node.start(
            *self.vswitchd_prefix, self.tools.find("ovs-vswitchd"), self.db,
            f"--unixctl={self.dir}/ovs-vswitchd.ctl",
            "-vconsole:warn", name="ovs-vswitchd", env=self._environment())
        wait_until(lambda: os.path.exists(f"{self.dir}/ovs-vswitchd.ctl"),
                   "ovs-vswitchd's socket")

    def vsctl(self, *args):
        return self.run("ovs-vsctl", f"--db={self.db}", "--retry",
                        "--timeout=10", *args)

    def ofctl(self, *args):
        return self.run("ovs-ofctl", *args)

    def appctl(self, *args):
        return self.run("ovs-appctl", "--timeout=10",
                        f"--target={self.dir}/ovs-vswitchd.ctl", *args)

    def add_flow(self, flow):
        self.ofctl("add-flow", self.bridge, flow)

    def flows(self, *args):
        """The flows of the bridge, one text each, without statistics."""
        text = self.ofctl("--no-stats", "dump-flows", self.bridge, *args)
        return [line.strip() for line in text.splitlines()
                if "actions=" in line]

    def is_met(self, match):
        """Whether a packet has met the one flow of the bridge that is dumped
        by 'match'."""
        return "n_packets=0," not in self.ofctl("dump-flows", self.bridge,
                                                match)

    def add_port(self, interface):
        self.vsctl("add-port", self.bridge, interface)
        wait_until(lambda: self.vsctl("get", "interface", interface,
                                      "ofport").strip() not in ("[]", "-1"),
                   f"port {interface}")

    def del_port(self, interface):
        self.vsctl("del-port", self.bridge, interface)

    # Migration.

    def migrate(self, addresses, key_file):
        """Makes the bridge migrate, from 'addresses', one of a family."""
        self.vsctl("set", "bridge", self.bridge,
                   "other_config:migrate-address="
                   + _quote(",".join(addresses)),
                   f"other_config:migrate-key-file={key_file}")
        for address in addresses:
            v6, dst = _match_dst(address)
            self.answer(address)
            self.add_flow(f"table=0,priority=100,udp{v6},{dst},tp_dst=7471,"
                          "actions=migrate(control,table=1)")
            if v6:
                self.add_flow("table=0,priority=100,icmp6,icmpv6_type=136,"
                              f"{dst},actions=migrate(control,table=1)")
        self.add_flow("table=1,actions=NORMAL")

    def answer(self, address):
        """The engine answers ARP or neighbor discovery for 'address'; by ARP
        it also learns where hosts are."""
        match = (f"icmp6,icmpv6_type=135,nd_target={address}"
                 if ":" in address else f"arp,arp_tpa={address}")
        self.add_flow(f"table=0,priority=100,{match},"
                      "actions=migrate(control,table=1)")

    def add_service(self, service, hosts):
        """Adds a Service for 'hosts', a dict from names to addresses."""
        self.vsctl(*service.vsctl(self.bridge, hosts))
        for address in service.addresses:
            self.answer(address)
        for flow in service.flows():
            self.add_flow(flow)

    def clear_services(self):
        """Takes all services away."""
        self.vsctl("clear", "bridge", self.bridge, "migration_services")

    def host_status(self, name):
        """What the switch thinks of a host, such as "up"."""
        match = re.search(rf"host {name} \([^)]*\): (\w+)",
                          self.appctl("migrate/show"))
        return match and match[1]

    def connections(self, *args):
        """The lines of "ovs-appctl migrate/connections", each a dict, of
        connections that have not ended."""
        return [connection for connection in self.all_connections(*args)
                if connection["state"] != "linger"]

    def all_connections(self, *args):
        return [dict(re.findall(r"(\w+)=(.*?)(?:,(?=\w+=)|$)", line.strip()))
                for line in self.appctl("migrate/connections",
                                        *args).splitlines()
                if "client=" in line]

    def counters(self):
        """The counters of "ovs-appctl migrate/counters", by name."""
        return {name: int(value) for name, value in re.findall(
            r"^\s*(\S+)\s+(\d+)", self.appctl("migrate/counters"), re.M)}

    def restart(self, kill=False):
        """Ends ovs-vswitchd, politely or not, and starts it again."""
        self.end(kill)
        self.begin()

    def end(self, kill=False):
        """The first half of that."""
        self._flows_file = self.node.workspace.write(
            f"{self.node.name}/flows",
            "".join(flow + "\n" for flow in self.flows("cookie=0/-1")
                    if not flow.startswith("table=254,")))
        if kill:
            self.vswitchd.kill()
            os.remove(f"{self.dir}/ovs-vswitchd.ctl")
        else:
            self.appctl("exit")
            self.vswitchd.wait(20)

    def begin(self):
        """The second half: gives it its flows back, which are not in the
        database."""
        self.start_vswitchd()
        wait_until(lambda: self.run("ovs-ofctl", "show", self.bridge,
                                    check=False), "the bridge")
        self.ofctl("--bundle", "replace-flows", self.bridge,
                   self._flows_file)

    def stop(self):
        """Ends the switch as an operator would; returns the exit status of
        ovs-vswitchd."""
        self.appctl("exit", "--cleanup")
        status = self.vswitchd.wait(20)
        self.db_server.stop()
        return status
