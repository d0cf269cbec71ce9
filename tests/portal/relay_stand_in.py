"""A relay as a portal and its peers see one: it registers with a stamp secret that is
new at each start, and is a TURN server that takes what was derived from that secret
(firezone-portal(7), RELAYS). By itself it is a program:

	relay_stand_in.py URL IPV4 IPV6		the token is in FIREZONE_TOKEN
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import os
import secrets
import struct
import sys
import time
import urllib.parse

from websockets.legacy.client import connect

REALM = b"firezone"
COOKIE = 0x2112A442
LIFETIME = 600

BINDING, ALLOCATE, REFRESH, CHANNEL_BIND = 0x001, 0x003, 0x004, 0x009
SUCCESS, ERROR = 0x100, 0x110
USERNAME, INTEGRITY, ERROR_CODE = 0x0006, 0x0008, 0x0009
CHANNEL_NUMBER, LIFETIME_LEFT, PEER = 0x000C, 0x000D, 0x0012
REALM_NAME, NONCE, RELAYED, TRANSPORT, MAPPED = 0x0014, 0x0015, 0x0016, 0x0019, 0x0020
ADDITIONAL_FAMILY = 0x8000


def unpadded(data):
    return base64.b64encode(data).decode().rstrip("=")


def password_of(stamp_secret, username):
    """What belongs to a username; None for one that is malformed or past."""
    expires, colon, salt = username.partition(":")
    if not colon or not expires.isdecimal() or int(expires) <= time.time():
        return None
    return unpadded(hashlib.sha256(f"{expires}:{stamp_secret}:{salt}".encode()).digest())


def key_of(username, password):
    return hashlib.md5(b":".join((username.encode(), REALM, password.encode()))).digest()


# --- STUN messages (RFC 8489) ---


def message(kind, transaction, attributes, key=None):
    body = b"".join(
        struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)
        for number, value in attributes
    )
    if key is None:
        return struct.pack("!HHI", kind, len(body), COOKIE) + transaction + body
    head = struct.pack("!HHI", kind, len(body) + 24, COOKIE) + transaction
    mac = hmac.new(key, head + body, "sha1").digest()
    return head + body + struct.pack("!HH", INTEGRITY, len(mac)) + mac


class Message:
    def __init__(self, data):
        self.kind, length, cookie = struct.unpack("!HHI", data[:8])
        if cookie != COOKIE or len(data) != 20 + length:
            raise ValueError("not STUN")
        self.transaction, self.attributes = data[8:20], []
        self._data, self._signed = data, None
        at = 20
        while at < len(data):
            number, size = struct.unpack("!HH", data[at:at + 4])
            self.attributes.append((number, data[at + 4:at + 4 + size]))
            if number == INTEGRITY:
                self._signed = at
            at += 4 + size + -size % 4

    def get(self, number):
        return next((value for n, value in self.attributes if n == number), None)

    def is_signed_with(self, key):
        if self._signed is None:
            return False
        head = self._data[:2] + struct.pack("!H", self._signed + 4) + self._data[4:20]
        mac = hmac.new(key, head + self._data[20:self._signed], "sha1").digest()
        return hmac.compare_digest(mac, self.get(INTEGRITY))


def xor_address(address, transaction):
    host, port = ipaddress.ip_address(address[0]), address[1]
    mask = struct.pack("!I", COOKIE) + transaction
    mixed = bytes(a ^ b for a, b in zip(host.packed, mask))
    family = 1 if host.version == 4 else 2
    return struct.pack("!xBH", family, port ^ (COOKIE >> 16)) + mixed


def unxor_address(value, transaction):
    port = struct.unpack("!H", value[2:4])[0] ^ (COOKIE >> 16)
    mask = struct.pack("!I", COOKIE) + transaction
    return str(ipaddress.ip_address(bytes(a ^ b for a, b in zip(value[4:], mask)))), port


# --- TURN (RFC 8656), as far as released peers use it ---


class Allocation(asyncio.DatagramProtocol):
    """Of one peer: a relayed address of each family, and its channels."""

    def __init__(self, deliver):
        self._deliver = deliver
        self.sockets = {}  # by the version of IP
        self._addresses, self._numbers = {}, {}

    async def open(self, hosts):
        loop = asyncio.get_running_loop()
        for host in hosts:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: self, local_addr=(host, 0)
            )
            self.sockets[ipaddress.ip_address(host).version] = transport

    def bind(self, number, address):
        self._addresses[number], self._numbers[address] = address, number

    def send(self, number, data):
        address = self._addresses.get(number)
        if address:
            self.sockets[ipaddress.ip_address(address[0]).version].sendto(data, address)

    def datagram_received(self, data, address):
        number = self._numbers.get(address[:2])
        if number:
            # Peers take what is padded for something else (firezone-tunnel(7), ChannelData).
            self._deliver(struct.pack("!HH", number, len(data)) + data)

    def close(self):
        for socket in self.sockets.values():
            socket.close()


class Turn(asyncio.DatagramProtocol):
    """All listening sockets of a relay. Every answer but that to a binding request is
    signed, errors too; for that, the first request need not have a nonce."""

    def __init__(self, stamp_secret):
        self._secret = stamp_secret
        self._nonce = secrets.token_hex(8).encode()
        self._hosts, self._sockets, self._tasks = [], [], set()
        self.allocations = {}
        self.refused = 0

    async def open(self, host, port):
        """The port that it listens on."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Listener(self), local_addr=(host, port)
        )
        self._hosts.append(host)
        self._sockets.append(transport)
        return transport.get_extra_info("sockname")[1]

    def close(self):
        for socket in (*self._sockets, *self.allocations.values()):
            socket.close()

    def receive(self, transport, data, source):
        if data and 0x40 <= data[0] < 0x80:
            number, length = struct.unpack("!HH", data[:4])
            allocation = self.allocations.get(source)
            if allocation:
                allocation.send(number, data[4:4 + length])
            return
        try:
            request = Message(data)
        except (ValueError, struct.error):
            return
        task = asyncio.ensure_future(self._answer(transport, request, source))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, transport, request, source):
        mapped = (MAPPED, xor_address(source, request.transaction))
        if request.kind == BINDING:
            answer = message(BINDING | SUCCESS, request.transaction, [mapped])
            transport.sendto(answer, source)
            return
        username = (request.get(USERNAME) or b"").decode()
        password = password_of(self._secret, username)
        key = password and key_of(username, password)
        if not key or not request.is_signed_with(key):
            self.refused += 1
            kind, attributes, key = ERROR, [(ERROR_CODE, b"\0\0\x04\x01")], None
        elif request.get(NONCE) != self._nonce:
            kind = ERROR
            attributes = [(ERROR_CODE, b"\0\0\x04\x01"), (REALM_NAME, REALM),
                          (NONCE, self._nonce)]
        else:
            kind, attributes = SUCCESS, await self._grant(transport, request, source)
            if attributes is None:
                kind, attributes = ERROR, [(ERROR_CODE, b"\0\0\x04\x25")]
            elif request.kind == ALLOCATE:
                attributes.append(mapped)
        answer = message(request.kind | kind, request.transaction, attributes, key)
        transport.sendto(answer, source)

    async def _grant(self, transport, request, source):
        """The attributes of a success; None if there is no allocation for it."""
        lifetime = (LIFETIME_LEFT, struct.pack("!I", LIFETIME))
        allocation = self.allocations.get(source)
        if request.kind == ALLOCATE and not allocation:
            allocation = Allocation(lambda data: transport.sendto(data, source))
            self.allocations[source] = allocation
            both = request.get(ADDITIONAL_FAMILY) is not None
            await allocation.open(h for h in self._hosts if both or ":" not in h)
            return [lifetime, *(
                (RELAYED, xor_address(s.get_extra_info("sockname")[:2], request.transaction))
                for s in allocation.sockets.values()
            )]
        if not allocation:
            return None
        if request.kind == REFRESH:
            if request.get(LIFETIME_LEFT) == bytes(4):
                self.allocations.pop(source).close()
                return [(LIFETIME_LEFT, bytes(4))]
            return [lifetime]
        if request.kind == CHANNEL_BIND:
            number = struct.unpack("!Hxx", request.get(CHANNEL_NUMBER))[0]
            allocation.bind(number, unxor_address(request.get(PEER), request.transaction))
            return []
        return None


class Listener(asyncio.DatagramProtocol):
    def __init__(self, turn):
        self._turn = turn

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, source):
        self._turn.receive(self._transport, data, source[:2])


async def allocate(port, username, password):
    """What a peer asks of a relay on loopback, and how it checks the answers: the code
    of a refusal, or the kind of the relayed addresses."""
    key, replies = key_of(username, password), asyncio.Queue()

    class Peer(asyncio.DatagramProtocol):
        def datagram_received(self, data, source):
            replies.put_nowait(Message(data))

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        Peer, remote_addr=("127.0.0.1", port)
    )
    attributes = [(TRANSPORT, b"\x11\0\0\0"), (USERNAME, username.encode()),
                  (REALM_NAME, REALM)]
    try:
        nonce = None
        while True:
            more = [(NONCE, nonce)] if nonce else []
            transport.sendto(message(ALLOCATE, os.urandom(12), attributes + more, key))
            reply = await asyncio.wait_for(replies.get(), 5)
            signed = reply.is_signed_with(key)
            if reply.kind == ALLOCATE | SUCCESS:
                assert signed and reply.get(RELAYED)
                return "allocated"
            if not signed or nonce:
                return "refused"
            nonce = reply.get(NONCE)
    finally:
        transport.close()


# --- The registration ---


class Relay:
    """One start of a relay."""

    def __init__(self, token, name=None, secret=None):
        self.token, self.name = token, name
        self.secret = secret or secrets.token_hex(32)
        self.turn = Turn(self.secret)
        self.socket = None

    async def register(self, url, **addresses):
        """Connect and join; the first frames of the portal, up to init."""
        query = {"name": self.name, **addresses, "port": addresses.get("port", 3478)}
        query = {key: value for key, value in query.items() if value is not None}
        self.socket = await connect(
            f"{url}/relay/websocket?{urllib.parse.urlencode(query)}",
            extra_headers={"User-Agent": "Debian/12.0.0 relay/0.1.0 (x86_64; 6.1.0)",
                           "X-Authorization": f"Bearer {self.token}"},
            compression=None, ping_interval=None, user_agent_header=None,
        )
        await self.send("relay", "phx_join", {"stamp_secret": self.secret})
        return [json.loads(await asyncio.wait_for(self.socket.recv(), 5)) for _ in range(2)]

    async def send(self, topic, event, payload, ref=0):
        frame = {"topic": topic, "event": event, "payload": payload, "ref": ref}
        await self.socket.send(json.dumps(frame))

    async def close(self):
        self.turn.close()
        if self.socket:
            await self.socket.close()


async def main(url, ipv4, ipv6):
    relay = Relay(os.environ["FIREZONE_TOKEN"])
    for host in (ipv4, ipv6):
        await relay.turn.open(host, 3478)
    await relay.register(url, ipv4=ipv4, ipv6=ipv6)
    print("registered", flush=True)
    while True:
        await relay.send("phoenix", "heartbeat", {})
        await relay.socket.recv()
        print("allocations", len(relay.turn.allocations), flush=True)
        await asyncio.sleep(10)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
