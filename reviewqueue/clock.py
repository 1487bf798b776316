"""Time as Loupe counts it. Every wait passes through `pace`, so LOUPE_TIME_SCALE shortens all of them."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone


def now() -> datetime:
    return timezone.now()


def database_now() -> datetime:
    """The clock that leases are measured by: the database's where processes may sit on several hosts."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0].astimezone(UTC)


def pace(seconds: float) -> float:
    """A documented wait as it is kept here, in seconds."""
    return seconds / settings.TIME_SCALE


def wait(seconds: float) -> timedelta:
    return timedelta(seconds=pace(seconds))


def claim(seconds: float, least: float) -> timedelta:
    """How long one process has something for itself; `least` is what real work takes under a time scale."""
    return timedelta(seconds=max(min(seconds, least), pace(seconds)))


def age(since: datetime, at: datetime) -> float:
    """Seconds since then as the documented durations count them (never below 0)."""
    return max(0.0, (at - since).total_seconds()) * settings.TIME_SCALE


def request_seconds() -> float:
    """The total time that one request may take; under a time scale it stays long enough for a real answer."""
    return max(3.0, pace(30))


def lease_seconds() -> float:
    """How long one sender has: a request may leave within half of it and is over within the other half."""
    return 2 * request_seconds()
