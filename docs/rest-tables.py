#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the second part of rest.md, what each resource has, from what
"ovs-migrate-controller --print-openapi" prints on standard input."""

import json
import sys

ORDER = ("services", "rules", "pools", "hosts", "switches", "links", "events",
         "fabric")
METHODS = ("get", "put", "patch", "delete")


def code(value):
    return f"`{json.dumps(value)}`"


def kind(schema):
    """What values 'schema' allows, in words."""
    types = schema["type"]
    name = next(t for t in (types if isinstance(types, list) else [types])
                if t != "null")
    if "enum" in schema:
        return ", ".join(f"`{v}`" for v in schema["enum"] if v is not None)
    if name == "integer":
        if "maximum" in schema:
            return f"{schema.get('minimum', 0)} to {schema['maximum']}"
        return "integer"
    if name == "object":
        values = schema["additionalProperties"]
        return ("object of strings" if values["type"] == "string"
                else f"object of integers{bounds(values)}")
    return schema.get("format", "string")


def bounds(schema):
    return (f", {schema['minimum']} to {schema['maximum']}"
            if "maximum" in schema else "")


def attributes(name, schema, member):
    if member.get("readOnly"):
        return "read only"
    if member.get("writeOnly"):
        return "never shown"
    if name in schema["required"]:
        return "required"
    return code(member["default"]) if "default" in member else ""


def table(schema):
    yield "| member | values | default | meaning |"
    yield "|---|---|---|---|"
    for name, member in schema["properties"].items():
        yield (f"| `{name}` | {kind(member)} "
               f"| {attributes(name, schema, member)} "
               f"| {member['description']} |")


def resource(document, path):
    paths = document["paths"]
    item_path = next((p for p in paths if p.startswith(f"/v1/{path}/")),
                     f"/v1/{path}")
    item = paths[item_path]
    name = item["get"]["operationId"][len("get"):]
    schema = document["components"]["schemas"][name]
    yield f"### {path}"
    yield ""
    yield schema["description"]
    yield ""
    if item_path != f"/v1/{path}":
        yield f"    GET /v1/{path}"
    for method in METHODS:
        if method in item:
            yield f"    {method.upper()} {item_path}"
    yield ""
    yield from table(schema)
    yield ""
    if "put" in item:
        example = (item["put"]["requestBody"]["content"]["application/json"]
                   ["example"])
        yield "For example:"
        yield ""
        yield from ("    " + line for line in
                    json.dumps(example, indent=2).splitlines())
        yield ""


def main(document):
    for path in ORDER:
        for line in resource(document, path):
            print(line)


if __name__ == "__main__":
    main(json.load(sys.stdin))
