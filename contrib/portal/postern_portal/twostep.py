"""Access as clients until 1.3 ask for it: two requests, each with a reply, and a
connection whose secrets the peers make themselves (firezone-portal(7), Two-step
authorization and Two-step requests)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Callable

from . import phoenix, render, signed
from .channel import ids, log
from .denied import Denied
from .phoenix import Frame

if TYPE_CHECKING:
    from .client import ClientChannel
    from .gateway import GatewayChannel
    from .state import Authorization

# Requests of one client that wait for a gateway's answer, which may never come.
MAX_WAITING = 256


class TwoStep:
    """One client's side of it."""

    def __init__(self, client: ClientChannel):
        self.used = False  # whether this is such a client
        self._client = client
        self._broker = client.site.broker
        self._waiting: dict[int, Frame] = {}
        self._numbers = itertools.count()

    def handlers(self) -> dict[str, Callable[[Frame], None]]:
        return {
            "prepare_connection": self._answering(self._prepare),
            "request_connection": self._answering(self._request),
            "reuse_connection": self._answering(self._reuse),
        }

    def _answering(self, step: Callable[[Frame, str], None]) -> Callable[[Frame], None]:
        def handle(frame: Frame) -> None:
            self.used = True
            resource_id = frame.payload.get("resource_id")
            if not isinstance(resource_id, str):
                self._client.send(phoenix.reply_error(frame, "invalid_payload"))
                return
            try:
                step(frame, resource_id)
            except Denied as denied:
                log.info("%s: refused %.40a: %s", self._client, resource_id, denied.reason)
                self._client.send(phoenix.reply_error(frame, denied.reason, **denied.details))
        return handle

    # The steps.

    def _prepare(self, frame: Frame, resource_id: str) -> None:
        resource, _ = self._broker.allowed(self._client, resource_id)
        connected = ids(frame.payload.get("connected_gateway_ids"))
        gateway = self._broker.choose(self._client, connected)
        details = render.connection_details(self._client.site, resource, gateway)
        self._client.send(phoenix.reply_ok(frame, details))

    def _request(self, frame: Frame, resource_id: str) -> None:
        key = frame.payload.get("client_preshared_key")
        if not isinstance(key, str):
            self._client.send(phoenix.reply_error(frame, "invalid_payload"))
            return
        gateway, authorization = self._authorize(frame, resource_id)
        gateway.push("request_connection", render.request_connection(
            self._client, gateway, authorization, self._wait(frame, authorization, gateway),
            key, frame.payload.get("client_payload"),
        ))
        log.info("%s: request_connection of %s at %s", self._client, resource_id, gateway)

    def _reuse(self, frame: Frame, resource_id: str) -> None:
        gateway, authorization = self._authorize(frame, resource_id)
        self._allow(gateway, authorization, self._wait(frame, authorization, gateway),
                    frame.payload.get("payload"))

    def _authorize(
        self, frame: Frame, resource_id: str
    ) -> tuple[GatewayChannel, Authorization]:
        resource, policy = self._broker.allowed(self._client, resource_id)
        gateway = self._broker.online(frame.payload.get("gateway_id"))
        authorization = self._broker.record(self._client, resource, gateway, policy)
        return gateway, authorization

    # What a gateway is sent, and what comes back.

    def extend(self, gateway: GatewayChannel, authorization: Authorization) -> None:
        """Another entry with its own end; of all entries the longest counts."""
        self._allow(gateway, authorization, self._sign(authorization, gateway, -1), None)

    def _allow(
        self, gateway: GatewayChannel, authorization: Authorization, ref: str, payload: Any
    ) -> None:
        gateway.push("allow_access", render.allow_access(
            self._client, authorization, ref, payload
        ))
        log.info("%s: allow_access of %s at %s", self._client,
                 authorization.resource_id, gateway)

    def _wait(
        self, frame: Frame, authorization: Authorization, gateway: GatewayChannel
    ) -> str:
        """The ref that will find the frame again."""
        number = next(self._numbers)
        if len(self._waiting) == MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[number] = frame
        return self._sign(authorization, gateway, number)

    def _sign(
        self, authorization: Authorization, gateway: GatewayChannel, number: int
    ) -> str:
        return signed.sign_ref(self._client.site.state.secret, "connection", {
            "client": self._client.peer, "gateway": gateway.peer,
            "resource_id": authorization.resource_id, "number": number,
        })

    def ready(self, gateway_key: str, facts: dict, gateway_payload: Any) -> None:
        """The gateway has accepted; late and repeated answers do nothing."""
        frame = self._waiting.pop(facts["number"], None)
        if frame is not None:
            self._client.send(phoenix.reply_ok(frame, {
                "resource_id": facts["resource_id"],
                "persistent_keepalive": render.PERSISTENT_KEEPALIVE,
                "gateway_public_key": gateway_key,
                "gateway_payload": gateway_payload,
            }))
            log.info("%s: connection_ready of %s", self._client, facts["resource_id"])
