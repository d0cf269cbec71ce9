#!/usr/bin/python3
"""A gateway of other people's parts: aioice for ICE and TURN, wireguard-go for
WireGuard, the kernel for the rest. It proves that the test client speaks the
protocols and not a dialect that only posternd understands.

	independent_gateway.py PORTAL-URL EXTERNAL-ID

Run as root in a network namespace of its own. FIREZONE_TOKEN is the token.
"""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import urllib.parse
from pathlib import Path

import aioice
from websockets.legacy.client import connect

sys.path.append(str(Path(__file__).parents[1] / "independent"))
from credentials import set_local

USER_AGENT = "Debian/12.0.0 gateway/1.6.1 (x86_64; 6.1.0)"
DEVICE, PORT = "wg0", 51820
HEARTBEAT_S = 10


def run(*command, text=None):
    return subprocess.run(
        command, input=text, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def set_up_device():
    """Returns the process and the public key."""
    process = subprocess.Popen(
        ["wireguard-go", "-f", DEVICE], env={**os.environ, "LOG_LEVEL": "error"})
    while subprocess.run(["wg", "show", DEVICE], capture_output=True).returncode:
        if process.poll() is not None:
            sys.exit("wireguard-go ended")
    key = run("wg", "genkey")
    run("wg", "set", DEVICE, "listen-port", str(PORT), "private-key", "/dev/stdin", text=key)
    return process, run("wg", "pubkey", text=key)


def set_up_routing(ipv4, ipv6):
    run("ip", "address", "add", ipv4, "dev", DEVICE)
    run("ip", "address", "add", ipv6, "dev", DEVICE)
    run("ip", "link", "set", DEVICE, "up", "mtu", "1280")
    run("ip", "route", "add", "100.64.0.0/11", "dev", DEVICE)
    run("ip", "route", "add", "fd00:2021:1111::/107", "dev", DEVICE)
    run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    run("nft", "-f", "-", text=f"""
        table inet independent {{
            chain postrouting {{
                type nat hook postrouting priority srcnat;
                iifname {DEVICE} masquerade
            }}
        }}""")


class ToWireguard(asyncio.DatagramProtocol):
    """The loopback socket between an ICE connection and wireguard-go."""

    def __init__(self, connection):
        self.connection = connection

    def datagram_received(self, data, _):
        asyncio.ensure_future(self.send(data))

    async def send(self, data):
        try:
            await self.connection.send(data)
        except ConnectionError:
            pass


class Peer:
    def __init__(self, gateway, client, ours, theirs):
        self.gateway, self.client = gateway, client
        relay = gateway.relays[0]
        host, port = relay["addr"].rsplit(":", 1)
        self.ice = aioice.Connection(
            ice_controlling=False, stun_server=(host, int(port)),
            turn_server=(host, int(port)), turn_username=relay["username"],
            turn_password=relay["password"])
        set_local(self.ice, ours["username"], ours["password"])
        self.ice.remote_username = theirs["username"]
        self.ice.remote_password = theirs["password"]

    async def start(self):
        await self.ice.gather_candidates()
        # aioice wants the order raddr, rport at the end, as we do.
        lines = [f"candidate:{c.to_sdp()}" for c in self.ice.local_candidates]
        await self.gateway.send("broadcast_ice_candidates", {
            "client_ids": [self.client["id"]], "candidates": lines})
        await self.ice.connect()
        print("connected", flush=True)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: ToWireguard(self.ice), remote_addr=("127.0.0.1", PORT))
        endpoint = "%s:%d" % transport.get_extra_info("sockname")
        run("wg", "set", DEVICE, "peer", self.client["public_key"],
            "preshared-key", "/dev/stdin", "endpoint", endpoint, "allowed-ips",
            f"{self.client['ipv4']}/32,{self.client['ipv6']}/128",
            text=self.client["preshared_key"])
        while True:
            transport.sendto(await self.ice.recv())

    async def add(self, lines):
        for line in lines:
            text = line.removeprefix("candidate:").split(" ufrag ")[0]
            await self.ice.add_remote_candidate(aioice.Candidate.from_sdp(text))


class Gateway:
    def __init__(self, socket):
        self.socket = socket
        self.refs = itertools.count()
        self.relays = []
        self.peers = {}

    async def send(self, event, payload, topic="gateway"):
        await self.socket.send(json.dumps(
            {"topic": topic, "event": event, "payload": payload, "ref": next(self.refs)}))

    async def heartbeat(self):
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await self.send("heartbeat", {}, topic="phoenix")

    async def read(self):
        await self.send("phx_join", None)
        async for text in self.socket:
            frame = json.loads(text)
            payload = frame["payload"]
            if frame["event"] == "init":
                self.relays = [r for r in payload["relays"] if "[" not in r["addr"]]
                set_up_routing(payload["interface"]["ipv4"], payload["interface"]["ipv6"])
            elif frame["event"] == "create_authorization":
                await self.authorize(payload)
            elif frame["event"] == "ice_candidates":
                peer = self.peers.get(payload["client_id"])
                if peer:
                    await peer.add(payload["candidates"])

    async def authorize(self, payload):
        client = payload["client"]
        await self.send("authorization_created", {"ref": payload["ref"]})
        known = self.peers.get(client["id"])
        if known and known.client["public_key"] == client["public_key"]:
            return
        peer = self.peers[client["id"]] = Peer(
            self, client, payload["gateway_ice_credentials"], payload["client_ice_credentials"])
        asyncio.ensure_future(peer.start())


async def serve(url, external_id, public_key, make):
    """Until a signal ends it, with what make makes of a websocket."""
    query = urllib.parse.urlencode(
        {"external_id": external_id, "name": external_id, "public_key": public_key})
    headers = {"x-authorization": f"Bearer {os.environ['FIREZONE_TOKEN']}",
               "user-agent": USER_AGENT}
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, asyncio.current_task().cancel)
    try:
        async with connect(
            f"{url}/gateway/v2/websocket?{query}", extra_headers=headers, compression=None,
            ping_interval=None, user_agent_header=None,
        ) as socket:
            gateway = make(socket)
            await asyncio.gather(gateway.read(), gateway.heartbeat())
    except asyncio.CancelledError:
        pass


async def main(url, external_id):
    device, public_key = set_up_device()
    try:
        await serve(url, external_id, public_key, Gateway)
    finally:
        device.terminate()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
