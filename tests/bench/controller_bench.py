#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How ovs-migrate-controller grows: simulated switches that speak OpenFlow
(fabric-sim.c) and have a real ovsdb-server each, hosts that are rows, services
with a pool of hosts each.  Needs no root.

    controller_bench.py [--switches N] [--hosts N] [--services N]
    controller_bench.py --growth [--docs DIRECTORY]

Measures, for one fabric, or for smaller ones up to the one with 100 switches,
5,000 hosts and 50 services; with --docs, writes the table into benchmarks.md
and draws it in controller-growth.svg there:

start     from the start of the controller, whose database has all of it, until
          all switches, which have nothing, are programmed
restart   the same when they have it all
change    from the request that changes a weight until the databases of all
          switches have the new one, 100 times: half of them, and 99 of them,
          took no longer
cpu       processor time of the start, of a second when nothing happens, and of
          a change beyond that: the controller's, and that of all that stands
          for switches, the simulator and their databases
memory    of the controller, in the end and at most, and of its database
"""

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "../controller"))

# pylint: disable=wrong-import-position
from controllers import TOOLS, Controller           # noqa: E402
from workspace import Workspace, run, wait_until    # noqa: E402
import tables                                       # noqa: E402

CHANGES = 100
SETTLE_SECONDS = 12             # Until memory of the start is given back.
IDLE_SECONDS = 5
START_SECONDS = 300             # At most.
BATCH = 500                     # Changes of a request.

# What is to be reached with the largest fabric.
MAX_START = 30                  # Seconds.
MAX_CHANGE = 100                # Milliseconds, 99 of 100.

LARGEST = (100, 5000, 50)
PORTS_AT_ONCE = 200             # In one transaction, on a command line.

GROWTH = {
    "switches": [(n, 5000, 50) for n in (10, 25, 50)],
    "hosts": [(100, n, 50) for n in (500, 1000, 2500)],
    "services": [(100, 5000, n) for n in (10, 25)],
}


@dataclasses.dataclass
class Result:
    switches: int
    hosts: int
    services: int
    start: float = 0            # Seconds.
    start_cpu: float = 0
    start_others: float = 0
    restart: float = 0
    idle: float = 0             # Percent.
    half: float = 0             # Milliseconds.
    most: float = 0
    change_cpu: float = 0
    change_others: float = 0
    memory: float = 0           # MB
    peak: float = 0
    database: float = 0
    flows: int = 0


class Fabric:
    """Some spines, the others leaves, with hosts at the ports of these."""

    def __init__(self, workspace, switches, hosts, services):
        self.workspace = workspace
        self.n_spines = max(2, switches // 25)
        self.n_leaves = switches - self.n_spines
        self.n_hosts = hosts
        self.n_services = services
        self.n_ports = -(-hosts // self.n_leaves)
        self.dir = workspace.mkdir("switches")
        self.databases = []
        self.sim = None

    def switch(self, i):
        """The name of a switch."""
        return (f"spine{i}" if i <= self.n_spines
                else f"leaf{i - self.n_spines}")

    def _database(self, ports):
        """A file with a bridge in it."""
        file = f"{self.dir}/{ports}.template"
        run(["ovsdb-tool", "create", file, TOOLS.schema])
        self._transact(file, [
            {"op": "insert", "table": "Bridge", "uuid-name": "br",
             "row": {"name": "br0", "datapath_type": "netdev"}},
            {"op": "insert", "table": "Open_vSwitch",
             "row": {"bridges": ["named-uuid", "br"]}}])
        for first in range(1, ports + 1, PORTS_AT_ONCE):
            self._add_ports(file, range(first, min(first + PORTS_AT_ONCE,
                                                   ports + 1)))
        return file

    def _add_ports(self, file, numbers):
        rows = []
        for i in numbers:
            rows += [
                {"op": "insert", "table": "Interface", "uuid-name": f"i{i}",
                 "row": {"name": f"p{i}"}},
                {"op": "insert", "table": "Port", "uuid-name": f"p{i}",
                 "row": {"name": f"p{i}",
                         "interfaces": ["named-uuid", f"i{i}"]}}]
        ports = ["set", [["named-uuid", f"p{i}"] for i in numbers]]
        self._transact(file, [*rows, {
            "op": "mutate", "table": "Bridge", "where": [],
            "mutations": [["ports", "insert", ports]]}])

    @staticmethod
    def _transact(file, operations):
        run(["ovsdb-tool", "transact", file,
             json.dumps(["Open_vSwitch", *operations])])

    def start(self):
        spine = self._database(self.n_leaves)
        leaf = self._database(self.n_spines + self.n_ports)
        for i in range(1, self.n_spines + self.n_leaves + 1):
            shutil.copy(spine if i <= self.n_spines else leaf,
                        f"{self.dir}/{i}.db")
            self.databases.append(self.workspace.start(f"db{i}", [
                "ovsdb-server", f"--remote=punix:{self.dir}/{i}.sock",
                f"--unixctl={self.dir}/{i}.ctl", f"{self.dir}/{i}.db"]))
        self.sim = subprocess.Popen(
            [TOOLS.find("fabric-sim"), self.dir, str(self.n_spines),
             str(self.n_leaves), str(self.n_ports)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def order(self, text):
        self.sim.stdin.write(text + "\n")
        self.sim.stdin.flush()

    def cpu(self):
        """The processor time of all of it so far, in seconds."""
        return sum(cpu(process.pid) for process in [self.sim, *self.databases])

    def count(self):
        """Flows, groups, changes of databases."""
        self.order("count")
        return list(map(int, self.sim.stdout.readline().split()))

    def close(self):
        if self.sim:
            self.sim.stdin.close()
            self.sim.wait(10)
            self.sim.stdout.close()

    def members(self, service):
        """The hosts of a service."""
        return [i for i in range(self.n_hosts)
                if i % self.n_services == service]

    def resources(self):
        """All that an operator says: path and body of each."""
        for i in range(1, self.n_spines + self.n_leaves + 1):
            body = {"dpid": f"{i:016x}",
                    "ovsdb": f"unix:{self.dir}/{i}.sock",
                    "openflow": f"unix:{self.dir}/{i}.mgmt"}
            if i > self.n_spines:
                body["migrate_address"] = f"10.2.{i >> 8}.{i & 255}"
            yield f"switches/{self.switch(i)}", body
        for i in range(self.n_hosts):
            leaf, port = i % self.n_leaves, i // self.n_leaves
            yield f"hosts/h{i}", {
                "ip": f"10.1.{i >> 8}.{i & 255}",
                "mac": f"02:02:00:00:{i >> 8:02x}:{i & 255:02x}",
                "switch": f"leaf{leaf + 1}",
                "port": f"p{self.n_spines + 1 + port}"}
        for i in range(self.n_services):
            yield f"pools/s{i}", {"hosts": {f"h{j}": 1
                                            for j in self.members(i)}}
            yield f"services/s{i}", {"address": f"10.3.0.{i // 4}",
                                     "port": 80 + i % 4,
                                     "default_pool": f"s{i}"}


def put_all(client, fabric):
    def send(batch):
        response = client("POST", "/v1/changes", {"changes": batch})
        if response.status != 200:
            raise RuntimeError(str(response))

    client("PATCH", "/v1/fabric", {"current_key": "5" * 32})
    batch = []
    for path, body in fabric.resources():
        batch.append({"method": "PUT", "path": f"/v1/{path}", "body": body})
        if len(batch) == BATCH:
            send(batch)
            batch = []
    send(batch)


def is_programmed(client):
    """Whether all switches have all that the database has."""
    switches = client("GET", "/v1/switches?limit=1000").json["items"]
    cfg = client("GET", "/v1/fabric").json["next_cfg"]
    return all((switch.get("cur_cfg") or 0) >= cfg for switch in switches)


def links_up(client):
    return sum(link["status"].get("state") == "up" for link in
               client("GET", "/v1/links?limit=1000").json["items"])


def start(controller, fabric):
    """Starts the controller; returns how long it took to be done, and a
    client."""
    begun = time.monotonic()
    controller.start()
    client = controller.wait_ready(START_SECONDS)
    wait_until(lambda: links_up(client) == 2 * fabric.n_spines
               * fabric.n_leaves and is_programmed(client),
               "all switches to be programmed", START_SECONDS, 0.1)
    return time.monotonic() - begun, client


def change_weights(client, fabric, first=2):
    """How long changes took to reach all switches, in ms, sorted.  They are
    to weights from 'first' on, which nobody may have yet."""
    took = []
    for i in range(CHANGES):
        service = i % fabric.n_services
        host = fabric.members(service)[i % len(fabric.members(service))]
        weight = first + i
        fabric.order(f"weight s{service} h{host} {weight}")
        begun = time.monotonic()
        response = client("PATCH", f"/v1/pools/s{service}",
                          {"hosts": {f"h{host}": weight}})
        assert response.status == 200, response
        word, *times = fabric.sim.stdout.readline().split()
        assert word == "weight" and len(times) == fabric.n_leaves
        took.append(max(map(float, times)) - begun * 1e3)
        wait_until(lambda: is_programmed(client), "the change to be reported",
                   interval=0.1)
    return sorted(took)


def cpu(pid):
    """The processor time of a process so far, in seconds."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid, what="VmRSS"):
    """Of a process, in MB."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(what):
                return int(line.split()[1]) / 1000


class Clock:
    """What has passed since it was made: seconds, and processor time of the
    controller and of all that stands for switches."""

    def __init__(self, controller, fabric):
        self.controller, self.fabric = controller, fabric
        self.begun = self._now()

    def _now(self):
        return (time.monotonic(), cpu(self.controller.process.pid),
                self.fabric.cpu())

    def read(self):
        return [now - begun for now, begun in zip(self._now(), self.begun)]


def measure(switches, hosts, services):
    result = Result(switches, hosts, services)
    workspace = Workspace()
    fabric = Fabric(workspace, switches, hosts, services)
    try:
        controller = Controller(workspace, args=[])
        put_all(controller.wait_ready(), fabric)
        controller.kill()
        fabric.start()
        begun = fabric.cpu()
        result.start, client = start(controller, fabric)
        pid = controller.process.pid
        result.start_cpu = cpu(pid)
        result.start_others = fabric.cpu() - begun

        time.sleep(SETTLE_SECONDS)
        clock = Clock(controller, fabric)
        time.sleep(IDLE_SECONDS)
        seconds, idle, idle_others = clock.read()
        idle, idle_others = idle / seconds, idle_others / seconds
        result.idle = 100 * idle

        clock = Clock(controller, fabric)
        took = change_weights(client, fabric)
        seconds, mine, others = clock.read()
        result.half = took[len(took) // 2]
        result.most = took[len(took) * 99 // 100 - 1]
        result.change_cpu = (mine - seconds * idle) * 1e3 / CHANGES
        result.change_others = ((others - seconds * idle_others)
                                * 1e3 / CHANGES)
        result.flows = fabric.count()[0]
        result.memory, result.peak = memory(pid), memory(pid, "VmHWM")
        result.database = memory(controller.server()[0])
        controller.kill()
        result.restart, _ = start(controller, fabric)
        return result
    finally:
        fabric.close()
        workspace.close()


COLUMNS = {
    "switches": ("switches", "{:d}"),
    "hosts": ("hosts", "{:,d}"),
    "services": ("services", "{:d}"),
    "flows": ("flows", "{:,d}"),
    "start": ("start, s", "{:.1f}"),
    "start_cpu": ("cpu, s", "{:.1f}"),
    "start_others": ("switches', s", "{:.1f}"),
    "restart": ("restart, s", "{:.1f}"),
    "half": ("change, half: ms", "{:.0f}"),
    "most": ("99 %: ms", "{:.0f}"),
    "change_cpu": ("cpu, ms", "{:.0f}"),
    "change_others": ("switches', ms", "{:.0f}"),
    "idle": ("idle, %", "{:.0f}"),
    "memory": ("memory, MB", "{:,.0f}"),
    "peak": ("at most, MB", "{:,.0f}"),
    "database": ("database, MB", "{:.0f}"),
}


def table(results):
    result = tables.Table("The controller", [head for head, _
                                             in COLUMNS.values()])
    for r in sorted(results, key=lambda r: (r.switches, r.hosts, r.services)):
        result.add(*(form.format(getattr(r, name))
                     for name, (_, form) in COLUMNS.items()))
    return result


def polyline(points, left, top, colour):
    """Through 'points', each from 0 to 1, in a chart of 200 by 120."""
    places = " ".join(f"{left + 200 * x:.1f},{top + 120 * (1 - y):.1f}"
                      for x, y in points)
    return (f'<polyline points="{places}" fill="none" stroke="{colour}" '
            'stroke-width="2"/>')


def draw(results):
    """How start, change and memory grow with each dimension: an SVG."""
    kinds = (("start_cpu", "start: processor time, s", "#1f77b4"),
             ("change_cpu", "change: processor time, ms", "#d62728"),
             ("memory", "memory, MB", "#2ca02c"))
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="820" '
             'height="230" font-family="sans-serif" font-size="12">',
             '<rect width="820" height="230" fill="white"/>']
    for i, dimension in enumerate(("switches", "hosts", "services")):
        left, top = 30 + 270 * i, 20
        others = [name for name in ("switches", "hosts", "services")
                  if name != dimension]
        largest = dict(zip(("switches", "hosts", "services"), LARGEST))
        rows = sorted((r for r in results if all(
            getattr(r, name) == largest[name] for name in others)),
            key=lambda r: getattr(r, dimension))
        most_x = max((getattr(r, dimension) for r in rows), default=1)
        parts.append(f'<path d="M{left},{top} v120 h200" fill="none" '
                     'stroke="black"/>')
        parts.append(f'<text x="{left}" y="{top + 140}">0</text>'
                     f'<text x="{left + 200}" y="{top + 140}" '
                     f'text-anchor="end">{most_x:,} {dimension}</text>')
        for name, _, colour in kinds:
            most_y = max((getattr(r, name) for r in results), default=1) or 1
            parts.append(polyline([(getattr(r, dimension) / most_x,
                                    getattr(r, name) / most_y)
                                   for r in rows], left, top, colour))
    for i, (name, text, colour) in enumerate(kinds):
        most = max((getattr(r, name) for r in results), default=0)
        parts.append(f'<text x="{30 + 270 * i}" y="200" fill="{colour}">'
                     f'{text}; up to {most:,.0f}</text>')
    return "\n".join(parts + ["</svg>", ""])


def shortfalls(results):
    """What was to be reached and was not."""
    for r in results:
        if (r.switches, r.hosts, r.services) == LARGEST:
            if r.start > MAX_START:
                yield f"start: {r.start:.1f} s instead of {MAX_START}"
            if r.most > MAX_CHANGE:
                yield f"change: {r.most:.0f} ms instead of {MAX_CHANGE}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--switches", type=int, default=LARGEST[0])
    parser.add_argument("--hosts", type=int, default=LARGEST[1])
    parser.add_argument("--services", type=int, default=LARGEST[2])
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--docs")
    args = parser.parse_args()
    sizes = [(args.switches, args.hosts, args.services)]
    if args.growth:
        sizes += [size for some in GROWTH.values() for size in some]
    results = []
    for size in sizes:
        results.append(measure(*size))
        print(results[-1], flush=True)
    print(table(results).text())
    for text in shortfalls(results):
        print(f"short of it: {text}")
    if args.docs:
        tables.replace(f"{args.docs}/benchmarks.md", "controller",
                       table(results).markdown())
        with open(f"{args.docs}/controller-growth.svg", "w") as file:
            file.write(draw(results))


if __name__ == "__main__":
    main()
