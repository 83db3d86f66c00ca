#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""protocol=h2c: HTTP/2 with prior knowledge, the host chosen by the first
request."""

import struct
import time

import tap
from lab import SERVICE_ADDRESS
from labtest import LabTest, curl
from ovs import Pool, Rule
from servers import NginxH2, random_file, sha256
from workspace import wait_until

ALONE = True                    # It measures times.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS, PING, GOAWAY, CONTINUATION = 4, 1, 6, 7, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return (struct.pack(">I", len(payload))[1:]
            + struct.pack(">BBI", kind, flags, stream) + payload)


def request(path):
    """The header block of a GET, without compression worth the name."""
    return (b"\x82\x86\x04" + bytes([len(path)]) + path.encode()
            + b"\x01\x04test")                  # :authority


class H2c(LabTest):
    CLIENTS = 1
    SERVER = NginxH2
    SERVICE = {
        "protocol": "h2c",
        "other_config": {"request-timeout": 1},
        "pools": {"all": Pool(["h1", "h2"]), "h1": Pool(["h1"]),
                  "h2": Pool(["h2"]), "nobody": Pool(["h1"],
                                                     weights={"h1": 0})},
        "rules": [Rule(50, {"path-prefix": "/nobody"}, "nobody"),
                  Rule(40, {"method": "DELETE"}, "h1"),
                  Rule(30, {"header.cookie": "*group=b*"}, "h2"),
                  Rule(20, {"host": "*.one.example"}, "h1"),
                  Rule(10, {"path-prefix": "/two/"}, "h2")],
    }

    def _curl(self, path, *args):
        return curl(self.client, self.lab.url(path),
                    "--http2-prior-knowledge", *args)

    def _logged(self):
        return {host.name: len(host.server.access_log())
                for host in self.lab.hosts}

    def _served_by(self, before):
        """Names of the hosts that have logged requests since _logged()."""
        return [name for name, n in self._logged().items()
                if n > before[name]]

    def test_by_what_the_request_says(self):
        for host, path, args in (
                ("h1", "/name", ["-H", "Host: www.One.example:80"]),
                ("h2", "/two/name", []),
                ("h1", "/two/name", ["-X", "DELETE"]),
                ("h2", "/name", ["-H", "Cookie: x=1; group=b"])):
            for _ in range(3):
                with self.subTest((host, path, args)):
                    before = self._logged()
                    answer = self._curl(path, *args)
                    wait_until(lambda: self._served_by(before), "a log")
                    self.assertEqual(self._served_by(before), [host])
        self.lab.host("h2").server.wait_client(
            f"{self.client.address}:{answer.port}")

    def test_default_pool(self):
        self.assertEqual({self._curl("/name").body for _ in range(4)},
                         {"h1\n", "h2\n"})

    def test_nghttp(self):
        """nghttp2's own client, which sends PRIORITY frames first."""
        text = self.client.run("nghttp", "-v", "-H",
                               ":authority: www.one.example",
                               self.lab.url("/name"))
        self.assertIn(":status: 200", text)
        self.assertIn("\nh1\n", text)
        self.assertLess(text.index("PRIORITY frame"),
                        text.index("HEADERS frame"))

    def test_many_streams(self):
        text = self.client.run("h2load", "-n", 2000, "-c", 20, "-m", 10,
                               self.lab.url("/name"))
        self.assertIn("2000 succeeded, 0 failed, 0 errored, 0 timeout", text)

    def test_transfers(self):
        file = self.lab.workspace.path("file")
        for host in self.lab.hosts:
            random_file(host.server.root + "/big", 5 << 20)
        self._curl("/big", "-o", file)
        self.assertIn(sha256(file), {sha256(host.server.root + "/big")
                                     for host in self.lab.hosts})
        sum_ = random_file(file, 5 << 20)
        # Not by curl: some of its uploads to nginx itself are a 400.
        answer = self.client.run("nghttp", "-H", ":method: POST", "-d", file,
                                 self.lab.url("/upload"))
        self.assertEqual(sha256(answer.strip()), sum_)

    # Clients made by hand.

    def _connect(self):
        sock = self.client.connect((SERVICE_ADDRESS, 80), 5)
        self.addCleanup(sock.close)
        return sock

    def _frames(self, sock):
        """The frames that come, each (kind, flags, stream, payload)."""
        data = b""
        while True:
            while (len(data) < 9
                   or len(data) < 9 + int.from_bytes(data[:3], "big")):
                chunk = sock.recv(65536)
                if not chunk:
                    return
                data += chunk
            length = int.from_bytes(data[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", data[3:9])
            yield kind, flags, stream, data[9:9 + length]
            data = data[9 + length:]

    def _assert_served(self, sock, host=None):
        for kind, _, stream, payload in self._frames(sock):
            if kind == 0 and stream == 1:
                self.assertIn(payload, [f"{host}\n".encode()] if host
                              else [b"h1\n", b"h2\n"])
                return
        self.fail("no response")

    def test_byte_by_byte(self):
        sock = self._connect()
        data = (PREFACE + frame(SETTINGS, 0, 0)
                + frame(HEADERS, END_STREAM | END_HEADERS, 1,
                        request("/two/../name")))
        for i in range(len(data)):
            sock.sendall(data[i:i + 1])
            time.sleep(0.001)
        self._assert_served(sock, "h2")

    def test_continuation(self):
        block = request("/two/../name")
        sock = self._connect()
        sock.sendall(PREFACE + frame(SETTINGS, 0, 0)
                     + frame(PING, 0, 0, b"12345678")
                     + frame(HEADERS, END_STREAM, 1, block[:4])
                     + frame(CONTINUATION, 0, 1, block[4:6])
                     + frame(CONTINUATION, END_HEADERS, 1, block[6:]))
        self._assert_served(sock, "h2")

    def test_client_that_waits(self):
        """It gets the server's SETTINGS, though it has sent no request."""
        sock = self._connect()
        start = time.monotonic()
        with self.counted("unread"):
            sock.sendall(PREFACE + frame(SETTINGS, 0, 0))
            frames = self._frames(sock)
            self.assertEqual(next(frames)[0], SETTINGS)
        self.assertGreaterEqual(time.monotonic() - start, 0.2)
        self.assertLess(time.monotonic() - start, 0.5)
        sock.sendall(frame(SETTINGS, 1, 0)
                     + frame(HEADERS, END_STREAM | END_HEADERS, 1,
                             request("/name")))
        self._assert_served(sock)

    # What goes wrong.

    def _assert_goaway(self, data, error):
        sock = self._connect()
        sock.sendall(data)
        frames = list(self._frames(sock))
        self.assertEqual(frames[0][0], SETTINGS)
        self.assertEqual(frames[-1][0], GOAWAY)
        self.assertEqual(struct.unpack(">I", frames[-1][3][4:8])[0], error)
        return frames

    def test_malformed_is_told_by_goaway(self):
        start = PREFACE + frame(SETTINGS, 0, 0)
        with self.counted("reject-400"):
            self._assert_goaway(start + frame(HEADERS, END_HEADERS, 2), 1)
        self._assert_goaway(start + frame(HEADERS, END_HEADERS, 1, b"\xff"),
                            1)

    def test_bad_request_is_a_400(self):
        frames = self._assert_goaway(
            PREFACE + frame(SETTINGS, 0, 0)
            + frame(HEADERS, END_HEADERS, 1, b"\x82\x86"), 1)
        self.assertEqual(frames[1], (HEADERS, END_STREAM | END_HEADERS, 1,
                                     b"\x08\x03400"))

    def test_too_large_is_a_431(self):
        text = self.client.run("nghttp", "-v", "--continuation",
                               self.lab.url("/name"), check=False)
        self.assertIn("ENHANCE_YOUR_CALM", text)

    def test_half_a_request_times_out(self):
        with self.counted("reject-408"):
            self._assert_goaway(PREFACE + frame(SETTINGS, 0, 0) + b"\0\0", 0)

    def test_no_host_is_a_503(self):
        with self.counted("reject-503"):
            self.assertEqual(self._curl("/nobody").status, 503)

    def test_http1_is_reset(self):
        sock = self._connect()
        with self.assertRaises(ConnectionResetError):
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            sock.recv(100)


if __name__ == "__main__":
    tap.main()
