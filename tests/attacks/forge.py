#!/usr/bin/python3
"""Sends one packet with any source through a router, without asking the kernel
of this host whether it may.

	forge.py DEVICE ROUTER-MAC KIND SOURCE PORT DESTINATION PORT

	udp		eight octets
	syn		the first packet of a TCP connection
	ping, pong	an ICMP echo request, a reply; the port is the id
	error		ICMP "port unreachable", quoting a UDP packet from
			DESTINATION and its port to SOURCE and its port
"""

import socket
import struct
import sys

TTL = 64
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) & ~1]))
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Host:
    def __init__(self, address, port):
        self.six = ":" in address
        family = socket.AF_INET6 if self.six else socket.AF_INET
        self.octets = socket.inet_pton(family, address)
        self.port = int(port)


def ip(source, destination, protocol, payload):
    if source.six:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, TTL) + \
            source.octets + destination.octets + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, TTL,
                         protocol, 0) + source.octets + destination.octets
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def summed(source, destination, protocol, data, at):
    """With the checksum, over the pseudo-header too, at that place."""
    pseudo = source.octets + destination.octets + \
        struct.pack("!2I", len(data), protocol)
    return data[:at] + struct.pack("!H", checksum(pseudo + data)) + data[at + 2:]


def udp(source, destination):
    data = struct.pack("!4H", source.port, destination.port, 16, 0) + b"unasked!"
    return ip(source, destination, socket.IPPROTO_UDP,
              summed(source, destination, socket.IPPROTO_UDP, data, 6))


def syn(source, destination):
    data = struct.pack("!2H2IBB3H", source.port, destination.port, 1, 0, 5 << 4,
                       2, 1024, 0, 0)
    return ip(source, destination, socket.IPPROTO_TCP,
              summed(source, destination, socket.IPPROTO_TCP, data, 16))


def icmp(source, destination, types, code, rest):
    data = struct.pack("!BBH", types[source.six], code, 0) + rest
    if source.six:
        return ip(source, destination, socket.IPPROTO_ICMPV6,
                  summed(source, destination, socket.IPPROTO_ICMPV6, data, 2))
    return ip(source, destination, socket.IPPROTO_ICMP,
              data[:2] + struct.pack("!H", checksum(data)) + data[4:])


def ping(source, destination):
    return icmp(source, destination, (8, 128), 0,
                struct.pack("!2H", source.port, 1) + b"unasked!")


def pong(source, destination):
    return icmp(source, destination, (0, 129), 0,
                struct.pack("!2H", source.port, 1) + b"unasked!")


def error(source, destination):
    code = 4 if source.six else 3
    return icmp(source, destination, (3, 1), code,
                bytes(4) + udp(destination, source))


KINDS = {"udp": udp, "syn": syn, "ping": ping, "pong": pong, "error": error}


def main():
    device, router, kind = sys.argv[1:4]
    source, destination = Host(*sys.argv[4:6]), Host(*sys.argv[6:8])
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
    sock.sendto(KINDS[kind](source, destination),
                (device, ETH_P_IPV6 if source.six else ETH_P_IP, 0, 0,
                 bytes.fromhex(router.replace(":", ""))))


if __name__ == "__main__":
    main()
