"""Parsers as unforgiving as the reference's own (firezone-portal(7), CLIENT MESSAGES and
GATEWAY MESSAGES)."""

import base64
import ipaddress
import json
import uuid

GUARANTEED = {
    "account_id": str, "iat": int, "exp": int, "uploads_enabled": bool, "role": str,
    "initiator_device_id": str, "responder_device_id": str,
    "policy_authorization_id": str, "policy_id": str, "resource_id": str,
    "resource_name": str, "initiator_actor_id": str, "initiator_actor_name": str,
    "authorized_at": str, "authorization_expires_at": str,
}


def check_uuid(text):
    assert str(uuid.UUID(text)) == text


def unsigned(value):
    return type(value) is int and value >= 0


def check_key(text):
    assert len(base64.b64decode(text, validate=True)) == 32


def check_flow_logs(logs):
    assert isinstance(logs["api_url"], str)
    assert unsigned(logs["upload_interval_secs"]) and unsigned(logs["upload_batch_size"])


def check_relays(entries):
    families = {}
    for entry in entries:
        check_uuid(entry["id"])
        assert entry["type"] == "turn"
        host, port = entry["addr"].rsplit(":", 1)
        assert port == "3478"
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
        else:
            ipaddress.IPv4Address(host)
        assert isinstance(entry["username"], str) and isinstance(entry["password"], str)
        assert unsigned(entry["expires_at"])
        families.setdefault(entry["id"], []).append(host.startswith("["))
    order = [entry["id"] for entry in entries]
    assert order == sorted(order, key=list(families).index), "not adjacent"
    assert all(f in ([False], [True], [False, True]) for f in families.values())


def check_filters(filters):
    for rule in filters:
        if rule["protocol"] == "icmp":
            continue
        assert rule["protocol"] in ("tcp", "udp")
        first, last = rule["port_range_start"], rule["port_range_end"]
        assert unsigned(first) and first <= last <= 65535


def check_client_resource(resource):
    check_uuid(resource["id"])
    assert ("sites" in resource) + ("gateway_groups" in resource) == 1
    for group in resource.get("sites") or resource["gateway_groups"]:
        check_uuid(group["id"])
        assert isinstance(group["name"], str)
    assert resource["type"] in ("cidr", "dns", "internet")
    if resource["type"] != "internet":
        assert isinstance(resource["name"], str)
        check_filters(resource["filters"])
    if resource["type"] == "cidr":
        assert "/" in resource["address"]
        ipaddress.ip_network(resource["address"], strict=True)
    if resource["type"] == "dns":
        assert isinstance(resource["address"], str)
        assert resource.get("ip_stack") in (None, "dual", "ipv4_only", "ipv6_only")


def check_interface(interface):
    assert ipaddress.IPv4Address(interface["ipv4"]) in ipaddress.ip_network("100.64.0.0/11")
    network = ipaddress.ip_network("fd00:2021:1111::/107")
    assert ipaddress.IPv6Address(interface["ipv6"]) in network


def check_client_init(payload):
    interface = payload["interface"]
    check_interface(interface)
    assert interface["search_domain"] != ""
    for server in interface["upstream_do53"]:
        ipaddress.ip_address(server["ip"])
    for server in interface["upstream_doh"]:
        assert server["url"].startswith("https://") and "?" not in server["url"]
    for server in interface["upstream_dns"]:
        assert server["protocol"] == "ip_port" and server["address"].endswith(":53")
    for resource in payload["resources"]:
        check_client_resource(resource)
    check_relays(payload["relays"])
    assert payload["authorizations"] == []
    check_flow_logs(payload["flow_logs"])


def check_gateway_init(payload):
    check_interface(payload["interface"])
    check_relays(payload["relays"])
    for row in payload["authorizations"]:
        check_uuid(row["client_id"])
        check_uuid(row["resource_id"])
        assert unsigned(row["expires_at"])
    check_flow_logs(payload["flow_logs"])
    assert all(type(value) is bool for value in payload["config"].values())
    assert set(payload["config"]) == {"ipv4_masquerade_enabled", "ipv6_masquerade_enabled"}


def check_ingest_token(token, role):
    parts = token.split(".")
    assert len(parts) == 3 and all(parts) and "=" not in token
    head, claims, mac = (base64.urlsafe_b64decode(p + "=" * (-len(p) % 4)) for p in parts)
    assert json.loads(head)["alg"] == "HS256" and len(mac) == 32
    claims = json.loads(claims)
    for name, kind in GUARANTEED.items():
        assert type(claims[name]) is kind, name
    assert claims["role"] == role
    return claims


def check_ice(credentials):
    assert len(credentials["username"]) == 4 and len(credentials["password"]) == 22


def check_create_authorization(payload):
    assert isinstance(payload["ref"], str)
    client = payload["client"]
    check_uuid(client["id"])
    check_key(client["public_key"])
    check_key(client["preshared_key"])
    check_interface(client)
    check_uuid(payload["resource"]["id"])
    check_filters(payload["resource"].get("filters", []))
    check_ice(payload["client_ice_credentials"])
    check_ice(payload["gateway_ice_credentials"])
    assert unsigned(payload["expires_at"]) and type(payload["use_iceless"]) is bool
    assert len(payload["subject"]) == 11
    return check_ingest_token(payload["flow_logs_ingest_token"], "responder")


def check_authorization_created(payload):
    for key in ("resource_id", "gateway_id"):
        check_uuid(payload[key])
    assert ("site_id" in payload) + ("gateway_group_id" in payload) == 1
    check_key(payload["gateway_public_key"])
    check_key(payload["preshared_key"])
    check_interface({"ipv4": payload["gateway_ipv4"], "ipv6": payload["gateway_ipv6"]})
    check_ice(payload["client_ice_credentials"])
    check_ice(payload["gateway_ice_credentials"])
    assert type(payload["use_iceless"]) is bool
    return check_ingest_token(payload["flow_logs_ingest_token"], "initiator")
