"""Reading tables field by field, with errors that name file, key and fault."""

from __future__ import annotations

import datetime
from typing import Any, Callable

REQUIRED = object()

_KINDS = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    dict: "a table",
    list: "a list",
    datetime.datetime: "a date with time and zone, such as 2027-01-31T00:00:00Z",
}


class ConfigError(Exception):
    """The configuration is not usable; the text names file, key and fault."""


class Table:
    """One table of the file. What nobody has read by `done` is a mistake."""

    def __init__(self, file: str, path: str, values: dict):
        self.file = file
        self.path = path
        self._values = dict(values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def error(self, key: str, fault: str) -> ConfigError:
        return ConfigError(f"{self.file}: {self._below(key)}: {fault}")

    def take(self, key: str, kind: type, default: Any = REQUIRED) -> Any:
        if key not in self._values:
            if default is REQUIRED:
                raise self.error(key, f"is missing; {_KINDS[kind]} is needed")
            return default
        value = self._values.pop(key)
        # bool is a kind of int for Python, not for us.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(key, f"must be {_KINDS[kind]}")
        return value

    def string(self, key: str, default: Any = REQUIRED) -> Any:
        value = self.take(key, str, default)
        if value == "":
            raise self.error(key, "must not be empty")
        return value

    def strings(self, key: str, default: Any = REQUIRED) -> list[str]:
        """A list of strings; one string alone is a list of one."""
        if isinstance(self._values.get(key), str):
            return [self.string(key)]
        values = self.take(key, list, default)
        for index, value in enumerate(values):
            if not isinstance(value, str) or not value:
                raise self.error(f"{key}[{index}]", "must be a string, not empty")
        return values

    def each(self, key: str, parse: Callable[[str], Any], default: Any = ()) -> tuple:
        """A list of strings, every one turned into what `parse` makes of it."""
        alone = isinstance(self._values.get(key), str)
        return tuple(
            self.checked(key if alone else f"{key}[{index}]", parse, text)
            for index, text in enumerate(self.strings(key, default))
        )

    def checked(self, key: str, parse: Callable[[str], Any], text: str) -> Any:
        try:
            return parse(text)
        except ValueError as fault:
            raise self.error(key, str(fault)) from None

    def unix_time(self, key: str, default: Any = REQUIRED) -> Any:
        value = self.take(key, datetime.datetime, default)
        if not isinstance(value, datetime.datetime):
            return value
        if value.tzinfo is None:
            raise self.error(key, f"needs a zone; write {value.isoformat()}Z for UTC")
        return int(value.timestamp())

    def table(self, key: str) -> "Table":
        return Table(self.file, self._below(key), self.take(key, dict, {}))

    def tables(self, key: str) -> list["Table"]:
        rows = self.take(key, list, [])
        for index, row in enumerate(rows):
            if not isinstance(row, dict):
                raise self.error(f"{key}[{index}]", "must be a table")
        return [
            Table(self.file, self._below(f"{key}[{index}]"), row)
            for index, row in enumerate(rows)
        ]

    def done(self) -> None:
        for key in self._values:
            raise self.error(key, "is not a known key")

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key
