"""The relay's channel: a relay that registers itself (firezone-portal(7), Relay
registration)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from . import derive, phoenix
from .channel import Channel, log
from .model import Relay
from .phoenix import Frame

if TYPE_CHECKING:
    from .server import PortalSocket
    from .site import Site
    from .upgrade import Admission

MAX_SECRET = 255
# Peers take what comes from another port for a peer's packet
# (firezone-portal(7), Relay requirements).
PORT = 3478


class RelayChannel(Channel):
    """It is offered to peers from its join to the end of its socket. Its stamp secret
    is in memory only; who knows it can use the relay."""

    kind = "relay"

    def __init__(self, site: Site, socket: PortalSocket, admission: Admission):
        super().__init__(site, socket, admission)
        self._addresses = admission.relay
        self.relay: Relay | None = None  # since the join

    @property
    def id(self) -> str:
        return self.relay.id if self.relay else "not joined"

    @property
    def name(self) -> str:
        return self._addresses.name

    @property
    def idle(self) -> float:
        return self.site.timers.relay_idle

    def handlers(self) -> dict[str, Callable[[Frame], None]]:
        return {}

    def on_join(self, frame: Frame) -> None:
        payload = frame.payload if isinstance(frame.payload, dict) else {}
        secret = payload.get("stamp_secret")
        if not isinstance(secret, str) or not 0 < len(secret) <= MAX_SECRET:
            log.warning("%s: joins without a stamp secret", self)
            self.send(phoenix.reply_error(frame, "invalid_payload"))
            return
        self.leave()  # if it was there with another secret
        self.relay = Relay(
            id=derive.relay_id(secret), stamp_secret=secret, **self._addresses._asdict()
        )
        self.joined = True
        self.send(phoenix.reply_ok(frame))
        self.push("init", {})
        log.info("%s: joined", self)
        warn_of_port(self.name, self.relay.port)
        self.site.relay_came(self)

    def on_leave(self) -> None:
        self.site.relay_went(self)


def warn_of_port(name: str, port: int) -> None:
    if port != PORT:
        log.warning(
            "relay %a: peers only take port %d for a relay, not %d", name, PORT, port
        )
