"""Authorizations: asked for, acknowledged, expired, revoked (firezone-portal(7),
Brokering)."""

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from typing import TYPE_CHECKING

from . import render, signed, versions
from .denied import Denied
from .derive import Peer
from .model import FOREVER, Policy, Resource
from .state import Authorization

if TYPE_CHECKING:
    from .client import ClientChannel
    from .gateway import GatewayChannel
    from .site import Site

log = logging.getLogger("portal")


class Broker:
    def __init__(self, site: Site):
        self.site = site
        self._all = site.state.authorizations
        # What has ended while its client was not there to be told.
        self._lapsed: set[tuple[str, str]] = set()
        self._expiry: dict[tuple[str, str, str], asyncio.TimerHandle] = {}
        self._saving: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Take up what an earlier run has left, as far as it still holds."""
        for authorization in list(self._all.values()):
            if authorization.expired or not self._still_permitted(authorization):
                self._lapse(authorization)
            else:
                self._watch_expiry(authorization)

    def stop(self) -> None:
        for timer in (*self._expiry.values(), self._saving):
            if timer:
                timer.cancel()
        if self.site.state.dirty:
            self._save()

    def _still_permitted(self, authorization: Authorization) -> bool:
        resource = self.site.resources.get(authorization.resource_id)
        device = self.site.state.device_by_id(authorization.client_id)
        owner = device and device.owner
        user = next((u for u in self.site.config.users if u.name == owner), None)
        return bool(resource and user) and self.site.permitted(user, device.id, resource)

    # Looking up.

    def of_gateway(self, gateway_id: str) -> list[Authorization]:
        return [
            a for a in self._all.values() if a.gateway_id == gateway_id and not a.expired
        ]

    def of_pair(self, client_id: str, resource_id: str) -> list[Authorization]:
        return [
            a for a in self._all.values()
            if (a.client_id, a.resource_id) == (client_id, resource_id)
        ]

    def pair(self, client: ClientChannel, gateway: GatewayChannel) -> bool:
        """Whether the two have to do with each other."""
        return any(
            a.client_id == client.device.id for a in self.of_gateway(gateway.device.id)
        )

    # Granting.

    def request(
        self, client: ClientChannel, resource_id: str, connected: list[str]
    ) -> None:
        """What a client asks for; the answer comes as a push, now or on the ack."""
        try:
            resource, policy = self.allowed(client, resource_id)
            gateway = self.choose(client, connected)
        except Denied as denied:
            log.info("%s: refused %.40a: %s", client, resource_id, denied.reason)
            client.fail(resource_id, denied.reason, **denied.details)
            return
        authorization = self.record(client, resource, gateway, policy)
        self.dispatch(client, gateway, authorization)

    def allowed(self, client: ClientChannel, resource_id: str) -> tuple[Resource, Policy]:
        """What the client may use, and by which policy."""
        resource = self.site.resources.get(resource_id)
        if not resource or not self.site.permitted(client.user, client.device.id, resource):
            raise Denied("not_found")
        policies = self.site.policies_for(client.user, resource)
        policy = next((p for p in policies if p.conforms(client.remote_ip)), None)
        if policy is None:
            raise Denied("forbidden", violated_properties=["remote_ip"])
        return resource, policy

    def choose(self, client: ClientChannel, connected: list[str]) -> GatewayChannel:
        """One that fits, if possible of those that the client is connected to."""
        online = [g for g in self.site.gateways.values() if g.joined]
        if not online:
            raise Denied("offline")
        era = self.site.config.era
        fitting = [
            g for g in online
            if not era.check_versions
            or versions.compatible(client.version, g.version, era.first_forms)
        ]
        if not fitting:
            raise Denied("not_found" if era.first_forms else "version_mismatch")
        known = [g for g in fitting if g.device.id in connected]
        return random.choice(known or fitting)

    def online(self, gateway_id: object) -> GatewayChannel:
        """The one that a client has chosen."""
        if not isinstance(gateway_id, str):
            raise Denied("not_found")
        gateway = self.site.gateways.get(gateway_id)
        if gateway and gateway.joined:
            return gateway
        device = self.site.state.device_by_id(gateway_id)
        raise Denied("offline" if device and device.kind == "gateway" else "not_found")

    def record(
        self, client: ClientChannel, resource: Resource, gateway: GatewayChannel,
        policy: Policy,
    ) -> Authorization:
        """What is granted by a policy, with its end."""
        expires_at = policy.expires_at(client.expires_at, int(time.time()))
        key = client.device.id, resource.id, gateway.device.id
        return self.enter(key, policy.id, expires_at)

    def enter(
        self, key: tuple[str, str, str], policy_id: str, expires_at: int
    ) -> Authorization:
        authorization = self._all.get(key)
        if authorization is None or authorization.expired:
            now = int(time.time())
            authorization = Authorization(
                *key, policy_id, str(uuid.uuid4()), now, expires_at
            )
            self._all[key] = authorization
            self._save_soon()
        elif authorization.expires_at != expires_at:
            authorization.expires_at = expires_at
            self._save_soon()
        self._watch_expiry(authorization)
        return authorization

    def dispatch(
        self, client: ClientChannel, gateway: GatewayChannel, authorization: Authorization,
        event: str | None = None,
    ) -> None:
        """Send the gateway an authorization and wait for its acknowledgement."""
        client.await_acknowledgement(authorization.resource_id)
        self._push(client, gateway, authorization, event or gateway.authorize)

    def _push(
        self, client: ClientChannel, gateway: GatewayChannel, authorization: Authorization,
        event: str,
    ) -> None:
        # Decided once, for both directions (firezone-portal(7), Capabilities).
        iceless = self.site.config.iceless and client.iceless and gateway.iceless
        gateway.push(event, render.authorize(
            self.site, client, gateway, authorization, iceless
        ))
        log.info("%s: %s of %s at %s", client, event, authorization.resource_id, gateway)

    def acknowledge(self, gateway: GatewayChannel, ref: object) -> bool:
        """False for a ref that is not ours; late ones are good but useless."""
        facts = self._facts(gateway, "flow", ref)
        if facts is None:
            return False
        found = self._granted(facts)
        if found and found[0].answered(facts["resource_id"]):
            client, authorization = found
            client.succeed(render.authorization_created(
                self.site, client, authorization, facts
            ))
            log.info("%s: authorization_created of %s", client, facts["resource_id"])
        return True

    def ready(self, gateway: GatewayChannel, ref: object, gateway_payload: object) -> bool:
        """The same for a connection of a client until 1.3."""
        facts = self._facts(gateway, "connection", ref)
        if facts is None:
            return False
        found = self._granted(facts)
        if found:
            found[0].two_step.ready(facts["gateway"][1], facts, gateway_payload)
        return True

    def _facts(self, gateway: GatewayChannel, purpose: str, ref: object) -> dict | None:
        facts = signed.verify_ref(self.site.state.secret, purpose, ref)
        return facts if facts and facts["gateway"][0] == gateway.device.id else None

    def _granted(self, facts: dict) -> tuple[ClientChannel, Authorization] | None:
        """The client that asked, if it is still the same and still may."""
        client = self.site.clients.get(facts["client"][0])
        key = facts["client"][0], facts["resource_id"], facts["gateway"][0]
        authorization = self._all.get(key)
        if not client or client.peer != Peer(*facts["client"]) or authorization is None:
            return None
        return client, authorization

    # Ending.

    def set_expiry(self, client: ClientChannel, authorization: Authorization, at: int) -> None:
        gateway = self.site.gateways.get(authorization.gateway_id)
        self.enter(authorization.key, authorization.policy_id, at)
        if not gateway or not gateway.joined:
            return
        if client.two_step.used:
            client.two_step.extend(gateway, authorization)
        else:
            self._push(client, gateway, authorization, gateway.authorize)

    def revoke(self, client_id: str, resource_id: str) -> list[Authorization]:
        """Take the authorizations of a pair away, at the gateways first."""
        taken = self.of_pair(client_id, resource_id)
        for authorization in taken:
            self._delete(authorization)
            gateway = self.site.gateways.get(authorization.gateway_id)
            if gateway and gateway.joined and not authorization.expired:
                payload = render.reject_access(self.site, authorization)
                gateway.push("reject_access", payload)
        client = self.site.clients.get(client_id)
        if client:
            client.answered(resource_id)
            self._renew_resource(client, resource_id)
        log.info("client %s: revoked %s", client_id, resource_id)
        return taken

    def resource_updated(self, resource: Resource) -> None:
        # Copies, since a peer that does not read is dropped on the way.
        for gateway in list(self.site.gateways.values()):
            if gateway.joined:
                gateway.push("resource_updated", render.gateway_resource(resource))
        for client in list(self.site.clients.values()):
            if client.joined and self.site.permitted(
                client.user, client.device.id, resource
            ):
                client.push_resource(resource)

    def _renew_resource(self, client: ClientChannel, resource_id: str) -> None:
        """Make the client forget its authorization (firezone-portal(7), Access refused)."""
        if not client.joined:
            return
        client.push_resource_deleted(resource_id)
        resource = self.site.resources.get(resource_id)
        if resource and self.site.permitted(client.user, client.device.id, resource):
            client.push_resource(resource)

    def _watch_expiry(self, authorization: Authorization) -> None:
        timer = self._expiry.pop(authorization.key, None)
        if timer:
            timer.cancel()
        if authorization.expires_at < FOREVER:
            delay = max(0, authorization.expires_at - time.time())
            loop = asyncio.get_running_loop()
            self._expiry[authorization.key] = loop.call_later(
                delay, self._expired, authorization
            )

    def _expired(self, authorization: Authorization) -> None:
        if not authorization.expired:  # the clock was set back
            self._watch_expiry(authorization)
            return
        self._lapse(authorization)
        log.info(
            "client %s: authorization of %s expired",
            authorization.client_id, authorization.resource_id,
        )
        client = self.site.clients.get(authorization.client_id)
        if client and not self.site.session_ended(client.user):
            self.renew_lapsed(client)

    def _lapse(self, authorization: Authorization) -> None:
        self._delete(authorization)
        self._lapsed.add((authorization.client_id, authorization.resource_id))

    def renew_lapsed(self, client: ClientChannel) -> None:
        """Let the client ask again for what it takes for granted."""
        if not client.joined:
            return
        lapsed = {pair for pair in self._lapsed if pair[0] == client.device.id}
        self._lapsed -= lapsed
        for _, resource_id in sorted(lapsed):
            self._renew_resource(client, resource_id)

    def _delete(self, authorization: Authorization) -> None:
        self._all.pop(authorization.key, None)
        timer = self._expiry.pop(authorization.key, None)
        if timer:
            timer.cancel()
        self._save_soon()

    # Saving: repeated requests are many (firezone-portal(7), Brokering), so
    # writes are gathered.

    def _save_soon(self) -> None:
        self.site.state.dirty = True
        if self._saving is None:
            loop = asyncio.get_running_loop()
            self._saving = loop.call_later(0.2, self._save)

    def _save(self) -> None:
        self._saving = None
        try:
            self.site.state.save()
        except OSError as fault:
            log.error("%s: %s", self.site.state.file, fault.strerror)
