#!/usr/bin/python3
"""Writes a test for promtool: that each query of a dashboard has an answer.

Usage: dashboard_queries.py DASHBOARD PAGE ... > FILE

A page is what /metrics gave, taken for a minute after the one before.  An answer
is a series that has a number at the last one.
"""

import json
import re
import sys

SERIES = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
LABELS = 'instance="gateway:8080",job="postern"'
# Of what happens only where something is wrong it is enough to know the series.
WHERE_ANY = re.compile(r"\s*> 0$")
# The label that is joined, which not all have, but some.
JOINS = re.compile(r"group_left \((\w+)\)")
MINUTES = len(sys.argv) - 3
VARIABLES = {"$instance": ".*", "$__rate_interval": f"{MINUTES}m"}


def read_pages(paths):
    """The values of each series, by its name with labels."""
    found = {}
    for i, path in enumerate(paths):
        for line in open(path):
            if line.startswith("#"):
                continue
            name, labels, value = SERIES.fullmatch(line.rstrip("\n")).groups()
            key = f"{name}{{{LABELS}{',' + labels if labels else ''}}}"
            found.setdefault(key, ["_"] * len(paths))[i] = value
    return found


def queries(node):
    """Of panels and annotations, wherever they stand."""
    if isinstance(node, dict):
        if isinstance(node.get("expr"), str):
            yield node["expr"]
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from queries(one)


def main():
    dashboard = json.load(open(sys.argv[1]))
    series = read_pages(sys.argv[2:])
    tests = []
    for query in [*queries(dashboard), "postern_build_info"]:
        for name, value in VARIABLES.items():
            query = query.replace(name, value)
        query = WHERE_ANY.sub("", query)
        tests.append({
            # What is not a number is not like itself.
            "expr": f"count(({query}) == ({query})) > bool 0",
            "eval_time": f"{MINUTES}m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        })
        for label in JOINS.findall(query):
            tests.append({
                "expr": f"count(count by ({label}) ({query})) > bool 1",
                "eval_time": f"{MINUTES}m",
                "exp_samples": [{"labels": "{}", "value": 1}],
            })
    assert len(tests) > 30 and not any("$" in t["expr"] for t in tests)
    json.dump({
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [{"series": key, "values": " ".join(values)}
                             for key, values in series.items()],
            "promql_expr_test": tests,
        }],
    }, sys.stdout)


if __name__ == "__main__":
    main()
