"""posternctl top against a daemon that is played here: rates between two
samples, as text and on a terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

from test_posternctl import PROGRAM

ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l\x1b[?7l", b"\x1b[?7h\x1b[?25h\x1b[?1049l"


def uuid(number):
    return f"{number:08x}-0000-0000-0000-000000000000"


def sample(clients=2):
    """Each one is two seconds later; the first client has moved 1000 bytes
    more, and 3000 of its resource have come back."""
    n = sample.number = sample.number + 1
    lines = [f"time {1000 + 2000 * n}", f"total {1000 * n} {n} {3000 * n} {n}"]
    for i in range(clients):
        moved = n if i == clients - 1 else 0
        lines.append(f"client {uuid(i)} {1000 * moved} {moved} 0 0 {'user%d@acme.com' % i:32} ")
    lines += [f"resource {uuid(0)} 0 0 0 0 {'others, and none':32} ",
              f"resource {uuid(7)} 0 0 {3000 * n} {n} {'Office':32} ",
              f"resource {uuid(9)} 0 0 0 0 {'Shed':32} ", "end", ""]
    return "\n".join(lines).encode() + b"\0"


@pytest.fixture
def daemon(tmp_path):
    """Gives each connection an answer of make()."""
    path = str(tmp_path / "sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    requests = []
    sample.number = 0

    def run(make):
        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    requests.append(connection.recv(4096).decode())
                    connection.sendall(make())
        threading.Thread(target=serve, daemon=True).start()
        return path, requests

    yield run
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def top(path, *arguments):
    done = subprocess.run([PROGRAM, "-s", path, *arguments, "top"], capture_output=True,
                          text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_tables(daemon):
    path, requests = daemon(sample)
    status, out, err = top(path, "-n", "2")
    assert (status, err) == (0, "")
    assert requests == ["top text\n"] * 3
    assert re.fullmatch(r"""(\d\d:\d\d:\d\d  2 clients: from them 4\.0k bit/s, to them 12\.0k, 1 packets/s

client   who                              from bit/s   to bit/s  packets/s
00000001 user1@acme\.com +4\.0k          0          0
00000000 user0@acme\.com +0          0          0

resource name                             from bit/s   to bit/s  packets/s
00000007 Office +0      12\.0k          0
00000009 Shed +0          0          0
-        others, and none +0          0          0

){2}""", out)
    assert all(len(line) <= 80 for line in out.splitlines())


def test_many_clients(daemon):
    path, requests = daemon(lambda: sample(300))
    status, out, _ = top(path, "-n", "1")
    assert status == 0 and out.count("@acme.com") == 20 and "\nand 280 more\n" in out
    assert out.split("packets/s\n")[2].startswith("0000012b user299@acme.com ")
    status, out, _ = top(path, "-w", "-n", "1")
    assert out.count("@acme.com") == 300 and "more" not in out
    assert requests[-1] == "top wide\n"


@pytest.mark.parametrize("answer, said", [
    (b"time 1\nproblem net-worker does not answer\n\0" b"1", "net-worker does not answer"),
    (b"time 1\n\0", "are both of one version?"), (b"permission denied\n\0" b"2", "may this user ask?"),
    (b"unknown request\n\0" b"2", "posternd is older"), (b"time 1\nen", "broke the answer off")])
def test_no_answer(daemon, answer, said):
    path, _ = daemon(lambda: answer)
    status, out, err = top(path)
    assert (status, out) == (1, "") and said in err


def test_nothing_of_the_daemon_moves_the_terminal(daemon):
    path, _ = daemon(lambda: sample().replace(b"Office", b"\x1b[2J\xc2\x9b"))
    assert "00000007 ?[2J? " in top(path, "-n", "1")[1]


def test_nor_does_what_it_says_is_wrong(daemon):
    path, _ = daemon(lambda: b"time 1\nproblem \x1b]0;x\x07\xc2\x9b2J\n\0" b"1")
    assert top(path) == (1, "", "posternctl: ?]0;x??2J\n")


class Terminal:
    """posternctl top on one of so many lines."""

    def __init__(self, path, rows=24, term="xterm"):
        self.master, slave = pty.openpty()
        self.resize(rows)
        self.seen = b""
        self.program = subprocess.Popen(
            [PROGRAM, "-s", path, "top"], stdin=slave, stdout=slave, stderr=slave,
            env={**os.environ, "TERM": term}, start_new_session=True)
        os.close(slave)

    def resize(self, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))

    def read_until(self, wanted, seconds=60):
        """What has come up to then, and is not looked at again."""
        limit = time.monotonic() + seconds
        while wanted not in self.seen:
            assert time.monotonic() < limit, self.seen
            if select.select([self.master], [], [], 1)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:  # nobody has the other side any more
                    assert wanted in self.seen, self.seen
        before, self.seen = self.seen.split(wanted, 1)
        return before + wanted

    def close(self):
        self.program.kill()
        self.program.wait()
        os.close(self.master)


@pytest.fixture
def terminal():
    all_of_them = []

    def run(*arguments):
        all_of_them.append(Terminal(*arguments))
        return all_of_them[-1]

    yield run
    for t in all_of_them:
        t.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_screen_is_given_back(daemon, terminal, number):
    path, _ = daemon(lambda: sample(300))
    t = terminal(path)
    t.read_until(ENTER)
    t.read_until(b"\x1b[H")
    t.read_until(b"\x1b[H")  # behind "measuring"
    frame = t.read_until(b"\x1b[J")
    assert frame.count(b"\n") == 23 and b"300 clients" in frame and b"Office" in frame
    t.program.send_signal(number)
    t.read_until(LEAVE)
    assert t.program.wait(timeout=30) == -number


def test_screen_fits_the_window(daemon, terminal):
    path, _ = daemon(lambda: sample(300))
    t = terminal(path, 10)
    t.read_until(b"300 clients")
    assert t.read_until(b"\x1b[J").count(b"\n") == 9
    t.resize(40)
    t.program.send_signal(signal.SIGWINCH)
    limit = time.monotonic() + 60
    while t.read_until(b"\x1b[J").count(b"\n") != 39:  # one more may have been drawn before
        assert time.monotonic() < limit


def test_screen_and_a_daemon_that_goes(daemon, terminal):
    answers = [sample(), sample()]
    path, _ = daemon(lambda: answers.pop(0) if answers else b"")
    t = terminal(path)
    t.read_until(ENTER)
    t.read_until(LEAVE)
    t.read_until(b"posternd broke the answer off")
    assert t.program.wait(timeout=30) == 1


def test_terminal_that_cannot(daemon, terminal):
    path, _ = daemon(sample)
    t = terminal(path, 24, "dumb")
    assert b"\x1b" not in t.read_until(b"Office")
