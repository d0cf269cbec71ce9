"""What control-worker says in each generation of the protocol, byte for byte and in its
order, and how it finds out which one a portal speaks. firezone-portal(7)."""

import concurrent.futures
import json
import socket
import time

import pytest

from control_worker import Portal
from fake_portal import Listener
from websocket_frames import CLOSE, TEXT

CLIENT = "3abd725a-733b-4801-ac16-72f26cd98a24"
RESOURCE = "c7793628-8579-465b-83e3-1a5d4af4db3b"
REF = "SFMyNTY.g2gDbQAA"
LINE = "candidate:1 1 udp 1694498559 198.51.100.7 47717 typ srflx raddr 0.0.0.0 rport 0"
CONFIRM_S = 5
TOKEN = ".SFMyNTY.g2gD-x_y+/"
ESCAPED = ".SFMyNTY.g2gD-x_y%2B%2F"
HASH = "09bf23d265f306f12948e66eecef86cce967f6e09d64ea8d63a3e49cf3af10d3"
KEY = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8%3D"
INIT = {
    "interface": {"ipv4": "100.64.17.9", "ipv6": "fd00:2021:1111::11:9"}, "relays": [],
    "config": {"ipv4_masquerade_enabled": True, "ipv6_masquerade_enabled": True},
}
FLOW = {
    "ref": REF,
    "client": {
        "id": CLIENT, "public_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "preshared_key": "rq1Lza3benj3b0JlLrPECTtPoyvro2thAwued7JDLsU=",
        "ipv4": "100.93.74.51", "ipv6": "fd00:2021:1111::f:853b"},
    "resource": {"id": RESOURCE, "type": "cidr", "name": "Office",
                 "address": "172.20.0.0/16", "filters": []},
    "client_ice_credentials": {"username": "4y2x", "password": "ruvkmmk6flk66jpbphvows"},
    "gateway_ice_credentials": {"username": "qwg5", "password": "tf2tuiorzcc4zbmoestrkq"},
    "expires_at": None,
}

WEB = {"id": "619fbe83-bc95-4635-9a08-68da9a944c88", "type": "dns", "name": "web",
       "address": "*.httpbin", "filters": []}
NAME = {"name": "download.httpbin", "proxy_ips": ["100.96.0.1", "fd00:2021:1111:8000::"]}
PEER = {"public_key": FLOW["client"]["public_key"],
        "preshared_key": FLOW["client"]["preshared_key"],
        "ipv4": "100.87.247.184", "ipv6": "fd00:2021:1111::4:4616",
        "persistent_keepalive": 25}
CONNECTION = {
    "ref": REF, "expires_at": 1790000000, "resource": WEB,
    "client": {"id": CLIENT, "peer": PEER, "payload": {
        "ice_parameters": {"username": "aYaH", "password": "MMceouYA5jGIPkxbvIiLvD"},
        "domain": NAME}}}
ACCESS = {
    "ref": REF, "expires_at": 1790000000, "client_id": CLIENT,
    "client_ipv4": PEER["ipv4"], "client_ipv6": PEER["ipv6"], "resource": WEB,
    "payload": NAME}
READY = ('{"ref":"%s","gateway_payload":{"ConnectionAccepted":{"ice_parameters":'
         '{"username":"%s","password":"%s"}}}}')

QUERIES = {
    1: f"/gateway/websocket?token={ESCAPED}&public_key={KEY}&external_id={HASH}&name=gw-1",
    2: f"/gateway/websocket?token={ESCAPED}&external_id={HASH}&name=gw-1&public_key={KEY}",
    3: f"/gateway/v2/websocket?external_id={HASH}&name=gw-1&public_key={KEY}",
}
AGENTS = {1: "connlib/1.3.2", 2: "connlib/1.5.2", 3: "gateway/1.6.1"}


def expected_request(generation, port, key):
    host = f"127.0.0.1:{port}" if generation == 1 else "127.0.0.1"
    token = "" if generation == 1 else f"X-Authorization: Bearer {TOKEN}\r\n"
    return (f"GET {QUERIES[generation]} HTTP/1.1\r\nHost: {host}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n"
            f"User-Agent: Debian/12 {AGENTS[generation]} (x86_64; 6.1.0)\r\n{token}")


def join(ref):
    return '{"topic":"gateway","event":"phx_join","payload":null,"ref":%d}' % ref


def said(event, payload, ref):
    return '{"topic":"gateway","event":"%s","payload":%s,"ref":%d}' % (event, payload, ref)


@pytest.fixture
def gateway(start, listener):
    def run(generation, **options):
        w = start(f"ws://127.0.0.1:{listener.port}", token=TOKEN, name="gw-1",
                  external_id="6f1c9c0e-2e1d-4d0c-9b1a-1c0f5d7b8a90",
                  generation=generation, **options)
        return w.ready().key(bytes(range(0x20, 0x40)))

    return run


def hear_raw(c):
    return c.receive()[1].decode()


def hear_init(w, last="INTERFACE"):
    got = []
    while not got or got[-1] != last:
        got.append(w.hear()[0])
    w.hear_parent("TUN_CONFIGURE")
    return got


def accept_request(listener, generation):
    c = listener.accept().request()
    assert c.head == expected_request(generation, listener.port,
                                      c.headers["sec-websocket-key"]).rstrip()
    return c


def go_online(w, listener, generation):
    """Up to an init without grants, of an older portal."""
    c = accept_request(listener, generation)
    c.switch()
    assert hear_raw(c) == join(0)
    c.reply(0)
    c.push("init", INIT)
    hear_init(w)
    return c


def heartbeat(ref):
    return '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":%d}' % ref


def said_candidates(event, ref):
    return said(event, '{"client_ids":["%s"],"candidates":["%s"]}' % (CLIENT, LINE), ref)


# The authorization of each generation, and what acknowledges it.
AUTHORIZED = {1: ("authorize_flow", "flow_authorized"),
              2: ("authorize_flow", "flow_authorized"),
              3: ("create_authorization", "authorization_created")}
HEARTBEAT_S = {1: 30, 2: 10, 3: 10}


class Recording:
    """All that one gateway says, in its order, over two connections: whoever plays the
    portal hears nothing but what is expected next."""

    def __init__(self, start, folder, generation):
        self.generation = generation
        self.listener = Listener()
        folder.mkdir()
        self.w = start(
            f"ws://127.0.0.1:{self.listener.port}", folder=folder, token=TOKEN,
            name="gw-1", external_id="6f1c9c0e-2e1d-4d0c-9b1a-1c0f5d7b8a90",
            generation=generation, hosts="192.0.2.80 download.httpbin\n")
        self.w.ready().key(bytes(range(0x20, 0x40)))
        self.ref = 0

    def expect(self, text):
        """text holds the reference that comes next."""
        opcode, payload = self.c.receive()
        assert (opcode, payload.decode()) == (TEXT, text)
        self.ref += 1

    def connect(self):
        self.c = accept_request(self.listener, self.generation)
        self.begin = time.monotonic()
        self.c.switch()
        self.c.peer.settimeout(HEARTBEAT_S[self.generation] + 10)
        if self.generation != 1:
            self.ref = 0
        self.join()
        init = INIT if self.generation < 3 else INIT | {"authorizations": []}
        self.c.push("init", init)
        hear_init(self.w, "GRANTS_COMMIT" if self.generation == 3 else "INTERFACE")

    def join(self):
        """Nothing is said before it has been answered."""
        self.expect(join(self.ref))
        self.c.quiet()
        self.c.reply(self.ref - 1)
        if self.generation == 3:
            self.expect(said("set_snownet_capabilities", '{"iceless":true}', self.ref))

    def say_candidates(self):
        for withdrawn in 0, 1:
            self.w.say("LOCAL_CANDIDATES", client=CLIENT, withdrawn=withdrawn,
                       lines=LINE + "\n")

    def expect_candidates(self):
        self.expect(said_candidates("broadcast_ice_candidates", self.ref))
        self.expect(said_candidates("broadcast_invalidated_ice_candidates", self.ref))

    def flow(self):
        event, acknowledgement = AUTHORIZED[self.generation]
        self.c.push(event, FLOW)
        self.w.say("ACKNOWLEDGED", serial=self.w.expect("AUTHORIZATION")["serial"])
        self.say_candidates()
        self.expect(said(acknowledgement, '{"ref":"%s"}' % REF, self.ref))
        self.expect_candidates()

    def two_steps(self):
        for event, payload in (("request_connection", CONNECTION), ("allow_access", ACCESS)):
            self.c.push(event, payload)
            a = self.w.expect("AUTHORIZATION")
            self.w.say("ACKNOWLEDGED", serial=a["serial"])
            asked = self.w.expect("ASSIGNMENT")["serial"]
            if event == "request_connection":
                # Held until then, and of what is taken back meanwhile nothing is left.
                self.say_candidates()
                self.w.say("LOCAL_CANDIDATES", client=CLIENT, withdrawn=0,
                           lines=LINE + "\n")
                self.c.quiet()
            self.w.say("ASSIGNMENT_ANSWER", serial=asked, answer=1)
            self.w.expect("NAME_RESOLVED")
            if event == "request_connection":
                ours = a["local_username"], a["local_password"]
                self.expect(said("connection_ready", READY % (REF, *ours), self.ref))
                self.expect(said_candidates("broadcast_ice_candidates", self.ref))

    def join_again(self):
        """On the same connection."""
        self.c.reply(self.ref - 1, "error", {"reason": "unmatched topic"})
        self.join()

    def heartbeats(self, seconds):
        """They come when they have to, whatever else is said."""
        for beat in range(1, seconds // HEARTBEAT_S[self.generation] + 1):
            self.expect(heartbeat(self.ref))
            late = time.monotonic() - self.begin - beat * HEARTBEAT_S[self.generation]
            assert -1 < late < 5
            self.c.reply(self.ref - 1, topic="phoenix")

    def lose_relays(self):
        self.w.say("NO_RELAYS")
        if self.generation == 3:
            self.expect(said("no_relays", "{}", self.ref))
            return
        # Another connection asks for them, after one that just ends.
        assert not self.c.closed()
        self.w.wait_log("no relay is usable")
        self.connect()

    def leave(self):
        self.w.tell("CONTROL_SHUTDOWN")
        assert self.c.receive() == (CLOSE, (1000).to_bytes(2, "big"))
        self.c.send((1000).to_bytes(2, "big"), CLOSE)
        assert not self.c.closed()
        assert self.w.process.wait(5) == 0
        assert TOKEN not in self.w.text() and ESCAPED not in self.w.text()
        self.listener.close()

    def play(self):
        self.connect()
        self.w.wait_log(f"online at ws://127.0.0.1:{self.listener.port}, "
                        f"generation {self.generation}")
        self.flow()
        if self.generation != 3:
            self.two_steps()
        self.join_again()
        self.heartbeats(30 if self.generation == 1 else 20)
        self.lose_relays()
        # References go on in generation 1 alone.
        self.flow()
        self.leave()


def test_what_is_said(tmp_path, start):
    """At once, since what takes time is waiting for heartbeats."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = {generation: pool.submit(
            Recording(start, tmp_path / str(generation), generation).play)
            for generation in (1, 2, 3)}
    for generation, future in running.items():
        assert future.exception() is None, f"generation {generation}: {future.exception()!r}"


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_expiry_is_moved(listener, gateway, generation):
    """As portals of 2025 and 2026 did, on the path of then."""
    w = gateway(generation)
    c = accept_request(listener, generation)
    c.switch()
    assert hear_raw(c) == join(0)
    c.reply(0)
    c.push("init", INIT | {"authorizations": []})
    hear_init(w, "GRANTS_COMMIT")
    end = {"client_id": CLIENT, "resource_id": RESOURCE, "expires_at": 1790000000}
    for broken in ({**end, "expires_at": None}, {**end, "client_id": "x"}, end):
        c.push("access_authorization_expiry_updated", broken)
    if generation == 3:
        w.quiet()
        return
    told = w.expect("GRANT_EXPIRY")
    assert (told["client"], told["resource"], told["expires_at"]) == tuple(end.values())
    w.quiet()
    w.shut_down()


@pytest.mark.parametrize("generation", [1, 2])
def test_clients_of_two_steps(listener, gateway, generation):
    w = gateway(generation, hosts="192.0.2.80 download.httpbin\n")
    c = go_online(w, listener, generation)
    c.push("request_connection", CONNECTION)
    a = w.expect("AUTHORIZATION")
    assert (a["kind"], a["keepalive"]) == (1, 25)
    ours = (a["local_username"], a["local_password"])
    assert [len(text) for text in ours] == [4, 22]
    w.say("ACKNOWLEDGED", serial=a["serial"])
    w.say("LOCAL_CANDIDATES", client=CLIENT, withdrawn=0, lines=LINE + "\n")
    asked = w.expect("ASSIGNMENT")
    assert (asked["client"], asked["resource"], asked["domain"]) == \
        (CLIENT, WEB["id"], "download.httpbin")
    c.quiet()
    w.say("ASSIGNMENT_ANSWER", serial=asked["serial"], answer=1)
    resolved = w.expect("NAME_RESOLVED")
    assert resolved["addresses"] == ["192.0.2.80"]
    assert resolved["proxies"] == NAME["proxy_ips"]
    assert resolved["installed"] == resolved["refused"] == ""
    assert hear_raw(c) == said("connection_ready", READY % (REF, *ours), 1)
    assert hear_raw(c) == said("broadcast_ice_candidates", '{"client_ids":["%s"],'
                               '"candidates":["%s"]}' % (CLIENT, LINE), 2)
    # Access is given without a word.
    c.push("allow_access", ACCESS)
    a = w.expect("AUTHORIZATION")
    assert (a["kind"], a["local_username"]) == (2, "")
    w.say("ACKNOWLEDGED", serial=a["serial"])
    asked = w.expect("ASSIGNMENT")
    w.say("ASSIGNMENT_ANSWER", serial=asked["serial"], answer=1)
    assert w.expect("NAME_RESOLVED")["addresses"] == ["192.0.2.80"]
    # A name that the client may not have is no connection.
    c.push("request_connection", CONNECTION)
    serial = w.expect("AUTHORIZATION")["serial"]
    w.say("ACKNOWLEDGED", serial=serial)
    w.say("ASSIGNMENT_ANSWER", serial=w.expect("ASSIGNMENT")["serial"], answer=0)
    assert w.expect("CONNECTION_DROP") == {"client": CLIENT, "serial": serial}
    c.quiet()
    # Their candidates have neither ufrag nor raddr.
    line = "candidate:1 1 udp 1694498559 198.51.100.7 47717 typ srflx"
    c.push("ice_candidates", {"client_id": CLIENT, "candidates": [line]})
    assert w.expect("REMOTE_CANDIDATES")["lines"] == line + "\n"
    w.shut_down()


def test_many_names_at_once(listener, gateway):
    """A client of 1.3 asks for each once: none may be left out."""
    domains = [f"n{i}.httpbin" for i in range(60)]
    w = gateway(1, hosts="".join(f"192.0.2.{i + 1} {d}\n" for i, d in enumerate(domains)))
    c = go_online(w, listener, 1)
    for domain in domains:
        c.push("allow_access", ACCESS | {"payload": NAME | {"name": domain}})
    for _ in domains:
        w.say("ACKNOWLEDGED", serial=w.expect("AUTHORIZATION")["serial"])
    asked = [w.expect("ASSIGNMENT") for _ in range(32)]
    w.quiet()  # as many as one may have under way
    resolved = {}
    while asked:
        w.say("ASSIGNMENT_ANSWER", serial=asked.pop(0)["serial"], answer=1)
        got, values = w.hear()
        assert got == "NAME_RESOLVED"
        resolved[values["domain"]] = values["addresses"]
        if len(resolved) + len(asked) < len(domains):
            asked.append(w.expect("ASSIGNMENT"))
    assert resolved == {d: [f"192.0.2.{i + 1}"] for i, d in enumerate(domains)}
    w.shut_down()


def test_a_name_without_an_answer(listener, gateway):
    """As when it was first resolved; whom it concerns is not told."""
    w = gateway(1, hosts="192.0.2.80 download.httpbin\n")
    c = accept_request(listener, 1)
    c.switch()
    assert hear_raw(c) == join(0)
    c.reply(0)
    c.push("init", INIT)
    hear_init(w)
    for domain, answer in ("download.httpbin", 0), ("no.httpbin", 1), ("download.httpbin", 1):
        w.say("NAME_UNANSWERED", client=CLIENT, resource=WEB["id"], domain=domain,
              proxies=NAME["proxy_ips"])
        asked = w.expect("ASSIGNMENT")
        assert (asked["client"], asked["resource"], asked["domain"]) == \
            (CLIENT, WEB["id"], domain)
        w.say("ASSIGNMENT_ANSWER", serial=asked["serial"], answer=answer)
    resolved = w.expect("NAME_RESOLVED")
    assert (resolved["domain"], resolved["addresses"]) == ("download.httpbin", ["192.0.2.80"])
    assert resolved["proxies"] == NAME["proxy_ips"]
    assert resolved["installed"] == resolved["refused"] == ""
    c.quiet()
    w.shut_down()


def test_names_wait_for_a_slow_net_worker(listener, gateway):
    w = gateway(1, hosts="192.0.2.80 download.httpbin\n")
    # The channel itself holds little of what it is not in time to read.
    w.net_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    c = go_online(w, listener, 1)
    c.push("request_connection", CONNECTION)
    a = w.expect("AUTHORIZATION")
    other = json.loads(json.dumps(CONNECTION))
    other["client"] |= {"id": RESOURCE}
    other["client"]["payload"]["domain"] = None
    c.push("request_connection", other)
    b = w.expect("AUTHORIZATION")
    for _ in range(200):
        c.push("reject_access", {"client_id": RESOURCE, "resource_id": RESOURCE})
    w.wait_log("portal: reject_access", times=130)
    w.say("ACKNOWLEDGED", serial=a["serial"])
    w.say("ACKNOWLEDGED", serial=b["serial"])
    # By now it has met the full queue.
    assert b["local_username"] in hear_raw(c)
    got = [w.hear() for _ in range(201)]
    asked = [values for name, values in got if name == "ASSIGNMENT"]
    assert [values["domain"] for values in asked] == ["download.httpbin"]
    w.say("ASSIGNMENT_ANSWER", serial=asked[0]["serial"], answer=1)
    assert w.expect("NAME_RESOLVED")["addresses"] == ["192.0.2.80"]
    assert hear_raw(c) == said(
        "connection_ready", READY % (REF, a["local_username"], a["local_password"]), 2)
    w.shut_down()


# Generation 1, too, is served by portals that push what clients of 2 ask for.
FOREIGN = {1: [("create_authorization", FLOW)],
           2: [("create_authorization", FLOW)],
           3: [("authorize_flow", FLOW), ("request_connection", CONNECTION),
               ("allow_access", ACCESS)]}


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_other_generations_open_nothing(listener, gateway, generation):
    w = gateway(generation)
    c = accept_request(listener, generation)
    c.switch()
    assert hear_raw(c) == join(0)
    c.reply(0)
    if generation == 3:
        hear_raw(c)
    c.push("init", INIT)
    hear_init(w, "GRANTS_COMMIT" if generation == 3 else "INTERFACE")
    for _ in range(3):
        for event, payload in FOREIGN[generation]:
            c.push(event, payload)
    # What follows is understood, and nothing came before.
    c.push("reject_access", {"client_id": CLIENT, "resource_id": RESOURCE})
    w.expect("REVOCATION")
    c.quiet()
    for event, _ in FOREIGN[generation]:
        assert w.text().count(f"message {event} is not one of generation") == 1
    w.shut_down()


MANY = 100000
LONG = "x" * 1000000


def hostile_messages():
    """Of all generations: nothing of them may be done, or it is done in bounds."""
    for event, payload in [
            ("create_authorization", FLOW), ("authorize_flow", FLOW),
            ("request_connection", CONNECTION), ("allow_access", ACCESS)]:
        yield event, None
        yield event, []
        yield event, payload | {"ref": LONG}
        yield event, payload | {"ref": 7}
        yield event, payload | {"expires_at": -1}
        yield event, payload | {"resource": {**WEB, "address": LONG}}
        yield event, payload | {"resource": {**WEB, "id": [CLIENT]}}
    many = [{"protocol": "icmp"}] * MANY
    yield "authorize_flow", FLOW | {"resource": {**WEB, "filters": many}}
    yield "create_authorization", FLOW | {"resource": {**WEB, "filters": many}}
    proxies = ["100.96.0.1"] * MANY
    yield "allow_access", ACCESS | {"payload": {"name": LONG, "proxy_ips": proxies}}
    yield "allow_access", ACCESS | {"payload": {"name": "a.b", "proxy_ips": proxies}}
    yield "ice_candidates", {"client_id": CLIENT, "candidates": [LONG, 5, None] + [""] * MANY}
    yield "reject_access", {"client_id": LONG, "resource_id": RESOURCE}
    yield "resource_updated", WEB | {"type": LONG}
    yield LONG, {}
    yield "init", {"interface": {"ipv4": LONG, "ipv6": LONG}, "relays": [{}] * MANY}
    yield "disconnect", {"reason": LONG}


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_hostile_messages_do_nothing(listener, gateway, generation):
    w = gateway(generation)
    c = accept_request(listener, generation)
    c.switch()
    assert hear_raw(c) == join(0)
    # Before the join has been answered, and before an init.
    for event, payload in [("init", INIT), ("authorize_flow", FLOW)]:
        c.push(event, payload)
    c.reply(0)
    if generation == 3:
        hear_raw(c)
    for event, payload in [
            ("create_authorization", FLOW), ("authorize_flow", FLOW),
            ("request_connection", CONNECTION), ("allow_access", ACCESS)]:
        c.push(event, payload)
    c.push("init", INIT)
    hear_init(w, "GRANTS_COMMIT" if generation == 3 else "INTERFACE")
    for event, payload in hostile_messages():
        c.push(event, payload)
    c.push("reject_access", {"client_id": CLIENT, "resource_id": RESOURCE})
    w.expect("REVOCATION")
    w.shut_down()


def test_finds_an_older_portal(listener, gateway):
    w = gateway(0)
    accept_request(listener, 3).answer(404, body=b"Not found")
    begin = time.monotonic()
    accept_request(listener, 3).answer(404, body=b"Not found")
    assert time.monotonic() - begin >= CONFIRM_S
    accept_request(listener, 2).answer(401, body=b"Missing token")
    c = accept_request(listener, 1)
    c.switch()
    assert hear_raw(c) == join(0)
    c.reply(0)
    w.wait_log("generation 1")
    c.push("init", INIT)
    hear_init(w)
    # What has worked is used again, and what was missing twice is known to be.
    c.drop()
    c = accept_request(listener, 1)
    c.answer(401, body=b"Invalid token")
    accept_request(listener, 3).answer(404)
    accept_request(listener, 2).answer(401)
    fatal = w.hear_parent("CONTROL_FATAL")
    assert fatal["status"] == 1 and "refused our login" in fatal["reason"]
    assert TOKEN not in w.text() and ESCAPED not in w.text()


@pytest.mark.parametrize("generation, status, body", [
    (1, 400, b"public_key should be 44 character(s)"),
    (1, 403, b"Invalid\x1b[2J\r\ntoken\0"),
    (1, 422, b"Unprocessable"),
    (2, 401, b"Invalid token"),
    (3, 401, b"Missing token"),
])
def test_the_plain_text_of_a_refusal_is_told(listener, gateway, generation, status, body):
    """As portals before problem documents send it."""
    w = gateway(generation)
    accept_request(listener, generation).answer(status, body=body)
    fatal = w.hear_parent("CONTROL_FATAL")
    reason = body.decode().replace("\x1b", " ").replace("\r\n", " ").replace("\0", "")
    assert fatal["reason"] == f"the portal refused our login (HTTP status {status}): {reason}"


def test_what_an_older_portal_says_is_in_the_log(listener, gateway):
    w = gateway(0)
    accept_request(listener, 3).answer(404, body=b"Not\tfound")
    w.wait_log("HTTP status 404: Not found; it may be an older portal: an older generation "
               "is tried if it answers so once more; next attempt in 5.0 s")
    accept_request(listener, 3).answer(404, body=b"Not found")
    w.wait_log("portal: generation 3: the portal answered with HTTP status 404: Not found; "
               "generation 2 is tried")
    # A page that quotes what was asked for.
    quoted = f"Cannot GET {QUERIES[2]}".encode()
    accept_request(listener, 2).answer(401, [("Content-Type", "text/plain")], quoted)
    w.wait_log("portal: generation 2: the portal answered with HTTP status 401; "
               "generation 1 is tried")
    accept_request(listener, 1).answer(503, body=b"Come back\n" * 10000)
    w.wait_log("HTTP status 503: Come back Come back")
    assert TOKEN not in w.text() and ESCAPED not in w.text()
    assert max(map(len, w.lines)) < 400


@pytest.mark.parametrize("generation,status", [(3, 404), (3, 308)])
def test_a_fixed_generation_that_is_absent_is_told_with_what_to_do(
        listener, gateway, generation, status):
    w = gateway(generation)
    accept_request(listener, generation).answer(status)
    w.wait_log(f"HTTP status {status}; check the path in --api-url, or let "
               "--portal-generation auto find out what it speaks; next attempt in 1.0 s")
    accept_request(listener, generation).answer(503)
    w.wait_log("HTTP status 503; next attempt in 1.0 s")


def test_portal_of_july_2025_lists_pairs_alone(listener, gateway):
    w = gateway(2)
    c = accept_request(listener, 2)
    c.switch()
    hear_raw(c)
    c.reply(0)
    c.push("init", INIT | {"authorizations": [{"client_id": CLIENT, "resource_id": RESOURCE}]})
    while (heard := w.hear())[0] != "GRANTS_ENTRY":
        pass
    assert heard[1] == {
        "client": CLIENT, "resource": RESOURCE, "expires_at": 0, "keeps_expiry": 1}
    w.expect("GRANTS_COMMIT")
    w.shut_down()


@pytest.mark.parametrize("status", [404, 308])
def test_a_stray_absence_does_not_show_the_token(listener, gateway, status):
    w = gateway(0)
    c = accept_request(listener, 3)
    c.switch()
    hear_raw(c)
    c.reply(0)
    w.wait_log("generation 3")
    c.drop()
    accept_request(listener, 3).answer(status)
    c = accept_request(listener, 3)
    c.switch()
    assert hear_raw(c) == join(0)
    c.reply(0)
    hear_raw(c)
    w.shut_down()


def test_a_wrong_token_is_never_in_a_query_of_a_newer_portal(listener, gateway):
    w = gateway(0)
    c = accept_request(listener, 3)
    c.answer(401, [("Content-Type", "application/problem+json")],
             json.dumps({"code": "invalid_token"}).encode())
    fatal = w.hear_parent("CONTROL_FATAL")
    assert fatal["reason"] == \
        "the portal refused the token (invalid_token): check the variable FIREZONE_TOKEN"


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_finds_the_generation_of_the_small_portal(tmp_path, start, generation):
    portal = Portal(tmp_path, f"[era]\ngeneration = {generation}\n")
    try:
        w = start(f"ws://127.0.0.1:{portal.port}", generation=0).ready().key()
        assert "RELAY_PRESENT" in hear_init(w)
        # The login of generation 2 is good for the first portals, too.
        w.wait_log(f"online at ws://127.0.0.1:{portal.port}, generation {max(generation, 2)}")
        w.shut_down()
    finally:
        portal.stop()
