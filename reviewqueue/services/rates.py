"""One budget of requests per key, in one row that all processes share; and the key's breaker.

The service allows 60 requests a minute (contracts, x-rate-limits). Every request is counted in a
sliding minute, which is safe for fixed and sliding windows alike, and corrected from the headers of
the answers, as others may use the same key.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Q, Subquery

from reviewqueue.clock import now, pace, wait
from reviewqueue.models import RateBudget, UpstreamKey
from reviewqueue.models.base import held
from reviewqueue.upstream import errors

MINUTE = 60.5  # seconds; half a second against the edge of the service's own window
CLOCKS_APART = 1.0  # seconds between a request's place in our minute and in the service's
STRETCH = 12.0  # seconds in which polls use no more than their part of the minute

# How much of the limit each class may use up to; the rest is kept for those before it.
CEILING = {"decide": 1.0, "wait": 0.92, "reconcile": 0.85, "poll": 0.93, "poll_beside_people": 0.8}

BREAKER_OPENS_AFTER = 5  # failures in a row
BREAKER_OPENS_AT = 0.5  # or this share of failures
BREAKER_OUTCOMES = 10  # among at least so many outcomes
BREAKER_WINDOW = 60  # seconds
BREAKER_HALF_OPEN_AFTER = 30  # seconds
PROBE_EVERY = 60  # seconds, while the key is rejected


@dataclass(frozen=True)
class Grant:
    given: bool
    wait_seconds: float = 0.0  # until it is worth asking again
    used_share: float = 0.0


def grant(fingerprint: str, cost: int, klass: str, *, at: float | None = None) -> Grant:
    """Take `cost` requests from the key's minute, if its class still may. Of two at once one asks again."""
    at = time.time() if at is None else at
    for _ in range(20):
        row = _row(fingerprint)
        if row.blocked_until > at:
            return Grant(False, row.blocked_until - at, 1.0)
        stamps = _recent(row.stamps, at)
        room = int(row.limit * CEILING[klass]) - len(stamps)
        share = len(stamps) / row.limit
        if cost > room:
            return Grant(False, _until_room(stamps, cost - room, at), share)
        if _save(row, stamps=stamps + [at] * cost):
            return Grant(True, used_share=share)
    return Grant(False, 0.2)


@dataclass(frozen=True)
class Room:
    """What planning needs to know of a key's minute."""

    used_share: float
    requests: int  # that may be made now


def room(fingerprint: str, klass: str, *, at: float | None = None) -> Room:
    """What is left of the minute for this class, spread evenly: who uses it up at once then sees nothing
    until it is over, and leaves no room for what others under the key do meanwhile.
    """
    at = time.time() if at is None else at
    row = _row(fingerprint)
    if row.blocked_until > at:
        return Room(1.0, 0)
    stamps = _recent(row.stamps, at)
    most = int(row.limit * CEILING[klass])
    lately = sum(stamp > at - pace(STRETCH) for stamp in stamps)
    left = min(most - len(stamps), ceil(most * STRETCH / MINUTE) - lately)
    return Room(len(stamps) / row.limit, max(0, left))


def forget(fingerprint: str) -> None:
    """The key's minute begins anew, with nothing used."""
    RateBudget.objects.filter(fingerprint=fingerprint).delete()


def used_share(fingerprint: str, *, at: float | None = None) -> float:
    row = _row(fingerprint)
    at = time.time() if at is None else at
    return 1.0 if row.blocked_until > at else len(_recent(row.stamps, at)) / row.limit


def learn(
    fingerprint: str,
    limit: int | None,
    remaining: int | None,
    reset_in: float | None = None,
    *,
    at: float | None = None,
) -> None:
    """Correct the count by what an answer's headers say: others may share the key.

    The service counts since its own minute began, `reset_in` seconds short of a minute ago; ours of before
    would hide what others have used since. Theirs lie anywhere between the request before this one and now.
    """
    if limit is None or remaining is None or limit <= 0:
        return
    at = time.time() if at is None else at
    row = _row(fingerprint)
    stamps = _recent(row.stamps, at)
    began = at - pace(MINUTE) + (reset_in or 0.0) - CLOCKS_APART
    missing = max(0, limit - remaining) - sum(stamp >= began for stamp in stamps)
    if missing <= 0 and row.limit == limit:
        return
    since = max([began, *(stamp for stamp in stamps if stamp < at - CLOCKS_APART)])
    theirs = [at - (at - since) * place / missing for place in range(missing)]
    _save(row, stamps=sorted(stamps + theirs), limit=min(limit, 32_000))


def block(fingerprint: str, seconds: float, *, at: float | None = None) -> None:
    """The service said 429: nothing more under this key until then."""
    at = time.time() if at is None else at
    for _ in range(20):
        row = _row(fingerprint)
        if _save(row, blocked_until=max(row.blocked_until, at + seconds)):
            return


def blocked_until(fingerprint: str = "fingerprint") -> Subquery:
    """Until when (epoch seconds) the service has asked a key to rest, as a column of a query that knows its
    `fingerprint`."""
    return Subquery(RateBudget.objects.filter(pk=OuterRef(fingerprint)).values("blocked_until"))


def _row(fingerprint: str) -> RateBudget:
    row = RateBudget.objects.filter(pk=fingerprint).first()
    if row is None:
        try:
            with transaction.atomic():
                row = RateBudget.objects.create(fingerprint=fingerprint)
        except IntegrityError:
            row = RateBudget.objects.get(pk=fingerprint)
    return row


def _save(row: RateBudget, **facts) -> bool:
    facts["version"] = row.version + 1
    return bool(RateBudget.objects.filter(pk=row.pk, version=row.version).update(**facts))


def _recent(stamps: list[float], at: float) -> list[float]:
    return [stamp for stamp in stamps if at - pace(MINUTE) < stamp <= at + 1]


def _until_room(stamps: list[float], needed: int, at: float) -> float:
    """Seconds until `needed` of the requests have left the minute."""
    if needed > len(stamps):
        return pace(MINUTE)
    return max(0.05, stamps[needed - 1] + pace(MINUTE) - at)


# ---- the breaker, and the key itself -----------------------------------------------------------


def tried_at(opened_at: datetime) -> datetime:
    """When a service that is away is asked again."""
    return opened_at + wait(BREAKER_HALF_OPEN_AFTER)


def is_open(key: UpstreamKey) -> bool:
    """The service is away: nothing is sent, except one look every half minute."""
    return key.opened_at is not None and now() < tried_at(key.opened_at)


def is_half_open(key: UpstreamKey) -> bool:
    return key.opened_at is not None and not is_open(key)


def try_now(keys) -> bool:
    """Somebody does not want to wait: the look of the half minute is due at once. Never where somebody else
    answers, as the key goes with it. False if there is nothing to wait for."""
    due = now() - wait(BREAKER_HALF_OPEN_AFTER)
    away = keys.filter(opened_at__gt=due).exclude(trouble__startswith=errors.ELSEWHERE)
    return bool(away.update(opened_at=due))


@transaction.atomic
def answered(key: UpstreamKey) -> bool:
    """A usable answer came. True if the key was in trouble until now.

    An open breaker is closed by the look that is made half a minute later, not by what was still under way
    when it opened; it then counts anew.
    """
    row = _held(key)
    stays_open = is_open(row)
    was_in_trouble = bool(row.failures or row.opened_at or row.state != UpstreamKey.State.WORKING)
    row.outcomes = _outcomes(row, failed=0) if row.opened_at is None or stays_open else []
    row.failures, row.answered_at, row.state = 0, now(), UpstreamKey.State.WORKING
    if not stays_open:
        row.opened_at, row.trouble = None, ""
    _keep(row, key)
    return was_in_trouble and not stays_open


@transaction.atomic
def failed(key: UpstreamKey, reason: str, *, at_once: bool = False) -> bool:
    """The service did not answer, or with a 5xx. True if the breaker opened by it (`at_once`: by one)."""
    row = _held(key)
    was_closed = row.opened_at is None
    row.failures, row.trouble = min(row.failures + 1, 32_000), reason[:300]
    row.outcomes = _outcomes(row, failed=1)
    fails = sum(outcome[1] for outcome in row.outcomes)
    is_poor = len(row.outcomes) >= BREAKER_OUTCOMES and fails >= BREAKER_OPENS_AT * len(row.outcomes)
    if at_once or is_half_open(row) or row.failures >= BREAKER_OPENS_AFTER or is_poor:
        row.opened_at = now()
    _keep(row, key)
    return was_closed and row.opened_at is not None


@transaction.atomic
def redirected(key: UpstreamKey, reason: str) -> bool:
    """Somebody else answered: they get no second request with the key before half a minute is over.

    True if that is news.
    """
    row = _held(key)
    is_news = not is_elsewhere(row.opened_at, row.trouble)
    failed(key, reason, at_once=True)
    return is_news


def is_elsewhere(opened_at: datetime | None, trouble: str) -> bool:
    """Somebody else answers in the service's place; it is a person who has to put that right."""
    return opened_at is not None and trouble.startswith(errors.ELSEWHERE)


def _held(key: UpstreamKey) -> UpstreamKey:
    """The row as it is now, and as nobody else changes it; the copy itself if the key was taken away."""
    return held(UpstreamKey.objects).filter(pk=key.pk).first() or key


def _outcomes(row: UpstreamKey, *, failed: int) -> list:
    """Those of the last minute and one more: when, and whether it was a failure."""
    at = time.time()
    return [one for one in row.outcomes if one[0] > at - pace(BREAKER_WINDOW)] + [[round(at, 2), failed]]


def _keep(row: UpstreamKey, key: UpstreamKey) -> None:
    """Write what an outcome changes, and tell it to the caller's own copy of the row."""
    names = ("failures", "outcomes", "opened_at", "answered_at", "trouble", "state")
    UpstreamKey.objects.filter(pk=row.pk).update(**{name: getattr(row, name) for name in names})
    for name in names:
        setattr(key, name, getattr(row, name))


def rejected(key: UpstreamKey, reason: str) -> bool:
    """The service does not accept the key (401). True if that is news."""
    news = UpstreamKey.objects.filter(pk=key.pk).exclude(state=UpstreamKey.State.REJECTED)
    changed = news.update(state=UpstreamKey.State.REJECTED, trouble=reason[:300], checked_at=now())
    key.state = UpstreamKey.State.REJECTED
    return bool(changed)


def probe_due(key: UpstreamKey) -> bool:
    return key.checked_at is None or now() >= key.checked_at + timedelta(seconds=pace(PROBE_EVERY))


def to_be_probed(at: datetime) -> Q:
    """Keys to which `probe_due` applies."""
    return Q(checked_at=None) | Q(checked_at__lte=at - wait(PROBE_EVERY))


def half_open(at: datetime) -> Q:
    """Keys to which `is_half_open` applies."""
    return Q(opened_at__lte=at - wait(BREAKER_HALF_OPEN_AFTER))
