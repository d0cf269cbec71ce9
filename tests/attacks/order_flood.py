"""A control-worker that was taken over, as far as the parent knows: gives orders
in an operator's name, and writes lines about flows.

	order_flood.py PID SECONDS

Borrows the worker's end of the channel to the parent and that of the lines about
flows by pidfd_getfd(2), and sends over both as fast as it is taken: to drain, to
go on, and for one level of the log after the other. Prints how many orders and
how many bytes of lines went out.
"""

import ctypes
import os
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))

from control_worker import TABLE

PIDFD_GETFD = 438
PARENT_FD = 3
LINE = b'"event":"closed","user":"' + b"x" * 3900 + b'"'


def channels(pid):
    """By descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    found = {}
    for fd in range(PARENT_FD, 64):
        ours = libc.syscall(PIDFD_GETFD, pidfd, fd, 0)
        if ours == -1:
            continue
        try:
            channel = socket.socket(fileno=ours)
        except OSError:
            os.close(ours)
            continue
        if (channel.family, channel.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET):
            channel.setblocking(False)
            found[fd] = channel
        else:
            channel.close()
    return found


def give(channel, message):
    try:
        return channel.send(message, socket.MSG_DONTWAIT) == len(message)
    except BlockingIOError:
        return False


def main():
    found = channels(int(sys.argv[1]))
    parent, lines = found[PARENT_FD], found[max(found)]
    orders = [TABLE.encode("DRAIN", order=order, within=604800) for order in (1, 0)] + \
        [TABLE.encode("LOG_LEVEL", level=level) for level in range(5)]
    end = time.monotonic() + float(sys.argv[2])
    given = written = 0
    while time.monotonic() < end:
        for order in orders:
            given += give(parent, order)
        written += len(LINE) * give(lines, LINE)
    give(parent, orders[1])
    print(given, written)


main()
