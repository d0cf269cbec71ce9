#!/usr/bin/python3
"""A gateway without ICE that shares nothing with posternd and the test client: a
WireGuard and a path agent in Python (firezone-tunnel(7), ICE-LESS MODE), aioice's TURN.
IPv4 outside, one relay.

	iceless_gateway.py PORTAL-URL EXTERNAL-ID

Run as root in a network namespace of its own. FIREZONE_TOKEN is the token. It says

	session				the first one
	copy				an initiation came again
	primary host|relay ADDRESS	where it sends from now on
"""

import asyncio
import base64
import fcntl
import os
import re
import socket
import struct
import sys
import time

import independent_gateway  # which knows where wireguard is
from aioice import stun, turn
from independent_gateway import DEVICE, serve
from wireguard import DATA, INITIATION, Peer, public_of

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
KINDS = ("host", "srflx", "relay")
PRIORITIES = {"host": 2130706431, "srflx": 1694498815, "relay": 16777215}
LINE = re.compile(
    r"candidate:\d+ 1 udp \d+ ([\d.]+) (\d+) typ (?:(host)|(srflx|relay) raddr [\d.]+ rport \d+)")
ECHO_ENDS = bytes.fromhex("01000000000000000000dead01ce000101000000000000000000dead01ce0002")
ECHO_START = bytes.fromhex("6000000000083a40") + ECHO_ENDS
REQUEST, REPLY = 128, 129
GAPS = (0.2, 0.3, 0.5)
ROUND, KEEPALIVE_S, CACHE_S, TICK_S = 12, 25, 10, 0.02


def say(*words):
    print(*words, flush=True)


def echo(kind, number, sequence):
    words = struct.unpack("!16H", ECHO_ENDS) + (8, 58, kind << 8, number, sequence)
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ECHO_START + struct.pack("!BBHHH", kind, 0, total ^ 0xffff, number, sequence)


def echo_parts(packet):
    """Type, id and sequence of an echo between the two addresses, or None."""
    if len(packet) != 48 or not packet.startswith(ECHO_START):
        return None
    kind, number, sequence = packet[40], *struct.unpack("!HH", packet[44:])
    return (kind, number, sequence) if packet == echo(kind, number, sequence) else None


class Pair:
    def __init__(self, number, ours, theirs):
        self.number, self.kinds = number, (ours, theirs)
        self.sequence = 0
        self.restart()

    def restart(self):
        self.sent, self.count, self.rtt, self.due = {}, 0, None, time.monotonic()

    def rank(self):
        ends = [KINDS.index(kind) for kind in self.kinds]
        return max(ends), min(ends), self.kinds[0] != "relay"


class Agent:
    """The paths to one client. A path is the kind of our end and the client's address."""

    def __init__(self, sockets, peer, to_device):
        self.sockets, self.peer, self.to_device = sockets, peer, to_device
        self.remotes, self.pairs = {}, {}
        self.session = False
        self.primary = self.adopted = None
        self.accepted = self.response = self.answered = None

    def add(self, address, kind):
        if address in self.remotes:
            return
        self.remotes[address] = kind
        if kind != "host":
            self.sockets["relay"].sendto(b"", address)  # it binds a channel
        for ours in self.sockets:
            self.pairs[ours, address] = Pair(len(self.pairs), ours, kind)
        self.primary = None
        for pair in self.pairs.values():
            if pair.count >= ROUND:
                pair.restart()

    def send(self, path, data):
        self.sockets[path[0]].sendto(data, path[1])

    def receive(self, path, data):
        try:
            if data[:4] == bytes([INITIATION, 0, 0, 0]):
                self.initiation(path, data)
            elif data[:4] == bytes([DATA, 0, 0, 0]) and len(data) >= 32:
                self.packet(path, self.peer.open(data))
        except ValueError:
            pass

    def initiation(self, path, data):
        if data == self.accepted:
            say("copy")
            if time.monotonic() - self.answered < CACHE_S:
                self.send(path, self.response)
            return
        self.response = self.peer.respond(data)
        self.accepted, self.answered = data, time.monotonic()
        self.add(path[1], "srflx")
        self.send(path, self.response)
        if not self.session:
            say("session")
            self.session = True
            self.choose(path)

    def choose(self, path):
        if path != self.primary and path in self.pairs:
            self.primary = self.adopted = path
            say("primary", path[0], "%s:%d" % path[1])

    def packet(self, path, plain):
        parts = echo_parts(plain)
        if not parts:
            if plain:
                self.to_device(plain)
        elif parts[0] == REQUEST:
            self.send(path, self.peer.seal(echo(REPLY, *parts[1:])))
            self.add(path[1], "srflx")
        elif parts[0] == REPLY:
            self.replied(path, *parts[1:])

    def replied(self, path, number, sequence):
        pair = self.pairs.get(path)
        if not pair or pair.number != number or sequence not in pair.sent:
            return
        pair.rtt = time.monotonic() - pair.sent.pop(sequence)
        current = self.pairs.get(self.primary)
        if not current or pair.rank() < current.rank():
            self.choose(path)

    def probe(self):
        now = time.monotonic()
        for path, pair in self.pairs.items():
            if not self.peer.current or pair.due is None or pair.due > now:
                continue
            if pair.count >= ROUND and self.primary not in (None, path):
                pair.due = None
                continue
            pair.sent[pair.sequence] = now
            self.send(path, self.peer.seal(echo(REQUEST, pair.number, pair.sequence)))
            pair.sequence, pair.count = (pair.sequence + 1) & 0xffff, pair.count + 1
            late = pair.count >= ROUND and path == self.primary
            pair.due = now + (
                KEEPALIVE_S if late else GAPS[pair.count - 1] if pair.count <= len(GAPS) else 1)


class Socket(asyncio.DatagramProtocol):
    """Of our host, or our end of the relay."""

    def __init__(self, gateway, kind):
        self.gateway, self.kind = gateway, kind

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        if data:
            self.gateway.receive((self.kind, tuple(address[:2])), data)


class Gateway(independent_gateway.Gateway):
    def __init__(self, socket, private, device):
        super().__init__(socket)
        self.private, self.device = private, device
        self.sockets, self.lines, self.agents = {}, [], {}
        self.mapped = asyncio.get_running_loop().create_future()

    async def send(self, event, payload, topic="gateway"):
        await super().send(event, payload, topic)
        if event == "phx_join":
            await super().send("set_snownet_capabilities", {"iceless": True})

    def receive(self, path, data):
        if stun_answer := self.answer(data):
            self.mapped.set_result(stun_answer)
            return
        for agent in self.agents.values():
            agent.receive(path, data)

    def answer(self, data):
        if data[4:8] != struct.pack("!I", stun.COOKIE) or self.mapped.done():
            return None
        return stun.parse_message(data).attributes["XOR-MAPPED-ADDRESS"]

    async def gather(self):
        relay = self.relays[0]
        host, port = relay["addr"].rsplit(":", 1)
        server = host, int(port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(server)
            local = probe.getsockname()[0]
        loop = asyncio.get_running_loop()
        plain, _ = await loop.create_datagram_endpoint(
            lambda: Socket(self, "host"), local_addr=(local, 0))
        plain.sendto(bytes(stun.Message(
            message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)), server)
        relayed, _ = await turn.create_turn_endpoint(
            lambda: Socket(self, "relay"), server, relay["username"], relay["password"])
        self.sockets = {"host": plain, "relay": relayed}
        base = plain.get_extra_info("sockname")
        behind = f"raddr {base[0]} rport {base[1]}"
        for kind, address, rest in (
                ("host", base, ""), ("srflx", await self.mapped, f" {behind}"),
                ("relay", relayed.get_extra_info("sockname"), f" {behind}")):
            self.lines.append(f"candidate:1 1 udp {PRIORITIES[kind]} {address[0]} {address[1]} "
                              f"typ {kind}{rest}")

    async def authorize(self, payload):
        client = payload["client"]
        assert payload["use_iceless"]
        await self.send("authorization_created", {"ref": payload["ref"]})
        key, preshared = (
            base64.b64decode(client[name]) for name in ("public_key", "preshared_key"))
        known = self.peers.get(client["id"])
        if known and known.peer_public == key:
            return
        self.peers[client["id"]] = Listed(self, client["id"], key, preshared)
        asyncio.ensure_future(self.peers[client["id"]].start())

    async def serve_device(self):
        loop = asyncio.get_running_loop()
        loop.add_reader(self.device, self.from_device)
        while True:
            for agent in self.agents.values():
                agent.probe()
            await asyncio.sleep(TICK_S)

    def from_device(self):
        packet = os.read(self.device, 2048)
        for agent in self.agents.values():  # there is one client at a time
            if agent.peer.current and agent.adopted:
                agent.send(agent.adopted, agent.peer.seal(packet))


class Listed:
    """A client that was authorized. Candidates may come before we are ready."""

    def __init__(self, gateway, client, key, preshared):
        self.gateway, self.client = gateway, client
        self.peer_public, self.preshared = key, preshared
        self.agent, self.early = None, []

    async def start(self):
        gateway = self.gateway
        if not gateway.sockets:
            await gateway.gather()
        peer = Peer(gateway.private, public_of(gateway.private), self.peer_public, self.preshared)
        self.agent = Agent(
            gateway.sockets, peer, lambda packet: os.write(gateway.device, packet))
        gateway.agents = {self.client: self.agent}
        await gateway.send("broadcast_ice_candidates", {
            "client_ids": [self.client], "candidates": gateway.lines})
        await self.add(self.early)

    async def add(self, lines):
        if not self.agent:
            self.early += lines
            return
        for line in lines:
            if match := LINE.fullmatch(line):
                host, port, *kinds = match.groups()
                self.agent.add((host, int(port)), kinds[0] or kinds[1])
            else:
                say("refused", line)


def open_device():
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH14x", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
    return device


async def main(url, external_id):
    device, private = open_device(), os.urandom(32)

    def make(websocket):
        gateway = Gateway(websocket, private, device)
        asyncio.ensure_future(gateway.serve_device())
        return gateway

    key = base64.b64encode(public_of(private)).decode()
    await serve(url, external_id, key, make)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
