#!/usr/bin/python3
"""Check that the unit tests carry the byte vectors of the pages of the protocol.

A vector is a literal display of nothing but hexadecimal digits; blank lines in
it stand between several.  Each of the sections below has to be in its test to
the last byte, and what a test calls vector_... has to be in the page.  Left out
are the vectors of what we do not implement.

Usage: vectors.py [ROOT]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

TUNNEL, POLICY = "man/firezone-tunnel.7", "man/firezone-policy.7"
STUN = "tests/lib/stun_vectors.h"
WIREGUARD = "tests/lib/wireguard_vectors.h"
INNER = "tests/unit/net-worker/core/inner/"
CARRIED = {
    TUNNEL: {
        "Check vectors": STUN,
        "Relay vectors": STUN,
        "Probe vectors": INNER + "test_probe.c",
        "Goodbye vector": WIREGUARD,
        "WireGuard vectors": WIREGUARD,
    },
    POLICY: {
        "ICMP vectors": INNER + "test_icmp.c",
        "NAT vectors": INNER + "test_nat_errors.c",
        "Control vectors": WIREGUARD,
    },
}

DISPLAY = re.compile(r"^\.Bd -literal.*\n((?:[0-9a-f]*\n)+)\.Ed$", re.MULTILINE)
LITERALS = re.compile(r'"(?:[^"\\]|\\.|\\\n)*"(?:\s*"(?:[^"\\]|\\.|\\\n)*")*')
NAMED = re.compile(r"\bvector_\w+\[\] =\s*(" + LITERALS.pattern + ")")


def vectors_of(page: str) -> dict[str, list[str]]:
    """The vectors of each subsection."""
    parts = re.split(r"^\.S[hs] (.*)\n", page, flags=re.MULTILINE)
    return {
        name: ["".join(digits.split())
               for display in DISPLAY.findall(text) for digits in display.split("\n\n")]
        for name, text in zip(parts[1::2], parts[2::2])
    }


def value(literals: str) -> str:
    """What adjacent C strings are together, without the blanks in it."""
    return re.sub(r'\\\n|["\s]', "", literals)


def faults_of(root: Path, page: str, carried: dict[str, str]) -> list[str]:
    vectors = vectors_of((root / page).read_text())
    told = {vector for of_section in vectors.values() for vector in of_section}
    tests = {name: (root / name).read_text() for name in sorted(set(carried.values()))}
    faults = []
    for section, name in carried.items():
        literals = {value(literals) for literals in LITERALS.findall(tests[name])}
        if not vectors.get(section):
            faults.append(f"{page}: no vectors in {section}")
        for vector in vectors.get(section, []):
            if vector not in literals:
                faults.append(f"{page}, {section}: {vector[:64]}... is not in {name}")
    if page == TUNNEL:
        faults += faults_of_named(tests, told)
    return faults


def faults_of_named(tests: dict[str, str], told: set[str]) -> list[str]:
    faults = []
    for name, text in tests.items():
        named = [value(literals) for literals in NAMED.findall(text)]
        if not named:
            faults.append(f"{name}: no vectors")
        faults += [f"{name}: {vector[:64]}... is not in {TUNNEL}"
                   for vector in named if vector not in told]
    return faults


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    faults = [fault for page, carried in CARRIED.items()
              for fault in faults_of(root, page, carried)]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
