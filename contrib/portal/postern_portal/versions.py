"""What a user agent tells about its sender (firezone-portal(7), User agent and Version
window)."""

from __future__ import annotations

import re

CLIENT_WORDS = (
    "connlib/", "headless-client/", "gui-client/", "apple-client/", "android-client/",
)
_WORDS = ("relay/", "gateway/", *CLIENT_WORDS)
_SEMVER = re.compile(
    r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})"
    r"(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?\Z"
)


def component(user_agent: str) -> str | None:
    """The word of the form `gateway/1.6.1`, if there is a known one."""
    return next((w for w in user_agent.split(" ") if w.startswith(_WORDS)), None)


def version(user_agent: str) -> str | None:
    word = component(user_agent)
    return word.partition("/")[2] or None if word else None


def operating_system(user_agent: str) -> tuple[str | None, str | None]:
    """Name and version; the name may contain spaces."""
    word = component(user_agent)
    text = user_agent.partition(f" {word}")[0] if word else ""
    name, _, number = text.rpartition("/")
    return name or None, number or None


def compatible(client: str | None, gateway: str | None) -> bool:
    """Whether a client may be sent to a gateway: one minor version apart at most."""
    wanted = _SEMVER.match(client or "")
    if not wanted:
        return True  # a client that does not tell is not checked
    offered = _SEMVER.match(gateway or "")
    if not offered:
        return False
    major, minor = int(wanted[1]), int(wanted[2])
    return int(offered[1]) == major and minor - 1 <= int(offered[2]) <= minor + 1
