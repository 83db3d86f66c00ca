#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""placement=kernel: the switch's kernel forwards the packets of connections
that have moved, and does what ovs-vswitchd would do with them, at any time."""

import contextlib
import glob
import json
import os
import re
import socket
import time
from concurrent import futures

import rawtcp
import tap
from capture import ACK, Capture
from lab import MIGRATE_ADDRESS, SERVICE_ADDRESS
from labtest import KeptConnection, LabTest, wrk_requests
from load import Requests, put_content
from ovs import SWITCH_MAC
from workspace import PATIENCE, run, wait_until, wait_value

MEGABYTE = 1 << 20
RATE = 8 * MEGABYTE             # Bytes a second of a paced upload.
SO_MAX_PACING_RATE = 47
FEW = 20                        # Packets that take the usual way, in a
                                # transfer of thousands.
IDLE = 2                        # Seconds.
PRIORITY = "priority=40000"     # Above all others.
TCP = 34                        # Where its header begins in a frame.
REQUEST = b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n"


class KernelTest(LabTest):
    CLIENTS = 1
    SERVICE = {"placement": "kernel"}

    def connect(self, port=0):
        kept = KeptConnection(self.client, port)
        self.addCleanup(kept.close)
        kept.name = kept.request()
        return kept

    def line_of(self, port):
        """What migrate/connections has of a client's port."""
        return next((line for line in self.switch.all_connections()
                     if line["client"].endswith(f":{port}")), None)

    def forwarded(self, action):
        """How many packets the kernel, and how many the engine, sends on to
        hosts while action() runs."""
        before = self.switch.counters()
        action()
        after = self.switch.counters()
        kernel, both = (after[name] - before[name]
                        for name in ("kernel", "encapsulated"))
        return kernel, both - kernel

    def wait_forwarded(self, action):
        """Waits until the kernel forwards what action() makes clients
        send."""
        def is_forwarded():
            kernel, engine = self.forwarded(action)
            return kernel and not engine

        wait_until(is_forwarded, "the kernel to forward", interval=0.1)

    def wait_not_forwarded(self, action):
        """... or until it does so no more."""
        wait_until(lambda: not self.forwarded(action)[0],
                   "the kernel not to forward", interval=0.1)

    def placed(self, port=0):
        """A connection that the kernel forwards."""
        kept = self.connect(port)
        self.wait_forwarded(kept.request)
        self.assertEqual(self.line_of(kept.port)["placement"], "kernel")
        return kept

    def kernel_entries(self):
        """How many connections this switch has in the kernel."""
        for name in glob.glob(f"/proc/{self.switch.vswitchd.pid}/fdinfo/*"):
            with contextlib.suppress(FileNotFoundError), open(name) as file:
                text = file.read()
                # A hash table, of which there is no other.
                if re.search(r"^map_type:\s+1$", text, re.M):
                    id_ = re.search(r"^map_id:\s+(\d+)", text, re.M)[1]
                    return len(json.loads(run(["bpftool", "-j", "map", "dump",
                                               "id", id_])))
        raise AssertionError("ovs-vswitchd has no such map")

    def upload(self, kept, data):
        """Uploads 'data', which are to arrive as they are."""
        name = kept.ask("/upload", data).decode()
        with open(name, "rb") as file:
            self.assertEqual(file.read(), data)
        os.remove(name)

    @contextlib.contextmanager
    def uploading(self, kept, seconds):
        """In the background, for about so long if nothing is in the way."""
        kept.sock.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, RATE)
        data = os.urandom(int(seconds * RATE))
        with futures.ThreadPoolExecutor(1) as pool:
            future = pool.submit(self.upload, kept, data)
            yield future
            future.result(60 * PATIENCE)

    def arrived(self, kept):
        """Bytes of the client's that its host has."""
        text = self.lab.host(kept.name).run("ss", "-Htin",
                                            f"dport = :{kept.port}")
        return int(re.search(r"bytes_received:(\d+)", text)[1])

    def assert_goes_on(self, kept, seconds=10):
        """More arrives, by way of the kernel."""
        start = self.arrived(kept)
        kernel = self.switch.counters()["kernel"]
        wait_until(lambda: self.arrived(kept) - start > RATE / 8
                   and self.switch.counters()["kernel"] - kernel > 100,
                   "the upload to go on in the kernel", seconds)


class Kernel(KernelTest):
    CLIENTS = 2

    def n_packets(self, match):
        """Packets and bytes that the flows dumped by 'match' have counted."""
        text = self.switch.ofctl("dump-flows", self.switch.bridge, match)
        return [sum(map(int, re.findall(rf"{name}=(\d+)", text)))
                for name in ("n_packets", "n_bytes")]

    @contextlib.contextmanager
    def flow(self, match, actions, *options):
        """A flow, as long as the context lasts."""
        self.switch.add_flow(",".join([PRIORITY, match, *options,
                                       f"actions={actions}"]))
        try:
            yield
        finally:
            self.switch.ofctl("--strict", "del-flows", self.switch.bridge,
                              f"{PRIORITY},{match}")

    # What goes where.

    def test_bypasses_ovs_vswitchd(self):
        """Both ways, byte-exact."""
        kept = self.placed()
        data = os.urandom(20 * MEGABYTE)
        for host in self.lab.hosts:
            host.server.put("/big", data)
        for name, action in (
                ("up", lambda: self.upload(kept, data)),
                ("down", lambda: self.assertEqual(kept.ask("/big"), data))):
            with self.subTest(name):
                before = self.line_of(kept.port)
                kernel, engine = self.forwarded(action)
                self.assertGreater(kernel, 1000)
                self.assertLess(engine, FEW)
                after = self.line_of(kept.port)
                self.assertAlmostEqual(
                    int(after["packets"]) - int(before["packets"]),
                    kernel + engine, delta=FEW)
                if name == "up":
                    self.assertGreater(int(after["bytes"])
                                       - int(before["bytes"]), len(data))

    def test_packets(self):
        """What the host gets is what the engine would have sent."""
        kept = self.placed()
        host = self.lab.host(kept.name)
        flow_id = int(self.line_of(kept.port)["flow_id"], 0)
        with Capture(self.client, words=f"tcp src port {kept.port}",
                     inwards=False) as sent, \
                Capture(host, words="tcp", inwards=True) as received:
            kernel, engine = self.forwarded(
                lambda: [kept.request() for _ in range(20)])
            self.assertGreaterEqual(kernel, 20)
            self.assertEqual(engine, 0)
        sent = {bytes(p.data[TCP + 4:TCP + 16]): p for p in sent.packets()
                if p.payload}
        received = [p for p in received.packets()
                    if p.src == MIGRATE_ADDRESS and p.payload]
        self.assertEqual(len(received), 20)
        for theirs in received:
            ours = sent[bytes(theirs.data[TCP + 4:TCP + 16])]
            self.assertEqual(theirs.data[6:12].hex(":"), SWITCH_MAC)
            self.assertEqual((theirs.dst, theirs.flow_id, theirs.eth_len),
                             (host.address, flow_id, ours.eth_len))
            # Behind the addresses of IP, and between ports and checksum of
            # TCP, all is as it was: TOS, TTL, flags, options and data.
            for start, end in ((14, 24), (TCP + 4, TCP + 16),
                               (TCP + 18, None)):
                self.assertEqual(theirs.data[start:end], ours.data[start:end])
            self.assertEqual(rawtcp.checksum(theirs.data[14:TCP]), 0)
            self.assertEqual(tcp_sum(theirs.data), 0)

    def test_statistics(self):
        """OpenFlow flows count what the kernel forwards, once."""
        kept = self.placed()
        matches = (f"table=0,tcp,nw_dst={SERVICE_ADDRESS},tp_dst=80",
                   "table=1")
        before = [self.n_packets(match) for match in matches]
        data = os.urandom(5 * MEGABYTE)
        kernel, _ = self.forwarded(lambda: self.upload(kept, data))
        for match, (packets, size) in zip(matches, before):
            wait_until(lambda: self.n_packets(match)[0] - packets >= kernel,
                       f"{match} to count")
            now = self.n_packets(match)
            self.assertLess(now[0] - packets, 1.2 * kernel, match)
            self.assertGreater(now[1] - size, len(data), match)
            self.assertLess(now[1] - size, 1.2 * len(data), match)

    def test_idle_timeout(self):
        """Flows that the kernel alone has use of are in use."""
        kept = self.placed()
        # The datapath's own flows would be gone a second after their last
        # use.
        self.switch.vsctl("set", "Open_vSwitch", ".",
                          "other_config:max-idle=1000")
        self.addCleanup(self.switch.vsctl, "remove", "Open_vSwitch", ".",
                        "other_config", "max-idle")
        matches = (f"table=0,tcp,nw_src={self.client.address},"
                   f"nw_dst={SERVICE_ADDRESS},tp_dst=80",
                   f"table=1,tcp,nw_dst={self.lab.host(kept.name).address}")
        actions = "migrate(service=1,table=1)", "NORMAL"

        def left():
            text = "\n".join(self.switch.flows())
            return text.count("idle_timeout=")

        with self.flow(matches[0], actions[0], f"idle_timeout={IDLE}"), \
                self.flow(matches[1], actions[1], f"idle_timeout={IDLE}"):
            self.wait_forwarded(kept.request)

            def use():
                end = time.monotonic() + 2 * IDLE + 1
                while time.monotonic() < end:
                    kept.request()
                    time.sleep(0.1)

            kernel, engine = self.forwarded(use)
            self.assertGreater(kernel, 2 * IDLE)
            self.assertEqual(engine, 0)
            self.assertEqual(left(), 2)
            # Nor does the bridge forget where the client is.
            age = re.search(rf"{rawtcp.mac(self.client).hex(':')} +(\d+)",
                            self.switch.appctl("fdb/show",
                                               self.switch.bridge))
            self.assertLess(int(age[1]), 2 * IDLE)
            wait_until(lambda: not left(), "the idle flows to be gone", 15)
        self.wait_forwarded(kept.request)

    # What changes meanwhile.

    def test_drop(self):
        """A flow that drops does so at once, before the engine and behind it;
        without it the upload goes on."""
        for match in (f"table=0,tcp,nw_src={self.client.address}",
                      f"table=1,tcp,nw_src={MIGRATE_ADDRESS}"):
            kept = self.placed()
            with self.subTest(match), self.uploading(kept, 3) as upload:
                self.assert_goes_on(kept)
                with self.flow(match, "drop"):
                    start = self.arrived(kept)
                    # What is on its way may arrive.
                    wait_until(lambda: self.stands(kept), "the stop",
                               interval=0)
                    self.assertLess(self.arrived(kept) - start, RATE / 2)
                    wait_until(lambda: self.switch.is_met(match),
                               "the flow to drop")
                    self.assertTrue(self.stands(kept))
                    self.assertFalse(upload.done())
                self.assert_goes_on(kept)
            kept.close()

    def stands(self, kept):
        """Whether nothing arrives for a while."""
        start = self.arrived(kept)
        time.sleep(0.3)
        return self.arrived(kept) == start

    def test_mirror(self):
        """A mirror sees all of it, also of connections that were in the
        kernel before."""
        kept = self.placed()
        flow_id = int(self.line_of(kept.port)["flow_id"], 0)
        host = self.lab.host(kept.name)
        ports = kept.port << 16 | 80
        for select, seen in (
                (f"select_src_port=@{self.client.port}", {ports}),
                (f"select_dst_port=@{host.port}", {flow_id}),
                ("select_all=true", {ports})):      # Once is enough.
            with self.subTest(select), self.mirror(select):
                self.wait_not_forwarded(kept.request)
                with Capture(self.lab.clients[1], words="tcp",
                             inwards=True) as mirror:
                    kernel, _ = self.forwarded(
                        lambda: [kept.request() for _ in range(20)])
                self.assertEqual(kernel, 0)
                for flow in seen:
                    self.assertGreaterEqual(
                        len({p.seq for p in mirror.packets()
                             if p.flow_id == flow and p.payload}), 20)
            self.wait_forwarded(kept.request)

    @contextlib.contextmanager
    def mirror(self, select):
        """Copies to the second client's port."""
        out = self.lab.clients[1].port
        names = {self.client.port, *(host.port for host in self.lab.hosts),
                 out}
        self.switch.vsctl(
            *(word for name in names for word in
              ("--", f"--id=@{name}", "get", "port", name)),
            "--", "--id=@m", "create", "mirror", "name=m", select,
            f"output_port=@{out}", "--", "set", "bridge", self.switch.bridge,
            "mirrors=@m")
        # Open vSwitch 3.1.0 does not look at datapath flows anew by itself
        # when mirrors change.
        self.switch.appctl("revalidator/purge")
        try:
            yield
        finally:
            self.switch.vsctl("clear", "bridge", self.switch.bridge,
                              "mirrors")
            self.switch.appctl("revalidator/purge")

    def test_sampled(self):
        """What sFlow takes samples of does not pass it by."""
        kept = self.placed()
        self.switch.vsctl("--", "--id=@s", "create", "sflow", "agent=lo",
                          'targets="127.0.0.1:6343"', "sampling=10", "--",
                          "set", "bridge", self.switch.bridge, "sflow=@s")
        try:
            self.wait_not_forwarded(kept.request)
            self.assertEqual(self.forwarded(
                lambda: [kept.request() for _ in range(5)])[0], 0)
        finally:
            self.switch.vsctl("clear", "bridge", self.switch.bridge, "sflow")
        self.wait_forwarded(kept.request)

    def test_flows_that_look_closer(self):
        """What depends on fields that differ from packet to packet of a
        connection is not for the kernel."""
        kept = self.placed()
        for field in "nw_ttl=1", "nw_tos=32", "tcp_flags=+urg":
            match = f"table=0,tcp,nw_src={self.client.address},{field}"
            with self.subTest(field), self.flow(match, "drop"):
                self.wait_not_forwarded(kept.request)
                self.assertEqual(self.forwarded(
                    lambda: [kept.request() for _ in range(5)])[0], 0)
            # While it is in use, a datapath flow may look closer than it has
            # to.
            self.switch.appctl("revalidator/purge")
            self.wait_forwarded(kept.request)
        # But the kernel leaves SYNs alone.
        match = f"table=0,tcp,nw_src={self.client.address},tcp_flags=+syn"
        with self.flow(match, "drop"):
            self.switch.appctl("revalidator/purge")
            self.wait_forwarded(kept.request)

    def test_churn(self):
        """Requests of all kinds are served, each once, while the datapath's
        flows change all the time."""
        put_content(self.lab.hosts)
        match = f"table=1,tcp,nw_src={MIGRATE_ADDRESS}"
        with self.counted("kernel"), \
                Requests(self.client, self.lab.hosts, SERVICE_ADDRESS) \
                as requests:
            while len(requests.results) < 2000 and requests.thread.is_alive():
                # Other actions, then the same by another flow, then none.
                with self.flow(match, "dec_ttl,NORMAL"):
                    time.sleep(0.05)
                    with self.flow(match, "NORMAL"):
                        time.sleep(0.05)
                self.switch.appctl("revalidator/purge")
        requests.check(self)

    def test_ports_come_back(self):
        """Ports that are deleted and added again."""
        kept = self.placed()
        for port in self.client.port, self.lab.host(kept.name).port:
            self.switch.del_port(port)
            self.switch.add_port(port)
            self.assertEqual(kept.request(), kept.name)
            self.wait_forwarded(kept.request)

    def test_host_gets_another_address(self):
        """... of Ethernet."""
        kept = self.placed()
        host = self.lab.host(kept.name)
        host.run("ip", "link", "set", "eth0", "address", "02:00:00:00:77:01")
        start = time.monotonic()
        self.assertEqual(kept.request(), kept.name)
        self.assertLess(time.monotonic() - start, 10 * PATIENCE)
        self.wait_forwarded(kept.request)

    def test_more_before_the_action(self):
        """What else becomes of packets before they meet the action, such as
        connection tracking, becomes of all of them."""
        match = f"table=0,tcp,nw_src={self.client.address}"
        with self.flow(match, "ct(table=2)"), \
                self.flow("table=2,tcp", "migrate(service=1,table=1)"):
            kept = self.connect()
            self.wait_not_forwarded(kept.request)
            kernel, engine = self.forwarded(
                lambda: [kept.request() for _ in range(20)])
            self.assertEqual(kernel, 0)
            self.assertGreaterEqual(engine, 20)     # And some ACKs.
        self.wait_forwarded(kept.request)

    def test_killed(self):
        """Without ovs-vswitchd nothing is forwarded, and with a new one all
        is as it was."""
        kept = self.placed()
        self.switch.end(kill=True)
        with Capture(self.lab.host(kept.name), inwards=True) as capture:
            kept.sock.sendall(REQUEST)
            kept.sock.settimeout(1)
            with self.assertRaises(TimeoutError):
                kept.sock.recv(1)
        self.assertFalse([p for p in capture.packets()
                          if p.src == MIGRATE_ADDRESS])
        self.switch.begin()
        kept.sock.settimeout(30)
        answer = b""
        while not answer.endswith(f"{kept.name}\n".encode()):
            answer += kept.sock.recv(4096)
        self.wait_forwarded(kept.request)

    # Packets that are not like the others.

    def raw_client(self):
        client = rawtcp.Client(self.client, bytes.fromhex(
            SWITCH_MAC.replace(":", "")), self.lab.hosts)
        self.addCleanup(client.close)
        return client

    def raw_ask(self, raw):
        """A request, whose answer comes."""
        n = raw.received.count(b"HTTP/1.1 200")
        raw.deliver([(max(raw.acked, 0), REQUEST)])
        self.assertTrue(raw.wait(
            lambda: raw.received.count(b"HTTP/1.1 200") > n))

    def test_odd_packets(self):
        """Of a connection that is in the kernel: they take the usual way, and
        others do not mind."""
        client = self.raw_client()
        raw = client.connect((SERVICE_ADDRESS, 80))

        def send(change, data):
            """The next packet, changed."""
            client.sock.send(change(rawtcp.tcp_frame(
                client.mac, client.switch_mac, rawtcp.ADDRESS,
                SERVICE_ADDRESS, raw.port, 80, raw.isn + 1 + raw.acked,
                raw.ack, ACK, data)))

        def send_first(change):
            """It, and behind it what must go the usual way."""
            send(change, b"")
            self.client.run("ip", "neigh", "flush", "all")
            self.client.run("ping", "-c", 1, "-W", 5, self.host.address)

        def ask():
            self.raw_ask(raw)

        self.wait_forwarded(ask)
        self.assertEqual(self.forwarded(
            lambda: send_first(lambda frame: frame)), (1, 0))
        for name, change in (
                ("IP options", with_ip_options),
                ("first fragment", lambda f: with_fragment(f, 0x2000)),
                ("later fragment", lambda f: with_fragment(f, 0x0010)),
                ("priority tag", lambda f: with_tag(f, 5 << 13)),
                ("VLAN 7", lambda f: with_tag(f, 7)),
                ("two tags", lambda f: with_tag(with_tag(f, 7), 8)),
                ("other source", lambda f: f[:6] + b"\2\0\0\0\0\x99" + f[12:]),
                ("truncated", lambda f: f[:-8])):
            with self.subTest(name):
                self.assertEqual(
                    self.forwarded(lambda: send_first(change))[0], 0)
                # With data: the host takes them or not, and goes on.
                send(change, REQUEST[:5])
                ask()
                # The bridge may have learned something by that.
                self.wait_forwarded(ask)

    # The end.

    def test_new_connection_from_its_port(self):
        """... which another host may get."""
        kept = self.placed()
        names = {kept.name}
        for _ in range(3):
            kept.reset()
            kept = self.placed(kept.port)
            names.add(kept.name)
        self.assertEqual(names, {"h1", "h2"})

    def test_syn_from_its_port(self):
        """The same where the old one has not ended, for all the switch
        knows."""
        client = self.raw_client()
        raw = client.connect((SERVICE_ADDRESS, 80))
        for _ in range(3):
            self.wait_forwarded(lambda: self.raw_ask(raw))
            raw = rawtcp.Connection(client, raw.port, raw.address)
            raw.handshake()
            self.raw_ask(raw)

    def test_release(self):
        kept = self.placed()
        entries = self.kernel_entries()
        self.assertGreaterEqual(entries, 1)
        kept.close()
        wait_until(lambda: self.kernel_entries() == entries - 1,
                   "its entry to be gone")
        line = self.line_of(kept.port)
        if line:
            self.assertEqual((line["state"], line["placement"]),
                             ("linger", "table"))

    def test_many(self):
        """Thousands of connections that end leave nothing behind, and neither
        do hundreds at a time."""
        wait_until(lambda: not self.switch.connections(), "all to end", 40)
        for close in True, False:
            load = wrk_requests(self.client, self.lab.url("/name"), 5000,
                                connections=200, close=close)
            self.assertEqual(load.errors, 0, load.text)
        self.assertEqual(wait_value(self.kernel_entries, 0), 0)
        self.assertFalse([line for line in self.switch.all_connections()
                          if line["placement"] == "kernel"])


def tcp_sum(frame):
    """0 if the checksum of TCP in 'frame' is right."""
    length = int.from_bytes(frame[16:18], "big") - 20
    return rawtcp.checksum(frame[26:34] + b"\0\6" + length.to_bytes(2, "big")
                           + frame[TCP:TCP + length])


def with_ip_options(frame):
    """'frame', of IPv4 without options, with 4 bytes of NOPs."""
    ip = bytearray(frame[14:34] + b"\1\1\1\1")
    ip[0] = 0x46
    ip[2:4] = (int.from_bytes(ip[2:4], "big") + 4).to_bytes(2, "big")
    return frame[:14] + _summed(ip) + frame[34:]


def with_fragment(frame, word):
    """... with these flags and offset of a fragment."""
    ip = bytearray(frame[14:34])
    ip[6:8] = word.to_bytes(2, "big")
    return frame[:14] + _summed(ip) + frame[34:]


def _summed(ip):
    ip[10:12] = b"\0\0"
    ip[10:12] = rawtcp.checksum(bytes(ip)).to_bytes(2, "big")
    return bytes(ip)


def with_tag(frame, tci):
    """'frame' with an 802.1Q tag."""
    return frame[:12] + b"\x81\x00" + tci.to_bytes(2, "big") + frame[12:]


class Moves(KernelTest):
    """Machines get behind another switch while they upload.

        c1, h1, h2 --- sw (br0) === trunk === plain (br1)
    """

    HOSTS = 1

    @classmethod
    def configure(cls):
        super().configure()
        cls.plain = cls.lab.add_plain_switch()

    def test_host_then_client(self):
        kept = self.placed()
        with self.uploading(kept, 10):
            self.assert_goes_on(kept)
            self.lab.move(self.host, self.plain)
            self.assert_goes_on(kept, 20)
            self.lab.move(self.client, self.plain)
            # Both are behind the same port now.
            self.assert_goes_on(kept, 20)


class Without(KernelTest):
    """ovs-vswitchd may not do that."""

    @classmethod
    def configure(cls):
        cls.switch.vswitchd_prefix = ["setpriv", "--bounding-set",
                                      "-bpf,-sys_admin"]
        cls.switch.restart()
        super().configure()

    def test_table(self):
        """Connections are kept as with placement=table, and operators are
        told why."""
        kept = self.connect()
        for _ in range(20):
            kept.request()
        self.assertEqual(self.line_of(kept.port)["placement"], "table")
        self.assertEqual(self.switch.counters()["kernel"], 0)
        self.assertIn("CAP_BPF", self.switch.appctl("migrate/show"))


if __name__ == "__main__":
    tap.main()
