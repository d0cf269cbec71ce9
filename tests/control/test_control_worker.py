"""control-worker against contrib/portal and against a portal that misbehaves."""

import hashlib
import json
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from control_worker import TABLE, Portal
from fake_portal import Listener
from websocket_frames import BINARY, CLOSE, PING, PONG, frame

CLIENT = "3abd725a-733b-4801-ac16-72f26cd98a24"
RESOURCE = "c7793628-8579-465b-83e3-1a5d4af4db3b"
INIT = {
    "interface": {"ipv4": "100.64.17.9", "ipv6": "fd00:2021:1111::11:9"},
    "relays": [], "authorizations": [], "account_slug": "acme",
}
AUTHORIZATION = {
    "ref": "SFMyNTY.g2gDbQAA",
    "client": {
        "id": CLIENT, "public_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "preshared_key": "rq1Lza3benj3b0JlLrPECTtPoyvro2thAwued7JDLsU=",
        "ipv4": "100.93.74.51", "ipv6": "fd00:2021:1111::f:853b"},
    "resource": {
        "id": RESOURCE, "type": "cidr", "name": "Office", "address": "172.20.0.0/16",
        "filters": [{"protocol": "tcp", "port_range_start": 443, "port_range_end": 443},
                    {"protocol": "icmp"}]},
    "client_ice_credentials": {"username": "4y2x", "password": "ruvkmmk6flk66jpbphvows"},
    "gateway_ice_credentials": {"username": "qwg5", "password": "tf2tuiorzcc4zbmoestrkq"},
    "expires_at": 1790000000,
}
LINE = "candidate:1 1 udp 1694498559 198.51.100.7 47717 typ srflx raddr 0.0.0.0 rport 0"


@pytest.fixture
def portal(tmp_path):
    p = Portal(tmp_path)
    yield p
    p.stop()


@pytest.fixture
def online(listener, start):
    """A worker that has had an init, and the portal's end of its connection."""
    w = start(f"ws://127.0.0.1:{listener.port}").ready().key()
    c = listener.online()
    c.push("init", INIT)
    w.init()
    return w, c


def test_gives_a_sign_of_life(online):
    w, _ = online
    for serial in (1, 2, 7):
        w.tell("CONTROL_PULSE", serial=serial)
        assert w.hear_parent("CONTROL_ALIVE") == {"serial": serial}


def test_joins_and_passes_on_an_init(portal, start):
    w = start(f"ws://127.0.0.1:{portal.port}").ready().key()
    messages, tun = w.init()
    assert [name for name, _ in messages] == [
        "FLOW_SETTINGS", "RELAYS_BEGIN", "RELAY_PRESENT", "RELAYS_COMMIT", "INTERFACE",
        "GRANTS_BEGIN", "GRANTS_COMMIT"]
    relay = messages[2][1]
    assert relay["v4"] == ("203.0.113.5", 3478)
    assert relay["v6"] == ("2001:db8::5", 3478)
    assert messages[4][1] == tun
    w.wait_log("portal: online")
    assert w.private_hosts == [["127.0.0.1"]]
    w.shut_down()


def test_comes_back_after_every_kind_of_loss(portal, start):
    w = start(f"ws://127.0.0.1:{portal.port}").ready().key()
    w.init()
    for command, options in (("drop", {}), ("drop", {"abort": True}), ("phx_close", {}),
                             ("send_raw", {"text": '{"topic":'})):
        portal.ctl(command, kind="gateway", **options)
        w.init()
    portal.stop()
    w.wait_log("next attempt")
    portal.start()
    w.init()


def test_token_expired_is_the_end(portal, start):
    w = start(f"ws://127.0.0.1:{portal.port}").ready().key()
    w.init()
    portal.ctl("disconnect", kind="gateway", reason="token_expired")
    fatal = w.hear_parent("CONTROL_FATAL")
    assert fatal["status"] == 1 and "token_expired" in fatal["reason"]


def test_wrong_token_is_the_end(portal, start):
    w = start(f"ws://127.0.0.1:{portal.port}", token="wrong").ready().key()
    fatal = w.hear_parent("CONTROL_FATAL")
    assert fatal["status"] == 1
    assert fatal["reason"] == \
        "the portal refused the token (invalid_token): check the variable FIREZONE_TOKEN"
    w.shut_down()


def test_wrong_url_is_the_end(start):
    w = start("ftp://127.0.0.1")
    fatal = w.hear_parent("CONTROL_FATAL")
    assert fatal["status"] == 2 and "FIREZONE_API_URL" in fatal["reason"]


def test_request(listener, start):
    key = bytes(range(0x20, 0x40))
    w = start(f"ws://127.0.0.1:{listener.port}/base/?x=1", token=" .SF My x",
              external_id="6f1c9c0e-2e1d-4d0c-9b1a-1c0f5d7b8a90",
              name="Gate & Way/ä").ready().key(key)
    c = listener.accept().upgrade()
    assert c.path == "/base/gateway/v2/websocket"
    assert c.query == [
        ("external_id", "09bf23d265f306f12948e66eecef86cce967f6e09d64ea8d63a3e49cf3af10d3"),
        ("name", "Gate & Way/ä"),
        ("public_key", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=")]
    assert c.headers["host"] == "127.0.0.1"
    assert c.headers["x-authorization"] == "Bearer .SFMyx"
    assert c.headers["user-agent"] == "Debian/12 gateway/1.6.1 (x86_64; 6.1.0)"
    assert not {"origin", "sec-websocket-protocol", "sec-websocket-extensions",
                "authorization"} & set(c.headers)
    c.join()
    w.shut_down()


def test_nothing_before_the_join_is_answered(listener, start):
    w = start(f"ws://127.0.0.1:{listener.port}").ready().key()
    c = listener.accept().upgrade()
    w.say("LOCAL_CANDIDATES", client=CLIENT, withdrawn=0, lines=LINE + "\n")
    w.say("NO_RELAYS")
    assert c.hear()["event"] == "phx_join"
    c.quiet()
    c.reply(0)
    assert c.hear()["event"] == "set_snownet_capabilities"
    assert c.hear() == {
        "topic": "gateway", "event": "broadcast_ice_candidates", "ref": 2,
        "payload": {"client_ids": [CLIENT], "candidates": [LINE]}}
    c.quiet()


def test_first_frames_may_come_with_the_upgrade(listener, start):
    w = start(f"ws://127.0.0.1:{listener.port}").ready().key()
    reply = {"event": "phx_reply", "ref": 0, "topic": "gateway",
             "payload": {"status": "ok", "response": {}}}
    push = {"event": "init", "ref": None, "topic": "gateway", "payload": INIT}
    c = listener.accept()
    c.upgrade(then=frame("", PING))
    assert c.receive()[0] in (1, PONG)
    c.send(json.dumps(reply)[:20], fin=False)
    c.send(json.dumps(reply)[20:], opcode=0)
    c.send(json.dumps(push))
    w.init()


def test_authorization_and_acknowledgement(online):
    w, c = online
    c.push("create_authorization", AUTHORIZATION)
    a = w.expect("AUTHORIZATION")
    assert a["client"] == CLIENT and a["resource"] == RESOURCE
    assert a["public_key"] == bytes(range(32))
    assert a["client_v4"] == "100.93.74.51"
    assert (a["type"], a["network"]) == (1, "172.20.0.0/16")
    assert a["filters"] == [(1, 443, 443), (3, 0, 65535)]
    assert a["local_username"] == "qwg5" and a["remote_username"] == "4y2x"
    assert a["expires_at"] == 1790000000 and a["use_iceless"] == 0
    w.say("ACKNOWLEDGED", serial=a["serial"])
    w.say("LOCAL_CANDIDATES", client=CLIENT, withdrawn=0, lines=LINE + "\n")
    assert c.hear() == {"topic": "gateway", "event": "authorization_created",
                        "payload": {"ref": AUTHORIZATION["ref"]}, "ref": 2}
    assert c.hear()["event"] == "broadcast_ice_candidates"
    # A serial is good for one acknowledgement, and a refused one for none.
    w.say("ACKNOWLEDGED", serial=a["serial"])
    c.push("create_authorization", AUTHORIZATION)
    serial = w.expect("AUTHORIZATION")["serial"]
    w.say("REFUSED", serial=serial)
    w.say("ACKNOWLEDGED", serial=serial)
    c.quiet()


def test_authorization_before_init_is_not_acknowledged(listener, start):
    w = start(f"ws://127.0.0.1:{listener.port}").ready().key()
    c = listener.online()
    c.push("create_authorization", AUTHORIZATION)
    w.wait_log("no init has come yet")
    w.quiet()


def test_other_pushes(online):
    w, c = online
    c.push("reject_access", {"client_id": CLIENT, "resource_id": RESOURCE})
    assert w.expect("REVOCATION") == {"client": CLIENT, "resource": RESOURCE}
    c.push("resource_updated", {"id": RESOURCE, "type": "cidr", "filters": [
        {"protocol": "sctp"}]})
    update = w.expect("RESOURCE_UPDATE")
    assert update["filters"] == [(1, 1, 0)], "permits nothing"
    c.push("ice_candidates", {"client_id": CLIENT, "candidates": ["x", 5, LINE, "candidate:"]})
    assert w.expect("REMOTE_CANDIDATES") == {
        "client": CLIENT, "withdrawn": 0, "lines": LINE + "\n"}
    c.push("invalidate_ice_candidates", {"client_id": CLIENT, "candidates": [LINE]})
    assert w.expect("REMOTE_CANDIDATES")["withdrawn"] == 1
    c.push("relays_presence", {"disconnected_ids": [RESOURCE], "connected": []})
    assert [w.hear()[0] for _ in range(3)] == [
        "RELAYS_BEGIN", "RELAY_REMOVED", "RELAYS_COMMIT"]


def test_what_is_not_understood_is_survived(online):
    w, c = online
    c.send(b"\x00\x01", BINARY)
    c.send("no json")
    c.send('{"topic":"gateway"}')
    c.send("[" * 100 + "]" * 100)
    c.push("from_the_future", {})
    c.push("reject_access", {"client_id": CLIENT, "resource_id": RESOURCE}, topic="other")
    c.push("reject_access", {"client_id": CLIENT})
    c.push("phx_error", {})
    c.push("disconnect", {"reason": "certificate_revoked"})
    c.send("ping", PING)
    assert c.receive() == (PONG, b"ping")
    c.push("reject_access", {"client_id": CLIENT, "resource_id": RESOURCE})
    w.expect("REVOCATION")


def test_unmatched_topic_joins_again(online):
    w, c = online
    c.reply(7, "error", {"reason": "unmatched topic"})
    join = c.hear()
    assert join["event"] == "phx_join" and join["ref"] == 2
    c.reply(2)
    assert c.hear()["event"] == "set_snownet_capabilities"


def test_channel_that_broke_down_is_left(online, listener):
    w, c = online
    c.push("phx_error", {})
    # Portals before mid 2026 neither close nor join, and answer heartbeats.
    w.wait_log("which did not close the connection within 5 s; next attempt")
    listener.online()


def test_join_refused_is_the_end(listener, start):
    w = start(f"ws://127.0.0.1:{listener.port}").ready().key()
    c = listener.accept().upgrade()
    c.hear()
    c.reply(0, "error", {"reason": "disabled"})
    assert w.hear_parent("CONTROL_FATAL")["reason"] == "the portal refused the login: disabled"


def test_close_is_answered(online, listener):
    w, c = online
    c.send(struct.pack(">H", 1012) + b"restart", CLOSE)
    assert c.receive() == (CLOSE, struct.pack(">H", 1012) + b"restart")
    w.wait_log("the portal closed the connection with 1012 restart; next attempt")
    listener.online()


def test_shutdown_closes_with_1000(online):
    w, c = online
    w.tell("CONTROL_SHUTDOWN")
    assert c.receive() == (CLOSE, struct.pack(">H", 1000))
    c.send(struct.pack(">H", 1000), CLOSE)
    assert w.process.wait(5) == 0


def test_shutdown_does_not_wait_for_a_silent_portal(online):
    w, _ = online
    begin = time.monotonic()
    w.shut_down()
    assert time.monotonic() - begin < 3


def test_held_candidates_are_told_once(online, listener):
    w, c = online
    c.drop()
    w.wait_log("next attempt")
    gone, other = CLIENT.replace("3", "4"), CLIENT.replace("3", "5")
    w.say("LOCAL_CANDIDATES", client=CLIENT, withdrawn=0, lines=f"{LINE}\n")
    w.say("LOCAL_CANDIDATES", client=gone, withdrawn=0, lines=f"{LINE}\n")
    w.say("LOCAL_CANDIDATES", client=other, withdrawn=0, lines=f"{LINE}\n")
    w.say("LOCAL_CANDIDATES", client=other, withdrawn=1, lines=f"{LINE}\n")
    w.say("CONNECTION_CLOSED", client=gone)
    c = listener.online()
    assert c.hear()["payload"] == {"client_ids": [CLIENT], "candidates": [LINE]}
    c.quiet()


def test_no_relays_is_throttled(online):
    w, c = online
    for _ in range(20):
        w.say("NO_RELAYS")
    assert c.hear() == {"topic": "gateway", "event": "no_relays", "payload": {}, "ref": 2}
    c.quiet(1)
    assert c.hear()["event"] == "no_relays"


@pytest.mark.parametrize("status", [301, 400, 403, 404, 429, 500])
def test_other_statuses_are_tried_again(listener, start, status):
    w = start(f"ws://127.0.0.1:{listener.port}").ready().key()
    listener.accept().request().answer(status, [("Location", "http://127.0.0.1:1/")])
    w.wait_log(f"HTTP status {status}")
    listener.online()


def test_retry_after(listener, start):
    w = start(f"ws://127.0.0.1:{listener.port}").ready().key()
    listener.accept().request().answer(503, [("Retry-After", "2")])
    begin = time.monotonic()
    listener.online()
    assert 1.9 < time.monotonic() - begin < 3.5
    assert "next attempt in 2.0 s" in w.text()


def test_conflict_does_not_use_the_budget_up(listener, start):
    w = start(f"ws://127.0.0.1:{listener.port}").ready().key()
    for _ in range(3):
        listener.accept().request().answer(409)
    listener.online()
    assert "HTTP status 409" in w.text()


@pytest.mark.parametrize("changes", [
    {"Sec-WebSocket-Accept": "AAAA"}, {"Upgrade": "h2c"}, {"Connection": "close"},
    {"Sec-WebSocket-Protocol": "x"}])
def test_wrong_upgrades_are_tried_again(listener, start, changes):
    w = start(f"ws://127.0.0.1:{listener.port}").ready().key()
    listener.accept().upgrade(**changes)
    w.wait_log("is no WebSocket")
    listener.online()


def test_too_long_a_message_is_refused(online, listener):
    w, c = online
    with pytest.raises(OSError):
        while True:
            c.send(b"[" + b" " * 1000000, opcode=1, fin=False)
            for _ in range(20):
                c.send(b" " * 1000000, opcode=0, fin=False)
    w.wait_log("next attempt")
    listener.online()


def test_long_lists_are_paced(online):
    """More grants than the channel's queue takes, read slowly."""
    w, c = online
    count = 20000
    c.push("init", {**INIT, "authorizations": [
        {"client_id": CLIENT, "resource_id": RESOURCE, "expires_at": n} for n in range(count)]})
    c.push("reject_access", {"client_id": CLIENT, "resource_id": RESOURCE})
    time.sleep(0.5)
    messages, _ = w.init()
    grants = [m for name, m in messages if name == "GRANTS_ENTRY"]
    assert [g["expires_at"] for g in grants] == [1, *range(1, count)]
    w.expect("REVOCATION")


def test_as_many_grants_as_are_promised(online):
    """All that net-worker holds, in one message of the portal."""
    w, c = online
    count = 131072
    c.push("init", {**INIT, "authorizations": [
        {"client_id": CLIENT, "resource_id": RESOURCE, "expires_at": 1790000000 + n}
        for n in range(count)]})
    messages, _ = w.init()
    assert sum(name == "GRANTS_ENTRY" for name, _ in messages) == count


# Too many values, and too many bytes; each more than is promised.
LONG_LISTS = [
    b"[" + b"{}," * 1100000 + b"{}]",
    b"[" + b'{"client_id":"%s"},' % (b"x" * 1000) * 40000 + b"{}]",
]


@pytest.mark.parametrize("grants", LONG_LISTS, ids=["values", "bytes"])
def test_too_long_a_list_revokes_all(listener, start, grants):
    """What was to be revoked is in what could not be read."""
    w = start(f"ws://127.0.0.1:{listener.port}").ready().key()
    c = listener.online()
    init = json.dumps({"event": "init", "payload": {**INIT, "authorizations": "HERE"},
                       "ref": None, "topic": "gateway"}).encode()
    try:
        c.send(init.replace(b'"HERE"', grants))
    except OSError:
        pass  # it does not read to the end
    assert w.hear()[0] == "GRANTS_BEGIN"
    assert w.hear()[0] == "GRANTS_COMMIT"
    w.wait_log("all access is revoked")


def test_floods_are_paced(online):
    w, c = online
    count = 20000
    text = frame(json.dumps({"event": "reject_access", "topic": "gateway", "ref": None,
                               "payload": {"client_id": CLIENT, "resource_id": RESOURCE}}))
    sender = threading.Thread(target=c.peer.sendall, args=(text * count,))
    sender.start()
    time.sleep(0.5)
    for _ in range(count):
        w.expect("REVOCATION")
    sender.join()


def test_gives_up_when_the_portal_was_never_there(start):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    w = start(f"ws://127.0.0.1:{port}").ready().key()
    begin = time.monotonic()
    reason = w.hear_parent("CONTROL_FATAL", 25)["reason"]
    assert 13 < time.monotonic() - begin < 20
    assert reason == (f"could not reach the portal at ws://127.0.0.1:{port} within 15 s: "
                      f"127.0.0.1:{port}: Connection refused")


def test_a_successor_has_the_time_of_one_that_was_online(start):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    w = start(f"ws://127.0.0.1:{port}", resumed=True, max_partition_ms=2000).ready().key()
    begin = time.monotonic()
    reason = w.hear_parent("CONTROL_FATAL", 12)["reason"]
    assert time.monotonic() - begin < 10
    assert "cut off from the portal" in reason


def _certificates(folder, san):
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA", "-days", "2")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "portal.key", "-out", "portal.csr", "-subj", "/CN=portal")
    (folder / "ext").write_text(f"subjectAltName={san}\n")
    openssl("x509", "-req", "-in", "portal.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "portal.pem", "-days", "2", "-extfile", "ext")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "portal.pem", folder / "portal.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context, (folder / "ca.pem").read_text()


def test_tls_by_name(tmp_path, start):
    names = []
    context, ca = _certificates(tmp_path, "DNS:portal.test")
    context.sni_callback = lambda s, name, c: names.append(name)
    listener = Listener(tls=context)
    w = start(f"wss://Portal.Test:{listener.port}", ca=ca,
              hosts="# a comment\n127.0.0.1 other portal.test # one more\n").ready().key()
    c = listener.accept()
    assert names == ["portal.test"]
    assert c.peer.selected_alpn_protocol() is None
    c.upgrade()
    assert c.headers["host"] == "portal.test"
    c.join()
    c.push("init", INIT)
    w.init()
    # A long message arrives in many records.
    c.push("init", {**INIT, "x": "y" * 1000000})
    w.init()
    w.shut_down()
    listener.close()


@pytest.mark.parametrize("address,host", [
    ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("::1", "[0:0::1]"),
    ("127.0.0.1", "127.0.0.1.")])
def test_tls_by_address(tmp_path, start, address, host):
    context, ca = _certificates(tmp_path, f"IP:{address}")
    names = []
    context.sni_callback = lambda s, name, c: names.append(name)
    listener = Listener(address, tls=context)
    w = start(f"wss://{host}:{listener.port}/", ca=ca).ready().key()
    listener.online()
    assert names == [None], "an address has no server name"
    w.shut_down()
    listener.close()


@pytest.mark.parametrize("address,url", [
    ("::1", "ws://[::1]:{}"), ("::1", "WS://[0::0:1]:{}/base/"),
    ("127.0.0.1", "ws://127.0.0.1:{}"),
    ("127.0.0.1", "ws://PORTAL.test.:{}/"), ("127.0.0.1", "http://p%6Frtal%2Etest:{}"),
    ("127.0.0.1", "ws://alone.:{}")])
def test_forms_of_the_url(start, address, url):
    listener = Listener(address)
    w = start(url.format(listener.port), hosts="127.0.0.1 portal.test alone\n",
              resolv_conf="search corp.test\n").ready().key()
    listener.online()
    w.shut_down()
    listener.close()


def test_tls_by_a_name_with_its_dot(tmp_path, start):
    context, ca = _certificates(tmp_path, "DNS:portal.test")
    listener = Listener(tls=context)
    w = start(f"wss://portal.test.:{listener.port}", ca=ca,
              hosts="127.0.0.1 portal.test\n").ready().key()
    assert listener.online().headers["host"] == "portal.test"
    w.shut_down()
    listener.close()


@pytest.mark.parametrize("san", ["IP:::2", "DNS:::1"])
def test_tls_of_another_address(tmp_path, start, san):
    context, ca = _certificates(tmp_path, san)
    listener = Listener("::1", tls=context)
    w = start(f"wss://[::1]:{listener.port}", ca=ca).ready().key()
    with pytest.raises((ssl.SSLError, OSError, EOFError)):
        listener.accept().request()
    w.wait_log("next attempt")
    listener.close()


@pytest.mark.parametrize("fault", ["authority", "name", "nobody"])
def test_tls_refuses(tmp_path, start, fault):
    context, ca = _certificates(
        tmp_path, "DNS:elsewhere.test" if fault == "name" else "IP:127.0.0.1")
    if fault == "authority":
        other = tmp_path / "other"
        other.mkdir()
        _, ca = _certificates(other, "IP:127.0.0.1")
    if fault == "nobody":
        ca = ""
    listener = Listener(tls=context)
    w = start(f"wss://127.0.0.1:{listener.port}", ca=ca).ready().key()
    listener.socket.settimeout(3)
    with pytest.raises((ssl.SSLError, OSError, EOFError)):
        listener.accept().request()
    w.wait_log("next attempt")
    listener.close()


# What the DNS server on the tunnel asks to learn who is alive.
PROBE = b"\x08firezone\x03dev"


class NameServer:
    """DNS for one name, on a loopback address of its own."""

    def __init__(self, address, truncate=False, forge=False):
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, 53))
        self.tcp = socket.create_server((address, 53))
        self.address, self.truncate, self.forge = address, truncate, forge
        self.ports, self.ids, self.over_tcp = set(), set(), 0
        self.closed = False
        self.threads = [threading.Thread(target=target, daemon=True)
                        for target in (self._serve_udp, self._serve_tcp)]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def _answer(query, address, *, flags=0x8180):
        end = query.index(b"\0", 12) + 5
        (kind,) = struct.unpack(">H", query[end - 4:end - 2])
        records = b""
        if kind == 1 and address:
            records = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + \
                socket.inet_aton(address)
        return query[:2] + struct.pack(
            ">HHHHH", flags, 1, 1 if records else 0, 0, 0) + query[12:end] + records

    def _serve_udp(self):
        while True:
            query, peer = self.udp.recvfrom(512)
            if self.closed:
                return
            if PROBE in query:
                self.udp.sendto(self._answer(query, None), peer)
                continue
            self.ports.add(peer[1])
            self.ids.add(query[:2])
            if self.forge:
                # Another id; another question; another source.
                wrong = bytes([query[0] ^ 1]) + query[1:]
                self.udp.sendto(self._answer(wrong, "127.9.9.9"), peer)
                self.udp.sendto(self._answer(
                    query.replace(b"portal", b"partal"), "127.9.9.9"), peer)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                    other.bind(("127.0.0.1", 0))
                    other.sendto(self._answer(query, "127.9.9.9"), peer)
            self.udp.sendto(
                self._answer(query, None, flags=0x8380) if self.truncate
                else self._answer(query, "127.0.0.1"), peer)

    def _serve_tcp(self):
        while True:
            try:
                peer, _ = self.tcp.accept()
            except OSError:
                return
            with peer:
                (size,) = struct.unpack(">H", peer.recv(2, socket.MSG_WAITALL))
                query = peer.recv(size, socket.MSG_WAITALL)
                answer = self._answer(query, "127.0.0.1")
                self.over_tcp += PROBE not in query
                # In two pieces.
                peer.sendall(struct.pack(">H", len(answer)) + answer[:5])
                time.sleep(0.05)
                peer.sendall(answer[5:])

    def close(self):
        self.closed = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (self.address, 53))
        self.tcp.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()


def test_resolvers_change_once_the_filter_is_open(listener, start):
    first, second = NameServer("127.0.0.77"), NameServer("127.0.0.79")
    try:
        w = start(f"ws://portal.test:{listener.port}",
                  resolv_conf="nameserver 127.0.0.77\nnameserver ::1\n").ready().key()
        assert w.egress == {"portal_port": listener.port, "resolvers": ["127.0.0.77", "::1"]}
        c = listener.online()
        w.tell_file("CONTROL_RESOLV_CONF", "nameserver 127.0.0.79\n")
        assert w.hear_parent("RESOLVERS") == {"resolvers": ["127.0.0.79"]}
        c.drop()
        c = listener.online()
        assert len(first.ids) == 4 and not second.ids
        w.tell("EGRESS_OPEN")
        w.wait_log("127.0.0.79 over UDP")
        c.drop()
        listener.online()
        assert len(first.ids) == 4 and len(second.ids) == 2
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("options", [{}, {"truncate": True}, {"forge": True}])
def test_dns(listener, start, options):
    server = NameServer("127.0.0.77", **options)
    try:
        # The first server is not there at all; the search list is not needed.
        w = start(f"ws://portal.test:{listener.port}",
                  resolv_conf="search example.test\nnameserver 127.0.0.78\n"
                              "nameserver 127.0.0.77\n").ready().key()
        c = listener.online()
        assert c.headers["host"] == "portal.test"
        assert len(server.ports) == 2 and len(server.ids) == 2
        assert server.over_tcp == (2 if options.get("truncate") else 0)
        c.drop()
        listener.online()
        assert len(server.ids) == 4, "asked again, with other ids"
        w.shut_down()
    finally:
        server.close()


def test_changed_hosts_are_used(listener, start):
    w = start(f"ws://portal.test:{listener.port}", resolv_conf="nameserver 127.0.0.78\n")
    w.ready().key()
    w.wait_log("no addresses for portal.test")
    w.tell_file("CONTROL_HOSTS", "127.0.0.1 portal.test\n")
    listener.online()


def test_dead_address_beside_a_live_one(listener, start):
    w = start(f"ws://portal.test:{listener.port}",
              hosts="127.0.0.99 portal.test\n::1 portal.test\n127.0.0.1 portal.test\n")
    w.ready().key()
    listener.online()


def test_interface_out_of_range_is_refused(online):
    w, c = online
    c.push("init", {**INIT, "interface": {"ipv4": "10.0.0.1", "ipv6": "fd00:2021:1111::1"}})
    w.wait_log("tunnel addresses out of range")
    w.quiet()


def test_a_violation_by_net_worker_is_told(online):
    w, _ = online
    w.say_raw(hashlib.sha256(b"").digest())
    assert "net-worker" in w.hear_parent("CONTROL_ACCUSES")["what"]


def test_an_accusation_says_what_epoch_it_is_about(online):
    w, _ = online
    w.say_raw(hashlib.sha256(b"").digest())
    assert w.hear_parent("CONTROL_ACCUSES")["epoch"] == w.epoch


def test_what_is_of_no_announced_epoch_goes_unseen(listener, online):
    w, _ = online
    old = w.epoch
    for epoch in (old - 1, old + 1, old ^ 1 << 63):
        w.say_raw(TABLE.encode("PUBLIC_KEY", public_key=bytes(32)), epoch=epoch)
        w.say_raw(b"garbage", epoch=epoch)
    # Neither in the next epoch, nor as a part of one.
    w.say_raw(b"\0\0\0\1")
    w.new_net_worker()
    w.key(bytes(range(32, 64)))
    assert listener.online()


def test_a_new_net_worker_makes_it_join_again(listener, online):
    w, _ = online
    old = w.epoch
    w.new_net_worker()
    w.wait_log("net-worker is a new process")
    # What the old one has left behind, malformed or not, goes unseen.
    w.say_raw(TABLE.encode("PUBLIC_KEY", public_key=bytes(32)), epoch=old)
    w.say_raw(b"garbage", epoch=old)
    w.key(bytes(range(32, 64)))
    again = listener.online()
    again.push("init", INIT)
    messages, _ = w.init()
    assert "INTERFACE" in [name for name, _ in messages]
