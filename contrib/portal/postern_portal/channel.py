"""One socket: reading, writing in order, joining, heartbeats, idleness."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from websockets.exceptions import ConnectionClosed

from . import phoenix, versions
from .phoenix import Frame, FrameError

if TYPE_CHECKING:
    from .server import PortalSocket
    from .site import Site
    from .upgrade import Admission

log = logging.getLogger("portal")

# One that leaves more than this many bytes unread is let go.
MAX_WAITING = 16 << 20


class Closing(NamedTuple):
    """The last thing written."""

    code: int
    reason: str


class Channel:
    """What all kinds of sockets have in common. Every method but `run` and the two
    it starts is synchronous: a frame is handled to its end before the next one, and
    whatever it makes the portal send is in order (firezone-portal(7), Limits and order)."""

    kind: str  # also the topic

    def __init__(self, site: Site, socket: PortalSocket, admission: Admission):
        self.site = site
        self.user_agent = admission.user_agent
        self.version = versions.version(admission.user_agent)
        self.remote_ip = admission.remote_ip
        self.joined = False
        self._socket = socket
        self._outbox: asyncio.Queue[str | bytes | Closing] = asyncio.Queue()
        self._waiting = 0  # bytes in it
        self._ended = False
        self._grace: asyncio.TimerHandle | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name!a} ({self.id})"

    @property
    def names(self) -> tuple[str, ...]:
        """What an operator may call it."""
        return self.id, self.name

    # What a kind of channel adds.

    @property
    def id(self) -> str:
        raise NotImplementedError

    @property
    def name(self) -> str:
        raise NotImplementedError

    @property
    def idle(self) -> float:
        """Seconds of silence after which it is taken for dead."""
        return self.site.timers.idle

    def handlers(self) -> dict[str, Callable[[Frame], None]]:
        raise NotImplementedError

    def on_join(self, frame: Frame) -> None:
        """Answer the join, and say what there is to say first."""
        raise NotImplementedError

    def on_leave(self) -> None:
        """The other end is no longer there, whatever its socket does."""

    # Sending.

    def push(self, event: str, payload: Any) -> None:
        self.send(phoenix.push(self.kind, event, payload))

    def send(self, data: str | bytes) -> None:
        if self._ended:
            return
        self._waiting += len(data)
        if self._waiting > MAX_WAITING:
            log.warning("%s: does not read, dropped", self)
            self.abort()
            return
        self._outbox.put_nowait(data)

    def close(self, code: int, reason: str = "") -> None:
        """Close the websocket after everything that was pushed before."""
        if not self._ended:
            self.leave()
            self._ended = True
            self._outbox.put_nowait(Closing(code, reason))
            loop = asyncio.get_running_loop()
            self._grace = loop.call_later(
                self.site.timers.close, self._socket.transport.abort
            )

    def abort(self) -> None:
        """Drop the TCP connection without a word."""
        self.leave()
        self._ended = True
        self._socket.transport.abort()

    def stop(self) -> None:
        """Stop the channel; the websocket stays (firezone-portal(7), Control events)."""
        self.push("phx_close", {})
        self.leave()

    def end(self, reason: str) -> None:
        """Tell the peer to go away (firezone-portal(7), Control events and End of a
        session)."""
        self.push("disconnect", {"reason": reason})
        self.stop()

    def leave(self) -> None:
        self.joined = False
        self.on_leave()

    # Receiving.

    async def run(self) -> None:
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._watch())]
        try:
            async for data in self._socket:
                if not self._ended:
                    self._receive(data)
        except ConnectionClosed:
            pass
        finally:
            for task in (*tasks, self._grace):
                if task:
                    task.cancel()
            self.leave()
            self._ended = True
            log.info("%s: disconnected, code %s", self, self._socket.close_code)

    async def _write(self) -> None:
        try:
            while not isinstance(data := await self._outbox.get(), Closing):
                await self._socket.send(data)
                self._waiting -= len(data)
            await self._socket.close(*data)
        except ConnectionClosed:
            pass

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while (left := self._socket.last_seen + self.idle - loop.time()) > 0:
            await asyncio.sleep(left)
        log.info("%s: nothing received for %g s", self, self.idle)
        self.close(1002)

    def _receive(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            log.warning("%s: binary frame ignored", self)
            return
        try:
            frame = phoenix.decode(data)
        except FrameError as fault:
            # The real portal's socket process dies of these
            # (firezone-portal(7), Frames).
            log.warning("%s: bad frame: %s", self, fault)
            self.close(1011, "bad frame")
            return
        muted = self.site.muted[self.kind]
        if frame.topic == phoenix.SYSTEM_TOPIC and frame.event == "heartbeat":
            if not muted.heartbeats:
                self.send(phoenix.reply_ok(frame))
        elif frame.topic == self.kind and frame.event == "phx_join":
            if not muted.joins:
                self.on_join(frame)
        elif frame.topic != self.kind or not self.joined:
            self.send(phoenix.reply_error(frame, "unmatched topic"))
        else:
            self._handle(frame)

    def _handle(self, frame: Frame) -> None:
        handler = self.handlers().get(frame.event)
        if handler is None:
            log.warning("%s: unknown message %.40a", self, frame.event)
            self.send(phoenix.reply_error(frame, "unknown_message"))
            return
        if not isinstance(frame.payload, dict):
            self.send(phoenix.reply_error(frame, "invalid_payload"))
            return
        handler(frame)


def ids(value: Any) -> list[str]:
    """The strings of a list; anything else is empty."""
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []
