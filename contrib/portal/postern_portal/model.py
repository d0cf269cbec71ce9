"""What one site consists of, as read from its configuration file."""

from __future__ import annotations

import ipaddress
import uuid
from dataclasses import dataclass, field

# 2038-01-01: the end of what never ends (firezone-portal(7), Relay
# credentials).
FOREVER = 2145916800

_NAMES = uuid.UUID("7c6a2f0e-5d0b-4c57-9f6d-2b6a8f1f4a10")


def stable_id(kind: str, name: str) -> str:
    """The id of something that was given a name but no id."""
    return str(uuid.uuid5(_NAMES, f"{kind}:{name}"))


@dataclass(frozen=True)
class Resource:
    id: str
    name: str
    type: str  # cidr, dns, internet
    address: str | None = None
    filters: tuple[dict, ...] = ()  # in the form of the wire
    address_description: str | None = None
    ip_stack: str | None = None


@dataclass(frozen=True)
class User:
    name: str
    email: str | None
    token_hashes: tuple[str, ...]
    expires_at: int  # end of the session, unix seconds

    @property
    def id(self) -> str:
        return stable_id("user", self.name)


@dataclass(frozen=True)
class Token:
    """For gateways or relays, any number of them."""

    name: str
    token_hashes: tuple[str, ...]


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Policy:
    resource: str  # its name
    users: frozenset[str]
    remote_ip: tuple[Network, ...] = ()  # empty: from everywhere
    lasts: int | None = None  # seconds, then the client has to ask again

    @property
    def id(self) -> str:
        return stable_id("policy", f"{self.resource}:{sorted(self.users)}")

    def allows(self, user: User) -> bool:
        return user.name in self.users or "*" in self.users

    def conforms(self, remote_ip: str) -> bool:
        address = ipaddress.ip_address(remote_ip)
        return not self.remote_ip or any(address in net for net in self.remote_ip)

    def expires_at(self, session_end: int, now: int) -> int:
        return session_end if self.lasts is None else min(session_end, now + self.lasts)


@dataclass(frozen=True)
class Relay:
    """A TURN server; exactly one of the three kinds of secrets is set."""

    id: str
    name: str
    ipv4: str | None
    ipv6: str | None
    port: int = 3478
    secret: str | None = field(default=None, repr=False)
    stamp_secret: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Dns:
    upstream: tuple[str, ...] = ()
    doh: tuple[str, ...] = ()
    search_domain: str | None = None


@dataclass(frozen=True)
class FlowLogs:
    api_url: str = "https://localhost/"
    upload_interval_secs: int = 0
    upload_batch_size: int = 0

    @property
    def enabled(self) -> bool:
        return self.upload_interval_secs > 0


@dataclass(frozen=True)
class Era:
    """The time whose portal this one acts as (firezone-portal(7), Generations): it knows
    nothing that came later."""

    generation: int = 3  # the newest that it speaks
    header_token: bool = True  # and not only the one of the query
    first_forms: bool = False  # of what it sends: without what was added later
    gateway_init: tuple[str, ...] = ()  # its members; empty: all there are
    random_preshared_key: bool = False  # another one with each authorization
    never_expires: bool = False  # what a gateway is told instead of the time
    check_versions: bool = True

    @property
    def has_v2(self) -> bool:
        return self.generation >= 3

    @property
    def has_flows(self) -> bool:
        return self.generation >= 2


_SEED_INIT = ("interface", "relays", "config")
ERAS = {
    1: Era(1, header_token=False, first_forms=True, gateway_init=_SEED_INIT),
    2: Era(2, header_token=False, first_forms=True, gateway_init=_SEED_INIT),
    3: Era(),
}


@dataclass(frozen=True)
class Config:
    listen: tuple[tuple[str, int], ...]
    tls_certificate: str | None
    tls_key: str | None
    state_file: str
    control_socket: str | None
    account_slug: str
    site_id: str
    site_name: str
    iceless: bool
    era: Era
    dns: Dns
    flow_logs: FlowLogs
    gateway_tokens: tuple[Token, ...]
    relay_tokens: tuple[Token, ...]
    users: tuple[User, ...]
    resources: tuple[Resource, ...]
    policies: tuple[Policy, ...]
    relays: tuple[Relay, ...]
