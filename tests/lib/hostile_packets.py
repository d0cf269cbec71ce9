#!/usr/bin/python3
"""Sends truncated and bit-flipped packets of every kind that a gateway takes.

	hostile_packets.py ADDRESS PORT COUNT [SOURCE:PORT]

With a source the packets claim to come from there (IPv4, as root). The same
arguments give the same packets.
"""

import random
import socket
import struct
import sys
import time

# firezone-tunnel(7), VECTORS: checks, TURN requests, WireGuard messages.
TEMPLATES = [bytes.fromhex(text) for text in (
    "000100482112a4420102030405060708090a0b0c00060009656a71743a68677768000000"
    "802a00081112131415161718002400046efffeff00250000000800147118fc8aeb5f7809"
    "13ba42887aa0a14a7fc6a497802800049894f7cd",
    "0101002c2112a4420102030405060708090a0b0c002000080001bd52ea12d54500080014"
    "89b1b773c1b964a6ed44e994d77eac5cde8896a980280004dffbec76",
    "011100382112a4420102030405060708090a0b0c0009001100000457526f6c6520436f6e"
    "666c69637400000000080014dd8d113be1cdcf2e2481889c6be04f09e39d301480280004"
    "f67fc15e",
    "000300602112a4420102030405060708090a0b0c00190004110000008000000402000000"
    "80220007736e6f776e6574000006001b313731393336373537353a5a51486356476b646e"
    "6667476d6350310000140008666972657a6f6e6500080014e397a0a4468191258049455e"
    "11fdf17f2267205e",
    "0100000001cdab0079a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89"
    "af85a51af0225eb421886af8f54fb31289d49dcd82b0f6f3279d40d7cff913fece0c64ad"
    "226eef3320755b393b72f16842c8d7ee78a74e9371dde02d88af21d44077a9d98340ad01"
    "c8a7c1b8dc906d363f420c73f91343fc6117092da0c9b1d6000000000000000000000000"
    "00000000",
    "0200000001baf9b901cdab00675dd574ed7789310b3d2e7681f3790b466c773b1521fecf"
    "36577958371ea52fbd3aa8941394643bfd1d5336300c2e1810b7a4c31d3067048837359a"
    "3a96b0f100000000000000000000000000000000",
    "0300000001cdab00000102030405060708090a0b0c0d0e0f1011121314151617a8959af3"
    "f914ca33554a31625977cfd2ea9455d877de131a79924210059bc8f7",
    "0400000001cdab0001000000000000006fcba6c31605a8c19e9e2f84d0caaa335c4d9f0c"
    "585a0d1b5db8e742aac36708ba7a2d620c727e039e0e4ce7236344589f074b1b3b198f59"
    "ef0e4ba70e4fcc09",
    "40000020" + "0400000001cdab000000000000000000d5c9afb37f7012a8f1488fcc6f8d3bfa",
    "4fff000000000000",
)]
LARGEST = 1400
# So that the receiver's buffer does not overflow, which would spare it.
BURST, PAUSE_S = 50, 0.002


def mutate(template, random_):
    data = bytearray(template)
    kind = random_.randrange(4)
    if kind == 0:
        return bytes(data[:random_.randrange(len(data))])
    if kind == 1:
        return bytes(data) + random_.randbytes(random_.randrange(LARGEST - len(data)))
    for _ in range(random_.choice((1, 1, 2, 8))):
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    return bytes(data)


def plain_sender(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    return lambda data: sock.sendto(data, (address, port))


def forging_sender(address, port, source):
    """A raw socket; the kernel fills in the IP header's checksum, and UDP needs
    none."""
    host, source_port = source.rsplit(":", 1)
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(data):
        udp = struct.pack(">HHHH", int(source_port), port, 8 + len(data), 0) + data
        ip = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0,
            socket.inet_aton(host), socket.inet_aton(address))
        sock.sendto(ip + udp, (address, 0))

    return send


def main(address, port, count, source=None):
    random_ = random.Random(count)
    send = (forging_sender(address, int(port), source) if source
            else plain_sender(address, int(port)))
    for i in range(int(count)):
        template = random_.choice(TEMPLATES)
        # Each unchanged as well: right in form, of a peer that nobody knows.
        send(template if i % 100 == 0 else mutate(template, random_))
        if i % BURST == 0:
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
