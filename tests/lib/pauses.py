#!/usr/bin/python3
"""How long an echo is silent, in the client's namespace.

	pauses.py ADDRESS

Sends a datagram to port 7 of ADDRESS every 10 ms. Says "up" at the first
answer; for each line on standard input the longest time without an answer
since the last such line, in ms, the time up to now included.
"""

import select
import socket
import sys
import time

EVERY_S = 0.01


def main(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    heard, longest, due = None, 0, time.monotonic()
    while True:
        wait = max(due - time.monotonic(), 0)
        ready, _, _ = select.select([sock, sys.stdin], [], [], wait)
        now = time.monotonic()
        if now >= due:
            due = now + EVERY_S
            try:
                sock.sendto(b"?", (address, 7))
            except OSError:
                pass  # there is no route at the moment
        if sock in ready:
            if heard is None:
                print("up", flush=True)
            else:
                longest = max(longest, now - heard)
            heard = now
            try:
                sock.recv(64)
            except OSError:
                pass
        if sys.stdin in ready:
            if not sys.stdin.readline():
                return
            print(round(1000 * max(longest, now - (heard or now))), flush=True)
            longest = 0


if __name__ == "__main__":
    main(*sys.argv[1:])
