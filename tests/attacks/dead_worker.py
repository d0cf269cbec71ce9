#!/usr/bin/env python3
"""A broken-into worker's last words: dead_worker.py PID TYPE.

Borrows the worker's end of the channel to the other one, leaves messages of the
type and broken ones there for every epoch that could be guessed to come next,
in both widths that a number may have, and kills the worker.
"""

import ctypes
import os
import pathlib
import signal
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))

from control_worker import TABLE

PIDFD_GETFD = 438
PARENT_FD, LOG_FD = 3, 4
NEXT = (3, 4)  # two workers have been started, or one of them again


def borrow(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    for fd in range(LOG_FD + 1, 64):
        ours = libc.syscall(PIDFD_GETFD, pidfd, fd, 0)
        if ours == -1:
            continue
        try:
            channel = socket.socket(fileno=ours)
        except OSError:
            os.close(ours)
            continue
        if (channel.family, channel.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET):
            return channel
        channel.close()
    sys.exit(f"{pid} has no channel to the other worker")


def main():
    pid, kind = int(sys.argv[1]), sys.argv[2]
    fields = {"PUBLIC_KEY": {"public_key": b"\x17" * 32}}.get(kind, {})
    message = TABLE.encode(kind, **fields)
    channel = borrow(pid)
    os.kill(pid, signal.SIGSTOP)
    for epoch in NEXT:
        for tag in (struct.pack(">I", epoch), struct.pack(">Q", epoch)):
            channel.sendmsg([tag + message])
            for _ in range(3):
                channel.sendmsg([tag + b"\xff\xff broken"])
    # Not even a whole number.
    channel.sendmsg([b"\0"])
    os.kill(pid, signal.SIGKILL)


main()
