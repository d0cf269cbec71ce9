#!/usr/bin/python3
"""The portal's side of the test client: WebSocket and JSON on one side, the
lines of portal.h on standard input and output.

It speaks as a published client of the newest generation does
(firezone-portal(7), CLIENT CONNECTION and CLIENT MESSAGES; path v2).
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

USER_AGENT = "Debian/12.0.0 headless-client/1.5.12 (x86_64; 6.1.0)"
HEARTBEAT_S = 10
RECONNECT_S = 0.5


def say(*words):
    print(*words, flush=True)


def log(text):
    print(f"portal driver: {text}", file=sys.stderr, flush=True)


class Session:
    """One websocket."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.refs = itertools.count()

    async def send(self, event, payload, topic="client"):
        frame = {"topic": topic, "event": event, "payload": payload, "ref": next(self.refs)}
        await self.websocket.send(json.dumps(frame))

    async def heartbeat(self):
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await self.send("heartbeat", {}, topic="phoenix")

    async def read(self):
        async for text in self.websocket:
            frame = json.loads(text)
            handler = HANDLERS.get(frame["event"])
            if handler:
                handler(frame["payload"])
            elif frame["event"] == "phx_reply":
                if frame["payload"]["status"] != "ok":
                    log(f"refused: {frame['payload']['response']}")
            else:
                log(f"ignored: {frame['event']}")


def on_init(payload):
    interface = payload["interface"]
    payload["flow_logs"]["upload_interval_secs"]  # required by current clients
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


def on_authorized(payload):
    if payload["use_iceless"]:
        log("authorization without ICE, which was not offered")
        return
    ours, theirs = payload["client_ice_credentials"], payload["gateway_ice_credentials"]
    say("authorized", payload["resource_id"], payload["gateway_id"],
        payload["gateway_public_key"], payload["preshared_key"],
        ours["username"], ours["password"], theirs["username"], theirs["password"])


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
    "authorization_created": on_authorized,
    "authorization_creation_failed": on_refused,
    "ice_candidates": on_candidates("candidate"),
    "invalidate_ice_candidates": on_candidates("uncandidate"),
}


def to_portal(line):
    """The event and payload of a line of the client."""
    word, *rest = line.split(" ", 2)
    if word == "request":
        known = [gateway for gateway in rest[1:] if gateway]
        return "request_authorization", {
            "resource_id": rest[0], "connected_gateway_ids": known}
    if word == "candidate":
        return "new_gateway_ice_candidates", {
            "gateway_id": rest[0], "candidates": [rest[1]]}
    if word == "uncandidate":
        return "invalidate_gateway_ice_candidates", {
            "gateway_id": rest[0], "candidates": [rest[1]]}
    return "no_relays", {}


async def forward(session, lines):
    while True:
        event, payload = to_portal(await lines.get())
        await session.send(event, payload)


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


async def converse(url, headers, lines, device):
    where = {"sock": await connected_through(device, url)} if device else {}
    async with connect(
        url, extra_headers=headers, compression=None, ping_interval=None,
        user_agent_header=None, max_size=None, **where,
    ) as websocket:
        session = Session(websocket)
        await session.send("phx_join", None)
        say("portal", "up")
        await session.send("set_snownet_capabilities", {"iceless": False})
        tasks = [asyncio.create_task(coroutine) for coroutine in
                 (session.read(), session.heartbeat(), forward(session, lines))]
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for task in done:
            task.result()


async def stay_connected(url, headers, lines, device):
    while True:
        try:
            await converse(url, headers, lines, device)
        except (OSError, WebSocketException) as failure:
            log(failure)
            # Only a refused upgrade has one.
            if getattr(failure, "status_code", None) == 401:
                return
        say("portal", "down")
        await asyncio.sleep(RECONNECT_S)


async def read_lines(lines):
    """Ends with the client."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        lines.put_nowait(line.decode().rstrip("\n"))


async def main():
    url, external_id, public_key, *rest = sys.argv[1:]
    device = rest[0] if rest else ""
    query = urllib.parse.urlencode(
        {"external_id": external_id, "name": external_id, "public_key": public_key})
    headers = {
        "x-authorization": f"Bearer {os.environ['FIREZONE_TOKEN']}",
        "user-agent": USER_AGENT,
    }
    lines = asyncio.Queue()
    tasks = [
        asyncio.create_task(read_lines(lines)),
        asyncio.create_task(
            stay_connected(
                f"{url}/client/v2/websocket?{query}", headers, lines, device)),
    ]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    for task in done:
        task.result()


if __name__ == "__main__":
    asyncio.run(main())
