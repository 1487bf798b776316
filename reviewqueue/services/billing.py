"""Balance, top-up, auto-reload: the service's own pages take the card, never ours."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from django.db import transaction
from django.db.models import Exists, OuterRef, Sum
from django.db.models.functions import TruncDate

from reviewqueue.clock import now
from reviewqueue.models import Checkout, MediaItem, Member, Operation, Workspace
from reviewqueue.rules.money import dollars
from reviewqueue.services import events, operations, scopes, watches
from reviewqueue.services.access import require

THRESHOLD_CENTS = (0, 5000)  # contracts, PATCH /v1/billing/balance
AMOUNT_CENTS = (100, 5000)
TOP_UPS = (1000, 2500, 5000, 10000)  # no page lists the fixed set; the service says no to others
KEPT_MINUTES = 30


@transaction.atomic
def set_reload(
    *, on: bool, threshold_cents: int, amount_cents: int, by: Member, token: uuid.UUID
) -> Operation:
    """Switch automatic reload on or off. Without a saved card the service answers where to save one."""
    require(by, "billing.change")
    params = {
        "auto_reload": on,
        "reload_threshold_cents": threshold_cents,
        "reload_amount_cents": amount_cents,
    }
    operation, made = operations.queue(
        "set_reload",
        by=by,
        target=str(by.workspace_id),
        label="auto-reload",
        token=token,
        params=params,
        lock="reload",
    )
    if made:
        words = f"on, below {dollars(threshold_cents)} add {dollars(amount_cents)}" if on else "off"
        events.record("billing.reload", by=by, operation=operation, what=words)
    return operation


@transaction.atomic
def top_up(*, amount_cents: int, by: Member, token: uuid.UUID) -> Operation:
    """Ask for the service's payment page; nothing is charged until a person pays there."""
    require(by, "billing.change")
    operation, made = operations.queue(
        "top_up",
        by=by,
        target=str(by.workspace_id),
        label=dollars(amount_cents),
        token=token,
        params={"amount_cents": amount_cents},
        lock="topup",
    )
    if made:
        events.record("billing.topup", by=by, operation=operation, amount=dollars(amount_cents))
    return operation


def open_pages(workspace: Workspace) -> dict[str, Checkout]:
    """Pages of the service that a person was sent to and has not come back from, by kind."""
    since = now() - timedelta(minutes=KEPT_MINUTES)
    rows = workspace.checkouts.filter(created_at__gte=since, returned_at=None).order_by("created_at")
    return {row.kind: row for row in rows}


def came_back(workspace: Workspace, kind: str) -> None:
    """A person returned from the service's page: look at the balance (or the accounts) at once."""
    workspace.checkouts.filter(kind=kind, returned_at=None).update(returned_at=now())
    watches.add(workspace.pk, "catalogue" if kind == "connect" else "balance", soon=True)
    scopes.bump(workspace.pk)


def rate_of_spending(workspace: Workspace) -> float:
    """Cents a day over the last seven days."""
    week = workspace.charges.filter(at__gte=now() - timedelta(days=7), amount_cents__lt=0)
    return -(week.aggregate(total=Sum("amount_cents"))["total"] or 0) / 7


def read_again(*, by: Member) -> None:
    """Have the balance read at once, not at its next turn. Raises NotPermitted."""
    require(by, "billing.view")
    watches.add(by.workspace_id, "balance", soon=True)


def latest(workspace: Workspace, kind: str, within: timedelta) -> Operation | None:
    """The newest operation of this kind that was asked for within that time."""
    asked = workspace.operations.filter(kind=kind, created_at__gte=now() - within)
    return asked.order_by("-created_at", "-id").first()


@dataclass
class Spent:
    """One day's or week's net spending in cents, by what it went to."""

    day: date
    images: int = 0
    video: int = 0
    sync: int = 0

    @property
    def total(self) -> int:
        return self.images + self.video + self.sync


def spent_by_day(workspace: Workspace, days: int, zone: tzinfo) -> list[Spent]:
    """The last `days` days with today, oldest first, in the zone's own days.

    What a charge paid for is told by its kind and its item; what cannot be told counts with the images.
    A refund is taken off on the day it came.
    """
    today = now().astimezone(zone).date()
    first = today - timedelta(days=days - 1)
    since = datetime.combine(first, datetime.min.time(), zone)
    of_video = MediaItem.objects.filter(
        upstream_id=OuterRef("item_upstream_id"), post__workspace=workspace, media_type="video"
    )
    groups = (
        workspace.charges.spending()
        .filter(at__gte=since)
        .annotate(day=TruncDate("at", tzinfo=zone), of_video=Exists(of_video))
        .values_list("day", "kind", "of_video")
        .annotate(cents=Sum("amount_cents"))
        .order_by()
    )
    found: dict[date, Spent] = {}
    for place in range(days):
        day = first + timedelta(days=place)
        found[day] = Spent(day)
    for day, kind, is_video, cents in groups:
        if day in found:
            column = column_of(kind, is_video)
            setattr(found[day], column, getattr(found[day], column) - cents)
    return list(found.values())


def column_of(kind: str, is_video: bool) -> str:
    if "sync" in kind:
        return "sync"
    return "video" if is_video or "voice" in kind or "video" in kind else "images"


def by_week(days: list[Spent]) -> list[Spent]:
    """The same sums by week, named by its Monday."""
    weeks: dict[date, Spent] = {}
    for one in days:
        monday = one.day - timedelta(days=one.day.weekday())
        week = weeks.setdefault(monday, Spent(monday))
        week.images += one.images
        week.video += one.video
        week.sync += one.sync
    return list(weeks.values())
