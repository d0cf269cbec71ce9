"""Texts signed with the site's secret: flow-log tokens and the ref of an authorization."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json


def sign_jwt(secret: bytes, claims: dict) -> str:
    """A compact JWS with HS256 (firezone-portal(7), Ingest token)."""
    head = _encode(_json({"alg": "HS256", "typ": "JWT"}))
    text = f"{head}.{_encode(_json(claims))}"
    return f"{text}.{_mac(secret, 'ingest', text)}"


def sign_ref(secret: bytes, purpose: str, facts: dict) -> str:
    """One of another purpose is none."""
    text = _encode(_json(facts))
    return f"{text}.{_mac(secret, f'ref {purpose}', text)}"


def verify_ref(secret: bytes, purpose: str, ref: object) -> dict | None:
    """The facts that `sign_ref` was given, or None for anything else."""
    if not isinstance(ref, str) or not ref.isascii():
        return None
    text, _, mac = ref.partition(".")
    if not hmac.compare_digest(mac, _mac(secret, f"ref {purpose}", text)):
        return None
    try:
        return json.loads(_decode(text))
    except (ValueError, binascii.Error):
        return None


def _mac(secret: bytes, purpose: str, text: str) -> str:
    key = hmac.digest(secret, purpose.encode(), hashlib.sha256)
    return _encode(hmac.digest(key, text.encode(), hashlib.sha256))


def _json(value: dict) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
