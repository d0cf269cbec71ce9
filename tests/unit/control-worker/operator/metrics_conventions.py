#!/usr/bin/python3
"""Check that /metrics is what Prometheus wants it to be.

The text format 0.0.4 to the letter, and the conventions of names: a prefix, base
units, _total for counters and nothing else, a help text that is a sentence, no
series twice.  Each rule is tried on a text that breaks it as well.

Usage: metrics_conventions.py PROGRAM, which prints them
"""

from __future__ import annotations

import re
import subprocess
import sys

PREFIX = "postern_"
NAME = re.compile(r"postern_[a-z][a-z0-9]*(_[a-z0-9]+)*")
LABEL = re.compile(r'([a-z][a-z_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
SERIES = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
VALUE = re.compile(r"-?\d+(\.\d+)?|\+Inf")
# A prefix or another unit than Prometheus' base units.
UNITS = re.compile(
    r"_(ms|us|ns|milliseconds?|microseconds?|nanoseconds?|minutes?|hours?|days?"
    r"|kb|mb|kib|mib|kilobytes?|megabytes?|bits?|percent|pct)(_|$)")
TYPES = {"counter", "gauge", "histogram"}
# What the names of a histogram's series end in.
PARTS = ("_bucket", "_sum", "_count")


class Checker:
    """One text; faults are what is wrong with it."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.kinds: dict[str, str] = {}
        self.helped: set[str] = set()
        self.seen: set[tuple[str, frozenset]] = set()
        self.last = ""
        self.buckets: dict[tuple, list[tuple[float, float]]] = {}
        self.counts: dict[tuple, float] = {}

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def help_line(self, name: str, text: str) -> None:
        if name in self.helped:
            self.fault(f"{name}: a second HELP")
        self.helped.add(name)
        if not text.endswith(".") or not (text[0].isupper() or text[0] == "/"):
            self.fault(f"{name}: its help is no sentence: {text!r}")
        if re.search(r"\\(?![\\n])", text):
            self.fault(f"{name}: its help is not escaped")

    def type_line(self, name: str, kind: str) -> None:
        if name in self.kinds:
            self.fault(f"{name}: a second TYPE")
        if name not in self.helped:
            self.fault(f"{name}: TYPE without HELP before it")
        self.kinds[name] = kind
        self.last = name
        if kind not in TYPES:
            self.fault(f"{name}: no such type: {kind}")
        if not NAME.fullmatch(name):
            self.fault(f"{name}: not in snake case behind {PREFIX}")
        if (kind == "counter") != name.endswith("_total"):
            self.fault(f"{name}: _total is for counters, and for each of them")
        if UNITS.search(name):
            self.fault(f"{name}: not in base units")
        if re.search(r"_(gauge|counter|histogram)(_|$)", name):
            self.fault(f"{name}: its type in its name")
        if kind != "histogram" and name.endswith(PARTS):
            self.fault(f"{name}: ends like a part of a histogram")

    def labels(self, name: str, text: str | None) -> dict[str, str]:
        labels: dict[str, str] = {}
        rest = text or ""
        while rest:
            found = LABEL.match(rest)
            if not found or (found.end() < len(rest) and rest[found.end()] != ","):
                self.fault(f"{name}: labels are not well formed: {text}")
                return labels
            if found[1] in labels:
                self.fault(f"{name}: the label {found[1]} twice")
            labels[found[1]] = found[2]
            rest = rest[found.end() + 1:]
        return labels

    def series(self, line: str) -> None:
        found = SERIES.fullmatch(line)
        if not found or not VALUE.fullmatch(found[3]):
            self.fault(f"no series: {line}")
            return
        name, labels = found[1], self.labels(found[1], found[2])
        family = self.last
        if self.kinds.get(family) == "histogram":
            part = name[len(family):]
            if not name.startswith(family) or part not in PARTS:
                self.fault(f"{name}: not of the metric that was declared last")
            key = (family, frozenset((k, v) for k, v in labels.items() if k != "le"))
            if part == "_bucket":
                self.buckets.setdefault(key, []).append(
                    (float(labels.get("le", "nan")), float(found[3])))
            elif part == "_count":
                self.counts[key] = float(found[3])
        elif name != family:
            self.fault(f"{name}: not of the metric that was declared last")
        if "le" in labels and not name.endswith("_bucket"):
            self.fault(f"{name}: le is for histograms")
        if found[3].startswith("-") and self.kinds.get(family) != "gauge":
            self.fault(f"{name}: falls")
        key = (name, frozenset(labels.items()))
        if key in self.seen:
            self.fault(f"twice: {line}")
        self.seen.add(key)

    def histograms(self) -> None:
        for key, buckets in self.buckets.items():
            bounds = [b for b, _ in buckets]
            counts = [c for _, c in buckets]
            if bounds != sorted(set(bounds)) or bounds[-1] != float("inf"):
                self.fault(f"{key[0]}: its bounds do not rise to +Inf")
            if counts != sorted(counts) or counts[-1] != self.counts.get(key):
                self.fault(f"{key[0]}: its buckets do not add up")

    def check(self, text: str) -> list[str]:
        if not text.endswith("\n"):
            self.fault("the last line has no end")
        for line in text.splitlines():
            found = re.fullmatch(r"# (HELP|TYPE) (\S+) (.+)", line)
            if found and found[1] == "HELP":
                self.help_line(found[2], found[3])
            elif found:
                self.type_line(found[2], found[3])
            else:
                self.series(line)
        self.histograms()
        for name in self.helped ^ set(self.kinds):
            self.fault(f"{name}: HELP or TYPE alone")
        return self.faults


def declared(name: str, kind: str, *series: str, text: str = "What it is.") -> str:
    return (f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
            + "".join(line + "\n" for line in series))


GOOD = declared("postern_a_total", "counter", 'postern_a_total{b="c\\"d"} 1')
BAD = [
    declared("postern_a", "counter", "postern_a 1"),
    declared("postern_a_total", "gauge", "postern_a_total 1"),
    declared("postern_a_ms", "gauge", "postern_a_ms 1"),
    declared("other_a", "gauge", "other_a 1"),
    declared("postern_A", "gauge", "postern_A 1"),
    declared("postern_a_gauge", "gauge", "postern_a_gauge 1"),
    declared("postern_a_count", "gauge", "postern_a_count 1"),
    declared("postern_a", "untyped", "postern_a 1"),
    declared("postern_a", "gauge", "postern_a 1", text="no sentence"),
    declared("postern_a", "gauge", "postern_a 1", "postern_a 2"),
    declared("postern_a", "gauge", 'postern_a{b="c"d"} 1'),
    declared("postern_a", "gauge", 'postern_a{b="\\x"} 1'),
    declared("postern_a", "gauge", 'postern_a{b="1",b="2"} 1'),
    declared("postern_a", "gauge", "postern_b 1"),
    declared("postern_a", "gauge", "postern_a nan"),
    declared("postern_a_total", "counter", "postern_a_total -1"),
    GOOD + GOOD,
    "# TYPE postern_a gauge\npostern_a 1\n",
    "# HELP postern_a What.\npostern_a 1\n",
    GOOD.rstrip("\n"),
    declared("postern_a", "histogram", 'postern_a_bucket{le="1"} 1',
             "postern_a_sum 1", "postern_a_count 1"),
    declared("postern_a", "histogram", 'postern_a_bucket{le="1"} 2',
             'postern_a_bucket{le="+Inf"} 1', "postern_a_sum 1", "postern_a_count 1"),
    declared("postern_a", "histogram", 'postern_a_bucket{le="1"} 1',
             'postern_a_bucket{le="+Inf"} 1', "postern_a_sum 1", "postern_a_count 2"),
]


def main() -> int:
    if Checker().check(GOOD):
        print("a good text is refused:", Checker().check(GOOD))
        return 1
    for text in BAD:
        if not Checker().check(text):
            print(f"not found to be wrong:\n{text}")
            return 1
    text = subprocess.run(sys.argv[1:2], check=True, stdout=subprocess.PIPE,
                          encoding="utf-8").stdout
    checker = Checker()
    faults = checker.check(text)
    if len(checker.kinds) < 40:
        faults.append(f"only {len(checker.kinds)} metrics")
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
