"""Framing, joining, heartbeats, closing (firezone-portal(7), Client portal cases (4, 5, 6,
17, 18))."""

import dataclasses
import json

import pytest
import strict
from harness import (
    STAMP_ID, asynchronous, client, control, gateway, running, site, until,
)

PEERS = pytest.mark.parametrize("connect", [gateway, client])


@PEERS
@asynchronous
async def test_join_heartbeat_and_init_exactly_once(tmp_path, connect):
    async with running(site(tmp_path)) as portal:
        peer = await connect(portal)
        await peer.heartbeat()  # before the join is fine
        await peer.expect_reply(await peer.send("no_relays", {}), "unmatched topic")
        await peer.join()
        await peer.heartbeat()
        await peer.heartbeat()


@PEERS
@asynchronous
async def test_refs_are_echoed_as_they_came(tmp_path, connect):
    async with running(site(tmp_path)) as portal:
        peer = await connect(portal)
        for ref in (7, "7", None, 2**63):
            frame = {"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": ref}
            await peer.socket.send(json.dumps({**frame, "join_ref": 1}))
            assert (await peer.frame())["ref"] == ref


@PEERS
@asynchronous
async def test_idle_sockets_are_closed_with_1002(tmp_path, connect):
    async with running(site(tmp_path), idle=0.1) as portal:
        peer = await (await connect(portal)).join()
        assert await peer.closed() == 1002
        await until(lambda: not portal.site.channels)


@PEERS
@asynchronous
async def test_unknown_events_and_topics_get_errors(tmp_path, connect):
    async with running(site(tmp_path)) as portal:
        peer = await (await connect(portal)).join()
        await peer.expect_reply(await peer.send("metrics", {}), "unknown_message")
        ref = await peer.send("phx_join", None, topic="elsewhere")
        await peer.expect_reply(ref, "unmatched topic", topic="elsewhere")
        await peer.expect_reply(await peer.send("no_relays", None), "invalid_payload")
        await peer.socket.send(b"\x00\x01")
        await peer.heartbeat()


@pytest.mark.parametrize("text", [
    "{", "[]", "7", '{"topic":"client"}', "[" * 100_000, "x" * 1_000_000,
    '{"topic":"client","event":"no_relays","ref":1}',
    '{"topic":1,"event":"no_relays","payload":{},"ref":1}',
    '{"topic":"client","event":"x","payload":{},"ref":NaN}',
    '{"topic":"client","event":"x","payload":{"a":"\\ud800"},"ref":1}',
])
@asynchronous
async def test_bad_frames_end_their_own_connection_only(tmp_path, text):
    async with running(site(tmp_path)) as portal:
        other = await (await client(portal, external_id="other")).join()
        peer = await (await client(portal)).join()
        await peer.socket.send(text)
        assert await peer.closed() == 1011
        await other.heartbeat()
        await (await client(portal)).join()


@asynchronous
async def test_a_large_frame_is_handled_and_a_huge_one_refused(tmp_path):
    async with running(site(tmp_path), close=0.2) as portal:
        peer = await (await client(portal)).join()
        await peer.expect_reply(await peer.send("big", {"x": "y" * 1_000_000}), "unknown_message")
        await peer.socket.send("z" * 8_000_001)
        assert await peer.closed() == 1009


@asynchronous
async def test_a_peer_that_does_not_read_is_dropped(tmp_path):
    async with running(site(tmp_path)) as portal:
        peer = await (await client(portal)).join()
        channel = next(iter(portal.site.clients.values()))
        for _ in range(20):
            channel.send("x" * 1_000_000)
        assert not portal.site.clients
        assert await peer.closed() == 1006


@asynchronous
async def test_inits_pass_strict_parsers(tmp_path):
    async with running(site(tmp_path)) as portal:
        peer = await (await client(portal)).join()
        strict.check_client_init(peer.init)
        strict.check_gateway_init((await (await gateway(portal)).join()).init)
        addresses = [relay["addr"] for relay in peer.init["relays"]]
        assert addresses == ["203.0.113.5:3478", "[2001:db8::5]:3478"]
        assert {relay["id"] for relay in peer.init["relays"]} == {STAMP_ID}
        assert peer.init["interface"]["upstream_dns"][1]["address"] == "[fd00::53]:53"


@asynchronous
async def test_each_kind_of_resource(tmp_path):
    async with running(site(tmp_path)) as portal:
        peer = await (await client(portal)).join()
        shown = {r["name"]: r for r in peer.init["resources"]}
        assert shown["office"]["filters"] == [
            {"protocol": "tcp", "port_range_start": 443, "port_range_end": 443},
            {"protocol": "udp", "port_range_start": 100, "port_range_end": 200},
            {"protocol": "tcp", "port_range_start": 0, "port_range_end": 65535},
            {"protocol": "icmp"},
        ]
        assert shown["host"]["address"] == "10.0.0.7/32"
        assert shown["host6"]["address"] == "fd00::7/128"
        assert shown["web"]["ip_stack"] == "ipv4_only"
        assert shown["Internet"]["type"] == "internet"
        assert "guarded" in shown
        joe = await (await client(portal, token="joe")).join()
        assert "guarded" not in {r["name"] for r in joe.init["resources"]}


@asynchronous
async def test_the_newest_socket_of_a_client_wins(tmp_path):
    async with running(site(tmp_path), presence=0) as portal:
        old = await (await client(portal)).join()
        new = await (await client(portal)).join()
        assert await old.closed() == 1000
        await control(portal, cmd="relays_presence", online=[])
        assert (await new.expect("relays_presence"))["disconnected_ids"] == [STAMP_ID]
        assert len(portal.site.clients) == 1


@asynchronous
async def test_no_relays_is_answered(tmp_path):
    async with running(site(tmp_path)) as portal:
        for connect in (gateway, client):
            peer = await (await connect(portal)).join()
            await peer.send("no_relays", {})
            answer = await peer.expect("relays_presence")
            assert answer == {"disconnected_ids": [], "connected": peer.init["relays"]}
            strict.check_relays(answer["connected"])


THREE_RELAYS = [
    {"name": name, "ipv4": f"203.0.113.{n}", "stamp_secret": name}
    for n, name in enumerate("abc", 1)
]


async def told(portal):
    """Whoever is to hear of the last change of relays has been sent it."""
    await until(lambda: not portal.site.telling)


@asynchronous
async def test_relay_changes_name_what_is_gone(tmp_path):
    async with running(site(tmp_path, relays=THREE_RELAYS), presence=0) as portal:
        peer = await (await client(portal)).join()
        a, b, c = (relay.id for relay in portal.config.relays)
        assert [r["id"] for r in peer.init["relays"]] == [a, b]
        for online, gone, left in (
            ("bc", [a], [b, c]), ("", [b, c], []), ("a", [], [a]), ("ab", [], [a, b]),
            ("a", [b], [a]),
        ):
            await control(portal, cmd="relays_presence", online=list(online))
            payload = await peer.expect("relays_presence")
            assert payload["disconnected_ids"] == gone
            assert [r["id"] for r in payload["connected"]] == left
        table = {"name": "a", "ipv4": "203.0.113.1", "stamp_secret": "restarted"}
        await control(portal, cmd="relays_presence", relays=[table])
        payload = await peer.expect("relays_presence")
        assert payload["disconnected_ids"] == [a]
        assert payload["connected"][0]["id"] != a


@asynchronous
async def test_relay_changes_that_do_not_concern_a_peer_are_not_told(tmp_path):
    async with running(site(tmp_path, relays=THREE_RELAYS), presence=0.01) as portal:
        peers = [await (await connect(portal)).join() for connect in (gateway, client)]
        a, b, c = portal.config.relays
        for changes in ([[a, b, c]], [[a, b]], [[a, b, c]], [[c], [], [b, a]]):
            for relays in changes:
                portal.site.set_relays(relays)
            await told(portal)
            for peer in peers:
                await peer.heartbeat()


@asynchronous
async def test_the_last_of_many_relay_changes_is_told_once(tmp_path):
    async with running(site(tmp_path, relays=THREE_RELAYS), presence=0.01) as portal:
        peer = await (await client(portal)).join()
        a, b, c = portal.config.relays
        for relays in ([c], [], [b], [b, c]):
            portal.site.set_relays(relays)
        payload = await peer.expect("relays_presence")
        assert payload["disconnected_ids"] == [a.id]
        assert [r["id"] for r in payload["connected"]] == [b.id, c.id]
        await peer.heartbeat()


@asynchronous
async def test_a_relay_with_another_address_is_told_anew(tmp_path):
    async with running(site(tmp_path, relays=THREE_RELAYS), presence=0) as portal:
        peer = await (await client(portal)).join()
        a, b, _ = portal.config.relays
        portal.site.set_relays([dataclasses.replace(a, ipv4="203.0.113.9"), b])
        payload = await peer.expect("relays_presence")
        assert payload["disconnected_ids"] == []
        assert [r["addr"] for r in payload["connected"]] == [
            "203.0.113.9:3478", "203.0.113.2:3478",
        ]


@asynchronous
async def test_a_stopped_portal_tells_nobody(tmp_path):
    async with running(site(tmp_path), presence=60) as portal:
        portal.site.set_relays([])
        assert portal.site.telling
        await portal.stop()
        assert not portal.site.telling


@asynchronous
async def test_relay_credentials_of_each_kind(tmp_path):
    from postern_portal import derive
    relays = [
        {"ipv4": "203.0.113.1", "secret": "s"},
        {"ipv4": "203.0.113.2", "username": "u", "password": "p"},
    ]
    async with running(site(tmp_path, relays=relays)) as portal:
        peer = await (await gateway(portal)).join()
        rest, fixed = peer.init["relays"]
        device = portal.site.gateways.popitem()[0]
        expected = derive.rest_credentials("s", device, 2145916800)
        assert (rest["username"], rest["password"]) == expected
        assert (fixed["username"], fixed["password"]) == ("u", "p")


@asynchronous
async def test_stopping_tells_peers_to_come_back(tmp_path):
    async with running(site(tmp_path)) as portal:
        peers = [await (await connect(portal)).join() for connect in (gateway, client)]
        assert (await control(portal, cmd="shutdown"))["ok"]
        assert [await peer.closed() for peer in peers] == [1012, 1012]
        await portal.stopped.wait()
