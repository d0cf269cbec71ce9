"""What the control socket can do. Each command reads its arguments, acts, answers."""

from __future__ import annotations

import asyncio
import dataclasses
import http
import time
from typing import TYPE_CHECKING, Callable

from . import render
from .channel import Channel
from .client import ClientChannel
from .config import parse_filter, parse_relay
from .fields import REQUIRED, ConfigError, Table
from .model import Relay, Resource
from .peer import PeerChannel
from .state import Device

if TYPE_CHECKING:
    from .server import Portal
    from .site import Site

KINDS = ("gateway", "client", "relay")
_NO_KIND = 'must be "gateway", "client" or "relay"'
# Codes that an endpoint may put into a close frame (RFC 6455 7.4).
_CLOSE_CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


class Commands:
    def __init__(self, portal: Portal):
        self._portal = portal
        self._table: dict[str, Callable[[Table], dict]] = {
            "status": self._status,
            "authorize": self._authorize,
            "expire": self._expire,
            "revoke": self._revoke,
            "grant": self._grant,
            "update_filters": self._update_filters,
            "relays_presence": self._relays_presence,
            "drop": self._drop,
            "disconnect": self._disconnect,
            "phx_close": self._phx_close,
            "send_raw": self._send_raw,
            "refuse_upgrade": self._refuse_upgrade,
            "mute": self._mute,
            "shutdown": self._shutdown,
        }

    def run(self, request: dict) -> dict:
        command = Table("request", "", request).take("cmd", str)
        if command not in self._table:
            known = ", ".join(self._table)
            raise ConfigError(f'no command "{command}"; there are {known}')
        arguments = Table(command, "", request)
        arguments.take("cmd", str)
        return self._table[command](arguments)

    @property
    def _site(self) -> Site:
        return self._portal.site

    # Finding what arguments name.

    def _channel(self, request: Table, kind: str) -> Channel:
        """A connected peer by id, external id or name; the only one, if not named."""
        site = self._site
        table = {
            "gateway": site.gateways, "client": site.clients, "relay": site.registered,
        }[kind]
        name = request.string(kind, None)
        found = [c for c in table.values() if name is None or name in c.names]
        if len(found) != 1:
            which = f'"{name}"' if name else "given"
            count = "no" if not found else str(len(found))
            raise request.error(kind, f"{which}: {count} such {kind} is connected")
        return found[0]

    def _peer(self, request: Table) -> Channel:
        """Named by `gateway`, `client` or `relay`; the only one of its `kind` otherwise."""
        kinds = [kind for kind in KINDS if kind in request]
        if "kind" in request:
            kinds.append(request.string("kind"))
        if len(kinds) != 1 or kinds[0] not in KINDS:
            raise request.error(
                "kind", 'give a "gateway", a "client", a "relay", or the kind of one'
            )
        return self._channel(request, kinds[0])

    def _joined(self, request: Table, kind: str) -> PeerChannel:
        channel = self._channel(request, kind)
        if not channel.joined:
            raise request.error(kind, f"the {kind} has not joined")
        return channel

    def _client_device(self, request: Table) -> Device:
        """A client by id, external id or name, connected or not."""
        name = request.string("client", None)
        if name is None:
            return self._channel(request, "client").device
        found = [
            d for d in self._site.state.devices.values()
            if d.kind == "client" and name in (d.id, d.external_id, d.name)
        ]
        if len(found) != 1:
            count = "no" if not found else str(len(found))
            raise request.error("client", f'"{name}": {count} such client is known')
        return found[0]

    def _resource(self, request: Table) -> Resource:
        name = request.string("resource")
        for resource in self._site.resources.values():
            if name in (resource.id, resource.name):
                return resource
        raise request.error("resource", f'there is no resource "{name}"')

    # Access.

    def _authorize(self, request: Table) -> dict:
        client, resource = self._joined(request, "client"), self._resource(request)
        gateway = self._joined(request, "gateway")
        seconds = request.take("expires_in", int, None)
        event = request.string("event", None)
        request.done()
        self._lift(request, client.device, resource)
        policy = self._site.policies_for(client.user, resource)[0]
        expires_at = client.expires_at
        if seconds is not None:
            expires_at = min(expires_at, int(time.time()) + seconds)
        key = client.device.id, resource.id, gateway.device.id
        granted = self._site.broker.enter(key, policy.id, expires_at)
        self._site.broker.dispatch(client, gateway, granted, event)
        return {"authorization": dataclasses.asdict(granted)}

    def _expire(self, request: Table) -> dict:
        client, resource = self._joined(request, "client"), self._resource(request)
        expires_at = int(time.time()) + request.take("in", int)
        request.done()
        found = self._site.broker.of_pair(client.device.id, resource.id)
        if not found:
            raise request.error("resource", "there is no authorization for this pair")
        for authorization in found:
            self._site.broker.set_expiry(client, authorization, expires_at)
        return {"expires_at": expires_at}

    def _revoke(self, request: Table) -> dict:
        device, resource = self._client_device(request), self._resource(request)
        keep = request.take("keep_access", bool, False)
        request.done()
        if not keep:
            self._site.state.revoked.add((device.id, resource.id))
        taken = self._site.broker.revoke(device.id, resource.id)
        self._site.state.save()
        return {"revoked": len(taken)}

    def _grant(self, request: Table) -> dict:
        device, resource = self._client_device(request), self._resource(request)
        request.done()
        self._lift(request, device, resource)
        return {}

    def _lift(self, request: Table, device: Device, resource: Resource) -> None:
        """Undo a revocation; the policies of the configuration still decide."""
        users = [u for u in self._site.config.users if u.name == device.owner]
        if not users or not self._site.policies_for(users[0], resource):
            raise request.error("resource", "no policy allows it to this client")
        pair = device.id, resource.id
        if pair in self._site.state.revoked:
            self._site.state.revoked.discard(pair)
            self._site.state.save()
            client = self._site.clients.get(device.id)
            if client and client.joined:
                client.push_resource(resource)

    def _update_filters(self, request: Table) -> dict:
        resource = self._resource(request)
        filters = request.each("filters", parse_filter, REQUIRED)
        request.done()
        if resource.type == "internet":
            raise request.error("resource", "the internet resource has no filters")
        self._site.update_filters(resource, filters)
        return {"filters": filters}

    def _relays_presence(self, request: Table) -> dict:
        """`online`: names of configured relays; `relays`: a whole new list."""
        if "online" in request:
            known = {relay.name: relay for relay in self._portal.config.relays}
            names = request.strings("online")
            for name in names:
                if name not in known:
                    raise request.error("online", f'no relay is named "{name}"')
            relays = [known[name] for name in names]
        else:
            if "relays" not in request:
                raise request.error("online", 'give "online" or "relays"')
            relays = [parse_relay(table) for table in request.tables("relays")]
        request.done()
        self._site.set_relays(relays)
        return {"relays": [relay.id for relay in relays]}

    # The sockets.

    def _drop(self, request: Table) -> dict:
        channel = self._peer(request)
        abort = request.take("abort", bool, False)
        code = request.take("code", int, 1012)
        reason = request.take("reason", str, "")
        request.done()
        if code not in _CLOSE_CODES - {1005, 1006}:
            raise request.error("code", f"{code} is not a code for a close frame")
        if len(reason.encode()) > 123:
            raise request.error("reason", "must not be longer than 123 bytes")
        if abort:
            channel.abort()
        else:
            channel.close(code, reason)
        return {"id": channel.id}

    def _disconnect(self, request: Table) -> dict:
        channel = self._peer(request)
        reason = request.take("reason", str, "token_expired")
        request.done()
        channel.end(reason)
        return {"id": channel.id}

    def _phx_close(self, request: Table) -> dict:
        channel = self._peer(request)
        request.done()
        channel.stop()
        return {"id": channel.id}

    def _send_raw(self, request: Table) -> dict:
        channel = self._peer(request)
        if "hex" in request:
            data = request.checked("hex", bytes.fromhex, request.take("hex", str))
        else:
            data = request.take("text", str)
        request.done()
        channel.send(data)
        return {"id": channel.id}

    def _refuse_upgrade(self, request: Table) -> dict:
        refusing = self._portal.refusing
        count = request.take("count", int, 1)
        kind = request.string("kind", None)
        status = request.take("status", int, 503)
        headers = request.take("headers", dict, {})
        body = request.take("body", str, "")
        request.done()
        if kind not in (None, *KINDS):
            raise request.error("kind", _NO_KIND)
        if status not in {int(known) for known in http.HTTPStatus}:
            raise request.error("status", f"{status} is not a known HTTP status")
        for name, value in headers.items():
            if not isinstance(value, str) or not (name + value).isprintable():
                raise request.error(f"headers.{name}", "must be a printable string")
        refusing.count, refusing.kind, refusing.status = max(count, 0), kind, status
        refusing.headers, refusing.body = headers, body.encode()
        return {"count": refusing.count}

    def _mute(self, request: Table) -> dict:
        kind = request.string("kind")
        if kind not in KINDS:
            raise request.error("kind", _NO_KIND)
        muted = self._site.muted[kind]
        heartbeats = request.take("heartbeats", bool, muted.heartbeats)
        joins = request.take("joins", bool, muted.joins)
        request.done()
        muted.heartbeats, muted.joins = heartbeats, joins
        return {"muted": dataclasses.asdict(muted)}

    def _shutdown(self, request: Table) -> dict:
        request.done()
        asyncio.get_running_loop().create_task(self._portal.stop())
        return {}

    # Status.

    def _status(self, request: Table) -> dict:
        request.done()
        site = self._site
        return {
            "listen": self._portal.addresses,
            "site": {"id": site.config.site_id, "name": site.config.site_name},
            "gateways": [_peer_status(g) for g in site.gateways.values()],
            "clients": [_client_status(c) for c in site.clients.values()],
            "authorizations": [
                dataclasses.asdict(a) for a in site.state.authorizations.values()
            ],
            "revoked": sorted(site.state.revoked),
            "resources": [render.gateway_resource(r) for r in site.resources.values()],
            "relays": [_relay_status(site, relay) for relay in site.relays],
            "muted": {k: dataclasses.asdict(m) for k, m in site.muted.items()},
            "refuse_upgrade": self._portal.refusing.count,
        }


def _relay_status(site: Site, relay: Relay) -> dict:
    return {
        "id": relay.id, "name": relay.name, "ipv4": relay.ipv4, "ipv6": relay.ipv6,
        "port": relay.port, "registered": relay.id in site.registered,
    }


def _peer_status(channel: PeerChannel) -> dict:
    device = channel.device
    return {
        "id": device.id, "name": device.name, "external_id": device.external_id,
        "ipv4": device.ipv4, "ipv6": device.ipv6,
        "public_key": channel.public_key, "version": channel.version,
        "remote_ip": channel.remote_ip, "joined": channel.joined,
        "v2": channel.v2, "iceless": channel.iceless,
        "relays": list(channel.announced),
    }


def _client_status(client: ClientChannel) -> dict:
    return {
        **_peer_status(client), "user": client.user.name,
        "expires_at": client.expires_at, "pending": client.pending,
    }
