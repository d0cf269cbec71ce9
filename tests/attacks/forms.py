"""Packets of all forms that an IP header, options, extension headers, fragments
and transports may have, right and wrong, each case with a source of its own.

A case is a list of packets: more than one where they are fragments of one. The
names of those in which lengths contradict each other begin with "wrong".
"""

import itertools
import socket
import struct

OPEN, SHUT = 80, 443  # the ports: of what is granted, and another
TTL = 64
PACKET_MAX = 1280

HOP, ICMP, TCP, UDP, ROUTING, FRAGMENT = 0, 1, 6, 17, 43, 44
ESP, AH, ICMPV6, NONE, OPTIONS = 50, 51, 58, 59, 60
MOBILITY, HIP, SHIM6 = 135, 139, 140
WALKED = [HOP, ROUTING, FRAGMENT, OPTIONS]
# Those, what looks like them, and what ends a chain.
CHAINED = WALKED + [ESP, AH, NONE, MOBILITY, HIP, SHIM6, 253, 254, 41, 132]


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Host:
    """Where a case comes from and goes to."""

    def __init__(self, source, destination):
        self.source = socket.inet_pton(self.family, source)
        self.destination = socket.inet_pton(self.family, destination)

    def transport(self, protocol, data, at):
        pseudo = self.source + self.destination + \
            struct.pack("!2I", len(data), protocol)
        value = checksum(pseudo + data) or 0xFFFF
        return data[:at] + struct.pack("!H", value) + data[at + 2:]

    def tcp(self, port, offset=5):
        """The first packet of a connection."""
        return self.transport(TCP, struct.pack(
            "!HHIIBBHHH", 1000, port, 1, 0, offset << 4, 2, 1024, 0, 0), 16)

    def udp(self, port, length=None, data=b"12345678"):
        if length is None:
            length = 8 + len(data)
        return self.transport(UDP, struct.pack(
            "!4H", 1000, port, length, 0) + data, 6)

    def payloads(self):
        yield TCP, self.tcp(SHUT)
        yield TCP, self.tcp(OPEN)
        yield UDP, self.udp(SHUT)
        yield UDP, self.udp(OPEN)
        yield self.echo()


class Host4(Host):
    family = socket.AF_INET

    def ip(self, protocol, payload, options=b"", fragment=0, ihl=None,
           total=None, ident=0):
        length = 20 + len(options)
        head = struct.pack(
            "!BBHHHBBH", 4 << 4 | (length // 4 if ihl is None else ihl), 0,
            length + len(payload) if total is None else total, ident,
            fragment, TTL, protocol, 0) + self.source + self.destination
        packet = head + options + payload
        end = (packet[0] & 15) * 4
        return packet[:10] + struct.pack("!H", checksum(packet[:end])) + \
            packet[12:]

    def echo(self):
        data = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + b"12345678"
        return ICMP, data[:2] + struct.pack("!H", checksum(data)) + data[4:]


class Host6(Host):
    family = socket.AF_INET6

    def ip(self, first, payload, length=None):
        return struct.pack(
            "!IHBB", 6 << 28, len(payload) if length is None else length,
            first, TTL) + self.source + self.destination + payload

    def echo(self):
        data = struct.pack("!BBHHH", 128, 0, 0, 1, 1) + b"12345678"
        return ICMPV6, self.transport(ICMPV6, data, 2)


def extension(kind, following, length=0, body=None, fragment=0):
    """One that is right, but for the length it says it has."""
    if kind == FRAGMENT:
        return struct.pack("!BBHI", following, 0, fragment, 7)
    if kind == AH:
        # In units of four, less two; one of sixteen octets at least.
        return struct.pack("!BBHII", following, max(length, 2), 0, 0x1000, 1) + \
            bytes(4 * (max(length, 2) - 1))
    size = length * 8 + 6
    if body is None:
        if kind == ROUTING:
            body = struct.pack("!BB", 253, 0) + bytes(size - 2)
        else:
            body = padding(size)
    return bytes([following, length]) + body


def padding(size):
    """Options that say nothing."""
    options = b""
    while size > 0:
        n = min(size, 257)
        options += b"\0" if n == 1 else bytes([1, n - 2]) + bytes(n - 2)
        size -= n
    return options


def chain(kinds, last):
    """The first next header, and the headers in front of a transport."""
    headers = b""
    for kind, following in zip(kinds, list(kinds[1:]) + [last]):
        headers += extension(kind, following)
    return (list(kinds) + [last])[0], headers


class Forms:
    """All cases of a family, as (name, packets); host(n) is the nth sender."""

    def __init__(self, host):
        self.host = host
        self.count = 0
        self.cases = []

    def add(self, name, make):
        host = self.host(self.count)
        packets = make(host)
        if isinstance(packets, bytes):
            packets = [packets]
        if max(map(len, packets)) > PACKET_MAX:
            return
        self.cases.append((name, packets))
        self.count += 1

    def each_payload(self, name, make):
        for n in range(5):
            self.add(name, lambda h: make(h, *list(h.payloads())[n]))

    def lengths(self):
        """What UDP and TCP say of their own length."""
        for port in OPEN, SHUT:
            for length in [*range(0, 20), 255, 65535]:
                self.add(f"wrong UDP length {length}", lambda h: h.ip(
                    UDP, h.udp(port, length)))
            for offset in range(16):
                self.add(f"TCP of offset {offset}", lambda h: h.ip(
                    TCP, h.tcp(port, offset)))
            for cut in range(24):
                self.add(f"TCP cut to {cut}", lambda h: h.ip(
                    TCP, h.tcp(port)[:cut]))
                self.add(f"UDP cut to {cut}", lambda h: h.ip(
                    UDP, h.udp(port)[:cut]))


class Forms4(Forms):
    def all(self):
        self.each_payload("plain", lambda h, p, data: h.ip(p, data))
        self.protocols()
        self.header_lengths()
        self.options()
        self.fragments()
        self.totals()
        self.lengths()
        return self.cases

    def protocols(self):
        for n in range(256):
            for port in OPEN, SHUT:
                self.add(f"protocol {n}", lambda h: h.ip(n, h.tcp(port)))
                self.add(f"protocol {n}", lambda h: h.ip(n, h.udp(port)))
                # As if it were a header before another.
                for kind in (AH, OPTIONS):
                    self.add(f"protocol {n}, then TCP", lambda h: h.ip(
                        n, extension(kind, TCP) + h.tcp(port)))

    def header_lengths(self):
        """One port where the header ends, the other where it might."""
        for ihl in range(16):
            for real, other in (OPEN, SHUT), (SHUT, OPEN):
                self.add(f"IHL {ihl}", lambda h: h.ip(
                    TCP, h.tcp(real) + h.tcp(other) + h.tcp(other), ihl=ihl))
                self.add(f"IHL {ihl}", lambda h: h.ip(
                    UDP, bytes(max(ihl * 4 - 20, 0)) + h.udp(real), ihl=ihl))

    def options(self):
        for kind in range(256):
            for length in 0, 1, 2, 3, 4, 7, 8, 9:
                option = bytes([kind, length, 4, 10, 20, 0, 3, 0])
                self.add(f"option {kind} of length {length}",
                         lambda h: h.ip(UDP, h.udp(OPEN), option))
            self.add(f"option {kind} at the end", lambda h: h.ip(
                TCP, h.tcp(SHUT), bytes([1, 1, 1, kind])))
        for fill in 0, 1, 7, 68, 131, 137:
            for size in range(4, 44, 4):
                self.each_payload(f"{size} octets of option {fill}",
                                  lambda h, p, data: h.ip(
                                      p, data, bytes([fill, size]) + bytes(size - 2)))

    def fragments(self):
        for flags in range(8):
            for offset in 0, 1, 2, 185, 8191:
                self.each_payload(f"flags {flags}, offset {offset}",
                                  lambda h, p, data: h.ip(
                                      p, data, fragment=flags << 13 | offset))
        for cut in 8, 16:
            for order in 1, -1:
                def two(h, p, data):
                    return [h.ip(p, data[:cut], fragment=0x2000, ident=9),
                            h.ip(p, data[cut:], fragment=cut // 8, ident=9)]
                self.each_payload(f"two fragments, cut at {cut}",
                                  lambda h, p, data: two(h, p, data)[::order])
        # The ports are written over by the second, where that is believed.
        for first, second in (OPEN, SHUT), (SHUT, OPEN):
            self.add("fragments that overlap", lambda h: [
                h.ip(UDP, h.udp(first)[:8], fragment=0x2000, ident=9),
                h.ip(UDP, h.udp(second), ident=9, fragment=0x2000),
                h.ip(UDP, h.udp(second)[8:], fragment=1, ident=9)])

    def totals(self):
        for difference in [*range(-16, 9), 1000]:
            self.each_payload(f"total length off by {difference}",
                              lambda h, p, data: h.ip(
                                  p, data, total=20 + len(data) + difference))


class Forms6(Forms):
    def all(self):
        self.each_payload("plain", lambda h, p, data: h.ip(p, data))
        self.next_headers()
        self.chains()
        self.long_chains()
        self.header_lengths()
        self.routing()
        self.options()
        self.fragments()
        self.cuts()
        self.lengths()
        return self.cases

    def chained(self, name, kinds):
        self.each_payload(name, lambda h, p, data: h.ip(
            (c := chain(kinds, p))[0], c[1] + data))

    def next_headers(self):
        for n in range(256):
            for port in OPEN, SHUT:
                self.add(f"next header {n}", lambda h: h.ip(n, h.tcp(port)))
                self.add(f"next header {n}", lambda h: h.ip(n, h.udp(port)))
            self.chained(f"next header {n} before", [n])
            self.chained(f"options, next header {n} before", [OPTIONS, n])
            self.chained(f"next header {n}, options before", [n, OPTIONS])

    def chains(self):
        for kinds in itertools.product(CHAINED, repeat=2):
            self.chained(f"chain {kinds}", kinds)
        for kinds in itertools.product(WALKED + [AH, MOBILITY], repeat=3):
            self.chained(f"chain {kinds}", kinds)

    def long_chains(self):
        for n in 4, 7, 8, 9, 16, 32, 64, 100, 140:
            for kind in WALKED:
                self.chained(f"{n} of {kind}", [kind] * n)
            self.chained(f"{n} of all", ([HOP] + [ROUTING, OPTIONS] * n)[:n])

    def header_lengths(self):
        """As long as it says, and with the transport where it does not say."""
        for kind in WALKED + [AH, ESP, MOBILITY, HIP, SHIM6]:
            for length in [*range(0, 20), 31, 32, 33, 100, 140, 200, 255]:
                def right(h, p, data):
                    return h.ip(kind, extension(kind, p, length) + data)

                def wrong(h, p, data):
                    return h.ip(kind, bytes([p, length]) + bytes(6) + data + data)
                self.each_payload(f"header {kind} of length {length}", right)
                self.each_payload(f"wrong header {kind} of length {length}", wrong)

    def routing(self):
        for kind in [*range(0, 8), 127, 253, 254, 255]:
            for left in 0, 1, 2, 255:
                for length in 0, 1, 2, 3, 4:
                    body = struct.pack("!BB", kind, left) + bytes(length * 8 + 4)
                    self.add(f"routing {kind}, {left} left, length {length}",
                             lambda h: h.ip(ROUTING, extension(
                                 ROUTING, UDP, length, body) + h.udp(OPEN)))
                    self.add(f"routing {kind}, {left} left, length {length}",
                             lambda h: h.ip(ROUTING, extension(
                                 ROUTING, TCP, length, body) + h.tcp(SHUT)))

    def options(self):
        for header in HOP, OPTIONS:
            for kind in range(256):
                for length in 0, 1, 2, 3, 4, 5, 255:
                    option = bytes([kind, length, 0, 0, 0, 0])
                    self.add(f"option {kind} of length {length} in {header}",
                             lambda h: h.ip(header, extension(
                                 header, UDP, 0, option) + h.udp(OPEN)))
                option = bytes([kind, 16]) + bytes(20)
                self.add(f"option {kind} in {header}", lambda h: h.ip(
                    header, extension(header, TCP, 2, option) + h.tcp(SHUT)))

    def fragments(self):
        for low in range(8):
            for offset in 0, 1, 2, 8191:
                self.each_payload(
                    f"fragment at {offset}, bits {low}",
                    lambda h, p, data: h.ip(FRAGMENT, extension(
                        FRAGMENT, p, fragment=offset << 3 | low) + data))
        for before in [], [OPTIONS], [HOP, OPTIONS], [FRAGMENT], [ROUTING]:
            for inside in [], [OPTIONS], [OPTIONS] * 3, [HOP], [FRAGMENT], \
                    [MOBILITY]:
                for cut in 8, 16, 24:
                    self.each_payload(
                        f"two fragments of {inside} behind {before}, at {cut}",
                        lambda h, p, data: self.two(
                            h, before, inside, cut, p, data))
        for first, second in (OPEN, SHUT), (SHUT, OPEN):
            self.add("fragments that overlap", lambda h: [
                h.ip(FRAGMENT, extension(FRAGMENT, UDP, fragment=where) + part)
                for where, part in ((1, h.udp(first)[:8]), (1, h.udp(second)),
                                    (8, h.udp(second)[8:]))])

    @staticmethod
    def two(h, before, inside, cut, protocol, data):
        inner, headers = chain(inside, protocol)
        whole = headers + data
        packets = []
        for part, where in (whole[:cut], 1), (whole[cut:], cut):
            first, outer = chain(before + [FRAGMENT], inner)
            at = len(outer) - 6
            packets.append(h.ip(first, outer[:at] + struct.pack(
                "!H", where) + outer[at + 2:] + part))
        return packets

    def cuts(self):
        kinds = [HOP, ROUTING, FRAGMENT, OPTIONS]
        for cut in range(0, 60):
            self.each_payload(f"a chain cut to {cut}", lambda h, p, data: h.ip(
                HOP, (chain(kinds, p)[1] + data)[:cut]))
            self.each_payload(f"payload length {cut}", lambda h, p, data: h.ip(
                HOP, chain(kinds, p)[1] + data, length=cut))
        for difference in [*range(-16, 9), 1000]:
            self.each_payload(f"payload length off by {difference}",
                              lambda h, p, data: h.ip(
                                  p, data, length=len(data) + difference))
