"""One turn of the poller: tell the worker what is due, and do oneself what it leaves lying.

Nothing is kept in memory that a restart would miss. A hint is a task with an id; a row that is still
unclaimed two seconds after its hint is done here, so a stalled worker slows Loupe and never stops it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, Value
from django.db.models.functions import Now
from django_q.tasks import async_task

from reviewqueue.clock import claim, database_now, now
from reviewqueue.models import Heartbeat, MediaFile, Operation, Watch, Workspace
from reviewqueue.models.prepared import AT, Prepared
from reviewqueue.services import holds, looks, media, operations, polling, watches

UNCLAIMED_SECONDS = 2.0
LOOKS_A_TURN = 8  # hints at once; what is left keeps its place in the ranking
LEASE_SECONDS = 15  # of the poller that leads
RENEWALS = 5  # in the time of a lease
BEAT_SECONDS = 10  # between heartbeats sent through the worker


@dataclass(frozen=True)
class Chore:
    """Something due: its task for the worker, and the same as a call for here."""

    task: str
    pk: object
    rows: type
    run: Callable


def turn(*, spare: Callable[[Callable], None], at: datetime | None = None) -> int:
    """Sweep, then hint or do what is due; `spare(call)` runs a call beside the clock. Returns how much."""
    at = at or now()
    if not is_anything_due(at):
        return 0
    operations.sweep()
    holds.sweep(at=at)
    found = 0
    for chore in due(at):
        found += 1
        hinted_at = chore.rows.objects.filter(pk=chore.pk).values_list("hinted_at", flat=True).first()
        if hinted_at is None:
            chore.rows.objects.filter(pk=chore.pk).update(hinted_at=at)
            async_task(f"reviewqueue.tasks.{chore.task}", str(chore.pk))
        elif at - hinted_at > timedelta(seconds=UNCLAIMED_SECONDS):
            spare(chore.run)
    return found


def is_anything_due(at: datetime) -> bool:
    """Whether a turn could find anything to do: the one query of a turn in which nothing happens."""
    return bool(_anything_due(at=at))


@Prepared
def _anything_due():
    parts = (
        Operation.objects.lapsed(Now()),
        operations.sendable(Now()),
        holds.over(AT),
        MediaFile.objects.due(AT),
        polling.worth_planning(AT),
    )
    first, *others = (part.order_by().annotate(one=Value(1)).values_list("one") for part in parts)
    return first.union(*others, all=True)[:1]


def due(at: datetime) -> list[Chore]:
    """Everything that could be done now, decisions first."""
    chores = [
        Chore("send_operation", pk, Operation, lambda pk=pk: operations.send(pk))
        for pk in _due_operations(at=database_now())
    ]
    chores += [
        Chore("look", watch.pk, Watch, lambda pk=watch.pk: polling.look(pk, hinted=True))
        for watch in _due_looks(at)
    ]
    chores += [Chore("fetch_media", pk, MediaFile, lambda pk=pk: media.fetch(pk)) for pk in _due_files(at=at)]
    return chores


@Prepared
def _due_operations():
    free = Q(picked_until=None) | Q(picked_until__lt=AT)
    return operations.sendable(AT).filter(free).order_by("not_before").values_list("pk", flat=True)[:50]


def _due_looks(at: datetime) -> list[Watch]:
    chosen = polling.plan(at=at)[:LOOKS_A_TURN]
    rows = [watches.add(one.workspace_id, one.kind, one.subject) for one in chosen]
    return [row for row in rows if row.claimed_until is None or row.claimed_until < at]


@Prepared
def _due_files():
    free = Q(claimed_until=None) | Q(claimed_until__lt=AT)
    return MediaFile.objects.due(AT).filter(free).order_by("fetch_at").values_list("pk", flat=True)[:20]


def refresh_late() -> None:
    """What time alone changes: a post is late, a look is long ago."""
    looks.forget()
    for workspace in Workspace.objects.all():
        polling.refresh_late(workspace)


def lead(name: str, holder: str, *, at: datetime | None = None) -> bool:
    """Take or keep the poller's lease. False: another poller leads.

    One that was renewed in the future is of a clock that was put right since, and of nobody who lives: they
    would have renewed it by now.
    """
    at = at or database_now()
    Heartbeat.objects.get_or_create(name=name, defaults={"at": at - timedelta(days=1)})
    lease = claim(LEASE_SECONDS, least=3)
    free = Q(holder=holder) | Q(at__lt=at - lease) | Q(at__gt=at + lease)
    return bool(Heartbeat.objects.filter(free, name=name).update(at=at, holder=holder))


def renew_seconds() -> float:
    """Between two times that a poller takes or keeps the lease."""
    return claim(LEASE_SECONDS, least=3).total_seconds() / RENEWALS


def beat_through_worker() -> None:
    async_task("reviewqueue.tasks.beat", hook="reviewqueue.tasks.beaten")
