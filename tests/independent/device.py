"""A WireGuard interface of wireguard-go, in the network namespace we are in.

Its only peer is the gateway, which it believes to be on the loopback.
"""

import asyncio
import os
import subprocess

MTU = 1280

# All gateways' tunnel addresses (firezone-portal(7), Terms): what they send in
# their own name comes from there.
TUNNEL_NETWORKS = ["100.64.0.0/11", "fd00:2021:1111::/107"]


def run(*command, text=None):
    return subprocess.run(
        command, input=text, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Device:
    def __init__(self):
        # Its control socket is a file, which other namespaces see as well.
        self.name = f"wg{os.getpid()}"
        self.networks = []
        self.peer = None
        self.process = None

    async def start(self):
        """Returns the public key."""
        self.process = await asyncio.create_subprocess_exec(
            "wireguard-go", self.name, stdin=subprocess.DEVNULL,
            env={**os.environ, "LOG_LEVEL": "error", "WG_PROCESS_FOREGROUND": "1"})
        while subprocess.run(["wg", "show", self.name], capture_output=True).returncode:
            if self.process.returncode is not None:
                raise RuntimeError("wireguard-go ended")
            await asyncio.sleep(0.05)
        key = run("wg", "genkey")
        run("wg", "set", self.name, "private-key", "/dev/stdin", text=key)
        return run("wg", "pubkey", text=key)

    def configure(self, addresses, networks):
        for address in addresses:
            run("ip", "address", "add", address, "dev", self.name)
        run("ip", "link", "set", self.name, "up", "mtu", str(MTU))
        for network in networks:
            run("ip", "route", "add", network, "dev", self.name)

    def port(self):
        return int(run("wg", "show", self.name, "listen-port"))

    def add_peer(self, key, preshared_key, endpoint):
        # The keepalive starts the handshake at once, as clients do when ICE
        # has nominated a pair.
        self.peer = key
        run("wg", "set", self.name, "peer", key, "preshared-key", "/dev/stdin",
            "endpoint", endpoint, "persistent-keepalive", "25",
            "allowed-ips", self.allowed(), text=preshared_key)

    def allow(self, network):
        self.networks.append(network)
        if self.peer:
            run("wg", "set", self.name, "peer", self.peer, "allowed-ips", self.allowed())

    def allowed(self):
        return ",".join(TUNNEL_NETWORKS + self.networks)

    async def handshake(self):
        """Waits for the first one."""
        while not run("wg", "show", self.name, "latest-handshakes").split()[1:2] > ["0"]:
            await asyncio.sleep(0.05)

    async def stop(self):
        if self.process and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()
