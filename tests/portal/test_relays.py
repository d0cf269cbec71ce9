"""Relays that register themselves (firezone-portal(7), RELAYS and Client portal cases (14,
23, 24))."""

import asyncio
import contextlib
import hashlib
import json
import time
import uuid

import pytest
import strict
from harness import (
    STAMP_ID, asynchronous, client, control, gateway, http, running, site, until,
)
from relay_stand_in import Relay, allocate, key_of, message, password_of, unpadded
from websockets.exceptions import InvalidStatusCode

ADDRESSES = {"ipv4": "203.0.113.77", "ipv6": "2001:db8::77"}
TOKEN = "relay-token"
COTURN = [{"name": name, "ipv4": f"203.0.113.{n}", "secret": "s"}
          for n, name in enumerate("ab", 1)]


def relay_site(folder, relays=(), **changes):
    from postern_portal import derive
    tokens = [{"token_sha256": derive.token_hash(TOKEN)}]
    return site(folder, relay_tokens=tokens, relays=list(relays), **changes)


@contextlib.asynccontextmanager
async def registered(portal, secret=None, addresses=ADDRESSES, **options):
    """A relay that is there, its TURN part on loopback at `turn_port`."""
    relay = Relay(TOKEN, secret=secret, **options)
    relay.turn_port = await relay.turn.open("127.0.0.1", 0)
    try:
        relay.frames = await relay.register(f"ws://{portal.addresses[0]}", **addresses)
        yield relay
    finally:
        await relay.close()


def identity(secret):
    """The id as other programs compute it: bits of a digest as a UUID of version 4."""
    digest = bytearray(hashlib.sha256(secret.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x40
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


async def presence(peer):
    payload = await peer.expect("relays_presence")
    strict.check_relays(payload["connected"])
    return payload["disconnected_ids"], payload["connected"]


async def check_entries(relay, peer, entries, expires=2145916800):
    """They are of this relay, for this peer, and the relay takes them."""
    salt = unpadded(hashlib.sha256(peer.public_key.encode()).digest())
    assert [e["addr"] for e in entries] == ["203.0.113.77:3478", "[2001:db8::77]:3478"]
    for entry in entries:
        assert entry["id"] == identity(relay.secret)
        assert entry["username"] == f"{expires}:{salt}"
        assert entry["password"] == password_of(relay.secret, entry["username"])
        assert entry["expires_at"] == expires
    assert await try_entry(relay, entries[0]) == "allocated"


async def try_entry(relay, entry):
    return await allocate(relay.turn_port, entry["username"], entry["password"])


@asynchronous
async def test_a_relay_gets_what_it_waits_for(tmp_path):
    async with running(relay_site(tmp_path)) as portal:
        async with registered(portal) as relay:
            assert relay.frames == [
                {"topic": "relay", "event": "phx_reply", "ref": 0,
                 "payload": {"status": "ok", "response": {}}},
                {"topic": "relay", "event": "init", "ref": None, "payload": {}},
            ]
            await relay.send("phoenix", "heartbeat", {}, ref=1)
            assert json.loads(await relay.socket.recv()) == {
                "topic": "phoenix", "event": "phx_reply", "ref": 1,
                "payload": {"status": "ok", "response": {}},
            }


@asynchronous
async def test_peers_get_credentials_that_the_relay_takes(tmp_path):
    async with running(relay_site(tmp_path)) as portal:
        async with registered(portal) as relay:
            for connect in (gateway, client):
                peer = await (await connect(portal)).join()
                await check_entries(relay, peer, peer.init["relays"])
                await peer.send("no_relays", {})
                assert await presence(peer) == ([], peer.init["relays"])


@asynchronous
async def test_peers_that_were_there_first_are_told(tmp_path):
    async with running(relay_site(tmp_path), presence=0) as portal:
        peers = [await (await connect(portal)).join() for connect in (gateway, client)]
        assert [peer.init["relays"] for peer in peers] == [[], []]
        async with registered(portal) as relay:
            for peer in peers:
                gone, entries = await presence(peer)
                assert gone == []
                await check_entries(relay, peer, entries)
        for peer in peers:
            assert await presence(peer) == ([identity(relay.secret)], [])


@asynchronous
async def test_a_restarted_relay_has_another_id_and_other_credentials(tmp_path):
    async with running(relay_site(tmp_path), presence=0.05) as portal:
        peer = await (await gateway(portal)).join()
        async with registered(portal) as old:
            _, before = await presence(peer)
        async with registered(portal) as new:
            seen, gone = [], []
            while not seen:
                more, seen = await presence(peer)
                gone += more
            assert gone == [identity(old.secret)]
            await check_entries(new, peer, seen)
            assert await try_entry(new, before[0]) == "refused"
            assert new.turn.refused == 1


@asynchronous
async def test_a_relay_that_is_back_at_once_was_not_away(tmp_path):
    async with running(relay_site(tmp_path, COTURN[:1]), presence=0.5) as portal:
        async with registered(portal) as first:
            peer = await (await client(portal)).join()
            # The same process: its secret is the same, the old socket not yet closed.
            async with registered(portal, secret=first.secret):
                await asyncio.wait_for(first.socket.wait_closed(), 5)
                assert first.socket.close_code == 1000
                await until(lambda: not portal.site.telling)
                await peer.heartbeat()
                status = await control(portal, cmd="status")
                assert [r["registered"] for r in status["relays"]] == [True, False]


@asynchronous
async def test_a_relay_with_another_address_is_told_anew(tmp_path):
    async with running(relay_site(tmp_path), presence=0) as portal:
        async with registered(portal) as relay:
            peer = await (await client(portal)).join()
            moved = {"ipv4": "203.0.113.78"}
            async with registered(portal, secret=relay.secret, addresses=moved):
                gone, entries = await presence(peer)
                assert gone == []
                assert [e["addr"] for e in entries] == ["203.0.113.78:3478"]


@asynchronous
async def test_static_relays_go_on_working_beside(tmp_path):
    from postern_portal import derive
    async with running(relay_site(tmp_path, COTURN[:1]), presence=0) as portal:
        peer = await (await gateway(portal)).join()
        assert len(peer.init["relays"]) == 1
        async with registered(portal) as relay:
            gone, entries = await presence(peer)
            assert gone == [] and entries[0] == peer.init["relays"][0]
            await check_entries(relay, peer, entries[1:])
            device = next(iter(portal.site.gateways))
            expected = derive.rest_credentials("s", device, 2145916800)
            assert (entries[0]["username"], entries[0]["password"]) == expected
            # Who comes now hears of the one that works for everyone first.
            newer = await (await client(portal)).join()
            await check_entries(relay, newer, newer.init["relays"][:2])
        gone, entries = await presence(peer)
        assert gone == [identity(relay.secret)] and entries == peer.init["relays"]


@asynchronous
async def test_a_peer_without_usable_relays_hears_of_the_registered_one(tmp_path):
    async with running(relay_site(tmp_path, COTURN), presence=0) as portal:
        peer = await (await client(portal)).join()
        async with registered(portal) as relay:
            await until(lambda: not portal.site.telling)
            await peer.heartbeat()  # a third one is not told
            await peer.send("no_relays", {})
            gone, entries = await presence(peer)
            assert gone == []
            await check_entries(relay, peer, entries[:2])
            assert entries[2:] == peer.init["relays"][:1]
        # Of the one that was left out the peer still knows.
        gone, entries = await presence(peer)
        assert gone == [identity(relay.secret)] and entries == peer.init["relays"]


@asynchronous
async def test_a_configured_relay_that_registers_is_one_relay(tmp_path):
    secret = "stamp-secret"
    relays = [{"name": "seeded", "stamp_secret": secret, **ADDRESSES}]
    async with running(relay_site(tmp_path, relays)) as portal:
        async with registered(portal, secret=secret, name="seeded") as relay:
            peer = await (await client(portal)).join()
            await check_entries(relay, peer, peer.init["relays"])
            assert {e["id"] for e in peer.init["relays"]} == {STAMP_ID}
            # Of the same content, so nothing has changed.
            assert len(portal.site.relays) == 1


@asynchronous
async def test_the_credentials_of_a_client_end_with_its_session(tmp_path):
    import datetime

    from postern_portal import derive
    end = int(time.time()) + 3600
    users = [{"name": "jane", "token_sha256": derive.token_hash("jane"),
              "expires_at": datetime.datetime.fromtimestamp(end, datetime.timezone.utc)}]
    async with running(relay_site(tmp_path, users=users, policies=[])) as portal:
        async with registered(portal) as relay:
            peer = await (await client(portal)).join()
            await check_entries(relay, peer, peer.init["relays"], expires=end)
            entry = derive.stamp_credentials(relay.secret, peer.public_key, end - 7200)
            assert await allocate(relay.turn_port, *entry) == "refused"


@asynchronous
async def test_a_silent_relay_is_taken_for_dead(tmp_path):
    async with running(relay_site(tmp_path), relay_idle=0.2, presence=0) as portal:
        peer = await (await client(portal)).join()
        async with registered(portal) as relay:
            assert await asyncio.wait_for(relay.socket.wait_closed(), 5) is None
            assert relay.socket.close_code == 1002
            await until(lambda: not portal.site.registered)
            frames = [await presence(peer)]
            if frames[0][1]:
                frames.append(await presence(peer))
            assert frames[-1] == ([identity(relay.secret)], [])


@asynchronous
async def test_an_operator_can_drop_a_relay(tmp_path):
    async with running(relay_site(tmp_path), presence=0) as portal:
        for argument in ({"kind": "relay"}, {"relay": "north"}):
            async with registered(portal, name="north") as relay:
                row, = (await control(portal, cmd="status"))["relays"]
                assert row == {"id": identity(relay.secret), "name": "north",
                               "port": 3478, "registered": True, **ADDRESSES}
                answer = await control(portal, cmd="drop", **argument)
                assert answer["id"] == identity(relay.secret)
                await asyncio.wait_for(relay.socket.wait_closed(), 5)
                assert relay.socket.close_code == 1012
                assert (await control(portal, cmd="status"))["relays"] == []


@pytest.mark.parametrize("payload", [
    None, {}, [], {"stamp_secret": None}, {"stamp_secret": ""}, {"stamp_secret": 7},
    {"stamp_secret": "x" * 256},
])
@asynchronous
async def test_a_join_without_a_stamp_secret_is_refused(tmp_path, payload):
    async with running(relay_site(tmp_path)) as portal:
        async with registered(portal) as relay:
            await relay.send("relay", "phx_leave", {}, ref=8)
            assert json.loads(await relay.socket.recv())["payload"]["status"] == "error"
            await relay.send("relay", "phx_join", payload, ref=9)
            answer = json.loads(await relay.socket.recv())
            assert answer["ref"] == 9 and answer["payload"] == {
                "status": "error", "response": {"reason": "invalid_payload"},
            }


@asynchronous
async def test_a_relay_that_joins_again_with_another_secret_is_another(tmp_path):
    async with running(relay_site(tmp_path), presence=0) as portal:
        async with registered(portal) as relay:
            peer = await (await client(portal)).join()
            before, relay.secret = relay.secret, "other"
            await relay.send("relay", "phx_join", {"stamp_secret": relay.secret})
            gone, entries = await presence(peer)
            assert gone == [identity(before)]
            assert entries[0]["id"] == identity("other")
            assert len(portal.site.registered) == 1


@pytest.mark.parametrize("query, detail", [
    ("port=3478", "ipv4 or ipv6 is needed"),
    ("ipv4=&ipv6=", "ipv4 or ipv6 is needed"),
    ("ipv4=relay.example.org", "ipv4 is not an ipv4 address"),
    ("ipv4=2001:db8::1", "ipv4 is not an ipv4 address"),
    ("ipv6=fe80::1%25eth0", "ipv6 is not an ipv6 address"),
    ("ipv4=203.0.113.1&port=0", "port must be from 1 to 65535"),
    ("ipv4=203.0.113.1&port=65536", "port must be from 1 to 65535"),
    ("ipv4=203.0.113.1&port=%C2%B2", "port must be from 1 to 65535"),
    ("ipv4=203.0.113.1&port=", "port must be from 1 to 65535"),
    ("ipv4=203.0.113.1&name=" + "x" * 256, "name should be at most 255 character(s)"),
])
@asynchronous
async def test_registrations_that_no_peer_could_use_are_400(tmp_path, query, detail):
    async with running(relay_site(tmp_path)) as portal:
        answer = await http(portal, f"/relay/websocket?{query}",
                            [f"X-Authorization: Bearer {TOKEN}"])
        assert answer[0] == 400 and json.loads(answer[2])["detail"] == detail


@asynchronous
async def test_the_token_of_another_kind_is_401(tmp_path):
    async with running(relay_site(tmp_path)) as portal:
        for token in (".gw", "jane", "wrong"):
            with pytest.raises(InvalidStatusCode) as caught:
                await Relay(token).register(f"ws://{portal.addresses[0]}", **ADDRESSES)
            assert caught.value.status_code == 401
        for connect in (gateway, client):
            with pytest.raises(InvalidStatusCode) as caught:
                await connect(portal, token=TOKEN)
            assert caught.value.status_code == 401


@asynchronous
async def test_the_stamp_secret_is_on_no_disk_and_in_no_log(tmp_path, caplog):
    caplog.set_level("INFO")
    async with running(relay_site(tmp_path)) as portal:
        odd = {**ADDRESSES, "port": 3479}
        async with registered(portal, name="north", addresses=odd) as relay:
            peer = await (await client(portal)).join()
            assert peer.init["relays"][0]["addr"] == "203.0.113.77:3479"
            assert relay.secret not in str(await control(portal, cmd="status"))
            assert relay.secret not in repr(portal.site.relays)
    assert "relay 'north'" in caplog.text and "only take port 3478" in caplog.text
    assert relay.secret not in caplog.text and TOKEN not in caplog.text
    assert relay.secret not in (tmp_path / "state.json").read_text()


def test_messages_are_signed_as_the_vector_of_rfc_5769_is():
    """The long-term one (2.4), from its fields; its realm is not ours."""
    sample = bytes.fromhex(
        "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aa"
        "e38383e382afe382b900000015001c662f2f3439396b3935346436"
        "4f4c33346f4c394653547679363473410014000b6578616d706c652e6f726700"
        "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
    )
    from relay_stand_in import Message
    parsed = Message(sample)
    username = parsed.get(0x0006).decode()
    key = hashlib.md5(f"{username}:example.org:TheMatrIX".encode()).digest()
    assert parsed.is_signed_with(key)
    assert not parsed.is_signed_with(key_of(username, "TheMatrIX"))
    again = message(parsed.kind, parsed.transaction, parsed.attributes[:-1], key)
    assert again == sample
