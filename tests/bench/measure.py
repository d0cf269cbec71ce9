#!/usr/bin/python3
"""Measures the ways through gateways that run set up, and prints tables.

	measure.py measure WAYS RESULTS [options]	see run; adds to RESULTS
	measure.py report RESULTS

ROWS is what is measured; each of them has one function, which returns figures
by name. What was consumed in the meantime is added to them: see consumed().
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import os
import re
import signal
import statistics
import subprocess
import sys

STREAM_PORTS = ("80", "7")
LOAD_PORT = "7"
MICE_PORT = "8"
MOUSE_RATE = 50  # of each
PATIENCE_S = 20  # beyond the time that a measurement takes
PING_RATE = 100
PERF_LEAST = "1.5"  # percent
# In the kernel's words.
CALLS = r" (?:__x64_sys_|__arm64_sys_|__sys_|ksys_|do_)(epoll_wait|recvmmsg|sendmsg|read|writev)\b"
TICK = os.sysconf("SC_CLK_TCK")
PLAIN = ("ceiling", "direct", "relayed")
RULED = ("ceiling", "ceiling-ruled", "direct", "relayed")
ALL = ("ceiling", "ceiling-ruled", "direct", "direct-name", "relayed", "relayed-name")


@dataclasses.dataclass
class Way:
    """Through a gateway: network namespaces and processes."""
    name: str
    space: str
    address: str
    lan: str
    metrics: str  # the space where the gateway tells its counters, or "-"
    clients: list  # processes, as the next one
    gateway: list


def read_ways(path):
    with open(path) as lines:
        for line in lines:
            name, space, address, lan, metrics, client, *gateway = line.split()
            yield Way(name, space, address, lan, metrics, [int(client)],
                      [int(pid) for pid in gateway])


# --- What is consumed -------------------------------------------------------

def cpu_ticks(pid):
    """User and system, of all threads."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


def cpu_seconds(pids):
    """The same in all, to the nanosecond."""
    ns = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                ns += int(file.read().split()[0])
    return ns / 1e9


def peak_memory(pid):
    """In MiB, since forget_peak()."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) / 1024


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def tcp_counter(space, name):
    """One of /proc/net/snmp and netstat, whose lines come in pairs."""
    text = subprocess.run(
        ["ip", "netns", "exec", space, "cat", "/proc/net/snmp", "/proc/net/netstat"],
        check=True, capture_output=True, text=True).stdout.splitlines()
    for names, values in zip(text[::2], text[1::2]):
        kind, *keys = names.split()
        if name in keys:
            return int(values.split()[1:][keys.index(name)])
    raise KeyError(name)


def metric(way, name):
    """Of posternd, over all labels."""
    if way.metrics == "-":
        return 0
    text = subprocess.run(
        ["ip", "netns", "exec", way.metrics, "curl", "-sS", "-m", "5",
         "http://127.0.0.1:8080/metrics"],
        check=True, capture_output=True, text=True).stdout
    return sum(float(line.split()[-1]) for line in text.splitlines()
               if re.match(rf"\w*_{name}\b", line) and line[0] != "#")


def consumed(way, sender, receiver, measurement):
    """Runs it, and adds to its figures: CPU seconds of the gateway and of the clients, how much
    of the former was user and system time, the gateway's peak memory, segments that came out of
    order, those that were sent again, inner packets, what came to another thread than its own,
    and what was dropped as more than its client's share."""
    def costs():
        ticks = [cpu_ticks(pid) for pid in way.gateway]
        return (cpu_seconds(way.gateway), cpu_seconds(way.clients),
                sum(t[0] for t in ticks), sum(t[1] for t in ticks))

    def counts():
        return (tcp_counter(receiver, "TCPOFOQueue"), tcp_counter(sender, "RetransSegs"),
                metric(way, "client_packets_total"), metric(way, "strays_total"),
                metric(way, "over_share_total"))

    for pid in way.gateway:
        forget_peak(pid)
    # Outside, since a page of metrics costs posternd something, too.
    counted = counts()
    spent = costs()
    figures = measurement()
    gateway, client, user, system = (b - a for a, b in zip(spent, costs()))
    disordered, again, packets, strays, over_share = (
        b - a for a, b in zip(counted, counts()))
    return {"gateway": gateway, "client": client, "user": user / TICK, "system": system / TICK,
            "memory": sum(peak_memory(pid) for pid in way.gateway),
            "segments_disordered": disordered, "segments_again": again,
            "strays": 100 * strays / max(packets, 1), "over_share": over_share, **figures}


# --- Where the time goes -----------------------------------------------------

def perf(o, *arguments):
    return ["perf", "--buildid-dir", o.results + ".perf-files", *arguments]


def remember_programs(o, pids):
    """A worker's root is an empty one, where perf does not find what it runs."""
    files = set()
    for pid in pids:
        with open(f"/proc/{pid}/maps") as maps:
            files.update(re.findall(r" r-xp .* (/\S+)$", maps.read(), re.MULTILINE))
    for path in filter(os.path.exists, files):
        subprocess.run(perf(o, "buildid-cache", "--add", path), check=True)


def by_calls(o, data):
    """What of the time is in which call of the kernel, waiting and waking up included."""
    script = subprocess.run(perf(o, "script", "-i", data, "-F", "ip,sym,dso"), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    counts = collections.Counter()
    for sample in script.split("\n\n"):
        call = re.search(CALLS, sample)
        if sample.strip():
            first = sample.strip().splitlines()[0]
            counts[call.group(1) if call else "else, kernel" if "kernel" in first
                   else "user space"] += 1
    for name, count in counts.most_common():
        if 100 * count / counts.total() >= float(PERF_LEAST):
            print(f"    {100 * count / counts.total():5.2f}%  {name}")


def profiled(o, title, way, measurement):
    """With --perf: the same, and the functions that took most of the gateway's time."""
    if not o.perf:
        return measurement()
    data = o.results + ".perf"
    remember_programs(o, way.gateway)
    recorder = subprocess.Popen(
        perf(o, "record", "-q", "-g", "--buildid-mmap", "-o", data, "-p",
             ",".join(map(str, way.gateway))), stderr=subprocess.DEVNULL)
    try:
        return measurement()
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.wait(PATIENCE_S)
        print(f"{title}, {way.name}: % of the gateway's time")
        for keys in "dso", "dso,symbol":
            subprocess.run(perf(o, "report", "-q", "-i", data, "--no-children",
                                "-g", "none", "--sort", keys, "--stdio",
                                "--percent-limit", PERF_LEAST),
                           stderr=subprocess.DEVNULL, check=True)
        by_calls(o, data)
        os.unlink(data)


# --- Measurements -----------------------------------------------------------

def begin(space, *command):
    return subprocess.Popen(["ip", "netns", "exec", space, *command], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process, seconds):
    """The JSON that it printed."""
    try:
        output, errors = process.communicate(timeout=seconds + PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise RuntimeError(f"{process.args[4]} does not end") from None
    if process.returncode != 0:
        raise RuntimeError(f"{process.args[4]}: {(errors or output)[-200:].strip()}")
    return json.loads(output)


def begin_streams(o, way, count, direction, port, *more):
    reverse = ["-R"] if direction == "from" else []
    return begin(way.space, "iperf3", "-J", "-c", way.address, "-p", port, "-t", str(o.seconds),
                 "-P", str(count), *reverse, *more)


def begin_elephant(o, way, load, direction):
    """A stream, limited as iperf3's -b says, or a flood of datagrams of so many bytes."""
    if isinstance(load, int):
        return begin(way.space, o.load, direction, way.address, LOAD_PORT, str(load), "0",
                     str(o.seconds))
    return begin_streams(o, way, 1, direction, STREAM_PORTS[0], "-b", load)


def ends(way, direction):
    return (way.space, way.lan) if direction == "to" else (way.lan, way.space)


def tcp(o, way, streams, direction):
    def run():
        end = ended(begin_streams(o, way, streams, direction, STREAM_PORTS[0]), o.seconds)
        received = end["end"]["sum_received"]
        return {"bytes": received["bytes"], "gbit": received["bits_per_second"] / 1e9}
    return consumed(way, *ends(way, direction), run)


def several(o, way, direction):
    """A stream of each of two clients at once."""
    def run():
        streams = [begin_streams(o, w, 1, direction, port)
                   for w, port in zip((way, o.second), STREAM_PORTS)]
        received = [ended(s, o.seconds)["end"]["sum_received"] for s in streams]
        return {"bytes": sum(r["bytes"] for r in received),
                "gbit": sum(r["bits_per_second"] for r in received) / 1e9}
    both = dataclasses.replace(way, clients=way.clients + o.second.clients)
    return consumed(both, *ends(way, direction), run)


def udp(o, way, size, direction, rate):
    def run():
        figures = ended(begin(way.space, o.load, direction, way.address, LOAD_PORT, str(size),
                              str(rate), str(o.seconds)), o.seconds)
        if figures["received"] == 0:
            raise RuntimeError("nothing has come")
        return figures
    return consumed(way, *ends(way, direction), run)


def flows(o, way, count):
    """So many at once, each from a port of its own, with echoes, half of them of another client,
    which has another thread where there is one."""
    def run():
        halves = [begin(w.space, o.load, "flows", w.address, LOAD_PORT, str(count // 2),
                        str(o.seconds)) for w in (way, o.second)]
        first, second = (ended(half, o.seconds) for half in halves)
        figures = {**first, **{n: first[n] + second[n] for n in ("sent", "received")}}
        if figures["received"] == 0:
            raise RuntimeError("nothing has come")
        return figures
    both = dataclasses.replace(way, clients=way.clients + o.second.clients)
    return consumed(both, *ends(way, "to"), run)


def round_trip(o, way, load):
    """While the same client receives a stream: none, or limited as iperf3's -b says."""
    def run():
        stream = load and begin_streams(o, way, 1, "from", STREAM_PORTS[0], "-b", load)
        ping = begin(way.space, o.load, "ping", way.address, LOAD_PORT, str(PING_RATE),
                     str(o.seconds))
        try:
            return ended(ping, o.seconds)
        finally:
            if stream:
                ended(stream, o.seconds)
    return consumed(way, way.lan, way.space, run)


def round_trip_of_other(o, way, load):
    """While another client receives one."""
    def run():
        stream = begin_streams(o, o.second, 1, "from", STREAM_PORTS[0], "-b", load)
        ping = begin(way.space, o.load, "ping", way.address, LOAD_PORT, str(PING_RATE),
                     str(o.seconds))
        try:
            return ended(ping, o.seconds)
        finally:
            ended(stream, o.seconds)
    return consumed(way, way.lan, way.space, run)


def thread_ids(pids):
    return [int(thread) for pid in pids for thread in os.listdir(f"/proc/{pid}/task")]


@contextlib.contextmanager
def slowed(way, others):
    """All of the gateway on one processor, which it shares with so many busy loops."""
    free = os.sched_getaffinity(0)
    if others == 0:
        yield
        return
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
    for thread in thread_ids(way.gateway) + [loop.pid for loop in loops]:
        os.sched_setaffinity(thread, {min(free)})
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
        for thread in thread_ids(way.gateway):
            os.sched_setaffinity(thread, free)


def elephant_figures(end, load):
    """Of what begin_elephant() printed; {} where there was none."""
    if "end" in end:
        return {"elephant": end["end"]["sum_received"]["bits_per_second"] / 1e9}
    if not end or end["received"] == 0:
        return {"elephant": 0}
    return {"elephant": 8e-9 * load * end["received"] / end["seconds"],
            "elephant_lost": 100 - 100 * end["received"] / max(end["sent"], 1)}


def mice(o, way, load, direction, others):
    """Round trips of many clients that ask little, while another one takes or brings much. The
    ceiling has one client, which plays them all."""
    end = {}

    def run():
        elephant = load and begin_elephant(o, way, load, direction)
        spaces = [way.space] * len(o.mice) if way.metrics == "-" else [m.space for m in o.mice]
        pings = begin(spaces[0], o.load, "mice", way.address, MICE_PORT, str(MOUSE_RATE),
                      str(o.seconds), *spaces)
        try:
            return ended(pings, o.seconds)
        finally:
            if elephant:
                end.update(ended(elephant, o.seconds))
    with slowed(way, others):
        figures = consumed(way, *ends(way, direction), run)
    return {"elephant_lost": 0, **figures, **elephant_figures(end, load)}


STREAMS, DATAGRAMS, ROUND_TRIPS, MICE = "streams", "datagrams", "round trips", "mice"

# Table, title, ways, function, arguments.
ROWS = [
    *((STREAMS, f"TCP, {count} stream{'s' * (count > 1)}, {direction}", ALL, tcp,
       (count, direction))
      for count in (1, 16) for direction in ("to", "from")),
    *((STREAMS, f"TCP, 2 clients, {direction}", ("direct",), several, (direction,))
      for direction in ("to", "from")),
    *((DATAGRAMS, f"UDP, {size} bytes, {'flood' if rate == 0 else f'{rate} a second'}, "
       f"{direction}", RULED, udp, (size, direction, rate))
      for rate in (30000, 0) for size in (64, 512, 1200) for direction in ("to", "from")),
    (DATAGRAMS, "UDP, 20000 flows and their echoes", ("direct",), flows, (20000,)),
    (ROUND_TRIPS, "round trip, idle", PLAIN, round_trip, (None,)),
    (ROUND_TRIPS, "round trip, stream of 1 Gbit/s", PLAIN, round_trip, ("1G",)),
    (ROUND_TRIPS, "round trip, stream without limit", PLAIN, round_trip, ("0",)),
    (ROUND_TRIPS, "round trip, 1 Gbit/s of another client", ("direct",), round_trip_of_other,
     ("1G",)),
    *((MICE, f"with mice, {title}", ("ceiling", "direct"), mice, (load, direction, others))
      for title, load, direction, others in (
          ("alone", None, "from", 0),
          *((f"{title}, {direction}{slow}", load, direction, others)
            for others, slow in ((0, ""), (2, ", slowed"))
            for title, load in
            (("1 Gbit/s", "1G"), ("a stream without limit", "0"), ("a flood of 1200 bytes", 1200))
            for direction in ("to", "from")))),
]


def measure(o):
    ways = {way.name: way for way in read_ways(o.ways_file)}
    o.second = ways["second"]
    o.mice = [way for name, way in ways.items() if name.startswith("mouse")]
    failed = False
    for _ in range(o.rounds):
        for table, title, names, function, arguments in ROWS:
            by_threads = function in (several, flows, mice)
            if not re.search(o.rows, title) or (o.several and not by_threads) or (
                    function is mice and not o.mice):
                continue
            if by_threads:
                title += f", --threads {o.threads}"
            for name in filter(re.compile(o.ways).match, names):
                try:
                    figures = profiled(o, title, ways[name],
                                       lambda: function(o, ways[name], *arguments))
                except (RuntimeError, OSError) as error:
                    print(f"{title}, {name}: {error}", file=sys.stderr)
                    failed = True
                    continue
                with open(o.results, "a") as file:
                    print(json.dumps([table, title, name, figures]), file=file)
    return failed


# --- Tables -----------------------------------------------------------------

def stream_columns(f):
    gb = f["bytes"] / 1e9
    return {"Gbit/s": (f["gbit"], 2), "gateway s/GB": (f["gateway"] / gb, 3),
            "user": (f["user"] / gb, 3), "system": (f["system"] / gb, 3),
            "client s/GB": (f["client"] / gb, 3), "MiB": (f["memory"], 0),
            "out of order": (f["segments_disordered"], 0), "sent again": (f["segments_again"], 0),
            "strays %": (f["strays"], 2)}


def datagram_columns(f):
    us = 1e6 / f["received"]
    return {"packets/s": (f["received"] / f["seconds"], 0),
            "lost %": (100 - 100 * f["received"] / max(f["sent"], 1), 2),
            "gateway us": (f["gateway"] * us, 2), "user": (f["user"] * us, 2),
            "system": (f["system"] * us, 2), "client us": (f["client"] * us, 2),
            "MiB": (f["memory"], 0), "out of order": (f["disordered"], 0),
            "strays %": (f["strays"], 2)}


def round_trip_columns(f):
    return {"p50 us": (f["p50"], 0), "p99 us": (f["p99"], 0), "max us": (f["max"], 0),
            "lost": (f["sent"] - f["received"], 0), "MiB": (f["memory"], 0)}


def mice_columns(f):
    return {"p50 us": (f["p50"], 0), "p99 us": (f["p99"], 0), "max us": (f["max"], 0),
            "mice lost %": (100 - 100 * f["received"] / f["sent"], 2),
            "elephant Gbit/s": (f["elephant"], 2), "elephant lost %": (f["elephant_lost"], 2),
            "over share": (f["over_share"], 0)}


# Of each table: its columns, and which are compared with those of the ceiling.
TABLES = {
    STREAMS: (stream_columns, ("Gbit/s", "gateway s/GB")),
    DATAGRAMS: (datagram_columns, ("packets/s", "gateway us")),
    ROUND_TRIPS: (round_trip_columns, ("p99 us",)),
    MICE: (mice_columns, ("p99 us",)),
}


def medians(rounds):
    return {name: (statistics.median(r[name][0] for r in rounds), digits)
            for name, (_, digits) in rounds[0].items()}


def print_table(compared, rows):
    names = list(next(iter(rows.values())))
    heads = ["", "way", *names, *(f"x {name}" for name in compared)]
    print("|", " | ".join(heads), "|")
    print("|---|---|" + "---:|" * (len(heads) - 2))
    for (title, way), columns in rows.items():
        ceiling = rows.get((title, "ceiling"))
        ratios = [f"{columns[n][0] / ceiling[n][0]:.2f}" if ceiling and ceiling[n][0] else ""
                  for n in compared]
        print("|", " | ".join([title, way, *(f"{v:.{d}f}" for v, d in columns.values()),
                               *ratios]), "|")
    print()


def report(path):
    collected = {table: {} for table in TABLES}
    with open(path) as lines:
        for table, title, way, figures in map(json.loads, lines):
            columns = TABLES[table][0](figures)
            collected[table].setdefault((title, way), []).append(columns)
    for table, rows in collected.items():
        if rows:
            print_table(TABLES[table][1], {key: medians(r) for key, r in rows.items()})


def main():
    if sys.argv[1] == "report":
        return report(sys.argv[2])
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("ways_file")
    parser.add_argument("results")
    parser.add_argument("--load")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--rows")
    parser.add_argument("--ways")
    parser.add_argument("--threads")
    parser.add_argument("--several", action="store_true")
    parser.add_argument("--perf", action="store_true")
    return measure(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
