#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent's companion, between a real agent and real controllers:
register_test.py [NAME...].  Needs root."""

import os
import signal
import sys

sys.path.insert(1, os.path.join(os.path.dirname(__file__), '../controller'))

from fabric import *
from lab import *

if os.geteuid():
    print('1..0 # SKIP needs root')
    sys.exit(77)
if not os.path.exists(BUILD + '/controller/ovs-migrate-controller'):
    print('1..0 # SKIP needs the controller')
    sys.exit(77)

from controllers import Client as Rest, Controller, Server, make_certificate
from workspace import Workspace

AGENT, WRITE = 'a' * 16, 'w' * 16
FIRST, SECOND = '0' * 32, '1' * 32

lab = Lab('register')
workspace = Workspace()
atexit.register(workspace.close)
certificate, key = make_certificate(workspace)
db = Server(workspace)
key_file = lab.dir + '/fabric.key'
token_file = workspace.write('token', AGENT + '\n', 0o600)


def start_controller(name):
    tokens = workspace.write('tokens', 'h1 agent %s\nboss write %s\n'
                             % (AGENT, WRITE), 0o600)
    controller = Controller(
        workspace, name, db.remote, args=[
            '--rest=https:127.0.0.1:0', '--rest-tokens=' + tokens,
            '--rest-certificate=' + certificate, '--rest-private-key=' + key],
        prefix=['nsenter', '--net=/run/netns/' + lab.host_ns])
    return controller


def rest(controller, method, path, body=None):
    back = setns(lab.host_ns)
    try:
        client = Rest(controller.urls()[0], WRITE, certificate)
        return client(method, path, body)
    finally:
        setns(back)


def host():
    """The status of the host, {} if there is none."""
    response = rest(active, 'GET', '/v1/hosts/h1')
    return response.json['status'] if response.status == 200 else {}


def start_register(*args):
    log = open(lab.dir + '/register.log', 'a')
    return lab.spawn(
        BUILD + '/agent/ovs-migrate-agent-register', '--interface', 'eth0',
        '--run-dir', lab.dir + '/run', '--name', 'h1', '--controller',
        urls, '--token-file', token_file, '--ca-file', certificate, '--key-file', key_file, *args,
        log=log)


def log():
    return open(lab.dir + '/register.log').read()


def read_key():
    return open(key_file).read().split() if os.path.exists(key_file) else []


def creates():
    """an unknown host is created; the key is there before the agent"""
    check(wait_until(lambda: host().get('agent') == 'stopped', 10), log())
    check(wait_until(lambda: read_key() == [FIRST]), log())
    check(os.stat(key_file).st_mode & 0o777 == 0o600, 'mode')
    item = rest(active, 'GET', '/v1/hosts/h1').json
    check(item['ip'] == HOST, 'ip %s' % item)
    lab.key_file = key_file
    lab.start_agent()
    check(wait_until(lambda: host().get('agent') == 'up', 10), 'up')
    status = host()
    check(status['kernel'] == os.uname().release, status)
    check(HOST in status['addresses'].split(','), status)
    check(status['agent-connections'] == '0', status)
    check(status['accept-queue'] == '0', status)
    check(wait_until(lambda: 0 <= int(host().get('cpu', -1)) <= 100, 10),
          'cpu %s' % host())


def unprivileged():
    """it has no capability at all"""
    fields = dict(line.split(':') for line in open(
        '/proc/%d/status' % register.pid))
    for name in 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb':
        check(int(fields[name], 16) == 0, name + fields[name])
    check(int(fields['NoNewPrivs']) == 1, 'NoNewPrivs')


def new_key():
    """a new key reaches the agent"""
    rest(active, 'PATCH', '/v1/fabric', {'current_key': SECOND,
                                         'accepted_key': FIRST})
    check(wait_until(lambda: read_key() == [SECOND, FIRST], 10), log())
    check(wait_until(lambda: '2 keys' in lab.log_from()), lab.log_from())
    lab.switch.key = Key(SECOND)
    check(lab.hello(), 'STATUS under the new key')


def accept_queue():
    """connections that nobody accepts are told of"""
    back = setns(lab.host_ns)
    listener = socket.create_server(('127.0.0.1', 0))
    clients = [socket.create_connection(listener.getsockname())
               for _ in range(5)]
    setns(back)
    check(wait_until(lambda: host()['accept-queue'] == '5', 10), host())
    for s in clients + [listener]:
        s.close()


def many_addresses():
    """a host has more addresses than there is room for"""
    addresses = ['10.77.0.%d' % i for i in range(100)]
    for address in addresses:
        run('ip', 'addr', 'add', address + '/32', 'dev', 'eth0',
            netns=lab.host_ns)
    check(wait_until(lambda: len(host()['addresses'].split(',')) == 64, 5),
          log())
    for address in addresses:
        run('ip', 'addr', 'del', address + '/32', 'dev', 'eth0',
            netns=lab.host_ns)
    check(wait_until(lambda: addresses[0] not in host()['addresses'], 5),
          log())


def agent_killed():
    """an agent that is killed is known to be stopped"""
    lab.stop_agent(signal.SIGKILL)
    check(wait_until(lambda: host()['agent'] == 'stopped', 5), host())
    lab.start_agent()
    check(wait_until(lambda: host()['agent'] == 'up', 5), host())


def controller_killed():
    """the next controller is found, and nothing happens meanwhile"""
    global active
    controllers[0].kill()
    active = controllers[1]
    active.wait_active()
    heard = int(host()['agent-heard'])
    check(wait_until(lambda: int(host()['agent-heard']) > heard, 10), log())
    events = rest(active, 'GET', '/v1/events?subject=hosts/h1').json['items']
    check('agent-lost' not in [e['kind'] for e in events], events)


def lost_and_leaves():
    """killed, it is missed; stopped, it is not"""
    global register
    register.kill()
    check(wait_until(lambda: host()['agent'] == 'lost', 10), host())
    register = start_register()
    check(wait_until(lambda: host()['agent'] == 'up', 10), log())
    register.terminate()
    check(register.wait(5) == 0, 'exit status')
    check(wait_until(lambda: 'agent' not in host(), 5), host())
    check(lab.hello(), 'the agent goes on')


def wrong_certificate():
    """a controller that cannot prove who it is gets nothing"""
    global register
    register = start_register('--ca-file', '/etc/ssl/certs/ca-certificates.crt'
                              if os.path.exists('/etc/ssl/certs/'
                                                'ca-certificates.crt')
                              else '/dev/null')
    check(wait_until(lambda: 'ertificate' in log(), 10), log())
    check('agent' not in host(), host())
    register.terminate()


def bad_options():
    """what is wrong with the command line is named"""
    def words(*args):
        return subprocess.run(
            (BUILD + '/agent/ovs-migrate-agent-register',) + args,
            stderr=subprocess.PIPE, text=True)
    good = ('--interface', 'eth0', '--controller', 'https://127.0.0.1:1')
    os.chmod(token_file, 0o644)
    for args, text in ((good, '--token-file'),
                       (good + ('--token-file', '/none'), '/none'),
                       (good + ('--token-file', token_file), 'chmod 600'),
                       (good[2:], '--interface'), (good[:2], '--controller')):
        r = words(*args)
        check(r.returncode == 1 and text in r.stderr, r.stderr)
    os.chmod(token_file, 0o600)
    r = words(*good, '--token-file', token_file, '--name', 'a/b')
    check(r.returncode == 1 and 'a/b' in r.stderr, r.stderr)


active = start_controller('c1')
active.wait_active()
rest(active, 'PATCH', '/v1/fabric', {'current_key': FIRST})
controllers = [active, start_controller('c2')]
urls = ','.join(c.urls()[0] for c in controllers)
register = start_register()
tap([creates, unprivileged, new_key, accept_queue, many_addresses, agent_killed,
     controller_killed, lost_and_leaves, wrong_certificate, bad_options])
