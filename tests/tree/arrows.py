#!/usr/bin/python3
"""Which part of the tree may include which: design section 7, read from the
lines `#include "..."`.

    tests/tree/arrows.py [ROOT]

First it plants a wrong include of each kind in a copy of the tree and sees that
it is found; then it looks at the tree itself. One line a fault.
"""

import pathlib
import re
import shutil
import sys
import tempfile

# A room is a folder, or a file of one without its ending; of the rooms that a
# file lies in, the one with the longest path is its own. It may include itself
# and what stands behind the arrow; "x/*" is x and every room in it. The arrows
# make no circle.
ARROWS = """
common                              ->

parent                              -> common net-worker/net_worker control-worker/control_worker

control-worker/main                 -> common control-worker/control_worker control-worker/worker control-worker/sandbox_control control-worker/portal control-worker/probes control-worker/operator
control-worker/ipc_control          -> common control-worker/worker
control-worker/ipc_parts            -> common control-worker/worker
control-worker/worker               -> common control-worker/egress control-worker/portal control-worker/dns control-worker/dns_resources control-worker/flow control-worker/operator control-worker/directory control-worker/net
control-worker/egress               -> common control-worker/dns
control-worker/sandbox_control      -> common control-worker/control_worker control-worker/dns control-worker/dns_resources control-worker/net control-worker/operator
control-worker/control_worker       -> common
control-worker/version              -> common control-worker/control_worker
control-worker/portal               -> common control-worker/net control-worker/json
control-worker/dns                  -> common control-worker/net
control-worker/dns_resources        -> common control-worker/net control-worker/json
control-worker/flow                 -> common control-worker/net control-worker/json control-worker/directory
control-worker/probes               -> common control-worker/net
control-worker/operator             -> common control-worker/net control-worker/json control-worker/directory
control-worker/directory            -> common control-worker/net
control-worker/net                  -> common
control-worker/json                 -> common

net-worker/main                     -> common net-worker/net_worker net-worker/worker net-worker/dataplane/dataplane net-worker/full_tables net-worker/lane_thread net-worker/sandbox_net net-worker/io
net-worker/ipc_net                  -> common net-worker/worker net-worker/dataplane/dataplane
net-worker/worker                   -> common net-worker/dataplane/dataplane net-worker/full_tables net-worker/io net-worker/lane_thread
net-worker/lane_thread              -> common net-worker/core net-worker/io net-worker/dataplane net-worker/dataplane/lane net-worker/gathering
net-worker/gathering                -> common
net-worker/sandbox_net              -> common net-worker/net_worker
net-worker/full_tables              -> common
net-worker/version                  -> common net-worker/net_worker net-worker/core
net-worker/net_worker               -> common
net-worker/io                       -> common net-worker/core/*
net-worker/dataplane/dataplane      -> common net-worker/core/* net-worker/dataplane net-worker/dataplane/engine net-worker/dataplane/lane net-worker/dataplane/lane_state net-worker/dataplane/queries
net-worker/dataplane/queries        -> common net-worker/core/* net-worker/dataplane net-worker/dataplane/engine
net-worker/dataplane/lane_state     -> common net-worker/core/* net-worker/dataplane net-worker/dataplane/shard
net-worker/dataplane/lane           -> common net-worker/core/* net-worker/dataplane net-worker/dataplane/lane_state
net-worker/dataplane/engine         -> common net-worker/core/* net-worker/dataplane net-worker/dataplane/engine/paths
net-worker/dataplane/engine/paths   -> common net-worker/core/* net-worker/dataplane
net-worker/dataplane/shard          -> common net-worker/core/* net-worker/dataplane
net-worker/dataplane                -> common net-worker/core/*
net-worker/core/flow                -> common net-worker/core net-worker/core/inner
net-worker/core/policy              -> common net-worker/core net-worker/core/inner
net-worker/core/inner               -> common net-worker/core
net-worker/core/turn                -> common net-worker/core net-worker/core/stun
net-worker/core/ice                 -> common net-worker/core net-worker/core/stun
net-worker/core/iceless             -> common net-worker/core net-worker/core/ice net-worker/core/inner
net-worker/core/stun                -> common net-worker/core
net-worker/core/wireguard           -> common net-worker/core
net-worker/core                     -> common
"""

# What a whole process is, and who knows it.
KNOWN_TO = {
    "control-worker/worker.h": ["control-worker/main.c", "control-worker/ipc_control.c",
                                "control-worker/ipc_parts.c"],
    "net-worker/worker.h": ["net-worker/main.c", "net-worker/ipc_net.c"],
    "parent/service.h": ["parent/main.c", "parent/service.c", "parent/service_control.c",
                         "parent/supervise.h"],
}

SOURCES = ["common", "parent", "control-worker", "net-worker"]
ENDINGS = [".c", ".h", ".def"]


def read_arrows(table):
    arrows = {}
    for line in table.strip().splitlines():
        if line.strip():
            room, targets = line.split("->")
            arrows[room.strip()] = set(targets.split())
    for room, targets in arrows.items():
        for folder in [t[:-2] for t in targets if t.endswith("/*")]:
            targets.discard(folder + "/*")
            targets |= {r for r in arrows if r == folder or r.startswith(folder + "/")}
        for target in targets - set(arrows):
            sys.exit(f"arrows.py: {room} -> {target}: there is no such room")
    return arrows


def find_circle(arrows):
    """A circle among the rooms as a list, or None."""
    done, path = set(), []

    def visit(room):
        if room in path:
            return path[path.index(room):] + [room]
        if room in done:
            return None
        path.append(room)
        for target in sorted(arrows[room]):
            circle = visit(target)
            if circle:
                return circle
        path.pop()
        done.add(room)
        return None

    for room in arrows:
        circle = visit(room)
        if circle:
            return circle
    return None


def room_of(file, arrows):
    stem = file.rsplit(".", 1)[0]
    rooms = [r for r in arrows if stem == r or file.startswith(r + "/")]
    return max(rooms, key=len, default=None)


def includes(root):
    """Every (file, what it includes) of the sources."""
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in ENDINGS:
                continue
            for line in path.read_text().splitlines():
                found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
                if found:
                    yield str(path.relative_to(root)), found.group(1)


def find_faults(root, arrows):
    """Maps "FILE includes FILE" to what is wrong with it."""
    faults = {}
    for file, target in includes(root):
        here, there = room_of(file, arrows), room_of(target, arrows)
        if not (root / target).is_file():
            why = "no such file"
        elif here is None or there is None:
            why = "no room for it in the table"
        elif here != there and there not in arrows[here]:
            why = f"{here} may not know {there}"
        elif target in KNOWN_TO and file not in KNOWN_TO[target]:
            why = "known to " + ", ".join(KNOWN_TO[target]) + " only"
        else:
            continue
        faults[f"{file} includes {target}"] = why
    return faults


PLANTED = [
    ("common/log.c", "control-worker/json/json.h"),
    ("parent/main.c", "net-worker/core/policy/policy.h"),
    ("control-worker/portal/connection.h", "control-worker/flow/token.h"),
    ("control-worker/net/stream.c", "control-worker/portal/phoenix.h"),
    ("control-worker/dns/cache.c", "control-worker/worker.h"),
    ("control-worker/json/json.c", "control-worker/main.h"),
    ("control-worker/flow/log.c", "tests/lib/unit.h"),
    ("net-worker/core/index_map.c", "net-worker/core/policy/policy.h"),
    ("net-worker/core/stun/stun.c", "net-worker/core/turn/relays.h"),
    ("net-worker/io/tun.c", "net-worker/worker.h"),
    ("net-worker/ipc_net.c", "net-worker/core/wireguard/session.h"),
    ("net-worker/main.c", "net-worker/core/stun/stun.h"),
    ("net-worker/dataplane/engine/engine.h", "net-worker/dataplane/shard/shard.h"),
    ("parent/tun.c", "parent/service.h"),
]


def test_itself(root, arrows):
    """What does not work as it should, or None."""
    if not find_circle({**arrows, "common": {"parent"}}):
        return "a circle among the rooms is not found"
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for source in SOURCES:
            shutil.copytree(root / source, copy / source)
        before = find_faults(copy, arrows)
        for file, target in PLANTED:
            path = copy / file
            text = path.read_text()
            path.write_text(text + f'\n#include "{target}"\n')
            new = set(find_faults(copy, arrows)) - set(before)
            path.write_text(text)
            if new != {f"{file} includes {target}"}:
                return f"{target} in {file} is not found"
    return None


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                        pathlib.Path(__file__).resolve().parents[2])
    arrows = read_arrows(ARROWS)
    circle = find_circle(arrows)
    if circle:
        sys.exit("arrows.py: a circle: " + " -> ".join(circle))
    broken = test_itself(root, arrows)
    if broken:
        sys.exit("arrows.py: " + broken)
    wrong = [f"{fault}: {why}" for fault, why in find_faults(root, arrows).items()]
    wrong += [f"{room}: an empty room" for room in arrows
              if not (root / room).is_dir() and not list(root.glob(room + ".[ch]"))]
    print("\n".join(wrong) if wrong else f"{len(arrows)} rooms")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
