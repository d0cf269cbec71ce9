"""The configuration file: one site, checked as a whole before anything runs."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import tomllib
import urllib.parse
import uuid

from . import derive
from .fields import REQUIRED, ConfigError, Table
from .model import (
    ERAS, FOREVER, Config, Dns, Era, FlowLogs, Policy, Relay, Resource, Token, User,
    stable_id,
)

_FILTER = re.compile(r"(tcp|udp)(?:/(\d{1,5})(?:-(\d{1,5}))?)?\Z|icmp\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_PATTERN = re.compile(r"[^\s/]+\Z")
# What a gateway can be told when it has joined (firezone-portal(7), Gateway init).
GATEWAY_INIT = (
    "interface", "relays", "authorizations", "account_slug", "flow_logs", "config",
)
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\Z")


def load(file: str) -> Config:
    try:
        with open(file, "rb") as stream:
            values = tomllib.load(stream)
    except OSError as fault:
        raise ConfigError(f"{file}: {fault.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{file}: not valid TOML: {fault}") from None
    return parse(file, values)


def parse(file: str, values: dict) -> Config:
    top = Table(file, "", values)
    portal, site = top.table("portal"), top.table("site")
    folder = os.path.dirname(os.path.abspath(file))
    site_name = site.string("name", "main")
    config = Config(
        listen=portal.each("listen", listen_address, ["127.0.0.1:8080"]),
        tls_certificate=_path(folder, portal.string("tls_certificate", None)),
        tls_key=_path(folder, portal.string("tls_key", None)),
        state_file=_path(folder, portal.string("state_file", "state.json")),
        control_socket=_path(folder, portal.string("control_socket", None)),
        account_slug=portal.string("account_slug", "main"),
        site_id=_id(site, "site", site_name),
        site_name=site_name,
        iceless=site.take("iceless", bool, False),
        era=_era(top.table("era")),
        dns=_dns(top.table("dns")),
        flow_logs=_flow_logs(top.table("flow_logs")),
        gateway_tokens=_tokens(top, "gateway"),
        relay_tokens=_tokens(top, "relay"),
        users=tuple(map(_user, top.tables("users"))),
        resources=tuple(map(_resource, top.tables("resources"))),
        policies=tuple(map(_policy, top.tables("policies"))),
        relays=tuple(map(parse_relay, top.tables("relays"))),
    )
    if (config.tls_certificate is None) != (config.tls_key is None):
        raise portal.error("tls_key", "tls_certificate and tls_key belong together")
    for table in (portal, site, top):
        table.done()
    _check_references(top, config)
    return config


def listen_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f'"{text}" is not of the form "address:port"')
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f'"{host}" is not an IP address (IPv6 in brackets)') from None
    return host, int(port)


def parse_filter(text: str) -> dict:
    """ "tcp/443", "udp/100-200", "tcp", "icmp" as an object (firezone-portal(7), Filters)."""
    match = _FILTER.match(text)
    if not match:
        raise ValueError(
            f'"{text}" is no filter; write "tcp/443", "udp/100-200", "tcp" or "icmp"'
        )
    if text == "icmp":
        return {"protocol": "icmp"}
    protocol, first, last = match.groups()
    start = int(first or 0)
    end = int(last or first or 65535)
    if not start <= end <= 65535:
        raise ValueError(f'"{text}": ports go from low to high, up to 65535')
    return {"protocol": protocol, "port_range_start": start, "port_range_end": end}


def parse_relay(table: Table) -> Relay:
    ipv4 = _address(table, "ipv4", ipaddress.IPv4Address)
    ipv6 = _address(table, "ipv6", ipaddress.IPv6Address)
    if ipv4 is None and ipv6 is None:
        raise table.error("ipv4", "a relay needs ipv4, ipv6 or both")
    secrets = {
        key: table.string(key, None)
        for key in ("secret", "stamp_secret", "username", "password")
    }
    given = {key for key, value in secrets.items() if value is not None}
    if given not in ({"secret"}, {"stamp_secret"}, {"username", "password"}):
        raise table.error(
            "secret", "give secret, or stamp_secret, or username and password"
        )
    name = table.string("name", ipv4 or ipv6)
    port = table.take("port", int, 3478)
    if not 1 <= port <= 65535:
        raise table.error("port", "must be from 1 to 65535")
    if secrets["stamp_secret"] and "id" not in table:
        relay_id = derive.relay_id(secrets["stamp_secret"])
    else:
        relay_id = _id(table, "relay", name)
    table.done()
    return Relay(id=relay_id, name=name, ipv4=ipv4, ipv6=ipv6, port=port, **secrets)


def _id(table: Table, kind: str, name: str) -> str:
    text = table.string("id", None)
    if text is None:
        return stable_id(kind, name)
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise table.error("id", f'"{text}" is not a UUID') from None


def _path(folder: str, path: str | None) -> str | None:
    return path if path is None else os.path.join(folder, path)


def relay_address(kind: type, text: str) -> str:
    """Without a zone, which means nothing elsewhere: peers drop all for one bad entry."""
    address = kind(text)
    if getattr(address, "scope_id", None):
        raise ValueError("has a zone")
    return str(address)


def _address(table: Table, key: str, kind: type) -> str | None:
    text = table.string(key, None)
    try:
        return None if text is None else relay_address(kind, text)
    except ValueError:
        raise table.error(key, f'"{text}" is not an {key} address') from None


def _network(text: str):
    try:
        return ipaddress.ip_network(text)
    except ValueError as fault:
        raise ValueError(str(fault)) from None


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f'"{text}" is not an IP address') from None


def _doh(text: str) -> str:
    url = urllib.parse.urlsplit(text)
    if url.scheme != "https" or not url.hostname or url.query:
        raise ValueError(f'"{text}" must be https://host/path without a query')
    return text


def _sha256(text: str) -> str:
    if not _SHA256.match(text.lower()):
        raise ValueError("must be the 64 hex digits that hash-token prints")
    return text.lower()


def _dns(table: Table) -> Dns:
    search = table.string("search_domain", None)
    if search is not None and not _HOST.match(search):
        raise table.error("search_domain", f'"{search}" is not a domain name')
    dns = Dns(table.each("upstream", _ip), table.each("doh", _doh), search)
    table.done()
    return dns


def _era(table: Table) -> Era:
    """A generation's portal, and where it is to be otherwise."""
    generation = table.take("generation", int, 3)
    if generation not in ERAS:
        raise table.error("generation", "must be 1, 2 or 3")
    era = ERAS[generation]
    switches = {
        key: table.take(key, bool, getattr(era, key))
        for key in (
            "header_token", "first_forms", "random_preshared_key", "never_expires",
            "check_versions",
        )
    }
    members = table.each("gateway_init", _init_member, era.gateway_init)
    table.done()
    return dataclasses.replace(era, gateway_init=members, **switches)


def _init_member(text: str) -> str:
    if text not in GATEWAY_INIT:
        raise ValueError(f'"{text}" is none of {", ".join(GATEWAY_INIT)}')
    return text


def _flow_logs(table: Table) -> FlowLogs:
    logs = FlowLogs(
        table.string("api_url", FlowLogs.api_url),
        table.take("upload_interval_secs", int, 0),
        table.take("upload_batch_size", int, 0),
    )
    for key in ("upload_interval_secs", "upload_batch_size"):
        if getattr(logs, key) < 0:
            raise table.error(key, "must not be negative")
    table.done()
    return logs


def _tokens(top: Table, kind: str) -> tuple[Token, ...]:
    tokens = []
    for table in top.tables(f"{kind}_tokens"):
        hashes = table.each("token_sha256", _sha256, REQUIRED)
        tokens.append(Token(table.string("name", kind), hashes))
        table.done()
    return tuple(tokens)


def _user(table: Table) -> User:
    user = User(
        table.string("name"),
        table.string("email", None),
        table.each("token_sha256", _sha256, REQUIRED),
        min(table.unix_time("expires_at", FOREVER), FOREVER),
    )
    table.done()
    return user


def _resource(table: Table) -> Resource:
    kind = table.string("type")
    name = table.string("name", "Internet") if kind == "internet" else table.string("name")
    common = {
        "id": _id(table, "resource", name),
        "name": name,
        "type": kind,
        "address_description": table.string("address_description", None),
    }
    if kind == "internet":
        resource = Resource(**common)
    elif kind == "cidr":
        network = table.checked("address", _network, table.string("address"))
        filters = table.each("filters", parse_filter)
        resource = Resource(address=str(network), filters=filters, **common)
    elif kind == "dns":
        resource = Resource(
            address=_dns_pattern(table), filters=table.each("filters", parse_filter),
            ip_stack=_ip_stack(table), **common,
        )
    else:
        raise table.error("type", f'"{kind}" is none of "cidr", "dns", "internet"')
    table.done()
    return resource


def _dns_pattern(table: Table) -> str:
    pattern = table.string("address")
    if not _PATTERN.match(pattern) or ".." in pattern:
        raise table.error("address", f'"{pattern}" is not a name or pattern')
    return pattern


def _ip_stack(table: Table) -> str | None:
    stack = table.string("ip_stack", None)
    if stack not in (None, "dual", "ipv4_only", "ipv6_only"):
        raise table.error("ip_stack", 'must be "dual", "ipv4_only" or "ipv6_only"')
    return stack


def _policy(table: Table) -> Policy:
    policy = Policy(
        table.string("resource"),
        frozenset(table.strings("users")),
        table.each("remote_ip", _network),
        table.take("lasts", int, None),
    )
    if policy.lasts is not None and policy.lasts < 1:
        raise table.error("lasts", "must be at least 1 second")
    table.done()
    return policy


def _check_references(top: Table, config: Config) -> None:
    for key in ("users", "resources", "relays"):
        seen: set[str] = set()
        for index, row in enumerate(getattr(config, key)):
            for field in {row.name, row.id}:
                if field in seen:
                    raise top.error(f"{key}[{index}]", f'"{field}" is there twice')
                seen.add(field)
    hashes: set[str] = set()
    for key in ("gateway_tokens", "relay_tokens", "users"):
        for index, row in enumerate(getattr(config, key)):
            for value in row.token_hashes:
                if value in hashes:
                    raise top.error(f"{key}[{index}].token_sha256", "is used twice")
                hashes.add(value)
    if sum(resource.type == "internet" for resource in config.resources) > 1:
        raise top.error("resources", "only one can be of type internet")
    names = {resource.name for resource in config.resources}
    users = {user.name for user in config.users} | {"*"}
    for index, policy in enumerate(config.policies):
        if policy.resource not in names:
            raise top.error(
                f"policies[{index}].resource", f'there is no resource "{policy.resource}"'
            )
        for user in sorted(policy.users - users):
            raise top.error(f"policies[{index}].users", f'there is no user "{user}"')
