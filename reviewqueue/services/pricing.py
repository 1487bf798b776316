"""What a click would cost, and whether the balance covers it."""

from django.db.models import Q, Sum

from reviewqueue.clock import now
from reviewqueue.models import MediaItem, Operation, Persona, SourcePost, Workspace
from reviewqueue.models.base import held
from reviewqueue.rules import money
from reviewqueue.rules.states import OPEN_OPERATION, NotAllowed

SPENDING = (
    "generate",
    "clone",
    "regenerate_post",
    "retry_failed",
    "regenerate_item",
    "voice_convert",
    "sync",
)


class TooExpensive(NotAllowed):
    """The balance does not cover it, as far as the service last said."""


def prices(workspace: Workspace) -> money.Prices:
    """The price list in force; the contract's newer page where the workspace has none."""
    row = workspace.prices.filter(starts_at__lte=now()).first()
    if row is None:
        return money.Prices()
    return money.Prices(
        row.image_mills,
        row.video_second_mills,
        row.voice_second_mills,
        row.sync_creator_mills,
        row.discount_percent,
    )


def cost_of_source(post: SourcePost, persona: Persona | None, price: money.Prices) -> money.Estimate:
    items = [(media_type, seconds) for media_type, seconds in post.face.get("items", [])]
    return money.generation(price, items, discount=bool(persona and persona.discount_mode))


def cost_of_items(items: list[MediaItem], persona: Persona | None, price: money.Prices) -> money.Estimate:
    """Making these items again. A failed video has no length: then it is unknown."""
    parts = [(item.media_type, item.duration_seconds) for item in items]
    return money.generation(price, parts, discount=bool(persona and persona.discount_mode))


def reserved_cents(workspace: Workspace) -> int:
    """What open operations may still take from the balance; an unknown one keeps its reservation.

    One that was done since the balance was read is not in it yet.
    """
    taken = Q(state__in=OPEN_OPERATION)
    if workspace.balance_seen_at:
        taken |= Q(state="succeeded", finished_at__gt=workspace.balance_seen_at)
    taking = Operation.objects.filter(taken, workspace=workspace, kind__in=SPENDING)
    return taking.aggregate(total=Sum("estimated_cents"))["total"] or 0


def check_affordable(workspace: Workspace, estimate: money.Estimate) -> None:
    """Raise TooExpensive if the last reported balance, less what is reserved, does not cover it."""
    workspace = held(Workspace.objects).get(pk=workspace.pk)
    if workspace.balance_cents is None or workspace.auto_reload or not estimate.known:
        return
    left = workspace.balance_cents - reserved_cents(workspace)
    if estimate.high_cents > left and estimate.low_cents > left:
        costs, have = money.dollars(estimate.low_cents), money.dollars(max(0, left))
        raise TooExpensive(
            f"Not enough balance: this costs {costs}, you have {have}. An admin can top up under Billing."
        )
