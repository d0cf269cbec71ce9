#!/usr/bin/python3
"""Check tests/scenarios.md: every test that it names is there, and no case lacks one.

A row of a table says which tests play a case, in a column called Tests, as

    unit FILE: test, test; NAME.sh: test_x; fuzz TARGET; model

unit FILE is tests/unit/**/test_FILE.c, whose functions are its tests; a name
that ends in .sh is a program of tests/integration, and one in .py one of
tests/control, with functions likewise; fuzz TARGET is tests/fuzz/TARGET.c, and
model tests/model.  A vector has its test by its name alone (tests/tree/vectors.py
has the bytes).

The tables under "# Tunnel" have a row for each case that firezone-tunnel(7)
has under CONFORMANCE, in the order of the page, and one for each of its vectors.

Usage: scenarios.py [ROOT]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ALIASES = {"fielded": "clients_in_the_field"}
FOLDERS = {".sh": "tests/integration", ".py": "tests/control"}
SUBSECTION = re.compile(r"^\.S([hs]) +(.*)$", re.MULTILINE)
ROWS_LEAST = 160


def functions_of(path: Path) -> set[str]:
    text = path.read_text()
    if path.suffix == ".c":
        names = re.findall(r"^([a-z]\w*)\(void \*\*state\)", text, re.MULTILINE)
        # One that is in no list is never run.
        return {n for n in names if len(re.findall(rf"\b{n}\b", text)) > 1}
    return set(re.findall(r"^(?:(?:async )?def )?([a-z]\w*) ?\(", text, re.MULTILINE))


def sources_of(root: Path) -> dict[str, Path]:
    units = (root / "tests/unit").rglob("test_*.c")
    return {f"unit {p.stem.removeprefix('test_')}": p for p in units}


def faults_of_item(root: Path, units: dict[str, Path], item: str) -> list[str]:
    name, _, tests = item.partition(": ")
    if name == "model":
        return []
    if name.startswith("fuzz "):
        targets = re.split(r", ", name.removeprefix("fuzz "))
        return [f"no target {t}" for t in targets if not (root / f"tests/fuzz/{t}.c").is_file()]
    if name.startswith("unit "):
        file = name.removeprefix("unit ")
        path = units.get(f"unit {ALIASES.get(file, file)}")
    else:
        path = root / FOLDERS.get(Path(name).suffix, "none") / name
    if path is None or not path.is_file():
        return [f"there is no {name!r}"]
    known = functions_of(path)
    return [f"{name} has no {t!r}" for t in tests.split(", ") if t and t not in known]


def rows_of(text: str):
    """The section, the number and the items of each row with a column Tests."""
    section, column = "", None
    for line in text.splitlines():
        if line.startswith("#"):
            section, column = line.lstrip("# "), None
        elif not line.startswith("|"):
            column = None
        else:
            cells = [c.strip() for c in line.strip("|").split("|")]
            if "Tests" in cells:
                column = cells.index("Tests")
            elif column is not None and not set(line) <= set("|- "):
                yield section, cells[0], cells[column]


def cases_of(page: str) -> dict[str, int]:
    """How many cases each subsection of CONFORMANCE has."""
    body = page.split("\n.Sh CONFORMANCE\n")[1].split("\n.Sh ")[0]
    parts = re.split(r"^\.Ss (.*)\n", body, flags=re.MULTILINE)[1:]
    return {name: text.count("\n.It") for name, text in zip(parts[::2], parts[1::2])}


def vectors_of(page: str) -> set[str]:
    body = page.split("\n.Sh VECTORS\n")[1].split("\n.Sh ")[0]
    return set(re.findall(r"^\.Ss (.*)$", body, re.MULTILINE))


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    page = (root / "man/firezone-tunnel.7").read_text()
    text = (root / "tests/scenarios.md").read_text()
    units, faults = sources_of(root), []
    numbers: dict[str, list[str]] = {}
    rows = 0
    for section, number, items in rows_of(text):
        rows += 1
        numbers.setdefault(section, []).append(number)
        if not items:
            faults.append(f"{section} {number}: no test")
        for item in filter(None, items.split("; ")):
            faults += [f"{section} {number}: {f}" for f in faults_of_item(root, units, item)]
    for section, count in cases_of(page).items():
        played = [n for n in numbers.get(section, []) if n.isdigit()]
        if played != [str(n + 1) for n in range(count)]:
            faults.append(f"{section}: rows {played}, not 1 to {count}")
    missing = vectors_of(page) - set(numbers.get("Vectors", []))
    faults += [f"Vectors: no row for {name}" for name in sorted(missing)]
    if rows < ROWS_LEAST:
        faults.append(f"only {rows} rows")
    print("\n".join(faults) or f"{rows} rows")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
