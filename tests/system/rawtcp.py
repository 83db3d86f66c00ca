# SPDX-License-Identifier: Apache-2.0
"""TCP segments made by hand, for clients that no kernel would be."""

import itertools
import random
import socket
import struct
import time

from capture import ACK, FIN, PSH, RST, SYN, parse

ADDRESS = "10.0.0.77"           # Of the clients here.  No machine has it, so
                                # that no kernel has a say.
_ports = itertools.count(30000)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def tcp_frame(eth_src, eth_dst, src, dst, sport, dport, seq, ack, flags,
              payload=b"", options=b"", window=65535):
    """An Ethernet frame with a TCP segment, its checksums right.  'options'
    are padded."""
    addresses = socket.inet_aton(src) + socket.inet_aton(dst)
    options += b"\0" * (-len(options) % 4)
    tcp = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xffffffff,
                      ack & 0xffffffff, (20 + len(options)) // 4 << 4, flags,
                      window, 0, 0) + options + payload
    pseudo = addresses + struct.pack(">HH", 6, len(tcp))
    tcp = tcp[:16] + struct.pack(">H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6,
                     0) + addresses
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    return eth_dst + eth_src + b"\x08\x00" + ip + tcp


def mac(node, interface="eth0"):
    words = node.run("ip", "-o", "link", "show", interface).split()
    return bytes.fromhex(words[words.index("link/ether") + 1].replace(":", ""))


class Client:
    """A machine of a lab as one whose TCP is here."""

    def __init__(self, node, switch_mac, hosts):
        self.node = node
        self.switch_mac = switch_mac
        self.mac = mac(node)
        for host in hosts:
            host.run("ip", "neigh", "replace", ADDRESS, "lladdr",
                     self.mac.hex(":"), "dev", "eth0")
        self.sock = node.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.sock.bind(("eth0", 0x800))

    def close(self):
        self.sock.close()

    def connect(self, address, **kwargs):
        """A Connection to 'address', (IP, port), after its handshake."""
        connection = Connection(self, next(_ports), address)
        connection.handshake(**kwargs)
        return connection


class Connection:
    """Offsets are those of the client's data, from 0."""

    def __init__(self, client, port, address):
        self.client = client
        self.port = port
        self.address = address
        self.isn = random.getrandbits(32)
        self.ack = 0            # Next byte of the server.
        self.acked = -1         # What the server has of ours.
        self.received = b""
        self.ended = False      # By the server's FIN...
        self.reset = False      # ... or RST.

    def send(self, flags, ofs=0, data=b"", options=b""):
        self.client.sock.send(tcp_frame(
            self.client.mac, self.client.switch_mac, ADDRESS,
            self.address[0], self.port, self.address[1], self.isn + 1 + ofs,
            self.ack if flags & ACK else 0, flags, data, options))

    def take(self, seconds):
        """Takes in the next packet of the connection that comes within so
        many seconds; returns it, or None."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.client.sock.settimeout(left)
            try:
                packet = parse(self.client.sock.recv(2000))
            except socket.timeout:
                break
            if packet and (packet.src, packet.sport, packet.dport) == (
                    *self.address, self.port) and packet.dst == ADDRESS:
                self._take(packet)
                return packet
        return None

    def _take(self, packet):
        if packet.flags & RST:
            self.reset = True
        if packet.flags & ACK:
            acked = (packet.ack - self.isn - 1) & 0xffffffff
            self.acked = max(self.acked, acked if acked < 1 << 31 else -1)
        if packet.flags & SYN:
            self.ack = packet.seq + 1
        elif packet.seq == self.ack & 0xffffffff and not self.ended:
            start = 34 + (packet.data[46] >> 4) * 4
            self.received += packet.data[start:start + packet.payload]
            self.ended = bool(packet.flags & FIN)
            self.ack += packet.payload + self.ended

    def wait(self, condition, seconds=5):
        """Takes packets in until condition(), and acknowledges data; returns
        whether it came true."""
        deadline = time.monotonic() + seconds
        while not condition():
            packet = self.take(deadline - time.monotonic())
            if not packet:
                return condition()
            if packet.payload or packet.flags & FIN:
                self.send(ACK, max(self.acked, 0))
        return True

    def handshake(self, flags=SYN, data=b"", options=b"\2\4\5\xb4",
                  last_ack=True):
        """With an MSS of 1460, unless 'options' has others."""
        self.send(flags, -1, data, options)
        self.syn_ack = self.take(2)
        if not self.syn_ack or self.syn_ack.flags & SYN == 0:
            raise TimeoutError("no SYN-ACK")
        if last_ack:
            self.send(ACK)

    def deliver(self, segments, fin=False, seconds=5):
        """Sends 'segments', pairs of offset and data, in this order, and
        those again that are not acknowledged, until all are."""
        end = max(ofs + len(data) for ofs, data in segments)
        deadline = time.monotonic() + seconds
        while self.acked < end and not self.reset:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.acked} of {end} bytes arrived")
            for ofs, data in segments:
                if ofs + len(data) > self.acked:
                    last = fin and ofs + len(data) == end
                    self.send(PSH | ACK | (FIN if last else 0), ofs, data)
            self.wait(lambda: self.acked >= end or self.reset, 0.25)

    def close(self):
        self.send(RST | ACK, max(self.acked, 0))
