# SPDX-License-Identifier: Apache-2.0
"""Server programs, the same binaries as Debian has them, on a node.

Each has its own configuration, content and logs in the workspace.  Content is
what every server can deliver: plain files below 'root'.
"""

import contextlib
import json
import os
import re
import shutil

from workspace import run, wait_until


def listening(node, port):
    """Whether something listens on TCP 'port' of 'node'."""
    return node.run("ss", "-Hltn", f"sport = :{port}").strip() != ""


class Server:
    """What the servers have in common.

    Derived classes start the program in command() and read its access log in
    clients()."""

    name = None

    def __init__(self, node, port=80):
        self.node = node
        self.port = port
        self.dir = node.workspace.mkdir(node.name, self.name)
        self.root = node.workspace.mkdir(node.name, self.name, "root")
        self.process = None

    def put(self, path, content):
        """Adds a file to the content."""
        file_name = self.root + path
        os.makedirs(os.path.dirname(file_name), exist_ok=True)
        with open(file_name, "wb") as file:
            file.write(content)
        return file_name

    def write_conf(self, text):
        with open(f"{self.dir}/conf", "w") as conf:
            conf.write(text)
        return conf.name

    def start(self):
        self.process = self.node.start(*self.command(), name=self.name,
                                       cwd=self.dir)
        wait_until(lambda: listening(self.node, self.port)
                   or not self.process.alive(), f"{self.name} to listen")
        if not self.process.alive():
            raise RuntimeError(f"{self.name}: {self.process.output()}")
        return self

    def stop(self):
        self.process.stop()

    def access_log(self):
        """The lines of the server's own access log."""
        try:
            with open(f"{self.dir}/access.log") as log:
                return log.read().splitlines()
        except FileNotFoundError:
            return []

    def clients(self):
        """Addresses (and ports, where the log has them) of the clients, as
        the server's accept() gave them, one for each request."""
        return [line.split()[0] for line in self.access_log()]

    def wait_client(self, *names):
        """Waits until one of 'names' is the latest client in the log: a
        server may write it after its response."""
        wait_until(lambda: self.clients()[-1:] and self.clients()[-1] in names,
                   f"{' or '.join(names)} in the access log")


class _Nginx(Server):
    """What nginx needs, whatever it is used for."""

    workers = 1

    def http(self):
        """The inside of the http block."""
        raise NotImplementedError

    def command(self):
        temporary = ""
        for name in "client_body", "proxy", "fastcgi", "scgi", "uwsgi":
            temporary += f"    {name}_temp_path {self.dir}/{name};\n"
        conf = self.write_conf(f"""\
daemon off;
user root;
worker_processes {self.workers};
pid {self.dir}/pid;
error_log {self.dir}/error.log;
events {{ worker_connections 8192; }}
http {{
{temporary}
    keepalive_requests 1000000;
{self.http()}
}}
""")
        return ["nginx", "-e", f"{self.dir}/error.log", "-c", conf]


class Nginx(_Nginx):
    """nginx.  Its log starts with "ADDRESS:PORT HOST "REQUEST"".

    /upload takes a POST: the body becomes a file, whose name is answered."""

    name = "nginx"

    def __init__(self, node, port=80, listen="", extra="", workers=1,
                 both=False):
        super().__init__(node, port)
        self.both = both            # Listens to IPv6 as well.
        self.listen = listen        # More words of the listen directive.
        self.extra = extra          # More lines of the server block.
        self.workers = workers

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"{self.dir}/upload.sock")    # If it was killed.
        return super().start()

    def http(self):
        where = f"[::]:{self.port} ipv6only=off" if self.both else self.port
        return f"""\
    log_format peer '$remote_addr:$remote_port $host "$request" $status '
                    '$body_bytes_sent conn=$connection/$connection_requests';
    access_log {self.dir}/access.log peer;
    log_not_found off;
    sendfile on;
    tcp_nopush on;
    default_type application/octet-stream;
    server {{
        listen {where} {self.listen};
        root {self.root};
        client_max_body_size 0;
        location /upload {{
            client_body_in_file_only on;
            client_body_timeout 300s;
            proxy_pass http://unix:{self.dir}/upload.sock;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-File $request_body_file;
        }}
        {self.extra}
    }}
    server {{
        listen unix:{self.dir}/upload.sock;
        access_log off;
        return 200 $http_x_file;
    }}
"""


def nginx_of_both(node, **kwargs):
    """nginx that listens to both families."""
    return Nginx(node, both=True, **kwargs)


class NginxH2(Nginx):
    """nginx with HTTP/2 and no TLS."""

    name = "nginx-h2"

    def __init__(self, node, port=80):
        super().__init__(node, port, "http2")


class NginxTls(Nginx):
    """nginx with TLS and a certificate for each of NAMES, which is chosen by
    SNI; "" is that of clients without.  The certificates, which sign
    themselves, are the same on all hosts: NAME.crt in 'certificates'."""

    name = "nginx-tls"
    NAMES = "", "a.example", "www.b.example", "c.example"

    def __init__(self, node, port=443):
        self.certificates = certificates(node.workspace, self.NAMES)
        super().__init__(node, port, "ssl http2", f"""\
ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {self.certificates}/$ssl_server_name.crt;
        ssl_certificate_key {self.certificates}/$ssl_server_name.key;""")


def certificates(workspace, names):
    """The directory with certificates and keys for 'names', made when it is
    asked for first."""
    path = workspace.path("certificates")
    if not os.path.exists(path):
        os.mkdir(path)
        for name in names:
            run(["openssl", "req", "-x509", "-nodes", "-days", "2",
                 "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-keyout", f"{path}/{name}.key", "-out",
                 f"{path}/{name}.crt", "-subj", f"/CN={name or 'default'}",
                 "-addext", f"subjectAltName=DNS:{name or 'default'}"])
    return path


class NginxProxy(_Nginx):
    """nginx with one worker as a proxy in front of 'backend'."""

    name = "nginx-proxy"

    def __init__(self, node, backend, port=80):
        super().__init__(node, port)
        self.backend = backend

    def http(self):
        return f"""\
    access_log off;
    upstream back {{
        server {self.backend};
        keepalive 64;
        keepalive_requests 1000000;
    }}
    server {{
        listen {self.port};
        location / {{
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
"""


class Lighttpd(Server):
    """lighttpd."""

    name = "lighttpd"

    def command(self):
        conf = self.write_conf(f"""\
server.modules = ("mod_accesslog")
server.document-root = "{self.root}"
server.port = {self.port}
server.errorlog = "{self.dir}/error.log"
accesslog.filename = "{self.dir}/access.log"
mimetype.assign = ("" => "application/octet-stream")
""")
        return ["lighttpd", "-D", "-f", conf]


class PythonHttp(Server):
    """Python's http.server."""

    name = "python"

    def command(self):
        return ["/usr/bin/python3", "-u", "-m", "http.server", self.port,
                "--protocol", "HTTP/1.1", "--directory", self.root]

    def access_log(self):
        return [line for line in self.process.output().splitlines()
                if re.search(r'"[A-Z]+ /', line)]


class NodeHttp(Server):
    """Node's http."""

    name = "node"
    SCRIPT = """\
const fs = require('fs'), http = require('http');
const [port, root] = process.argv.slice(2);
http.createServer((request, response) => {
    const peer = request.socket;
    console.log(`${peer.remoteAddress}:${peer.remotePort} ${request.url}`);
    fs.readFile(root + request.url, (error, content) => {
        response.statusCode = error ? 404 : 200;
        response.end(content);
    });
}).listen(Number(port), '0.0.0.0');
"""

    def command(self):
        # /usr/bin: the first "node" on PATH may not be Debian's.
        return ["/usr/bin/node", self.write_conf(self.SCRIPT), self.port,
                self.root]

    def access_log(self):
        return self.process.output().splitlines()


class Smtp(Server):
    """aiosmtpd, which prints the mail it gets, with an X-Peer header.  It
    speaks first."""

    name = "smtp"

    def __init__(self, node, port=25):
        super().__init__(node, port)

    def command(self):
        return ["/usr/bin/python3", "-u", "-m", "aiosmtpd", "-n", "-l",
                f"0.0.0.0:{self.port}"]


class Redis(Server):
    """redis-server."""

    name = "redis"

    def __init__(self, node, port=6379):
        super().__init__(node, port)

    def command(self):
        return ["redis-server", "--port", self.port, "--protected-mode", "no",
                "--save", "", "--dir", self.dir]


class PostgreSql(Server):
    """postgres, without passwords.  It does not run as root."""

    name = "postgresql"
    BIN = "/usr/lib/postgresql/15/bin"

    def __init__(self, node, port=5432):
        super().__init__(node, port)

    @staticmethod
    def _as_postgres(argv):
        return ["setpriv", "--reuid=postgres", "--regid=postgres",
                "--clear-groups", *argv]

    def command(self):
        os.chmod(self.node.workspace.dir, 0o711)    # It must come through.
        shutil.chown(self.dir, "postgres")
        data = f"{self.dir}/data"
        run(self._as_postgres([f"{self.BIN}/initdb", "--no-sync", "-A",
                               "trust", "-D", data]), cwd=self.dir)
        with open(f"{data}/pg_hba.conf", "a") as conf:
            conf.write("host all all 0.0.0.0/0 trust\n")
        return self._as_postgres([
            f"{self.BIN}/postgres", "-D", data, "-p", self.port, "-c",
            "listen_addresses=*", "-c", f"unix_socket_directories={self.dir}"])


class Sshd(Server):
    """sshd, which lets root in with 'key'.  It speaks first, as its clients
    do."""

    name = "sshd"

    def __init__(self, node, port=22):
        super().__init__(node, port)
        self.key = f"{self.dir}/key"

    def command(self):
        for key in self.key, f"{self.dir}/host":
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
        os.makedirs("/run/sshd", exist_ok=True)     # sshd insists on it.
        conf = self.write_conf(f"""\
Port {self.port}
HostKey {self.dir}/host
AuthorizedKeysFile {self.key}.pub
PidFile {self.dir}/pid
StrictModes no
UsePAM no
""")
        return ["/usr/sbin/sshd", "-D", "-e", "-f", conf]


class HaProxy(Server):
    """HAProxy with one thread, in front of 'backend' ("ADDRESS:PORT")."""

    name = "haproxy"

    def __init__(self, node, backend, port=80):
        super().__init__(node, port)
        self.backend = backend

    def command(self):
        conf = self.write_conf(f"""\
global
    nbthread 1
    maxconn 4000
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    http-reuse always
frontend front
    bind :{self.port}
    default_backend back
backend back
    server host {self.backend}
""")
        return ["haproxy", "-db", "-f", conf]


class Agent:
    """ovs-migrate-agent on a node.  Its maps and programs are pinned below
    its run directory, so they outlive kill() and are there at start()."""

    def __init__(self, node, tools, key_file, interface="eth0"):
        self.node = node
        self.tools = tools
        self.key_file = key_file
        self.interface = interface
        self.run_dir = node.workspace.mkdir(node.name, "agent")
        self.prefix = []            # A command that runs it.
        self.process = None

    def start(self):
        self.process = self.node.start(
            *self.prefix, self.tools.find("ovs-migrate-agent"),
            "--interface", self.interface, "--key-file", self.key_file,
            "--run-dir", self.run_dir, name="agent")
        return self

    def stop(self):
        self.process.stop()

    def status(self):
        """What "ovs-migrate-agent --status --json" says."""
        return json.loads(self.node.run(
            self.tools.find("ovs-migrate-agent"), "--interface",
            self.interface, "--run-dir", self.run_dir, "--status", "--json"))

    def counters(self):
        return self.status()["counters"]

    def kill(self):
        """As kill -9 would."""
        self.process.kill()

    def cleanup(self):
        """Removes what a dead one left."""
        self.node.run(self.tools.find("ovs-migrate-agent"), "--interface",
                      self.interface, "--run-dir", self.run_dir, "--cleanup")


def random_file(path, size):
    """Writes 'size' random bytes and returns their SHA-256."""
    run(["dd", "if=/dev/urandom", f"of={path}", "bs=1M", "iflag=fullblock",
         f"count={size}", "iflag=count_bytes,fullblock"])
    return sha256(path)


def sha256(path):
    return run(["sha256sum", path]).split()[0]
