#!/usr/bin/python3
"""What a program in the client's namespace sees: each command prints one line,
an error of the system by its name.

	probe.py refusal tcp|udp ADDRESS PORT
		"accepted", the error, or "late"
	probe.py where ADDRESS		whereis.py's answer by TCP
	probe.py where-udp ADDRESS	and by UDP
	probe.py echo tcp|udp ADDRESS	"same" when random octets come back
	probe.py echoes ADDRESS ...
		from one source port datagrams to the echo of each, until no
		more come back; how many did
	probe.py hop ADDRESS LIMIT	who answers an echo request or why not,
		whose TTL or hop limit is LIMIT
	probe.py same-port HASH PATH ADDRESS ADDRESS ...
		downloads at the same time, from one source port; "same" when all
		have that SHA-256
	probe.py stay ADDRESS COMMANDS ANSWERS
		one TCP connection: asks where it is for each line of COMMANDS and
		adds the answer to the file ANSWERS
	probe.py stream ADDRESS		sends to the echo and reads from it until it
		is ended
	probe.py upload ADDRESS OCTETS	to the echo; "same" when all came back,
		and the path MTU of the connection after it
	probe.py datagram ADDRESS OCTETS	likewise, by a datagram that must
		not be cut up, sent until the echo or an error comes
	probe.py bursts ADDRESS		bursts of datagrams to the echo, of one size
		each but the last; "same" when all came back as they were and in
		their order, and how many there were
	probe.py both-ports ADDRESS ADDRESS
		from one source port to an open and to a closed port
	probe.py packet KIND SOURCE DESTINATION
		an IPv4 packet in hex: see packet()
"""

import errno
import hashlib
import os
import socket
import struct
import sys
import threading

PATIENCE_S = 3
TRANSFER_S = 20
ECHO, CLOSED, WHERE, HTTP = 7, 9, 17, 80
SOURCE_PORT = 40000

IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2
IP_MTU, IPV6_MTU = 14, 24
IP_RECVERR, IPV6_RECVERR = 11, 25
UDP_SEGMENT = 103
BURSTS = ((1, 64), (64, 64), (333, 64), (1232, 50))  # octets, datagrams
SO_EE_OFFENDER = 16  # struct sock_extended_err comes before it


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def open_socket(kind, address):
    types = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
    sock = socket.socket(family_of(address), types[kind])
    sock.settimeout(PATIENCE_S)
    return sock


def connect(kind, address, port):
    sock = open_socket(kind, address)
    sock.connect((address, port))
    return sock


def hear_errors(sock):
    """Of all kinds, also those that a connected socket would rather not."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)


def refusal(kind, address, port):
    sock = open_socket(kind, address)
    hear_errors(sock)
    sock.connect((address, int(port)))
    if kind == "udp":
        sock.send(b"x")
        sock.recv(1)
    return "accepted"


def where(address):
    sock = connect("tcp", address, WHERE)
    sock.sendall(b"\n")
    return sock.makefile().readline().strip()


def where_udp(address):
    sock = connect("udp", address, WHERE)
    sock.send(b"x")
    return sock.recv(100).decode().strip()


def echo(kind, address):
    sock = connect(kind, address, ECHO)
    for size in (1, 999, 1200):
        data, back = os.urandom(size), b""
        sock.sendall(data)
        while len(back) < size:
            part = sock.recv(size)
            if not part:
                return "closed"
            back += part
        if back != data:
            return "different"
    return "same"


def echoes(*addresses):
    """A few at a time, as the socket has room for."""
    sock = open_socket("udp", addresses[0])
    sock.settimeout(0.5)
    return str(sum(exchange(sock, addresses[at:at + 128])
                   for at in range(0, len(addresses), 128)))


def exchange(sock, addresses):
    """Tried again as long as that brings any."""
    missing, before = set(addresses), None
    while missing and len(missing) != before:
        before = len(missing)
        for address in missing:
            sock.sendto(b"x", (address, ECHO))
        try:
            while missing:
                missing.discard(sock.recvfrom(100)[1][0])
        except socket.timeout:
            pass
    return len(addresses) - len(missing)


def offender(sock):
    """Of the error in the queue: errno, type, code and who sent it."""
    _, ancillary, _, _ = sock.recvmsg(2000, 512, socket.MSG_ERRQUEUE)
    for _, _, data in ancillary:
        code, _, kind, number = struct.unpack_from("=IBBB", data)
        family, = struct.unpack_from("=H", data, SO_EE_OFFENDER)
        if family == socket.AF_INET:
            who = socket.inet_ntop(family, data[SO_EE_OFFENDER + 4:][:4])
        else:
            who = socket.inet_ntop(family, data[SO_EE_OFFENDER + 8:][:16])
        return f"{errno.errorcode[code]} {kind} {number} {who}"
    return "nothing"


def hop(address, limit):
    v6 = ":" in address
    protocol = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM, protocol)
    sock.settimeout(PATIENCE_S)
    if v6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, int(limit))
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(limit))
    hear_errors(sock)
    sock.connect((address, 0))
    sock.send(bytes([128 if v6 else 8, 0, 0, 0, 0, 0, 0, 1]) + b"postern")
    try:
        data = sock.recv(2000)
    except socket.timeout:
        raise
    except OSError:
        return offender(sock)
    return f"reply {address}" if data.endswith(b"postern") else "different"


def download(path, address, results):
    digest = hashlib.sha256()
    try:
        sock = open_socket("tcp", address)
        sock.settimeout(TRANSFER_S)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", SOURCE_PORT))
        sock.connect((address, HTTP))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        stream = sock.makefile("rb")
        while stream.readline().strip():
            pass
        while data := stream.read(65536):
            digest.update(data)
        results[address] = digest.hexdigest()
    except OSError as error:
        results[address] = str(error)


def same_port(wanted, path, *addresses):
    results = {}
    threads = [threading.Thread(target=download, args=(path, address, results))
               for address in addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wrong = [f"{a}: {r}" for a, r in results.items() if r != wanted]
    return "; ".join(wrong) or "same"


def stay(address, commands, answers):
    sock = connect("tcp", address, WHERE)
    stream = sock.makefile()
    with open(commands) as lines, open(answers, "w", buffering=1) as to:
        print("connected", file=to)
        for _ in lines:
            try:
                sock.sendall(b"\n")
                print(stream.readline().strip() or "closed", file=to)
            except socket.timeout:
                print("late", file=to)
            except OSError as error:
                print(errno.errorcode[error.errno], file=to)
    return "done"


def stream(address):
    sock = connect("tcp", address, ECHO)
    sock.settimeout(None)

    def send():
        while True:
            sock.sendall(bytes(16384))

    threading.Thread(target=send, daemon=True).start()
    while sock.recv(65536):
        pass
    return "closed"


def upload(address, octets):
    sock = connect("tcp", address, ECHO)
    sock.settimeout(TRANSFER_S)
    data = os.urandom(int(octets))
    threading.Thread(target=sock.sendall, args=(data,), daemon=True).start()
    back = b""
    while len(back) < len(data):
        part = sock.recv(65536)
        if not part:
            return "closed"
        back += part
    level, option = ((socket.IPPROTO_IPV6, IPV6_MTU) if ":" in address
                     else (socket.IPPROTO_IP, IP_MTU))
    mtu = sock.getsockopt(level, option)
    return f"{'same' if back == data else 'different'} {mtu}"


def datagram(address, octets):
    sock = connect("udp", address, ECHO)
    sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    sock.settimeout(0.5)
    data = os.urandom(int(octets))
    for _ in range(2 * PATIENCE_S):
        sock.send(data)
        try:
            return "same" if sock.recv(2000) == data else "different"
        except socket.timeout:
            pass
    return "late"


def send_at_once(sock, burst):
    """To the tunnel in one piece, if the kernel can."""
    size = struct.pack("=H", len(burst[0]))
    try:
        sock.sendmsg(burst, [(socket.IPPROTO_UDP, UDP_SEGMENT, size)])
    except OSError:
        for data in burst:
            sock.send(data)


def bursts(address):
    sock = connect("udp", address, ECHO)
    count = 0
    for size, number in BURSTS:
        burst = [os.urandom(size) for _ in range(number - 1)]
        burst.append(os.urandom(size // 2 + 1))
        send_at_once(sock, burst)
        for i, data in enumerate(burst):
            if sock.recv(2000) != data:
                return f"different: {i} of {size} octets"
        count += number
    return f"same {count}"


def both_ports(opened, closed):
    answers = []
    sockets = []
    for address, port in ((opened, WHERE), (closed, CLOSED)):
        sock = open_socket("udp", address)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", SOURCE_PORT))
        sock.connect((address, port))
        sockets.append(sock)
    for sock in sockets:
        sock.send(b"x")
    for sock in sockets:
        try:
            answers.append(sock.recv(100).decode().strip())
        except socket.timeout:
            answers.append("late")
        except OSError as error:
            answers.append(errno.errorcode[error.errno])
    return " ".join(answers)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ipv4(source, destination, protocol, payload, fragment=0, length=None):
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, length or 20 + len(payload), 1, fragment, 64, protocol, 0,
        socket.inet_aton(source), socket.inet_aton(destination))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def icmp(kind, code, rest):
    head = struct.pack("!BBH", kind, code, 0) + rest
    return head[:2] + struct.pack("!H", checksum(head)) + head[4:]


def packet(kind, source, destination):
    """What an honest client would never send; "good" is an echo request."""
    echo_request = icmp(8, 0, struct.pack("!HH", 77, 1) + bytes(8))
    good = ipv4(source, destination, 1, echo_request)
    return {
        "good": good,
        "fragment": ipv4(source, destination, 1, echo_request, fragment=1),
        "first-fragment": ipv4(source, destination, 1, echo_request, fragment=0x2000),
        "truncated": good[:26],
        "bad-length": ipv4(source, destination, 1, echo_request, length=99),
        "icmp-error": ipv4(source, destination, 1, icmp(3, 1, bytes(4) + ipv4(
            destination, source, 17, struct.pack("!4H", 7, 7777, 8, 0)))),
        "multicast": ipv4(source, "224.0.0.1", 1, echo_request),
        "timestamp": ipv4(source, destination, 1, icmp(13, 0, bytes(16))),
        "protocol": ipv4(source, destination, 47, bytes(8)),
        "foreign-source": ipv4("100.64.77.7", destination, 1, echo_request),
    }[kind].hex()


COMMANDS = {
    "refusal": refusal,
    "where": where,
    "where-udp": where_udp,
    "echo": echo,
    "echoes": echoes,
    "hop": hop,
    "same-port": same_port,
    "stay": stay,
    "stream": stream,
    "upload": upload,
    "datagram": datagram,
    "bursts": bursts,
    "both-ports": both_ports,
    "packet": packet,
}


def main():
    command, *arguments = sys.argv[1:]
    try:
        print(COMMANDS[command](*arguments))
    except socket.timeout:
        print("late")
    except OSError as error:
        print(errno.errorcode[error.errno])


if __name__ == "__main__":
    main()
