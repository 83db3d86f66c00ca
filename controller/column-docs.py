#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what ovs-migrate.xml says about each column, as plain text, as the
initializers of a table in C: { "TABLE", "COLUMN", "TEXT" }.  The title of a
table has "" for its column."""

import sys
import xml.dom.minidom


def plain(node):
    """The text of 'node' without markup."""
    if node.nodeType == node.TEXT_NODE:
        return node.data
    if node.nodeType != node.ELEMENT_NODE:
        return ""
    if node.tagName == "ref":
        return (node.getAttribute("key") or node.getAttribute("column")
                or node.getAttribute("table"))
    text = "".join(map(plain, node.childNodes))
    if node.tagName == "dt":
        return f" {text}:"
    return text


def quote(text):
    words = " ".join(text.split())
    return '"' + words.replace("\\", "\\\\").replace('"', '\\"') + '"'


def entry(table, column, text):
    words = (table.getAttribute("name"), column, text)
    print("    {", ", ".join(map(quote, words)), "},")


def main(file_name):
    document = xml.dom.minidom.parse(file_name)
    for table in document.getElementsByTagName("table"):
        entry(table, "", table.getAttribute("title"))
        for column in table.getElementsByTagName("column"):
            if column.hasChildNodes() and not column.hasAttribute("key"):
                entry(table, column.getAttribute("name"), plain(column))


if __name__ == "__main__":
    main(sys.argv[1])
