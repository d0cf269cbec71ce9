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


def compatible(client: str | None, gateway: str | None, first_rule: bool = False) -> bool:
    """Whether a client may be sent to a gateway: one minor version apart at most; by the
    first rule, so that neither is older than what the other one needs."""
    wanted = _minor(client)
    if wanted is None:
        return True  # a client that does not tell is not checked
    offered = _minor(gateway)
    if offered is None:
        return False
    if first_rule:
        needed = max((v for v in ((1, 1), (1, 4)) if v <= wanted), default=(0, 0))
        return offered >= needed
    (major, minor), (offered_major, offered_minor) = wanted, offered
    return offered_major == major and minor - 1 <= offered_minor <= minor + 1


def _minor(version: str | None) -> tuple[int, int] | None:
    match = _SEMVER.match(version or "")
    return (int(match[1]), int(match[2])) if match else None
