"""Makes the kernel itself refuse to cut a worker's datagrams, with EINVAL: it
does not where checksums are to be left out, which IPv4 allows.

	no_checksum.py PID 0|1

Borrows the IPv4 UDP sockets of the process by pidfd_getfd(2).
"""

import ctypes
import os
import socket
import sys

SYS_pidfd_getfd = 438
SO_NO_CHECK = 11
DESCRIPTORS = 64
DATAGRAMS_V4 = (socket.AF_INET, socket.SOCK_DGRAM)


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(int(sys.argv[1]))
    found = False
    for fd in range(DESCRIPTORS):
        ours = libc.syscall(SYS_pidfd_getfd, pidfd, fd, 0)
        if ours == -1:
            continue
        try:
            sock = socket.socket(fileno=ours)
        except OSError:
            os.close(ours)
            continue
        if (sock.family, sock.type) == DATAGRAMS_V4:
            sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, int(sys.argv[2]))
            found = True
        sock.close()
    if not found:
        sys.exit("no such socket")


main()
