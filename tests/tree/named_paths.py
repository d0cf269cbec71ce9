#!/usr/bin/python3
"""Check that every file and folder of the tree that a manual page names is there.

postern-threats(7) names the test beside every bound that it promises, and
postern-internals(7) the files to begin with: paths from the top of the tree.

Usage: named_paths.py [ROOT]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

FOLDERS = "common|contrib|control-worker|man|net-worker|parent|tests"
# Also several behind one macro; a path of the system begins with a slash.
NAMED = re.compile(rf"(?:^| )((?:{FOLDERS})/[^\s,;:()\"]*)")
# A page without a promise is not what it was.
TESTS_LEAST = 40


def paths_of(page: str) -> list[str]:
    """What the lines that are no comment name, without the end of a sentence."""
    lines = [line for line in page.splitlines() if not line.startswith('.\\"')]
    return [name.rstrip(".") for line in lines for name in NAMED.findall(line)]


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    faults = []
    tests: set[str] = set()
    for page in sorted((root / "man").glob("*.[1-9]")):
        for name in paths_of(page.read_text()):
            if not (root / name).exists():
                faults.append(f"man/{page.name}: there is no {name}")
            elif page.name == "postern-threats.7" and (root / name).is_file():
                tests.add(name)
    if len(tests) < TESTS_LEAST:
        faults.append(f"postern-threats.7 names {len(tests)} tests, not {TESTS_LEAST}")
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
