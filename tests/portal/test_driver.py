"""The test client's portal driver, release by release, at our portal: what it says and how it
takes the answers (firezone-portal(7), Client generations and Two-step requests)."""

import asyncio
import contextlib
import os
import pathlib
import sys

import pytest
from harness import PATIENCE, asynchronous, gateway, new_key, resource_id, running, site

DRIVER = pathlib.Path(__file__).resolve().parents[1] / "client" / "portal_driver.py"
QUERY_RELEASES = ("1.4.0", "1.4.10", "1.5.4", "1.5.7", "1.5.9")
RELEASES = (*QUERY_RELEASES, "1.5.10", "1.5.11", "1.5.12", "1.5.16")
PSK = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo="
LINE = "candidate:1 1 udp 1 198.51.100.7 1 typ host"


class Driver:
    """The lines that the client would exchange with it."""

    def __init__(self, process):
        self.process = process

    async def line(self):
        text = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
        return text.decode().rstrip("\n")

    async def until(self, start):
        while not (line := await self.line()).startswith(start):
            pass
        return line

    def say(self, text):
        self.process.stdin.write(f"{text}\n".encode())


@contextlib.asynccontextmanager
async def driver(portal, release, public_key=None, token="jane", mode=()):
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(DRIVER), f"ws://{portal.addresses[0]}", "test-client",
        public_key or new_key(), release, "", *mode,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "FIREZONE_TOKEN": token},
    )
    try:
        yield Driver(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.parametrize("release", RELEASES)
@asynchronous
async def test_flows(tmp_path, release):
    v2, header = release == "1.5.16", release not in QUERY_RELEASES
    era = {"generation": 3 if v2 else 2, "header_token": header, "check_versions": False}
    async with running(site(tmp_path, era=era)) as portal:
        agent = None if v2 else "Debian/12 connlib/1.5.2"
        peer = await (
            await gateway(portal, v2=v2, query_token=".gw", user_agent=agent)).join()
        async with driver(portal, release) as client:
            await client.until("resources end")
            office = resource_id(portal, "office")
            client.say(f"request {office}")
            pushed = await peer.expect("create_authorization" if v2 else "authorize_flow")
            await peer.expect_reply(await peer.send(
                "authorization_created" if v2 else "flow_authorized", {"ref": pushed["ref"]}))
            word, resource, gateway_id, key, psk, *ice = (
                await client.until("authorized")).split(" ")
            assert (word, resource, key) == ("authorized", office, peer.public_key)
            assert psk == pushed["client"]["preshared_key"]
            assert ice == [*pushed["client_ice_credentials"].values(),
                           *pushed["gateway_ice_credentials"].values(), "ice"]
            client.say(f"candidate {gateway_id} {LINE}")
            assert (await peer.expect("ice_candidates"))["candidates"] == [LINE]
            client.say(f"uncandidate {gateway_id} {LINE}")
            assert (await peer.expect("invalidate_ice_candidates"))["candidates"] == [LINE]
            client.say("request 11c8e531-66e7-4fd0-8621-f555a58843bf")
            assert (await client.until("refused")).endswith(" not_found")


@pytest.mark.parametrize("mode", ["ice", "iceless"])
@pytest.mark.parametrize("switch", [False, True])
@asynchronous
async def test_without_ice(tmp_path, mode, switch):
    """What was offered is asked for when the account and the gateway have it, too."""
    async with running(site(tmp_path, site={"iceless": switch})) as portal:
        peer = await (await gateway(portal)).join(iceless=True)
        async with driver(portal, "1.5.16", mode=[mode]) as client:
            await client.until("resources end")
            client.say(f"request {resource_id(portal, 'office')}")
            pushed = await peer.expect("create_authorization")
            await peer.expect_reply(
                await peer.send("authorization_created", {"ref": pushed["ref"]}))
            agreed = mode if switch else "ice"
            assert pushed["use_iceless"] is (agreed == "iceless")
            assert (await client.until("authorized")).endswith(f" {agreed}")


@asynchronous
async def test_reconnect(tmp_path):
    """What is said after it waits for the new connection."""
    async with running(site(tmp_path)) as portal:
        peer = await (await gateway(portal)).join()
        async with driver(portal, "1.5.16") as client:
            await client.until("resources end")
            client.say(f"request {resource_id(portal, 'office')}")
            pushed = await peer.expect("create_authorization")
            await peer.expect_reply(
                await peer.send("authorization_created", {"ref": pushed["ref"]}))
            gateway_id = (await client.until("authorized")).split(" ")[2]
            client.say("reconnect")
            client.say(f"candidate {gateway_id} {LINE}")
            await client.until("portal down")
            await client.until("portal up")
            assert (await peer.expect("ice_candidates"))["candidates"] == [LINE]


@asynchronous
async def test_two_steps(tmp_path):
    async with running(site(tmp_path, era={"generation": 1})) as portal:
        key = new_key()
        async with driver(portal, "1.3.3", key) as client:
            await client.until("resources end")
            web = resource_id(portal, "web")
            client.say(f"request {web}")
            assert await client.until("refused") == f"refused {web} offline"
            peer = await (await gateway(portal, v2=False, token=None, query_token=".gw",
                                        user_agent="Debian/12 connlib/1.3.2")).join()
            client.say(f"request {web}")
            _, resource, gateway_id = (await client.until("prepared")).split(" ")
            assert resource == web
            client.say(f"connect {web} {gateway_id} {PSK} aYaH MMceouYA www.corp.example "
                       "100.96.0.1 fd00:2021:1111:8000::")
            pushed = await peer.expect("request_connection")
            assert pushed["client"]["peer"]["public_key"] == key
            assert pushed["client"]["peer"]["preshared_key"] == PSK
            assert pushed["client"]["payload"] == {
                "ice_parameters": {"username": "aYaH", "password": "MMceouYA"},
                "domain": {"name": "www.corp.example",
                           "proxy_ips": ["100.96.0.1", "fd00:2021:1111:8000::"]},
            }
            await peer.expect_reply(await peer.send("connection_ready", {
                "ref": pushed["ref"], "gateway_payload": {"ConnectionAccepted": {
                    "ice_parameters": {"username": "ejqt", "password": "zfjr"}}}}))
            assert await client.until("connected") == (
                f"connected {web} {gateway_id} {peer.public_key} ejqt zfjr")
            client.say(f"reuse {web} {gateway_id} mail.corp.example 100.96.0.9")
            assert (await peer.expect("allow_access"))["payload"] == {
                "name": "mail.corp.example", "proxy_ips": ["100.96.0.9"]}
            client.say(f"reuse {resource_id(portal, 'office')} {gateway_id}")
            assert (await peer.expect("allow_access"))["payload"] is None


@pytest.mark.parametrize("release, status, ends", [
    ("1.3.3", 404, True), ("1.5.9", 429, True), ("1.5.10", 429, False),
    ("1.5.9", 503, False), ("1.5.16", 401, True),
])
@asynchronous
async def test_which_refusals_are_final(tmp_path, release, status, ends):
    async with running(site(tmp_path)) as portal:
        portal.refusing.count, portal.refusing.status = 1, status
        async with driver(portal, release) as client:
            if ends:
                assert await asyncio.wait_for(client.process.wait(), PATIENCE) == 0
            else:
                await client.until("resources end")
