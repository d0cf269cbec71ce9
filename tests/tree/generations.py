#!/usr/bin/python3
"""Check that what differs between the generations of the portal's protocol is in their
table and nowhere else: outside of it no code asks which one is spoken, and the layers
below, WebSocket and Phoenix, do not know that there are any.

    tests/tree/generations.py [ROOT]

First it sees that planted faults are found; then it looks at the tree. One line a fault.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PORTAL = "control-worker/portal"
# The table, and who finds out which of its lines it is.
TABLE = {f"{PORTAL}/{name}.{end}"
         for name in ("generation", "generation_choice") for end in "ch"}
BELOW = re.compile(rf"{PORTAL}/(phoenix|outbox|transport|upgrade|backoff)\.[ch]"
                   "|control-worker/(net|json)/.*")
WORD = re.compile(r"generation", re.I)
# A generation, or its number, that is compared with one that is known, or decides alone.
ONE = r"\b(?:\w+(?:->|\.))*(?:\w*generation|g(?=->number))(?:(?:->|\.)number)?\b"
COMPARES = r"\s*(?:[=!]=|<=?|(?<!-)>=?)\s*"
KNOWN = r"(?:\d|[A-Z]|generation_)"
BY_NUMBER = re.compile(
    rf"{ONE}{COMPARES}{KNOWN}|\b(?:\d+|[A-Z]\w*){COMPARES}{ONE}|{ONE}\s*(?:\?|&&|\|\|)"
    rf"|(?:&&|\|\||!)\s*{ONE}(?!->|\.)|(?:switch|if|while)\s*\({ONE}\)")
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def faults_of(path: str, text: str) -> list[str]:
    if path in TABLE:
        return []
    code = COMMENT.sub(lambda m: "\n" * m[0].count("\n"), text)
    lines = enumerate(code.splitlines(), 1)
    if BELOW.fullmatch(path):
        return [f"{path}:{n}: knows of generations" for n, line in lines if WORD.search(line)]
    return [f"{path}:{n}: asks for the generation" for n, line in lines
            if BY_NUMBER.search(line)]


PLANTED = [
    (f"{PORTAL}/phoenix.c", "unsigned generation;"),
    (f"{PORTAL}/transport.h", "struct generation;"),
    ("control-worker/net/dial.c", "dial_generation(d);"),
    (f"{PORTAL}/connection.c", "if (c->generation->number == 1)"),
    (f"{PORTAL}/connection.c", "if (c->generation == generation_newest())"),
    (f"{PORTAL}/login.c", "x = g->number > 1;"),
    (f"{PORTAL}/login.c", "return 2 <= g->generation.number;"),
    (f"{PORTAL}/messages_in.c", "switch (in->generation->number) {"),
    (f"{PORTAL}/messages_in.c", "a = in->generation->number ? b : c;"),
    ("control-worker/main.c", "if (w->identity.portal_generation != 0 && x)"),
]
ALLOWED = [
    (f"{PORTAL}/phoenix.c", "/* In each generation. */"),
    (f"{PORTAL}/generation_choice.c", "if (generation->number == 1)"),
    (f"{PORTAL}/connection.c", "if (c->generation->says_capabilities)"),
    (f"{PORTAL}/connection.c", "if (a && c->generation->says_capabilities)"),
    (f"{PORTAL}/connection.c", "tell(c->generation->number, c->x > 1);"),
    (f"{PORTAL}/connection.c", "if (c->generation == g) /* is used already */"),
]


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    faults = [f"not found: {text}" for path, text in PLANTED if len(faults_of(path, text)) != 1]
    faults += [f"found: {text}" for path, text in ALLOWED if faults_of(path, text)]
    files = sorted((root / "control-worker").rglob("*.[ch]"))
    for file in files:
        faults += faults_of(str(file.relative_to(root)), file.read_text())
    if not TABLE <= {str(file.relative_to(root)) for file in files}:
        faults.append(f"{PORTAL}: there is no table of generations")
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
