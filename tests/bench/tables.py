# SPDX-License-Identifier: Apache-2.0
"""Tables for people, as plain text or Markdown."""

import re
import sys


class Table:
    def __init__(self, title, head):
        self.title = title
        self.rows = [head]

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])

    def text(self):
        widths = self._widths()
        lines = [self.title, ""]
        lines += ["  ".join(_pad(cell, width, i)
                            for i, (cell, width) in enumerate(zip(row,
                                                                  widths)))
                  for row in self.rows]
        lines.insert(3, "  ".join("-" * width for width in widths))
        return "\n".join(lines) + "\n"

    def markdown(self):
        widths = self._widths()
        lines = ["| " + " | ".join(_pad(cell, width, i) for i, (cell, width)
                                   in enumerate(zip(row, widths))) + " |"
                 for row in self.rows]
        rules = ["-" * width if i == 0 else "-" * (width - 1) + ":"
                 for i, width in enumerate(widths)]
        lines.insert(1, "| " + " | ".join(rules) + " |")
        return "\n".join(lines) + "\n"

    def _widths(self):
        return [max(len(row[i]) for row in self.rows)
                for i in range(len(self.rows[0]))]


def _pad(cell, width, column):
    return cell.ljust(width) if column == 0 else cell.rjust(width)


def human(n):
    """A count in three digits or so: 1234567 is "1.23 M"."""
    for unit, name in (1e9, " G"), (1e6, " M"), (1e3, " k"):
        if n >= unit:
            return f"{n / unit:.3g}{name}"
    return f"{n:.3g}"


def replace(file_name, name, text):
    """Puts 'text' between "<!-- NAME -->" and "<!-- end -->"."""
    with open(file_name) as file:
        old = file.read()
    new, n = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)",
                     lambda match: f"{match[1]}\n{text}\n{match[2]}", old,
                     flags=re.S)
    if not n:
        sys.exit(f"{file_name}: no place for \"{name}\"")
    with open(file_name, "w") as file:
        file.write(new)
