# SPDX-License-Identifier: Apache-2.0
"""What /openapi.json says, as a source of good and bad requests."""

import copy
import dataclasses

import jsonschema

FORMATS = {
    "name": ["", "-x", "a b", "a/b", "\u00e4", "x" * 64],
    "port": ["", "-x", "a b", "x" * 64],
    "ip": ["", "x", "10.0.0.300", "10.0.0", "0.0.0.0", "127.0.0.1",
           "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1",
           "10.0.0.1/24", "fd00::1%eth0"],
    "ips": ["", "x", ",", "10.0.0.1,", ",10.0.0.1", "10.0.0.1,10.0.0.2",
            "fd00::1,fd00::2", "10.0.0.1,::1", "10.0.0.1 fd00::1",
            "10.0.0.1,fd00::1,10.0.0.2"],
    "address": ["", "x", "10.0.0.300", "10.0.0", "0.0.0.0", "224.0.0.1",
                "ff02::1", "10.0.0.1/24", "fd00::1%eth0"],
    "path": ["", "x", "/a b", "/\u00e4", "/" + "x" * 255],
    "mac": ["", "02:00:00:00:00", "02:00:00:00:00:0g", "01:00:00:00:00:01",
            "00:00:00:00:00:00", "02-00-00-00-00-01"],
    "dpid": ["", "1", "0" * 16, "g" * 16, "1" * 17],
    "key": ["", "0" * 31, "0" * 33, "g" * 32],
    "remote": ["", "x", "tcp:", "tcp:10.0.0.1", "tcp:10.0.0.1:0",
               "tcp:10.0.0.1:65536", "ptcp:6640", "unix:relative", "ssl:h:1",
               "tcp:::1:6640"],
    "uri": ["", "x", "ftp://10.0.0.1/", "http://", "http:///x",
            "http://a b/"],
}


@dataclasses.dataclass
class Operation:
    path: str                   # With its parameter in braces.
    method: str
    spec: dict

    @property
    def url(self):
        """The path with the parameter's example."""
        url = self.path
        for parameter in self.spec["parameters"]:
            if parameter["in"] == "path":
                url = url.replace("{%s}" % parameter["name"],
                                  str(parameter["example"]))
        return url

    @property
    def media(self):
        """The body's media type, or None."""
        return next(iter(self.spec.get("requestBody", {})
                         .get("content", {})), None)

    @property
    def example(self):
        """A good body."""
        return copy.deepcopy(self.spec["requestBody"]["content"][self.media]
                             ["example"]) if self.media else None


class Document:
    def __init__(self, json):
        self.json = json
        self.operations = [
            Operation(path, method.upper(), spec)
            for path, item in json["paths"].items()
            for method, spec in item.items()]

    def get(self, method, path):
        return next((o for o in self.operations
                     if (o.method, o.path) == (method, path)), None)

    def schema(self, name):
        return self.json["components"]["schemas"][name]

    def item_schema(self, operation):
        """The schema of the body of a PUT or PATCH, of the whole resource."""
        content = (operation.spec["responses"]["200"]["content"]
                   ["application/json"]["schema"])
        return self.schema(content["$ref"].rpartition("/")[2])

    def validate(self, operation, response):
        """Raises an exception if the response is none that the document
        speaks of."""
        answer = operation.spec["responses"][str(response.status)]
        if "content" not in answer:
            assert response.body == b"", response
            return
        media = response.headers["Content-Type"].partition(";")[0]
        schema = answer["content"][media]["schema"]
        if media == "text/plain":
            return
        schema = {**schema, "components": self.json["components"]}
        jsonschema.Draft202012Validator(schema).validate(response.json)


def bad_values(schema):
    """Values that 'schema' does not allow, each with what is wrong."""
    types = schema.get("type")
    types = types if isinstance(types, list) else [types]
    samples = {"string": "x", "integer": 1, "object": {}, "array": [],
               "boolean": True, "number": 1.5}
    for name, sample in samples.items():
        if name not in types:
            yield sample, f"type {name}"
    if "enum" in schema:
        yield "no-such-word", "enum"
    if "minimum" in schema:
        yield schema["minimum"] - 1, "minimum"
    if "maximum" in schema:
        yield schema["maximum"] + 1, "maximum"
        yield 2 ** 70, "huge"
    if "string" in types and "enum" not in schema:
        yield "a\nb", "control character"
        if "maxLength" in schema:
            yield "a" * (schema["maxLength"] + 1), "maxLength"
        for value in FORMATS.get(schema.get("format"), ()):
            yield value, f"format {schema['format']}"
    if "additionalProperties" in schema:
        for value, what in bad_values(schema["additionalProperties"]):
            yield {"h1": value}, f"member: {what}"
        if schema["additionalProperties"]["type"] == "string":
            yield {"": "x"}, "empty name"
            yield {"k" * 128: "x"}, "long name"
            yield {f"k{i}": "x" for i in range(65)}, "too many"
