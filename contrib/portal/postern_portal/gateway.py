"""The gateway's channel (firezone-portal(7), GATEWAY MESSAGES)."""

from __future__ import annotations

from typing import Callable, NamedTuple

from . import phoenix, render
from .channel import ids, log
from .model import Relay
from .peer import PeerChannel
from .phoenix import Frame


class Names(NamedTuple):
    authorize: str
    authorized: str


# By path, v2 or not (firezone-portal(7), Gateway matrix).
NAMES = {
    False: Names("authorize_flow", "flow_authorized"),
    True: Names("create_authorization", "authorization_created"),
}


class GatewayChannel(PeerChannel):
    kind = "gateway"

    @property
    def authorize(self) -> str:
        """The name of an authorization on this path."""
        return NAMES[self.v2].authorize

    def handlers(self) -> dict[str, Callable[[Frame], None]]:
        era = self.site.config.era
        known = {
            "connection_ready": self.on_connection_ready,
            "broadcast_ice_candidates":
                lambda frame: self._forward("ice_candidates", frame),
            "broadcast_invalidated_ice_candidates":
                lambda frame: self._forward("invalidate_ice_candidates", frame),
        }
        if era.has_flows:
            known[NAMES[self.v2].authorized] = self.on_authorized
        if not era.first_forms:
            known["no_relays"] = self.on_no_relays
            known["set_snownet_capabilities"] = self.on_capabilities
        return known

    def init(self, chosen: list[Relay]) -> dict:
        return render.gateway_init(self.site, self, chosen)

    def on_authorized(self, frame: Frame) -> None:
        known = self.site.broker.acknowledge(self, frame.payload.get("ref"))
        self._answer(frame, known)

    def on_connection_ready(self, frame: Frame) -> None:
        known = self.site.broker.ready(
            self, frame.payload.get("ref"), frame.payload.get("gateway_payload")
        )
        self._answer(frame, known)

    def _answer(self, frame: Frame, known: bool) -> None:
        if known:
            self.send(phoenix.reply_ok(frame))
        else:
            log.warning("%s: acknowledged an invalid ref", self)
            self.send(phoenix.reply_error(frame, "invalid_ref"))

    def _forward(self, event: str, frame: Frame) -> None:
        candidates = ids(frame.payload.get("candidates"))
        for client_id in ids(frame.payload.get("client_ids")):
            client = self.site.clients.get(client_id)
            if client and client.joined and self.site.broker.pair(client, self):
                payload = {"gateway_id": self.device.id, "candidates": candidates}
                client.push(event, payload)
