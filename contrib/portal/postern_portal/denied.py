"""Why a client is not let in."""

from __future__ import annotations

from typing import Any


class Denied(Exception):
    """`reason` is one of those of the wire; `details` go with it."""

    def __init__(self, reason: str, **details: Any):
        super().__init__(reason)
        self.reason = reason
        self.details = details
