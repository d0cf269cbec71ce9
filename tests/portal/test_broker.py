"""Authorizations (firezone-portal(7), Client portal cases (7 to 13, 15) and Brokering)."""

import asyncio
import json

import pytest
import strict
from harness import (
    asynchronous, client, control, gateway, resource_id, running, site, until,
)
from websockets.exceptions import InvalidStatusCode


class Rig:
    """A gateway, a client, and the steps of an authorization between them."""

    def __init__(self, portal):
        self.portal = portal
        self.office = resource_id(portal, "office")

    async def connect(self, iceless=None):
        self.gateway = await (await gateway(self.portal)).join(iceless)
        self.client = await (await client(self.portal)).join(iceless)
        if iceless is not None:
            await self.settle()
        return self

    async def settle(self):
        await self.gateway.heartbeat()
        await self.client.heartbeat()

    async def request(self, resource=None, gateways=(), event="request_authorization"):
        payload = {"resource_id": resource or self.office,
                   "connected_gateway_ids": list(gateways)}
        return await self.client.send(event, payload)

    async def created(self):
        payload = await self.gateway.expect("create_authorization")
        strict.check_create_authorization(payload)
        return payload

    async def acknowledge(self, created):
        ref = await self.gateway.send("authorization_created", {"ref": created["ref"]})
        await self.gateway.expect_reply(ref)

    async def authorize(self, resource=None):
        await self.request(resource)
        created = await self.created()
        await self.acknowledge(created)
        answer = await self.client.expect("authorization_created")
        strict.check_authorization_created(answer)
        return created, answer


@asynchronous
async def test_both_sides_get_the_same_connection(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        created, answer = await rig.authorize()
        assert created["client"]["preshared_key"] == answer["preshared_key"]
        for key in ("client_ice_credentials", "gateway_ice_credentials", "use_iceless"):
            assert created[key] == answer[key]
        assert created["client"]["public_key"] == rig.client.public_key
        assert created["client"]["ipv4"] == rig.client.init["interface"]["ipv4"]
        assert answer["gateway_public_key"] == rig.gateway.public_key
        assert answer["gateway_ipv4"] == rig.gateway.init["interface"]["ipv4"]
        assert answer["resource_id"] == created["resource"]["id"] == rig.office
        assert created["client"]["device_os_name"] == "Debian"
        assert created["subject"]["actor_email"] == "jane@x.org"


@asynchronous
async def test_repetition_gives_equal_values_and_a_new_key_others(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()

        def secrets(created):
            return (created["client"]["preshared_key"], created["client_ice_credentials"],
                    created["gateway_ice_credentials"])

        first, _ = await rig.authorize()
        again, _ = await rig.authorize()
        assert secrets(again) == secrets(first)
        rig.client = await (await client(portal)).join()
        other, _ = await rig.authorize()
        assert all(a != b for a, b in zip(secrets(other), secrets(first)))
        assert other["client"]["id"] == first["client"]["id"]


@asynchronous
async def test_the_path_decides_the_names(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        await rig.client.expect_reply(await rig.request(event="create_flow"), "unknown_message")
        rig.client = await (await client(portal, v2=False)).join()
        await rig.client.expect_reply(await rig.request(), "unknown_message")
        await rig.request(event="create_flow")
        await rig.acknowledge(await rig.created())
        strict.check_authorization_created(await rig.client.expect("flow_created"))
        await rig.request("nonsense", event="create_flow")
        payload = await rig.client.expect("flow_creation_failed")
        assert payload == {"resource_id": "nonsense", "reason": "not_found"}


@asynchronous
async def test_reasons_of_refusal(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = Rig(portal)
        rig.client = await (await client(portal)).join()

        async def refused(reason, resource=None, **more):
            await rig.request(resource)
            payload = await rig.client.expect("authorization_creation_failed")
            wanted = {"resource_id": resource or rig.office, "reason": reason, **more}
            assert payload == wanted

        await refused("not_found", "11c8e531-66e7-4fd0-8621-f555a58843bf")
        await refused("offline")
        unjoined = await gateway(portal)
        await refused("offline")
        await unjoined.close()
        for version in ("gateway/1.8.0", "gateway/1.3.9", "gateway/2.5.0", "gateway/1.6", "curl/1"):
            old = await (await gateway(portal, user_agent=f"Debian/12 {version}")).join()
            await refused("version_mismatch")
            await old.close()
            await until(lambda: not portal.site.gateways)
        await (await gateway(portal)).join()
        guarded = resource_id(portal, "guarded")
        await refused("forbidden", guarded, violated_properties=["remote_ip"])
        rig.client = await (await client(portal, token="joe")).join()
        await refused("not_found", guarded)


@asynchronous
async def test_no_acknowledgement_in_time_is_offline_and_a_late_one_ignored(tmp_path):
    async with running(site(tmp_path), acknowledge=0.05) as portal:
        rig = await Rig(portal).connect()
        await rig.request()
        created = await rig.created()
        payload = await rig.client.expect("authorization_creation_failed")
        assert payload == {"resource_id": rig.office, "reason": "offline"}
        await rig.acknowledge(created)
        await rig.client.heartbeat()


@asynchronous
async def test_one_acknowledgement_satisfies_two_requests(tmp_path):
    async with running(site(tmp_path), acknowledge=0.3) as portal:
        rig = await Rig(portal).connect()
        loop = asyncio.get_running_loop()
        await rig.request()
        first = await rig.created()
        channel = next(iter(portal.site.clients.values()))
        before = channel._pending[rig.office]
        await rig.request()
        second = await rig.created()
        assert before.cancelled(), "the second restarts the timer"
        assert channel._pending[rig.office].when() > before.when()
        assert channel.pending == [rig.office]
        await rig.acknowledge(first)
        await rig.client.expect("authorization_created")
        await rig.acknowledge(second)
        deadline = loop.time() + 0.3
        await until(lambda: loop.time() > deadline)
        await rig.client.heartbeat()  # neither a second answer nor a failure


@asynchronous
async def test_acknowledgements_with_bad_refs(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        await rig.request()
        created = await rig.created()
        other = await (await gateway(portal, external_id="other")).join()
        for peer, ref in ((rig.gateway, "nonsense"), (rig.gateway, None), (rig.gateway, 7),
                          (rig.gateway, created["ref"][:-2]), (other, created["ref"])):
            sent = await peer.send("authorization_created", {"ref": ref})
            await peer.expect_reply(sent, "invalid_ref")
        sent = await rig.gateway.send("flow_authorized", {"ref": created["ref"]})
        await rig.gateway.expect_reply(sent, "unknown_message")
        await rig.acknowledge(created)
        await rig.client.expect("authorization_created")


@asynchronous
async def test_an_acknowledgement_of_an_older_key_is_ignored(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        await rig.request()
        old = await rig.created()
        rig.client = await (await client(portal)).join()
        await rig.request()
        new = await rig.created()
        await rig.acknowledge(old)
        await rig.client.heartbeat()
        await rig.acknowledge(new)
        answer = await rig.client.expect("authorization_created")
        assert answer["preshared_key"] == new["client"]["preshared_key"]


@asynchronous
async def test_a_ref_outlives_the_gateways_connection(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        await rig.request()
        created = await rig.created()
        await rig.gateway.close()
        await until(lambda: not portal.site.gateways)
        rig.gateway = await (await gateway(portal, public_key=rig.gateway.public_key)).join()
        await rig.acknowledge(created)
        answer = await rig.client.expect("authorization_created")
        assert answer["preshared_key"] == created["client"]["preshared_key"]


@asynchronous
async def test_the_gateway_that_the_client_knows_is_preferred(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        for number in range(5):
            await (await gateway(portal, external_id=f"other-{number}")).join()
        known = portal.site.state.device("gateway", portal.config.site_id, "gateway-1", "")
        for _ in range(10):
            await rig.request(gateways=["unknown", known.id])
            await rig.created()


@pytest.mark.parametrize("switch", [False, True])
@pytest.mark.parametrize("of_client", [False, True])
@pytest.mark.parametrize("of_gateway", [False, True])
@asynchronous
async def test_iceless_needs_all_three(tmp_path, switch, of_client, of_gateway):
    async with running(site(tmp_path, site={"iceless": switch})) as portal:
        rig = Rig(portal)
        rig.gateway = await (await gateway(portal)).join(of_gateway)
        rig.client = await (await client(portal)).join(of_client)
        await rig.settle()
        created, answer = await rig.authorize()
        wanted = switch and of_client and of_gateway
        assert created["use_iceless"] is answer["use_iceless"] is wanted


@asynchronous
async def test_iceless_starts_false_at_each_join_and_only_true_counts(tmp_path):
    async with running(site(tmp_path, site={"iceless": True})) as portal:
        rig = await Rig(portal).connect(iceless=True)
        assert (await rig.authorize())[0]["use_iceless"] is True
        await rig.gateway.send("set_snownet_capabilities", {"iceless": 1})
        await rig.settle()
        assert (await rig.authorize())[0]["use_iceless"] is False
        await rig.gateway.join(iceless=True)
        await rig.client.join()
        await rig.settle()
        assert (await rig.authorize())[0]["use_iceless"] is False


@asynchronous
async def test_ingest_tokens(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        created, answer = await rig.authorize()
        responder = strict.check_ingest_token(created["flow_logs_ingest_token"], "responder")
        initiator = strict.check_ingest_token(answer["flow_logs_ingest_token"], "initiator")
        assert responder["initiator_device_id"] == created["client"]["id"]
        assert initiator["responder_device_id"] == answer["gateway_id"]
        assert responder["uploads_enabled"] is False
        assert responder["exp"] == created["expires_at"] + 30 * 86400
        assert responder["initiator_device_os_version"] == "12.0.0"
        for claim in ("policy_authorization_id", "policy_id", "initiator_actor_name"):
            assert responder[claim] == initiator[claim]


@asynchronous
async def test_candidates_both_ways_under_all_names(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        created, answer = await rig.authorize()
        client_id, gateway_id = created["client"]["id"], answer["gateway_id"]
        lines = ["candidate:1 1 udp 1 198.51.100.7 1 typ host", "anything"]
        for event, target, forwarded in (
            ("new_gateway_ice_candidates", {"gateway_id": gateway_id}, "ice_candidates"),
            ("broadcast_ice_candidates", {"gateway_ids": ["x", gateway_id]}, "ice_candidates"),
            ("invalidate_gateway_ice_candidates", {"gateway_id": gateway_id},
             "invalidate_ice_candidates"),
            ("broadcast_invalidated_ice_candidates", {"gateway_ids": [gateway_id]},
             "invalidate_ice_candidates"),
        ):
            await rig.client.send(event, {**target, "candidates": lines})
            payload = await rig.gateway.expect(forwarded)
            assert payload == {"client_id": client_id, "candidates": lines}
        for event, forwarded in (
            ("broadcast_ice_candidates", "ice_candidates"),
            ("broadcast_invalidated_ice_candidates", "invalidate_ice_candidates"),
        ):
            await rig.gateway.send(event, {"client_ids": ["x", client_id], "candidates": lines})
            payload = await rig.client.expect(forwarded)
            assert payload == {"gateway_id": gateway_id, "candidates": lines}
        await rig.gateway.send("broadcast_ice_candidates", {"client_ids": [], "candidates": []})
        await rig.client.send("new_gateway_ice_candidates", {"gateway_id": "x", "candidates": []})
        await rig.client.send("new_gateway_ice_candidates", {"gateway_id": 7})
        await rig.settle()


@asynchronous
async def test_candidates_need_an_authorization(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        stranger = await (await client(portal, external_id="stranger")).join()
        _, answer = await rig.authorize()
        payload = {"gateway_id": answer["gateway_id"], "candidates": ["candidate:x"]}
        await stranger.send("new_gateway_ice_candidates", payload)
        await stranger.heartbeat()
        await rig.gateway.heartbeat()


@asynchronous
async def test_order_holds_under_load(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        rounds = 200

        async def gateway_side():
            for number in range(rounds):
                created = await rig.created()
                client_id = created["client"]["id"]
                await rig.gateway.send("authorization_created", {"ref": created["ref"]})
                await rig.gateway.send("broadcast_ice_candidates", {
                    "client_ids": [client_id], "candidates": [f"candidate:{number}"],
                })
                assert (await rig.gateway.frame())["event"] == "phx_reply"

        async def client_side():
            for number in range(rounds):
                await rig.request()
                await rig.client.expect("authorization_created")
                payload = await rig.client.expect("ice_candidates")
                assert payload["candidates"] == [f"candidate:{number}"]

        await asyncio.gather(gateway_side(), client_side())


@asynchronous
async def test_revocation(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        created, _ = await rig.authorize()
        pair = {"client_id": created["client"]["id"], "resource_id": rig.office}
        assert (await control(portal, cmd="revoke", resource="office"))["revoked"] == 1
        assert await rig.gateway.expect("reject_access") == pair
        assert await rig.client.expect("resource_deleted") == rig.office
        await rig.request()
        failed = await rig.client.expect("authorization_creation_failed")
        assert failed["reason"] == "not_found"
        rig.client = await (await client(portal)).join()
        assert rig.office not in {r["id"] for r in rig.client.init["resources"]}
        await control(portal, cmd="grant", client="client-1", resource="office")
        updated = await rig.client.expect("resource_created_or_updated")
        strict.check_client_resource(updated)
        await rig.authorize()


@asynchronous
async def test_revocation_that_keeps_access(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        await rig.authorize()
        await rig.authorize(resource_id(portal, "web"))
        await control(portal, cmd="revoke", resource="office", keep_access=True)
        assert (await rig.gateway.expect("reject_access"))["resource_id"] == rig.office
        await rig.client.expect("resource_deleted")
        assert (await rig.client.expect("resource_created_or_updated"))["id"] == rig.office
        await rig.authorize()


@asynchronous
async def test_a_pending_request_does_not_survive_revocation(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        await rig.request()
        created = await rig.created()
        await control(portal, cmd="revoke", resource="office")
        await rig.gateway.expect("reject_access")
        await rig.acknowledge(created)
        await rig.client.expect("resource_deleted")
        await rig.client.heartbeat()
        assert (await control(portal, cmd="status"))["clients"][0]["pending"] == []


@asynchronous
async def test_init_lists_what_is_still_authorized_also_after_a_restart(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        created, _ = await rig.authorize()
        await rig.authorize(resource_id(portal, "web"))
        await rig.gateway.close()
        await control(portal, cmd="revoke", resource="web")
        await until(lambda: not portal.site.gateways)
        rows = (await (await gateway(portal)).join()).init["authorizations"]
        wanted = [{"client_id": created["client"]["id"], "resource_id": rig.office,
                   "expires_at": created["expires_at"]}]
        assert rows == wanted
    async with running(site(tmp_path)) as portal:
        assert (await (await gateway(portal)).join()).init["authorizations"] == wanted
    async with running(site(tmp_path, policies=[])) as portal:
        assert (await (await gateway(portal)).join()).init["authorizations"] == []


@asynchronous
async def test_update_of_filters(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        await control(portal, cmd="update_filters", resource="office", filters=["udp/53"])
        filters = [{"protocol": "udp", "port_range_start": 53, "port_range_end": 53}]
        updated = await rig.gateway.expect("resource_updated")
        assert updated["filters"] == filters and updated["address"] == "10.20.0.0/16"
        shown = await rig.client.expect("resource_created_or_updated")
        assert shown["filters"] == filters
        strict.check_client_resource(shown)
        assert (await rig.authorize())[0]["resource"]["filters"] == filters


@asynchronous
async def test_expiry_renews_the_clients_resource(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        first, _ = await rig.authorize()
        answer = await control(portal, cmd="expire", resource="office", **{"in": 600})
        again = await rig.created()
        assert again["expires_at"] == answer["expires_at"] < first["expires_at"]
        await rig.acknowledge(again)
        await rig.client.heartbeat()
        await control(portal, cmd="expire", resource="office", **{"in": 0})
        await rig.created()
        assert await rig.client.expect("resource_deleted") == rig.office
        await rig.client.expect("resource_created_or_updated")
        assert (await control(portal, cmd="status"))["authorizations"] == []


@asynchronous
async def test_authorizing_unasked(tmp_path):
    async with running(site(tmp_path)) as portal:
        rig = await Rig(portal).connect()
        answer = await control(portal, cmd="authorize", resource="office", expires_in=60)
        created = await rig.created()
        assert created["expires_at"] == answer["authorization"]["expires_at"]
        await rig.acknowledge(created)
        strict.check_authorization_created(await rig.client.expect("authorization_created"))


@asynchronous
async def test_the_end_of_a_session(tmp_path):
    import datetime

    from postern_portal import derive
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    users = [{"name": "jane", "token_sha256": derive.token_hash("jane"), "expires_at": soon}]
    policies = [{"resource": "office", "users": ["*"]}]
    async with running(site(tmp_path, users=users, policies=policies)) as portal:
        rig = await Rig(portal).connect()
        created, _ = await rig.authorize()
        assert created["expires_at"] == int(soon.timestamp())
        assert rig.client.init["relays"][0]["expires_at"] == int(soon.timestamp())
        assert await rig.client.expect("disconnect") == {"reason": "token_expired"}
        assert await rig.client.expect("phx_close") == {}
        await rig.gateway.heartbeat()


@asynchronous
async def test_nothing_secret_in_the_log(tmp_path, caplog):
    from postern_portal import derive
    caplog.set_level("INFO")
    users = [{"name": "jane", "token_sha256": derive.token_hash("token-of-jane")}]
    settings = site(tmp_path, users=users, policies=[{"resource": "office", "users": ["*"]}])
    async with running(settings) as portal:
        rig = Rig(portal)
        rig.gateway = await (await gateway(portal)).join()
        rig.client = await (await client(portal, token=None, query_token="token-of-jane")).join()
        created, _ = await rig.authorize()
        with pytest.raises(InvalidStatusCode):
            await client(portal, token="wrong-token")
    assert "create_authorization" in caplog.text and "invalid_token" in caplog.text
    relay = rig.client.init["relays"][0]
    for secret in (
        "token-of-jane", "wrong-token", ".gw", created["client"]["preshared_key"],
        created["client_ice_credentials"]["password"], relay["password"], "stamp-secret",
        created["ref"], created["flow_logs_ingest_token"],
    ):
        assert secret not in caplog.text


def test_state_of_another_make_is_refused(tmp_path):
    from postern_portal.state import State, StateError
    file = tmp_path / "state.json"
    for content in ("", "{", "[]", json.dumps({"secret": 1})):
        file.write_text(content)
        with pytest.raises(StateError, match="state.json"):
            State(str(file))
        assert file.read_text() == content
