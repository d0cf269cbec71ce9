"""posternctl against daemons that are away, stuck, old, or break off."""

import os
import pathlib
import socket
import subprocess
import threading

import pytest

PROGRAM = os.environ.get("POSTERNCTL", str(pathlib.Path(
    os.environ.get("BUILD", pathlib.Path(__file__).parents[2] / "build"),
    "parent/posternctl")))


def ctl(path, *arguments):
    done = subprocess.run([PROGRAM, "-s", path, *arguments], capture_output=True,
                          text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def daemon(tmp_path):
    """Listens, and gives each request the answer; None: no answer at all."""
    path = str(tmp_path / "sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    requests, held = [], []

    def run(answer):
        def serve():
            connection, _ = listener.accept()
            held.append(connection)
            requests.append(connection.recv(4096).decode())
            if answer is not None:
                for part in answer:
                    connection.sendall(part)
                connection.close()
        threading.Thread(target=serve, daemon=True).start()
        return path, requests

    yield run
    listener.close()
    for connection in held:
        connection.close()


def test_no_daemon(tmp_path):
    status, out, err = ctl(str(tmp_path / "none"), "status")
    assert (status, out) == (1, "")
    assert "nobody listens there; is posternd running?" in err


def test_daemon_that_has_died(tmp_path):
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
    status, _, err = ctl(path, "status")
    assert status == 1 and "is posternd running?" in err


def test_stuck_daemon(daemon):
    path, _ = daemon(None)
    status, out, err = ctl(path, "status")
    assert (status, out) == (1, "")
    assert "posternd does not answer; is it starting, or stuck?" in err


def test_daemon_that_takes_no_connection(tmp_path):
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        waiting = []
        while True:
            waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
            if waiting[-1].connect_ex(path) != 0:
                break
        status, out, err = ctl(path, "status")
        for s in waiting:
            s.close()
    assert (status, out) == (1, "")
    assert "posternd does not answer; is it starting, or stuck?" in err


def test_older_daemon(daemon):
    for answer in [b"unknown request\n\0", b"unknown request\n\0" b"2"]:
        path, _ = daemon([answer])
        status, _, err = ctl(path, "relays")
        assert status == 1 and "posternd is older than this program" in err


@pytest.mark.parametrize("parts", [
    [b"\0" b"2", b"unknown request"], [b"unknown request\n\0" b"2"]])
def test_older_daemon_with_a_status(daemon, parts):
    path, _ = daemon(parts)
    status, _, err = ctl(path, "relays")
    assert status == 1 and "posternd is older than this program" in err


@pytest.mark.parametrize("parts", [
    [b"some\n\0" b"2no client\n  of\x1b[2J those"],
    [b"some\n", b"\0", b"2no cli", b"ent\n  of\x1b[2J those"]])
def test_what_is_wrong_is_no_answer(daemon, parts):
    path, _ = daemon(parts)
    assert ctl(path, "clients", "x") == (
        2, "some\n", "posternctl: no client\n  of?[2J those\n")


def test_no_problem_is_too_long(daemon):
    path, _ = daemon([b"\0" b"1" + b"x" * 5000, b"y" * 70000])
    status, out, err = ctl(path, "status")
    assert (status, out) == (1, "") and err.startswith("posternctl: xxx")


def test_no_permission(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("takes root")
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen()
        os.chmod(tmp_path, 0o700)
        done = subprocess.run([PROGRAM, "-s", path, "status"], user=65534, cwd="/",
                              capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and done.stdout == ""
    assert "permission denied" in done.stderr


def test_broken_off(daemon):
    path, _ = daemon([b"posternd: re"])
    status, out, err = ctl(path, "status")
    assert (status, out) == (1, "posternd: re")
    assert "broke the answer off" in err


@pytest.mark.parametrize("parts, status", [
    ([b"all\n\0"], 0), ([b"a", b"ll\n", b"\0"], 0), ([b"all\n\0" b"1"], 1),
    ([b"all\n", b"\0", b"2"], 2), ([b"all\n\0", b"1"], 1)])
def test_status_of_the_answer(daemon, parts, status):
    path, _ = daemon(parts)
    assert ctl(path, "status") == (status, "all\n", "")


def test_what_moves_the_cursor_is_not_printed(daemon):
    path, _ = daemon([b"\x1b[2J\x07J\xc3\xbcrgen\r\n\0"])
    assert ctl(path, "status") == (0, "?[2J?J\u00fcrgen?\n", "")


@pytest.mark.parametrize("arguments, request_line", [
    (["status"], "status text\n"), (["--json", "status"], "status json\n"),
    (["status", "-j"], "status json\n"), (["-w", "clients"], "clients wide\n"),
    (["relays", "--wide"], "relays wide\n"), (["resources"], "resources text\n"),
    (["log", "debug"], "log text debug\n"), (["netcheck"], "netcheck text\n"),
    (["flows"], "flows text\n"), (["-j", "flows", "Jane Doe"], "flows json Jane Doe\n"),
    (["flows", "-f"], "follow text\n"), (["--follow", "-w", "flows", "jane"], "follow wide jane\n"),
    (["drain"], "drain text 3600\n"), (["drain", "--within", "1h 30m"], "drain text 5400\n"),
    (["--within=7d", "-j", "drain"], "drain json 604800\n"),
    (["drain", "--cancel"], "drain text cancel\n"),
    (["clients", "Jane Doe"], "clients text Jane Doe\n"),
    (["-j", "explain", "Jane Doe", "tcp", "10.0.0.1:80"],
     "explain json tcp 10.0.0.1:80 Jane Doe\n")])
def test_requests(daemon, arguments, request_line):
    path, requests = daemon([b"\0"])
    assert ctl(path, *arguments)[0] == 0
    assert requests == [request_line]


@pytest.mark.parametrize("arguments, why", [
    ([], "there is no command"), (["frob"], "frob: there is no such command"),
    (["status", "more"], "status: it takes no argument, and is given 1 argument"),
    (["log"], "log: it takes LEVEL, and is given 0 arguments"),
    (["explain", "jane", "tcp"], "explain: it takes CLIENT PROTOCOL DESTINATION[:PORT], "
     "and is given 2 arguments"),
    (["clients", "a\nb"], "clients: an argument is too long, or has the end"),
    (["explain", "jane", "tcp 1.2.3.4:5", "x"], "explain: an argument is too long, or")])
def test_which_argument_is_wrong(tmp_path, arguments, why):
    status, out, err = ctl(str(tmp_path / "none"), *arguments)
    first, second = err.splitlines()[:2]
    assert (status, out) == (2, "")
    assert first.startswith(f"posternctl: {why}") and second.startswith("usage: ")


@pytest.mark.parametrize("arguments", [
    [], ["nothing"], ["status", "more"], ["-x", "status"], ["relays", "x"], ["explain"], ["log"],
    ["drain", "x"], ["drain", "--within", "0"], ["drain", "--within", "8d"],
    ["drain", "--within", "soon"], ["drain", "--within"], ["drain", "--within", "500ms"],
    ["drain", "--cancel", "--within", "1h"], ["status", "--cancel"], ["log", "info", "--within=1h"],
    ["explain", "jane", "tcp"], ["clients", "a", "b"], ["clients", "a\nb"],
    ["clients", "x" * 1000], ["flows", "a", "b"], ["-f", "clients"], ["-f", "top"], ["top", "x"],
    ["-j", "top"], ["-j", "debug"], ["-n", "0", "top"], ["-n", "1x", "top"], ["-n", "-1", "top"], ["-n", "", "top"],
    ["-n", "10000000", "top"], ["-n", "1", "status"], ["-n", "1", "flows"]])
def test_wrong_arguments(tmp_path, arguments):
    status, out, err = ctl(str(tmp_path / "none"), *arguments)
    assert (status, out) == (2, "") and "\nusage:" in err


def test_explain_has_a_status_of_its_own_for_failures(tmp_path, daemon):
    packet = ["explain", "jane", "tcp", "10.0.0.1:80"]
    assert ctl(str(tmp_path / "none"), *packet)[0] == 2
    path, _ = daemon([b"denied\n\0" b"1"])
    assert ctl(path, *packet) == (1, "denied\n", "")


def test_help(tmp_path):
    status, out, err = ctl(str(tmp_path / "none"), "--help")
    assert (status, err) == (0, "")
    assert all(len(line) <= 80 for line in out.splitlines())


def test_nothing_moves_the_terminal(daemon):
    path, _ = daemon([b"\x1b[2J \xc2\x9b31m \x9b \xe2\x80\xae \xe2\x81\xa6 \xc3\xbc \xf0\x9f\x98\x80 "
                      b"\xe2\x80 \xff\n\0"])
    status, out, _ = ctl(path, "status")
    assert (status, out) == (0, "?[2J ?31m ? ? ? \u00fc \U0001f600 ? ?\n")


@pytest.mark.parametrize("arguments", [[], ["--mask"]])
def test_nothing_in_a_report_moves_a_terminal(tmp_path, arguments):
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve():
            for _ in range(7):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"\x1b[2J\xe2\x80\xaeJ\xc3\xbcrgen\xc2\x9b1m\n\xc3\0")
        threading.Thread(target=serve, daemon=True).start()
        status, out, _ = ctl(path, "debug", "-o", "-", *arguments)
    assert status == 0 and out.count("?[2J?J\u00fcrgen?1m\n?") == 7
    assert all(c == "\n" or c.isprintable() for c in out)


def test_lines_that_follow_come_at_once(tmp_path):
    """And signs of life are not shown, nor taken for silence."""
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        program = subprocess.Popen([PROGRAM, "-s", path, "-f", "flows"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        try:
            connection, _ = listener.accept()
            assert connection.recv(4096) == b"follow text\n"
            for part in [b"a\n", b"\x16b", b"\x16\xc3", b"\xbc\n"]:
                connection.sendall(part)
            assert program.stdout.readline() == b"a\n"
            assert program.stdout.readline() == b"b\xc3\xbc\n"
            assert program.poll() is None
            connection.close()
            _, err = program.communicate(timeout=30)
            assert program.returncode == 1 and b"broke the answer off" in err
        finally:
            program.kill()
            program.wait()
