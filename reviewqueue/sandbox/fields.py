"""Reading and checking what a caller sent. Whatever is wrong answers 400 and names the field."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from .http import Problem

LONGEST_TEXT = 5000
LARGEST_OFFSET = 2**31


class Fields:
    """A JSON object or form, read field by field."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def wrong(self, name: str, wanted: str) -> Problem:
        return Problem(400, f"Invalid request body: {name} must be {wanted}", field=name)

    def at_least_one(self, *names: str) -> None:
        if not any(name in self for name in names):
            raise Problem(400, "Invalid request body: nothing to change", fields=list(names))

    def text(self, name: str, *, longest: int = LONGEST_TEXT, blank: bool = True) -> str:
        """A required text."""
        value = self.values.get(name)
        if not isinstance(value, str) or len(value) > longest or not storable(value):
            raise self.wrong(name, f"a text of at most {longest} characters")
        if not blank and not value.strip():
            raise self.wrong(name, "a text that is not empty")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        value = self.values.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.wrong(name, f"a whole number from {low} to {high}")
        return value

    def flag(self, name: str) -> bool:
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def choice(self, name: str, choices: Iterable[str]) -> str:
        value = self.values.get(name)
        if not isinstance(value, str) or value not in choices:
            raise self.wrong(name, "one of " + ", ".join(choices))
        return value

    def uuid(self, name: str) -> str:
        value = self.values.get(name)
        if not is_uuid(value):
            raise self.wrong(name, "a UUID")
        return value.lower()

    def uuids(self, name: str) -> list[str]:
        value = self.values.get(name)
        if not isinstance(value, list) or not all(is_uuid(each) for each in value):
            raise self.wrong(name, "a list of UUIDs")
        return list(dict.fromkeys(each.lower() for each in value))

    def objects(self, name: str) -> list[Fields]:
        value = self.values.get(name)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.wrong(name, "a list of objects")
        return [Fields(each) for each in value]

    def mapping(self, name: str) -> dict[str, Any]:
        value = self.values.get(name)
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return value

    def moment(self, name: str) -> float:
        """A time with its offset, as seconds since the epoch."""
        value = self.values.get(name)
        try:
            at = datetime.fromisoformat(value)
            if at.tzinfo is None:
                raise ValueError
            return at.timestamp()
        except (TypeError, ValueError, OverflowError):
            raise self.wrong(name, "a date and time with its offset") from None


def is_uuid(value: Any) -> bool:
    if not isinstance(value, str) or len(value) != 36:
        return False
    try:
        return str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


def storable(text: str) -> bool:
    """Whether a database would take it: no NUL, no half of a surrogate pair."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def page(query: dict[str, str]) -> tuple[int, int]:
    """`limit` (1 to 100, else 20) and `offset` (from 0) of a list request."""
    return number(query, "limit", 20, 1, 100), number(query, "offset", 0, 0, LARGEST_OFFSET)


def number(query: dict[str, str], name: str, otherwise: int, low: int, high: int) -> int:
    text = query.get(name)
    if text is None:
        return otherwise
    readable = text.isascii() and text.isdecimal() and len(text) <= 12
    if not readable or not low <= int(text) <= high:
        raise Problem(400, f"Invalid query: {name} must be a whole number from {low} to {high}", field=name)
    return int(text)


def stamp(at: float | None) -> str | None:
    """A moment as the API writes it: UTC, milliseconds, Z."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
