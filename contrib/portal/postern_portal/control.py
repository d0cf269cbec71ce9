"""The control socket: a line with a JSON object in, a line with one out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
from typing import TYPE_CHECKING

from .commands import Commands
from .fields import ConfigError

if TYPE_CHECKING:
    from .server import Portal

_MAX_LINE = 1 << 20


class ControlSocket:
    def __init__(self, portal: Portal):
        self._commands = Commands(portal)
        self._server: asyncio.Server | None = None
        self._path = ""

    def claim(self, path: str) -> None:
        """Fail if another portal runs here; remove what a dead one has left."""
        _remove_stale(path)

    async def start(self, path: str) -> None:
        # The mode must hold from the moment the socket is there.
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, path, limit=_MAX_LINE
            )
        finally:
            os.umask(mask)
        self._path = path

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        except ValueError:
            writer.write(b'{"error": "the request is too long"}\n')
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _answer(self, line: bytes) -> dict:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return {"error": "the request is not JSON"}
        if not isinstance(request, dict):
            return {"error": "the request is not a JSON object"}
        try:
            return {"ok": True, **self._commands.run(request)}
        except ConfigError as fault:
            return {"error": str(fault)}
        except OSError as fault:
            return {"error": f"done, but not on disk: {fault.strerror}"}


def ask(path: str, request: str) -> dict:
    """Send one request to a running portal, from outside."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(request.replace("\n", " ").encode() + b"\n")
        with connection.makefile("rb") as stream:
            line = stream.readline()
    if not line:
        raise ConnectionError("closed without an answer")
    return json.loads(line)


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise FileExistsError(17, "is there and no socket", path)
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise FileExistsError(17, "another portal is running here", path)
