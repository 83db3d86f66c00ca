#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every operation of /openapi.json, with good and bad input; who may do what;
what the interface says about conflicts."""

import http.client
import itertools
import json
import re
import socket
import time
import urllib.parse

from controllers import (REPOSITORY, Client, Controller, ControllerTest,
                         make_certificate, transact)
from openapi import Document, bad_values
from workspace import run, wait_until
import tap


class RestTest(ControllerTest):
    def setUp(self):
        super().setUp()
        self.controller = Controller(self.workspace)
        self.controller.wait_active()
        self.client = self.controller.wait_ready()
        self.document = Document(self.client("GET", "/openapi.json").json)

    def check(self, status, method, path, body=None, headers=()):
        response = self.client(method, path, body, headers)
        self.assertEqual(response.status, status, (method, path, response))
        return response

    def fields(self, response):
        """The members that a problem speaks of."""
        return [error["field"] for error in response.json["errors"]]

    def state(self):
        """All that operators have written into the database."""
        tables = transact(self.controller.remote, *(
            {"op": "select", "table": table, "where": []}
            for table in ("Fabric", "Switch", "Link", "Host", "Pool",
                          "Service", "Rule")))
        for row in itertools.chain(*(table["rows"] for table in tables)):
            for learned in ("_version", "active", "cur_cfg", "links",
                            "statistics", "status"):
                row.pop(learned, None)
        return tables

    def add_learned(self):
        """A link, a station and an event, which only the controller itself
        makes.  Waits until it has heard of them."""
        leaf1 = transact(self.controller.remote, {
            "op": "select", "table": "Switch", "columns": ["_uuid"],
            "where": [["name", "==", "leaf1"]]})[0]["rows"][0]["_uuid"][1]
        transact(self.controller.remote, {
            "op": "insert", "table": "Link", "uuid-name": "link",
            "row": {"name": "leaf1:eth1", "port": "eth1"}}, {
            "op": "mutate", "table": "Switch",
            "where": [["name", "==", "leaf1"]],
            "mutations": [["links", "insert", ["named-uuid", "link"]]]}, {
            "op": "insert", "table": "Station",
            "row": {"mac": "02:00:00:00:00:01", "port": "eth2", "heard": 1,
                    "switch": ["uuid", leaf1]}}, {
            "op": "insert", "table": "Event",
            "row": {"seq": 1, "time": 1, "severity": "info", "kind": "x",
                    "subject": "hosts/h1", "text": "x"}})
        wait_until(lambda: all(
            self.client("GET", f"/v1/{path}").status == 200
            for path in ("links/leaf1:eth1", "events/1")),
                   "the controller to hear of a link and an event")

    def put_all(self):
        """PUTs every example, each after what it refers to; returns the
        operations in that order."""
        left = [o for o in self.document.operations if o.method == "PUT"]
        done = []
        while left:
            for operation in left:
                response = self.client("PUT", operation.url,
                                       operation.example)
                if response.status == 201:
                    self.document.validate(operation, response)
                    done.append(operation)
            progress = [o for o in left if o not in done]
            self.assertLess(len(progress), len(left), response)
            left = progress
        self.add_learned()
        return done


class Operations(RestTest):
    def test_document(self):
        text = json.dumps(self.document.json)
        for name in re.findall(r'"#/components/schemas/(\w+)"', text):
            self.document.schema(name)
        ids = [o.spec["operationId"] for o in self.document.operations]
        self.assertEqual(len(ids), len(set(ids)))
        for name, schema in self.document.json["components"]["schemas"] \
                .items():
            for field, property in schema.get("properties", {}).items():
                if name != "Problem":
                    self.assertTrue(property["description"], (name, field))
        for path in ("services", "rules", "pools", "hosts", "switches",
                     "links", "events"):
            self.assertTrue(self.document.get("GET", f"/v1/{path}"))

    def test_documentation(self):
        """docs/rest.md is of this very interface."""
        tables = run(["/usr/bin/python3", f"{REPOSITORY}/docs/rest-tables.py"],
                     stdin=None, input=json.dumps(self.document.json))
        with open(f"{REPOSITORY}/docs/rest.md") as file:
            self.assertTrue(file.read().endswith(tables), "remake its second "
                            "part with docs/rest-tables.py")

    def test_good(self):
        put = self.put_all()
        for operation in put:
            with self.subTest(operation.path):
                again = self.check(200, "PUT", operation.url,
                                   operation.example)
                got = self.check(200, "GET", operation.url)
                properties = self.document.item_schema(operation)["properties"]
                for name, member in properties.items():
                    if not member.get("readOnly"):
                        self.assertEqual(got.json.get(name),
                                         again.json.get(name), name)
                self.assertEqual(got.headers["ETag"], again.headers["ETag"])
                for name, value in operation.example.items():
                    self.assertEqual(got.json[name], value)
                self.check(200, "PUT", operation.url, got.json)
        for operation in self.document.operations:
            if operation.method in ("GET", "PATCH", "POST"):
                with self.subTest(f"{operation.method} {operation.path}"):
                    response = self.check(
                        200, operation.method, operation.url,
                        operation.example, {"Content-Type": operation.media})
                    self.document.validate(operation, response)
                    if operation.method == "PATCH":
                        for name, value in operation.example.items():
                            self.assertEqual(response.json[name], value)
        deletes = [o for o in self.document.operations
                   if o.method == "DELETE"]
        order = [o.path for o in put]
        deletes.sort(key=lambda o: order.index(o.path)
                     if o.path in order else len(order), reverse=True)
        for operation in deletes:
            with self.subTest(f"DELETE {operation.path}"):
                self.check(204, "DELETE", operation.url)
                self.check(404, "GET", operation.url)
                self.check(404, "DELETE", operation.url)

    def test_bad_members(self):
        """Each member with each value that its schema does not allow."""
        self.put_all()
        before = self.state()
        n = 0
        for operation in self.document.operations:
            if operation.method not in ("PUT", "PATCH"):
                continue
            schema = self.document.item_schema(operation)
            headers = {"Content-Type": operation.media}
            for name, member in schema["properties"].items():
                if member.get("readOnly"):
                    continue
                for value, what in bad_values(member):
                    with self.subTest(f"{operation.method} {operation.path} "
                                      f"{name}: {what}"):
                        response = self.client(
                            operation.method, operation.url,
                            {**operation.example, name: value}, headers)
                        self.assertIn(response.status, (409, 422), response)
                        self.document.validate(operation, response)
                        self.assertTrue([f for f in self.fields(response)
                                         if f.split("/")[1] == name],
                                        response)
                        for error in response.json["errors"]:
                            self.assertTrue(error["remedy"])
                        n += 1
            response = self.client(operation.method, operation.url,
                                   {**operation.example, "a/~b": 1}, headers)
            self.assertEqual(response.status, 422)
            self.assertEqual(self.fields(response), ["/a~1~0b"])
            if operation.method == "PUT":
                for name in schema["required"]:
                    body = operation.example
                    del body[name]
                    response = self.check(422, "PUT", operation.url, body)
                    self.assertEqual(self.fields(response), ["/" + name])
        self.assertGreater(n, 300)
        self.assertEqual(self.state(), before)

    def test_bad_bodies(self):
        self.put_all()
        before = self.state()
        bodies = [(b"", 400), (b"{", 400), (b"[]", 400), (b'"x"', 400),
                  (b"null", 400), (b"{}{}", 400), (b'{"a": 1\0}', 400),
                  (b'{"a": "\xff"}', 400), (b"[" * 5000, 400),
                  (b'{"a": "\\ud66d\\ude00"}', 400),
                  (b'{"\\ude00": 1}', 400),
                  (b'{"x":' * 900 + b"1" + b"}" * 900, 422),
                  (b" " * 4194305, 413)]
        for operation in self.document.operations:
            if operation.media:
                for body, status in bodies:
                    with self.subTest(f"{operation.method} {operation.path} "
                                      f"{body[:20]}"):
                        response = self.client(
                            operation.method, operation.url, body,
                            {"Content-Type": operation.media})
                        self.assertEqual(response.status, status, response)
                        self.document.validate(operation, response)
                for media in (None, "text/plain", "application/jsonx"):
                    response = self.client(operation.method, operation.url,
                                           operation.example,
                                           {"Content-Type": media})
                    self.assertEqual(response.status, 415)
                    self.document.validate(operation, response)
        self.assertEqual(self.state(), before)

    def test_chunked_body_too_large(self):
        operation = next(o for o in self.document.operations
                         if o.method == "PUT")
        connection = http.client.HTTPConnection(
            self.client.url.netloc, timeout=20)
        connection.request("PUT", operation.url, iter([b" " * 65536] * 65),
                           {"Content-Type": "application/json"},
                           encode_chunked=True)
        self.assertEqual(connection.getresponse().status, 413)

    def test_bad_parameters(self):
        self.put_all()
        for operation in self.document.operations:
            if operation.path.startswith("/v1/") and (
                    operation.method != "GET" or "{" not in operation.path
                    and "single" not in operation.path
                    and operation.path != "/v1/fabric"):
                with self.subTest(f"{operation.method} {operation.path}"):
                    response = self.client(
                        operation.method, operation.url + "?colour=red",
                        operation.example,
                        {"Content-Type": operation.media})
                    self.assertEqual(response.status, 400, response)
                    self.document.validate(operation, response)

    def test_bad_filters(self):
        """A list is not empty because of a word that is mistyped."""
        self.put_all()
        n = 0
        for operation in self.document.operations:
            if operation.path.removeprefix("/v1/") not in (
                    "services", "rules", "pools", "hosts", "switches", "links",
                    "events"):
                continue
            for parameter in operation.spec["parameters"]:
                schema = parameter["schema"]
                if parameter["in"] != "query" or parameter["name"] == "after" \
                        or schema.get("format") == "name":
                    continue
                for value, what in bad_values(schema):
                    if isinstance(value, str) or schema["type"] == "integer" \
                            and isinstance(value, int):
                        query = urllib.parse.urlencode(
                            {parameter["name"]: value})
                        with self.subTest((operation.path, query, what)):
                            response = self.check(
                                400, "GET", f"{operation.path}?{query}")
                            self.document.validate(operation, response)
                            n += 1
        self.assertGreater(n, 100)
        response = self.check(400, "GET", "/v1/hosts?state=drained")
        self.assertIn('"drained" is not one of "down", "draining" and "ready"',
                      response.json["detail"])

    def test_bad_clients(self):
        """Of connections."""
        for path in "connections", "decisions":
            for query in ("client=x", "client=10.0.0", "client_port=0",
                          "client_port=65536", "client_port=x"):
                with self.subTest(query):
                    response = self.check(400, "GET", f"/v1/{path}?{query}")
                    self.assertIn(query, response.json["detail"])

    def test_not_unicode(self):
        """Whatever is asked, the answer is JSON."""
        host = {"ip": "10.0.0.1"}
        for status, method, path, body in (
                (404, "GET", "/v1/hosts/%ff", None),
                (404, "GET", "/v1/%e4", None),
                (400, "GET", "/v1/hosts?%c3=x", None),
                (400, "GET", "/v1/hosts?limit=%c3%28", None),
                (400, "GET", "/v1/hosts?ip=%ff", None),
                (400, "GET", "/v1/hosts?state=%c3%28", None),
                (400, "GET", "/v1/connections?client=%ff", None),
                (422, "PUT", "/v1/hosts/%c3%a4%80", host),
                (404, "PATCH", "/v1/hosts/%80", host)):
            response = self.check(status, method, path, body)
            self.assertEqual(response.json["status"], status)
        response = self.check(403, "GET", "/v1/hosts",
                              headers={"Host": "\u00ff"})
        self.assertIn('"?"', response.json["detail"])

    def test_where(self):
        """The place of what is no JSON is told as editors count."""
        response = self.client("PUT", "/v1/hosts/h1", b'{"ip":\n  oops}')
        self.assertIn("line 2, column ", response.json["detail"])

    def test_other_methods(self):
        """What the document does not speak of is refused."""
        self.put_all()
        paths = {o.path: o.url for o in self.document.operations}
        for path, url in paths.items():
            allowed = {o.method for o in self.document.operations
                       if o.path == path}
            if "GET" in allowed:
                allowed.add("HEAD")
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
                           "TRACE", "BREW"):
                if method not in allowed:
                    with self.subTest(f"{method} {path}"):
                        response = self.check(405, method, url)
                        self.assertEqual(
                            set(response.headers["Allow"].split(", ")),
                            allowed)
        for path in ("/", "/v1", "/v1/", "/v2/hosts", "/v1/hosts/",
                     "/v1/fabric/x", "/v1/host", "/healthz/", "//v1/hosts"):
            self.check(404, "GET", path)
        self.check(404, "GET", "/v1/hosts/h1/x")
        self.check(404, "GET", "/v1/hosts/%68%31%2f")
        self.check(200, "GET", "/v1/hosts/%68%31")
        self.check(400, "GET", "/v1/hosts/h1%00x")
        response = self.check(200, "HEAD", "/v1/hosts/h1")
        self.assertEqual(response.body, b"")

    def test_dry_run(self):
        for operation in self.put_all():
            before = self.state()
            url = operation.url + "?dry_run=true"
            self.assertEqual(self.client("PUT", url, operation.example)
                             .status, 204)
            self.check(422, "PUT", url, {"x": 1})
            self.check(204, "PATCH", url, {})
            self.assertIn(self.client("DELETE", url).status, (204, 409))
            self.assertEqual(self.state(), before)

    def test_conditions(self):
        for operation in self.put_all():
            with self.subTest(operation.path):
                url, body = operation.url, operation.example
                tag = self.check(200, "GET", url).headers["ETag"]
                self.check(412, "PUT", url, body, {"If-None-Match": "*"})
                self.check(400, "PUT", url, body, {"If-None-Match": tag})
                for method in ("PUT", "PATCH", "DELETE"):
                    response = self.check(412, method, url,
                                          body if method != "DELETE"
                                          else None,
                                          {"If-Match": '"00"'})
                    self.assertIn(tag, response.json["remedy"])
                body["external_ids"] = {"changed": "1"}
                new = self.check(200, "PUT", url, body,
                                 {"If-Match": f'"00", {tag}'})
                self.assertNotEqual(new.headers["ETag"], tag)
                self.check(412, "PATCH", url, {}, {"If-Match": tag})
                self.check(200, "PATCH", url, {}, {"If-Match": "*"})
        self.check(412, "PUT", "/v1/hosts/none", {"ip": "192.0.2.77"},
                   {"If-Match": "*"})
        self.check(201, "PUT", "/v1/hosts/none", {"ip": "192.0.2.77"},
                   {"If-None-Match": "*"})

    def test_status_changes_no_etag(self):
        self.put_all()

        def status():
            """That in the answer.  It may come before the controller hears of
            the new one, or after it has put its own in its place."""
            tag = self.check(200, "GET", "/v1/hosts/h1").headers["ETag"]
            transact(self.controller.remote, {
                "op": "update", "table": "Host", "where": [],
                "row": {"status": ["map", [["state", "up"]]]}})
            return self.check(200, "PATCH", "/v1/hosts/h1",
                              {"state": "draining"},
                              {"If-Match": tag}).json["status"]
        wait_until(lambda: status() == {"state": "up"}, "the new status")


class Meaning(RestTest):
    """What rows have to do with each other."""

    def setUp(self):
        super().setUp()
        for n in (1, 2, 3):
            self.check(201, "PUT", f"/v1/hosts/h{n}",
                       {"ip": f"192.0.2.1{n}"})
        self.check(201, "PUT", "/v1/pools/all",
                   {"hosts": {"h1": 1, "h2": 2}})
        for n, name in (80, "web"), (81, "other"):
            self.check(201, "PUT", f"/v1/services/{name}",
                       {"address": "192.0.2.100", "port": n,
                        "default_pool": "all"})
        self.rule = {"service": "web", "priority": 1, "pool": "all",
                     "match": {"method": "GET"}}
        self.check(201, "PUT", "/v1/rules/r1", self.rule)

    def rules_of(self, service):
        return [item["name"] for item in self.check(
            200, "GET", f"/v1/rules?service={service}").json["items"]]

    def test_in_use(self):
        for path, user in (("hosts/h1", "pools/all"),
                           ("pools/all", "services/")):
            response = self.check(409, "DELETE", f"/v1/{path}")
            self.assertIn(user, response.json["remedy"])
        self.check(200, "PATCH", "/v1/pools/all", {"hosts": {"h1": None}})
        self.check(204, "DELETE", "/v1/hosts/h1")

    def test_patch_weights(self):
        for patch, hosts in (({"h1": 5}, {"h1": 5, "h2": 2}),
                             ({"h3": 0}, {"h1": 5, "h2": 2, "h3": 0}),
                             ({"h2": None}, {"h1": 5, "h3": 0})):
            response = self.check(200, "PATCH", "/v1/pools/all",
                                  {"hosts": patch})
            self.assertEqual(response.json["hosts"], hosts)
        response = self.check(422, "PATCH", "/v1/pools/all",
                              {"hosts": {"h9": 1}})
        self.assertEqual(self.fields(response), ["/hosts/h9"])

    def test_default_returns(self):
        self.check(200, "PATCH", "/v1/hosts/h1", {"state": "draining"})
        response = self.check(200, "PATCH", "/v1/hosts/h1", {"state": None})
        self.assertEqual(response.json["state"], "ready")

    def test_rule_moves(self):
        self.assertEqual(self.rules_of("web"), ["r1"])
        self.check(200, "PATCH", "/v1/rules/r1", {"service": "other"})
        self.assertEqual(self.rules_of("web"), [])
        self.assertEqual(self.rules_of("other"), ["r1"])
        self.check(204, "DELETE", "/v1/rules/r1")
        self.assertEqual(self.rules_of("other"), [])

    def test_rules_go_with_service(self):
        self.check(204, "DELETE", "/v1/services/web")
        self.check(404, "GET", "/v1/rules/r1")

    def test_links_go_with_switch(self):
        self.check(201, "PUT", "/v1/switches/leaf1",
                   {"dpid": "0000000000000001"})
        self.add_learned()
        self.check(200, "GET", "/v1/links/leaf1:eth1")
        self.check(204, "DELETE", "/v1/switches/leaf1")
        self.check(404, "GET", "/v1/links/leaf1:eth1")

    def test_protocol_reads_match(self):
        response = self.check(409, "PATCH", "/v1/services/web",
                              {"protocol": "tcp"})
        self.assertEqual(self.fields(response), ["/protocol"])
        self.check(200, "PATCH", "/v1/services/other", {"protocol": "tcp"})
        response = self.check(422, "PATCH", "/v1/rules/r1",
                              {"service": "other"})
        self.assertEqual(self.fields(response), ["/match/method"])
        self.assertEqual(self.rules_of("web"), ["r1"])

    def test_bad_match(self):
        response = self.check(422, "PUT", "/v1/rules/r2", {
            **self.rule, "match": {"path-prefix": "x", "colour": "red",
                                   "host": "a:80", "method": "GET"}})
        self.assertEqual(sorted(self.fields(response)),
                         ["/match/colour", "/match/host",
                          "/match/path-prefix"])

    def test_unique(self):
        self.check(201, "PUT", "/v1/switches/leaf1",
                   {"dpid": "0000000000000001",
                    "migrate_address": "192.0.2.254"})
        for path, body, field in (
                ("hosts/h9", {"ip": "192.0.2.11"}, "/ip"),
                ("hosts/h9", {"ip": "192.0.2.100"}, "/ip"),
                ("hosts/h9", {"ip": "192.0.2.254"}, "/ip"),
                ("hosts/h2", {"ip": "192.0.2.11"}, "/ip"),
                ("services/s9", {"address": "192.0.2.100", "port": 80},
                 "/port"),
                ("services/s9", {"address": "192.0.2.11", "port": 80},
                 "/address"),
                ("switches/s9", {"dpid": "0000000000000001"}, "/dpid"),
                ("switches/s9", {"dpid": "0000000000000009",
                                 "migrate_address": "192.0.2.254"},
                 "/migrate_address")):
            with self.subTest(f"{path} {body}"):
                response = self.check(409, "PUT", f"/v1/{path}", body)
                self.assertEqual(self.fields(response), [field])

    def test_canonical(self):
        response = self.check(201, "PUT", "/v1/hosts/six", {
            "ip": "FD00:0::0011", "mac": "02:AB:00:00:00:01"})
        self.assertEqual(response.json["ip"], "fd00::11")
        self.assertEqual(response.json["mac"], "02:ab:00:00:00:01")
        self.check(409, "PUT", "/v1/hosts/seven", {"ip": "fd00:0:0::11"})
        response = self.check(201, "PUT", "/v1/switches/six", {
            "dpid": "0000000000000006",
            "migrate_address": "FD00::0FE, 192.0.2.253"})
        self.assertEqual(response.json["migrate_address"],
                         "192.0.2.253,fd00::fe")
        for address in "192.0.2.253", "fd00::fe":
            self.check(409, "PUT", "/v1/hosts/seven", {"ip": address})
            self.check(409, "PUT", "/v1/switches/seven", {
                "dpid": "0000000000000007", "migrate_address": address})

    def test_service_ids(self):
        ids = [self.check(200, "GET", f"/v1/services/{name}").json["id"]
               for name in ("web", "other")]
        self.assertEqual(ids, [1, 2])
        self.check(204, "DELETE", "/v1/services/other")
        response = self.check(201, "PUT", "/v1/services/new",
                              {"address": "192.0.2.100", "port": 82})
        self.assertEqual(response.json["id"], 3)

    def test_fabric(self):
        fabric = self.check(200, "GET", "/v1/fabric").json
        self.assertNotIn("current_key", fabric)
        key = "00112233445566778899AABBCCDDEEFF"
        response = self.check(200, "PATCH", "/v1/fabric",
                              {"accepted_key": key})
        self.assertNotIn(key.lower(), response.body.decode().lower())
        rows = self.state()[0]["rows"]
        self.assertEqual(rows[0]["accepted_key"], key.lower())
        self.assertRegex(rows[0]["current_key"], "^[0-9a-f]{32}$")
        self.check(422, "PATCH", "/v1/fabric", {"current_key": None})
        self.assertNotIn(key.lower(), self.client("GET", "/metrics")
                         .body.decode())

    def test_pages(self):
        for n in range(25):
            self.check(201, "PUT", f"/v1/hosts/p{n:02}",
                       {"ip": f"198.51.100.{n + 1}", "state": "draining"})
        path = "/v1/hosts?limit=10&state=draining"
        names = []
        while path:
            page = self.check(200, "GET", path).json
            names += [item["name"] for item in page["items"]]
            self.assertLessEqual(len(page["items"]), 10)
            path = page.get("next")
        self.assertEqual(names, [f"p{n:02}" for n in range(25)])
        for query in ("limit=0", "limit=x", "limit=10001", "status=up",
                      "external_ids=x"):
            self.check(400, "GET", f"/v1/hosts?{query}")

    def test_foreign_host_name(self):
        """A web page may have its visitor's browser ask a local server, under
        a name of its own."""
        for host, status in (("localhost", 200), ("localhost:7480", 200),
                             ("127.0.0.1:1", 200), ("[::1]:7480", 200),
                             ("evil.example", 403)):
            self.check(status, "GET", "/v1/hosts", headers={"Host": host})


class Changes(RestTest):
    """POST /v1/changes."""

    def post(self, status, *changes, query=""):
        response = self.check(status, "POST", "/v1/changes" + query,
                              {"changes": list(changes)})
        self.document.validate(self.document.get("POST", "/v1/changes"),
                               response)
        return response

    def put(self, path, **body):
        return {"method": "PUT", "path": f"/v1/{path}", "body": body}

    def fabric(self):
        """Changes that make a whole fabric."""
        return [self.put("hosts/h1", ip="192.0.2.11"),
                self.put("hosts/h2", ip="192.0.2.12"),
                self.put("pools/all", hosts={"h1": 1, "h2": 2}),
                self.put("services/web", address="192.0.2.100", port=80,
                         default_pool="all"),
                self.put("services/other", address="192.0.2.100", port=81),
                self.put("rules/r1", service="web", pool="all", priority=1,
                         match={"method": "GET"})]

    def test_all(self):
        response = self.post(200, *self.fabric())
        self.assertEqual([r["status"] for r in response.json["results"]],
                         [201] * 6)
        rule = self.check(200, "GET", "/v1/rules/r1")
        self.assertEqual(rule.json["service"], "web")
        self.assertEqual(rule.headers["ETag"],
                         response.json["results"][5]["etag"])
        ids = {self.check(200, "GET", f"/v1/services/{name}").json["id"]
               for name in ("web", "other")}
        self.assertEqual(ids, {1, 2})
        response = self.post(200, *self.fabric())
        self.assertEqual([r["status"] for r in response.json["results"]],
                         [200] * 6)

    def test_none(self):
        """One that is wrong, and nothing is made."""
        before = self.state()
        for change, field in (
                (self.put("hosts/h3", ip="x"), "/changes/6/body/ip"),
                (self.put("hosts/h3", ip="192.0.2.11"),
                 "/changes/6/body/ip"),
                (self.put("pools/p", hosts={"h9": 1}),
                 "/changes/6/body/hosts/h9"),
                ({"method": "DELETE", "path": "/v1/hosts/h1"},
                 "/changes/6/path"),
                ({"method": "DELETE", "path": "/v1/hosts/h9"}, "/changes/6"),
                ({"method": "PATCH", "path": "/v1/hosts/h9", "body": {}},
                 "/changes/6"),
                ({**self.put("hosts/h3", ip="192.0.2.13"), "if_match": "*"},
                 "/changes/6")):
            with self.subTest(change):
                response = self.client("POST", "/v1/changes", {
                    "changes": self.fabric() + [change]})
                self.assertIn(response.status, (404, 409, 412, 422))
                self.assertIn(field, self.fields(response), response)
                self.assertEqual(self.state(), before)

    def test_malformed(self):
        change = self.put("hosts/h1", ip="192.0.2.1")
        for bad, field in ((1, ""), ({}, "/path"),
                           ({**change, "x": 1}, "/x"),
                           ({**change, "method": "GET"}, "/method"),
                           ({**change, "method": "PUT", "path":
                             "/v1/links/x"}, "/method"),
                           ({**change, "path": "/v1/hosts"}, "/path"),
                           ({**change, "path": "/v1/fabric/x"}, "/path"),
                           ({**change, "path": 7}, "/path"),
                           ({**change, "body": []}, "/body"),
                           ({**change, "method": "DELETE"}, "/body"),
                           ({**change, "if_match": 1}, "/if_match"),
                           ({**change, "if_none_match": "x"},
                            "/if_none_match")):
            with self.subTest(bad):
                response = self.post(422, bad)
                self.assertEqual(self.fields(response),
                                 [f"/changes/0{field}"])
        self.assertEqual(self.fields(self.post(422, change, change)),
                         ["/changes/1/path"])
        for body in ({}, {"changes": []}, {"changes": {}},
                     {"changes": [change], "x": 1}):
            response = self.check(422, "POST", "/v1/changes", body)
            self.assertEqual(self.fields(response), ["/changes"])

    def test_many_errors(self):
        response = self.post(422, *(self.put(f"hosts/h{n}", ip="x")
                                    for n in range(1000)))
        self.assertEqual(len(self.fields(response)), 100)

    def test_dry_run(self):
        before = self.state()
        self.post(204, *self.fabric(), query="?dry_run=true")
        self.assertEqual(self.state(), before)

    def test_conditions(self):
        created = {**self.put("hosts/h1", ip="192.0.2.11"),
                   "if_none_match": "*"}
        tag = self.post(200, created).json["results"][0]["etag"]
        self.post(412, created)
        change = {"method": "PATCH", "path": "/v1/hosts/h1",
                  "body": {"state": "draining"}, "if_match": tag}
        self.post(200, change)
        self.post(412, change)

    def test_exchange(self):
        """What is only right as a whole."""
        self.post(200, *self.fabric())
        self.post(200, self.put("hosts/h1", ip="192.0.2.12"),
                  self.put("hosts/h2", ip="192.0.2.11"))
        self.assertEqual(self.check(200, "GET", "/v1/hosts/h1").json["ip"],
                         "192.0.2.12")
        self.post(200, {"method": "DELETE", "path": "/v1/rules/r1"},
                  {"method": "PATCH", "path": "/v1/services/web",
                   "body": {"protocol": "tcp"}})
        deletes = [{"method": "DELETE", "path": change["path"]}
                   for change in reversed(self.fabric())
                   if "rules" not in change["path"]]
        response = self.post(200, *deletes)
        self.assertEqual([r["status"] for r in response.json["results"]],
                         [204] * 5)
        self.assertEqual(self.check(200, "GET", "/v1/hosts").json["items"],
                         [])

    def test_delete_service_before_rule(self):
        self.post(200, *self.fabric())
        self.post(200, {"method": "DELETE", "path": "/v1/services/web"},
                  {"method": "DELETE", "path": "/v1/rules/r1"})
        self.check(404, "GET", "/v1/rules/r1")

    def test_thousands(self):
        hosts = [self.put(f"hosts/h{n}", ip=f"10.1.{n // 250}.{n % 250 + 1}")
                 for n in range(5000)]
        begin = time.monotonic()
        self.post(200, *hosts, self.put("pools/all", hosts={
            f"h{n}": 1 for n in range(5000)}))
        made = time.monotonic() - begin
        begin = time.monotonic()
        self.assertEqual(len(self.check(200, "GET", "/v1/hosts?limit=10000")
                             .json["items"]), 5000)
        read = time.monotonic() - begin
        print(f"# 5000 hosts: made in {made:.1f} s, read in {read:.1f} s")
        self.assertLess(made, 10)
        self.assertLess(read, 2)


class Access(ControllerTest):
    READ, WRITE, AGENT = "r" * 16, "w" * 32, "a" * 16

    def setUp(self):
        super().setUp()
        self.certificate, self.key = make_certificate(self.workspace)
        self.tokens = self.write_tokens(f"reader read {self.READ}\n"
                                        "# a comment\n\n"
                                        f"writer write {self.WRITE}\n"
                                        f"h9 agent {self.AGENT}\n")

    def write_tokens(self, text, mode=0o600):
        return self.workspace.write("tokens", text, mode)

    def start(self, *args):
        return Controller(self.workspace, args=[
            f"--rest-certificate={self.certificate}",
            f"--rest-private-key={self.key}", *args])

    def test_every_path(self):
        controller = self.start(f"--rest-tokens={self.tokens}",
                                "--rest=https:127.0.0.1:0")
        url = controller.urls()[0]
        self.assertTrue(url.startswith("https://"))
        clients = {token: Client(url, token, self.certificate) for token in
                   (None, "x" * 16, self.READ[:-1], self.READ + "r",
                    self.READ, self.WRITE, self.AGENT)}
        self.wait(clients[self.READ])
        document = Document(clients[self.READ]("GET", "/openapi.json").json)
        for operation in document.operations:
            for token, client in clients.items():
                response = client(operation.method, operation.url,
                                  operation.example,
                                  {"Content-Type": operation.media})
                with self.subTest(f"{operation.method} {operation.path} "
                                  f"{token}"):
                    if token not in (self.READ, self.WRITE, self.AGENT):
                        self.assertEqual(response.status, 401)
                        self.assertEqual(response.headers["WWW-Authenticate"],
                                         "Bearer")
                    elif (token == self.AGENT or token == self.READ
                          and operation.method != "GET"):
                        self.assertEqual(response.status, 403)
                    else:
                        self.assertNotIn(response.status, (401, 403))
                        continue
                    document.validate(operation, response)

    def wait(self, client):
        while client("GET", "/healthz").status != 200:
            pass

    def test_tokens_read_again(self):
        controller = self.start(f"--rest-tokens={self.tokens}")
        client = controller.client(token=self.READ)
        self.assertNotEqual(client("GET", "/v1/fabric").status, 401)
        self.write_tokens(f"other read {'o' * 16}\n")
        controller.process.send(1)
        new = controller.client(token="o" * 16)
        while new("GET", "/v1/fabric").status == 401:
            pass
        self.assertEqual(client("GET", "/v1/fabric").status, 401)
        self.write_tokens("wrong\n")
        controller.process.send(1)
        controller.appctl("status")
        self.assertNotEqual(new("GET", "/v1/fabric").status, 401)

    def test_refused(self):
        for args, message in (
                (["--rest=http:0.0.0.0:0"], "are needed"),
                (["--rest=https:0.0.0.0:0"], "are needed"),
                (["--rest=http:[::]:0"], "are needed"),
                (["--rest=http:0.0.0.0:0", f"--rest-tokens={self.tokens}"],
                 "are needed"),
                (["--rest=ftp:127.0.0.1:0"], "is not http:IP:PORT"),
                (["--rest=http:127.0.0.1"], "is not http:IP:PORT"),
                (["--rest=http:127.0.0.1:65536"], "is not http:IP:PORT"),
                (["--rest=http:[::1:80"], "is not http:IP:PORT"),
                (["--rest=http::80"], "is not http:IP:PORT"),
                (["--rest=http:localhost:80"], "is not http:IP:PORT"),
                (["--rest=http:192.0.2.77:80"], "cannot listen"),
                (["--rest-tokens=/no/such/file"], "/no/such/file"),
                (["--rest-certificate=/no/file", "--rest=https:127.0.0.1:0"],
                 "/no/file")):
            with self.subTest(args):
                controller = self.start(*args)
                self.assertEqual(controller.process.wait(), 1)
                self.assertIn(message, controller.process.output())
                self.assertNotIn("WARN", controller.process.output())

    def test_bad_tokens(self):
        for text, mode in (("a read short\n", 0o600), ("", 0o600),
                           ("a own " + "x" * 16, 0o600),
                           ("a read", 0o600), ("a read x y", 0o600),
                           ("a read " + "x" * 16, 0o640)):
            with self.subTest(text):
                controller = self.start(
                    f"--rest-tokens={self.write_tokens(text, mode)}")
                self.assertEqual(controller.process.wait(), 1)
                self.assertIn(self.tokens, controller.process.output())

    def test_beyond_loopback(self):
        controller = self.start("--rest=https:0.0.0.0:0",
                                f"--rest-tokens={self.tokens}")
        self.assertTrue(controller.status())
        port = urllib.parse.urlsplit(controller.urls()[0]).port
        client = Client(f"https://127.0.0.1:{port}", self.READ,
                        self.certificate)
        self.assertNotEqual(client("GET", "/v1/fabric").status, 401)
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            plain.sendall(b"GET /v1/fabric HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertNotIn(b"200", plain.recv(100))


if __name__ == "__main__":
    tap.main()
