"""What every page carries: navigation, balance, banners, the tray."""

import time
import uuid
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import CharField, DateField, Exists, F, FilteredRelation, OuterRef, Q, Subquery
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from reviewqueue.clock import now, pace
from reviewqueue.models import Scope, UpstreamKey, Watch
from reviewqueue.models.prepared import ANYBODY, Given, Prepared
from reviewqueue.services import accounts, holds, notes, rates, scopes, watches

MARKS = ("ok", "", "ok", "", "", "no", "", "ok", "no", "ok", "", "", "", "", "ok", "no")
WALL = [(f"{number:02d}A", f"wall/{number:02d}.webp", mark) for number, mark in enumerate(MARKS, 1)]


def shell(request) -> dict:
    """The context of every page. Lazily, as a fragment uses little of it."""
    member = getattr(request, "member", None)
    context = {"PRODUCT": settings.PRODUCT, "member": member, "oob": False}  # as it is asked for everywhere
    if member is None:
        return context | {"wall": WALL}
    desk = SimpleLazyObject(lambda: standing(member))
    return context | {
        "elsewhere": tuple(
            (place.workspace_id, place.workspace.name) for place in request.places if place != member
        ),
        "admins": SimpleLazyObject(lambda: accounts.admins_of(member.workspace)),
        "cast": cache(lambda: cast_of(member)),
        "workspace": member.workspace,
        "scope": desk,
        "held": SimpleLazyObject(lambda: tray(member, desk)),
        "banners": SimpleLazyObject(lambda: banners(member, desk)),
        "token": SimpleLazyObject(uuid.uuid4),
    }


# What a key without a scope leaves as it was last seen, by the kind of the look, and the scopes it takes.
POSTS, DELIVERIES = ("posts", "content:read"), ("deliveries", "publishing:read")
UNREAD = {
    "balance": ("the balance", "billing:read"),
    "catalogue": ("personas, sources and accounts", "personas:read", "sources:read", "publishing:read"),
    "deliveries": DELIVERIES,
    "outgoing": DELIVERIES,
    "page": POSTS,
    "persona": ("personas", "personas:read", "sources:read"),
    "post": POSTS,
    "posts": POSTS,
    "source_posts": ("source posts", "content:read"),
    "sync": ("syncs", "content:read"),
    "transactions": ("transactions", "billing:read"),
    "voice": POSTS,
}


def unread(kind: str, granted: list[str] | None) -> dict:
    """What the key may not read, and the scopes that it lacks for it, as far as that is known."""
    what, *needed = UNREAD.get(kind, ("everything", "the scope"))
    lacking = [scope for scope in needed if scope not in (granted or [])] or needed
    return {"what": what, "scopes": " or ".join(lacking)}


def cast_of(member) -> tuple[tuple, ...]:
    """Whom one may sign in as: id, name and role."""
    return tuple((one.pk, one.user.name, one.role) for one in accounts.cast_of(member.workspace))


class Tray:
    """The member's held decisions: the newest spelt out, the rest counted."""

    def __init__(self, newest):
        self.newest = newest

    def __len__(self):
        return self.newest.held if self.newest else 0

    @property
    def seconds_left(self) -> int | None:
        """Until the newest is sent, in real seconds; None while it is paused."""
        if not self.newest or self.newest.send_at is None:
            return None
        return max(0, round((self.newest.send_at - now()).total_seconds()))

    @property
    def total_seconds(self) -> int:
        return max(1, round(pace(self.newest.seconds or 10))) if self.newest else 10


def what_stands():
    """What every page shows: counts of the desk and of the persona it is about, the day's tally, the state
    of the key, and whether there is anything to ask for that mostly is not there."""
    unread = Watch.objects.filter(workspace=OuterRef("workspace"), trouble=watches.LACKS_SCOPE)
    of_ours, of_today, of_one = (
        Q(workspace__keys__upstream="reelmirror"),
        Q(workspace__tallies__day=Given("day", DateField())),
        Q(workspace__scopes__key=Given("scope", CharField())),
    )
    desk = Scope.objects.filter(workspace_id=ANYBODY.workspace_id, key=scopes.DESK).annotate(
        upstream_key=FilteredRelation("workspace__keys", condition=of_ours),
        tally=FilteredRelation("workspace__tallies", condition=of_today),
        counted=FilteredRelation("workspace__scopes", condition=of_one),
    )
    return desk.select_related("tally", "counted").annotate(
        has_notes=Exists(notes.unseen(ANYBODY)),
        has_holds=Exists(holds.waiting()),
        key_state=F("upstream_key__state"),
        key_last_four=F("upstream_key__last_four"),
        key_opened_at=F("upstream_key__opened_at"),
        key_answered_at=F("upstream_key__answered_at"),
        key_trouble=F("upstream_key__trouble"),
        key_scopes=F("upstream_key__scopes"),
        key_unread=Subquery(unread.order_by("kind").values("kind")[:1]),
        key_rests_until=rates.blocked_until("upstream_key__fingerprint"),
    )


_standing = Prepared(what_stands)


def standing(member, persona: str = "") -> Scope:
    """The desk as it stands, for this member and their day; `counted` is the persona's part of it, if any."""
    today = timezone.localdate(timezone=ZoneInfo(member.workspace.time_zone))
    scope = scopes.persona_key(persona) if persona else ""
    (desk,) = _standing(workspace=member.workspace_id, member=member.pk, day=today, at=now(), scope=scope)
    for name in ("tally", "counted"):
        setattr(desk, name, getattr(desk, name, None))  # Django sets it only where there is one
    return desk


def around(member, persona: str = "") -> dict:
    """What a page shows of the desk and its shell tells of it, read once."""
    desk = standing(member, persona)
    return {"scope": desk, "held": tray(member, desk), "banners": banners(member, desk)}


def tray(member, desk: Scope) -> Tray:
    return Tray(holds.newest_of(member) if desk.has_holds else None)


def banners(member, desk: Scope) -> list[dict]:
    """What is wrong with the service or the key, with what to do: at most one of each."""
    if desk.key_state is None:
        return [{"kind": "key_missing"}]
    found, told = [], {"last_four": desk.key_last_four, "answered_at": desk.key_answered_at}
    if desk.key_state == UpstreamKey.State.REJECTED:
        found.append({"kind": "key_rejected", **told})
    elif rates.is_elsewhere(desk.key_opened_at, desk.key_trouble):
        found.append({"kind": "elsewhere", **told})
    elif desk.key_opened_at is not None:
        found.append({"kind": "away", "until": rates.tried_at(desk.key_opened_at), **told})
    elif desk.key_rests_until and desk.key_rests_until > time.time():
        until = datetime.fromtimestamp(desk.key_rests_until, UTC)
        found.append({"kind": "slow", "until": until, **told})
    elif desk.key_unread:
        found.append({"kind": "unread", **unread(desk.key_unread, desk.key_scopes)})
    balance = member.workspace.balance_cents
    if balance is not None and balance <= 0:
        found.append({"kind": "no_balance"})
    return found


def csrf_failure(request, reason=""):
    """A form older than its session: nothing was done, and the browser still has what was typed."""
    context = {
        "title": "This page is too old",
        "refusal": "The form was made before you last signed in. Go back, reload the page and send it again.",
    }
    return render(request, "reviewqueue/refused.html", context, status=403)
