#!/usr/bin/python3
"""Says where a client has got to: on each of the addresses, TCP and UDP port 17
answer every line and every datagram with the address itself.

	whereis.py ADDRESS ...
"""

import selectors
import socket
import sys

PORT = 17


def open_socket(kind, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, PORT))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def main():
    selector = selectors.DefaultSelector()

    def accept(listener, answer):
        connection, _ = listener.accept()
        selector.register(connection, selectors.EVENT_READ, (on_stream, answer))

    def on_stream(connection, answer):
        try:
            data = connection.recv(65536)
            if data:
                connection.sendall(answer * data.count(b"\n"))
                return
        except OSError:
            pass
        selector.unregister(connection)
        connection.close()

    def on_datagram(sock, answer):
        try:
            _, peer = sock.recvfrom(65536)
            sock.sendto(answer, peer)
        except OSError:
            pass

    for address in sys.argv[1:]:
        answer = address.encode() + b"\n"
        selector.register(open_socket(socket.SOCK_STREAM, address),
                          selectors.EVENT_READ, (accept, answer))
        selector.register(open_socket(socket.SOCK_DGRAM, address),
                          selectors.EVENT_READ, (on_datagram, answer))
    while True:
        for key, _ in selector.select():
            handler, answer = key.data
            handler(key.fileobj, answer)


if __name__ == "__main__":
    main()
