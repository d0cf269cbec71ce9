"""What the channels of gateways and clients have in common (firezone-portal(7), GATEWAY
MESSAGES)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import derive, phoenix, render
from .channel import Channel, log
from .model import FOREVER, Relay
from .phoenix import Frame

if TYPE_CHECKING:
    from .server import PortalSocket
    from .site import Site
    from .upgrade import Admission


class PeerChannel(Channel):
    """A peer has a device and a key, and is told of relays."""

    expires_at = FOREVER

    def __init__(self, site: Site, socket: PortalSocket, admission: Admission):
        super().__init__(site, socket, admission)
        self.device = admission.device
        self.v2 = admission.v2
        self.public_key = admission.public_key
        self.iceless = False
        # The relays this peer was told of, and not yet that they are gone.
        self.announced: dict[str, Relay] = {}

    @property
    def id(self) -> str:
        return self.device.id

    @property
    def name(self) -> str:
        return self.device.name

    @property
    def peer(self) -> derive.Peer:
        return derive.Peer(self.device.id, self.public_key)

    @property
    def names(self) -> tuple[str, ...]:
        return *super().names, self.device.external_id

    # What a kind of peer adds.

    def init(self, chosen: list[Relay]) -> dict:
        raise NotImplementedError

    def on_joined(self) -> None:
        """What there is to say after that."""

    # Joining.

    def on_join(self, frame: Frame) -> None:
        if not self.site.register(self):
            # The real portal's answer to one that raced past 409
            # (firezone-portal(7), Gateway sessions).
            log.warning("%s: is connected already, sent away", self)
            self.send(phoenix.reply_ok(frame))
            self.end("token_expired")
            return
        self.joined = True
        self.iceless = False
        self.announced = {}
        self.send(phoenix.reply_ok(frame))
        self.push("init", self.init(self._choose_relays()))
        log.info("%s: joined", self)
        self.on_joined()

    def on_leave(self) -> None:
        self.site.forget(self)

    # Relays.

    def relays_changed(self) -> None:
        """Tell the peer, if it is of use to it (firezone-portal(7), Relay presence)."""
        online = {relay.id: relay for relay in self.site.relays}
        gone = [relay_id for relay_id in self.announced if relay_id not in online]
        for relay_id in gone:
            del self.announced[relay_id]
        moved = any(online[i] != relay for i, relay in self.announced.items())
        if gone or moved or (len(self.announced) < render.MOST_RELAYS and online):
            self._push_relays(gone, self._choose_relays())

    def _push_relays(self, disconnected: list[str], chosen: list[Relay]) -> None:
        self.push("relays_presence", {
            "disconnected_ids": disconnected,
            "connected": render.relays(chosen, self.peer, self.expires_at),
        })

    def _choose_relays(self) -> list[Relay]:
        """Those that the peer already has come first, so that it can keep them."""
        relays = self.site.relays
        return self._announce(sorted(relays, key=lambda r: r.id not in self.announced))

    def _announce(self, ranked: list[Relay]) -> list[Relay]:
        chosen = ranked[:render.MOST_RELAYS]
        self.announced |= {relay.id: relay for relay in chosen}
        return chosen

    # Handlers of both kinds.

    def on_no_relays(self, frame: Frame) -> None:
        log.info("%s: has no relays", self)
        # What it was told of is no use to it: coturn to a released client, for one.
        self._push_relays([], self._announce(self.site.relays))

    def on_capabilities(self, frame: Frame) -> None:
        self.iceless = frame.payload.get("iceless") is True

    def on_ignored(self, frame: Frame) -> None:
        """Known, needs no answer."""
