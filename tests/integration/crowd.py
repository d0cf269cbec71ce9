#!/usr/bin/python3
"""The portal of many clients at once, which crowd.c plays: authorizes all as soon as
the gateway has joined, and says how long it took until all were connected. So many of
them, spread evenly, do without ICE.

	crowd.py PROGRAM ADDRESS ECHO COUNT WITHOUT-ICE RELAY RELAY-SECRET

Says "listening URL", "joined", and in the end "N clients in S s, M of them without
ICE".
"""

import base64
import json
import pathlib
import subprocess
import sys
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/lib"), str(ROOT / "contrib/portal")]

from fake_portal import Connection, Listener  # noqa: E402
from websocket_frames import CLOSE  # noqa: E402
from postern_portal import derive  # noqa: E402

LIFETIME_S = 3600
FIRST_PORT = 20000


def id_of(kind, number):
    return str(uuid.UUID(int=(kind << 96) + number, version=4))


class Crowd:
    def __init__(self, program, address, echo, count, without_ice):
        self.iceless = [n * without_ice // count != (n + 1) * without_ice // count
                        for n in range(count)]
        self.numbers = {id_of(1, n): n for n in range(count)}
        self.begun = set()
        self.address = address
        self.network = str(echo) + "/32"
        self.process = subprocess.Popen(
            [program, address, echo, str(count)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.keys = [self.process.stdout.readline().strip() for _ in range(count)]

    def authorization(self, n):
        key = base64.b64encode(bytes.fromhex(self.keys[n])).decode()
        credentials = {end: {"username": f"{end[0]}{n:05x}", "password": f"{end[:4]}password"}
                       for end in ("client", "gateway")}
        return {
            "ref": str(n),
            "client": {
                "id": id_of(1, n), "public_key": key,
                "preshared_key": base64.b64encode(b"\x55" + bytes(31)).decode(),
                "ipv4": f"100.64.{n + 2 >> 8}.{n + 2 & 255}",
                "ipv6": f"fd00:2021:1111::{n + 2:x}"},
            "resource": {
                "id": id_of(2, 0), "type": "cidr", "name": "echo", "address": self.network,
                "filters": [
                    {"protocol": "udp", "port_range_start": 7, "port_range_end": 7}]},
            "use_iceless": self.iceless[n],
            "client_ice_credentials": credentials["client"],
            "gateway_ice_credentials": credentials["gateway"],
            "expires_at": int(time.time()) + LIFETIME_S}

    def candidates(self, n):
        where = f"{self.address} {FIRST_PORT + n}"
        lines = [f"candidate:1 1 udp 2130706175 {where} typ host"]
        if self.iceless[n]:
            lines.append(f"candidate:2 1 udp 1694498815 {where} typ srflx "
                         f"raddr {self.address} rport {FIRST_PORT + n}")
        return {"client_id": id_of(1, n), "candidates": lines}

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def begin(self, key):
        self.tell(key.hex())

    def learn(self, message):
        """Where the gateway's relay is, for those that begin there."""
        relays = [words[4:6] for words in map(str.split, message["candidates"])
                  if words[7] == "relay" and ":" not in words[4]]
        for client in message["client_ids"] if relays else []:
            number = self.numbers[client]
            if self.iceless[number] and number not in self.begun:
                self.begun.add(number)
                self.tell(f"{number} {':'.join(relays[0])}")

    def wait(self, start):
        """What it says is passed on, and when all are connected."""
        everyone = f"{len(self.keys)} of {len(self.keys)}, "
        for line in self.process.stdout:
            print(line.strip(), flush=True)
            if line.startswith(everyone):
                print(f"{len(self.keys)} clients in {time.monotonic() - start:.1f} s, "
                      + line.strip().removeprefix(everyone), flush=True)


class Gateway(Connection):
    """Two threads send to it."""

    def __init__(self, peer):
        super().__init__(peer)
        self.sending = threading.Lock()

    def send(self, *arguments):
        with self.sending:
            super().send(*arguments)


def join(gateway):
    """Also the capabilities are of no interest."""
    while (message := gateway.hear())["event"] != "phx_join":
        pass
    gateway.reply(message["ref"], topic=message["topic"])


def initialize(gateway, relay, secret):
    expires = int(time.time()) + LIFETIME_S
    username, password = derive.rest_credentials(secret, "gateway", expires)
    gateway.push("init", {
        "interface": {"ipv4": "100.64.0.1", "ipv6": "fd00:2021:1111::1"},
        "relays": [{"id": id_of(3, 0), "type": "turn", "addr": f"{relay}:3478",
                    "username": username, "password": password, "expires_at": expires}],
        "authorizations": [], "account_slug": "acme"})


def serve(gateway, crowd):
    """Acknowledgements are answered by where the client is; then it hears where the
    gateway is."""
    while True:
        opcode, data = gateway.receive()
        if opcode == CLOSE:
            return
        message = json.loads(data)
        if message["event"] == "authorization_created":
            number = int(message["payload"]["ref"])
            gateway.push("ice_candidates", crowd.candidates(number))
        elif message["event"] == "broadcast_ice_candidates":
            crowd.learn(message["payload"])
        elif message["event"] == "heartbeat":
            gateway.reply(message["ref"], topic=message["topic"])


def main(program, address, echo, count, without_ice, relay, secret):
    crowd = Crowd(program, address, echo, int(count), int(without_ice))
    listener = Listener(address)
    print(f"listening ws://{address}:{listener.port}", flush=True)
    gateway = Gateway(listener.accept().peer).upgrade()
    gateway.peer.settimeout(None)
    crowd.begin(base64.b64decode(dict(gateway.query)["public_key"]))
    join(gateway)
    initialize(gateway, relay, secret)
    print("joined", flush=True)
    # A command: it begins when the relay is ready.
    sys.stdin.readline()
    start = time.monotonic()
    threading.Thread(target=crowd.wait, args=(start,), daemon=True).start()
    threading.Thread(target=serve, args=(gateway, crowd), daemon=True).start()
    for n in range(len(crowd.keys)):
        gateway.push("create_authorization", crowd.authorization(n))
    # The clients answer as long as this lives.
    crowd.process.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
