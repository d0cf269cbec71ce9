"""Phoenix channel frames, serializer V1: one JSON object a frame (firezone-portal(7),
CHANNEL)."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

SYSTEM_TOPIC = "phoenix"


class FrameError(Exception):
    """The text is no frame."""


class Frame(NamedTuple):
    topic: str
    event: str
    payload: Any
    ref: Any  # echoed as it came


def decode(text: str) -> Frame:
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise FrameError("not JSON") from None
    if not isinstance(value, dict):
        raise FrameError("not an object")
    if "\\ud" in text.lower() and not _is_unicode(value):
        raise FrameError("half a surrogate pair")
    missing = [key for key in Frame._fields if key not in value]
    if missing:
        raise FrameError(f"without {', '.join(missing)}")
    frame = Frame(*(value[key] for key in Frame._fields))
    if not isinstance(frame.topic, str) or not isinstance(frame.event, str):
        raise FrameError("topic or event is no string")
    return frame


def push(topic: str, event: str, payload: Any) -> str:
    return _encode(topic, event, payload, None)


def reply_ok(frame: Frame, response: dict | None = None) -> str:
    return _reply(frame, "ok", response or {})


def reply_error(frame: Frame, reason: str, **details: Any) -> str:
    return _reply(frame, "error", {"reason": reason, **details})


def _reply(frame: Frame, status: str, response: dict) -> str:
    payload = {"status": status, "response": response}
    return _encode(frame.topic, "phx_reply", payload, frame.ref)


def _encode(topic: str, event: str, payload: Any, ref: Any) -> str:
    return json.dumps(
        {"event": event, "payload": payload, "ref": ref, "topic": topic},
        separators=(",", ":"),
    )


def _is_unicode(value: Any) -> bool:
    """Strict peers would drop what is passed on to them otherwise."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
        return True
    except UnicodeEncodeError:
        return False


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
