"""The payloads of the messages that the portal sends."""

from __future__ import annotations

import base64
import datetime
import secrets
from typing import TYPE_CHECKING, Any

from . import derive, signed, versions
from .model import Config, Relay, Resource, stable_id
from .state import Authorization

if TYPE_CHECKING:
    from .client import ClientChannel
    from .gateway import GatewayChannel
    from .site import Site

# Relays that a peer is told of at a time (firezone-portal(7), Relay selection).
MOST_RELAYS = 2
_REPORTING_GRACE = 30 * 86400  # firezone-portal(7), Ingest token.
PERSISTENT_KEEPALIVE = 25  # seconds (firezone-portal(7), Two-step authorization)


def gateway_resource(resource: Resource) -> dict:
    if resource.type == "internet":
        return {"id": resource.id, "type": "internet"}
    return {
        "id": resource.id,
        "type": resource.type,
        "name": resource.name,
        "address": resource.address,
        "filters": list(resource.filters),
    }


def client_resource(config: Config, resource: Resource) -> dict:
    groups = [{"id": config.site_id, "name": config.site_name}]
    if resource.type == "internet":
        return {
            "id": resource.id, "type": "internet", "name": resource.name,
            "can_be_disabled": True, "gateway_groups": groups,
        }
    payload = {
        **gateway_resource(resource),
        "address_description": resource.address_description,
        "gateway_groups": groups,
    }
    if resource.ip_stack:
        payload["ip_stack"] = resource.ip_stack
    return payload


def relay_entries(relay: Relay, peer: derive.Peer, expires: int) -> list[dict]:
    """One entry per address family, IPv4 first and adjacent (firezone-portal(7), Relay
    entries)."""
    if relay.stamp_secret:
        username, password = derive.stamp_credentials(
            relay.stamp_secret, peer.public_key, expires
        )
    elif relay.secret:
        username, password = derive.rest_credentials(relay.secret, peer.id, expires)
    else:
        username, password = relay.username, relay.password
    addresses = []
    if relay.ipv4:
        addresses.append(f"{relay.ipv4}:{relay.port}")
    if relay.ipv6:
        addresses.append(f"[{relay.ipv6}]:{relay.port}")
    return [
        {
            "id": relay.id, "type": "turn", "addr": address,
            "username": username, "password": password, "expires_at": expires,
        }
        for address in addresses
    ]


def relays(chosen: list[Relay], peer: derive.Peer, expires: int) -> list[dict]:
    return [entry for relay in chosen for entry in relay_entries(relay, peer, expires)]


def gateway_init(site: Site, gateway: GatewayChannel, chosen: list[Relay]) -> dict:
    members = {
        "interface": {"ipv4": gateway.device.ipv4, "ipv6": gateway.device.ipv6},
        "relays": relays(chosen, gateway.peer, gateway.expires_at),
        "authorizations": [
            {
                "client_id": authorization.client_id,
                "resource_id": authorization.resource_id,
                "expires_at": authorization.expires_at,
            }
            for authorization in site.broker.of_gateway(gateway.device.id)
        ],
        "account_slug": site.config.account_slug,
        "flow_logs": flow_logs(site.config),
        "config": {"ipv4_masquerade_enabled": True, "ipv6_masquerade_enabled": True},
    }
    wanted = site.config.era.gateway_init or members
    return {key: value for key, value in members.items() if key in wanted}


def client_init(site: Site, client: ClientChannel, chosen: list[Relay]) -> dict:
    members = {
        "interface": client_interface(site.config, client),
        "resources": [
            client_resource(site.config, resource)
            for resource in site.resources_of(client.user, client.device.id)
        ],
        "relays": relays(chosen, client.peer, client.expires_at),
    }
    if not site.config.era.first_forms:
        members |= {"authorizations": [], "flow_logs": flow_logs(site.config)}
    return members


def client_interface(config: Config, client: ClientChannel) -> dict:
    servers = config.dns.upstream
    return {
        "ipv4": client.device.ipv4,
        "ipv6": client.device.ipv6,
        "search_domain": config.dns.search_domain,
        "upstream_do53": [{"ip": ip} for ip in servers],
        "upstream_doh": [{"url": url} for url in config.dns.doh],
        # For clients that know no upstream_do53 (firezone-portal(7), Client
        # init).
        "upstream_dns": [
            {"protocol": "ip_port", "address": f"[{ip}]:53" if ":" in ip else f"{ip}:53"}
            for ip in servers
        ],
    }


def flow_logs(config: Config) -> dict:
    logs = config.flow_logs
    return {
        "api_url": logs.api_url,
        "upload_interval_secs": logs.upload_interval_secs,
        "upload_batch_size": logs.upload_batch_size,
    }


def ice_credentials(client: derive.Peer, gateway: derive.Peer) -> dict:
    client_ice, gateway_ice = derive.ice_credentials(client, gateway)
    return {
        "client_ice_credentials": client_ice._asdict(),
        "gateway_ice_credentials": gateway_ice._asdict(),
    }


def preshared_key(site: Site, client: derive.Peer, gateway: derive.Peer) -> str:
    if site.config.era.random_preshared_key:
        return base64.b64encode(secrets.token_bytes(32)).decode()
    client_base = bytes.fromhex(site.state.device_by_id(client.id).psk_base)
    gateway_base = bytes.fromhex(site.state.device_by_id(gateway.id).psk_base)
    return derive.preshared_key(client, client_base, gateway, gateway_base)


def gateway_expiry(site: Site, authorization: Authorization) -> int | None:
    return None if site.config.era.never_expires else authorization.expires_at


def authorize(
    site: Site, client: ClientChannel, gateway: GatewayChannel,
    authorization: Authorization, use_iceless: bool,
) -> dict:
    """For the gateway. What both peers must get with equal values goes into the ref, as
    far as it cannot be found out again."""
    first = site.config.era.first_forms
    resource = site.resources[authorization.resource_id]
    key = preshared_key(site, client.peer, gateway.peer)
    added = _first_extras(client, authorization) if first else {
        "use_iceless": use_iceless,
        "subject": subject(client),
        "flow_logs_ingest_token": ingest_token(site, client, authorization, "responder"),
    }
    return {
        "ref": signed.sign_ref(site.state.secret, "flow", {
            "client": client.peer, "gateway": gateway.peer, "preshared_key": key,
            "resource_id": resource.id, "use_iceless": use_iceless,
        }),
        "client": {
            "id": client.device.id,
            "public_key": client.public_key,
            "preshared_key": key,
            "ipv4": client.device.ipv4,
            "ipv6": client.device.ipv6,
            **({} if first else {"version": client.version, **client.hardware}),
        },
        "resource": gateway_resource(resource),
        **ice_credentials(client.peer, gateway.peer),
        "expires_at": gateway_expiry(site, authorization),
        **added,
    }


def _first_extras(client: ClientChannel, authorization: Authorization) -> dict:
    return {"flow_id": authorization.id, "actor": {"id": client.user.id}}


def connection_details(site: Site, resource: Resource, gateway: GatewayChannel) -> dict:
    """For a client until 1.3: where to go with its request."""
    return {
        "resource_id": resource.id,
        "gateway_group_id": site.config.site_id,
        "gateway_id": gateway.device.id,
        "gateway_remote_ip": gateway.remote_ip,
    }


def request_connection(
    client: ClientChannel, gateway: GatewayChannel, authorization: Authorization,
    ref: str, key: str, client_payload: Any,
) -> dict:
    """What the client gives for the gateway is passed on as it is."""
    site = client.site
    extras = {}
    if site.config.era.first_forms:
        chosen = site.relays[:MOST_RELAYS]
        extras = {
            **_first_extras(client, authorization),
            "relays": relays(chosen, gateway.peer, gateway.expires_at),
        }
    return {
        "ref": ref,
        "expires_at": gateway_expiry(site, authorization),
        "resource": gateway_resource(site.resources[authorization.resource_id]),
        "client": {
            "id": client.device.id,
            "peer": {
                "public_key": client.public_key,
                "preshared_key": key,
                "ipv4": client.device.ipv4,
                "ipv6": client.device.ipv6,
                "persistent_keepalive": PERSISTENT_KEEPALIVE,
            },
            "payload": client_payload,
        },
        **extras,
    }


def allow_access(
    client: ClientChannel, authorization: Authorization, ref: str, payload: Any
) -> dict:
    site = client.site
    extras = {"flow_id": authorization.id} if site.config.era.first_forms else {}
    return {
        "ref": ref,
        "client_id": client.device.id,
        "client_ipv4": client.device.ipv4,
        "client_ipv6": client.device.ipv6,
        "expires_at": gateway_expiry(site, authorization),
        "resource": gateway_resource(site.resources[authorization.resource_id]),
        "payload": payload,
        **extras,
    }


def reject_access(site: Site, authorization: Authorization) -> dict:
    extras = {"flow_id": authorization.id} if site.config.era.first_forms else {}
    return {
        "client_id": authorization.client_id,
        "resource_id": authorization.resource_id,
        **extras,
    }


def authorization_created(
    site: Site, client: ClientChannel, authorization: Authorization, facts: dict
) -> dict:
    """For the client, of what the gateway has acknowledged."""
    gateway = derive.Peer(*facts["gateway"])
    device = site.state.device_by_id(gateway.id)
    added = {} if site.config.era.first_forms else {
        "use_iceless": facts["use_iceless"],
        "flow_logs_ingest_token": ingest_token(site, client, authorization, "initiator"),
    }
    return {
        "resource_id": authorization.resource_id,
        "gateway_id": gateway.id,
        "gateway_group_id": site.config.site_id,
        "gateway_public_key": gateway.public_key,
        "gateway_ipv4": device.ipv4,
        "gateway_ipv6": device.ipv6,
        "preshared_key": facts["preshared_key"],
        **ice_credentials(client.peer, gateway),
        **added,
    }


def subject(client: ClientChannel) -> dict:
    return {
        "actor_id": client.user.id,
        "actor_name": client.user.name,
        "actor_email": client.user.email,
        "actor_type": "account_user",
        "auth_provider_id": None,
        "ip": client.remote_ip,
        "ip_region": None, "ip_city": None, "ip_lat": None, "ip_lon": None,
        "user_agent": client.user_agent,
    }


def ingest_token(
    site: Site, client: ClientChannel, authorization: Authorization, role: str
) -> str:
    resource = site.resources[authorization.resource_id]
    device, actor, name = client.device.id, client.user.id, client.user.name
    claims = {
        "account_id": stable_id("account", site.config.account_slug),
        "iat": authorization.authorized_at,
        "exp": authorization.expires_at + _REPORTING_GRACE,
        "uploads_enabled": site.config.flow_logs.enabled,
        "role": role,
        "initiator_device_id": device,
        "responder_device_id": authorization.gateway_id,
        "policy_authorization_id": authorization.id,
        "policy_id": authorization.policy_id,
        "resource_id": resource.id,
        "resource_name": resource.name,
        "resource_address": resource.address,
        "initiator_actor_id": actor,
        "initiator_actor_name": name,
        "initiator_actor_email": client.user.email,
        "initiator_client_version": client.version,
        "authorized_at": _iso(authorization.authorized_at),
        "authorization_expires_at": _iso(authorization.expires_at),
        # Names that the first releases of these tokens insist on.
        "device_id": device if role == "initiator" else authorization.gateway_id,
        "actor_id": actor,
        "actor_name": name,
    }
    for key, value in client.hardware.items():
        claims[f"initiator_device_{key.removeprefix('device_')}"] = value
    return signed.sign_jwt(site.state.secret, claims)


def device_hardware(user_agent: str, params: dict[str, str]) -> dict:
    os_name, os_version = versions.operating_system(user_agent)
    return {
        "device_os_name": os_name,
        "device_os_version": os_version,
        "device_serial": params.get("device_serial"),
        "device_uuid": params.get("device_uuid"),
        "firebase_installation_id": params.get("firebase_installation_id"),
        "identifier_for_vendor": params.get("identifier_for_vendor"),
    }


def _iso(seconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
