#!/usr/bin/python3
"""Check that every section of a manual page that the tree names is there.

A source cites a section of one of our pages by the page, a comma and the
section's name as it stands in .Sh or .Ss:

    firezone-portal(7), Backoff.
    firezone-portal(7), Join, Heartbeats and Strictness; RFC 6455.
    firezone-portal(7), Transport cases (2 and 5).

A citation begins where the word after the comma starts with a capital letter
or a digit, and runs to the first of . ; : ( ) " or the end of the comment or the
paragraph.  Between are only names of sections of that page, separated by ","
or "and".  Line breaks with the leaders of a comment count as one space.
Anything else after the comma is prose, of which only the page is checked.

In a page itself, what .Sx names must be there, and no name may be there twice.

Usage: citations.py [ROOT]
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

PAGE = re.compile(r"\b((?:firezone|postern)[a-z-]*)\(([1-9])\)")
CITATION = re.compile(r", (?=[A-Z0-9])([^.;:()\"\n]*)")
SEPARATOR = re.compile(r", and |, | and ")
# What a line of a comment begins with.
LEADER = re.compile(r"[ \t]*(/\*+|\*+(?!/)|//+|#+|\.\\\")?[ \t]*")
SECTION = re.compile(r"^\.S[hs] +(.*?) *$", re.MULTILINE)
REFERENCE = re.compile(r"^\.(?:[A-Z][a-z] )*Sx +(.*?)((?: [.,:;)?!])*) *$", re.MULTILINE)


def sections_of(page: str) -> Counter[str]:
    return Counter(name.replace('"', "") for name in SECTION.findall(page))


def paragraphs(text: str) -> str:
    """The text with each paragraph, or comment, on one line."""
    out: list[str] = []
    in_hash = False  # a comment that every line has to begin anew
    for line in text.replace("*/", "\n").split("\n"):
        match = LEADER.match(line)
        kind, rest = match[1] or "", line[match.end():].rstrip()
        ended = in_hash and not kind.startswith("#")
        out.append("\n" if not rest or ended else " ")
        out.append(rest)
        in_hash = kind.startswith("#") or " # " in rest
    return "".join(out)


def names_sections(text: str, names: Counter[str]) -> bool:
    """Whether the text is a list of sections; names may hold separators."""
    if names[text] == 1:
        return True
    return any(
        names[text[: at.start()]] == 1 and names_sections(text[at.end():], names)
        for at in SEPARATOR.finditer(text)
    )


def faults_of_source(text: str, pages: dict[str, Counter[str]]) -> list[str]:
    faults = []
    text = paragraphs(text)
    for page in PAGE.finditer(text):
        name = f"{page[1]}.{page[2]}"
        if name not in pages:
            faults.append(f"no page man/{name}")
            continue
        cited = CITATION.match(text, page.end())
        if cited and not names_sections(cited[1].strip(), pages[name]):
            faults.append(f"man/{name} has no section {cited[1].strip()!r}")
    return faults


def faults_of_page(text: str) -> list[str]:
    names = sections_of(text)
    faults = [f"section {name!r} is there twice" for name in names if names[name] > 1]
    for reference, _ in REFERENCE.findall(text):
        if reference not in names:
            faults.append(f"no section {reference!r}")
    return faults


# Of the sources; what a build leaves lies elsewhere, and git need not be there.
FOLDERS = ("common", "contrib", "control-worker", "man", "net-worker", "parent", "tests")


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    files = sorted(
        file for folder in FOLDERS for file in (root / folder).rglob("*") if file.is_file()
    ) + sorted(file for file in root.iterdir() if file.is_file())
    texts = {}
    for file in files:
        try:
            texts[file] = file.read_text()
        except (OSError, UnicodeDecodeError):
            continue  # deleted, a link to nowhere, or no text
    pages = {
        file.name: sections_of(text)
        for file, text in texts.items() if file.parent == root / "man" and file.suffix[1:].isdigit()
    }
    if not pages:
        print(f"{root}: no manual pages", file=sys.stderr)
        return 1
    faults = []
    for file, text in texts.items():
        is_page = file.parent == root / "man" and file.name in pages
        found = faults_of_page(text) if is_page else faults_of_source(text, pages)
        faults += [f"{file.relative_to(root)}: {fault}" for fault in found]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
