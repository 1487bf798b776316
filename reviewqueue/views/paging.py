"""Lists by keyset: a page is the rows behind the last one shown, at any depth at the same price."""

import uuid
from datetime import UTC, datetime
from typing import NamedTuple

from reviewqueue.models.base import after_row

FRAMES = 24


class Shown(NamedTuple):
    rows: list
    after: str  # the cursor of the next page, "" at the end


def cursor(row, column: str) -> str:
    return f"{getattr(row, column).isoformat()}_{row.pk.hex}"


def read_cursor(text: str) -> tuple[datetime, uuid.UUID] | None:
    """The place a cursor names; None for nonsense, which shows the first page."""
    when, _, pk = text.partition("_")
    try:
        at = datetime.fromisoformat(when)
        return (at.astimezone(UTC), uuid.UUID(pk)) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def shown(queryset, column: str, *, newest_first: bool, after: str = "", size: int = FRAMES) -> Shown:
    """One page of `queryset` in the order of `column` and id."""
    place = read_cursor(after)
    rows = list(behind(queryset, column, place, newest_first=newest_first, size=size))
    return cut(rows, column, size=size)


def behind(queryset, column: str, place: tuple | None, *, newest_first: bool, size: int = FRAMES):
    """The rows behind `place`, and one more than a page shows."""
    if place:
        queryset = queryset.filter(after_row((column, "id"), place, newest_first=newest_first))
    sign = "-" if newest_first else ""
    return queryset.order_by(f"{sign}{column}", f"{sign}id")[: size + 1]


def cut(rows: list, column: str, *, size: int = FRAMES) -> Shown:
    return Shown(rows[:size], cursor(rows[size - 1], column) if len(rows) > size else "")
