#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent and an unmodified nginx, and a made-up switch: live_test.py
[NAME...].  Needs root."""

import os
import signal
import sys

from fabric import *
from lab import *

if os.geteuid():
    print('1..0 # SKIP needs root')
    sys.exit(77)

lab = Lab('live')
sw = lab.switch
_ports = iter(range(20000, 60000))

GET = b'GET /hello HTTP/1.1\r\nHost: x\r\n\r\n'
GET_CLOSE = b'GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
GET_BIG = b'GET /big HTTP/1.1\r\nHost: x\r\n\r\n'


def client(**kwargs):
    return Client(CLIENTS + '7', next(_ports), **kwargs)


def open_client(request=GET, **kwargs):
    c = client(**kwargs)
    f = sw.infuse(c, request)
    c.seq += len(request)
    r = sw.wait_report(f)
    check(r and r.event == CONFIRM, 'CONFIRM, not %s' % (r,))
    return c, f


def check_served():
    """A connection that the server closes: it may be over before there was
    time to report that it was open."""
    c = client()
    f = sw.infuse(c, GET_CLOSE)
    c.seq += len(GET_CLOSE)
    check(sw.wait_report(f, RELEASE), 'served and closed')


def hello():
    """HELLO is answered and makes the service address local"""
    status = lab.hello()
    check(status and status[0] == 0, 'STATUS %s' % (status,))
    check('local %s dev lo' % VIP in run(
        'ip', 'route', 'show', 'table', 'local', netns=lab.host_ns), 'route')


def infuse():
    """a bundle becomes a connection that nginx serves"""
    c = client()
    f = sw.infuse(c, GET)
    c.seq += len(GET)
    check(sw.wait(lambda: c.got.endswith(b'hello')), 'response %r' % c.got)
    check(c.got.startswith(b'HTTP/1.1 200'), 'status')
    first = next(p for p in sw.packets if p.dport == c.port)
    check((first.src, first.sport) == (VIP, 80), 'source of the reply')
    check(first.seq == 5001 and first.ack == c.seq, 'sequence numbers')
    r = sw.wait_report(f)
    check(r == Report(f, CONFIRM, NONE, c.seq), 'report %s' % (r,))
    check(lab.status()['connections'] == 1, 'one connection')
    c.got = b''
    sw.say(f, c, GET)
    check(sw.wait(lambda: c.got.endswith(b'hello')), 'second response')
    sw.say(f, c, flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE), 'RELEASE')
    check(lab.status()['connections'] == 0, 'no connection')
    access = wait_until(lambda: open(lab.dir + '/access.log').read())
    check(c.address in access, "nginx knows the client's address")


def timestamps():
    """a connection with timestamps and large data works"""
    c, f = open_client(GET_BIG, tstamp=True)
    sw.wait(lambda: len(c.got.partition(b'\r\n\r\n')[2]) >= 1 << 20, 10)
    body = c.got[c.got.index(b'\r\n\r\n') + 4:]
    check(body == bytes(range(256)) * 4096, '%d bytes' % len(body))
    sw.say(f, c, flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE), 'RELEASE')


def duplicate():
    """duplicates of a bundle are confirmed and change nothing"""
    c = client()
    f = sw.infuse(c, GET)
    check(sw.wait_report(f, CONFIRM), 'CONFIRM')
    n = len(sw.reports)
    infused = lab.counter('infused')
    sw.again(f)
    r = sw.wait_report(f, after=n)
    check(r == Report(f, CONFIRM, NONE, c.seq + len(GET)), 'report %s' % (r,))
    check(lab.counter('infused') == infused, 'not infused again')
    check(lab.counter('duplicates') == 1, 'counted')
    c.seq += len(GET)
    sw.say(f, c, flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE), 'RELEASE')
    n = len(sw.reports)
    sw.again(f)
    r = sw.wait_report(f, after=n)
    check(r and r.event == RELEASE, 'late duplicate: %s' % (r,))
    check(lab.counter('infused') == infused, 'not infused when closed')


def no_listener():
    """a bundle for a port where nobody listens is refused at once"""
    c = client(service_port=81)
    f = sw.infuse(c, GET)
    r = sw.wait_report(f)
    check(r == Report(f, REFUSE, NO_LISTENER, 0), 'report %s' % (r,))
    sw.again(f)
    r = sw.wait_report(f, after=len(sw.reports))
    check(r == Report(f, REFUSE, NO_LISTENER, 0), 'again: %s' % (r,))
    check(lab.counter('refused_again') == 1, 'counted')


def time_wait():
    """a client port in TIME_WAIT is taken over by its next connection"""
    c = client()
    for i in range(3):
        c.seq, c.ack = 1001 + i * 1000000, 5001 + i * 1000000
        c.got, c.fin = b'', False
        f = sw.infuse(c, GET_CLOSE)
        c.seq += len(GET_CLOSE)
        check(sw.wait(lambda: c.fin), 'response %d and FIN' % i)
        check(c.got.endswith(b'hello'), 'response %d' % i)
        sw.say(f, c, flags=FIN | ACK)
        check(sw.wait_report(f, RELEASE), 'RELEASE %d' % i)
        check(sw.wait(lambda: 'TIME-WAIT' in run(
            'ss', '-tan', netns=lab.host_ns)), 'TIME_WAIT')
    check(lab.counter('time_wait_ended') == 2, 'ended')
    check(lab.counter('replaced') == 2, 'replaced')
    check(not c.reset, 'no reset for the client')


def came_back():
    """a client that forgot its live connection gets a new one"""
    c, f = open_client()
    c2 = Client(c.address, c.port, isn=77777777, service_isn=888)
    f2 = sw.infuse(c2, GET)
    c2.seq += len(GET)
    check(sw.wait_report(f, RELEASE), 'RELEASE of the old')
    check(sw.wait_report(f2, CONFIRM), 'CONFIRM of the new')
    check(sw.wait(lambda: c2.got.endswith(b'hello')), 'response')
    check(not c2.reset, 'no reset for the client')
    n = lab.counter('stale')
    sw.forward(f, c, data=b'x')
    check(wait_until(lambda: lab.counter('stale') == n + 1),
          'a late packet of the old one is dropped')
    sw.say(f2, c2, flags=FIN | ACK)
    check(sw.wait_report(f2, RELEASE), 'RELEASE of the new')


def closed():
    """behind the end of a connection, only its own packets draw a reset"""
    c, f = open_client()
    sw.wait(lambda: c.got.endswith(b'hello'))
    sw.say(f, c, flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE), 'RELEASE')
    check(sw.wait(lambda: c.fin), 'FIN')
    check(wait_until(lambda: ':%d' % c.port not in run(
        'ss', '-tan', netns=lab.host_ns)), 'no socket')
    n, stale = len(sw.packets), lab.counter('stale')
    c2 = Client(c.address, c.port, isn=c.seq + 100, service_isn=77777777)
    sw.forward(f, c2, data=GET)
    sw.forward(f, c2, flags=FIN | ACK)
    c2.ack = c.ack + 1
    sw.forward(f, c2)
    check(wait_until(lambda: lab.counter('stale') == stale + 3), 'counted')
    sw.run()
    check(len(sw.packets) == n, 'no answer: %s' % sw.packets[n:])
    sw.forward(f, c, data=b'x')
    check(sw.wait(lambda: c.reset), 'reset')


def flow_id_taken():
    """a flow ID that maps another connection is refused"""
    c, f = open_client()
    c2 = client()
    n = len(sw.reports)
    sw.infuse(c2, GET, flow_id=f)
    r = sw.wait_report(f, after=n)
    check(r == Report(f, REFUSE, FLOW_ID, 0), 'report %s' % (r,))
    sw.say(f, c, flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE), 'the old one is well')


def restarted_switch():
    """a switch that starts anew does not take the flow IDs of the living"""
    c, f = open_client()
    sw.epoch, sw.sequence, sw.flow_id = 2, 0, f - 1
    early = lab.counter('no_hello')
    sw.send(BUNDLE, client().bundle_body(f, GET))
    check(wait_until(lambda: lab.counter('no_hello') == early + 1),
          'counted before HELLO')
    lab.hello()
    n = len(sw.reports)
    check(sw.infuse(client(), GET) == f, 'the same flow ID')
    r = sw.wait_report(f, after=n)
    check(r == Report(f, REFUSE, FLOW_ID, 0), 'report %s' % (r,))
    c.got = b''
    sw.say(f, c, GET)
    check(sw.wait(lambda: c.got.endswith(b'hello')), 'the old one is well')
    sw.say(f, c, flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE, n), 'RELEASE')


def doubled_hello():
    """the challenge after a doubled HELLO makes no flow ID old"""
    lab.hello()
    sw.flow_id += 1
    f, n, hellos = sw.flow_id, len(sw.statuses), lab.counter('hellos')
    sw.send_hello()
    check(wait_until(lambda: lab.counter('hellos') == hellos + 1), 'HELLO')
    while select.select([sw.sock], [], [], 0.05)[0]:
        sw.sock.recv(65536)             # The STATUS is lost.
    sw.sequence -= 1
    sw.send_hello()
    check(sw.wait(lambda: len(sw.statuses) > n), 'STATUS')
    c = client()
    sw.infuse(c, GET, flow_id=f)
    c.seq += len(GET)
    check(sw.wait_report(f, CONFIRM), 'CONFIRM')
    sw.say(f, c, flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE), 'RELEASE')


def known():
    """a connection that is offered anew, under another flow ID, is known"""
    c, f = open_client()
    infused = lab.counter('infused')
    again = Client(c.address, c.port)
    f2 = sw.infuse(again, GET)
    sw.clients[c.address, c.port] = f, c
    r = sw.wait_report(f2)
    check(r == Report(f2, KNOWN, NONE, 0, f), 'report %s' % (r,))
    check(lab.counter('infused') == infused, 'not infused again')
    sw.say(f, c, flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE), 'RELEASE')
    f3 = sw.infuse(again, GET)
    r = sw.wait_report(f3)
    check(r == Report(f3, RELEASE, NONE, 0), 'after its end: %s' % (r,))
    check(lab.counter('infused') == infused, 'not infused after its end')


def known_to_late_switch():
    """so is one that a switch offers anew which was not heard of for long"""
    c, f = open_client()

    def is_late():
        n = lab.counter('no_hello')
        sw.flow_id += 1
        sw.send(BUNDLE, client(service_port=81).bundle_body(sw.flow_id, GET))
        return lab.counter('no_hello') > n

    check(wait_until(is_late), 'late')
    sw.flow_id += 1
    f2 = sw.flow_id
    sw.send(BUNDLE, Client(c.address, c.port).bundle_body(f2, GET))
    r = sw.wait_report(f2)
    check(r == Report(f2, KNOWN, NONE, 0, f), 'report %s' % (r,))
    lab.hello()
    sw.say(f, c, flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE), 'RELEASE')


def unknown_flow():
    """a packet of an unknown flow ID is dropped and counted"""
    n, resets = lab.counter('unknown_flow'), len(sw.packets)
    sw.forward(0x12345678, client(), data=b'x')
    check(wait_until(lambda: lab.counter('unknown_flow') == n + 1), 'count')
    sw.run()
    check(len(sw.packets) == resets, 'no answer')


def abort():
    """ABORT ends a connection silently and reports RELEASE"""
    c, f = open_client()
    sw.wait(lambda: c.got)
    sw.send(ABORT, struct.pack('!II', f, 0), 1)
    check(sw.wait_report(f, RELEASE), 'RELEASE')
    check(wait_until(lambda: ':%d' % c.port not in run(
        'ss', '-tan', netns=lab.host_ns)), 'socket ended')
    sw.run()
    check(not c.reset, 'the client hears nothing')
    check(lab.counter('rst_silenced') == 1, 'counted')
    check(lab.status()['connections'] == 0, 'no connection')


def abort_no_socket():
    """ABORT of what the kernel would not take spares the listening socket"""
    c = Client('192.0.2.7', next(_ports))       # No route leads there.
    f = sw.infuse(c, GET)
    check(not sw.wait_report(f, timeout=0.3), 'not taken')
    sw.send(ABORT, struct.pack('!II', f, 0), 1)
    check(sw.wait_report(f, RELEASE), 'RELEASE')
    check_served()


def abort_first():
    """a bundle that comes after its ABORT is not taken"""
    f = 0x70000001
    sw.send(ABORT, struct.pack('!II', f, 0), 1)
    check(sw.wait_report(f, RELEASE), 'RELEASE')
    n, infused = len(sw.reports), lab.counter('infused')
    sw.infuse(client(), GET, flow_id=f)
    r = sw.wait_report(f, after=n)
    check(r and r.event == RELEASE, 'report %s' % (r,))
    check(lab.counter('infused') == infused, 'not infused')


def backlog():
    """a full accept queue refuses, and at most it is filled"""
    nginx.send_signal(signal.SIGSTOP)
    os.kill(worker(), signal.SIGSTOP)
    try:
        flows = [sw.infuse(client(), GET) for _ in range(20)]
        check(sw.wait(lambda: all(map(sw.report, flows))), 'all answered')
        events = [sw.report(f) for f in flows]
        refused = [r for r in events if r.event == REFUSE]
        check(len(refused) == 20 - 9, '%d refused' % len(refused))
        check({r.reason for r in refused} == {BACKLOG}, 'reason')
    finally:
        os.kill(worker(), signal.SIGCONT)
        nginx.send_signal(signal.SIGCONT)
    sw.send(ABORT, b''.join(struct.pack('!II', f, 0) for f in flows), 20)
    check(wait_until(lambda: lab.status()['connections'] == 0), 'gone')


def worker():
    return int(run('pgrep', '-P', str(nginx.pid)).split()[0])


def busy():
    """a tuple that a socket of the host's own has is refused"""
    run('ip', 'route', 'replace', 'local', CLIENTS + '0/24', 'dev', 'lo',
        netns=lab.host_ns)
    back = setns(lab.host_ns)
    s = socket.socket()
    s.bind((CLIENTS + '9', 1234))
    s.connect((VIP, 80))
    setns(back)
    run('ip', 'route', 'del', 'local', CLIENTS + '0/24', 'dev', 'lo',
        netns=lab.host_ns)
    f = sw.infuse(Client(CLIENTS + '9', 1234), GET)
    r = sw.wait_report(f)
    check(r == Report(f, REFUSE, BUSY, 0), 'report %s' % (r,))
    s.close()


def audit():
    """AUDIT lists exactly the live connections and those that linger"""
    begun = time.monotonic()
    opened = dict(reversed(open_client()) for _ in range(100))
    listed = sw.audit()
    check([m.flow_id for m in listed] == sorted(m.flow_id for m in listed),
          'in order')
    listed = [m for m in listed if m.state == 1]
    check([m.flow_id for m in listed] == sorted(opened), 'flow IDs')
    for m in listed:
        c = opened[m.flow_id]
        check(m[1:7] == (1, mapped(c.address), mapped(VIP), c.port, 80, 5000)
              and m.age < 1000 * (time.monotonic() - begun) + 1000
              and m[8:] == (1, 1), 'mapping %s' % (m,))
    f = listed[50].flow_id
    sw.say(f, opened[f], flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE), 'RELEASE')
    states = {m.flow_id: m.state for m in sw.audit()}
    check(states[f] == 2 and [states[g] for g in opened].count(1) == 99,
          'one has ended')

    # Any question may be asked again, and the list stays as it was.
    f2 = listed[51].flow_id
    sw.send(ABORT, struct.pack('!II', f2, 0), 1)
    check(sw.wait_report(f2, RELEASE), 'ABORT')
    for _ in range(2):
        piece = sw.ask(listed[49].flow_id)
        check([m.flow_id for m in piece.mappings[:2]] == [f, f2], 'the same')
    check(f2 not in [m.flow_id for m in sw.audit()], 'a new audit')
    other = other_switch()
    check({m.yours for m in other.audit()} == {0}, 'of another switch')
    sw.send(ABORT, b''.join(struct.pack('!II', f, 0) for f in opened),
            len(opened))
    check(wait_until(lambda: lab.status()['connections'] == 0), 'gone')
    check(sw.bad == 0, 'right answers')


def other_switch():
    """Another switch, which says HELLO when it is to."""
    mac = lab.mac(lab.switch_ns, 'sw0')
    run('ip', 'neigh', 'replace', '10.99.0.253', 'lladdr', mac, 'dev', 'eth0',
        netns=lab.host_ns)
    other = Switch(lab.switch_ns, 'sw0', lab.mac(lab.host_ns, 'eth0'), mac,
                   sw.key, '10.99.0.253')
    other.epoch = 77
    return other


def news():
    """switches are told of each other's connections until they have heard"""
    other = other_switch()
    check(other.hello()[2] == 1, 'one other')
    check(sw.hello()[2] == 1, 'one other')

    def quiet():
        """Whether 'other' is told nothing for a while, though it is there."""
        check(other.hello(), 'STATUS')
        n = len(other.news)
        return not other.wait(lambda: len(other.news) > n, 0.3)

    check(wait_until(quiet), 'no more of what ended just before')
    other.listens = False

    def told(flow_id):
        return [(int.from_bytes(n.number, 'big'), m) for n in other.news
                for m in n.mappings if m.flow_id == flow_id]

    c, f = open_client()
    check(sw.wait(lambda: c.got.endswith(b'hello')), 'response')
    check(other.wait(lambda: len(told(f)) > 2), 'told again and again')
    check(len({number for number, _ in told(f)}) == 1, 'the same')
    number, m = told(f)[0]
    check((m.state, m.yours, m.isn) == (1, 0, 5000), 'mapping %s' % (m,))
    check(m[2:6] == (mapped(c.address), mapped(VIP), c.port, 80), 'tuple')
    other.listens = True
    n = len(told(f))
    check(other.wait(lambda: len(told(f)) > n), 'once more, and heard')
    check(wait_until(quiet), 'not told after that')
    n = len(other.news)

    # Under the other one's address, the host takes the client's packets.
    c.got = b''
    sw.clients.pop((c.address, c.port))
    other.clients[c.address, c.port] = f, c
    other.say(f, c, GET)
    check(other.wait(lambda: c.got.endswith(b'hello')), 'taken over')
    other.say(f, c, flags=FIN | ACK)
    check(other.wait(lambda: len(other.news) > n), 'told of the end')
    check(told(f)[-1][1].state == 2, 'the end')
    check(told(f)[-1][0] > number, 'numbers go up')
    check(sw.wait_report(f, RELEASE), 'RELEASE for the owner')

    # It cannot end another's connection.  If that one does, it is told.
    c, f = open_client()
    check(other.wait(lambda: told(f)), 'told')
    other.send(ABORT, struct.pack('!II', f, 0), 1)
    check(other.wait_report(f, RELEASE), 'an answer in any case')
    check(lab.status()['connections'] == 1, 'not ended')
    sw.send(ABORT, struct.pack('!II', f, 0), 1)
    check(sw.wait_report(f, RELEASE), 'ended')
    check(other.wait(lambda: told(f)[-1][1].state == 3), 'aborted')
    sw.run()
    check(not sw.news, 'nothing of its own for the owner')
    check(sw.bad == 0 and other.bad == 0 and other.old == 0, 'seals')

    # Who is away is not waited for.
    other.listens = False
    time.sleep(2.1)
    check_served()


def kill_agent():
    """an agent killed and started again breaks no connection"""
    c, f = open_client()
    lab.stop_agent(signal.SIGKILL)
    c.got = b''
    sw.say(f, c, GET)
    check(sw.wait(lambda: c.got.endswith(b'hello')), 'without an agent')
    c2 = client()
    f2 = sw.infuse(c2, GET_CLOSE)
    c2.seq += len(GET_CLOSE)
    check(sw.wait(lambda: c2.fin), 'a new one without an agent')
    sw.say(f2, c2, flags=FIN | ACK)
    lab.start_agent()
    status = lab.status()
    check(status['connections'] == 1, '%d connections' %
          status['connections'])
    check(sw.bad == 0, 'epoch and seal')
    c.got = b''
    sw.say(f, c, GET)
    check(sw.wait(lambda: c.got.endswith(b'hello')), 'with an agent')
    sw.say(f, c, flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE), 'RELEASE')


def removed():
    """programs that somebody removes come back"""
    run('tc', 'qdisc', 'del', 'dev', 'eth0', 'clsact', netns=lab.host_ns)
    check(wait_until(lambda: 'migrator_' in run(
        'tc', 'filter', 'show', 'dev', 'eth0', 'ingress',
        netns=lab.host_ns), 8), 'ingress')
    c, f = open_client()
    sw.say(f, c, flags=FIN | ACK)
    check(sw.wait_report(f, RELEASE), 'RELEASE')
    n = len([r for r in sw.reports if r.flow_id == f])
    check(n == 2, '%d reports' % n)


def two_agents():
    """a second agent on the interface is refused"""
    r = lab.agent_run('--key-file', lab.key_file)
    check(r.returncode == 3 and 'runs for this interface' in r.stderr,
          '%d %s' % (r.returncode, r.stderr))


def keys():
    """SIGHUP changes keys, and the previous key still works, both ways"""
    new = 'ffeeddccbbaa99887766554433221100'
    lab.set_keys(new, KEY)
    lab.agent.send_signal(signal.SIGHUP)
    check(wait_until(lambda: '2 keys' in lab.log_from()), 'log')
    f0 = sw.infuse(client(), GET)
    check(sw.wait_report(f0, CONFIRM), 'CONFIRM for one without the new key')
    sw.again(f0)
    n = len(sw.reports)
    check(sw.wait_report(f0, CONFIRM, n), 'from the kernel')
    check(any(m.flow_id == f0 for m in sw.audit()), 'audit')
    old_key, sw.key = sw.key, Key(new)
    try:
        check(sw.hello(), 'STATUS')
        f = sw.infuse(client(), GET)
        check(sw.wait_report(f, CONFIRM), 'new key')
        body = client().bundle_body(0x71000001, GET)
        sw.send(BUNDLE, body, key=old_key)
        check(sw.wait_report(0x71000001, CONFIRM), 'old key')
        lab.set_keys(new)
        lab.agent.send_signal(signal.SIGHUP)
        check(wait_until(lambda: '1 key\n' in lab.log_from()), 'log')
        n = lab.counter('unknown_key')
        sw.send(BUNDLE, client().bundle_body(0x71000002, GET), key=old_key)
        check(wait_until(lambda: lab.counter('unknown_key') == n + 1),
              'old key refused')
        sw.send(ABORT, struct.pack('!IIIIII', f0, 0, f, 0, 0x71000001, 0), 3)
        check(sw.wait_report(f, RELEASE), 'RELEASE')
    finally:
        sw.key = old_key
        lab.set_keys(KEY)
        lab.agent.send_signal(signal.SIGHUP)


def keys_swap():
    """while two keys change places, both work at every moment"""
    new = 'ffeeddccbbaa99887766554433221100'
    lab.set_keys(KEY, new)
    lab.agent.send_signal(signal.SIGHUP)
    check(wait_until(lambda: lab.log_from().endswith('2 keys\n')), 'log')
    check(sw.hello(), 'STATUS')
    before = lab.counter('unknown_key'), lab.counter('bad_seal')
    pid = os.fork()
    if not pid:
        while os.getppid() != 1:            # One that the host heard before.
            sw.send_ip(sw.sent[-1])
        os._exit(0)
    try:
        for i in range(200):
            n = lab.log_from().count('read again')
            lab.set_keys(*(new, KEY) if i % 2 == 0 else (KEY, new))
            lab.agent.send_signal(signal.SIGHUP)
            check(wait_until(
                lambda: lab.log_from().count('read again') > n), 'log')
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        lab.set_keys(KEY)
        lab.agent.send_signal(signal.SIGHUP)
    check((lab.counter('unknown_key'), lab.counter('bad_seal')) == before,
          'a key was unknown')


def arp():
    """the host keeps silent about the service address in ARP"""
    query = struct.pack('!HHBBH', 1, 0x800, 6, 4, 1) + sw.mac \
        + socket.inet_aton(SWITCH) + b'\0' * 6
    frame = b'\xff' * 6 + sw.mac + b'\x08\x06'
    del sw.arps[:]
    sw.sock.send(frame + query + socket.inet_aton(VIP))
    sw.sock.send(frame + query + socket.inet_aton(HOST))
    check(sw.wait(lambda: sw.arps), 'answers for its own')
    check([a[14:18] for a in sw.arps] == [socket.inet_aton(HOST)], 'only')
    check(lab.counter('neighbor_silenced') == 1, 'counted')
    del sw.arps[:]
    lab.spawn('ping', '-c', '1', '-W', '1', '-I', VIP, '10.99.0.77',
              log=subprocess.DEVNULL)
    check(sw.wait(lambda: sw.arps), 'asks')
    check({a[14:18] for a in sw.arps} == {socket.inet_aton(HOST)},
          'with its own address')


def cleanup():
    """--cleanup leaves nothing behind"""
    lab.stop_agent()
    r = lab.agent_run('--cleanup')
    check(r.returncode == 0, r.stderr)
    filters = run('tc', 'filter', 'show', 'dev', 'eth0', 'ingress',
                  netns=lab.host_ns)
    check('migrator' not in filters, filters)
    check(VIP not in run('ip', 'route', 'show', 'table', 'local',
                         netns=lab.host_ns), 'route')
    check(not os.listdir(lab.dir + '/run'), 'run directory')


nginx = lab.start_nginx(backlog=8)
lab.start_agent()
TESTS = [hello, infuse, timestamps, duplicate, no_listener, time_wait,
         came_back, closed, flow_id_taken, restarted_switch, doubled_hello,
         known, known_to_late_switch, unknown_flow, abort, abort_no_socket,
         abort_first, backlog, busy, audit, news, kill_agent, removed,
         two_agents, keys, keys_swap, arp, cleanup]
if len(sys.argv) > 1:
    TESTS = [t for t in TESTS if t.__name__ in ['hello'] + sys.argv[1:]]
tap(TESTS)
