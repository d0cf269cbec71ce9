"""posternctl netcheck and debug with a real control-worker, at a portal that can
be reached and at others."""

import contextlib
import json
import re
import socket
import ssl
import subprocess
import threading

import pytest

from fake_portal import CLOSE, Listener
from test_control_worker import AUTHORIZATION, INIT, NameServer, _certificates
from test_posternctl import PROGRAM

NET = 1  # enum ipc_process
CLIENT = "3abd725a-733b-4801-ac16-72f26cd98a24"
RELAYS = ["8abd725a-733b-4801-ac16-72f26cd98a24", "9abd725a-733b-4801-ac16-72f26cd98a24"]
LOCAL = ("10.0.0.4", 52625)


@pytest.fixture
def ctl(tmp_path):
    return tmp_path / "ctl.sock"


@pytest.fixture
def worker(start, ctl):
    def run(*args, **options):
        w = start(*args, ctl=ctl, **options).ready()
        w.tell("PROCESS_STATUS", process=NET, running=True, silent=False, pid=1, uid=1, locks=0, restarts=0,
               started_at=1)
        return w.key()
    return run


def relay(number, mapped):
    return {"relay": RELAYS[number], "v4": (f"203.0.113.{number + 1}", 3478), "v6": None,
            "relayed_v4": ("203.0.113.1", 50000), "relayed_v6": None, "answers": True,
            "rtt_us": 2500, "rtt_v4_us": 2500, "rtt_v6_us": 0, "local_v4": LOCAL,
            "local_v6": None, "mapped_v4": mapped, "mapped_v6": None}


class NetWorker(threading.Thread):
    """Answers queries: of relays with these, and of nobody else."""

    def __init__(self, worker, relays=()):
        super().__init__(daemon=True)
        self.worker, self.relays, self.over = worker, relays, False

    def run(self):
        while not self.over:
            with contextlib.suppress(TimeoutError):
                kind, q = self.worker.hear(0.1)
                if kind != "QUERY":
                    continue
                for r in self.relays if q["kind"] == 2 else ():
                    self.worker.say("QUERY_RELAY", serial=q["serial"], **r)
                self.worker.say("QUERY_END", serial=q["serial"], more=False, next=0, next_grant=0)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()


def posternctl(ctl, *args):
    return subprocess.run([PROGRAM, "-s", str(ctl), *args], capture_output=True, text=True,
                          timeout=30)


def netcheck(worker, ctl, relays=()):
    """The checks, by their name and maybe family: lists of verdict and text."""
    with NetWorker(worker, relays):
        done = posternctl(ctl, "-j", "netcheck")
    answer = json.loads(done.stdout)
    checks = {}
    for c in answer["checks"]:
        name = c["check"] + (" " + c["family"] if c["family"] else "")
        checks.setdefault(name, []).append(c)
    wrong = [c for c in answer["checks"] if c["verdict"] == "not ok"]
    assert answer["ok"] == (not wrong)
    assert done.returncode == (3 if wrong else 0), done
    return {name: (c[0] if len(c) == 1 else c) for name, c in checks.items()}


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_all_there_is_to_say(tmp_path, worker, ctl, version):
    context, ca = _certificates(tmp_path, "DNS:portal.test")
    if version == "TLSv1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    listener, server = Listener(tls=context), NameServer("127.0.0.77")
    try:
        w = worker(f"wss://portal.test:{listener.port}", ca=ca,
                   resolv_conf="nameserver 127.0.0.77\nnameserver 127.0.0.78\n")
        c = listener.accept().upgrade(extra=[("Date", "Thu, 01 Jan 2026 00:00:00 GMT")])
        c.join()
        w.wait_log("portal: online")
        seen = netcheck(w, ctl, [relay(0, ("192.0.2.9", 52625)), relay(1, ("192.0.2.9", 52625))])
        assert {name: c["verdict"] for name, c in seen.items() if name in (
            "name", "connection", "tls", "login", "clock", "nat ipv4")} == {
                "name": "ok", "connection": "ok", "tls": "ok", "login": "ok", "clock": "not ok",
                "nat ipv4": "ok"}
        assert seen["name"]["text"] == "portal.test is 127.0.0.1"
        assert seen["connection"]["address"] == f"127.0.0.1:{listener.port}"
        assert seen["tls"]["version"] == version and seen["tls"]["issuer"] == "test CA"
        assert 0 < seen["tls"]["not_after"] - seen["tls"]["not_before"] <= 2 * 86400
        assert seen["nat ipv4"]["kind"] == "endpoint-independent"
        live, dead = seen["dns"]
        assert live["verdict"] == "ok" and live["server"] == "127.0.0.77"
        assert live["took_us"] < 2000000
        # Nobody listens there, which the kernel says at once.
        assert dead["verdict"] == "not ok" and "does not answer" in dead["text"]
        assert [r["rtt_us"] for r in seen["relay ipv4"]] == [2500, 2500]
        # A newer libcurl takes the session up again, which brings no certificate.
        c.drop()
        listener.online()
        w.wait_log("portal: online", times=2)
        assert netcheck(w, ctl)["tls"]["issuer"] == "test CA"
    finally:
        server.close()
        listener.close()


def test_kinds_of_nat(listener, worker, ctl):
    w = worker(f"ws://127.0.0.1:{listener.port}")
    listener.online()
    one, other = relay(0, ("192.0.2.9", 1024)), relay(1, ("192.0.2.9", 1025))
    assert netcheck(w, ctl, [one])["nat ipv4"]["text"].startswith("unknown: one relay")
    seen = netcheck(w, ctl, [one, other])
    assert seen["nat ipv4"]["kind"] == "address-dependent"
    assert "name" not in seen and seen["tls"]["verdict"] == "not ok"
    assert netcheck(w, ctl, [relay(0, LOCAL)])["nat ipv4"]["kind"] == "none"


def failing_step(w, ctl, step):
    """What it says; what is behind it is not known."""
    steps = ["name", "connection", "tls", "login"]
    w.wait_log("next attempt")
    seen = netcheck(w, ctl)
    for name in steps[:steps.index(step)]:
        assert name not in seen or seen[name]["verdict"] == "ok", seen[name]
    for name in steps[steps.index(step) + 1:]:
        assert seen[name]["verdict"] == "unknown", seen[name]
    assert seen[step]["verdict"] == "not ok"
    return seen[step]["text"]


def test_refused(worker, ctl):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    text = failing_step(worker(f"wss://127.0.0.1:{port}"), ctl, "connection")
    assert re.match(rf"127.0.0.1:{port}: Connection refused, \d+s ago: ", text)


def test_no_tls_there(listener, tmp_path, worker, ctl):
    """An HTTP server that is spoken to in TLS."""
    _, ca = _certificates(tmp_path, "IP:127.0.0.1")

    def serve():
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.socket.accept()
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    threading.Thread(target=serve, daemon=True).start()
    w = worker(f"wss://127.0.0.1:{listener.port}", ca=ca)
    text = failing_step(w, ctl, "tls")
    assert text.startswith("the server does not speak TLS there: is it http://")
    w.wait_log("portal: the server does not speak TLS there")


def test_untrusted(tmp_path, worker, ctl):
    context, _ = _certificates(tmp_path, "IP:127.0.0.1")
    other = tmp_path / "other"
    other.mkdir()
    _, ca = _certificates(other, "IP:127.0.0.1")
    listener = Listener(tls=context)

    def serve():
        while True:
            try:
                listener.accept()
            except TimeoutError:
                return
            except OSError:
                if listener.socket.fileno() == -1:
                    return
    threading.Thread(target=serve, daemon=True).start()
    text = failing_step(worker(f"wss://127.0.0.1:{listener.port}", ca=ca), ctl, "tls")
    assert 'issued by "test CA"' in text
    listener.close()


def test_refused_login(listener, worker, ctl):
    w = worker(f"ws://127.0.0.1:{listener.port}")
    listener.accept().request().answer(503)
    w.wait_log("next attempt")
    # The next one has come no farther yet: what is known is of the one before.
    second = listener.accept().request()
    login = netcheck(w, ctl)["login"]
    assert login["verdict"] == "not ok" and "HTTP status 503" in login["text"]
    second.switch().join()
    w.wait_log("portal: online")
    assert netcheck(w, ctl)["login"]["verdict"] == "ok"


def test_who_drains_has_left(listener, worker, ctl):
    w = worker(f"ws://127.0.0.1:{listener.port}", draining=60)
    c = listener.online()
    c.push("init", INIT)
    while c.receive()[0] != CLOSE:
        continue
    c.drop()
    login = netcheck(w, ctl)["login"]
    assert (login["verdict"], login["text"]) == ("ok", "left, since posternd drains")


def test_no_dns(worker, ctl):
    w = worker("wss://portal.test", resolv_conf="nameserver 127.0.0.78\n")
    assert "portal.test" in failing_step(w, ctl, "name")
    assert netcheck(w, ctl)["dns"]["verdict"] == "not ok"


def test_for_people(worker, ctl):
    w = worker("wss://portal.test", resolv_conf="nameserver 127.0.0.78\n")
    w.wait_log("next attempt")
    with NetWorker(w):
        done = posternctl(ctl, "netcheck")
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert re.match(r"\d+ of \d+ checks are not ok", lines[0])
    assert all(len(line) <= 80 for line in lines)
    assert any(re.match(r"not ok  dns +127.0.0.78 does not", line) for line in lines)


SECRETS = [".gateway-token", "relay-password", "relay-user", AUTHORIZATION["client"]["preshared_key"],
           AUTHORIZATION["client_ice_credentials"]["password"],
           AUTHORIZATION["gateway_ice_credentials"]["password"]]


@pytest.mark.parametrize("mask", [False, True])
def test_debug(listener, tmp_path, worker, ctl, mask):
    w = worker(f"ws://127.0.0.1:{listener.port}", token=SECRETS[0])
    c = listener.online()
    c.push("init", {
        "interface": {"ipv4": "100.64.17.9", "ipv6": "fd00:2021:1111::11:9"},
        "account_slug": "acme", "authorizations": [], "relays": [
            {"id": RELAYS[0], "type": "turn", "addr": "203.0.113.1:3478",
             "username": SECRETS[2], "password": SECRETS[1], "expires_at": 2000000000}]})
    w.init()
    c.push("create_authorization", AUTHORIZATION)
    w.expect("AUTHORIZATION")
    w.tell("TUN_CONFIGURED", v4=True, v6=True)
    report = tmp_path / "report"
    arguments = ["debug", "-o", str(report)] + ["--mask"] * mask
    with NetWorker(w, [relay(0, ("192.0.2.9", 1024))]):
        done = posternctl(ctl, *arguments)
    assert (done.returncode, done.stdout) == (0, f"{report}\n"), done
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text()
    assert re.findall("^==> (.*) <==$", text, re.M) == [
        "host", "options", "status", "netcheck", "clients", "resources", "relays", "metrics",
        "log"]
    for secret in SECRETS:
        assert secret not in text
    assert "# the token: the variable FIREZONE_TOKEN" in text
    for told in RELAYS[0], "203.0.113.1", "192.0.2.9", "100.64.17.9":
        assert (told in text) == (not mask), told
    if mask:
        assert '"relay":"relay-1"' in text and re.search(r"\baddress-2\b", text)
    # Nothing is written over.
    done = posternctl(ctl, *arguments)
    assert done.returncode == 1 and "File exists" in done.stderr


def test_debug_without_a_daemon(tmp_path):
    done = posternctl(tmp_path / "none", "debug", "-o", "-")
    assert done.returncode == 1
    assert done.stdout.count("nobody listens there; is posternd running?") == 7
    assert "not all has been answered" in done.stderr


@pytest.mark.parametrize("arguments", [
    ["--mask", "status"], ["-o", "x", "relays"], ["debug", "x"], ["netcheck", "x"]])
def test_wrong_arguments(tmp_path, arguments):
    done = posternctl(tmp_path / "none", *arguments)
    assert done.returncode == 2 and "\nusage:" in done.stderr
