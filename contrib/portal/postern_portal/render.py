"""The payloads of the messages that the portal sends."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from . import derive, signed, versions
from .model import Config, Relay, Resource, stable_id
from .state import Authorization

if TYPE_CHECKING:
    from .client import ClientChannel
    from .gateway import GatewayChannel
    from .site import Site

_REPORTING_GRACE = 30 * 86400  # firezone-portal(7), Ingest token.


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
    return {
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


def client_init(site: Site, client: ClientChannel, chosen: list[Relay]) -> dict:
    return {
        "interface": client_interface(site.config, client),
        "resources": [
            client_resource(site.config, resource)
            for resource in site.resources_of(client.user, client.device.id)
        ],
        "relays": relays(chosen, client.peer, client.expires_at),
        "authorizations": [],
        "flow_logs": flow_logs(site.config),
    }


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


def connection(site: Site, client: derive.Peer, gateway: derive.Peer) -> dict:
    """The part of an authorization that both peers must get with equal values."""
    client_base = bytes.fromhex(site.state.device_by_id(client.id).psk_base)
    gateway_base = bytes.fromhex(site.state.device_by_id(gateway.id).psk_base)
    client_ice, gateway_ice = derive.ice_credentials(client, gateway)
    return {
        "preshared_key": derive.preshared_key(client, client_base, gateway, gateway_base),
        "client_ice_credentials": client_ice._asdict(),
        "gateway_ice_credentials": gateway_ice._asdict(),
    }


def create_authorization(
    site: Site, client: ClientChannel, gateway: GatewayChannel,
    authorization: Authorization, use_iceless: bool,
) -> dict:
    shared = connection(site, client.peer, gateway.peer)
    resource = site.resources[authorization.resource_id]
    return {
        "ref": signed.sign_ref(site.state.secret, {
            "client": client.peer, "gateway": gateway.peer,
            "resource_id": resource.id, "use_iceless": use_iceless,
        }),
        "client": {
            "id": client.device.id,
            "public_key": client.public_key,
            "preshared_key": shared.pop("preshared_key"),
            "ipv4": client.device.ipv4,
            "ipv6": client.device.ipv6,
            "version": client.version,
            **client.hardware,
        },
        "resource": gateway_resource(resource),
        **shared,
        "expires_at": authorization.expires_at,
        "use_iceless": use_iceless,
        "subject": subject(client),
        "flow_logs_ingest_token": ingest_token(site, client, authorization, "responder"),
    }


def authorization_created(
    site: Site, client: ClientChannel, gateway: derive.Peer,
    authorization: Authorization, use_iceless: bool,
) -> dict:
    device = site.state.device_by_id(gateway.id)
    return {
        "resource_id": authorization.resource_id,
        "gateway_id": gateway.id,
        "gateway_group_id": site.config.site_id,
        "gateway_public_key": gateway.public_key,
        "gateway_ipv4": device.ipv4,
        "gateway_ipv6": device.ipv6,
        **connection(site, client.peer, gateway),
        "use_iceless": use_iceless,
        "flow_logs_ingest_token": ingest_token(site, client, authorization, "initiator"),
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
