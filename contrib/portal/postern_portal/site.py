"""The site: who is connected, what there is, and who may use it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from dataclasses import dataclass

from .broker import Broker
from .client import ClientChannel
from .gateway import GatewayChannel
from .model import FOREVER, Config, Policy, Relay, Resource, User
from .peer import PeerChannel
from .relay import RelayChannel
from .state import State

log = logging.getLogger("portal")


@dataclass
class Timers:
    """Seconds (firezone-portal(7), NUMBERS)."""

    acknowledge: float = 15
    idle: float = 37
    relay_idle: float = 41  # firezone-portal(7), Relay registration.
    handshake: float = 15
    presence: float = 1  # without a change of relays, before peers are told
    close: float = 5  # until a close that is not answered becomes an abort


@dataclass
class Muted:
    """What is left unanswered, for tests."""

    heartbeats: bool = False
    joins: bool = False


class Site:
    def __init__(self, config: Config, state: State, timers: Timers):
        self.config = config
        self.state = state
        self.timers = timers
        self.resources = {resource.id: resource for resource in config.resources}
        self._configured = list(config.relays)
        self.registered: dict[str, RelayChannel] = {}  # by the relay's id
        self.gateways: dict[str, GatewayChannel] = {}
        self.clients: dict[str, ClientChannel] = {}
        self.muted = {kind: Muted() for kind in ("gateway", "client", "relay")}
        self.gateway_hashes = {
            digest for token in config.gateway_tokens for digest in token.token_hashes
        }
        self.relay_hashes = {
            digest for token in config.relay_tokens for digest in token.token_hashes
        }
        self.user_hashes = {
            digest: user for user in config.users for digest in user.token_hashes
        }
        self.broker = Broker(self)
        self._telling: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        self._tell_not()
        self.broker.stop()

    # Who is connected.

    def register(self, channel: PeerChannel) -> bool:
        """Enter a channel. Of gateways the first wins, of clients the newest."""
        table = self.gateways if channel.kind == "gateway" else self.clients
        other = table.get(channel.device.id)
        if other is not None and other is not channel:
            if channel.kind == "gateway":
                return False
            other.close(1000, "replaced by a newer connection")
        table[channel.device.id] = channel
        return True

    def forget(self, channel: PeerChannel) -> None:
        table = self.gateways if channel.kind == "gateway" else self.clients
        if table.get(channel.device.id) is channel:
            del table[channel.device.id]

    @property
    def channels(self) -> list[PeerChannel]:
        return [*self.gateways.values(), *self.clients.values()]

    # Who may use what.

    def session_ended(self, user: User) -> bool:
        return user.expires_at < FOREVER and user.expires_at <= time.time()

    def policies_for(self, user: User, resource: Resource) -> list[Policy]:
        return [
            policy for policy in self.config.policies
            if policy.resource == resource.name and policy.allows(user)
        ]

    def permitted(self, user: User, client_id: str, resource: Resource) -> bool:
        if (client_id, resource.id) in self.state.revoked:
            return False
        return bool(self.policies_for(user, resource))

    def resources_of(self, user: User, client_id: str) -> list[Resource]:
        return [
            resource for resource in self.resources.values()
            if self.permitted(user, client_id, resource)
        ]

    # Changes.

    def update_filters(self, resource: Resource, filters: tuple[dict, ...]) -> None:
        resource = dataclasses.replace(resource, filters=filters)
        self.resources[resource.id] = resource
        self.broker.resource_updated(resource)

    # Relays.

    @property
    def relays(self) -> list[Relay]:
        """All that are there; first those that have registered, since they are known
        to be there, and work for everyone. One that is configured as well, with a
        secret that it keeps, counts as what it says of itself."""
        registered = [channel.relay for channel in self.registered.values()]
        others = [r for r in self._configured if r.id not in self.registered]
        return registered + others

    def set_relays(self, relays: list[Relay]) -> None:
        """Replace those of the configuration."""
        self._configured = relays
        self._tell_soon()

    def relay_came(self, channel: RelayChannel) -> None:
        other = self.registered.get(channel.id)
        self.registered[channel.id] = channel
        if other:
            # The relay knows that its older socket is dead, even if we do not yet.
            other.close(1000, "replaced by a newer connection")
        self._tell_soon()

    def relay_went(self, channel: RelayChannel) -> None:
        if self.registered.get(channel.id) is channel:
            del self.registered[channel.id]
            self._tell_soon()

    def _tell_soon(self) -> None:
        """A relay that comes back meanwhile was not away."""
        self._tell_not()
        loop = asyncio.get_running_loop()
        self._telling = loop.call_later(self.timers.presence, self._tell)

    def _tell_not(self) -> None:
        if self._telling:
            self._telling.cancel()
        self._telling = None

    @property
    def telling(self) -> bool:
        """Whether peers are still to be told of a change of relays."""
        return self._telling is not None

    def _tell(self) -> None:
        self._telling = None
        if not self.relays:
            log.warning("no relay is there: no new connections until one registers")
        for channel in self.channels:
            if channel.joined:
                channel.relays_changed()
