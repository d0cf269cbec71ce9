#!/usr/bin/python3
"""A DNS server that does not do its job well. What it does with a question for
an A record, the first label of the name says; there are no AAAA records. The
truth is always the address GOOD, and what is wrong is BAD.

	odd_dns.py ADDRESS OTHER-ADDRESS GOOD BAD

	slow<N>		the truth, after N seconds
	silent		nothing
	failing		SERVFAIL
	refusing	REFUSED
	long		cut off by UDP, the truth by TCP
	garbage		octets, then the truth
	wrongid, wrongport, wrongaddress, wrongname, question
			what is wrong with another id, from another port, from
			OTHER-ADDRESS, about another name, or as a question;
			then the truth
	others		the truth
"""

import os
import selectors
import socket
import struct
import sys
import time

PORT = 53
PAUSE_S = 0.2  # between a lie and the truth
A, SERVFAIL, REFUSED = 1, 2, 5
RESPONSE, TRUNCATED = 0x8000, 0x0200


def bound(kind, address, port):
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    return sock


def question_of(query):
    """The labels, the type, and the octets of the question."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
        at += 1 + query[at]
    return labels, struct.unpack_from("!H", query, at + 1)[0], query[12:at + 5]


def message(query, question, address=None, flags=RESPONSE, number=None):
    number = struct.unpack_from("!H", query)[0] if number is None else number
    header = struct.pack("!6H", number, flags, 1, address is not None, 0, 0)
    record = b""
    if address:
        record = struct.pack("!HHHIH", 0xC00C, A, 1, 0, 4) + socket.inet_aton(address)
    return header + question + record


class Server:
    def __init__(self, address, other, good, bad):
        self.good, self.bad = good, bad
        self.udp = bound(socket.SOCK_DGRAM, address, PORT)
        self.tcp = bound(socket.SOCK_STREAM, address, PORT)
        self.tcp.listen(16)
        self.port = bound(socket.SOCK_DGRAM, address, 0)
        self.other = bound(socket.SOCK_DGRAM, other, PORT)
        self.later = []  # (when, datagram, peer, name)

    def truth(self, query, question, kind):
        return message(query, question, self.good if kind == A else None)

    def on_udp(self):
        query, peer = self.udp.recvfrom(2000)
        labels, kind, question = question_of(query)
        first = labels[0]
        truth = self.truth(query, question, kind)
        number, = struct.unpack_from("!H", query)
        lie = message(query, question, self.bad)
        if first.startswith("slow"):
            self.send_later(int(first[4:]), truth, peer, first)
            return
        if first == "silent":
            return
        if first == "failing":
            self.udp.sendto(message(query, question, flags=RESPONSE | SERVFAIL), peer)
            return
        if first == "refusing":
            self.udp.sendto(message(query, question, flags=RESPONSE | REFUSED), peer)
            return
        if first == "long":
            self.udp.sendto(message(query, question, flags=RESPONSE | TRUNCATED), peer)
            return
        if first == "garbage":
            self.udp.sendto(query[:2] + os.urandom(40), peer)
        elif first == "wrongid":
            self.udp.sendto(message(query, question, self.bad, number=number ^ 1), peer)
        elif first == "wrongport":
            self.port.sendto(lie, peer)
        elif first == "wrongaddress":
            self.other.sendto(lie, peer)
        elif first == "wrongname":
            self.udp.sendto(message(query, b"\x01x" + question, self.bad), peer)
        elif first == "question":
            self.udp.sendto(message(query, question, self.bad, flags=0), peer)
        else:
            self.udp.sendto(truth, peer)
            return
        self.send_later(PAUSE_S, truth, peer, first)

    def send_later(self, seconds, datagram, peer, name):
        self.later.append((time.monotonic() + seconds, datagram, peer, name))

    def on_tcp(self):
        connection, _ = self.tcp.accept()
        with connection, connection.makefile("rb") as stream:
            length, = struct.unpack("!H", stream.read(2))
            query = stream.read(length)
            _, kind, question = question_of(query)
            answer = self.truth(query, question, kind)
            connection.sendall(struct.pack("!H", len(answer)) + answer)

    def run_late(self):
        now = time.monotonic()
        for entry in [e for e in self.later if e[0] <= now]:
            self.later.remove(entry)
            _, datagram, peer, name = entry
            self.udp.sendto(datagram, peer)
            print("late", name, flush=True)

    def run(self):
        selector = selectors.DefaultSelector()
        selector.register(self.udp, selectors.EVENT_READ, self.on_udp)
        selector.register(self.tcp, selectors.EVENT_READ, self.on_tcp)
        while True:
            first = min((entry[0] for entry in self.later), default=None)
            wait = None if first is None else max(0, first - time.monotonic())
            for key, _ in selector.select(wait):
                try:
                    key.data()
                except (OSError, struct.error, IndexError) as error:
                    print(error, flush=True)
            self.run_late()


if __name__ == "__main__":
    Server(*sys.argv[1:]).run()
