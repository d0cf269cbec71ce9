#!/usr/bin/python3
"""The resource of the integration tests: one file by HTTP on port 80, and an
echo on TCP and UDP port 7, for IPv4 and IPv6. The path /slow gives the file at
some 6 MB/s, so that a transfer lasts.

	lan_server.py FILE
"""

import os
import selectors
import socket
import sys
import threading
import time

HTTP, ECHO = 80, 7
SLOW_BYTES, SLOW_PAUSE_S = 65536, 0.01


def listen(kind, port):
    listener = socket.socket(socket.AF_INET6, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        listener.listen(64)
    return listener


def serve_file(connection, path):
    """Any path gets the file."""
    with connection, open(path, "rb") as file:
        request = b""
        while b"\r\n\r\n" not in request:
            data = connection.recv(4096)
            if not data:
                return
            request += data
        size = os.fstat(file.fileno()).st_size
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        slow = request.startswith(b"GET /slow ")
        offset = 0
        while offset < size:
            count = min(size - offset, SLOW_BYTES) if slow else size - offset
            offset += os.sendfile(connection.fileno(), file.fileno(), offset, count)
            if slow:
                time.sleep(SLOW_PAUSE_S)


def echo_stream(connection, _):
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def echo_datagram(sock):
    """ICMP errors about those before are none of our business either."""
    try:
        data, peer = sock.recvfrom(65536)
        sock.sendto(data, peer)
    except OSError:
        pass


def guarded(serve, connection, path):
    """A peer that goes away is none of our business."""
    try:
        serve(connection, path)
    except OSError:
        pass


def main():
    path = sys.argv[1]
    selector = selectors.DefaultSelector()
    selector.register(listen(socket.SOCK_STREAM, ECHO), selectors.EVENT_READ, echo_stream)
    selector.register(listen(socket.SOCK_DGRAM, ECHO), selectors.EVENT_READ, None)
    selector.register(listen(socket.SOCK_STREAM, HTTP), selectors.EVENT_READ, serve_file)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                echo_datagram(key.fileobj)
                continue
            connection, _ = key.fileobj.accept()
            threading.Thread(
                target=guarded, args=(key.data, connection, path), daemon=True).start()


if __name__ == "__main__":
    main()
