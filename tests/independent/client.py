#!/usr/bin/python3
"""A client of parts we did not write: aioice is its ICE agent and TURN client,
wireguard-go its WireGuard, and the portal's side is that of the test client.
It proves that a gateway speaks the protocols and not a dialect that only our
own test client understands.

Run as root in a network namespace of its own, with the user's token in
FIREZONE_TOKEN. It asks for all resources at once and says, a line each:

	ready V4 V6				interface and routes are there
	connected direct|relayed KIND LOCAL KIND REMOTE
						the first nominated pair
	handshake				the first one
	refused RESOURCE REASON
	lost REASON				and it ends
"""

import argparse
import asyncio
import pathlib
import signal
import subprocess
import sys

from device import Device
from ice import MODES, Agent, Relay

DRIVER = pathlib.Path(__file__).resolve().parent.parent / "client" / "portal_driver.py"
CLOSE_S = 2


def say(*words):
    print(*words, flush=True)


class Loopback(asyncio.DatagramProtocol):
    """Where wireguard-go believes its peer to be."""

    def __init__(self, datagrams):
        self.datagrams = datagrams

    def datagram_received(self, data, _):
        self.datagrams.put_nowait(data)


class Client:
    def __init__(self, options):
        self.options = options
        self.device = Device()
        self.driver = None
        self.agent = None  # once a relay is known
        self.gateway = None  # once the first resource is authorized
        self.keys = asyncio.get_running_loop().create_future()  # and its keys
        self.addresses = []
        self.networks = {}  # of resources, by id
        self.candidates = []  # our own

    async def run(self):
        public_key = await self.device.start()
        self.driver = await asyncio.create_subprocess_exec(
            sys.executable, str(DRIVER), self.options.url, self.options.external_id,
            public_key, "1.5.16", "", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        await asyncio.gather(self.read(), self.serve())

    async def stop(self):
        if self.agent:
            try:
                await asyncio.wait_for(self.agent.connection.close(), CLOSE_S)
            except asyncio.TimeoutError:
                pass
        if self.driver and self.driver.returncode is None:
            self.driver.terminate()
            await self.driver.wait()
        await self.device.stop()

    # The lines of tests/client/portal.h.

    def tell(self, *words):
        self.driver.stdin.write((" ".join(words) + "\n").encode())

    async def read(self):
        handlers = {
            "interface": self.on_interface,
            "resource": self.on_resource,
            "relay": self.on_relay,
            "authorized": self.on_authorized,
            "refused": self.on_refused,
            "candidate": self.on_candidate,
        }
        while line := await self.driver.stdout.readline():
            word, *rest = line.decode().split()
            if word in handlers:
                await handlers[word](*rest)
        raise ConnectionError("the portal driver ended")

    async def on_interface(self, *addresses):
        self.addresses = addresses

    async def on_resource(self, resource, kind, address, *_):
        if kind == "cidr":
            self.networks[resource] = address

    async def on_relay(self, _, address, username, password):
        relay = Relay(address, username, password)
        if self.agent or relay.version != self.options.family:
            return
        self.agent = Agent(relay, self.options.mode)
        # Before the tunnel's addresses are there, to become candidates.
        self.candidates = await self.agent.gather()
        self.device.configure(self.addresses, self.networks.values())
        say("ready", *self.addresses)
        for resource in self.networks:
            self.tell("request", resource)

    async def on_refused(self, resource, reason):
        say("refused", resource, reason)

    async def on_authorized(self, resource, gateway, key, preshared_key, *credentials):
        self.device.allow(self.networks[resource])
        if self.gateway:
            return
        self.gateway = gateway
        self.agent.credentials(credentials[0:2], credentials[2:4])
        self.keys.set_result((key, preshared_key))
        for candidate in self.candidates:
            self.tell("candidate", gateway, candidate)

    async def on_candidate(self, gateway, *words):
        if gateway == self.gateway:
            await self.agent.add(" ".join(words))

    # The tunnel.

    async def serve(self):
        keys = await self.keys
        say("connected", *await self.agent.connect())
        datagrams = asyncio.Queue()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Loopback(datagrams), remote_addr=("127.0.0.1", self.device.port()))
        host, port = transport.get_extra_info("sockname")
        self.device.add_peer(*keys, f"{host}:{port}")
        await asyncio.gather(
            self.to_gateway(datagrams), self.from_gateway(transport), self.report())

    async def to_gateway(self, datagrams):
        while True:
            await self.agent.connection.send(await datagrams.get())

    async def from_gateway(self, transport):
        while True:
            transport.sendto(await self.agent.connection.recv())

    async def report(self):
        await self.device.handshake()
        say("handshake")


def parse_options():
    parser = argparse.ArgumentParser()
    modes = parser.add_mutually_exclusive_group()
    for mode in MODES:
        modes.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode)
    parser.set_defaults(mode="any")
    parser.add_argument("--family", type=int, choices=(4, 6), default=4, help="of outer paths")
    parser.add_argument("url")
    parser.add_argument("external_id")
    return parser.parse_args()


async def main():
    client = Client(parse_options())
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, asyncio.current_task().cancel)
    try:
        await client.run()
    except asyncio.CancelledError:
        return 0
    except (ConnectionError, RuntimeError) as failure:
        say("lost", failure)
        return 1
    finally:
        await client.stop()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
