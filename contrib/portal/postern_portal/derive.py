"""The values both peers of a connection must agree on (firezone-portal(7), Derivations)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from typing import NamedTuple


class Peer(NamedTuple):
    """One end of a connection: its device id and the key of its live socket."""

    id: str
    public_key: str


class IceCredentials(NamedTuple):
    username: str
    password: str


def ice_credentials(client: Peer, gateway: Peer) -> tuple[IceCredentials, IceCredentials]:
    """The credentials of the client and of the gateway."""
    text = ":".join((*client, *gateway))
    digest = base64.b32encode(hashlib.sha256(text.encode()).digest())
    h = digest.decode().rstrip("=").lower()
    return IceCredentials(h[0:4], h[4:26]), IceCredentials(h[26:30], h[30:52])


def preshared_key(
    client: Peer, client_base: bytes, gateway: Peer, gateway_base: bytes
) -> str:
    salt = (
        f"WG_PSK|C_ID:{client.id}|G_ID:{gateway.id}"
        f"|C_PK:{client.public_key}|G_PK:{gateway.public_key}"
    )
    key = hashlib.pbkdf2_hmac("sha256", client_base + gateway_base, salt.encode(), 1, 32)
    return base64.b64encode(key).decode()


def stamp_credentials(stamp_secret: str, public_key: str, expires: int) -> tuple[str, str]:
    """Username and password as firezone-relay computes them."""
    salt = _base64_nopad(hashlib.sha256(public_key.encode()).digest())
    text = f"{expires}:{stamp_secret}:{salt}"
    return f"{expires}:{salt}", _base64_nopad(hashlib.sha256(text.encode()).digest())


def rest_credentials(secret: str, name: str, expires: int) -> tuple[str, str]:
    """Username and password as coturn's use-auth-secret computes them."""
    username = f"{expires}:{name}"
    mac = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(mac).decode()


def relay_id(stamp_secret: str) -> str:
    digest = hashlib.sha256(stamp_secret.encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _base64_nopad(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")
