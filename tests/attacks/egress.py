#!/usr/bin/python3
"""What somebody who has broken into net-worker could send.

	egress.py PID ADDRESS PORT [ADDRESS PORT ...]

Takes the UDP sockets out of the process of that id, sends one datagram to each
and prints a line for it: "sent", or the name of the error.
"""

import ctypes
import errno
import os
import socket
import sys

PIDFD_GETFD = 438


def sockets_of(pid):
    """By family; the ones of the data plane, not of messages."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
        if fd == -1:
            continue
        try:
            s = socket.socket(fileno=fd)
        except OSError:
            os.close(fd)
            continue
        if s.type == socket.SOCK_DGRAM:
            found.setdefault(s.family, s)
    return found


def send(s, address, port):
    scope = 0
    if "%" in address:
        address, device = address.split("%")
        scope = socket.if_nametoindex(device)
    to = (address, port, 0, scope) if ":" in address else (address, port)
    try:
        s.sendto(b"x", to)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "sent"


def main():
    found = sockets_of(int(sys.argv[1]))
    for address, port in zip(sys.argv[2::2], sys.argv[3::2]):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        print(send(found[family], address, int(port)))


main()
