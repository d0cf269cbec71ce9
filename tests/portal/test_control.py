"""The control socket: steering peers, and what is said about wrong requests."""

import pytest
from harness import (
    asynchronous, client, control, gateway, http, running, site, until,
)
from websockets.exceptions import InvalidStatusCode

PEERS = pytest.mark.parametrize("connect, kind", [(gateway, "gateway"), (client, "client")])


@asynchronous
async def test_status(tmp_path):
    async with running(site(tmp_path)) as portal:
        assert (tmp_path / "control.sock").stat().st_mode & 0o777 == 0o600
        peers = [await (await connect(portal)).join() for connect in (gateway, client)]
        status = await control(portal, cmd="status")
        for row, peer in zip((status["gateways"] + status["clients"]), peers):
            assert row["joined"] and row["public_key"] == peer.public_key
            assert row["ipv4"] == peer.init["interface"]["ipv4"]
        assert status["clients"][0]["user"] == "jane"
        assert status["listen"] == portal.addresses
        assert "psk" not in str(status) and "secret" not in str(status)
    assert not (tmp_path / "control.sock").exists()


@PEERS
@asynchronous
async def test_drop(tmp_path, connect, kind):
    async with running(site(tmp_path)) as portal:
        for arguments, code in (({}, 1012), ({"code": 4000, "reason": "x"}, 4000),
                                ({"abort": True}, 1006)):
            peer = await (await connect(portal)).join()
            await control(portal, cmd="drop", kind=kind, **arguments)
            assert await peer.closed() == code
            await until(lambda: not portal.site.channels)


@PEERS
@asynchronous
async def test_phx_close_leaves_the_websocket_open(tmp_path, connect, kind):
    async with running(site(tmp_path)) as portal:
        peer = await (await connect(portal)).join()
        await control(portal, cmd="phx_close", **{kind: f"{kind}-1"})
        assert await peer.expect("phx_close") == {}
        await peer.heartbeat()
        await peer.expect_reply(await peer.send("no_relays", {}), "unmatched topic")
        second = await (await connect(portal)).join()  # no 409
        await second.close()
        await until(lambda: not portal.site.channels)
        await peer.join()


@PEERS
@asynchronous
async def test_disconnect(tmp_path, connect, kind):
    async with running(site(tmp_path)) as portal:
        peer = await (await connect(portal)).join()
        await control(portal, cmd="disconnect", kind=kind)
        assert await peer.expect("disconnect") == {"reason": "token_expired"}
        assert await peer.expect("phx_close") == {}


@PEERS
@asynchronous
async def test_send_raw(tmp_path, connect, kind):
    async with running(site(tmp_path)) as portal:
        peer = await (await connect(portal)).join()
        await control(portal, cmd="send_raw", kind=kind, text="{malformed")
        assert await peer.socket.recv() == "{malformed"
        await control(portal, cmd="send_raw", kind=kind, hex="00ff")
        assert await peer.socket.recv() == b"\x00\xff"


@asynchronous
async def test_refuse_upgrade(tmp_path):
    async with running(site(tmp_path)) as portal:
        await control(
            portal, cmd="refuse_upgrade", count=2, status=429, kind="gateway",
            headers={"Retry-After": "30"}, body="busy",
        )
        await (await client(portal)).join()
        assert (await http(portal, "/gateway/v2/websocket"))[0] == 429
        status, headers, body = await http(portal, "/gateway/v2/websocket")
        assert (status, headers["retry-after"], body) == (429, "30", b"busy")
        await (await gateway(portal)).join()
        await control(portal, cmd="refuse_upgrade")
        with pytest.raises(InvalidStatusCode) as caught:
            await client(portal)
        assert caught.value.status_code == 503


@PEERS
@asynchronous
async def test_mute(tmp_path, connect, kind):
    async with running(site(tmp_path)) as portal:
        await control(portal, cmd="mute", kind=kind, joins=True)
        peer = await connect(portal)
        await peer.send("phx_join", None)
        await peer.heartbeat()
        await control(portal, cmd="mute", kind=kind, joins=False, heartbeats=True)
        await peer.send("heartbeat", {}, topic="phoenix")
        await peer.join()
        await control(portal, cmd="mute", kind=kind, heartbeats=False)
        await peer.heartbeat()


@pytest.mark.parametrize("request_, error", [
    ({}, "request: cmd: is missing; a string is needed"),
    ({"cmd": 7}, "request: cmd: must be a string"),
    ({"cmd": "fly"}, 'no command "fly"; there are status, authorize'),
    ({"cmd": "status", "x": 1}, "status: x: is not a known key"),
    ({"cmd": "authorize", "resource": "office"}, "authorize: client: given: no such client"),
    ({"cmd": "revoke", "client": "x", "resource": "office"},
     'revoke: client: "x": no such client is known'),
    ({"cmd": "update_filters", "resource": "attic", "filters": []},
     'update_filters: resource: there is no resource "attic"'),
    ({"cmd": "update_filters", "resource": "office", "filters": ["sctp/1"]},
     'update_filters: filters[0]: "sctp/1" is no filter'),
    ({"cmd": "update_filters", "resource": "office"},
     "update_filters: filters: is missing"),
    ({"cmd": "update_filters", "resource": "Internet", "filters": []}, "has no filters"),
    ({"cmd": "relays_presence"}, 'relays_presence: online: give "online" or "relays"'),
    ({"cmd": "relays_presence", "online": ["x"]}, 'no relay is named "x"'),
    ({"cmd": "relays_presence", "online": [{}]}, "relays_presence: online[0]: must be a string"),
    ({"cmd": "relays_presence", "relays": [{}]},
     "relays_presence: relays[0].ipv4: a relay needs ipv4, ipv6 or both"),
    ({"cmd": "drop"}, 'drop: kind: give a "gateway", a "client", a "relay", or the kind'),
    ({"cmd": "drop", "kind": "x"}, 'drop: kind: give a "gateway", a "client", a "relay", or'),
    ({"cmd": "drop", "kind": "relay"}, "drop: relay: given: no such relay is connected"),
    ({"cmd": "refuse_upgrade", "status": 799}, "799 is not a known HTTP status"),
    ({"cmd": "refuse_upgrade", "headers": {"a": 1}}, "refuse_upgrade: headers.a: must be"),
    ({"cmd": "refuse_upgrade", "headers": {"a": "b\r\nc: d"}}, "headers.a: must be"),
    ({"cmd": "mute", "kind": "x"}, 'mute: kind: must be "gateway", "client" or "relay"'),
])
@asynchronous
async def test_wrong_requests_are_told_what_is_wrong(tmp_path, request_, error):
    async with running(site(tmp_path)) as portal:
        assert error in (await control(portal, **request_))["error"]


@asynchronous
async def test_wrong_codes_for_drop(tmp_path):
    async with running(site(tmp_path)) as portal:
        peer = await (await gateway(portal)).join()
        for code in (0, 999, 1005, 1006, 1015, 5000):
            answer = await control(portal, cmd="drop", kind="gateway", code=code)
            assert "is not a code for a close frame" in answer["error"]
        await peer.heartbeat()


@asynchronous
async def test_lines_that_are_no_requests(tmp_path):
    import asyncio
    async with running(site(tmp_path)) as portal:
        reader, writer = await asyncio.open_unix_connection(portal.config.control_socket)
        for line in (b"{", b"[]", b"\xff", b"", b"[" * 100_000):
            writer.write(line + b"\n")
            assert b'"error"' in await reader.readline()
        writer.write(b"x" * 2_000_000 + b"\n")
        assert b"too long" in await reader.readline()
        writer.close()
        assert (await control(portal, cmd="status"))["ok"]
