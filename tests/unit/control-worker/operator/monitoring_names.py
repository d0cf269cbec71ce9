#!/usr/bin/python3
"""Check that the dashboard and the alerts ask for what /metrics has.

Each metric that they name has to be there, each label they select or show has to
be one of the metric's, and a value that they select one that it can have.  Each
alert has a test of its name in alerts_test.yml.  And postern-metrics(7) has the
labels that there are, with their values.

Usage: monitoring_names.py PROGRAM, which prints the metrics
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

CONTRIB = Path(__file__).parents[4] / "contrib"
DASHBOARD = CONTRIB / "grafana/postern.json"
ALERTS = CONTRIB / "prometheus/alerts.yml"
ALERT_TESTS = CONTRIB / "prometheus/alerts_test.yml"
PAGE = CONTRIB.parent / "man/postern-metrics.7"

SELECTOR = re.compile(r"(postern_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|=|!=|!~)\s*"([^"]*)"')
# Of the scrape, not of the metric.
FOREIGN = {"instance", "job"}
# Labels whose values are anything.
NO_WORDS = {"le", "name", "server", "system", "user", "version"}
LEAST = 30  # metrics that the dashboard shows


def printed(program: str) -> dict[str, dict[str, set[str]]]:
    """The values of each label of each series, by their names."""
    there: dict[str, dict[str, set[str]]] = {}
    text = subprocess.run([program], check=True, stdout=subprocess.PIPE,
                          encoding="utf-8").stdout
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            there.setdefault(line.split()[2], {})
        elif not line.startswith("#"):
            name, _, labels = line.rpartition(" ")[0].partition("{")
            of_name = there.setdefault(name, {})
            for label, _, value in MATCHER.findall(labels):
                of_name.setdefault(label, set()).add(value)
    return there


def fits(operator: str, wanted: str, values: set[str]) -> bool:
    if operator in ("=~", "!~"):
        return any(re.fullmatch(wanted, value) for value in values)
    return wanted in values


def faults_of(where: str, expression: str, there: dict, named: set[str]) -> list[str]:
    faults = []
    for name, matchers in SELECTOR.findall(expression):
        named.add(name)
        if name not in there:
            faults.append(f"{where}: there is no {name}")
            continue
        for label, operator, wanted in MATCHER.findall(matchers):
            if label in FOREIGN:
                continue
            # Ids of clients and resources are no fixed values.
            if not fits(operator, wanted, there[name].get(label, set())):
                faults.append(f"{where}: {name} has no {label} {wanted!r}")
    return faults


def panels(dashboard: dict) -> list[tuple[str, str, str]]:
    """Title, expression and legend of each."""
    found = [(a["name"], a["expr"], a["titleFormat"])
             for a in dashboard["annotations"]["list"]]
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            found.append((panel["title"], target["expr"], target["legendFormat"]))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found.append((variable["name"], variable["query"]["query"], ""))
    return found


def legend_faults(title: str, expression: str, legend: str, there: dict) -> list[str]:
    labels = set(FOREIGN)
    for name, _ in SELECTOR.findall(expression):
        labels |= set(there.get(name, {}))
    return [f"{title}: no {label} to show"
            for label in re.findall(r"\{\{(\w+)\}\}", legend) if label not in labels]


def undocumented(there: dict[str, dict[str, set[str]]]) -> list[str]:
    """Labels that postern-metrics(7) does not have; ids, names and bounds are no words."""
    page = PAGE.read_text("utf-8")
    return [f"{PAGE.name}: no {label}={value!r} of {name}"
            for name, labels in there.items() for label, values in labels.items()
            for value in values
            if label not in NO_WORDS and not re.fullmatch(r"[0-9a-f-]{36}", value)
            and (name, label) != ("postern_refused_total", "reason")
            and f".Cm {label} Ns = Ns Dq {value}" not in page]


def main() -> int:
    there = printed(sys.argv[1])
    faults = undocumented(there)
    shown: set[str] = set()
    for title, expression, legend in panels(json.loads(DASHBOARD.read_text("utf-8"))):
        faults += faults_of(title, expression, there, shown)
        faults += legend_faults(title, expression, legend, there)
    if len(shown) < LEAST:
        faults.append(f"the dashboard shows {len(shown)} metrics")
    alerts = ALERTS.read_text("utf-8")
    tests = ALERT_TESTS.read_text("utf-8")
    faults += faults_of(ALERTS.name, alerts, there, set())
    faults += faults_of(ALERT_TESTS.name, tests, there, set())
    for name in re.findall(r"- alert: (\w+)", alerts):
        if f"name: {name}\n" not in tests:
            faults.append(f"{ALERT_TESTS.name}: {name} is not tested")
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
