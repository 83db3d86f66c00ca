#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP through one patched Open vSwitch, in six ways:

    direct   the client talks to the host
    HAProxy  ... to HAProxy with one thread, on a machine of its own
    nginx    ... to nginx as a proxy with one worker, on another
    table    ... to ovs-migrate, connections in the engine's table
    flow     ... to ovs-migrate, an OpenFlow flow for each connection
    kernel   ... to ovs-migrate, packets of connections that have moved are
             forwarded by the kernel

The host's server is the same nginx for all.  All machines are namespaces of
this one, so the ways compete for the same processors: what counts is the
ratio to direct.  Runs are short, and each has one of direct just before and
just after it, to whose mean it is compared: what else the machine does changes
more slowly than that.  Figures are medians of many such comparisons, and
between which values the middle half of them lies.

Processor time of a program includes that of the kernel on its behalf: of the
switch, for instance, most of what the veth devices and TCP do with a packet
that it sends, the BPF programs among it.  What the kernel forwards in place of
the switch is in wrk's.  "softirq" is that part of it, of the whole machine.
"""

import argparse
import ctypes
import dataclasses
import os
import random
import resource
import socket
import stat
import statistics
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "../system"))

from lab import Lab, Machine, SERVICE_ADDRESS           # noqa: E402
from labtest import need_root, wrk                      # noqa: E402
from servers import HaProxy, Nginx, NginxProxy          # noqa: E402
from tables import Table                                # noqa: E402

SIZES = {"200 B": 200, "64 KB": 64 << 10, "1 MB": 1 << 20}
FLOW_ADDRESS = "10.0.0.101"
KERNEL_ADDRESS = "10.0.0.102"
MIGRATING = "table", "flow", "kernel"
CONNECTIONS = 32
RECEIVE_BUFFER = 16 << 20       # Bytes.
SYS_PIDFD_GETFD = 438           # On every architecture.
SO_RCVBUFFORCE = 33
REACH = 0.95

_libc = ctypes.CDLL(None, use_errno=True)


def enlarge_buffers(process):
    """Gives the packet sockets of 'process', an ovs-vswitchd, large receive
    buffers.

    The usual ones hold three packets of 64 KiB: so many would be lost that
    TCP's recovery was measured, not the switch."""
    pidfd = os.pidfd_open(process.pid)
    try:
        for name in os.listdir(f"/proc/{process.pid}/fd"):
            fd = _libc.syscall(SYS_PIDFD_GETFD, pidfd, int(name), 0)
            if fd < 0:
                continue
            if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.close(fd)
                continue
            with socket.socket(fileno=fd) as sock:
                if sock.family == socket.AF_PACKET:
                    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE,
                                    RECEIVE_BUFFER)
    finally:
        os.close(pidfd)


class HostNginx(Nginx):
    """nginx that logs nothing."""

    def __init__(self, node):
        super().__init__(node, extra="access_log off;")


@dataclasses.dataclass
class Run:
    """What one run of wrk gave."""

    rate: float                 # Requests a second.
    errors: int
    cost: dict                  # Microseconds of processor time a request,
                                # by who spent them.
    beside: tuple = ()          # The runs of direct before and after it.

    def ratio(self, value):
        """That of value(self) to those beside it."""
        return value(self) / max(statistics.mean(map(value, self.beside)),
                                 1e-9)


class Meter:
    """Adds up processor time by who spends it."""

    def __init__(self, sessions):
        """'sessions': names, and the Processes they stand for."""
        self.pids = {name: [pid for process in processes
                            for pid in _session(process.pid)]
                     for name, processes in sessions.items()}

    def read(self):
        """Seconds so far."""
        seconds = {name: sum(map(_process_seconds, pids))
                   for name, pids in self.pids.items()}
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds["wrk"] = usage.ru_utime + usage.ru_stime
        with open("/proc/stat") as file:
            ticks = file.readline().split()
        seconds["softirq"] = int(ticks[7]) / os.sysconf("SC_CLK_TCK")
        return seconds


def _session(leader):
    """The processes of a session."""
    pids = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(name)) == leader:
                pids.append(int(name))
        except ProcessLookupError:
            pass
    return pids


def _process_seconds(pid):
    """Processor time of all threads of a process."""
    nanoseconds = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            nanoseconds += int(file.read().split()[0])
    return nanoseconds / 1e9


class Bench:
    """A lab with all six ways in it."""

    def __init__(self):
        self.lab = lab = Lab(hosts=1, clients=3, tso=True, server=HostNginx)
        try:
            self._set_up(lab)
        except BaseException:
            lab.close()
            raise

    def _set_up(self, lab):
        enlarge_buffers(lab.switch.vswitchd)
        host = lab.hosts[0]
        backend = f"{host.address}:80"
        self.client, haproxy, nginx = lab.clients
        for size in SIZES.values():
            host.server.put(f"/{size}", os.urandom(size))
        proxies = [HaProxy(haproxy, backend).start(),
                   NginxProxy(nginx, backend).start()]
        lab.migrate()
        lab.add_service()
        self._add_service(lab.switch, 2, "flow", FLOW_ADDRESS)
        self._add_service(lab.switch, 3, "kernel", KERNEL_ADDRESS)
        self.ways = {"direct": host.address,
                     "HAProxy": haproxy.address,
                     "nginx": nginx.address,
                     "table": SERVICE_ADDRESS,
                     "flow": FLOW_ADDRESS,
                     "kernel": KERNEL_ADDRESS}
        self.meter = Meter({"switch": [lab.switch.vswitchd],
                            "server": [host.server.process],
                            "proxy": [proxy.process for proxy in proxies],
                            "agent": [host.agent.process]})

    def _add_service(self, switch, id_, placement, address):
        """The same pool once more, behind another address."""
        pool = switch.vsctl("--bare", "--columns=_uuid", "find",
                            "Migration_Pool", "name=all").strip()
        switch.vsctl("--id=@s", "create", "Migration_Service",
                     f"name={placement}", f"id={id_}", "protocol=http",
                     f"placement={placement}", f"default_pool={pool}", "--",
                     "add", "bridge", switch.bridge, "migration_services",
                     "@s")
        switch.answer(address)
        switch.add_flow(f"table=0,priority=100,tcp,nw_dst={address},"
                        f"tp_dst=80,actions=migrate(service={id_},table=1)")
        self.client.run("curl", "-sS", "--retry", "20", "--retry-delay", "1",
                        "--retry-all-errors", "-m", "2", "-o", "/dev/null",
                        f"http://{address}/200")

    def round(self, way, size, close, seconds):
        before = self.meter.read()
        load = wrk(self.client, f"http://{self.ways[way]}/{size}", seconds,
                   connections=CONNECTIONS, close=close)
        after = self.meter.read()
        cost = {name: (after[name] - before[name]) * 1e6
                / max(load.requests, 1) for name in after}
        softirq = cost.pop("softirq")
        return Run(load.rate, load.errors,
                   {**cost, "all": sum(cost.values()), "softirq": softirq})


def measure(bench, seconds, rounds, sizes=SIZES, closes=(True, False),
            ways=None, log=sys.stderr):
    """Returns runs by (size, close, way)."""
    ways = list(ways or bench.ways)
    results = {(size, close, way): [] for size in sizes for close in closes
               for way in ways}
    for n in range(rounds):
        for cell in _cells(results):
            def run(way):
                result = bench.round(way, SIZES[cell[0]], cell[1], seconds)
                results[cell + (way,)].append(result)
                if log:
                    print(f"# round {n + 1} {_name(cell)}, {way}: "
                          f"{result.rate:.0f}/s, {result.errors} errors",
                          file=log, flush=True)
                return result

            direct = run("direct")
            # Nobody always comes after the same other.
            for way in random.sample(ways, len(ways)):
                if way != "direct":
                    result = run(way)
                    before, direct = direct, run("direct")
                    result.beside = before, direct
    return results


def _cells(results):
    """(size, close), in order."""
    return list(dict.fromkeys(key[:2] for key in results))


def _ways(results):
    return list(dict.fromkeys(key[2] for key in results))


def _name(cell):
    return f"{cell[0]}, {'closing' if cell[1] else 'keep-alive'}"


def _median(runs, value):
    return statistics.median(map(value, runs))


def _rate(run):
    return run.rate


def _all(run):
    return run.cost["all"]


def _spread(ratios):
    """The median of 'ratios' and their middle half, for people."""
    text = f"{statistics.median(ratios):.2f}"
    if len(ratios) > 1:
        low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
        text += f"; {low:.2f}-{high:.2f}"
    return text


def rate_ratios(results):
    """Ratios of rates to direct, by (size, close, way)."""
    return {key: [run.ratio(_rate) for run in runs]
            for key, runs in results.items() if key[2] != "direct"}


def tables(results):
    ways = _ways(results)
    ratios = rate_ratios(results)
    rates = Table("Requests a second, and the ratio to direct",
                  ["", *ways])
    for cell in _cells(results):
        rates.add(_name(cell), *(
            f"{_median(results[cell + (way,)], _rate):.0f}"
            + (f" ({_spread(ratios[cell + (way,)])})" if way != "direct"
               else "")
            for way in ways))

    names = list(next(iter(results.values()))[0].cost)
    costs = Table("Processor time, microseconds a request, and the ratio of "
                  "direct to it", ["", "", *names])
    for cell in _cells(results):
        for way in ways:
            runs = results[cell + (way,)]
            texts = {name: _microseconds(_median(runs,
                                                 lambda r: r.cost[name]))
                     for name in names}
            if way != "direct":
                texts["all"] += " (%s)" % _spread(
                    [1 / run.ratio(_all) for run in runs])
            costs.add(_name(cell), way, *texts.values())
    return [rates, costs]


def _microseconds(microseconds):
    return (f"{microseconds:.0f}" if microseconds >= 10
            else f"{microseconds:.1f}")


def shortfalls(results):
    """What is not as it should be, for people."""
    texts = []
    for key, ratios in rate_ratios(results).items():
        if key[2] in MIGRATING and statistics.median(ratios) < REACH:
            texts.append(f"{_name(key)}, {key[2]}: {_spread(ratios)} of "
                         f"direct, not {REACH}")
    for key, runs in results.items():
        errors = sum(run.errors for run in runs)
        if errors:
            texts.append(f"{_name(key)}, {key[2]}: {errors} requests failed")
    return texts


def arguments(parser):
    parser.add_argument("--seconds", type=int, default=1,
                        help="length of a run of HTTP")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", choices=SIZES, action="append",
                        help="only these")
    parser.add_argument("--way", action="append", help="only these")
    parser.add_argument("--mode", choices=("closing", "keep-alive"))


def run(args):
    need_root()
    ways = args.way and list(dict.fromkeys(["direct", *args.way]))
    closes = {"closing": (True,), "keep-alive": (False,)}.get(args.mode,
                                                              (True, False))
    bench = Bench()
    with bench.lab:
        return measure(bench, args.seconds, args.rounds, args.size or SIZES,
                       closes, ways)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    results = run(parser.parse_args())
    for table in tables(results):
        print(table.text())
    for text in shortfalls(results):
        print(text)


if __name__ == "__main__":
    sys.exit(main())
