"""A portal in this process, and fake peers that talk to it over loopback."""

import asyncio
import base64
import contextlib
import functools
import itertools
import json
import urllib.parse

from postern_portal import config, derive
from postern_portal.server import Portal
from postern_portal.site import Timers
from websockets.legacy.client import connect as connect_websocket

PATIENCE = 5
GATEWAY_UA = "Debian/12.0.0 gateway/1.6.1 (x86_64; 6.1.0)"
CLIENT_UA = "Debian/12.0.0 headless-client/1.5.12 (x86_64; 6.1.0)"
STAMP_SECRET = "stamp-secret"
STAMP_ID = "14ce259b-58e9-486c-837b-094c93fb9f82"
_keys = itertools.count(1)


def site(folder, **changes):
    values = {
        "portal": {
            "listen": "127.0.0.1:0",
            "state_file": str(folder / "state.json"),
            "control_socket": str(folder / "control.sock"),
        },
        "site": {"name": "HQ"},
        "dns": {"upstream": ["10.0.0.53", "fd00::53"], "search_domain": "corp.example"},
        "gateway_tokens": [{"token_sha256": derive.token_hash(".gw")}],
        "users": [
            {"name": "jane", "email": "jane@x.org", "token_sha256": derive.token_hash("jane")},
            {"name": "joe", "token_sha256": [derive.token_hash("joe")]},
        ],
        "resources": [
            {"name": "office", "type": "cidr", "address": "10.20.0.0/16",
             "filters": ["tcp/443", "udp/100-200", "tcp", "icmp"]},
            {"name": "host", "type": "cidr", "address": "10.0.0.7"},
            {"name": "host6", "type": "cidr", "address": "fd00::7"},
            {"name": "web", "type": "dns", "address": "**.corp.example",
             "ip_stack": "ipv4_only"},
            {"type": "internet"},
            {"name": "guarded", "type": "cidr", "address": "10.30.0.0/24"},
        ],
        "policies": [
            *({"resource": name, "users": ["*"]}
              for name in ("office", "host", "host6", "web", "Internet")),
            {"resource": "guarded", "users": ["jane"], "remote_ip": ["192.0.2.0/24"]},
        ],
        "relays": [{"name": "relay", "ipv4": "203.0.113.5", "ipv6": "2001:db8::5",
                    "stamp_secret": STAMP_SECRET}],
    }
    values.update(changes)
    return config.parse("site.toml", values)


def asynchronous(test):
    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 20))
    return run


@contextlib.asynccontextmanager
async def running(settings, **timers):
    portal = Portal(settings, Timers(**timers))
    await portal.start()
    try:
        yield portal
    finally:
        await portal.stop()


def resource_id(portal, name):
    return next(r.id for r in portal.site.resources.values() if r.name == name)


async def control(portal, **request):
    reader, writer = await asyncio.open_unix_connection(portal.config.control_socket)
    writer.write(json.dumps(request).encode() + b"\n")
    answer = json.loads(await asyncio.wait_for(reader.readline(), PATIENCE))
    writer.close()
    return answer


async def until(condition):
    """Let everything else run until the condition holds."""
    async def turn():
        while not condition():
            await asyncio.sleep(0.001)
    await asyncio.wait_for(turn(), PATIENCE)


def new_key():
    return base64.b64encode(next(_keys).to_bytes(32, "big")).decode()


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"duplicate key in {keys}"
    return dict(pairs)


class Peer:
    """One websocket. Frames are read in order; `expect` never skips one."""

    def __init__(self, socket, topic, public_key):
        self.socket = socket
        self.topic = topic
        self.public_key = public_key
        self.refs = itertools.count()
        self.init = None

    async def send(self, event, payload, topic=None):
        ref = next(self.refs)
        frame = {"topic": topic or self.topic, "event": event, "payload": payload, "ref": ref}
        await self.socket.send(json.dumps(frame))
        return ref

    async def frame(self):
        text = await asyncio.wait_for(self.socket.recv(), PATIENCE)
        frame = json.loads(text, object_pairs_hook=no_duplicates)
        assert set(frame) == {"topic", "event", "payload", "ref"}
        return frame

    async def expect(self, event):
        frame = await self.frame()
        assert frame["event"] == event, frame
        assert frame["topic"] == self.topic and frame["ref"] is None
        return frame["payload"]

    async def expect_reply(self, ref, reason=None, topic=None):
        status, response = ("error", {"reason": reason}) if reason else ("ok", {})
        assert await self.frame() == {
            "topic": topic or self.topic, "event": "phx_reply", "ref": ref,
            "payload": {"status": status, "response": response},
        }

    async def join(self, iceless=None):
        await self.expect_reply(await self.send("phx_join", None))
        self.init = await self.expect("init")
        if iceless is not None:
            await self.send("set_snownet_capabilities", {"iceless": iceless})
        return self

    async def heartbeat(self):
        """Also proves that everything sent before was handled and nothing came of it."""
        ref = await self.send("heartbeat", {}, topic="phoenix")
        await self.expect_reply(ref, topic="phoenix")

    async def closed(self):
        await asyncio.wait_for(self.socket.wait_closed(), PATIENCE)
        return self.socket.close_code

    async def close(self):
        await self.socket.close()


async def connect(
    portal, kind, v2=True, token=None, query_token=None, user_agent=None,
    public_key=None, drop=(), **params,
):
    public_key = public_key or new_key()
    query = {"external_id": f"{kind}-1", "name": f"my {kind}", "public_key": public_key}
    query = {k: v for k, v in {**query, **params}.items() if k not in drop}
    if query_token is not None:
        query = {"token": query_token, **query}
    headers = {"user-agent": user_agent or (GATEWAY_UA if kind == "gateway" else CLIENT_UA)}
    if token is not None:
        headers["x-authorization"] = f"Bearer {token}"
    version = "v2/" if v2 else ""
    socket = await connect_websocket(
        f"ws://{portal.addresses[0]}/{kind}/{version}websocket?"
        + urllib.parse.urlencode(query),
        extra_headers=headers, compression=None, ping_interval=None,
        user_agent_header=None, max_size=None,
    )
    return Peer(socket, kind, public_key)


async def gateway(portal, **options):
    return await connect(portal, "gateway", **{"token": ".gw", **options})


async def client(portal, **options):
    return await connect(portal, "client", **{"token": "jane", **options})


async def http(portal, target, headers=()):
    """One request by hand: status, headers in lower case, body."""
    host, port = portal.addresses[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        f"GET {target} HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", *headers,
    ]
    writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    status, *fields = head.decode().strip().split("\r\n")
    answer = {k.lower(): v for k, v in (line.split(": ", 1) for line in fields)}
    body = await reader.readexactly(int(answer.get("content-length", 0)))
    writer.close()
    return int(status.split()[1]), answer, body
