#!/usr/bin/python3
"""Check that the bounds that firezone-policy(7) says posternd has are those it has.

Each line of the table in the section Bounds has to be here, with the constants
that it is about.  A constant is found by its name in whichever source has it.

Usage: bounds.py [ROOT]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGE, SECTION = "man/firezone-policy.7", "Bounds"
FOLDERS = ("common", "control-worker", "net-worker", "parent")

# What the line says, from its constants: {NAME}, or {NAME/s} for how many a
# second there are where one comes back in NAME milliseconds.
SAYS = {
    "grants of a client": "{GRANTS_OF_CLIENT_MAX}",
    "filters of a resource": "{FILTERS_MAX}",
    "entries of a snapshot": "{GRANTS_LIST_MAX}",
    "names of a client": "{NAMES_MAX}",
    "proxy addresses of a client": "{NAMES_PROXIES_MAX}",
    "resources of one proxy address": "{PROXY_RESOURCES_MAX}",
    "NAT sessions of a client": "{NAT_SESSIONS_MAX}",
    "expired sessions of a client": "{NAT_EXPIRED_MAX}, {NAT_EXPIRED_S} s",
    "outside values tried": "{NAT_PROBES_MAX}",
    "ICMP replies to a client": "{GATE_ICMP_BURST}, and {GATE_ICMP_INTERVAL_MS/s} a second",
    "control packets of a client": "{CONTROL_BURST}, and {CONTROL_INTERVAL_MS/s} a second",
    "resolutions, of a client": "{ASSIGNMENTS_MAX}, {ASSIGNMENTS_OF_CLIENT}",
    "names kept, of a client": "{ASSIGNMENTS_KEPT_MAX}, {ASSIGNMENTS_KEPT_OF_CLIENT}",
    "addresses of a name": "{LOOKUP_ADDRESSES_MAX}",
    "DNS queries, of a client": "{DNS_QUERIES_MAX}, {DNS_QUERIES_OF_CLIENT}",
    "DNS connections, of a client": "{DNS_CONNECTIONS_MAX}, {DNS_CONNECTIONS_OF_CLIENT}",
    "idle DNS connection": "{DNS_CONNECTION_IDLE_MS/1000} s",
    "flows, of a client": "{FLOWS_MAX}, a quarter",
    "open reports of a client":
        "{FLOW_OPENINGS_BURST}, and {FLOW_OPENINGS_INTERVAL_MS/s} a second",
    "blocks of the spool": "{SPOOL_BLOCKS_MAX}, of {SPOOL_BLOCK} octets",
}


def constants(root: Path) -> dict[str, set[int]]:
    """The plain numbers that sources define, by name."""
    found: dict[str, set[int]] = {}
    for folder in FOLDERS:
        for file in (root / folder).rglob("*.[ch]"):
            for name, value in re.findall(r"^#define[ \t]+(\w+)[ \t]+(\d+)\b", file.read_text(), re.M):
                found.setdefault(name, set()).add(int(value))
    return found


def expected(says: str, known: dict[str, set[int]]) -> str:
    def value(match: re.Match[str]) -> str:
        name, _, kind = match[1].partition("/")
        if len(known.get(name, ())) != 1:
            raise LookupError(f"{name} is not one number of the sources")
        number = next(iter(known[name]))
        return str({"": number, "s": 1000 // number, "1000": number // 1000}[kind])

    return re.sub(r"{([\w/]+)}", value, says)


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    known = constants(root)
    page = (root / PAGE).read_text()
    section = re.search(rf"^\.Ss {SECTION}$(.*?)^\.S[sh] ", page, re.M | re.S)
    table = dict(re.findall(r"^\.It (.*) Ta (.*)$", section[1] if section else "", re.M))
    faults = [f"{what!r} is not in the page" for what in SAYS.keys() - table.keys()]
    for what, said in table.items():
        try:
            want = expected(SAYS[what], known)
        except LookupError as e:
            faults.append(f"{what}: {e}")
            continue
        if said != want:
            faults.append(f"{what}: {said!r} should be {want!r}")
    for fault in faults:
        print(f"{PAGE}, {SECTION}: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
