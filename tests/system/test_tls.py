#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""protocol=tls: the host is chosen by SNI and ALPN, without any key, and TLS
itself is between client and server."""

import socket
import ssl
import struct
import time

import tap
from capture import Capture
from lab import SERVICE_ADDRESS
from labtest import LabTest
from ovs import Pool, Rule
from servers import NginxTls, random_file, sha256
from workspace import wait_until

HOSTS = {"a.example": "h1", "www.b.example": "h2"}
RECORD_HEADER = 5               # Bytes...
LONGEST = 16384                 # ...and of the longest ClientHello.


class Tls(LabTest):
    CLIENTS = 1
    SERVER = NginxTls
    SERVICE = {
        "protocol": "tls",
        "port": 443,
        "other_config": {"request-timeout": 1},
        "pools": {"all": Pool(["h1", "h2"]), "h1": Pool(["h1"]),
                  "h2": Pool(["h2"]), "nobody": Pool(["h1"],
                                                     weights={"h1": 0})},
        "rules": [Rule(30, {"sni": "a.example"}, "h1"),
                  Rule(20, {"sni": "*.b.example"}, "h2"),
                  Rule(10, {"sni": "c.example", "alpn": "h2"}, "h2"),
                  Rule(5, {"sni": "c.example"}, "h1"),
                  Rule(1, {"sni": "nobody.example"}, "nobody")],
    }

    def _curl(self, name, *args, path="/name"):
        """A request to 'name', whose certificate must be right."""
        return self.client.run(
            "curl", "-sS", "-m", "20", "--cacert",
            f"{self.host.server.certificates}/{name}.crt", "--resolve",
            f"{name}:443:{SERVICE_ADDRESS}", *args, f"https://{name}{path}")

    def test_by_sni(self):
        for name, host in HOSTS.items():
            for _ in range(3):
                self.assertEqual(self._curl(name).strip(), host)
        peer = wait_until(self.lab.host("h1").server.clients,
                          "an access log")[-1]
        self.assertEqual(peer.split(":")[0], self.client.address)

    def test_by_alpn(self):
        self.assertEqual(self._curl("c.example", "--http2").strip(), "h2")
        self.assertEqual(self._curl("c.example", "--http1.1").strip(), "h1")

    def test_s_client(self):
        """OpenSSL's own client, with and without a name, in TLS 1.2 and
        1.3."""
        for version in "-tls1_2", "-tls1_3":
            for args, subject in ((["-servername", "a.example"], "a.example"),
                                  (["-noservername"], "default")):
                with self.subTest((version, subject)):
                    text = self.client.run(
                        "openssl", "s_client", "-connect",
                        f"{SERVICE_ADDRESS}:443", version, *args)
                    self.assertIn(f"subject=CN = {subject}", text)

    def test_no_sni_goes_to_the_default_pool(self):
        hosts = {self.client.run(
            "curl", "-sSk", "-m", "10",
            f"https://{SERVICE_ADDRESS}/name").strip() for _ in range(4)}
        self.assertEqual(hosts, {"h1", "h2"})

    def test_big_file(self):
        sum_ = random_file(self.lab.host("h1").server.root + "/big", 10 << 20)
        file = self.lab.workspace.path("down")
        self._curl("a.example", "-o", file, path="/big")
        self.assertEqual(sha256(file), sum_)

    # ClientHellos that no client at hand would send.

    def _context(self, name, hello_len=0, more=()):
        """For a client whose ClientHello has about so many bytes, and says
        that it speaks 'more' besides."""
        context = ssl.create_default_context(
            cafile=f"{self.host.server.certificates}/{name}.crt")
        protocols = ["http/1.1"]
        while sum(map(len, protocols)) < hello_len:
            protocols.insert(0, f"{len(protocols):03}".ljust(250, "x"))
        context.set_alpn_protocols([*more, *protocols])
        return context

    def _hello_len(self, context, name):
        """The length of its ClientHello."""
        outgoing = ssl.MemoryBIO()
        tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        return outgoing.pending - RECORD_HEADER

    def _longest(self, name):
        """For a client whose ClientHello is as long as one may be."""
        base, more = 15000, []
        room = LONGEST - self._hello_len(self._context(name, base), name)
        while room > 256:
            more.append("x" * 254)
            room -= 255
        context = self._context(name, base, [*more, "x" * (room - 1)])
        self.assertEqual(self._hello_len(context, name), LONGEST)
        return context

    def _get(self, tls):
        tls.sendall(b"GET /name HTTP/1.0\r\n\r\n")
        answer = b""
        while chunk := tls.recv(4096):
            answer += chunk
        return answer.partition(b"\r\n\r\n")[2].strip().decode()

    def test_long_hellos(self):
        """As long as post-quantum key shares make them, and longer: in two
        segments at least."""
        for hello_len in 1600, 4000, 15000:
            for name, host in HOSTS.items():
                with self.subTest((hello_len, name)):
                    with Capture(self.client, words="tcp dst port 443",
                                 inwards=False) as capture:
                        sock = self.client.connect((SERVICE_ADDRESS, 443))
                        with self._context(name, hello_len).wrap_socket(
                                sock, server_hostname=name) as tls:
                            self.assertEqual(self._get(tls), host)
                    sent = [p.payload for p in capture.packets() if p.payload]
                    self.assertLessEqual(max(sent), 1460)
                    self.assertGreater(sum(sent), hello_len)

    def test_longest_hello(self):
        for name, host in HOSTS.items():
            sock = self.client.connect((SERVICE_ADDRESS, 443))
            with self._longest(name).wrap_socket(
                    sock, server_hostname=name) as tls:
                self.assertEqual(self._get(tls), host)

    def _handshake(self, name, hello_len, send_hello):
        """A handshake whose ClientHello 'send_hello' sends; then a
        request."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context(name, hello_len).wrap_bio(
            incoming, outgoing, server_hostname=name)
        sock = self.client.connect((SERVICE_ADDRESS, 443))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def step(function, *args):
            """Does what it takes to get through 'function'."""
            while True:
                try:
                    result = function(*args)
                except ssl.SSLWantReadError:
                    result = None
                if outgoing.pending:
                    sock.sendall(outgoing.read())
                if result is not None:
                    return result
                incoming.write(sock.recv(65536))

        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        send_hello(sock, outgoing.read())
        with sock:
            step(lambda: tls.do_handshake() or True)
            step(tls.write, b"GET /name HTTP/1.0\r\n\r\n")
            answer = b""
            while b"\r\n\r\nh" not in answer:
                answer += step(tls.read, 4096)
        return answer.partition(b"\r\n\r\n")[2].strip().decode()

    @staticmethod
    def _records(hello, size):
        """The ClientHello of one record, in records of 'size' bytes."""
        pieces = [hello[i:i + size] for i in range(5, len(hello), size)]
        return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(piece))
                        + piece for piece in pieces)

    def test_many_records(self):
        for size in 7, 100, 1000:
            for name, host in HOSTS.items():
                with self.subTest((size, name)):
                    self.assertEqual(self._handshake(
                        name, 1600, lambda sock, hello: sock.sendall(
                            self._records(hello, size))), host)

    def test_byte_by_byte(self):
        def trickle(sock, hello):
            for i in range(len(hello)):
                sock.sendall(hello[i:i + 1])
                time.sleep(0.0005)

        for name, host in HOSTS.items():
            self.assertEqual(self._handshake(name, 0, trickle), host)

    # What goes wrong.

    def _exchange(self, data):
        with self.client.connect((SERVICE_ADDRESS, 443), 5) as sock:
            sock.sendall(data)
            answer = b""
            while chunk := sock.recv(4096):
                answer += chunk
        return answer

    def test_malformed_is_told_by_an_alert(self):
        for data, description in (
                (b"GET / HTTP/1.1\r\n\r\n", 10),        # unexpected_message
                (b"\x16\x03\x01\0\4\2\0\0\0", 10),
                (b"\x16\x03\x01\0\4\1\0\0\0", 50),      # decode_error
                (b"\x16\x03\x01\0\4\1\xff\xff\xff", 50)):
            with self.subTest(data):
                alert = struct.pack(">BHHBB", 21, 0x0301, 2, 2, description)
                self.assertEqual(self._exchange(data), alert)

    def test_half_a_hello_is_reset(self):
        with self.counted("reject-408"):
            start = time.monotonic()
            with self.assertRaises(ConnectionResetError):
                self._exchange(b"\x16\x03\x01\1\0\1\0\0\xfc\3\3")
            self.assertLess(time.monotonic() - start, 3)

    def test_no_host_is_reset(self):
        with self.counted("reject-503"):
            sock = self.client.connect((SERVICE_ADDRESS, 443))
            with self.assertRaises(ConnectionResetError):
                self._context("a.example").wrap_socket(
                    sock, server_hostname="nobody.example")


if __name__ == "__main__":
    tap.main()
