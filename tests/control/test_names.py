"""What clients and resources are called, in the log of control-worker."""

import copy
import os
import signal

from control_worker import bound
from test_control_worker import AUTHORIZATION, CLIENT, INIT, RESOURCE

NAMED = copy.deepcopy(AUTHORIZATION)
NAMED["client"] |= {"device_os_name": "macOS", "device_os_version": "15.5"}
NAMED["subject"] = {"actor_name": "Jane", "actor_email": "jane@acme.com"}
IDS = f"(client {CLIENT}, resource {RESOURCE})"


def go_online(listener, start, **options):
    w = start(f"ws://127.0.0.1:{listener.port}", **options).ready().key()
    c = listener.online()
    c.push("init", INIT)
    w.init()
    return w, c


def test_names_in_the_log(listener, start):
    w, c = go_online(listener, start)
    c.push("create_authorization", NAMED)
    w.expect("AUTHORIZATION")
    w.wait_log(f"authorized: jane@acme.com, macOS 15.5 -> Office {IDS}")
    c.push("reject_access", {"client_id": CLIENT, "resource_id": RESOURCE})
    w.expect("REVOCATION")
    w.wait_log(f"revoked: jane@acme.com, macOS 15.5 -> Office {IDS}")


def test_hostile_names_in_the_log(listener, start):
    w, c = go_online(listener, start)
    hostile = copy.deepcopy(NAMED)
    hostile["subject"]["actor_email"] = "a\r\nb\x1b[2J\u202e\x00" + "\u00e4" * 5000
    hostile["resource"]["name"] = "\u2066x\u2028y"
    c.push("create_authorization", hostile)
    w.expect("AUTHORIZATION")
    # As much of the address as there is room for, in whole characters.
    w.wait_log("authorized: a b[2J" + "\u00e4" * 61 + f", macOS 15.5 -> x y {IDS}")


def test_no_names(listener, start):
    w, c = go_online(listener, start, no_names=True)
    c.push("create_authorization", NAMED)
    w.expect("AUTHORIZATION")
    c.push("reject_access", {"client_id": CLIENT, "resource_id": RESOURCE})
    w.expect("REVOCATION")
    w.shut_down()
    for word in ("jane", "macOS", "Office"):
        assert word not in w.text()


def memory():
    fd = os.memfd_create("names")
    os.truncate(fd, bound("NAMES_MEMORY"))
    return fd


def test_names_for_a_successor(listener, start):
    names = memory()
    w, c = go_online(listener, start, names=names)
    c.push("create_authorization", NAMED)
    w.expect("AUTHORIZATION")
    w.process.send_signal(signal.SIGKILL)
    w.process.wait()
    c.drop()
    w, c = go_online(listener, start, names=names)
    w.wait_log("2 names of clients and resources are known from before")
    c.push("reject_access", {"client_id": CLIENT, "resource_id": RESOURCE})
    w.expect("REVOCATION")
    w.wait_log(f"revoked: jane@acme.com, macOS 15.5 -> Office {IDS}")
    os.close(names)
