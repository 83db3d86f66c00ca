#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Floods, as fast as this machine makes them: honest clients are served
meanwhile, and memory does not grow."""

import signal
import statistics
import time

import tap
from lab import SERVICE_ADDRESS
from labtest import LabTest
from load import Requests, get, put_content
from netns import read_numbers
from ovs import SWITCH_MAC
from workspace import PATIENCE, wait_until

ALONE = True                    # It measures times.
SECONDS = 2                     # That a flood lasts at least.
REQUESTS = 600                  # Honest ones, each time.
SERVED = 0.95                   # So many of them at least...
SLOWER = 3                      # ...whose median time is so many times longer
                                # at most than without a flood.
TRIES = 3                       # Of which one has to be that fast: others use
                                # this machine too, and to be slow by our own
                                # fault is to be so each time.
STRANGERS = "10.128.0.0/9"      # Addresses that nobody has.
MEGABYTE = 1 << 20
SLACK = 8 * MEGABYTE            # What a process may grow by in its ordinary
                                # life.
PENDING = 64 * MEGABYTE         # MAX_PENDING_BYTES.


class Flood:
    """A flood of 'kind' from 'node'; tests/system/flood.c says what kinds
    there are.  A context manager; afterwards 'numbers' has the account."""

    def __init__(self, lab, node, kind, *options, source=STRANGERS):
        self.node = node
        self.argv = [lab.tools.find("flood"), "-t", 120, *options, kind,
                     "eth0", SWITCH_MAC, source, SERVICE_ADDRESS, 80]

    def __enter__(self):
        self.process = self.node.start(*self.argv)
        return self

    def __exit__(self, *exc):
        self.process.stop(signal.SIGINT)
        self.numbers = read_numbers(self.process.output())


def resident(process):
    """Bytes of memory that 'process' has."""
    with open(f"/proc/{process.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise ValueError("no VmRSS")


class FloodTests:
    """Run by the classes below."""

    CLIENTS = 2
    PLACEMENT = None

    @classmethod
    def configure(cls):
        cls.lab.add_service(placement=cls.PLACEMENT)
        put_content(cls.lab.hosts)
        cls.lab.proof_plain()

    def setUp(self):
        super().setUp()
        self.attacker = self.lab.clients[1]
        # Connections that live through it all.
        self.live = [self._live() for _ in range(50)]
        if self.PLACEMENT == "flow":
            wait_until(lambda: len([flow for flow in self.switch.flows()
                                    if "tcp_flags=-syn" in flow])
                       >= len(self.live), "their flows")

    def _live(self):
        sock = self.client.connect((SERVICE_ADDRESS, 80))
        self.addCleanup(sock.close)
        self._ask(sock)
        return sock

    def _ask(self, sock):
        sock.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"200 OK", sock.recv(4096))

    def honest(self):
        with Requests(self.client, self.lab.hosts, SERVICE_ADDRESS,
                      kinds=[get], parallel=8) as requests:
            requests.wait(REQUESTS)
        return requests

    @staticmethod
    def median(requests):
        times = requests.times()
        return times[len(times) // 2]

    def flood(self, kind, *options, attacker=None, grows=0, **kwargs):
        """Honest clients are served during a flood, and the switch grows by
        no more than 'grows' bytes.  Returns what the switch counted, and by
        how many times the honest were slower than before."""
        quiet = self.median(self.honest())
        before = resident(self.switch.vswitchd)
        counters = self.switch.counters()
        end = time.monotonic() + SECONDS
        times = []
        with Flood(self.lab, attacker or self.attacker, kind, *options,
                   **kwargs) as flood:
            while not times or time.monotonic() < end:
                requests = self.honest()
                times.append(self.median(requests))
                served = requests.outcomes()[200] / len(requests.results)
                self.assertGreaterEqual(served, SERVED, requests.summary())
                requests.check(self, set(requests.outcomes()))
            grown = resident(self.switch.vswitchd) - before
        moved = {name: value - counters.get(name, 0)
                 for name, value in self.switch.counters().items()}
        median = statistics.median(times)
        print(f"# {flood.numbers['sent'] / flood.numbers['seconds']:.0f} a "
              f"second, {moved['syn']} SYNs answered; median "
              f"{median * 1000:.1f} ms, {quiet * 1000:.1f} ms before; "
              f"{grown >> 10} KiB more")
        self.assertLess(grown, (grows + SLACK) * PATIENCE)
        for sock in self.live:
            self._ask(sock)
        return moved, median / quiet

    def hold(self, kind, *options, slower=SLOWER, **kwargs):
        """Floods as flood() does, and the honest are not slower than 'slower'
        times.  Returns what the switch counted."""
        ratios = []
        while not ratios or ratios[-1] >= slower:
            self.assertLess(len(ratios), TRIES, f"slower by {ratios}")
            moved, ratio = self.flood(kind, *options, **kwargs)
            ratios.append(ratio)
        return moved

    def test_syn(self):
        moved = self.hold("syn")
        self.assertGreater(moved["syn"], 20000 / PATIENCE)

    def test_syn_same_port(self):
        """From behind the port of the honest client.  Not as fast as can be:
        they share the queue of one interface."""
        moved = self.hold("syn", "-r", 20000, attacker=self.client)
        self.assertGreater(moved["syn"], 20000 / PATIENCE)

    def test_syn_from_the_honest(self):
        """With the honest client's address, from all ports, those of live
        connections too."""
        moved = self.hold("syn", source=f"{self.client.address}/32")
        self.assertGreater(moved["syn"], 20000 / PATIENCE)

    def test_syn_from_any_mac(self):
        """With Ethernet addresses that nobody has.  Each costs upcalls and
        megaflows, as always where a bridge learns."""
        self.switch.vsctl("set", "Open_vSwitch", ".",
                          "other_config:flow-limit=10000")
        moved = self.hold("syn", "-m", slower=10, grows=100 * MEGABYTE)
        self.assertGreater(moved["syn"], 5000 / PATIENCE)

    def test_ack(self):
        moved = self.hold("ack")
        self.assertGreater(moved["ack-drop"], 20000 / PATIENCE)

    def test_data(self):
        """Requests whose cookies are wrong."""
        moved = self.hold("data", "-p", "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertGreater(moved["drop-cookie"], 20000 / PATIENCE)

    def test_unfinished(self):
        """Requests whose cookies are right, and which do not end."""
        text = "GET / HTTP/1.1\r\nX: " + "x" * 1300
        before = self.switch.counters()["drop-evicted"]
        with Flood(self.lab, self.attacker, "request", "-p", text):
            wait_until(lambda: self.switch.counters()["drop-evicted"]
                       > before + 1000, "the oldest to be given up", 60)
        self.hold("request", "-p", text, grows=PENDING)

    def test_malformed(self):
        moved = self.hold("request", "-p", "x\n\n", grows=PENDING)
        self.assertGreater(moved["reject-400"], 5000 / PATIENCE)


class Table(FloodTests, LabTest):
    VARIANT = "placement=table"
    PLACEMENT = "table"


class Flow(FloodTests, LabTest):
    VARIANT = "placement=flow"
    PLACEMENT = "flow"


if __name__ == "__main__":
    tap.main()
