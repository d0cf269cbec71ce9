"""The names of DNS resources, and the portal's, where resolvers are as they are
in the field: silent, truncating, failing, with aliases that lead elsewhere.
"""

import json
import socket
import struct
import threading
import time

import pytest

from control_worker import ControlWorker
from fake_portal import Listener

CLIENT = "3abd725a-733b-4801-ac16-72f26cd98a24"
RESOURCE = "c7793628-8579-465b-83e3-1a5d4af4db3b"
A, CNAME, AAAA = 1, 5, 28
SERVFAIL, REFUSED = 0x8182, 0x8185
RESOLVE = 1

# An uncached name: the first, and later ones.
FIRST_S, LATER_S = 4.0, 1.0


def wire(name):
    """Of a name whose labels are text, or octets."""
    labels = name.split(".") if isinstance(name, str) else name
    raw = [x.encode() if isinstance(x, str) else x for x in labels]
    return b"".join(bytes([len(x)]) + x for x in raw) + b"\0"


def a(owner, address):
    return wire(owner) + struct.pack(">HHIH", A, 1, 60, 4) + socket.inet_aton(address)


def cname(owner, target):
    return wire(owner) + struct.pack(">HHIH", CNAME, 1, 60, len(wire(target))) + wire(target)


def end_of_name(query):
    at = 12
    while query[at]:
        at += 1 + query[at]
    return at + 1


class Resolver:
    """On a loopback address of its own. zone: from a name on the wire to the
    records for its A query; without an entry there are none. manner may be
    "silent", "truncating" (and TCP is silent), or the flags of an error."""

    def __init__(self, address, zone=None, manner=None, delay=0):
        self.address, self.zone, self.manner, self.delay = address, zone or {}, manner, delay
        self.asked = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, 53))
        self.tcp = socket.create_server((address, 53))
        self.closed = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _answer(self, query):
        end = end_of_name(query) + 4
        (kind,) = struct.unpack(">H", query[end - 4:end - 2])
        flags, records = 0x8180, []
        if kind == A:
            records = self.zone.get(query[12:end - 4].lower(), [])
        if self.manner == "truncating":
            flags, records = 0x8380, []
        elif self.manner:
            flags, records = self.manner, []
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + \
            query[12:end] + b"".join(records)

    def _serve(self):
        while True:
            query, peer = self.udp.recvfrom(512)
            if self.closed:
                return
            name = query[12:end_of_name(query)].lower()
            if name != wire("firezone.dev"):
                self.asked.append(name)
            if self.manner == "silent":
                continue
            if self.delay:
                threading.Timer(self.delay, self.udp.sendto, (self._answer(query), peer)).start()
            else:
                self.udp.sendto(self._answer(query), peer)

    def close(self):
        self.closed = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (self.address, 53))
        self.thread.join()
        self.udp.close()
        self.tcp.close()


class Site:
    """A worker that is online, and those whom it asks."""

    def __init__(self, folder):
        self.folder, self.resolvers = folder, []
        self.listener = Listener()
        self.worker = None

    def resolver(self, *args, **options):
        self.resolvers.append(Resolver(*args, **options))
        return self.resolvers[-1]

    def start(self, *servers, text="", url=None):
        conf = "".join(f"nameserver {s}\n" for s in servers) + text
        self.worker = ControlWorker(
            self.folder, url or f"ws://127.0.0.1:{self.listener.port}",
            resolv_conf=conf).ready().key()
        return self.listener.online()

    def resolve(self, name):
        """The addresses of a name of a resource, or None for "inactive", and how
        long it took."""
        begin = time.monotonic()
        payload = json.dumps({"resource": RESOURCE, "domain": name,
                              "proxy_ips": ["100.96.0.1"]}).encode()
        self.worker.say("PEER_EVENT", client=CLIENT, event=0, payload=payload)
        asked = self.worker.expect("ASSIGNMENT")
        self.worker.say("ASSIGNMENT_ANSWER", serial=asked["serial"], answer=RESOLVE)
        kind, values = self.worker.hear(15)
        took = time.monotonic() - begin
        return (values["addresses"] if kind == "NAME_RESOLVED" else None), took

    def close(self):
        if self.worker:
            self.worker.stop()
        for r in self.resolvers:
            r.close()
        self.listener.close()


@pytest.fixture
def site(tmp_path):
    one = Site(tmp_path)
    yield one
    one.close()


GOOD = {wire(f"n{i}.test"): [a(f"n{i}.test", f"192.0.2.{i}")] for i in range(1, 9)}


@pytest.mark.parametrize("silent", [1, 3, 7])
def test_silent_servers_before_a_good_one(site, silent):
    dead = [site.resolver(f"127.0.0.{80 + i}", manner="silent") for i in range(silent)]
    good = site.resolver("127.0.0.90", GOOD)
    site.start(*(d.address for d in dead), good.address)
    found, took = site.resolve("n1.test")
    assert found == ["192.0.2.1"] and took <= FIRST_S, took
    before = [len(d.asked) for d in dead]
    for i in range(2, 6):
        found, took = site.resolve(f"n{i}.test")
        assert found == [f"192.0.2.{i}"] and took <= LATER_S, took
    assert [len(d.asked) for d in dead] == before, "the dead are left alone"


def test_the_portals_name_with_silent_servers(site):
    for i in range(3):
        site.resolver(f"127.0.0.{80 + i}", manner="silent")
    site.resolver("127.0.0.90", {wire("portal.corp.test"): [a("portal.corp.test", "127.0.0.1")]})
    begin = time.monotonic()
    site.start("127.0.0.80", "127.0.0.81", "127.0.0.82", "127.0.0.90",
               text="search none.test corp.test\n",
               url=f"ws://portal:{site.listener.port}")
    assert time.monotonic() - begin <= FIRST_S


def test_a_silent_server_and_a_name_that_is_none(site):
    site.resolver("127.0.0.80", manner="silent")
    site.resolver("127.0.0.90", GOOD)
    site.start("127.0.0.80", "127.0.0.90", text="search a.test b.test\n")
    found, took = site.resolve("nothing.test")
    assert found == [] and took <= FIRST_S, took
    found, took = site.resolve("nothing2.test")
    assert found == [] and took <= LATER_S, took


@pytest.mark.parametrize("manner", [SERVFAIL, REFUSED])
def test_a_failing_server_is_passed_over_at_once(site, manner):
    site.resolver("127.0.0.80", manner=manner)
    site.resolver("127.0.0.90", GOOD)
    site.start("127.0.0.80", "127.0.0.90")
    for i in range(1, 4):
        found, took = site.resolve(f"n{i}.test")
        assert found == [f"192.0.2.{i}"] and took <= LATER_S, took


def test_truncated_with_tcp_that_is_silent(site):
    site.resolver("127.0.0.80", manner="truncating")
    site.resolver("127.0.0.90", GOOD)
    site.start("127.0.0.80", "127.0.0.90")
    found, took = site.resolve("n1.test")
    assert found == ["192.0.2.1"] and took <= FIRST_S, took


def test_the_first_server_is_believed_when_it_is_slow(site):
    """A name that only the first knows, which needs its time; the next says at
    once that there is none."""
    site.resolver("127.0.0.80", GOOD, delay=0.9)
    site.resolver("127.0.0.90", {})
    site.start("127.0.0.80", "127.0.0.90")
    found, _ = site.resolve("n1.test")
    assert found == ["192.0.2.1"]


def test_a_server_that_dies_and_the_next(site):
    first = site.resolver("127.0.0.80", GOOD)
    site.resolver("127.0.0.90", GOOD)
    site.start("127.0.0.80", "127.0.0.90")
    assert site.resolve("n1.test")[1] <= LATER_S
    first.manner = "silent"
    assert site.resolve("n2.test")[1] <= FIRST_S
    assert site.resolve("n3.test")[1] <= LATER_S


# --- Aliases ----------------------------------------------------------------

ODD = [b"\x00\xff. \\", b"test"]
CHAINS = {
    "alone": ({wire("x.test"): [cname("x.test", "t.test")],
               wire("t.test"): [a("t.test", "192.0.2.9")]}, ["192.0.2.9"]),
    "the address first": (
        {wire("x.test"): [a("t.test", "192.0.2.9"), cname("x.test", "t.test")]}, ["192.0.2.9"]),
    "from the end": (
        {wire("x.test"): [a("c.test", "192.0.2.9"), cname("b.test", "c.test"),
                          cname("x.test", "b.test")]}, ["192.0.2.9"]),
    "in steps": (
        {wire("x.test"): [cname("x.test", "s1.test")],
         **{wire(f"s{i}.test"): [cname(f"s{i}.test", f"s{i + 1}.test")] for i in range(1, 8)},
         wire("s8.test"): [a("s8.test", "192.0.2.9")]}, ["192.0.2.9"]),
    "in circles": ({wire("x.test"): [cname("x.test", "y.test")],
                    wire("y.test"): [cname("y.test", "x.test")]}, []),
    "of itself": ({wire("x.test"): [cname("x.test", "x.test")]}, []),
    "odd octets": ({wire("x.test"): [cname("x.test", ODD)],
                    wire(ODD): [a(ODD, "192.0.2.9")]}, ["192.0.2.9"]),
    "other letters": ({wire("x.test"): [cname("X.TEST", "T.Test"), a("t.tESt", "192.0.2.9")]},
                      ["192.0.2.9"]),
}


@pytest.mark.parametrize("name", CHAINS)
def test_aliases(site, name):
    zone, addresses = CHAINS[name]
    server = site.resolver("127.0.0.80", zone)
    site.start("127.0.0.80")
    found, took = site.resolve("x.test")
    assert found == addresses and took <= FIRST_S, took
    assert len(server.asked) <= 2 * 17
    assert all(" " <= c <= "~" or c == "\n" for c in site.worker.text())


def test_aliases_without_end(site):
    """Each name is an alias of another, as long as somebody asks."""
    class Endless(dict):
        def get(self, key, default=None):
            first = key[1:1 + key[0]].decode()
            return [cname(f"{first}.test", f"{first}x.test")]

    server = site.resolver("127.0.0.80", Endless(), delay=0.1)
    site.start("127.0.0.80")
    found, took = site.resolve("x.test")
    assert found == [] and took <= 10, took
    assert len(server.asked) <= 40
