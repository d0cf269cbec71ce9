#!/usr/bin/python3
"""Check that every test that a manual page names by its path is there.

A page names a test by .Pa and its path from the top of the tree, as
postern-threats(7) does beside every bound that it promises.

Usage: named_tests.py [ROOT]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

NAMED = re.compile(r"\btests/[^\s,;:()\"]+")


def tests_of(page: str) -> list[str]:
    """What the lines that are no comment name, without the end of a sentence."""
    lines = [line for line in page.splitlines() if not line.startswith('.\\"')]
    return [name.rstrip(".") for line in lines for name in NAMED.findall(line)]


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    named = faults = 0
    for page in sorted((root / "man").glob("*.[1-9]")):
        for name in tests_of(page.read_text()):
            named += 1
            if not (root / name).is_file():
                faults += 1
                print(f"man/{page.name}: there is no {name}")
    if named == 0:
        faults += 1
        print(f"{root}/man: no page names a test")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
