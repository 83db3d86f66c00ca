#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent beside servers that listen in different ways, frames with and
without offloads, and a system that lacks something: listener_test.py [NAME...].
Needs root."""

import glob
import mmap
import os
import random
import signal
import sys

from fabric import *
from lab import *

if os.geteuid():
    print('1..0 # SKIP needs root')
    sys.exit(77)

lab = Lab('listen')
sw = lab.switch
sw6 = Switch(lab.switch_ns, 'sw0', lab.mac(lab.host_ns, 'eth0'),
             lab.mac(lab.switch_ns, 'sw0'), sw.key, 'fd99::fe', 'fd99::11')
_ports = iter(range(20000, 60000))
GET = b'GET /hello HTTP/1.1\r\nHost: x\r\n\r\n'
MPTCP = 262


def client(port=80, **kwargs):
    return Client(CLIENTS + '7', next(_ports), service_port=port, **kwargs)


def listener(port, family=socket.AF_INET, protocol=0, backlog=100):
    """A listening socket of the host's."""
    back = setns(lab.host_ns)
    try:
        s = socket.socket(family, socket.SOCK_STREAM, protocol)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(('', port))
        s.listen(backlog)
        s.settimeout(5)
    finally:
        setns(back)
    return s


def vnet_socket():
    """A socket like sw.sock whose frames start with a virtio header."""
    back = setns(lab.switch_ns)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    setns(back)
    s.setsockopt(263, 15, 1)            # SOL_PACKET, PACKET_VNET_HDR
    s.bind(('sw0', 0))
    s.settimeout(2)
    return s


def send_unfinished(s, ip, offset, gso_size=0):
    """Sends IPv4 packet 'ip' with the checksum, 'offset' bytes into its
    transport header, left to the device.  Splits it if 'gso_size'."""
    c = csum(ip[12:20] + struct.pack('!HH', ip[9], len(ip) - 20))
    ip = ip[:20 + offset] + struct.pack('!H', c) + ip[22 + offset:]
    s.send(struct.pack('=BBHHHH', 1, 1 if gso_size else 0, 54, gso_size, 34,
                       offset) + sw.host_mac + sw.mac + b'\x08\x00' + ip)


def ipv6():
    """a connection in IPv6 is served"""
    sw6.vips = ['fd99::100']
    check(sw6.hello(), 'STATUS')
    c = Client('fd99:1::7', next(_ports), service='fd99::100', tstamp=True)
    f = sw6.infuse(c, GET, mss=1440)
    c.seq += len(GET)
    check(sw6.wait(lambda: c.got.endswith(b'hello')), 'response')
    check(sw6.wait_report(f) == Report(f, CONFIRM, NONE, c.seq), 'CONFIRM')
    n = len(sw6.reports)
    sw6.again(f)
    check(sw6.wait_report(f, CONFIRM, n), 'duplicate')
    c.got = b''
    sw6.say(f, c, GET)
    check(sw6.wait(lambda: c.got.endswith(b'hello')), 'second response')
    sw6.say(f, c, flags=FIN | ACK)
    check(sw6.wait_report(f, RELEASE), 'RELEASE')

    c = Client('fd99:1::7', c.port, service='fd99::100', isn=7, service_isn=9)
    f = sw6.infuse(c, b'GET / HTTP/1.0\r\n\r\n')
    c.seq += 18
    check(sw6.wait(lambda: c.fin), 'served and closed')
    sw6.say(f, c, flags=FIN | ACK)
    check(sw6.wait_report(f, RELEASE), 'RELEASE')
    time_wait = lab.counter('time_wait_ended')
    c = Client('fd99:1::7', c.port, service='fd99::100', isn=777,
               service_isn=9)
    f = sw6.infuse(c, GET)
    check(sw6.wait_report(f, CONFIRM), 'after TIME_WAIT')
    check(lab.counter('time_wait_ended') == time_wait + 1, 'TIME_WAIT')
    sw6.send(ABORT, struct.pack('!II', f, 0), 1)
    check(sw6.wait_report(f, RELEASE), 'ABORT')
    check(sw6.bad == 0 and not c.reset, 'all well')

    c = Client('fd99:1::7', next(_ports), service='fd99::100',
               service_port=81)
    f = sw6.infuse(c, GET)
    check(sw6.wait_report(f) == Report(f, REFUSE, NO_LISTENER, 0), 'REFUSE')


def dual_stack():
    """an IPv6 socket takes an IPv4 connection, and its end is seen"""
    s = listener(8080, socket.AF_INET6)
    c = client(8080)
    f = sw.infuse(c, b'question')
    c.seq += 8
    check(sw.wait_report(f) == Report(f, CONFIRM, NONE, c.seq), 'CONFIRM')
    conn, peer = s.accept()
    check(peer[:2] == ('::ffff:' + c.address, c.port), 'peer %s' % (peer,))
    check(conn.recv(100) == b'question', 'data')
    sw.say(f, c, flags=FIN | ACK)
    sw.run()
    conn.close()
    sw.wait(lambda: c.fin)
    sw.forward(f, c)
    check(sw.wait_report(f, RELEASE), 'RELEASE')
    s.close()


def mptcp():
    """a listener that speaks MPTCP is refused"""
    s = listener(8081, protocol=MPTCP)
    f = sw.infuse(client(8081), b'x')
    check(sw.wait_report(f) == Report(f, REFUSE, KERNEL, 0), 'REFUSE')
    check(lab.counter('refused_mptcp') == 1, 'counted')
    s.close()


def reuseport():
    """listeners that share a port share the connections"""
    back = setns(lab.host_ns)
    all_ = [socket.socket() for _ in range(4)]
    for s in all_:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(('', 8082))
        s.listen(100)
        s.setblocking(False)
    setns(back)
    flows = [sw.infuse(client(8082), b'x') for _ in range(64)]
    check(sw.wait(lambda: all(sw.report(f, CONFIRM) for f in flows)),
          'CONFIRM')
    taken = []
    for s in all_:
        taken.append(0)
        try:
            while True:
                s.accept()[0].close()
                taken[-1] += 1
        except BlockingIOError:
            pass
    check(sum(taken) == 64 and min(taken) > 0, '%s' % taken)
    check(sw.wait(lambda: all(c.fin or c.reset for _, c in
                              sw.clients.values()
                              if c.service_port == 8082)), 'closed')
    for f, c in list(sw.clients.values()):
        if c.service_port == 8082:
            c.seq += 1
            sw.say(f, c, flags=FIN | ACK)
    check(sw.wait(lambda: all(sw.report(f, RELEASE) for f in flows)),
          'RELEASE')
    for s in all_:
        s.close()


def offload():
    """frames of 64 KB with unfinished checksums are mapped right"""
    s, raw = listener(8083), vnet_socket()
    c = client(8083)
    f = sw.infuse(c, b'x')
    c.seq += 1
    check(sw.wait_report(f, CONFIRM), 'CONFIRM')
    conn, _ = s.accept()
    conn.settimeout(5)
    check(conn.recv(1) == b'x', 'first')
    sent = got = b''
    for i in range(30):
        data = os.urandom(63000 if i % 2 else 1460)
        packet = tcp_packet(SWITCH, f >> 16, HOST, f & 0xffff, c.seq, c.ack,
                            ACK, data)
        send_unfinished(raw, packet, 16, 1460 if i % 2 else 0)
        sent += data
        c.seq += len(data)
        while len(got) < len(sent):
            more = conn.recv(1 << 20)
            check(more, 'connection is open')
            got += more
        sw.run(0)
    check(got == sent, 'data')
    errors = run('nstat', '-asz', 'TcpInCsumErrors', netns=lab.host_ns)
    check(errors.split()[-2] == '0', errors)
    conn.close()
    s.close()
    raw.close()


def unfinished_bundle():
    """a bundle with an unfinished checksum is infused, or answered"""
    s, raw = listener(8084), vnet_socket()
    c = client(8084)
    for f in (0x72000001, 0x72000002):
        body = c.bundle_body(f, b'question')
        m = sw.key.seal(SWITCH, HOST, message(BUNDLE, body))
        send_unfinished(raw, udp_packet(SWITCH, HOST, m), 6)
        c = client(85)                  # Nobody listens.
    check(sw.wait_report(0x72000001, CONFIRM), 'CONFIRM')
    check(s.accept()[0].recv(100) == b'question', 'data')
    while True:
        frame = raw.recv(2000)
        ip = frame[10 + 14:]
        if ip[9:10] == b'\x11' and ip[52 + 4] == REFUSE:
            break
    # What the device is to sum up, from csum_start on, with what is there.
    flags, _, _, _, start, offset = struct.unpack_from('=BBHHHH', frame)
    check(flags & 1 and offset == 6, 'unfinished as well')
    total = csum(ip[20:68], csum(ip[12:20]) + 17 + 48
                 - struct.unpack_from('!H', ip, 26)[0])
    check(csum(ip[12:20], 17 + 48) == struct.unpack_from('!H', ip, 26)[0],
          'the part that is done')
    check(total, 'sum')
    check(sw.wait_report(0x72000002)
          == Report(0x72000002, REFUSE, NO_LISTENER, 0), 'REFUSE')
    s.close()
    raw.close()


def many():
    """1000 connections at once, each confirmed once, ended once, released"""
    s = listener(8085, backlog=4000)
    ended = lab.counter('ended')
    flows = set()
    for i in range(1000):
        flows.add(sw.infuse(client(8085), b'x'))
        if i % 50 == 0:
            sw.run(0)

    def events(event):
        return sorted(r.flow_id for r in sw.reports
                      if r.flow_id in flows and r.event == event)

    check(sw.wait(lambda: len(events(CONFIRM)) >= 1000, 10), 'CONFIRM')
    conns = [s.accept()[0] for _ in flows]
    check(lab.status()['connections'] >= 1000, 'all live')
    for f, c in list(sw.clients.values()):
        if f in flows:
            c.seq += 1
            sw.forward(f, c, RST)
    # RELEASE is said again after 1 s.
    check(sw.wait(lambda: set(events(RELEASE)) == flows, 10), 'RELEASE')
    check(events(CONFIRM) == sorted(flows), 'each confirmed once')
    check(lab.counter('ended') == ended + 1000, 'each ended once')
    for conn in conns:
        conn.close()
    s.close()


def at_once():
    """two copies of a bundle at once, on two processors, are one connection"""
    n = 500
    s = listener(8088, backlog=n)
    before = {name: lab.counter(name) for name in ('established', 'ended')}
    flows, frames = [], []
    for _ in range(n):
        sw.flow_id += 1
        flows.append(sw.flow_id)
        body = client(8088).bundle_body(sw.flow_id, b'x' * 1000)
        m = sw.key.seal(sw.address, sw.host,
                        message(BUNDLE, body, epoch=sw.epoch))
        frames.append(sw.host_mac + sw.mac + b'\x08\x00'
                      + udp_packet(sw.address, sw.host, m))
    sw.hello()
    at = mmap.mmap(-1, 8)

    def send(me):
        os.sched_setaffinity(0, {me % os.cpu_count()})
        for i, frame in enumerate(frames):
            struct.pack_into('I', at, 4 * me, i)
            while struct.unpack_from('I', at, 4 * (1 - me))[0] < i:
                pass
            sw.sock.send(frame)

    processors = os.sched_getaffinity(0)
    pid = os.fork()
    if not pid:
        send(0)
        os._exit(0)
    send(1)
    os.waitpid(pid, 0)
    os.sched_setaffinity(0, processors)
    check(sw.wait(lambda: all(sw.report(f, CONFIRM) for f in flows),
                  10), 'CONFIRM')
    wrong = [r for r in sw.reports if r.flow_id in flows and r.event != CONFIRM]
    check(not wrong, 'reports %s' % wrong[:5])
    check(lab.counter('established') == before['established'] + n,
          'each established once')
    check(lab.counter('ended') == before['ended'], 'none ended')
    for _ in flows:
        s.accept()[0].close()
    s.close()


def unpinned():
    """under "ip netns exec", where pins die with the agent, it recovers"""
    lab.stop_agent()
    check(lab.agent_run('--cleanup').returncode == 0, 'cleanup')
    command = lab.agent_command('--key-file', lab.key_file)

    def start():
        with open(lab.dir + '/exec.log', 'w') as log:
            p = subprocess.Popen(('ip', 'netns', 'exec', lab.host_ns)
                                 + command, stdout=log, stderr=log)
        lab.processes.append(p)
        check(wait_until(lambda: 'ready' in open(log.name).read(), 10),
              open(log.name).read())
        return p

    agent = start()
    lab.hello()
    s = listener(8086)
    flows = {}
    for _ in range(2):
        c = client(8086)
        flows[sw.infuse(c, b'x')] = c
        c.seq += 1
    (f, c), (f2, c2) = flows.items()
    check(sw.wait(lambda: sw.report(f) and sw.report(f2)), 'CONFIRM')
    conns = [s.accept()[0] for _ in range(2)]
    agent.kill()
    agent.wait()
    sw.forward(f2, c2, RST)             # Unseen: the tracepoint is gone, too.
    sw.say(f, c, b'more')
    check(wait_until(lambda: 'ESTAB' in run('ss', '-tn', netns=lab.host_ns)),
          'one lives')
    agent = start()
    check(sw.wait_report(f2, RELEASE), 'RELEASE is made up for')
    check(wait_until(lambda: lab.status()['connections'] == 1), 'one lives')
    conns = [conn for conn in conns if conn.getsockopt(
        socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b'\1']
    check(len(conns) == 1 and conns[0].recv(9) == b'xmore', 'data')
    sw.forward(f, c, RST)
    check(sw.wait_report(f, RELEASE), 'RELEASE')
    agent.terminate()
    agent.wait()
    lab.start_agent()
    s.close()


def another_version():
    """another version's tables are kept while they have connections"""
    lab.stop_agent()
    check(lab.agent_run('--cleanup').returncode == 0, 'cleanup')
    check(lab.agent_run('--prepare').returncode == 0, 'prepare')
    pins = glob.glob(lab.dir + '/run/*/bpf')[0]
    zeros = {name: ['0'] * size for name, size in
             (('config', 4), ('mappings', 512), ('services', 512))}
    for name, key in zeros.items():
        run('bpftool', 'map', 'create', '%s/%s' % (pins, name), 'type',
            'array' if name == 'config' else 'hash', 'key', str(len(key)),
            'value', '8192', 'entries', '1', 'name', name)
    start = ('--key-file', lab.key_file)
    run('bpftool', 'map', 'update', 'pinned', pins + '/mappings', 'key',
        *zeros['mappings'], 'value', *['0'] * 8192)
    r = lab.agent_run(*start)
    check(r.returncode == 4 and 'incompatible version' in r.stderr,
          '%d: %s' % (r.returncode, r.stderr))
    run('bpftool', 'map', 'update', 'pinned', pins + '/services', 'key',
        *zeros['services'], 'value', *['0'] * 8192)
    r = lab.agent_run('--cleanup')
    check(r.returncode == 0, '%d: %s' % (r.returncode, r.stderr))
    lab.start_agent()


def accept_all(s):
    """How many connections wait at listener s."""
    s.setblocking(False)
    n = 0
    while True:
        try:
            s.accept()[0].close()
        except BlockingIOError:
            return n
        n += 1


def table_full():
    """a full table refuses"""
    lab.stop_agent()
    check(lab.agent_run('--cleanup').returncode == 0, 'cleanup')
    lab.start_agent('--max-connections', '5')
    lab.hello()
    s = listener(8087)
    flows = [sw.infuse(client(8087), b'x') for _ in range(8)]
    check(sw.wait(lambda: all(map(sw.report, flows))), 'answers')
    reasons = [sw.report(f).reason for f in flows]
    check(reasons == [NONE] * 5 + [TABLE] * 3, '%s' % reasons)
    check(accept_all(s) == 5, 'TCP took what the table refused')
    check(lab.status()['capacity'] == 5, 'capacity')
    sw.send(ABORT, b''.join(struct.pack('!II', f, 0) for f in flows), 8)
    check(sw.wait(lambda: all(sw.report(f, RELEASE) for f in flows)), 'ABORT')
    s.close()


def linger():
    """what has ended is forgotten in time, and room again"""
    check(wait_until(lambda: lab.status()['lingering'] == 0, 13), 'forgotten')
    s = listener(8088)
    f = sw.infuse(client(8088), b'x')
    check(sw.wait_report(f, CONFIRM), 'CONFIRM')
    s.close()


def moved(before, *names):
    after = lab.status()['counters']
    return sum(after[name] - before[name] for name in names)


def replay():
    """what was said before does nothing when it is said again"""
    s = listener(8089)
    c = client(8089)
    f = sw.infuse(c, b'x')
    check(sw.wait_report(f, CONFIRM), 'CONFIRM')
    aborted = sw.infuse(client(8089), b'x')
    check(sw.wait_report(aborted, CONFIRM), 'CONFIRM')
    sw.send(ABORT, struct.pack('!II', aborted, 0), 1)
    check(sw.wait_report(aborted, RELEASE), 'ABORT')
    check(sw.audit(), 'MAPPINGS')
    said = collections.Counter(packet[29] for packet in sw.sent)
    before, statuses = lab.status()['counters'], len(sw.statuses)
    del sw.slices[:]
    for i, packet in enumerate(list(sw.sent)):
        sw.send_ip(packet)
        if i % 20 == 0:
            time.sleep(0.001)           # No queue shall overflow.
    check(wait_until(lambda: moved(before, 'bundles') == said[BUNDLE]
                     and moved(before, 'old_messages')
                     == said[HELLO] + said[AUDIT]),
          '%s of %s' % (lab.status()['counters'], said))
    # That of the live connection is only a duplicate.
    check(moved(before, 'duplicates') == 1, 'duplicate')
    check(moved(before, 'old_bundles', 'late_duplicates', 'refused_again')
          == said[BUNDLE] - 1, 'old')
    check(moved(before, 'infused', 'established', 'ended', 'hellos', 'audits')
          == 0, 'nothing happened')
    sw.run()
    check(len(sw.statuses) == statuses and not sw.slices, 'no answers')
    conn = s.accept()[0]
    sw.forward(f, c, data=b'')
    c.seq += 1
    sw.say(f, c, b'y')
    got = b''
    while len(got) < 2:
        got += conn.recv(2)
    check(got == b'xy', 'the live connection is well')
    conn.close()
    s.close()


def anything():
    """whatever a switch says that has the key, the agent goes on"""
    rng = random.Random(1)
    mac = lab.mac(lab.switch_ns, 'sw0')
    run('ip', 'neigh', 'add', '10.99.0.253', 'lladdr', mac, 'dev', 'eth0',
        netns=lab.host_ns)
    other = Switch(lab.switch_ns, 'sw0', lab.mac(lab.host_ns, 'eth0'), mac,
                   sw.key, '10.99.0.253')
    words = [mapped(VIP), mapped('10.99.0.101'), mapped('10.99.0.11'),
             b'\0' * 16, b'\xff' * 16, rng.randbytes(16), rng.randbytes(16)]
    before = lab.status()['counters']
    for i in range(3000):
        if i % 50 == 0:
            check(other.hello(), 'HELLO')
        body = other.challenge * 2 + b''.join(
            rng.choices(words, k=rng.choice((0, 1, 2, 10, 80))))
        other.send(rng.choice((HELLO, ABORT, AUDIT, HEARD, STATUS,
                               rng.randrange(256))),
                   body[:8 * rng.randrange(len(body) // 8 + 1)],
                   rng.choice((0, 1, 2, 128, 1000, 65535)),
                   rng.choice((other.sequence, other.sequence + 1,
                               other.asked + i, rng.getrandbits(32))))
        if i % 20 == 0:
            time.sleep(0.001)           # No queue shall overflow.
    for name in 'hellos', 'aborts', 'audits', 'old_messages', 'bad_messages':
        check(moved(before, name) > 0, name)
    s = listener(8091)
    f = sw.infuse(client(8091), b'x')
    check(sw.wait_report(f, CONFIRM), 'CONFIRM')
    s.close()


def fragment(packet, begin, end):
    """A piece of an IPv4 packet: these bytes of what is in it."""
    more = 20 + end < len(packet)
    head = (packet[:2] + struct.pack('!HHH', 20 + min(end, len(packet) - 20)
                                     - begin, 7, more << 13 | begin // 8)
            + packet[8:10] + b'\0\0' + packet[12:20])
    return (head[:10] + struct.pack('!H', ~csum(head) & 0xffff) + head[12:]
            + packet[20 + begin:20 + end])


def fragments():
    """no message gets to the agent past the check of its seal"""
    before = lab.status()['counters']
    for dst, sender in ('10.99.0.11', sw), ('fd99::11', sw6):
        for m in (sw.key.seal(sender.address, dst, message(HEARD, bytes(8), 1)),
                  message(HEARD, bytes(8), 1)):
            packet = udp_packet(sender.address, dst, m)
            if sender is sw:
                sw.send_ip(fragment(packet, 0, 24))
                sw.send_ip(fragment(packet, 24, len(packet)))
            else:                       # Behind destination options.
                sw6.send_ip(ip_packet(sender.address, dst, 60,
                                      b'\x11\0\1\4\0\0\0\0' + packet[40:]))
    check(wait_until(lambda: moved(before, 'bad_length') == 4),
          lab.status()['counters'])
    check(moved(before, 'bad_messages', 'old_messages') == 0, 'bad messages')


CAP_NET_ADMIN = 1 << 12


def privileges():
    """the running agent has CAP_NET_ADMIN and nothing else"""
    only = {'CapInh': 0, 'CapPrm': CAP_NET_ADMIN, 'CapEff': CAP_NET_ADMIN,
            'CapBnd': CAP_NET_ADMIN, 'CapAmb': 0, 'NoNewPrivs': 1}
    check(lab.privileges() == only, lab.privileges())


def bounded():
    """what its systemd unit leaves it is enough, and connections last"""
    lab.stop_agent()
    check(lab.agent_run('--cleanup').returncode == 0, 'cleanup')
    check(lab.agent_run('--prepare').returncode == 0, 'prepare')
    through = ('setpriv', '--inh-caps=-all',
               '--bounding-set=-all,+net_admin,+perfmon,+bpf')
    lab.start_agent(through=through)
    check(lab.privileges()['CapEff'] == CAP_NET_ADMIN, lab.privileges())
    check(lab.privileges()['NoNewPrivs'] == 1, lab.privileges())
    lab.hello()
    s = listener(8090)
    c = client(8090)
    f = sw.infuse(c, b'x')
    c.seq += 1
    check(sw.wait_report(f, CONFIRM), 'CONFIRM')
    conn = s.accept()[0]
    for sig in signal.SIGTERM, signal.SIGKILL:
        lab.stop_agent(sig)
        lab.start_agent(through=through)
        check(lab.status()['connections'] == 1, 'it is still there')
    sw.say(f, c, b'y')
    check(conn.recv(1) + conn.recv(1) == b'xy', 'data')
    sw.send(ABORT, struct.pack('!II', f, 0), 1)
    check(sw.wait_report(f, RELEASE), 'ABORT')

    # Without the pins the tables are out of reach: none must be made anew
    # beside them.
    lab.stop_agent()
    run('umount', glob.glob(lab.dir + '/run/*/bpf')[0])
    check(lab.agent_run('--prepare').returncode == 0, 'prepare')
    lab.start_agent(wait=False, through=through)
    check(lab.agent.wait(10) == 2, 'exit status')
    check('CAP_SYS_ADMIN' in lab.log_from(), lab.log_from())
    lab.start_agent()
    conn.close()
    s.close()


def missing():
    """what the system lacks is named, with the remedy"""
    lab.stop_agent()
    for name, value in (('tcp_syncookies', 0), ('tcp_timestamps', 0),
                        ('tcp_sack', 0), ('tcp_window_scaling', 0),
                        ('tcp_rfc1337', 1)):
        sysctl = 'net.ipv4.' + name
        run('sysctl', '-w', '%s=%d' % (sysctl, value), netns=lab.host_ns)
        r = lab.agent_run('--key-file', lab.key_file)
        run('sysctl', '-w', '%s=%d' % (sysctl, not value), netns=lab.host_ns)
        check(r.returncode == 2, '%s: %d' % (name, r.returncode))
        check('sysctl -w %s=%d' % (sysctl, not value) in r.stderr, r.stderr)
    os.chmod(lab.key_file, 0o644)
    r = lab.agent_run('--key-file', lab.key_file)
    check(r.returncode == 2 and 'chmod 600' in r.stderr, r.stderr)
    os.chmod(lab.key_file, 0o600)
    r = lab.agent_run('--key-file', lab.key_file, '--interface', 'none0')
    check(r.returncode == 2 and 'none0: no such' in r.stderr, r.stderr)
    r = subprocess.run(('setpriv', '--bounding-set', '-bpf', 'nsenter',
                        '--net=/run/netns/' + lab.host_ns)
                       + lab.agent_command('--key-file', lab.key_file),
                       stderr=subprocess.PIPE, text=True)
    check(r.returncode == 2 and 'CAP_BPF' in r.stderr, r.stderr)
    r = lab.agent_run()
    check(r.returncode == 1 and '--key-file is missing' in r.stderr, r.stderr)


lab.start_nginx()
lab.start_agent()
lab.hello()
TESTS = [ipv6, dual_stack, mptcp, reuseport, offload, unfinished_bundle, many,
         at_once, unpinned, another_version, table_full, linger, replay,
         anything, fragments, privileges, bounded, missing]
if len(sys.argv) > 1:
    TESTS = [t for t in TESTS if t.__name__ in sys.argv[1:]]
tap(TESTS)
