"""Who may open a socket: everything decided before the upgrade is answered."""

from __future__ import annotations

import base64
import binascii
import http
import ipaddress
import json
import secrets
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from . import derive, versions
from .config import relay_address
from .model import User
from .state import Device, TooManyDevices

if TYPE_CHECKING:
    from websockets.datastructures import Headers

    from .site import Site

# The kind of peer, and whether by the path it is of today (firezone-portal(7),
# Generations and Client matrix).
ROUTES = {
    "/gateway/v2/websocket": ("gateway", True),
    "/gateway/websocket": ("gateway", False),
    "/client/v2/websocket": ("client", True),
    "/client/websocket": ("client", False),
    "/relay/websocket": ("relay", False),
}


class RelayAddresses(NamedTuple):
    """Where a relay says that it is."""

    name: str
    ipv4: str | None
    ipv6: str | None
    port: int


@dataclass
class Admission:
    kind: str
    v2: bool  # the path
    user_agent: str
    remote_ip: str
    params: dict[str, str] = field(repr=False)
    user: User | None = None  # clients only
    device: Device | None = None  # clients and gateways
    public_key: str = ""  # clients and gateways
    relay: RelayAddresses | None = None  # relays only


class Refusal(Exception):
    """An answer other than 101; `response` is what the websocket server sends."""

    detail: str | None = None  # of a problem document

    def __init__(self, status: int, headers: dict[str, str], body: bytes):
        super().__init__(f"{status}")
        self.response = http.HTTPStatus(status), list(headers.items()), body

    def in_plain_text(self) -> None:
        """As before there were problem documents."""
        headers = [("Content-Type", "text/plain")]
        self.response = self.response[0], headers, (self.detail or "").encode()


def problem(status: int, code: str, detail: str) -> Refusal:
    title = http.HTTPStatus(status).phrase
    body = {
        "type": "about:blank", "title": title, "status": status,
        "detail": detail, "code": code,
    }
    refusal = Refusal(
        status,
        {"Content-Type": "application/problem+json; charset=utf-8"},
        json.dumps(body).encode(),
    )
    refusal.args = (f"{status} {code}: {detail}",)
    refusal.detail = detail
    return refusal


def admit(site: Site, path: str, headers: Headers, remote_ip: str) -> Admission:
    """Who may come in; a Refusal for others, as a portal of that time writes it."""
    try:
        return _admit(site, path, headers, remote_ip)
    except Refusal as refusal:
        if refusal.detail is not None and site.config.era.first_forms:
            refusal.in_plain_text()
        raise


def _admit(site: Site, path: str, headers: Headers, remote_ip: str) -> Admission:
    """Check in the order of the real portal (firezone-portal(7), Gateway admission and
    Client admission)."""
    path = path.encode("ascii", "surrogateescape").decode("utf-8", "replace")
    path, _, query = path.partition("?")
    kind, v2 = ROUTES.get(path, (None, False))
    if kind is None or (v2 and not site.config.era.has_v2):
        raise Refusal(404, {"Content-Type": "text/plain"}, b"Not Found")
    params = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    if not params.get("vsn", "1.0.0").startswith("1."):
        raise Refusal(403, {}, b"")
    user = _authenticate(site, kind, headers, params)
    user_agent = (headers.get_all("User-Agent") or [""])[0]
    user_agent = user_agent.encode("ascii", "ignore").decode()[:255]
    if kind == "client":
        component = versions.component(user_agent)
        if not component or not component.startswith(versions.CLIENT_WORDS):
            raise _invalid("user agent names no known client")
    if kind == "gateway" and site.config.era.first_forms:
        if not (versions.component(user_agent) or "").startswith("connlib/"):
            # Until September 2025 there was no other word for gateways.
            raise Refusal(422, {"Content-Type": "text/plain"}, b"Unprocessable Entity")
    admission = Admission(kind, v2, user_agent, remote_ip, params, user)
    if kind == "relay":
        admission.relay = _relay_addresses(params)
    else:
        _admit_peer(site, admission)
    return admission


def _admit_peer(site: Site, admission: Admission) -> None:
    kind, params, user = admission.kind, admission.params, admission.user
    public_key = _public_key(params)
    external_id = _text(params, "external_id", params.get("firezone_id"))
    if not external_id:
        raise _invalid("external_id can't be blank")
    name = _text(params, "name", None) or secrets.token_hex(3)[:5]
    _check_lengths(params)
    owner = user.name if user else site.config.site_id
    try:
        device = site.state.device(kind, owner, external_id, name)
    except TooManyDevices:
        raise problem(402, "limits_exceeded", "Too many devices") from None
    except OSError as fault:
        detail = f"State cannot be written: {fault.strerror}"
        raise problem(500, "unhandled_connect_error", detail) from None
    if kind == "gateway" and device.id in site.gateways:
        # First wins (firezone-portal(7), Gateway sessions); clients are the
        # other way round.
        detail = "A gateway with this id is already connected"
        raise problem(409, "gateway_already_connected", detail)
    admission.device, admission.public_key = device, public_key


def _relay_addresses(params: dict[str, str]) -> RelayAddresses:
    """One address at least; what is told to peers must be exact (firezone-portal(7),
    Client init)."""
    _check_lengths(params)
    ipv4 = _address(params, "ipv4", ipaddress.IPv4Address)
    ipv6 = _address(params, "ipv6", ipaddress.IPv6Address)
    if not ipv4 and not ipv6:
        raise _invalid("ipv4 or ipv6 is needed")
    port = params.get("port", "3478")
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise _invalid("port must be from 1 to 65535")
    name = _text(params, "name", ipv4 or ipv6)
    return RelayAddresses(name, ipv4, ipv6, int(port))


def _address(params: dict[str, str], key: str, kind: type) -> str | None:
    text = _text(params, key, None)
    if not text:
        return None
    try:
        return relay_address(kind, text)
    except ValueError:
        raise _invalid(f"{key} is not an {key} address") from None


def _authenticate(
    site: Site, kind: str, headers: Headers, params: dict[str, str]
) -> User | None:
    token = params.pop("token", "")
    for value in headers.get_all("X-Authorization")[:1]:
        if value.startswith("Bearer ") and site.config.era.header_token:
            token = value.removeprefix("Bearer ").strip()
    if not token:
        raise problem(401, "missing_token", "Missing token")
    digest = derive.token_hash(token)
    machines = {"gateway": site.gateway_hashes, "relay": site.relay_hashes}
    if digest in machines.get(kind, ()):
        return None
    user = site.user_hashes.get(digest) if kind == "client" else None
    if user is None or site.session_ended(user):
        raise problem(401, "invalid_token", "Invalid token")
    return user


def _public_key(params: dict[str, str]) -> str:
    key = params.get("public_key", "")
    if not key:
        raise _invalid("public_key can't be blank")
    if len(key) != 44:
        raise _invalid("public_key should be 44 character(s)")
    try:
        valid = len(base64.b64decode(key, validate=True)) == 32
    except (binascii.Error, ValueError):
        valid = False
    if not valid:
        raise _invalid("public_key is not valid base64 of 32 bytes")
    return key


def _check_lengths(params: dict[str, str]) -> None:
    for key in params:
        _text(params, key, None)


def _text(params: dict[str, str], key: str, default: str | None) -> str | None:
    value = params.get(key) or default
    if value is None:
        return None
    if len(value) > 255:
        raise _invalid(f"{key} should be at most 255 character(s)")
    return value.strip()


def _invalid(detail: str) -> Refusal:
    return problem(400, "invalid_connect_params", detail)
