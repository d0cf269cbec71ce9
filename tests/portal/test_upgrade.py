"""Opening a socket (firezone-portal(7), Connect errors and Client portal cases (1 to 3))."""

import asyncio
import json

import pytest
from harness import asynchronous, client, connect, control, gateway, http, new_key, running, site
from websockets.exceptions import InvalidStatusCode
from websockets.legacy.client import connect as connect_websocket

QUERY = "external_id=e&name=n&public_key=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8%3D"
UA = "User-Agent: Debian/12.0.0 headless-client/1.5.12"


def check_problem(answer, status, code):
    got, headers, body = answer
    assert got == status
    assert headers["content-type"] == "application/problem+json; charset=utf-8"
    problem = json.loads(body)
    assert problem["status"] == status and problem["code"] == code
    assert problem["type"] == "about:blank" and problem["title"] and problem["detail"]
    return problem


@asynchronous
async def test_v1_and_v2_paths_take_header_and_query_tokens(tmp_path):
    async with running(site(tmp_path)) as portal:
        for v2 in (False, True):
            for token in ({"token": "jane"}, {"token": None, "query_token": "jane"},
                          {"token": "jane", "query_token": "wrong"}):
                peer = await client(portal, v2=v2, **token)
                await peer.join()
                await peer.close()
        peer = await gateway(portal, token=None, query_token=".gw")
        await peer.join()


@asynchronous
async def test_header_names_in_any_case_host_without_port_no_extensions(tmp_path):
    async with running(site(tmp_path)) as portal:
        for name in ("X-Authorization", "x-authorization", "X-AUTHORIZATION"):
            status, headers, _ = await http(
                portal, f"/client/v2/websocket?{QUERY}",
                ["Host: vpn.example.org", f"{name}: Bearer jane", UA,
                 "Sec-WebSocket-Extensions: permessage-deflate"],
            )
            assert status == 101
            assert headers["connection"] == "Upgrade" and headers["upgrade"] == "websocket"
            assert "sec-websocket-extensions" not in headers
            assert "sec-websocket-protocol" not in headers


@asynchronous
async def test_bad_tokens_are_401(tmp_path):
    async with running(site(tmp_path)) as portal:
        for kind in ("client", "gateway"):
            target = f"/{kind}/v2/websocket?{QUERY}"
            for header, code in (
                ("X-Other: 1", "missing_token"),
                ("Authorization: Bearer jane", "missing_token"),
                ("X-Authorization: bearer jane", "missing_token"),
                ("X-Authorization: Bearer ", "missing_token"),
                ("X-Authorization: Bearer wrong", "invalid_token"),
            ):
                check_problem(await http(portal, target, [header, UA]), 401, code)
        # The tokens of one kind do not open the other kind's socket.
        swapped = (("client", ".gw"), ("gateway", "jane"))
        for kind, token in swapped:
            header = f"X-Authorization: Bearer {token}"
            answer = await http(portal, f"/{kind}/v2/websocket?{QUERY}", [header, UA])
            check_problem(answer, 401, "invalid_token")


@pytest.mark.parametrize("query, user_agent, detail", [
    ("external_id=e&name=n", UA, "public_key can't be blank"),
    ("external_id=e&public_key=AAEC", UA, "public_key should be 44 character(s)"),
    (f"external_id=e&public_key={'!' * 44}", UA, "public_key is not valid base64 of 32 bytes"),
    (QUERY.replace("external_id=e&", ""), UA, "external_id can't be blank"),
    (QUERY.replace("external_id=e&", "external_id=&"), UA, "external_id can't be blank"),
    (QUERY + "&device_serial=" + "x" * 256, UA,
     "device_serial should be at most 255 character(s)"),
    (QUERY, "User-Agent: curl/8", "user agent names no known client"),
])
@asynchronous
async def test_bad_parameters_are_400(tmp_path, query, user_agent, detail):
    async with running(site(tmp_path)) as portal:
        answer = await http(
            portal, f"/client/v2/websocket?{query}",
            ["X-Authorization: Bearer jane", user_agent],
        )
        assert check_problem(answer, 400, "invalid_connect_params")["detail"] == detail


@asynchronous
async def test_unknown_paths_are_404(tmp_path):
    async with running(site(tmp_path)) as portal:
        for path in (
            "/", "x", "http://x/", "/client/v3/websocket", "/gateway/v2/websocket/",
            "/x?token=jane",
        ):
            assert (await http(portal, path, ["X-Authorization: Bearer jane"]))[0] == 404


@asynchronous
async def test_array_serializer_is_refused(tmp_path):
    async with running(site(tmp_path)) as portal:
        target = f"/client/v2/websocket?{QUERY}&vsn=2.0.0"
        answer = await http(portal, target, ["X-Authorization: Bearer jane", UA])
        assert answer[0] == 403 and answer[2] == b""


@asynchronous
async def test_firezone_id_is_an_alias_that_external_id_beats(tmp_path):
    async with running(site(tmp_path)) as portal:
        await client(portal, drop=("external_id",), firezone_id="old")
        await client(portal, external_id="new", firezone_id="older")
        seen = {c["external_id"] for c in (await control(portal, cmd="status"))["clients"]}
        assert seen == {"old", "new"}


@asynchronous
async def test_devices_are_stable_across_connections_and_restarts(tmp_path):
    async def devices(portal):
        await (await client(portal, external_id="a")).join()
        await (await client(portal, external_id="b")).join()
        await (await client(portal, external_id="a", token="joe")).join()
        await (await gateway(portal, external_id="a")).join()
        status = await control(portal, cmd="status")
        rows = status["clients"] + status["gateways"]
        return [(r["id"], r["ipv4"], r["ipv6"]) for r in rows]

    async with running(site(tmp_path)) as portal:
        first = await devices(portal)
        assert all(len(set(column)) == 4 for column in zip(*first))
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    async with running(site(tmp_path)) as portal:
        assert await devices(portal) == first
        late = await (await client(portal, external_id="late")).join()
        assert late.init["interface"]["ipv4"] not in {ipv4 for _, ipv4, _ in first}


@asynchronous
async def test_a_second_gateway_with_the_same_id_is_409(tmp_path):
    async with running(site(tmp_path)) as portal:
        first = await gateway(portal)
        query = QUERY.replace("external_id=e", "external_id=gateway-1")
        target = f"/gateway/v2/websocket?{query}"
        header = "X-Authorization: Bearer .gw"
        check_problem(await http(portal, target, [header]), 409, "gateway_already_connected")
        await first.join()
        await (await gateway(portal, external_id="other")).join()
        await first.close()
        await (await gateway(portal)).join()


@asynchronous
async def test_a_second_gateway_that_was_let_in_is_sent_away_at_its_join(tmp_path):
    async with running(site(tmp_path)) as portal:
        first = await (await gateway(portal)).join()
        await control(portal, cmd="phx_close", kind="gateway")
        await first.expect("phx_close")
        second = await (await gateway(portal)).join()
        await first.expect_reply(await first.send("phx_join", None))
        assert await first.expect("disconnect") == {"reason": "token_expired"}
        assert await first.expect("phx_close") == {}
        await first.heartbeat()
        await first.close()
        await second.heartbeat()
        assert [g["public_key"] for g in (await control(portal, cmd="status"))["gateways"]] == [
            second.public_key
        ]


@asynchronous
async def test_of_two_simultaneous_gateways_one_gets_in(tmp_path):
    async with running(site(tmp_path)) as portal:
        results = await asyncio.gather(
            *(gateway(portal) for _ in range(5)), return_exceptions=True
        )
        refused = [r for r in results if isinstance(r, InvalidStatusCode)]
        assert [r.status_code for r in refused] == [409] * 4


@asynchronous
async def test_expired_sessions_are_refused(tmp_path):
    import datetime

    from postern_portal import derive
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    users = [{"name": "jane", "token_sha256": derive.token_hash("jane"), "expires_at": past}]
    settings = site(tmp_path, users=users, policies=[])
    async with running(settings) as portal:
        with pytest.raises(InvalidStatusCode) as caught:
            await client(portal)
        assert caught.value.status_code == 401


@asynchronous
async def test_a_slow_handshake_is_cut_off(tmp_path):
    async with running(site(tmp_path), handshake=0.05) as portal:
        host, port = portal.addresses[0].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\n")
        try:
            assert await asyncio.wait_for(reader.read(), 5) == b""
        except ConnectionResetError:
            pass
        writer.close()
        peer = await connect(portal, "client", token="jane")
        await peer.join()


@asynchronous
async def test_tls(tmp_path):
    import ssl
    import subprocess
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )
    settings = site(tmp_path, portal={
        "listen": "127.0.0.1:0", "state_file": str(tmp_path / "state.json"),
        "tls_certificate": str(certificate), "tls_key": str(key),
    })
    async with running(settings) as portal:
        context = ssl.create_default_context(cafile=certificate)
        async with connect_websocket(
            f"wss://{portal.addresses[0]}/client/v2/websocket?{QUERY}&x={new_key()[0]}",
            ssl=context, server_hostname="localhost", user_agent_header=None,
            extra_headers={"X-Authorization": "Bearer jane",
                           "User-Agent": "Debian/12 gui-client/1.5.17"},
        ) as socket:
            assert socket.open
