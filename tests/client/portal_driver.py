#!/usr/bin/python3
"""The portal's side of the test client: WebSocket and JSON on one side, the
lines of portal.h on standard input and output.

It speaks as a GUI client of some release does (firezone-portal(7), Client generations,
Client matrix and Two-step requests).
"""

import asyncio
import itertools
import json
import os
import socket
import sys
import urllib.parse

from websockets.exceptions import WebSocketException
from websockets.legacy.client import connect

HEARTBEAT_S = 10
RECONNECT_S = 0.5


class Reconnect(Exception):
    """The client has moved: the old connection leads nowhere."""


class Habits:
    """What a release says to the portal, and how."""

    def __init__(self, release, iceless):
        version = tuple(map(int, release.split(".")))
        component = "gui-client" if version >= (1, 5, 8) else "connlib"
        full = release if len(version) > 2 else f"{release}.0"
        self.user_agent = f"Debian/12.0.0 {component}/{full} (x86_64; 6.1.0)"
        self.two_step = version < (1, 4)
        self.header_token = version >= (1, 5, 10)
        self.only_401_is_fatal = version >= (1, 5, 10)
        self.one_gateway_candidates = version >= (1, 5, 11)
        self.tells_no_relays = version >= (1, 5, 12)
        self.v2 = version >= (1, 5, 16)
        self.iceless = iceless

    @property
    def path(self):
        return "/client/v2/websocket" if self.v2 else "/client/websocket"

    def is_fatal(self, status):
        return status == 401 or (status // 100 == 4 and not self.only_401_is_fatal)


def say(*words):
    print(*words, flush=True)


def log(text):
    print(f"portal driver: {text}", file=sys.stderr, flush=True)


class Session:
    """One websocket."""

    def __init__(self, websocket, habits):
        self.websocket = websocket
        self.habits = habits
        self.refs = itertools.count()
        self.waiting = {}  # what replies are to, by ref

    async def send(self, event, payload, topic="client"):
        ref = next(self.refs)
        if event in REPLIES:
            self.waiting[ref] = event, payload
        frame = {"topic": topic, "event": event, "payload": payload, "ref": ref}
        await self.websocket.send(json.dumps(frame))

    async def heartbeat(self):
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await self.send("heartbeat", {}, topic="phoenix")

    async def read(self):
        async for text in self.websocket:
            frame = json.loads(text)
            handler = self.handlers().get(frame["event"])
            if handler:
                handler(frame["payload"])
            elif frame["event"] == "phx_reply":
                self.replied(frame)
            else:
                log(f"ignored: {frame['event']}")

    def handlers(self):
        if self.habits.two_step:
            return HANDLERS
        if self.habits.v2:
            return {**HANDLERS, "init": on_init_v2,
                    "authorization_created": on_authorized_v2(self.habits.iceless),
                    "authorization_creation_failed": on_refused}
        return {**HANDLERS, "flow_created": on_authorized,
                "flow_creation_failed": on_refused}

    def replied(self, frame):
        asked, payload = self.waiting.pop(frame["ref"], (None, None))
        status, response = frame["payload"]["status"], frame["payload"]["response"]
        if status != "ok":
            log(f"refused: {response}")
            if asked:
                say("refused", payload["resource_id"], response["reason"])
        elif asked:
            REPLIES[asked](payload, response)

    def to_portal(self, line):
        """The event and payload of a line of the client, or None."""
        word, *rest = line.split(" ")
        if word in ("request", "connect", "reuse"):
            return getattr(self, word)(*rest)
        if word in CANDIDATES:
            _, gateway, candidate = line.split(" ", 2)
            one, several = CANDIDATES[word]
            if self.habits.one_gateway_candidates:
                return one, {"gateway_id": gateway, "candidates": [candidate]}
            return several, {"gateway_ids": [gateway], "candidates": [candidate]}
        return ("no_relays", {}) if self.habits.tells_no_relays else None

    def request(self, resource, gateway=""):
        name = ("prepare_connection" if self.habits.two_step else
                "request_authorization" if self.habits.v2 else "create_flow")
        return name, {"resource_id": resource,
                      "connected_gateway_ids": [gateway] if gateway else []}

    def connect(self, resource, gateway, key, username, password, *name):
        return "request_connection", {
            "resource_id": resource, "gateway_id": gateway, "client_preshared_key": key,
            "client_payload": {
                "ice_parameters": {"username": username, "password": password},
                "domain": domain(name),
            },
        }

    def reuse(self, resource, gateway, *name):
        return "reuse_connection", {
            "resource_id": resource, "gateway_id": gateway, "payload": domain(name)}


def domain(words):
    return {"name": words[0], "proxy_ips": list(words[1:])} if words else None


def on_prepared(_, details):
    details["gateway_group_id"], details["gateway_remote_ip"]  # both are required
    say("prepared", details["resource_id"], details["gateway_id"])


def on_connected(request, answer):
    answer["persistent_keepalive"]  # required
    ice = answer["gateway_payload"]["ConnectionAccepted"]["ice_parameters"]
    say("connected", answer["resource_id"], request["gateway_id"],
        answer["gateway_public_key"], ice["username"], ice["password"])


# Requests whose replies tell something.
REPLIES = {
    "prepare_connection": on_prepared,
    "request_connection": on_connected,
    "reuse_connection": lambda request, answer: None,
}
# By words of the client: for one gateway, and for several.
CANDIDATES = {
    "candidate": ("new_gateway_ice_candidates", "broadcast_ice_candidates"),
    "uncandidate": (
        "invalidate_gateway_ice_candidates", "broadcast_invalidated_ice_candidates"),
}


def on_init_v2(payload):
    payload["flow_logs"]["upload_interval_secs"]  # required
    on_init(payload)


def on_init(payload):
    interface = payload["interface"]
    say("interface", interface["ipv4"], interface["ipv6"])
    say("resources", "begin")
    for resource in payload["resources"]:
        on_resource(resource)
    say("resources", "end")
    for relay in payload["relays"]:
        on_relay(relay)


def on_resource(resource):
    kind = resource["type"]
    if kind in ("cidr", "dns", "internet"):
        say("resource", resource["id"], kind, resource.get("address", "-"),
            resource.get("name") or "-")


def on_relay(relay):
    if relay["type"] == "turn":
        say("relay", relay["id"], relay["addr"], relay["username"], relay["password"])


def on_relays_presence(payload):
    for relay in payload["disconnected_ids"]:
        say("forget-relay", relay)
    for relay in payload["connected"]:
        on_relay(relay)


def on_authorized_v2(offered):
    def handle(payload):
        payload["flow_logs_ingest_token"]  # required
        if payload["use_iceless"] and not offered:
            log("authorization without ICE, which was not offered")
            return
        on_authorized(payload)
    return handle


def on_authorized(payload):
    ours, theirs = payload["client_ice_credentials"], payload["gateway_ice_credentials"]
    say("authorized", payload["resource_id"], payload["gateway_id"],
        payload["gateway_public_key"], payload["preshared_key"],
        ours["username"], ours["password"], theirs["username"], theirs["password"],
        "iceless" if payload.get("use_iceless") else "ice")


def on_refused(payload):
    say("refused", payload["resource_id"], payload["reason"])


def on_candidates(word):
    def handle(payload):
        for line in payload["candidates"]:
            say(word, payload["gateway_id"], line)
    return handle


HANDLERS = {
    "init": on_init,
    "resource_created_or_updated": on_resource,
    "resource_deleted": lambda payload: say("deleted", payload),
    "relays_presence": on_relays_presence,
    "ice_candidates": on_candidates("candidate"),
    "invalidate_ice_candidates": on_candidates("uncandidate"),
}


async def forward(session, lines):
    while True:
        line = await lines.get()
        if line == "reconnect":
            session.websocket.transport.abort()
            raise Reconnect
        message = session.to_portal(line)
        if message:
            await session.send(*message)


async def connected_through(device, url):
    """A socket that no route leads away from the device."""
    parts = urllib.parse.urlsplit(url)
    loop = asyncio.get_running_loop()
    info, *_ = await loop.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    sock = socket.socket(info[0], socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    sock.setblocking(False)
    try:
        await loop.sock_connect(sock, info[4])
    except OSError:
        sock.close()
        raise
    return sock


async def converse(habits, url, headers, lines, device):
    where = {"sock": await connected_through(device, url)} if device else {}
    async with connect(
        url, extra_headers=headers, compression=None, ping_interval=None,
        user_agent_header=None, max_size=None, **where,
    ) as websocket:
        session = Session(websocket, habits)
        await session.send("phx_join", None)
        say("portal", "up")
        if habits.v2:
            await session.send("set_snownet_capabilities", {"iceless": habits.iceless})
        tasks = [asyncio.create_task(coroutine) for coroutine in
                 (session.read(), session.heartbeat(), forward(session, lines))]
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for task in done:
            task.result()


async def stay_connected(habits, url, headers, lines, device):
    while True:
        wait = RECONNECT_S
        try:
            await converse(habits, url, headers, lines, device)
        except Reconnect:
            wait = 0
        except (OSError, WebSocketException) as failure:
            log(failure)
            # Only a refused upgrade has one.
            if habits.is_fatal(getattr(failure, "status_code", 0)):
                return
        say("portal", "down")
        await asyncio.sleep(wait)


async def read_lines(lines):
    """Ends with the client."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        lines.put_nowait(line.decode().rstrip("\n"))


async def main():
    url, external_id, public_key, release, device, *mode = sys.argv[1:]
    habits = Habits(release, iceless=mode == ["iceless"])
    token = os.environ["FIREZONE_TOKEN"]
    params = {"external_id": external_id, "name": external_id, "public_key": public_key}
    headers = {"user-agent": habits.user_agent}
    if habits.header_token:
        headers["x-authorization"] = f"Bearer {token}"
    else:
        params = {"token": token, **params}
    query = urllib.parse.urlencode(params)
    lines = asyncio.Queue()
    tasks = [
        asyncio.create_task(read_lines(lines)),
        asyncio.create_task(
            stay_connected(
                habits, f"{url}{habits.path}?{query}", headers, lines, device)),
    ]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    for task in done:
        task.result()


if __name__ == "__main__":
    asyncio.run(main())
