"""Read one field at a time out of JSON that a stranger wrote.

Each reader takes any JSON value and gives a usable one, or None. Nothing here raises but Row's `required`.
"""

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from reviewqueue.upstream.errors import Unreadable
from reviewqueue.upstream.text import storable, storable_json

T = TypeVar("T")
Reader = Callable[[Any], T | None]

LARGEST_INTEGER = 2**31 - 1  # what a 32-bit column holds; in cents, 21 million dollars
LONGEST_ID = 128
LONGEST_WORD = 64
LONGEST_LINK = 4096
SOONEST_YEAR, LATEST_YEAR = 1970, 2999  # beyond, a change of time zone can overflow


def text(value: Any) -> str | None:
    """Any string, made storable."""
    return storable(value) if isinstance(value, str) else None


def word(value: Any) -> str | None:
    """A state, kind or platform: a string that says something, at most 64 characters of it."""
    return (text(value) or "").strip()[:LONGEST_WORD] or None


def identifier(value: Any) -> str | None:
    """1 to 128 letters, digits, - and _."""
    looks_like_one = isinstance(value, str) and re.fullmatch(rf"[A-Za-z0-9_-]{{1,{LONGEST_ID}}}", value)
    return value if looks_like_one else None


def whole(value: Any) -> int | None:
    """An integer, also as 32.0 or "32"; never a bool, never one that a 32-bit column cannot hold."""
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"-?[0-9]{1,10}", value) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) <= LARGEST_INTEGER else None


def count(value: Any) -> int | None:
    """An integer from 0."""
    number = whole(value)
    return number if number is not None and number >= 0 else None


def seconds(value: Any) -> float | None:
    """A number from 0, also as "14.2"."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= LARGEST_INTEGER else None  # NaN is neither


def flag(value: Any) -> bool | None:
    """true or false, also as text or as 1 and 0."""
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower())
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def moment(value: Any) -> datetime | None:
    """An ISO 8601 date and time, in UTC; without an offset it is taken as UTC."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return found if SOONEST_YEAR <= found.year <= LATEST_YEAR else None


def link(value: Any) -> str | None:
    """An http or https address with a host, and nothing in it that an address cannot hold."""
    if not isinstance(value, str) or len(value) > LONGEST_LINK:
        return None
    if not re.fullmatch(r"(?i:https?)://[^\s\x00-\x1f\x7f<>\"\\\ud800-\udfff]+", value):
        return None
    try:
        return value if urlsplit(value).hostname else None
    except ValueError:
        return None


def settings(value: Any) -> dict[str, Any] | None:
    """A free-form object, made storable."""
    return storable_json(value) if isinstance(value, dict) else None


def array(value: Any) -> list[Any] | None:
    """A list, whatever is in it."""
    return value if isinstance(value, list) else None


def words(value: Any) -> tuple[str, ...]:
    """The words of a list; what is none is left out."""
    return _all_of(word, value)


def identifiers(value: Any) -> tuple[str, ...] | None:
    """The ids of a list; what is none is left out. None if it is no list."""
    return _all_of(identifier, value) if isinstance(value, list) else None


def _all_of(read: Reader[T], value: Any) -> tuple[T, ...]:
    found = (read(one) for one in value) if isinstance(value, list) else ()
    return tuple(one for one in found if one is not None)


class Row:
    """A JSON object. Fields are found in snake_case and in camelCase, under the first name that has one."""

    def __init__(self, value: Any):
        if not isinstance(value, dict):
            raise Unreadable(f"An object was expected, and {type(value).__name__} came.")
        self._value = value

    def required(self, read: Reader[T], *names: str) -> T:
        """The field, or Unreadable."""
        found = self.optional(read, *names)
        if found is None:
            raise Unreadable(f"The answer has no usable {names[0]}.")
        return found

    def optional(self, read: Reader[T], *names: str) -> T | None:
        for name in names:
            for spelling in (name, _camel(name)):
                if spelling in self._value:
                    found = read(self._value[spelling])
                    if found is not None:
                        return found
        return None

    def id(self, *names: str) -> str:
        return self.required(identifier, *names)

    def id_or_none(self, *names: str) -> str | None:
        return self.optional(identifier, *names)

    def text(self, *names: str) -> str:
        return self.optional(text, *names) or ""

    def word(self, *names: str) -> str:
        return self.optional(word, *names) or ""

    def link(self, *names: str) -> str | None:
        return self.optional(link, *names)

    def flag(self, *names: str) -> bool:
        return self.optional(flag, *names) or False

    def time(self, *names: str) -> datetime | None:
        return self.optional(moment, *names)

    def whole(self, *names: str) -> int | None:
        return self.optional(whole, *names)

    def count(self, *names: str) -> int | None:
        return self.optional(count, *names)

    def every(self, parse: Callable[[Any], T], name: str, *, needed: bool) -> tuple[T, ...]:
        """All rows of a list inside this object. A row that cannot be read makes the whole unreadable."""
        rows = self.required(array, name) if needed else self.optional(array, name) or []
        return tuple(parse(row) for row in rows)

    def readable(self, parse: Callable[[Any], T], name: str) -> tuple[T, ...]:
        """The rows of a list inside this object that can be read."""
        return read_rows(parse, self.optional(array, name) or [])


def read_rows(parse: Callable[[Any], T], rows: list[Any]) -> tuple[T, ...]:
    """Parse each row; one that cannot be read stops no other."""
    found = []
    for row in rows:
        try:
            found.append(parse(row))
        except Unreadable:
            continue
    return tuple(found)


@functools.cache
def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
