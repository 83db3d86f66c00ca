# SPDX-License-Identifier: Apache-2.0
"""A switch in a few lines, for the agent's tests.

It knows no OVS: it makes up a client, sends its connection to the host as a
bundle, and sees what the host sends back, all on a packet socket at the other
end of the host's veth.  Addresses are IPv4 text unless said otherwise.
"""

import collections
import ctypes
import ipaddress
import itertools
import os
import select
import socket
import struct
import time

PORT = 7471
TYPES = ("BUNDLE", "REPORT", "ABORT", "HELLO", "STATUS", "AUDIT", "MAPPINGS",
         "DECIDE", "DECISION", "NEWS", "HEARD", "LIST", "LISTING")
(BUNDLE, REPORT, ABORT, HELLO, STATUS, AUDIT, MAPPINGS, DECIDE, DECISION, NEWS,
 HEARD, LIST, LISTING) = range(1, len(TYPES) + 1)
CONFIRM, REFUSE, RELEASE, KNOWN = 1, 2, 3, 4
(NONE, NO_LISTENER, BACKLOG, KERNEL, TABLE, FLOW_ID, CLOSED, BUSY) = range(8)
WSCALE, SACK, TSTAMP = 1, 2, 4
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

_MASK = (1 << 64) - 1
_flow_ids = itertools.count(0x00010000, 0x01000000)     # Of each switch.
_libc = ctypes.CDLL(None, use_errno=True)


def _rotl(x, n):
    return (x << n | x >> (64 - n)) & _MASK


def siphash(key, data):
    """SipHash-2-4 of 'data', of whole 8-byte words, by the 16-byte 'key'."""
    k0, k1 = struct.unpack('<2Q', key)
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
         k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]

    def rounds(n):
        v0, v1, v2, v3 = v
        for _ in range(n):
            v0 = (v0 + v1) & _MASK
            v1 = _rotl(v1, 13) ^ v0
            v0 = _rotl(v0, 32)
            v2 = (v2 + v3) & _MASK
            v3 = _rotl(v3, 16) ^ v2
            v0 = (v0 + v3) & _MASK
            v3 = _rotl(v3, 21) ^ v0
            v2 = (v2 + v1) & _MASK
            v1 = _rotl(v1, 17) ^ v2
            v2 = _rotl(v2, 32)
        v[:] = v0, v1, v2, v3

    words = [w for w, in struct.iter_unpack('<Q', data)]
    for word in words + [(len(data) & 0xff) << 56]:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xff
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def mapped(address):
    """'address' as the 16 bytes of a struct migrate_address."""
    a = ipaddress.ip_address(address)
    return b'\0' * 10 + b'\xff\xff' + a.packed if a.version == 4 else a.packed


def csum(data, start=0):
    if len(data) % 2:
        data += b'\0'
    total = start + sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def l4_csum(src, dst, protocol, segment):
    s = ipaddress.ip_address(src).packed
    d = ipaddress.ip_address(dst).packed
    return ~csum(s + d + struct.pack('!II', len(segment), protocol)
                 + segment) & 0xffff


def ip_packet(src, dst, protocol, payload):
    s, d = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if s.version == 6:
        return struct.pack('!IHBB', 6 << 28, len(payload), protocol,
                           64) + s.packed + d.packed + payload
    head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(payload), 0, 0x4000,
                       64, protocol, 0) + s.packed + d.packed
    head = head[:10] + struct.pack('!H', ~csum(head) & 0xffff) + head[12:]
    return head + payload


def tcp_packet(src, sport, dst, dport, seq, ack, flags=ACK, data=b'',
               options=b'', window=0xffff, addresses=None):
    """A TCP packet.  'addresses' are those for the checksum, if others."""
    tcp = struct.pack('!HHIIBBHHH', sport, dport, seq & 0xffffffff,
                      ack & 0xffffffff, (20 + len(options)) // 4 << 4, flags,
                      window, 0, 0) + options + data
    c = l4_csum(*(addresses or (src, dst)), 6, tcp)
    tcp = tcp[:16] + struct.pack('!H', c) + tcp[18:]
    return ip_packet(src, dst, 6, tcp)


def udp_packet(src, dst, payload, sport=PORT, dport=PORT):
    udp = struct.pack('!HHHH', sport, dport, 8 + len(payload), 0) + payload
    c = l4_csum(src, dst, 17, udp) or 0xffff
    return ip_packet(src, dst, 17, udp[:6] + struct.pack('!H', c) + udp[8:])


class Key:
    def __init__(self, digits):
        self.bytes = bytes.fromhex(digits)
        self.id = siphash(self.bytes, b'') & 0xff

    def seal(self, src, dst, message):
        """'message' (whose seal is 8 zeros) with its key id and seal."""
        m = message[:2] + bytes([self.id]) + message[3:]
        mac = siphash(self.bytes, mapped(src) + mapped(dst) + m[:16] + m[24:])
        return m[:16] + struct.pack('<Q', mac) + m[24:]

    def check(self, src, dst, message):
        zero = message[:16] + b'\0' * 8 + message[24:]
        return self.seal(src, dst, zero) == message


def message(type_, body=b'', count=0, epoch=1, sequence=0):
    body += b'\0' * (-len(body) % 8)
    return struct.pack('!BBBBHHII', 1, type_, 0, 0, 24 + len(body), count,
                       epoch, sequence) + b'\0' * 8 + body


def mappings(body, count):
    """The mappings that a message lists."""
    return [Mapping(*struct.unpack_from('!II16s16sHHIIBB', body, 56 * i))
            for i in range(count)]


class Client:
    """The client's end of a connection, as the switch knows it."""

    def __init__(self, address, port, service='10.99.0.100', service_port=80,
                 isn=1000, service_isn=5000, tstamp=False):
        self.address, self.port = address, port
        self.service, self.service_port = service, service_port
        self.seq = isn + 1          # Next to be sent.
        self.ack = service_isn + 1  # Next expected.
        self.tstamp = tstamp
        self.got = b''
        self.fin = self.reset = False

    def options(self):
        if not self.tstamp:
            return b''
        return struct.pack('!BBBBII', 1, 1, 8, 10, 1000, 2000)

    def bundle_body(self, flow_id, data, mss=1460, wscale=(7, 7),
                    service_id=1, options=None):
        inner = tcp_packet(self.address, self.port, self.service,
                           self.service_port, self.seq, self.ack, ACK | PSH,
                           data, self.options())
        if options is None:
            options = WSCALE | SACK | (TSTAMP if self.tstamp else 0)
        family = ipaddress.ip_address(self.address).version
        return struct.pack('!II', flow_id, service_id) \
            + mapped(self.address) + mapped(self.service) \
            + struct.pack('!HHBBBBHHIII', self.port, self.service_port,
                          family, options, wscale[0], wscale[1], mss,
                          len(inner), 1000, 2000, 0) + inner

    def take(self, seq, flags, data):
        """Takes a packet from the host.  Returns whether to acknowledge."""
        if flags & RST:
            self.reset = True
            return False
        if data and seq == self.ack & 0xffffffff:
            self.got += data
            self.ack += len(data)
        if flags & FIN and (seq + len(data)) & 0xffffffff \
                == self.ack & 0xffffffff:
            self.fin = True
            self.ack += 1
        return bool(data or flags & FIN)


Report = collections.namedtuple('Report',
                                'flow_id event reason rcv_nxt known_as',
                                defaults=[0])
Slice = collections.namedtuple('Slice', 'sequence after last mappings')
News = collections.namedtuple('News', 'number mappings')
Mapping = collections.namedtuple(
    'Mapping', 'flow_id service_id client service client_port service_port '
    'isn age state yours')
Packet = collections.namedtuple(
    'Packet', 'src dst protocol sport dport seq ack flags data raw')


def setns(name):
    """Enters network namespace 'name' (or file); returns where we were."""
    old = os.open('/proc/self/ns/net', os.O_RDONLY)
    new = name if isinstance(name, int) else os.open('/run/netns/' + name,
                                                     os.O_RDONLY)
    if _libc.setns(new, 0x40000000):
        raise OSError(ctypes.get_errno(), 'setns')
    os.close(new)
    return old


class Switch:
    """A switch on 'interface' of namespace 'netns'."""

    def __init__(self, netns, interface, host_mac, mac, key,
                 address='10.99.0.254', host='10.99.0.11'):
        back = setns(netns)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                  socket.htons(3))
        self.sock.bind((interface, 0))
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)    # ...FORCE
        setns(back)
        self.key, self.address, self.host = key, address, host
        self.host_mac, self.mac = (bytes.fromhex(m.replace(':', ''))
                                   for m in (host_mac, mac))
        self.reports, self.statuses, self.slices = [], [], []
        self.arps, self.packets, self.news = [], [], []
        self.listens = True         # Answers news.
        self.clients, self.bundles = {}, {}
        self.epoch = 1
        self.flow_id = next(_flow_ids)
        self.vips = []              # What hellos name.
        self.sequence = self.answered = 0   # Of hellos...
        self.asked = 0              # ...and questions in audits...
        self.audits = 0             # ...of which there were so many.
        self.challenge = b'\0' * 8  # What the host wants to hear in them.
        self.heard = 0              # When the host last took one.
        self.sent = []              # All messages, as packets.
        self.bad = 0                # Messages of the host that are wrong.
        self.old = 0                # Messages to what this switch was.

    def send_ip(self, packet):
        ethertype = b'\x08\x00' if packet[0] >> 4 == 4 else b'\x86\xdd'
        self.sock.send(self.host_mac + self.mac + ethertype + packet)

    def send(self, type_, body=b'', count=0, sequence=0, key=None):
        m = (key or self.key).seal(self.address, self.host,
                                   message(type_, body, count, self.epoch,
                                           sequence))
        self.sent.append(udp_packet(self.address, self.host, m))
        self.send_ip(self.sent[-1])
        return m

    def send_hello(self):
        self.sequence += 1
        self.send(HELLO, struct.pack('!II', self.flow_id + 1, self.asked + 1)
                  + self.challenge + b''.join(map(mapped, self.vips)),
                  len(self.vips), sequence=self.sequence)

    def hello(self, timeout=10.0):
        """Says HELLO until the host takes one.  Returns its STATUS, or
        None."""
        n = len(self.statuses)
        self.send_hello()
        return self.wait(lambda: len(self.statuses) > n, timeout) \
            and self.statuses[-1]

    def keep(self):
        """Has the host hear of this switch, as it must."""
        if time.monotonic() - self.heard > 0.5:
            self.hello(0.5)

    def infuse(self, client, data, flow_id=None, **kwargs):
        """Sends the bundle of 'client', whose first data is 'data'.  Returns
        the flow ID."""
        self.keep()
        if flow_id is None:
            self.flow_id += 1
            flow_id = self.flow_id
        body = client.bundle_body(flow_id, data, **kwargs)
        self.send(BUNDLE, body)
        self.bundles[flow_id] = body
        self.clients[client.address, client.port] = flow_id, client
        return flow_id

    def again(self, flow_id):
        """Sends the bundle of 'flow_id' once more."""
        self.keep()
        self.send(BUNDLE, self.bundles[flow_id], sequence=1)

    def forward(self, flow_id, client, flags=ACK, data=b'', seq=None):
        """Sends a packet of 'client', encapsulated."""
        s = client.seq if seq is None else seq
        self.send_ip(tcp_packet(self.address, flow_id >> 16, self.host,
                                flow_id & 0xffff, s, client.ack, flags,
                                data, client.options()))

    def say(self, flow_id, client, data=b'', flags=ACK | PSH):
        self.forward(flow_id, client, flags, data)
        client.seq += len(data) + bool(flags & FIN)

    def _message(self, src, dst, m):
        if dst != self.address:
            return                  # Another switch's.
        if src != self.host or not self.key.check(src, dst, m):
            self.bad += 1
            return
        _, type_, _, _, length, count, _, sequence = struct.unpack_from(
            '!BBBBHHII', m)
        if type_ == REPORT:
            self.old += sequence != self.epoch
            for i in range(count):
                f, e, r, _, n, k = struct.unpack_from('!IBBHII', m,
                                                      24 + 16 * i)
                self.reports.append(Report(f, e, r, n, k))
        elif type_ == STATUS:
            connections, capacity, epoch, others, challenge = \
                struct.unpack_from('!IIII8s', m, 24)
            if (epoch, sequence) != (self.epoch, self.sequence) \
                    or sequence == self.answered:
                self.old += 1
                return
            self.answered = sequence
            if any(challenge):
                self.challenge = challenge
                self.send_hello()
            else:
                self.challenge = b'\0' * 8
                self.heard = time.monotonic()
                self.statuses.append((connections, capacity, others))
        elif type_ == MAPPINGS:
            after, last = struct.unpack_from('!IB', m, 24)
            self.slices.append(Slice(sequence, after, last,
                                     mappings(m[32:], count)))
        elif type_ == NEWS:
            self.old += sequence != self.epoch
            self.news.append(News(m[24:32], mappings(m[32:], count)))
            if self.listens:
                self.send(HEARD, m[24:32], 1)

    def _packet(self, ip):
        if ip[0] >> 4 == 4:
            l4 = ip[(ip[0] & 15) * 4:struct.unpack_from('!H', ip, 2)[0]]
            protocol = ip[9]
            src, dst = (str(ipaddress.ip_address(ip[i:i + 4]))
                        for i in (12, 16))
        else:
            l4 = ip[40:40 + struct.unpack_from('!H', ip, 4)[0]]
            protocol = ip[6]
            src, dst = (str(ipaddress.ip_address(ip[i:i + 16]))
                        for i in (8, 24))
        if protocol == 17 and l4[2:4] == struct.pack('!H', PORT):
            self._message(src, dst, l4[8:])
        elif protocol == 6:
            sport, dport, seq, ack, doff, flags = struct.unpack_from(
                '!HHIIBB', l4)
            p = Packet(src, dst, 6, sport, dport, seq, ack, flags,
                       l4[(doff >> 4) * 4:], ip)
            self.packets.append(p)
            flow_id, client = self.clients.get((dst, dport), (None, None))
            if client and client.take(seq, flags, p.data):
                self.forward(flow_id, client)

    def run(self, timeout=0.01):
        """Takes what the host sent."""
        while select.select([self.sock], [], [], timeout)[0]:
            frame, info = self.sock.recvfrom(65536)
            timeout = 0
            if info[2] == socket.PACKET_OUTGOING:
                continue
            if frame[12:14] in (b'\x08\x00', b'\x86\xdd'):
                self._packet(frame[14:])
            elif frame[12:14] == b'\x08\x06':
                self.arps.append(frame[14:42])

    def wait(self, condition, timeout=10.0):
        """Runs until 'condition()'; returns its value."""
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value or time.monotonic() > deadline:
                return value
            self.run()

    def report(self, flow_id, event=None, after=0):
        """The first report after 'after' on 'flow_id', or None."""
        for r in self.reports[after:]:
            if r.flow_id == flow_id and event in (None, r.event):
                return r
        return None

    def ask(self, after):
        """A question of this audit; returns the host's answer or None."""
        self.keep()
        n = len(self.slices)
        self.asked += 1
        self.send(AUDIT, struct.pack('!II', after, self.audits), 1,
                  sequence=self.asked)
        if self.wait(lambda: len(self.slices) > n):
            self.bad += self.slices[-1][:2] != (self.asked, after)
            return self.slices[-1]

    def audit(self):
        """All mappings of the host, or None if it does not answer."""
        self.audits += 1
        piece = self.ask(0)
        listed = piece and piece.mappings
        while piece and not piece.last:
            piece = self.ask(listed[-1].flow_id)
            listed += piece.mappings if piece else []
        return piece and listed

    def wait_report(self, flow_id, event=None, after=0, timeout=10.0):
        return self.wait(lambda: self.report(flow_id, event, after), timeout)
