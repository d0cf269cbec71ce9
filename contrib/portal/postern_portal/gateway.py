"""The gateway's channel (firezone-portal(7), GATEWAY MESSAGES)."""

from __future__ import annotations

from typing import Callable

from . import phoenix, render
from .channel import ids, log
from .model import Relay
from .peer import PeerChannel
from .phoenix import Frame


class GatewayChannel(PeerChannel):
    kind = "gateway"

    def handlers(self) -> dict[str, Callable[[Frame], None]]:
        return {
            "authorization_created": self.on_authorization_created,
            "broadcast_ice_candidates":
                lambda frame: self._forward("ice_candidates", frame),
            "broadcast_invalidated_ice_candidates":
                lambda frame: self._forward("invalidate_ice_candidates", frame),
            "no_relays": self.on_no_relays,
            "set_snownet_capabilities": self.on_capabilities,
        }

    def init(self, chosen: list[Relay]) -> dict:
        return render.gateway_init(self.site, self, chosen)

    def on_authorization_created(self, frame: Frame) -> None:
        if self.site.broker.acknowledge(self, frame.payload.get("ref")):
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
