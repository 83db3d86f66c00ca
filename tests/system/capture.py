# SPDX-License-Identifier: Apache-2.0
"""What went over a cable: tcpdump, and its files read into Python."""

import dataclasses
import os
import socket
import struct
import time

from workspace import wait_until


@dataclasses.dataclass
class Packet:
    """A packet with TCP or UDP in it."""

    when: float             # Seconds.
    eth_len: int            # Bytes of the frame.
    src: str
    dst: str
    proto: int
    df: bool                # Not to be fragmented; in IPv6 always.
    ip_len: int             # Bytes.
    sport: int
    dport: int
    seq: int = 0            # TCP only, from here on.
    ack: int = 0
    flags: int = 0
    payload: int = 0        # Bytes.
    mss: int = None
    data: bytes = b""       # The frame, as much of it as was captured.

    @property
    def flow_id(self):
        return self.sport << 16 | self.dport


FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def parse(frame, when=0.0, eth_len=None):
    """The Packet in an Ethernet frame, or None if it has another kind."""
    if len(frame) >= 42 and frame[12:14] == b"\x08\x00":
        family, source, ihl = socket.AF_INET, 26, (frame[14] & 15) * 4
        ip_len, _, fragment, _, proto = struct.unpack_from(">HHHBB", frame, 16)
    elif len(frame) >= 62 and frame[12:14] == b"\x86\xdd":
        family, source, ihl = socket.AF_INET6, 22, 40
        ip_len, proto = struct.unpack_from(">HB", frame, 18)
        ip_len += 40
        fragment = 0x4000
    else:
        return None
    l4 = 14 + ihl
    if proto not in (6, 17) or len(frame) < l4 + 8:
        return None
    sport, dport = struct.unpack_from(">HH", frame, l4)
    width = 4 if family == socket.AF_INET else 16
    packet = Packet(when, eth_len or len(frame),
                    *(socket.inet_ntop(family, frame[at:at + width])
                      for at in (source, source + width)), proto,
                    bool(fragment & 0x4000), ip_len, sport, dport, data=frame)
    if proto == 6:
        if len(frame) < l4 + 20:
            return None
        packet.seq, packet.ack, offset, packet.flags = \
            struct.unpack_from(">IIBB", frame, l4 + 4)
        header = (offset >> 4) * 4
        packet.payload = ip_len - ihl - header
        packet.mss = _mss(frame[l4 + 20:l4 + header])
    return packet


def _mss(options):
    while len(options) > 1 and options[0] != 0:
        if options[0] == 1:
            options = options[1:]
        elif options[0] == 2:
            return struct.unpack_from(">H", options, 2)[0]
        else:
            options = options[max(options[1], 2):]
    return None


class Capture:
    """tcpdump on an interface of a node.  A context manager; afterwards
    packets() are there to look at."""

    def __init__(self, node, interface="eth0", words="ip", snaplen=128,
                 inwards=None):
        self.node = node
        self.interface = interface
        self.words = words
        self.snaplen = snaplen
        self.direction = {None: "inout", True: "in", False: "out"}[inwards]
        self.file = node.workspace.path(f"{node.name}-{interface}.pcap")

    def __enter__(self):
        self.process = self.node.start(
            "tcpdump", "-i", self.interface, "-s", self.snaplen, "-B", 32768,
            "-Z", "root", "-U", "--immediate-mode", "-Q", self.direction,
            "-w", self.file,
            *self.words.split(), name=f"tcpdump-{self.interface}")
        wait_until(lambda: "listening on" in self.process.output(), "tcpdump")
        return self

    def __exit__(self, *exc):
        # tcpdump forgets what it has not read yet when it is told to end.
        for _ in range(20):
            if self._idle():
                break
        self.process.stop()

    def _idle(self):
        size = os.path.getsize(self.file)
        time.sleep(0.1)
        return os.path.getsize(self.file) == size

    def frames(self):
        """(time, length on the wire, bytes) of each frame."""
        with open(self.file, "rb") as pcap:
            magic = struct.unpack("<I", pcap.read(24)[:4])[0]
            assert magic == 0xa1b2c3d4, "not a file of this machine's tcpdump"
            while header := pcap.read(16):
                seconds, micro, captured, length = struct.unpack("<4I", header)
                yield seconds + micro / 1e6, length, pcap.read(captured)

    def packets(self):
        """The TCP and UDP packets."""
        for when, length, frame in self.frames():
            packet = parse(frame, when, length)
            if packet:
                yield packet
