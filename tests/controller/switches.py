# SPDX-License-Identifier: Apache-2.0
"""Switches without an engine and without root: the patched Open vSwitch with
its dummy datapath.  Their ports are connected by sockets instead of cables.
"""

import contextlib
import json
import os
import re
import signal
import socket
import threading
import time

from controllers import TOOLS, Controller, ControllerTest
from workspace import run, wait_until


class Switch:
    """An ovsdb-server and an ovs-vswitchd with the bridge br0."""

    def __init__(self, workspace, name, dpid):
        self.workspace = workspace
        self.name = name
        self.dpid = f"{dpid:016x}"
        self.mac = f"02:00:00:00:{dpid >> 8:02x}:{dpid & 255:02x}"
        self.dir = workspace.mkdir(name)
        self.db = f"unix:{self.dir}/db.sock"
        self.openflow = f"unix:{self.dir}/br0.mgmt"
        self.environment = {
            **os.environ, "OVS_RUNDIR": self.dir, "OVS_LOGDIR": self.dir,
            "OVS_DBDIR": self.dir, "OVS_SYSCONFDIR": self.dir,
            "OVS_PKGDATADIR": os.path.dirname(TOOLS.schema)}
        run(["ovsdb-tool", "create", f"{self.dir}/conf.db", TOOLS.schema])
        self.start_db()
        self.vsctl("--no-wait", "init")
        self.start_vswitchd()
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0",
                   "datapath_type=netdev",
                   f"other-config:datapath-id={self.dpid}",
                   f"other-config:hwaddr={self.mac}", "fail_mode=secure")

    def start_db(self):
        self.db_server = self._start(
            "ovsdb-server", f"--remote=p{self.db}",
            f"--unixctl={self.dir}/ovsdb-server.ctl", f"{self.dir}/conf.db")
        wait_until(lambda: os.path.exists(f"{self.dir}/db.sock"),
                   "ovsdb-server to listen")

    def start_vswitchd(self):
        self.vswitchd = self._start(
            "ovs-vswitchd", "--enable-dummy=override", "--disable-system",
            f"--unixctl={self.dir}/ovs-vswitchd.ctl", self.db)
        wait_until(lambda: os.path.exists(f"{self.dir}/ovs-vswitchd.ctl"),
                   "ovs-vswitchd to listen")
        self.vsctl("set", "Open_vSwitch", ".",
                   f"external_ids:started={self.vswitchd.pid}")

    def _start(self, program, *args):
        return self.workspace.start(f"{self.name}-{program}",
                                    [TOOLS.find(program), "-vconsole:warn",
                                     *args], env=self.environment)

    def kill(self):
        """ovs-vswitchd, without a warning."""
        self.vswitchd.send(signal.SIGKILL)
        self.vswitchd.wait()
        os.remove(f"{self.dir}/ovs-vswitchd.ctl")

    def run(self, program, *args):
        return run([TOOLS.find(program), *args], env=self.environment)

    def vsctl(self, *args):
        return self.run("ovs-vsctl", f"--db={self.db}", "--retry",
                        "--timeout=10", *args)

    def ofctl(self, *args):
        return self.run("ovs-ofctl", "-OOpenFlow15", *args)

    def appctl(self, *args):
        return self.run("ovs-appctl", "--timeout=10",
                        f"--target={self.dir}/ovs-vswitchd.ctl", *args)

    def add_port(self, name, *options):
        self.vsctl("add-port", "br0", name, "--", "set", "interface", name,
                   "type=dummy", *(f"options:{o}" for o in options))

    def port(self, name):
        """The number of a port."""
        return int(self.vsctl("get", "interface", name, "ofport"))

    def receive(self, port, packet):
        """Has a packet, in the syntax of flows, come in at a port."""
        self.appctl("netdev-dummy/receive", port, packet)

    def set_up(self, port, up):
        self.appctl("netdev-dummy/set-admin-state", port,
                    "up" if up else "down")

    def flows(self, *match):
        """Flows without statistics, sorted."""
        text = self.ofctl("--no-stats", "dump-flows", "br0", *match)
        return sorted(line.strip() for line in text.splitlines()
                      if "actions=" in line)

    def groups(self):
        text = self.ofctl("dump-groups", "br0")
        return sorted(line.strip() for line in text.splitlines()
                      if "group_id=" in line)

    def ages(self):
        """How old the youngest flow is, in seconds, and the number of
        flows."""
        text = self.ofctl("dump-flows", "br0")
        ages = [float(age) for age in re.findall(r"duration=([\d.]+)s", text)]
        return min(ages, default=0), len(ages)

    def bridge(self, column):
        return self.vsctl("get", "bridge", "br0", column).strip()

    def table(self, table, *columns):
        """The rows of a table of the database, as dicts, sorted."""
        text = self.run("ovsdb-client", "--format=json", "--data=json",
                        "dump", self.db, "Open_vSwitch", table, *columns)
        result = json.loads(text)
        return sorted((dict(zip(result["headings"], row))
                       for row in result["data"]), key=str)

    def trace(self, port, packet):
        """Where a packet that comes in at a port goes: the datapath's
        actions."""
        text = self.appctl("ofproto/trace", "br0", f"in_port={port},{packet}")
        return re.findall(r"^Datapath actions: (.*)", text, re.M)[-1]


def connect(a, a_port, b, b_port):
    """Lays a cable between two switches."""
    path = a.workspace.path(f"{a.name}-{a_port}.sock")
    a.add_port(a_port, f"pstream=punix:{path}")
    b.add_port(b_port, f"stream=unix:{path}")


class SlowRelay:
    """Listens at the socket 'path', and connects who comes to the one at 'to'.
    What that sends goes on only 'seconds' after it has begun to."""

    def __init__(self, path, to, seconds):
        self.path, self.to, self.seconds = path, to, seconds
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.to)
            for args in ((client, server, 0), (server, client, self.seconds)):
                threading.Thread(target=self._forward, args=args,
                                 daemon=True).start()

    @staticmethod
    def _forward(source, destination, seconds):
        try:
            data = source.recv(65536)
            time.sleep(seconds)
            while data:
                destination.sendall(data)
                data = source.recv(65536)
        except OSError:
            pass
        for sock in source, destination:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class SwitchesTest(ControllerTest):
    """A controller, and what its REST interface is needed for."""

    def setUp(self):
        super().setUp()
        self.controller = Controller(self.workspace)
        self.controller.wait_active()
        self.client = self.controller.client()

    def put(self, path, **body):
        response = self.client("PUT", f"/v1/{path}", body)
        self.assertIn(response.status, (200, 201), response)

    def get(self, path):
        response = self.client("GET", f"/v1/{path}")
        self.assertEqual(response.status, 200, response)
        return response.json

    def add_switch(self, switch, **body):
        self.put(f"switches/{switch.name}", dpid=switch.dpid, ovsdb=switch.db,
                 openflow=switch.openflow, **body)

    def wait_synced(self, *switches, seconds=10):
        """Until switches have what the database has."""
        for switch in switches:
            wait_until(lambda: self.is_synced(switch),
                       f"{switch.name} to be programmed", seconds)

    def is_synced(self, switch):
        return (self.get(f"switches/{switch.name}")["cur_cfg"]
                >= self.get("fabric")["next_cfg"])
