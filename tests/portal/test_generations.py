"""Gateways and clients of all three generations at one portal, and the portal as it was
(firezone-portal(7), Generations, Flow authorization, Two-step authorization and Two-step
requests)."""

import asyncio
import datetime
import json
import time

import pytest
import strict
from harness import (
    asynchronous, client, control, gateway, http, new_key, resource_id, running, site, until,
)
from websockets.exceptions import InvalidStatusCode

GATEWAY_A = "Debian/12.0.0 connlib/1.3.2 (x86_64; 6.1.0)"
GATEWAY_B = "Debian/12.0.0 connlib/1.5.2 (x86_64; 6.1.0)"
CLIENT_A = "Debian/12.0.0 connlib/1.3.3 (x86_64; 6.1.0)"
CLIENT_B = "Debian/12.0.0 connlib/1.4.10 (x86_64; 6.1.0)"
ICE = {"username": "aYaH", "password": "MMceouYA5jGIPkxbvIiLvD"}
GATEWAY_ICE = {"username": "ejqt", "password": "zfjrrjdkbci42t2axyd45a"}
DOMAIN = {"name": "www.corp.example", "proxy_ips": ["100.96.0.1", "fd00:2021:1111:8000::"]}
ACCEPTED = {"ConnectionAccepted": {"ice_parameters": GATEWAY_ICE}}


async def old_gateway(portal, **options):
    return await (await gateway(portal, **{"v2": False, "user_agent": GATEWAY_B, **options})).join()


async def seed_gateway(portal, **options):
    options = {"token": None, "query_token": ".gw", "user_agent": GATEWAY_A, **options}
    return await old_gateway(portal, **options)


async def flow_client(portal, **options):
    options = {"v2": False, "token": None, "query_token": "jane", "user_agent": CLIENT_B,
               **options}
    return await (await client(portal, **options)).join()


async def two_step_client(portal, **options):
    return await flow_client(portal, **{"user_agent": CLIENT_A, **options})


async def answer(peer, ref):
    """The response of a reply that is good."""
    frame = await peer.frame()
    assert (frame["event"], frame["ref"], frame["topic"]) == ("phx_reply", ref, peer.topic)
    assert frame["payload"]["status"] == "ok", frame
    return frame["payload"]["response"]


class TwoStep:
    """A gateway and a client of generation A, and what they say to each other."""

    def __init__(self, portal, gateway, client, resource="office"):
        self.portal, self.gateway, self.client = portal, gateway, client
        self.resource = resource_id(portal, resource)
        self.key = new_key()

    async def prepare(self, connected=()):
        payload = {"resource_id": self.resource, "connected_gateway_ids": list(connected)}
        return await self.client.send("prepare_connection", payload)

    async def prepared(self, connected=()):
        return await answer(self.client, await self.prepare(connected))

    async def request(self, gateway_id, domain=None):
        return await self.client.send("request_connection", {
            "gateway_id": gateway_id, "resource_id": self.resource,
            "client_preshared_key": self.key,
            "client_payload": {"ice_parameters": ICE, "domain": domain},
        })

    async def reuse(self, gateway_id, payload=None):
        return await self.client.send("reuse_connection", {
            "gateway_id": gateway_id, "resource_id": self.resource, "payload": payload})

    async def ready(self, pushed, reason=None):
        ref = await self.gateway.send(
            "connection_ready", {"ref": pushed["ref"], "gateway_payload": ACCEPTED})
        await self.gateway.expect_reply(ref, reason)

    async def connect(self, domain=None):
        details = await self.prepared()
        ref = await self.request(details["gateway_id"], domain)
        pushed = await self.gateway.expect("request_connection")
        await self.ready(pushed)
        return details, pushed, await answer(self.client, ref)


async def two_steps(portal, resource="office", make_gateway=seed_gateway):
    return TwoStep(portal, await make_gateway(portal), await two_step_client(portal), resource)


# Generation B.

@asynchronous
async def test_the_path_of_a_gateway_decides_the_names(tmp_path):
    async with running(site(tmp_path)) as portal:
        office = resource_id(portal, "office")
        old = await old_gateway(portal)
        for peer, ask, created in (
            (await (await client(portal)).join(), "request_authorization",
             "authorization_created"),
            (await flow_client(portal, external_id="old", user_agent=CLIENT_B), "create_flow",
             "flow_created"),
        ):
            await peer.send(ask, {"resource_id": office, "connected_gateway_ids": []})
            pushed = await old.expect("authorize_flow")
            strict.check_create_authorization(pushed)
            sent = await old.send("authorization_created", {"ref": pushed["ref"]})
            await old.expect_reply(sent, "unknown_message")
            sent = await old.send("flow_authorized", {"ref": pushed["ref"]})
            await old.expect_reply(sent)
            strict.check_authorization_created(await peer.expect(created))


@asynchronous
async def test_clients_go_to_gateways_of_their_time(tmp_path):
    async with running(site(tmp_path)) as portal:
        gateways = {
            "A": await seed_gateway(portal, external_id="A"),
            "B": await old_gateway(portal, external_id="B"),
            "C": await (await gateway(portal, external_id="C")).join(),
        }
        ids = {row["external_id"]: row["id"]
               for row in (await control(portal, cmd="status"))["gateways"]}
        for _ in range(10):
            step = TwoStep(portal, gateways["A"], await two_step_client(portal))
            assert (await step.prepared())["gateway_id"] == ids["A"]
        flow = await flow_client(portal)
        today = await (await client(portal, external_id="today", user_agent=
                                    "Debian/12 headless-client/1.7.0")).join()
        payload = {"resource_id": step.resource, "connected_gateway_ids": []}
        for _ in range(20):
            await flow.send("create_flow", payload)
            await today.send("request_authorization", payload)
        await flow.heartbeat()
        await today.heartbeat()
        got = {name: await events(peer) for name, peer in gateways.items()}
        assert got["C"] == ["create_authorization"] * 20
        assert got["A"] + got["B"] == ["authorize_flow"] * 20 and got["A"] and got["B"]


async def events(peer):
    """The names of all frames that have come until now."""
    ref, names = await peer.send("heartbeat", {}, topic="phoenix"), []
    while (frame := await peer.frame())["ref"] != ref:
        names.append(frame["event"])
    return names


@asynchronous
async def test_versions_are_not_checked_on_demand(tmp_path):
    for check, event in ((True, "flow_creation_failed"), (False, None)):
        async with running(site(tmp_path, era={"check_versions": check})) as portal:
            seed = await seed_gateway(portal)
            peer = await flow_client(portal, user_agent="Debian/12 connlib/1.5.0")
            await peer.send("create_flow", {"resource_id": resource_id(portal, "office")})
            if event:
                assert (await peer.expect(event))["reason"] == "version_mismatch"
            else:
                await seed.expect("authorize_flow")


@asynchronous
async def test_an_authorization_under_the_name_of_another_path(tmp_path):
    async with running(site(tmp_path)) as portal:
        today = await (await gateway(portal)).join()
        peer = await (await client(portal)).join()
        await control(portal, cmd="authorize", resource="office", event="authorize_flow")
        strict.check_create_authorization(await today.expect("authorize_flow"))
        await peer.heartbeat()


# Generation A.

@pytest.mark.parametrize("make_gateway", [seed_gateway, lambda portal: gateway_of_1_4(portal)])
@asynchronous
async def test_two_steps(tmp_path, make_gateway):
    async with running(site(tmp_path)) as portal:
        step = await two_steps(portal, make_gateway=make_gateway)
        details, pushed, connected = await step.connect()
        rows = (await control(portal, cmd="status"))["gateways"]
        assert details == {
            "resource_id": step.resource, "gateway_id": rows[0]["id"],
            "gateway_group_id": portal.config.site_id, "gateway_remote_ip": "127.0.0.1",
        }
        interface = step.client.init["interface"]
        client_id = pushed["client"]["id"]
        strict.check_uuid(client_id)
        assert pushed.pop("ref")
        assert pushed == {
            "expires_at": 2145916800,
            "resource": {
                "id": step.resource, "type": "cidr", "name": "office",
                "address": "10.20.0.0/16", "filters": pushed["resource"]["filters"],
            },
            "client": {
                "id": client_id,
                "peer": {
                    "public_key": step.client.public_key, "preshared_key": step.key,
                    "ipv4": interface["ipv4"], "ipv6": interface["ipv6"],
                    "persistent_keepalive": 25,
                },
                "payload": {"ice_parameters": ICE, "domain": None},
            },
        }
        strict.check_filters(pushed["resource"]["filters"])
        assert connected == {
            "resource_id": step.resource, "persistent_keepalive": 25,
            "gateway_public_key": step.gateway.public_key, "gateway_payload": ACCEPTED,
        }


async def gateway_of_1_4(portal):
    return await old_gateway(portal, user_agent="Debian/12.0.0 gateway/1.4.19")


@asynchronous
async def test_names_are_passed_on_as_they_are(tmp_path):
    async with running(site(tmp_path)) as portal:
        step = await two_steps(portal, "web")
        details, pushed, _ = await step.connect(DOMAIN)
        assert pushed["client"]["payload"]["domain"] == DOMAIN
        other = {**DOMAIN, "name": "mail.corp.example"}
        await step.reuse(details["gateway_id"], other)
        allowed = await step.gateway.expect("allow_access")
        interface = step.client.init["interface"]
        assert allowed.pop("ref")
        assert allowed == {
            "client_id": pushed["client"]["id"], "client_ipv4": interface["ipv4"],
            "client_ipv6": interface["ipv6"], "expires_at": 2145916800,
            "resource": pushed["resource"], "payload": other,
        }
        await step.client.heartbeat()  # there is no answer


@asynchronous
async def test_the_connected_gateway_is_preferred(tmp_path):
    async with running(site(tmp_path)) as portal:
        step = await two_steps(portal)
        known = (await control(portal, cmd="status"))["gateways"][0]["id"]
        for number in range(5):
            await seed_gateway(portal, external_id=f"other-{number}")
        for _ in range(10):
            assert (await step.prepared(["x", known]))["gateway_id"] == known


@asynchronous
async def test_two_steps_are_refused_by_replies(tmp_path):
    async with running(site(tmp_path)) as portal:
        step = TwoStep(portal, None, await two_step_client(portal))
        other = "11c8e531-66e7-4fd0-8621-f555a58843bf"

        async def refused(ref, reason, **more):
            frame = await step.client.frame()
            assert (frame["event"], frame["ref"]) == ("phx_reply", ref)
            assert frame["payload"] == {"status": "error",
                                        "response": {"reason": reason, **more}}

        await refused(await step.prepare(), "offline")
        await refused(await step.request(other), "not_found")
        for event in ("prepare_connection", "request_connection", "reuse_connection"):
            await refused(await step.client.send(event, {"resource_id": 7}), "invalid_payload")
        step.gateway = await seed_gateway(portal)
        known = (await step.prepared())["gateway_id"]
        sent = await step.client.send(
            "request_connection", {"resource_id": step.resource, "gateway_id": known})
        await refused(sent, "invalid_payload")
        await refused(await step.reuse([known]), "not_found")
        await refused(await step.reuse(step.client.init["resources"][0]["id"]), "not_found")
        guarded = TwoStep(portal, step.gateway, step.client, "guarded")
        for sent in (await guarded.prepare(), await guarded.request(known),
                     await guarded.reuse(known)):
            await refused(sent, "forbidden", violated_properties=["remote_ip"])
        await step.gateway.heartbeat()  # was told nothing
        await step.gateway.close()
        await until(lambda: not portal.site.gateways)
        await refused(await step.request(known), "offline")
        await old_gateway(portal, user_agent="Debian/12.0.0 connlib/1.5.2", external_id="new")
        await refused(await step.prepare(), "version_mismatch")


@asynchronous
async def test_answers_of_gateways_that_do_not_fit(tmp_path):
    async with running(site(tmp_path)) as portal:
        step = await two_steps(portal)
        details = await step.prepared()
        first = await step.request(details["gateway_id"])
        pushed = await step.gateway.expect("request_connection")
        for ref in (None, 7, "nonsense", pushed["ref"][:-2]):
            await step.ready({"ref": ref}, "invalid_ref")
        # A ref of one kind is none of the other.
        ref = await step.gateway.send("flow_authorized", {"ref": pushed["ref"]})
        await step.gateway.expect_reply(ref, "invalid_ref")
        flow = await flow_client(portal, external_id="flow", user_agent=
                                 "Debian/12 connlib/1.4.0")
        await flow.send("create_flow", {"resource_id": step.resource})
        await step.ready(await step.gateway.expect("authorize_flow"), "invalid_ref")
        other = await seed_gateway(portal, external_id="other")
        ref = await other.send("connection_ready", {"ref": pushed["ref"]})
        await other.expect_reply(ref, "invalid_ref")
        # Once is enough, and an answer to another request is no answer to this.
        await step.ready(pushed)
        assert (await answer(step.client, first))["gateway_payload"] == ACCEPTED
        await step.ready(pushed)
        await step.client.heartbeat()
        await step.request(details["gateway_id"])
        pushed = await step.gateway.expect("request_connection")
        step.client = await two_step_client(portal)
        await step.ready(pushed)
        await step.client.heartbeat()


@asynchronous
async def test_requests_that_wait_are_bounded(tmp_path):
    from postern_portal import twostep
    async with running(site(tmp_path)) as portal:
        step = await two_steps(portal)
        gateway_id = (await step.prepared())["gateway_id"]
        first = await step.request(gateway_id)
        pushed = await step.gateway.expect("request_connection")
        for _ in range(twostep.MAX_WAITING):
            last = await step.reuse(gateway_id)
            allowed = await step.gateway.expect("allow_access")
        await step.ready(pushed)
        await step.client.heartbeat()
        await step.ready(allowed)
        assert (await answer(step.client, last))["resource_id"] == step.resource
        assert first < last


@asynchronous
async def test_candidates_of_a_two_step_connection(tmp_path):
    async with running(site(tmp_path)) as portal:
        step = await two_steps(portal)
        details, pushed, _ = await step.connect()
        lines = ["candidate:1 1 udp 1 198.51.100.7 1 typ host"]
        await step.client.send("broadcast_ice_candidates", {
            "gateway_ids": [details["gateway_id"]], "candidates": lines})
        got = await step.gateway.expect("ice_candidates")
        assert got == {"client_id": pushed["client"]["id"], "candidates": lines}
        await step.gateway.send("broadcast_ice_candidates", {
            "client_ids": [pushed["client"]["id"]], "candidates": lines})
        got = await step.client.expect("ice_candidates")
        assert got == {"gateway_id": details["gateway_id"], "candidates": lines}


@asynchronous
async def test_two_step_access_is_revoked_and_extended(tmp_path):
    async with running(site(tmp_path)) as portal:
        step = await two_steps(portal)
        _, pushed, _ = await step.connect()
        await control(portal, cmd="expire", resource="office", **{"in": 3600})
        allowed = await step.gateway.expect("allow_access")
        assert 3500 < allowed["expires_at"] - time.time() <= 3600
        assert allowed["payload"] is None
        await step.ready(allowed)  # nobody waits for it
        await control(portal, cmd="revoke", resource="office")
        assert await step.gateway.expect("reject_access") == {
            "client_id": pushed["client"]["id"], "resource_id": step.resource}
        assert await step.client.expect("resource_deleted") == step.resource
        ref = await step.prepare()
        await step.client.expect_reply(ref, "not_found")


@asynchronous
async def test_a_policy_that_does_not_last(tmp_path):
    policies = [{"resource": "office", "users": ["*"], "lasts": 1}]
    async with running(site(tmp_path, policies=policies)) as portal:
        step = await two_steps(portal)
        before = time.time()
        _, pushed, _ = await step.connect()
        assert int(before) + 1 <= pushed["expires_at"] <= time.time() + 1
        assert await step.client.expect("resource_deleted") == step.resource
        assert (await step.client.expect("resource_created_or_updated"))["id"] == step.resource
        # What a gateway does then is its own business: it is not told.
        await step.gateway.heartbeat()
        await step.prepared()


@pytest.mark.parametrize("restarted", [False, True])
@asynchronous
async def test_a_client_that_was_away_hears_what_has_ended(tmp_path, restarted):
    policies = [{"resource": name, "users": ["*"], "lasts": 1} for name in ("office", "web")]

    async def comes_back(portal, office):
        peer = await flow_client(portal)
        assert await peer.expect("resource_deleted") == office
        assert (await peer.expect("resource_created_or_updated"))["id"] == office
        await peer.close()
        await until(lambda: not portal.site.clients)
        await (await flow_client(portal)).heartbeat()  # once is enough

    async with running(site(tmp_path, policies=policies)) as portal:
        step = await two_steps(portal)
        await step.connect()
        await step.client.close()
        if not restarted:
            await until(lambda: not portal.site.state.authorizations)
            await comes_back(portal, step.resource)
    if restarted:
        await asyncio.sleep(max(0, portal_end(tmp_path) - time.time()))
        async with running(site(tmp_path, policies=policies)) as portal:
            await comes_back(portal, step.resource)


def portal_end(folder):
    """The end of the only authorization on disk."""
    content = json.loads((folder / "state.json").read_text())
    return content["authorizations"][0]["expires_at"]


# The portal as it was.

@pytest.mark.parametrize("generation", [1, 2])
@asynchronous
async def test_an_older_portal_has_no_v2_paths(tmp_path, generation):
    async with running(site(tmp_path, era={"generation": generation})) as portal:
        for kind in ("gateway", "client"):
            status, _, _ = await http(portal, f"/{kind}/v2/websocket?token=.gw")
            assert status == 404
        await seed_gateway(portal)
        await flow_client(portal)


@asynchronous
async def test_an_older_portal_reads_the_token_of_the_query_only(tmp_path):
    async with running(site(tmp_path, era={"generation": 2})) as portal:
        with pytest.raises(InvalidStatusCode) as caught:
            await old_gateway(portal, token=".gw")
        assert caught.value.status_code == 401
        await old_gateway(portal, token="wrong", query_token=".gw")
    async with running(site(tmp_path, era={"generation": 2, "header_token": True})) as portal:
        await old_gateway(portal, token=".gw", query_token="wrong")


@pytest.mark.parametrize("era, members", [
    ({"generation": 1}, ["interface", "relays", "config"]),
    ({"generation": 2}, ["interface", "relays", "config"]),
    ({"generation": 2, "gateway_init": ["relays", "interface"]}, ["interface", "relays"]),
    ({}, ["interface", "relays", "authorizations", "account_slug", "flow_logs", "config"]),
])
@asynchronous
async def test_forms_of_init(tmp_path, era, members):
    async with running(site(tmp_path, era=era)) as portal:
        peer = await seed_gateway(portal)
        assert list(peer.init) == members
        strict.check_interface(peer.init["interface"])
        strict.check_relays(peer.init["relays"])
        peer = await flow_client(portal)
        strict.check_relays(peer.init["relays"])
        first = portal.config.era.first_forms
        assert ("flow_logs" in peer.init, "authorizations" in peer.init) == (not first,) * 2
        for resource in peer.init["resources"]:
            strict.check_client_resource(resource)


@asynchronous
async def test_the_first_form_of_a_flow(tmp_path):
    async with running(site(tmp_path, era={"generation": 2})) as portal:
        old = await seed_gateway(portal, user_agent=GATEWAY_B)
        peer = await flow_client(portal)
        office = resource_id(portal, "office")
        await peer.send("create_flow", {"resource_id": office, "connected_gateway_ids": []})
        pushed = await old.expect("authorize_flow")
        assert set(pushed) == {
            "ref", "flow_id", "actor", "resource", "gateway_ice_credentials", "client",
            "client_ice_credentials", "expires_at",
        }
        assert set(pushed["client"]) == {"id", "public_key", "preshared_key", "ipv4", "ipv6"}
        strict.check_uuid(pushed["flow_id"])
        strict.check_uuid(pushed["actor"]["id"])
        await old.expect_reply(await old.send("flow_authorized", {"ref": pushed["ref"]}))
        created = await peer.expect("flow_created")
        assert set(created) == {
            "resource_id", "gateway_id", "gateway_group_id", "gateway_public_key",
            "gateway_ipv4", "gateway_ipv6", "preshared_key", "client_ice_credentials",
            "gateway_ice_credentials",
        }
        await control(portal, cmd="revoke", resource="office")
        assert (await old.expect("reject_access"))["flow_id"] == pushed["flow_id"]
        assert await peer.expect("resource_deleted") == office
        for event in ("no_relays", "set_snownet_capabilities"):
            await old.expect_reply(await old.send(event, {}), "unknown_message")
            await peer.expect_reply(await peer.send(event, {}), "unknown_message")


@asynchronous
async def test_until_2025_clients_need_gateways_that_are_not_older(tmp_path):
    async with running(site(tmp_path, era={"generation": 2})) as portal:
        peer = await flow_client(portal)
        request = {"resource_id": resource_id(portal, "office")}
        await seed_gateway(portal, external_id="A")
        await peer.send("create_flow", request)
        assert (await peer.expect("flow_creation_failed"))["reason"] == "not_found"
        new = await seed_gateway(portal, user_agent="Debian/12 connlib/1.6.1")
        for _ in range(5):
            await peer.send("create_flow", request)
            await new.expect("authorize_flow")


@asynchronous
async def test_until_2026_refusals_are_plain_text(tmp_path):
    for generation in (1, 2, 3):
        async with running(site(tmp_path, era={"generation": generation})) as portal:
            status, headers, body = await http(portal, "/client/websocket?token=wrong")
            assert status == 401
            if generation == 3:
                assert json.loads(body)["detail"] == "Invalid token"
            else:
                assert body == b"Invalid token"
                assert headers["content-type"] == "text/plain"


@asynchronous
async def test_until_2025_there_is_one_word_for_gateways(tmp_path):
    for generation in (1, 2):
        era = {"generation": generation, "header_token": True}
        async with running(site(tmp_path, era=era)) as portal:
            with pytest.raises(InvalidStatusCode) as refusal:
                await old_gateway(portal, user_agent="Debian/12 gateway/1.5.2")
            assert refusal.value.status_code == 422
            await old_gateway(portal, user_agent="Debian/12 connlib/1.5.2")


@asynchronous
async def test_the_first_form_of_two_steps(tmp_path):
    async with running(site(tmp_path, era={"generation": 1})) as portal:
        step = await two_steps(portal)
        details, pushed, _ = await step.connect()
        assert set(pushed) == {
            "ref", "expires_at", "resource", "client", "flow_id", "actor", "relays"}
        strict.check_relays(pushed["relays"])
        assert pushed["relays"] == step.gateway.init["relays"]
        await step.reuse(details["gateway_id"])
        allowed = await step.gateway.expect("allow_access")
        assert allowed["flow_id"] == pushed["flow_id"]


@asynchronous
async def test_a_portal_of_the_first_generation_knows_no_flows(tmp_path):
    async with running(site(tmp_path, era={"generation": 1})) as portal:
        old = await seed_gateway(portal)
        peer = await flow_client(portal)
        sent = await peer.send("create_flow", {"resource_id": resource_id(portal, "office")})
        await peer.expect_reply(sent, "unknown_message")
        sent = await old.send("flow_authorized", {"ref": "x"})
        await old.expect_reply(sent, "unknown_message")


@asynchronous
async def test_random_preshared_keys_are_the_same_at_both_ends(tmp_path):
    era = {"generation": 2, "random_preshared_key": True}
    async with running(site(tmp_path, era=era)) as portal:
        old = await seed_gateway(portal, user_agent=GATEWAY_B)
        peer = await flow_client(portal)
        keys = set()
        for _ in range(3):
            await peer.send("create_flow", {"resource_id": resource_id(portal, "office")})
            pushed = await old.expect("authorize_flow")
            await old.expect_reply(await old.send("flow_authorized", {"ref": pushed["ref"]}))
            created = await peer.expect("flow_created")
            strict.check_key(created["preshared_key"])
            assert created["preshared_key"] == pushed["client"]["preshared_key"]
            keys.add(created["preshared_key"])
        assert len(keys) == 3


@asynchronous
async def test_never_expires_is_null_for_gateways(tmp_path):
    async with running(site(tmp_path, era={"never_expires": True})) as portal:
        step = await two_steps(portal)
        details, pushed, _ = await step.connect()
        assert pushed["expires_at"] is None
        await step.reuse(details["gateway_id"])
        assert (await step.gateway.expect("allow_access"))["expires_at"] is None
        flow = await flow_client(portal, external_id="flow", user_agent=
                                 "Debian/12 connlib/1.4.0")
        await flow.send("create_flow", {"resource_id": step.resource})
        assert (await step.gateway.expect("authorize_flow"))["expires_at"] is None


@pytest.mark.parametrize("changes, fault", [
    ({"era": {"generation": 4}}, "era.generation: must be 1, 2 or 3"),
    ({"era": {"gateway_init": ["relay"]}}, '"relay" is none of interface, relays,'),
    ({"era": {"first": True}}, "era.first: is not a known key"),
    ({"policies": [{"resource": "office", "users": ["*"], "lasts": 0}]},
     r"policies\[0\].lasts: must be at least 1 second"),
])
def test_configurations_that_are_wrong(tmp_path, changes, fault):
    from postern_portal.fields import ConfigError
    with pytest.raises(ConfigError, match=fault):
        site(tmp_path, **changes)


@asynchronous
async def test_no_secret_of_two_steps_in_the_log(tmp_path, caplog):
    caplog.set_level("INFO")
    async with running(site(tmp_path)) as portal:
        step = await two_steps(portal, "web")
        _, pushed, _ = await step.connect(DOMAIN)
    assert "request_connection" in caplog.text and "connection_ready" in caplog.text
    for secret in (step.key, ICE["password"], GATEWAY_ICE["password"], pushed["ref"],
                   json.dumps(DOMAIN["name"])):
        assert secret not in caplog.text


@asynchronous
async def test_the_end_of_a_session_bounds_what_a_policy_gives(tmp_path):
    from postern_portal import derive
    soon = datetime.datetime.fromtimestamp(int(time.time()) + 60, datetime.timezone.utc)
    users = [{"name": "jane", "token_sha256": derive.token_hash("jane"), "expires_at": soon}]
    policies = [{"resource": "office", "users": ["*"], "lasts": 3600}]
    async with running(site(tmp_path, users=users, policies=policies)) as portal:
        step = await two_steps(portal)
        _, pushed, _ = await step.connect()
        assert pushed["expires_at"] == int(soon.timestamp())
