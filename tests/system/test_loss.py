#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad cables: every request is answered or refused within its time, byte for
byte, and none runs twice."""

import threading
import time

import tap
from lab import SERVICE_ADDRESS
from labtest import LabTest
from load import Requests, put_content

ALONE = True                    # It measures times.
REQUESTS = 2700                 # On 2,000 connections.
DECIDED_WITHIN = 1.3            # Seconds: MIGRATE_DEADLINE, and the time that
                                # it takes us to look.


class Watch:
    """Looks all the time for connections that no host has taken for too
    long.  A context manager; afterwards the longest time is in 'longest'."""

    def __init__(self, switch):
        self.switch = switch
        self.longest = 0.0
        self.error = None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.thread.join()
        if self.error:
            raise self.error

    def _run(self):
        since = {}
        try:
            while not self.ended.wait(0.1):
                now = time.monotonic()
                offered = {c["client"] for c in self.switch.connections()
                           if c["state"] in ("offered", "decided")}
                since = {client: since.get(client, now) for client in offered}
                self.longest = max([self.longest] + [
                    now - first for first in since.values()])
        except Exception as error:          # For __exit__().
            self.error = error


class LossTests:
    """Run by the classes below."""

    CLIENTS = 1
    BAD_CABLES = "h1", "h2"
    # TCP itself takes minutes now and then if a fifth of everything is lost,
    # so what a host sends to clients arrives.  An upload may take minutes even
    # so, half a one in one of some 30 runs: its sender waits twice as long for
    # each segment in a row that is lost.
    FAULTS = {"lost": 20, "doubled": 5, "delayed": 5, "corrupted": 5,
              "spare_replies": True}
    PLACEMENT = None
    SECONDS = 450

    @classmethod
    def configure(cls):
        cls.lab.add_service(placement=cls.PLACEMENT)
        put_content(cls.lab.hosts)

    def _machines(self):
        return [m for m in self.lab.hosts + self.lab.clients if m.cable]

    def test_requests(self):
        self.lab.proof_plain()              # All know each other's address:
        for machine in self._machines():    # ARP repeats after a second only.
            machine.cable.faults(**self.FAULTS)
        with self.counted("bundle-retransmit"), Watch(self.switch) as watch, \
                Requests(self.client, self.lab.hosts, SERVICE_ADDRESS,
                         parallel=200, deadline=300) as requests:
            requests.wait(REQUESTS)
        for machine in self._machines():
            happened = machine.cable.faults()
            for fault, percent in self.FAULTS.items():
                if fault in happened and percent:
                    self.assertGreater(happened[fault], 0, machine.name)
        print(f"# {requests.summary()}; decided within {watch.longest:.1f} s")
        requests.check(self, (200, 503))
        self.assertGreater(requests.outcomes()[200], REQUESTS * 0.99)
        self.assertLess(watch.longest, DECIDED_WITHIN)


class Table(LossTests, LabTest):
    VARIANT = "placement=table"
    PLACEMENT = "table"


class FlowTso(LossTests, LabTest):
    # With unfinished checksums nothing can be corrupted.
    VARIANT = "placement=flow tso=true"
    PLACEMENT = "flow"
    TSO = True
    FAULTS = {**LossTests.FAULTS, "corrupted": 0}


class Client(LossTests, LabTest):
    """All cables are bad, for everything.  None corrupts: of frames that two
    of them corrupt, some have a right checksum again."""

    VARIANT = "all cables"
    BAD_CABLES = "c1", "h1", "h2"
    FAULTS = {"lost": 5, "doubled": 2, "delayed": 10}


class ClientFlowTso(Client):
    VARIANT = "all cables placement=flow tso=true"
    PLACEMENT = "flow"
    TSO = True


if __name__ == "__main__":
    tap.main()
