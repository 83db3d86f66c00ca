#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ICMP and ICMPv6 to the service: errors of routers reach the host of the
connection, pings are answered; and fragments and IPv6 extension headers are
counted.

A client lives behind a path of 1280 bytes, which no end of it knows:

    far --1500-- r1 --1280-- r2 --1500-- the lab's switch
"""

import re
import socket

from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import (
    ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6, IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.layers.l2 import Ether

import tap
from capture import Capture, parse
from lab import SERVICE_ADDRESS, SERVICE_ADDRESS6
from labtest import LabTest, curl
from netns import Node, cable, offload
from ovs import SWITCH_MAC
from servers import nginx_of_both, random_file, sha256
from workspace import CommandError, wait_until

MTU = 1280
RTO = 0.2                       # Seconds: the least that Linux takes.
FAR = {4: "10.1.0.1", 6: "fd01::1"}
SERVICE = {4: SERVICE_ADDRESS, 6: SERVICE_ADDRESS6}


def is_too_big(frame):
    """Whether it says that a packet was too big."""
    if frame[12:14] == b"\x86\xdd":
        return frame[20] == 58 and frame[54] == 2
    return frame[23] == 1 and frame[34:36] == b"\x03\x04"


class IcmpTest(LabTest):
    FAMILIES = (4, 6)
    SERVER = staticmethod(nginx_of_both)


class NarrowPathTests:
    """Run by the classes below."""

    PLACEMENT = None
    CLIENTS = 1

    @classmethod
    def configure(cls):
        cls.lab.add_service(placement=cls.PLACEMENT)
        cls._lay_path()
        cls.sums = {random_file(host.server.root + "/big", 1 << 20)
                    for host in cls.lab.hosts}

    @classmethod
    def _lay_path(cls):
        names = "far", "r1", "r2"
        cls.far, r1, r2 = nodes = [Node.create(cls.lab.workspace, name)
                                   for name in names]
        cls.router = r2
        for node in nodes:
            node.enable_ipv6()
        for router in r1, r2:
            router.sysctl("net.ipv4.ip_forward", 1)
            router.sysctl("net.ipv6.conf.all.forwarding", 1)
            router.sysctl("net.ipv4.icmp_ratemask", 0)  # Tests are quick.
            router.sysctl("net.ipv6.icmp.ratelimit", 0)
        cable(cls.far, "eth0", r1, "far")
        cable(r1, "r2", r2, "r1", mtu=MTU)
        cable(cls.switch.node, "r2", r2, "eth0")
        offload(r2, "eth0", cls.TSO)
        for node, interface, address in (
                (cls.far, "eth0", "{1}.1/{n}"), (r1, "far", "{1}.254/{n}"),
                (r1, "r2", "{2}.1/{n}"), (r2, "r1", "{2}.2/{n}"),
                (r2, "eth0", "{0}.200/{n}")):
            cls._each_family(node, "addr", "add", address, "dev", interface)
        cls.switch.add_port("r2")
        cls._each_family(cls.far, "route", "add", "default", "via", "{1}.254")
        cls._each_family(r1, "route", "add", "{0}.0/{n}", "via", "{2}.2")
        for node, via in (r2, "{2}.1"), *((host, "{0}.200")
                                          for host in cls.lab.hosts):
            cls._each_family(node, "route", "add", "{1}.0/{n}", "via", via)

    @staticmethod
    def _each_family(node, what, *words):
        """An "ip" command for both; "{1}.254" is 10.1.0.254 and fd01::254."""
        for family, form, n in (-4, "10.{}.0", 24), (-6, "fd0{}:", 64):
            nets = [form.format(i) for i in range(3)]
            text = [word.format(*nets, n=n) for word in words]
            if family == -6:
                text = [re.sub(r"(fd0\d:)\.0/", r"\1:/",
                               word).replace(":.", "::") for word in text]
                if what == "addr":
                    text.append("nodad")
            node.run("ip", family, what, *text)

    def path_mtu(self, host, family):
        """What the kernel of 'host' knows about the way to the client."""
        match = re.search(r"\bmtu (\d+)", host.run(
            "ip", f"-{family}", "route", "get", FAR[family]))
        return int(match[1]) if match else None

    def setUp(self):
        super().setUp()
        for host in self.lab.hosts:
            host.run("ip", "route", "flush", "cache")
            host.run("ip", "-6", "route", "flush", "cache")

    def download(self, url):
        file = self.lab.workspace.path("down")
        answer = curl(self.far, url, "-o", file)
        self.assertIn(sha256(file), self.sums)
        return answer

    @staticmethod
    def pause(capture):
        """How long it took from the router's "too big" to data that are
        not."""
        told = None
        for when, length, frame in capture.frames():
            packet = parse(frame, when, length)
            if told is None and is_too_big(frame):
                told = when
            elif (told is not None and packet and packet.sport == 80
                  and packet.payload and packet.ip_len <= MTU):
                return when - told
        raise AssertionError("no answer to \"too big\"")

    def test_download(self):
        """The router's "too big" reaches the host that has sent what is, and
        the download goes on within a round trip: long before the host would
        send again of its own accord."""
        for family in 4, 6:
            with self.subTest(family), self.counted("icmp-error"):
                self.assertEqual({self.path_mtu(host, family)
                                  for host in self.lab.hosts}, {None})
                with Capture(self.router, words="ip or ip6") as capture:
                    answer = self.download(self.lab.url("/big",
                                                        SERVICE[family]))
                if not self.TSO:        # There packets are not cut yet.
                    self.assertLess(self.pause(capture), RTO / 2)
                connection = next(
                    c for c in self.switch.all_connections()
                    if c["client"].endswith(f":{answer.port}"))
                host = self.lab.host(connection["host"])
                self.assertEqual(self.path_mtu(host, family), MTU)
                others = [h for h in self.lab.hosts if h is not host]
                self.assertEqual({self.path_mtu(h, family) for h in others},
                                 {None})

    def test_plain(self):
        """To a host's own address the same works without the engine."""
        with self.counted() as counted:
            for family in 4, 6:
                address = self.host.address6 if family == 6 \
                    else self.host.address
                self.download(self.lab.url("/big", address))
                self.assertEqual(self.path_mtu(self.host, family), MTU)
        self.assertNotIn("icmp-error", counted.moved)

    def kept(self, family):
        """A connection with one small request answered, and the host that has
        it."""
        sock = self.far.connect((SERVICE[family], 80))
        self.addCleanup(sock.close)
        sock.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not re.search(rb"\r\n\r\nh\d\n$", answer):
            answer += sock.recv(4096)
        return sock, self.lab.host(answer.split()[-1].decode())

    def fetch_big(self, sock):
        """Its next request; returns the SHA-256 of the answer."""
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n"
                     b"Connection: close\r\n\r\n")
        answer = b""
        while data := sock.recv(1 << 16):
            answer += data
        file = self.lab.workspace.write("fetched", "")
        with open(file, "wb") as body:
            body.write(answer.partition(b"\r\n\r\n")[2])
        return sha256(file)


class NarrowTable(NarrowPathTests, IcmpTest):
    VARIANT = "placement=table tso=false"
    PLACEMENT = "table"

    def test_socket_knows(self):
        """"ss" shows what the connection itself has learned."""
        for family in 4, 6:
            with self.subTest(family):
                sock, host = self.kept(family)
                port = sock.getsockname()[1]
                words = ("ss", "-Htni", f"dport = :{port}")
                self.assertIn("pmtu:1500", host.run(*words))
                sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
                wait_until(lambda: f"pmtu:{MTU}" in host.run(*words),
                           "the socket to hear of it")


class NarrowTableTso(NarrowPathTests, IcmpTest):
    VARIANT = "placement=table tso=true"
    PLACEMENT = "table"
    TSO = True


class NarrowFlow(NarrowPathTests, IcmpTest):
    VARIANT = "placement=flow tso=false"
    PLACEMENT = "flow"

    def test_placed(self):
        """Errors find the connection also while a flow forwards its
        packets."""
        for family in 4, 6:
            with self.subTest(family):
                sock, host = self.kept(family)
                wait_until(lambda: f"tp_src={sock.getsockname()[1]},"
                           in "".join(self.switch.flows()), "a flow")
                self.assertIsNone(self.path_mtu(host, family))
                with self.counted("icmp-error"):
                    self.assertIn(self.fetch_big(sock), self.sums)
                self.assertEqual(self.path_mtu(host, family), MTU)


class Strangers(IcmpTest):
    """Frames that a client may make up."""

    CLIENTS = 1

    def setUp(self):
        super().setUp()
        self.raw = self.client.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.raw.bind(("eth0", 0))
        self.addCleanup(self.raw.close)
        self.ether = Ether(src=self._mac(), dst=SWITCH_MAC)
        self.ip = {4: IP(src=self.client.address, dst=SERVICE_ADDRESS),
                   6: IPv6(src=self.client.address6, dst=SERVICE_ADDRESS6)}

    def _mac(self):
        return re.search(r"link/ether (\S+)", self.client.run(
            "ip", "-o", "link", "show", "eth0"))[1]

    def tearDown(self):
        """Nobody suffers from any of it."""
        for address in SERVICE.values():
            self.assertEqual(curl(self.client, self.lab.url(
                "/name", address)).status, 200)
        super().tearDown()

    def assert_counted(self, name, packets):
        """Each of 'packets' moves the counter, and nothing else comes of
        it."""
        for packet in packets:
            before = self.switch.counters()[name]
            self.raw.send(bytes(self.ether / packet))
            wait_until(lambda: self.switch.counters()[name] == before + 1,
                       f"{name} to count {packet.summary()}")

    def test_ping(self):
        for family, address in SERVICE.items():
            for size in 0, 56, 1400:
                with self.subTest(family=family, size=size), \
                        self.counted("echo-reply"):
                    self.assertIn(" 0% packet loss", self.client.run(
                        "ping", f"-{family}", "-c", 3, "-i", 0.01, "-s", size,
                        "-W", 5, address))

    def test_ping_in_fragments(self):
        """Those are dropped and counted."""
        for family, address in SERVICE.items():
            with self.subTest(family), self.counted("drop-fragment"):
                with self.assertRaises(CommandError):
                    self.client.run("ping", f"-{family}", "-c", 1, "-s", 3000,
                                    "-W", 1, address)

    def quote(self, family, port):
        """The beginning of what the service might have sent."""
        ip = type(self.ip[family])(src=SERVICE[family],
                                   dst=self.ip[family].src)
        return ip / TCP(sport=80, dport=port, seq=1, flags="A") / (b"x" * 100)

    def too_big(self, family, port):
        quote = self.quote(family, port)
        return self.ip[family] / (
            ICMP(type=3, code=4, nexthopmtu=576) / bytes(quote)[:28]
            if family == 4 else ICMPv6PacketTooBig(mtu=1280) / quote)

    def test_errors_about_nothing(self):
        self.assert_counted("drop-icmp-unknown",
                            [self.too_big(family, 7) for family in (4, 6)])

    def test_errors_end_no_request(self):
        """... that the switch still reads."""
        for family, address in SERVICE.items():
            with self.subTest(family):
                sock = self.client.connect((address, 80))
                self.addCleanup(sock.close)
                sock.sendall(b"GET /name HTTP/1.1\r\n")
                port = sock.getsockname()[1]
                wait_until(lambda: self._state(port) == "gather", "a record")
                unreachable = self.ip[family] / (
                    ICMP(type=3, code=3) / bytes(self.quote(4, port))[:28]
                    if family == 4 else
                    ICMPv6PacketTooBig(type=1, code=4)
                    / self.quote(6, port))
                self.assert_counted("drop-icmp-unknown", [
                    unreachable, self.too_big(family, port)])
                sock.sendall(b"Host: x\r\n\r\n")
                self.assertIn(b"200 OK", sock.recv(4096))

    def _state(self, port):
        return next((c["state"] for c in self.switch.all_connections()
                     if c["client"].endswith(f":{port}")), None)

    def test_forged_error(self):
        """About a live connection it gets to the host, which does not believe
        it: its sequence number is none that is under way (RFC 5927)."""
        for family, address in SERVICE.items():
            with self.subTest(family):
                sock = self.client.connect((address, 80))
                self.addCleanup(sock.close)
                sock.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
                port = sock.getsockname()[1]
                host = self.lab.host(sock.recv(4096).split()[-1].decode())
                self.assert_counted("icmp-error", [self.too_big(family, port)])
                wait_until(lambda: self._dropped(host, family), "the host")
                sock.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"200 OK", sock.recv(4096))
                self.assertIn("pmtu:1500", host.run(
                    "ss", "-Htni", f"dport = :{port}"))

    @staticmethod
    def _dropped(host, family):
        """Whether 'host' has seen an ICMP error that is not in a window."""
        return re.search(r"TcpExtOutOfWindowIcmps\s+[1-9]", host.run(
            "nstat", "-asz", "TcpExtOutOfWindowIcmps"))

    def test_other_icmp(self):
        self.assert_counted("drop-icmp", [
            self.ip[4] / ICMP(type=5, gw="10.0.0.1") / self.quote(4, 7),
            self.ip[4] / ICMP(type=13),
            self.ip[6] / ICMPv6EchoRequest(code=1),
            IPv6(src="ff02::1", dst=SERVICE_ADDRESS6) / ICMPv6EchoRequest(),
            self.ip[4] / ICMP(type=3, code=4) / b"short",
            self.ip[4] / ICMP(type=3) / (IP(src=SERVICE_ADDRESS)
                                         / UDP(sport=80))])

    def test_fragments(self):
        """Of TCP: the engine counts them, if a flow leads them there.  To
        OVS they have no ports."""
        for family, match in (4, "ip,nw_dst"), (6, "ipv6,ipv6_dst"):
            self.switch.add_flow(f"priority=110,{match}={SERVICE[family]},"
                                 "nw_frag=yes,"
                                 "actions=migrate(control,table=1)")
        segment = TCP(sport=9, dport=80, flags="A", seq=1) / (b"x" * 2000)
        self.assert_counted("drop-fragment", [
            *fragment(self.ip[4] / segment, 1400),
            self.ip[6] / IPv6ExtHdrFragment(m=1, id=7) / bytes(segment)[:800],
            self.ip[6] / IPv6ExtHdrFragment(offset=100, id=7, nh=6)
            / bytes(segment)[800:1600],
            # An atomic one (RFC 6946).
            self.ip[6] / IPv6ExtHdrFragment(m=0, id=8)
            / TCP(sport=9, dport=80, flags="S")])

    def test_extension_headers(self):
        syn = TCP(sport=9, dport=80, flags="S")
        headers = [IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(),
                   IPv6ExtHdrRouting(),
                   IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt()]
        for _ in range(30):
            headers.append(IPv6ExtHdrDestOpt() / headers[-1])
        self.assert_counted("drop-extended", [
            self.ip[6] / header / syn for header in
            (*headers[:4], headers[10], headers[-1])])

    def test_ipv4_options(self):
        """They are skipped: such a client is served."""
        syn = IP(src=self.client.address, dst=SERVICE_ADDRESS,
                 options=[b"\1\1\1\0"]) / TCP(sport=9, dport=80, flags="S")
        self.assert_counted("syn", [syn])


if __name__ == "__main__":
    tap.main()
