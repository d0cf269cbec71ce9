"""A portal's end of one connection, byte by byte, so that it can misbehave."""

import base64
import hashlib
import json
import select
import socket
import time
import urllib.parse

from websocket_frames import CLOSE, TEXT, client_payload, frame, frame_length

PATIENCE = 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Listener:
    def __init__(self, address="127.0.0.1", tls=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.create_server((address, 0), family=family)
        self.socket.settimeout(PATIENCE)
        self.tls = tls
        self.port = self.socket.getsockname()[1]

    def accept(self):
        peer, _ = self.socket.accept()
        peer.settimeout(PATIENCE)
        if self.tls:
            peer = self.tls.wrap_socket(peer, server_side=True)
        return Connection(peer)

    def online(self):
        """Accepts, upgrades, answers the join, takes the capabilities."""
        c = self.accept()
        c.upgrade()
        c.join()
        return c

    def close(self):
        self.socket.close()


class Connection:
    def __init__(self, peer):
        self.peer = peer
        self.buffer = b""

    def _more(self):
        data = self.peer.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def take(self, n):
        while len(self.buffer) < n:
            self._more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def request(self):
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.head = head.decode()
        line, *fields = self.head.split("\r\n")
        self.method, target, _ = line.split(" ")
        self.path, _, query = target.partition("?")
        self.query = urllib.parse.parse_qsl(query, keep_blank_values=True)
        self.fields = [tuple(f.split(": ", 1)) for f in fields]
        self.headers = {name.lower(): value for name, value in self.fields}
        return self

    def answer(self, status, headers=(), body=b""):
        self.peer.sendall(
            f"HTTP/1.1 {status} X\r\n".encode()
            + b"".join(f"{n}: {v}\r\n".encode() for n, v in headers)
            + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def upgrade(self, extra=(), then=b"", **changes):
        return self.request().switch(extra, then, **changes)

    def switch(self, extra=(), then=b"", **changes):
        """What answers a request that has been read."""
        key = self.headers["sec-websocket-key"]
        headers = {
            "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Accept": base64.b64encode(
                hashlib.sha1((key + GUID).encode()).digest()).decode()}
        headers.update(changes)
        self.peer.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\n"
            + b"".join(f"{n}: {v}\r\n".encode() for n, v in
                       [*headers.items(), *extra]) + b"\r\n" + then)
        return self

    def send(self, data, opcode=TEXT, fin=True):
        self.peer.sendall(frame(data, opcode, fin))

    def push(self, event, payload, **more):
        self.send(json.dumps({"event": event, "payload": payload, "ref": None,
                              "topic": "gateway", **more}))

    def receive(self):
        while (length := frame_length(self.buffer)) is None:
            self._more()
        data = self.take(length)
        return data[0] & 15, client_payload(data)

    def hear(self):
        """The next message, heartbeats apart."""
        while True:
            opcode, data = self.receive()
            assert opcode == TEXT, (opcode, data)
            message = json.loads(data)
            if message["event"] != "heartbeat":
                return message

    def quiet(self, seconds=0.3):
        end = time.monotonic() + seconds
        while not self.buffer:
            ready, _, _ = select.select([self.peer], [], [], max(0, end - time.monotonic()))
            if not ready:
                return
            self._more()
        raise AssertionError(self.buffer)

    def reply(self, ref, status="ok", response=None, topic="gateway"):
        self.send(json.dumps({"event": "phx_reply", "ref": ref, "topic": topic, "payload":
                              {"status": status, "response": response or {}}}))

    def join(self):
        join = self.hear()
        assert join == {"topic": "gateway", "event": "phx_join", "payload": None,
                        "ref": 0}
        self.reply(0)
        assert self.hear() == {
            "topic": "gateway", "event": "set_snownet_capabilities",
            "payload": {"iceless": True}, "ref": 1}

    def closed(self):
        """The rest until the end; whether a Close frame was among it."""
        got_close = False
        try:
            while True:
                opcode, _ = self.receive()
                got_close = got_close or opcode == CLOSE
        except (EOFError, ConnectionError):
            return got_close

    def drop(self):
        self.peer.close()
