#!/usr/bin/python3
"""Several queries in one piece on one connection: dns_pipeline.py ADDRESS COUNT."""

import socket
import struct
import sys

PORT = 53535
TXT, IN = 16, 1


def query(number):
    name = b"".join(bytes([len(part)]) + part for part in (b"who", b"test")) + b"\0"
    message = struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + name + \
        struct.pack(">2H", TXT, IN)
    return struct.pack(">H", len(message)) + message


def exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            sys.exit(f"closed after {len(data)} of {size} bytes")
        data += part
    return data


def main():
    count = int(sys.argv[2])
    with socket.create_connection((sys.argv[1], PORT), 10) as sock:
        sock.settimeout(10)
        sock.sendall(b"".join(query(number) for number in range(count)))
        for number in range(count):
            (size,) = struct.unpack(">H", exactly(sock, 2))
            got, flags, _, answers = struct.unpack_from(">4H", exactly(sock, size))
            if (got, flags >> 15, answers) != (number, 1, 1):
                sys.exit(f"answer {got} in place of {number}: {flags:#x}, {answers}")
    print(f"{count} answers in order")


main()
