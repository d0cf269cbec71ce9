#!/usr/bin/python3
"""posternd(8) has every option of the table, with its letter and variable.

    tests/tree/options.py [ROOT]

First it takes an option out of a copy of the page and sees that it is missed.
One line a fault.
"""

import re
import sys
from pathlib import Path

ROW = re.compile(r"^\t\{\n(.*?)^\t\},", re.M | re.S)
FIELD = re.compile(r"\.(flag|variable|letter) = [\"']([^\"']+)[\"']")
LEAST = 25  # a table without rows is not read right


def options(source):
    return [dict(FIELD.findall(row)) for row in ROW.findall(source)]


def missing(rows, page):
    """Lines that define, or list with their variable, options."""
    items = "\n".join(line for line in page.splitlines()
                      if line.startswith((".It Fl", ".Fl -")))
    for row in rows:
        flag = row["flag"]
        line = re.search(rf"^.*Fl -{flag}(?![\w-]).*$", items, re.M)
        if not line:
            yield f"--{flag} is not in posternd(8)"
            continue
        variable = row.get("variable")
        if variable and not re.search(rf"Ev {variable}\b", line.group()):
            yield f"--{flag} is in posternd(8) without {variable}"
        letter = row.get("letter")
        if letter and not re.search(rf"Fl {letter} , Fl -{flag}\b", line.group()):
            yield f"--{flag} is in posternd(8) without -{letter}"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2])
    rows = options((root / "parent/option_table.c").read_text())
    page = (root / "man/posternd.8").read_text()
    planted = page.replace(".It Fl -threads", ".It Fl -thread").replace(
        "POSTERN_CA_FILE", "POSTERN_CA").replace(".It Fl i , Fl", ".It Fl")
    found = set(missing(rows, planted)) - set(missing(rows, page))
    if len(found) != 3:
        print("planted faults are not found:", found)
        return 1
    faults = list(missing(rows, page))
    print("\n".join(faults) or f"{len(rows)} options")
    if len(rows) < LEAST:
        print("too few options were read")
    return 1 if faults or len(rows) < LEAST else 0


if __name__ == "__main__":
    sys.exit(main())
