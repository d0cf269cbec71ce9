"""The listening side: upgrades come in, channels run, everything ends in order."""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
from dataclasses import dataclass, field

# Of the two implementations the one that every release has.
from websockets.legacy.server import WebSocketServerProtocol, serve

from .channel import Channel
from .client import ClientChannel
from .control import ControlSocket
from .fields import ConfigError
from .gateway import GatewayChannel
from .model import Config
from .relay import RelayChannel, warn_of_port
from .site import Site, Timers
from .state import State
from .upgrade import ROUTES, Admission, Refusal, admit

log = logging.getLogger("portal")

# The real portal's limit (firezone-portal(7), Limits and order), which it has
# for fragmented messages only; nothing of this protocol is as long, in whatever
# way it comes.
MAX_MESSAGE = 8_000_000
KINDS = {"gateway": GatewayChannel, "client": ClientChannel, "relay": RelayChannel}
# "Service restart": peers come back by themselves (firezone-portal(7), Close).
RESTART = 1012


@dataclass
class Refusing:
    """The next upgrades are answered like this, for tests."""

    count: int = 0
    kind: str | None = None  # all, if None
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class PortalSocket(WebSocketServerProtocol):
    """A websocket that knows its portal, who it is, and when it was last heard of."""

    admission: Admission | None = None

    def __init__(self, portal: Portal, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.portal = portal
        self.last_seen = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.last_seen = self.loop.time()
        self._deadline = self.loop.call_later(
            self.portal.site.timers.handshake, transport.abort
        )

    def connection_open(self) -> None:
        self._deadline.cancel()
        super().connection_open()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.last_seen = self.loop.time()
        super().data_received(data)

    async def process_request(self, path, headers):
        try:
            self.admission = self.portal.admit(path, headers, self.remote_address[0])
        except Refusal as refusal:
            log.info("refused %s: %s", self.remote_address[0], refusal)
            return refusal.response
        return None


class Portal:
    """One running portal; `timers` are shortened by tests only."""

    def __init__(self, config: Config, timers: Timers | None = None):
        self.config = config
        self.site = Site(config, State(config.state_file), timers or Timers())
        self.refusing = Refusing()
        self.stopped = asyncio.Event()
        self._servers: list = []
        self._running: dict[asyncio.Task, Channel] = {}
        self._stopping = False
        self._control = ControlSocket(self)

    @property
    def addresses(self) -> list[str]:
        names = [s.getsockname() for server in self._servers for s in server.sockets]
        return [f"[{n[0]}]:{n[1]}" if ":" in n[0] else f"{n[0]}:{n[1]}" for n in names]

    async def start(self) -> None:
        context = _tls(self.config)
        if self.config.control_socket:
            self._control.claim(self.config.control_socket)
        self.site.broker.start()
        for host, port in self.config.listen:
            self._servers.append(await serve(
                self._handle, host, port,
                create_protocol=functools.partial(PortalSocket, self),
                ssl=context, compression=None, ping_interval=None,
                max_size=MAX_MESSAGE, max_queue=8, server_header=None,
                close_timeout=self.site.timers.close,
            ))
        if self.config.control_socket:
            await self._control.start(self.config.control_socket)
        scheme = "wss" if context else "ws"
        for address in self.addresses:
            log.info("listening on %s://%s", scheme, address)
        self._warn()

    async def stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        for channel in self._running.values():
            channel.close(RESTART, "portal stops")
        if self._running:
            await asyncio.wait(self._running, timeout=10)
        for server in self._servers:
            server.close()
            await server.wait_closed()
        await self._control.stop()
        self.site.stop()
        log.info("stopped")
        self.stopped.set()

    def admit(self, path: str, headers, remote_ip: str) -> Admission:
        if self._stopping:
            raise Refusal(503, {"Retry-After": "1"}, b"")
        kind, _ = ROUTES.get(path.partition("?")[0], (None, 0))
        refusing = self.refusing
        if refusing.count and refusing.kind in (None, kind):
            refusing.count -= 1
            raise Refusal(refusing.status, refusing.headers, refusing.body)
        return admit(self.site, path, headers, remote_ip)

    async def _handle(self, socket: PortalSocket) -> None:
        # Nothing was awaited since the admission, so it still holds.
        admission = socket.admission
        channel = KINDS[admission.kind](self.site, socket, admission)
        if admission.device:
            self.site.register(channel)
        log.info(
            "%s: connected from %s, version %s",
            channel, channel.remote_ip, channel.version,
        )
        task = asyncio.current_task()
        self._running[task] = channel
        try:
            await channel.run()
        finally:
            del self._running[task]

    def _warn(self) -> None:
        if not self.config.relays and not self.config.relay_tokens:
            log.warning("no relays configured: clients will not connect")
        for relay in self.config.relays:
            warn_of_port(relay.name, relay.port)


def _tls(config: Config) -> ssl.SSLContext | None:
    if not config.tls_certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
    except OSError as fault:  # ssl.SSLError is one
        raise ConfigError(
            f"portal.tls_certificate, portal.tls_key: {config.tls_certificate}, "
            f"{config.tls_key}: {fault.strerror or fault}"
        ) from None
    return context
