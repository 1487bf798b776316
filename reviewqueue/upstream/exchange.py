"""One request and what came back: while it runs (Answer), for the client (Reply), for the log (Exchange)."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

SAFE_HEADERS = ("content-type", "date", "x-request-id")  # and every x-ratelimit-*
LONGEST_HEADER = 200

SHORTEST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class RateReading:
    """What the X-RateLimit headers say. A number that is missing or unusable is None."""

    limit: int | None
    remaining: int | None
    reset_in_seconds: float | None  # 1 to 120


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer as the log keeps them: without the key and other secrets."""

    method: str
    path: str
    query: dict[str, Any]
    request_body: str  # JSON; files as name, type and size; "" if there was none
    status: int | None  # None: no answer began
    headers: dict[str, str]  # lower case, only the harmless ones
    body: str  # the first 64 KiB
    sent: bool  # could a byte have gone out?
    started_at: datetime  # UTC
    seconds: float
    error: str  # what went wrong, or ""
    rate: RateReading | None


@dataclass(slots=True, repr=False)
class Answer:
    """What has come back so far, raw: filled in as the exchange goes on, and never printed."""

    sent: bool = False
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    received_at: float = 0.0  # epoch seconds, by our clock
    body: bytearray = field(default_factory=bytearray)
    trouble: str = ""  # why it ended early, or ""
    late: bool = False  # the trouble is that time ran out
    oversize: bool = False  # the trouble is that there was too much


@dataclass(frozen=True, slots=True)
class Reply:
    """A usable 2xx: `body` is parsed JSON, None when there is nothing to say (204, a delete)."""

    status: int
    headers: dict[str, str]
    body: Any = field(repr=False)
    exchange: Exchange | None = None


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that may be kept: none of them can carry a secret."""
    return {
        name: value[:LONGEST_HEADER]
        for name, value in headers.items()
        if name in SAFE_HEADERS or name.startswith("x-ratelimit-")
    }


def read_rate(headers: Mapping[str, str], now: float) -> RateReading | None:
    """Read the X-RateLimit headers, or None if there are none. `now`: epoch seconds, used without a Date."""
    reading = RateReading(
        limit=_count(headers.get("x-ratelimit-limit")),
        remaining=_count(headers.get("x-ratelimit-remaining")),
        reset_in_seconds=seconds_until_reset(headers, now),
    )
    return None if reading == RateReading(None, None, None) else reading


def seconds_until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until X-RateLimit-Reset (else Retry-After), clamped to 1-120; None if neither can be read.

    The value may be Unix time in seconds or milliseconds, a number of seconds, or an HTTP date. A point in
    time is compared with the Date header of the same reply, so a difference of clocks does not matter.
    """
    text = headers.get("x-ratelimit-reset") or headers.get("retry-after") or ""
    now = _http_date(headers.get("date", "")) or now
    if re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,9})?", text.strip()):
        value = float(text)
        if value >= 1e11:
            value /= 1000
        seconds = value - now if value >= 1e8 else value
    elif (moment := _http_date(text)) is not None:
        seconds = moment - now
    else:
        return None
    return float(min(max(seconds, SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS))


def seconds_behind(exchange: Exchange) -> float:
    """By how much the service's clock is behind ours at the least, by the answer's Date; 0 without one."""
    told = _http_date(exchange.headers.get("date", ""))
    return 0.0 if told is None else exchange.started_at.timestamp() - told


def _http_date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if math.isfinite(seconds) else None


def _count(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text.strip()) else None
