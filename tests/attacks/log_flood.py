"""A worker that was taken over, as far as the log knows: writes with its voice.

	log_flood.py PID SECONDS

PID is the worker, whose end of the log (descriptor 4) is borrowed by
pidfd_getfd(2). Writes records of level info as fast as they are taken, then one
error, and prints how many bytes went out.
"""

import ctypes
import os
import socket
import sys
import time

SYS_pidfd_getfd = 438
LOG = 4
ERROR, INFO = b"\x00", b"\x02"


def borrow(pid):
    pidfd = os.pidfd_open(pid)
    fd = ctypes.CDLL(None, use_errno=True).syscall(
        SYS_pidfd_getfd, pidfd, LOG, 0)
    if fd == -1:
        sys.exit(os.strerror(ctypes.get_errno()))
    return socket.socket(fileno=fd)


def main():
    log = borrow(int(sys.argv[1]))
    log.setblocking(True)
    end = time.monotonic() + float(sys.argv[2])
    sent = 0
    while time.monotonic() < end:
        for _ in range(100):
            sent += log.send(INFO + b"x" * 2000)
    log.send(ERROR + b"an error after the flood")
    print(sent)


main()
