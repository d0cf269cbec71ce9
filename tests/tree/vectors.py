#!/usr/bin/python3
"""Check that the unit tests carry the byte vectors of firezone-tunnel(7).

A vector is a literal display of nothing but hexadecimal digits.  Each of the
sections below has to be in its test to the last byte, and what a test calls
vector_... has to be in the page.  Left out are the vectors of what we do not
implement.

Usage: vectors.py [ROOT]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGE = "man/firezone-tunnel.7"
STUN = "tests/unit/net-worker/core/stun/test_stun.c"
WIREGUARD = "tests/lib/wireguard_vectors.h"
CARRIED = {
    "Check vectors": STUN,
    "Relay vectors": STUN,
    "Goodbye vector": WIREGUARD,
    "WireGuard vectors": WIREGUARD,
}

DISPLAY = re.compile(r"^\.Bd -literal.*\n((?:[0-9a-f]+\n)+)\.Ed$", re.MULTILINE)
LITERALS = re.compile(r'"(?:[^"\\]|\\.|\\\n)*"(?:\s*"(?:[^"\\]|\\.|\\\n)*")*')
NAMED = re.compile(r"\bvector_\w+\[\] =\s*(" + LITERALS.pattern + ")")


def vectors_of(page: str) -> dict[str, list[str]]:
    """The vectors of each subsection."""
    parts = re.split(r"^\.S[hs] (.*)\n", page, flags=re.MULTILINE)
    return {
        name: ["".join(digits.split()) for digits in DISPLAY.findall(text)]
        for name, text in zip(parts[1::2], parts[2::2])
    }


def value(literals: str) -> str:
    """What adjacent C strings are together, without the blanks in it."""
    return re.sub(r'\\\n|["\s]', "", literals)


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    page = vectors_of((root / PAGE).read_text())
    told = {vector for vectors in page.values() for vector in vectors}
    tests = {name: (root / name).read_text() for name in sorted(set(CARRIED.values()))}
    faults = []
    for section, name in CARRIED.items():
        carried = {value(literals) for literals in LITERALS.findall(tests[name])}
        if not page.get(section):
            faults.append(f"{PAGE}: no vectors in {section}")
        for vector in page.get(section, []):
            if vector not in carried:
                faults.append(f"{PAGE}, {section}: {vector[:64]}... is not in {name}")
    for name, text in tests.items():
        named = [value(literals) for literals in NAMED.findall(text)]
        if not named:
            faults.append(f"{name}: no vectors")
        faults += [f"{name}: {vector[:64]}... is not in {PAGE}"
                   for vector in named if vector not in told]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
