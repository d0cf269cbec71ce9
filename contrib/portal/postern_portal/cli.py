"""The command line: run the portal, hash a token, send a control command."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys

from . import config, control, derive
from .fields import ConfigError
from .server import Portal
from .state import StateError

EXIT_FAILURE = 1
EXIT_CONFIG = 2


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="postern-portal", description="A small Firezone-compatible portal."
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="run with this file")
    parser.add_argument(
        "-n", "--check", action="store_true", help="check the configuration only"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("hash-token", help="read a token on stdin, print its hash")
    ctl = commands.add_parser("ctl", help="send a command to a running portal")
    ctl.add_argument("socket", help="the control socket of the portal")
    ctl.add_argument("request", help="a JSON object, such as '{\"cmd\":\"status\"}'")
    options = parser.parse_args(arguments)
    if options.command == "hash-token":
        return _hash_token()
    if options.command == "ctl":
        return _ctl(options.socket, options.request)
    if not options.config:
        parser.error("-c FILE is needed")
    return _run(options.config, options.check)


def _hash_token() -> int:
    # Peers take out white space before they send a token (firezone-portal(7),
    # Token).
    token = "".join(sys.stdin.read().split())
    if not token:
        return _fail("there is no token on stdin")
    print(derive.token_hash(token))
    return 0


def _ctl(path: str, request: str) -> int:
    try:
        answer = control.ask(path, request)
    except OSError as fault:
        return _fail(f"{path}: {fault.strerror or fault}")
    print(json.dumps(answer, indent=2))
    return EXIT_FAILURE if "error" in answer else 0


def _run(file: str, check_only: bool) -> int:
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO
    )
    # Its debug lines would show headers, and with them tokens.
    logging.getLogger("websockets").setLevel(logging.WARNING)
    try:
        settings = config.load(file)
        if not check_only:
            asyncio.run(_serve(settings))
    except ConfigError as fault:
        return _fail(str(fault), EXIT_CONFIG)
    except StateError as fault:
        return _fail(str(fault))
    except OSError as fault:
        return _fail(f"{fault.filename or 'listen'}: {fault.strerror or fault}")
    return 0


async def _serve(settings: config.Config) -> None:
    portal = Portal(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: loop.create_task(portal.stop()))
    await portal.start()
    await portal.stopped.wait()


def _fail(text: str, status: int = EXIT_FAILURE) -> int:
    print(f"postern-portal: {text}", file=sys.stderr)
    return status
