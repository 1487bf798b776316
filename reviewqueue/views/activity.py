"""Who did what, when, at what cost."""

from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode
from uuid import UUID

from django.utils import timezone
from django.views.decorators.http import require_safe

from reviewqueue.forms.activity import LABELS, ActivityFilter
from reviewqueue.models import Event, Member, Persona
from reviewqueue.rules.vocabulary import EVENTS
from reviewqueue.services import events
from reviewqueue.views import fragments, paging, sheets

LINES = 50
NOT_PEOPLE = {"service": events.SERVICE, "loupe": events.LOUPE}
WITHOUT_EFFECT = ("failed", "absent", "cancelled")  # nothing was charged for these
HEAD = ("When (UTC)", "Who", "What", "Kind", "Persona", "Post", "Cost (USD)", "State", "Reason")


@require_safe
def activity(request):
    filters = ActivityFilter(request.GET).values()
    listing = paging.shown(
        matching(request.member, filters), "at", newest_first=True, after=filters["after"], size=LINES
    )
    context = {
        "filters": filters,
        "lines": [(event, cost(event)) for event in listing.rows],
        "after_query": query_of({**filters, "after": listing.after}) if listing.after else "",
        "query": query_of({**filters, "after": ""}),
        "is_filtered": any(value for name, value in filters.items() if name != "after"),
        "people": request.member.workspace.members.select_related("user").order_by("user__name"),
        "others": NOT_PEOPLE.items(),
        "personas": Persona.objects.visible_to(request.member).order_by("name").values_list("pk", "name"),
        "labels": LABELS,
        "section": "activity",
    }
    part = "next" if filters["after"] else ""
    return fragments.page(request, "reviewqueue/activity.html", context, part=part)


@require_safe
def download(request):
    """The same view as a table for a spreadsheet, whole."""
    filters = ActivityFilter(request.GET).values()
    found = matching(request.member, filters).order_by("-at", "-id")
    return sheets.sheet("activity", HEAD, (row_of(event) for event in found.iterator(500)))


def matching(member: Member, filters: dict):
    found = Event.objects.visible_to(member).select_related("operation", "post", "persona")
    if filters["by"] in NOT_PEOPLE:
        found = found.filter(by=None, by_label=NOT_PEOPLE[filters["by"]])
    elif pk := identity(filters["by"]):
        found = found.filter(by_id=pk)
    if filters["persona"]:
        found = found.filter(persona_id=filters["persona"])
    if filters["kind"]:
        found = found.filter(
            name__in=[name for name, word in EVENTS.items() if word.label == filters["kind"]]
        )
    if filters["since"]:
        found = found.filter(at__gte=beginning(filters["since"]))
    if filters["until"]:
        found = found.filter(at__lt=beginning(filters["until"] + timedelta(days=1)))
    return found


def identity(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def beginning(day) -> datetime:
    """Midnight in the person's own time zone."""
    return datetime.combine(day, datetime.min.time(), timezone.get_current_timezone())


def query_of(filters: dict) -> str:
    kept = {name: str(value) for name, value in filters.items() if value}
    return f"?{urlencode(kept)}" if kept else ""


def cost(event: Event) -> int | None:
    """What it cost in cents: as charged once that is known, nothing if nothing happened."""
    operation = event.operation
    if operation is None or event.cents is None:
        return event.cents
    if operation.state in WITHOUT_EFFECT:
        return 0
    return event.cents if operation.actual_cents is None else operation.actual_cents


def row_of(event: Event) -> tuple:
    cents = cost(event)
    return (
        event.at.strftime("%Y-%m-%d %H:%M:%S"),
        event.by_label,
        event.sentence,
        event.label,
        event.persona.name if event.persona else "",
        event.post.number if event.post else "",
        "" if cents is None else Decimal(cents) / 100,
        event.operation.state if event.operation else "",
        str(event.facts.get("reason", "")),
    )
