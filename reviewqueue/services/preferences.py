"""What people and workspaces have chosen: hold time, keys, theme; policy, reasons, prices."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from reviewqueue.clock import now
from reviewqueue.models import Member, PriceList, Reason, User, Workspace
from reviewqueue.models.base import held
from reviewqueue.services import events
from reviewqueue.services.access import require

HOLD_SECONDS = (5, 10, 20, 60, None)  # None: until I send
REASONS_AT_MOST = 9  # as many as there are keys for them
OWN_WORDS = {
    "name": "name",
    "hold_seconds": "hold time",
    "single_keys": "single keys",
    "theme": "theme",
    "time_zone": "time zone",
    "blurs_media": "blurred pictures",
    "greys_media": "grey pictures",
}


@transaction.atomic
def set_profile(*, by: Member, **values) -> None:
    """Change what the member has chosen for themselves (fields of User). Raises NotPermitted."""
    require(by, "look")
    words = [OWN_WORDS[name] for name, value in values.items() if getattr(by.user, name) != value]
    if words:
        User.objects.filter(pk=by.user_id).update(**values)
        by.user.refresh_from_db(fields=list(values))
        events.record("settings.changed", by=by, what=f"their own settings: {', '.join(words)}")


def set_theme(theme: str, *, by: Member) -> None:
    """`light`, `dark`, or `toggle`: the other one. How a page looks is on nobody's record."""
    require(by, "look")
    if theme == "toggle":
        theme = User.Theme.LIGHT if by.user.theme == User.Theme.DARK else User.Theme.DARK
    User.objects.filter(pk=by.user_id).update(theme=theme)


def set_keyboard(on: bool, *, by: Member) -> None:
    require(by, "look")
    User.objects.filter(pk=by.user_id).update(single_keys=on)


def set_looking(*, blur: bool | None = None, grey: bool | None = None, by: Member) -> None:
    """How this person wants to see pictures and videos; None leaves it as it is. On nobody's record."""
    require(by, "look")
    wanted = {"blurs_media": blur, "greys_media": grey}
    values = {name: value for name, value in wanted.items() if value is not None}
    if values:
        User.objects.filter(pk=by.user_id).update(**values)


@transaction.atomic
def set_workspace(*, name: str, time_zone: str, approvers: int, own_work_allowed: bool, by: Member) -> None:
    """Name, time zone (of the day's tally) and policy. Raises NotPermitted."""
    require(by, "policy.change")
    workspace = by.workspace
    told = {
        "name": f"the workspace’s name to {name}",
        "time_zone": f"the workspace’s time zone to {time_zone}",
        "approvers": f"the policy: {approvers_in_words(approvers)}",
        "own_work_allowed": f"the policy: {own_work_in_words(own_work_allowed)}",
    }
    values = (name, time_zone, approvers, own_work_allowed)
    changed = {
        field: value for field, value in zip(told, values, strict=True) if getattr(workspace, field) != value
    }
    for field, value in changed.items():
        setattr(workspace, field, value)
        events.record("settings.changed", by=by, what=told[field])
    workspace.save(update_fields=list(changed))


def approvers_in_words(count: int) -> str:
    return "two people approve" if count == 2 else "one person approves"


def own_work_in_words(allowed: bool) -> str:
    return "people may approve what they made" if allowed else "nobody approves what they made themselves"


@transaction.atomic
def set_reasons(texts: list[str], *, by: Member) -> None:
    """The short list under Reject, in order. Reasons already given keep their words. Raises NotPermitted."""
    require(by, "policy.change")
    held(Workspace.objects.filter(pk=by.workspace_id)).get()  # or two at once leave both lists
    reasons = by.workspace.reasons
    if list(reasons.values_list("text", flat=True)) == texts:
        return
    reasons.all().delete()
    Reason.objects.bulk_create(
        Reason(workspace=by.workspace, text=text, position=place)
        for place, text in enumerate(texts[:REASONS_AT_MOST])
    )
    events.record("settings.changed", by=by, what="the reasons for rejecting")


@transaction.atomic
def set_prices(*, starts_at: datetime | None, by: Member, **prices) -> PriceList:
    """A new price list from a moment on (None: from now); older ones stay. Raises NotPermitted."""
    require(by, "price.change")
    row = PriceList.objects.create(workspace=by.workspace, starts_at=starts_at or now(), **prices)
    events.record(
        "settings.changed", by=by, what=f"the price list, from {timezone.localtime(row.starts_at):%-d %B %Y}"
    )
    return row
