#!/usr/bin/python3
"""Stands between a gateway and its portal and adds frames of its own.

	noisy_portal.py LISTEN:PORT PORTAL:PORT SOCKET

A line "COUNT" on the UNIX socket sends as many text frames that are JSON or
not, but never what they should be; a quarter of them is as short as can be and
goes out at once. "done" comes back when the gateway has answered the WebSocket
ping behind them, and so has read them all.
"""

import random
import selectors
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "lib"))
from websocket_frames import PING, PONG, frame, frame_length

# None is half a message, for which a gateway leaves.
SHORTEST = b"x"
TEXTS = [text.encode() for text in (
    '[]',
    'null',
    '{"topic":"gateway"}',
    '{"topic":"gateway","event":"init"}}}',
    '{"topic":"gateway","event":"init","payload":{},"ref":null}',
    '{"topic":"gateway","event":"init","payload":{"interface":'
    '{"ipv4":"1.2.3.4","ipv6":"::1"},"relays":[7]},"ref":null}',
    '{"topic":"gateway","event":"create_authorization","payload":{"ref":1},'
    '"ref":null}',
    '{"topic":"gateway","event":"create_authorization","payload":[],"ref":1}',
    '{"topic":"gateway","event":"unheard_of","payload":{},"ref":7}',
    '{"topic":"gateway","event":"ice_candidates","payload":'
    '{"client_id":"x","candidates":[1,"' + "y" * 900 + '"]},"ref":null}',
    '{"topic":"gateway","event":"relays_presence","payload":'
    '{"disconnected_ids":[7],"connected":[{}]},"ref":null}',
    '{"topic":"gateway","event":"reject_access","payload":{"client_id":'
    '"%(id)s","resource_id":"%(id)s"},"ref":null}',
    '{"topic":"gateway","event":"invalidate_ice_candidates","payload":'
    '{"client_id":"%(id)s","candidates":[]},"ref":null}',
    '{"topic":"gateway","event":"phx_reply","payload":{"status":"error",'
    '"response":{}},"ref":99999999}',
    '{"topic":"gateway","event":"%(id)s","payload":{"%(id)s":1},"ref":null}',
    '{"topic":"%(id)s","event":"phx_error","payload":{},"ref":"%(id)s"}',
    '[' * 64 + ']' * 64,
)]
AT_ONCE = 1000


class Stream:
    """One direction: after the HTTP head, whole WebSocket frames."""

    def __init__(self):
        self.rest = b""
        self.upgraded = False

    def feed(self, data):
        """Yields pieces that may be told apart: (opcode or None, bytes)."""
        self.rest += data
        if not self.upgraded:
            head, end, rest = self.rest.partition(b"\r\n\r\n")
            if not end:
                return
            self.upgraded, self.rest = True, rest
            yield None, head + end
        while (length := frame_length(self.rest)) is not None:
            whole, self.rest = self.rest[:length], self.rest[length:]
            yield whole[0] & 15, whole


class Proxy:
    def __init__(self, listen, portal, path):
        self.portal_address = portal
        self.random = random.Random(1)
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(listen)
        self.asker_listener = socket.socket(socket.AF_UNIX)
        self.asker_listener.bind(path)
        self.asker_listener.listen()
        self.gateway = self.portal = self.asker = None
        self.watch(self.listener, self.accept)
        self.watch(self.asker_listener, self.accept_asker)

    def watch(self, sock, function):
        self.selector.register(sock, selectors.EVENT_READ, function)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj.fileno() != -1:
                    key.data()

    def accept(self):
        self.end()
        self.gateway = self.listener.accept()[0]
        self.portal = socket.create_connection(self.portal_address)
        self.streams = {self.gateway: Stream(), self.portal: Stream()}
        self.watch(self.gateway, lambda: self.forward(self.gateway))
        self.watch(self.portal, lambda: self.forward(self.portal))

    def end(self):
        for sock in (self.gateway, self.portal):
            if sock is not None:
                self.selector.unregister(sock)
                sock.close()
        self.gateway = self.portal = None

    def forward(self, source):
        target = self.portal if source is self.gateway else self.gateway
        try:
            data = source.recv(1 << 16)
            for opcode, piece in self.streams[source].feed(data):
                if opcode == PONG and source is self.gateway and self.asker:
                    self.asker.sendall(b"done\n")
                else:
                    target.sendall(piece)
        except OSError:
            data = b""
        if not data:
            self.end()

    def accept_asker(self):
        self.asker = self.asker_listener.accept()[0]
        self.watch(self.asker, self.asked)

    def asked(self):
        line = self.asker.recv(64)
        if line and self.gateway:
            return self.make_noise(int(line))
        self.selector.unregister(self.asker)
        self.asker.close()
        self.asker = None

    def frame(self):
        text = self.random.choice(TEXTS)
        if b"%(id)s" in text:
            text = text.replace(b"%(id)s", b"%08x-0000-4000-8000-000000000000"
                                % self.random.getrandbits(32))
        return frame(text)

    def make_noise(self, count):
        try:
            self.gateway.sendall(frame(SHORTEST) * (count // 4))
            count -= count // 4
            while count > 0:
                n = min(count, AT_ONCE)
                count -= n
                self.gateway.sendall(b"".join(self.frame() for _ in range(n)))
            self.gateway.sendall(frame(b"are you there", PING))
        except OSError:
            self.asker.sendall(b"gone\n")
            self.end()


def endpoint(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


if __name__ == "__main__":
    Proxy(endpoint(sys.argv[1]), endpoint(sys.argv[2]), sys.argv[3]).run()
