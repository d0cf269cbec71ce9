"""Vectors: firezone-portal(7), Test vectors."""

import base64

from postern_portal import derive, signed

CLIENT = derive.Peer(
    "3abd725a-733b-4801-ac16-72f26cd98a24", base64.b64encode(bytes(range(32))).decode()
)
GATEWAY = derive.Peer(
    "5ef7f2c5-37d1-4ae9-a4f4-8f6d63a8c3e1",
    base64.b64encode(bytes(range(32, 64))).decode(),
)


def test_ice_credentials():
    client, gateway = derive.ice_credentials(CLIENT, GATEWAY)
    assert "".join((*client, *gateway)) == (
        "4y2xruvkmmk6flk66jpbphvowsqwg5tf2tuiorzcc4zbmoestrkq"
    )
    assert client == ("4y2x", "ruvkmmk6flk66jpbphvows")
    assert gateway == ("qwg5", "tf2tuiorzcc4zbmoestrkq")


def test_preshared_key():
    key = derive.preshared_key(CLIENT, b"\x11" * 32, GATEWAY, b"\x22" * 32)
    assert key == "rq1Lza3benj3b0JlLrPECTtPoyvro2thAwued7JDLsU="


def test_stamp_credentials():
    assert derive.stamp_credentials("stamp-secret", GATEWAY.public_key, 2145916800) == (
        "2145916800:uRn9aO+q3ZLJ+WSCwUd6KAg+lKk/p+EL5iN8qCTCKgY",
        "A7PsDpoyfpyM3WF1TWphPj7ZmqeBjyHhlhz2vhCmHvk",
    )


def test_relay_id():
    assert derive.relay_id("stamp-secret") == "14ce259b-58e9-486c-837b-094c93fb9f82"


def test_rest_credentials():
    # printf 1700000000:jane | openssl dgst -sha1 -hmac secret -binary | base64
    assert derive.rest_credentials("secret", "jane", 1700000000) == (
        "1700000000:jane", "EDz3qqWY9tr83aTmtNSnP/Zlu/8=",
    )


def test_a_ref_is_good_only_as_it_was_signed():
    ref = signed.sign_ref(b"k", "flow", {"a": 1})
    assert signed.verify_ref(b"k", "flow", ref) == {"a": 1}
    for bad in (ref + "x", "x" + ref, ref[:-1], "", ".", None, 7, "\N{SNOWMAN}"):
        assert signed.verify_ref(b"k", "flow", bad) is None
    assert signed.verify_ref(b"other", "flow", ref) is None
    assert signed.verify_ref(b"k", "connection", ref) is None
