"""What control-worker tells net-worker of servers that are probed (--withdraw)."""

import contextlib
import socket

import pytest
from control_worker import PATIENCE, ControlWorker

URL = "ws://127.0.0.1:9"  # nobody is there
OTHER = "127.0.0.2"


def server():
    return socket.create_server(("127.0.0.1", 0))


@pytest.fixture
def start(tmp_path):
    with contextlib.ExitStack() as stack:
        def run(*probes, **options):
            w = ControlWorker(tmp_path, URL, probes=probes, **options).ready()
            stack.callback(w.stop)
            return w
        yield run


def test_at_every_change_and_to_every_net_worker(start):
    with server() as stays, server() as goes:
        w = start(stays.getsockname(), (OTHER, goes.getsockname()[1]), withdraw=True).key()
        told = w.expect("PROBED", 3 * PATIENCE)
        assert told == {"answering": ["127.0.0.1"], "silent": [OTHER]}
        w.new_net_worker()
        w.key(bytes(32))
        assert w.expect("PROBED") == told
    w.quiet()


def test_only_where_it_is_wanted(start):
    with server() as stays:
        w = start(stays.getsockname()).key()
        w.wait_log("the server 127.0.0.1:", 3 * PATIENCE)
    w.quiet()
