"""posternctl drain, as control-worker carries it out: the parent and the portal are
told, and it is taken back; a successor goes on with it."""

import copy
import socket

import pytest
from control_worker import PATIENCE
from test_control_worker import AUTHORIZATION, CLIENT, INIT, RESOURCE


@pytest.fixture
def operator(tmp_path):
    """Where an operator asks; ask() gives the answer."""
    class Operator:
        path = tmp_path / "ctl.sock"

        def ask(self, line):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(PATIENCE)
                s.connect(str(self.path))
                s.sendall(line.encode() + b"\n")
                with s.makefile("rb") as file:
                    return file.read().decode()
    return Operator()


def go_online(listener, start, **options):
    w = start(f"ws://127.0.0.1:{listener.port}", **options).ready().key()
    return w, settle(listener, w)


def settle(listener, w):
    c = listener.online()
    c.push("init", INIT)
    w.init()
    return c


def test_drain_and_back(listener, start, operator):
    w, c = go_online(listener, start, ctl=operator.path)
    answer = operator.ask("drain text 60")
    assert answer.startswith("draining: 0 clients are connected; posternd ends")
    assert w.hear_parent("DRAIN") == {"order": 1, "within": 60}
    assert w.metrics()["postern_draining"] == 1
    assert '"drain":{"connections":0,"ends_at":' in operator.ask("status json")
    assert operator.ask("status text").startswith("posternd 0.1.0: not ready: ")
    assert c.closed()
    assert operator.ask("drain text cancel") == "not draining: clients are taken\n\0"
    assert w.hear_parent("DRAIN")["order"] == 0
    c = settle(listener, w)
    assert w.metrics()["postern_draining"] == 0
    c.push("create_authorization", AUTHORIZATION)
    w.expect("AUTHORIZATION")


def test_a_successor_goes_on(listener, start):
    """It hears what has been taken away, gives no access, and leaves."""
    w = start(f"ws://127.0.0.1:{listener.port}", draining=60).ready().key()
    c = listener.online()
    c.push("create_authorization", AUTHORIZATION)
    init = copy.deepcopy(INIT)
    init["authorizations"] = [
        {"client_id": CLIENT, "resource_id": RESOURCE, "expires_at": 1790000000}]
    c.push("init", init)
    messages, _ = w.init()
    assert "GRANTS_ENTRY" in [name for name, _ in messages]
    assert "AUTHORIZATION" not in [name for name, _ in messages]
    assert c.closed()
    assert w.metrics()["postern_draining"] == 1
    w.quiet()
