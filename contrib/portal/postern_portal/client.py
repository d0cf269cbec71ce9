"""The client's channel (firezone-portal(7), CLIENT MESSAGES)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from . import phoenix, render
from .channel import ids, log
from .model import FOREVER, Relay, Resource
from .peer import PeerChannel
from .phoenix import Frame
from .twostep import TwoStep

if TYPE_CHECKING:
    from .server import PortalSocket
    from .site import Site
    from .upgrade import Admission


class Names(NamedTuple):
    request: str
    created: str
    failed: str


# By path, v2 or not (firezone-portal(7), Client matrix).
NAMES = {
    False: Names("create_flow", "flow_created", "flow_creation_failed"),
    True: Names(
        "request_authorization", "authorization_created", "authorization_creation_failed"
    ),
}


class ClientChannel(PeerChannel):
    kind = "client"

    def __init__(self, site: Site, socket: PortalSocket, admission: Admission):
        super().__init__(site, socket, admission)
        self.user = admission.user
        self.expires_at = admission.user.expires_at
        self.hardware = render.device_hardware(admission.user_agent, admission.params)
        # Requests that wait for a gateway, by resource.
        self._pending: dict[str, asyncio.TimerHandle] = {}
        self._session_end: asyncio.TimerHandle | None = None
        self.two_step = TwoStep(self)

    def handlers(self) -> dict[str, Callable[[Frame], None]]:
        add, invalidate = "ice_candidates", "invalidate_ice_candidates"
        era = self.site.config.era
        known = {
            **self.two_step.handlers(),
            "new_gateway_ice_candidates": lambda f: self._forward_one(add, f),
            "broadcast_ice_candidates": lambda f: self._forward_all(add, f),
            "invalidate_gateway_ice_candidates":
                lambda f: self._forward_one(invalidate, f),
            "broadcast_invalidated_ice_candidates":
                lambda f: self._forward_all(invalidate, f),
            # Device pools: there are none here (firezone-portal(7), Device
            # pools).
            "request_device_access": self.on_ignored,
            "resolve_device_pool_domain": self.on_ignored,
            "new_client_ice_candidates": self.on_ignored,
            "invalidate_client_ice_candidates": self.on_ignored,
        }
        if era.has_flows:
            known[NAMES[self.v2].request] = self.on_request
        if not era.first_forms:
            known["no_relays"] = self.on_no_relays
            known["set_snownet_capabilities"] = self.on_capabilities
        return known

    def init(self, chosen: list[Relay]) -> dict:
        if self.expires_at < FOREVER and self._session_end is None:
            delay = max(0, self.expires_at - time.time())
            loop = asyncio.get_running_loop()
            self._session_end = loop.call_later(delay, self._end_session)
        return render.client_init(self.site, self, chosen)

    def on_joined(self) -> None:
        self.site.broker.renew_lapsed(self)

    def on_leave(self) -> None:
        for timer in self._pending.values():
            timer.cancel()
        self._pending.clear()
        if self._session_end:
            self._session_end.cancel()
            self._session_end = None
        super().on_leave()

    def _end_session(self) -> None:
        log.info("%s: session ended", self)
        self.end("token_expired")

    # Access.

    def on_request(self, frame: Frame) -> None:
        resource_id = frame.payload.get("resource_id")
        if not isinstance(resource_id, str):
            self.send(phoenix.reply_error(frame, "invalid_payload"))
            return
        connected = ids(frame.payload.get("connected_gateway_ids"))
        self.site.broker.request(self, resource_id, connected)

    def await_acknowledgement(self, resource_id: str) -> None:
        """A newer request for the same resource starts the wait again."""
        self.answered(resource_id)
        loop = asyncio.get_running_loop()
        self._pending[resource_id] = loop.call_later(
            self.site.timers.acknowledge, self._not_acknowledged, resource_id
        )

    def answered(self, resource_id: str) -> bool:
        """End the wait; whether there was one."""
        timer = self._pending.pop(resource_id, None)
        if timer:
            timer.cancel()
        return timer is not None

    def _not_acknowledged(self, resource_id: str) -> None:
        del self._pending[resource_id]
        log.warning("%s: no gateway acknowledged %s", self, resource_id)
        self.fail(resource_id, "offline")

    def succeed(self, payload: dict) -> None:
        self.push(NAMES[self.v2].created, payload)

    def fail(self, resource_id: str, reason: str, **details: Any) -> None:
        payload = {"resource_id": resource_id, "reason": reason, **details}
        self.push(NAMES[self.v2].failed, payload)

    @property
    def pending(self) -> list[str]:
        return list(self._pending)

    # Resources.

    def push_resource(self, resource: Resource) -> None:
        payload = render.client_resource(self.site.config, resource)
        self.push("resource_created_or_updated", payload)

    def push_resource_deleted(self, resource_id: str) -> None:
        self.push("resource_deleted", resource_id)

    # Candidates.

    def _forward_one(self, event: str, frame: Frame) -> None:
        self._forward(event, ids([frame.payload.get("gateway_id")]), frame)

    def _forward_all(self, event: str, frame: Frame) -> None:
        self._forward(event, ids(frame.payload.get("gateway_ids")), frame)

    def _forward(self, event: str, gateway_ids: list[str], frame: Frame) -> None:
        candidates = ids(frame.payload.get("candidates"))
        for gateway_id in gateway_ids:
            gateway = self.site.gateways.get(gateway_id)
            if gateway and gateway.joined and self.site.broker.pair(self, gateway):
                payload = {"client_id": self.device.id, "candidates": candidates}
                gateway.push(event, payload)
