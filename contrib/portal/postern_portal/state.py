"""What must outlive a restart: devices, their addresses and secrets, authorizations."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import time
import uuid
from dataclasses import asdict, dataclass, field

# The lower half of each range: clients hand out the upper half themselves
# (firezone-portal(7), Terms).
_IPV4 = ipaddress.IPv4Network("100.64.0.0/11")
_IPV6 = ipaddress.IPv6Network("fd00:2021:1111::/107")

MAX_DEVICES_PER_OWNER = 4096


class StateError(Exception):
    """The state file cannot be used."""


class TooManyDevices(Exception):
    pass


@dataclass
class Device:
    kind: str  # gateway, client
    owner: str  # the user's name; for gateways the site's id
    external_id: str
    name: str
    id: str
    ipv4: str
    ipv6: str
    psk_base: str = field(repr=False)  # hex

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.owner, self.external_id


@dataclass
class Authorization:
    client_id: str
    resource_id: str
    gateway_id: str
    policy_id: str
    id: str
    authorized_at: int
    expires_at: int

    @property
    def key(self) -> tuple[str, str, str]:
        return self.client_id, self.resource_id, self.gateway_id

    @property
    def expired(self) -> bool:
        return self.expires_at <= time.time()


class State:
    def __init__(self, file: str):
        self.file = file
        self.secret = secrets.token_bytes(32)
        self.devices: dict[tuple[str, str, str], Device] = {}
        self._by_id: dict[str, Device] = {}
        self.authorizations: dict[tuple[str, str, str], Authorization] = {}
        self.revoked: set[tuple[str, str]] = set()  # (client id, resource id)
        self.dirty = False
        self._next_offset = 1
        self._load()

    def device_by_id(self, device_id: str) -> Device | None:
        return self._by_id.get(device_id)

    def device(self, kind: str, owner: str, external_id: str, name: str) -> Device:
        """The device that is known by these three, or a new one, already on disk."""
        key = kind, owner, external_id
        if key in self.devices:
            return self.devices[key]
        if sum(d.key[:2] == key[:2] for d in self.devices.values()) >= MAX_DEVICES_PER_OWNER:
            raise TooManyDevices
        offset = self._next_offset
        if offset >= _IPV4.num_addresses - 1:
            raise TooManyDevices
        device = Device(
            *key, name=name, id=str(uuid.uuid4()),
            ipv4=str(_IPV4[offset]), ipv6=str(_IPV6[offset]),
            psk_base=secrets.token_hex(32),
        )
        self._next_offset += 1
        self._add(device)
        try:
            self.save()
        except OSError:
            del self.devices[key], self._by_id[device.id]
            raise
        return device

    def _add(self, device: Device) -> None:
        self.devices[device.key] = device
        self._by_id[device.id] = device

    def save(self) -> None:
        """Replace the file in one step, so that a crash leaves old or new, never half."""
        content = {
            "secret": self.secret.hex(),
            "next_offset": self._next_offset,
            "devices": [asdict(d) for d in self.devices.values()],
            "authorizations": [asdict(a) for a in self.authorizations.values()],
            "revoked": sorted(self.revoked),
        }
        temporary = f"{self.file}.new"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "w") as stream:
            os.fchmod(stream.fileno(), 0o600)
            json.dump(content, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, self.file)
        self.dirty = False

    def _load(self) -> None:
        try:
            with open(self.file) as stream:
                content = json.load(stream)
            self.secret = bytes.fromhex(content["secret"])
            self._next_offset = content["next_offset"]
            for row in content["devices"]:
                self._add(Device(**row))
            for row in content["authorizations"]:
                authorization = Authorization(**row)
                self.authorizations[authorization.key] = authorization
            self.revoked = {tuple(pair) for pair in content["revoked"]}
        except FileNotFoundError:
            self.save_first()
        except OSError as fault:
            raise StateError(f"{self.file}: {fault.strerror}") from None
        except (ValueError, KeyError, TypeError) as fault:
            raise StateError(f"{self.file}: not a state file of ours: {fault!r}") from None

    def save_first(self) -> None:
        try:
            self.save()
        except OSError as fault:
            raise StateError(f"{self.file}: {fault.strerror}") from None
