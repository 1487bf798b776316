"""Saved views: a filtered queue under a name, one's own or shared with the workspace."""

from django.db import IntegrityError, transaction
from django.db.models import CharField

from reviewqueue.clock import now
from reviewqueue.models import Member, SavedView
from reviewqueue.models.prepared import ANYBODY, Given, Prepared
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import events
from reviewqueue.services.access import may, require

NAME_AT_MOST, QUERY_AT_MOST = 40, 500
OWN_AT_MOST = 30
SHOWN = 200


def of(member: Member) -> list[SavedView]:
    """One's own and the shared ones, by name."""
    found = SavedView.objects.visible_to(member).select_related("owner__user")
    return list(found.order_by("name", "id")[:SHOWN])


_current = Prepared(
    lambda: SavedView.objects.visible_to(ANYBODY).filter(query=Given("query", CharField()))[:SHOWN]
)


def current(member: Member, query: str) -> SavedView | None:
    """The view that these filters are; one's own before another's."""
    found = _current(member=member.pk, workspace=member.workspace_id, query=query)
    return min(found, key=lambda view: view.owner_id != member.pk, default=None)


@transaction.atomic
def save(name: str, query: str, *, is_shared: bool, by: Member) -> SavedView:
    """Keep the filters under a name; one's own of that name shows these from now on.

    `query` is a query string as the queue's form writes it. Raises NotAllowed without a name, for filters
    that are too long, and at the limit.
    """
    require(by, "look")
    name = _name(name)
    if len(query) > QUERY_AT_MOST:
        raise NotAllowed("These filters are too long to be kept. Search for fewer words.")
    kept = by.saved_views.filter(name=name).first()
    if kept is None and by.saved_views.count() >= OWN_AT_MOST:
        raise NotAllowed(f"You have {OWN_AT_MOST} views. Delete one first.")
    was_shared = bool(kept and kept.is_shared)
    values = {"query": query, "is_shared": is_shared, "at": now(), "workspace_id": by.workspace_id}
    view, _ = SavedView.objects.update_or_create(owner=by, name=name, defaults=values)
    _record(view, was_shared, by)
    return view


@transaction.atomic
def change(view: SavedView, *, name: str, is_shared: bool, by: Member) -> SavedView:
    """Rename one's own view, share it or keep it to oneself. Raises NotAllowed for another's view or a name
    one has already."""
    require(by, "look")
    if view.owner_id != by.pk:
        raise NotAllowed("Only who saved it changes it. Save the filters under a name of your own.")
    was_shared, view.name, view.is_shared = view.is_shared, _name(name), is_shared
    try:
        with transaction.atomic():
            view.save(update_fields=["name", "is_shared"])
    except IntegrityError:
        raise NotAllowed(f"You have a view called “{view.name}” already.") from None
    _record(view, was_shared, by)
    return view


@transaction.atomic
def remove(view: SavedView, *, by: Member) -> None:
    """Delete one's own view; an admin also what others share. Raises NotAllowed for another's."""
    require(by, "look")
    if not may_remove(view, by):
        raise NotAllowed("Only who saved it, or an admin, deletes it.")
    view.delete()
    if view.is_shared:
        events.record("view.removed", by=by, subject=view.name)


def may_remove(view: SavedView, by: Member) -> bool:
    return view.owner_id == by.pk or (view.is_shared and may(by, "policy.change"))


def _name(name: str) -> str:
    name = " ".join(name.split())[:NAME_AT_MOST]
    if not name:
        raise NotAllowed("Give the view a name.")
    return name


def _record(view: SavedView, was_shared: bool, by: Member) -> None:
    """Only what others see is told to others."""
    if view.is_shared:
        events.record("view.changed" if was_shared else "view.shared", by=by, subject=view.name)
    elif was_shared:
        events.record("view.removed", by=by, subject=view.name)
