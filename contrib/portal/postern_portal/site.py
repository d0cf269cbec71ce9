"""The site: who is connected, what there is, and who may use it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from dataclasses import dataclass

from .broker import Broker
from .client import ClientChannel
from .gateway import GatewayChannel
from .model import FOREVER, Config, Policy, Resource, User
from .peer import PeerChannel
from .state import State


@dataclass
class Timers:
    """Seconds (portal.md appendix A)."""

    acknowledge: float = 15
    idle: float = 37
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
        self.relays = list(config.relays)
        self.gateways: dict[str, GatewayChannel] = {}
        self.clients: dict[str, ClientChannel] = {}
        self.muted = {"gateway": Muted(), "client": Muted()}
        self.gateway_hashes = {
            digest for token in config.gateway_tokens for digest in token.token_hashes
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

    def set_relays(self, relays: list) -> None:
        self.relays = relays
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
        for channel in self.channels:
            if channel.joined:
                channel.relays_changed()
