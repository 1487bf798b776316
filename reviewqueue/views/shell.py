"""What every page carries: navigation, balance, banners, the tray."""

import time
import uuid
from datetime import UTC, datetime

from django.conf import settings
from django.db.models import OuterRef, Subquery
from django.shortcuts import render
from django.utils.functional import SimpleLazyObject

from reviewqueue.clock import now, pace
from reviewqueue.models import UpstreamKey, Watch
from reviewqueue.models.prepared import ANYBODY, Prepared
from reviewqueue.services import accounts, holds, rates, scopes, watches

MARKS = ("ok", "", "ok", "", "", "no", "", "ok", "no", "ok", "", "", "", "", "ok", "no")
WALL = [(f"{number:02d}A", f"wall/{number:02d}.webp", mark) for number, mark in enumerate(MARKS, 1)]


def shell(request) -> dict:
    """The context of every page. Lazily, as a fragment uses little of it."""
    member = getattr(request, "member", None)
    context = {"PRODUCT": settings.PRODUCT, "member": member}
    if member is None:
        return context | {"wall": WALL}
    return context | {
        "elsewhere": [
            (place.workspace_id, place.workspace.name) for place in request.places if place != member
        ],
        "cast": SimpleLazyObject(lambda: cast_of(member)),
        "workspace": member.workspace,
        "scope": SimpleLazyObject(lambda: scopes.desk(member.workspace)),
        "held": SimpleLazyObject(lambda: Tray(holds.of(member))),
        "banners": SimpleLazyObject(lambda: banners(member)),
        "token": SimpleLazyObject(uuid.uuid4),
    }


# What a key without the scope leaves as it was last seen, by the kind of the look.
UNREAD = {
    "balance": "the balance",
    "catalogue": "personas, sources and accounts",
    "outgoing": "deliveries",
    "page": "posts",
    "persona": "personas",
    "post": "posts",
    "posts": "posts",
    "source_posts": "source posts",
    "sync": "syncs",
    "transactions": "transactions",
    "voice": "posts",
}


def cast_of(member) -> list[tuple]:
    """Whom one may sign in as: id, name and role."""
    return [(one.pk, one.user.name, one.role) for one in accounts.cast_of(member.workspace)]


class Tray:
    """The member's held decisions: the newest spelt out, the rest counted."""

    def __init__(self, rows):
        self.rows = rows
        self.newest = rows[0] if rows else None

    def __len__(self):
        return len(self.rows)

    @property
    def seconds_left(self) -> int | None:
        """Until the newest is sent, in real seconds; None while it is paused."""
        if not self.newest or self.newest.send_at is None:
            return None
        return max(0, round((self.newest.send_at - now()).total_seconds()))

    @property
    def total_seconds(self) -> int:
        return max(1, round(pace(self.newest.seconds or 10))) if self.newest else 10


def keys_with_trouble():
    unread = Watch.objects.filter(workspace=OuterRef("workspace"), trouble=watches.LACKS_SCOPE)
    keys = UpstreamKey.objects.filter(workspace_id=ANYBODY.workspace_id, upstream="reelmirror")
    return keys.only("state", "last_four", "opened_at", "answered_at", "trouble").annotate(
        unread=Subquery(unread.order_by("kind").values("kind")[:1]), rests_until=rates.blocked_until()
    )


keys = Prepared(keys_with_trouble)


def banners(member) -> list[dict]:
    """What is wrong with the service or the key, with what to do: at most one of each."""
    workspace = member.workspace
    key = keys.first(workspace=workspace.pk)
    found = []
    if key is None:
        return [{"kind": "key_missing"}]
    if key.state == UpstreamKey.State.REJECTED:
        found.append({"kind": "key_rejected", "key": key})
    elif rates.is_elsewhere(key):
        found.append({"kind": "elsewhere", "key": key})
    elif key.opened_at is not None:
        found.append({"kind": "away", "key": key})
    elif key.rests_until and key.rests_until > time.time():
        until = datetime.fromtimestamp(key.rests_until, UTC)
        found.append({"kind": "slow", "key": key, "until": until})
    elif key.unread:
        found.append({"kind": "unread", "what": UNREAD.get(key.unread, "everything")})
    if workspace.balance_cents is not None and workspace.balance_cents <= 0:
        found.append({"kind": "no_balance"})
    return found


def csrf_failure(request, reason=""):
    """A form older than its session: nothing was done, and the browser still has what was typed."""
    context = {
        "title": "This page is too old",
        "refusal": "The form was made before you last signed in. Go back, reload the page and send it again.",
    }
    return render(request, "reviewqueue/refused.html", context, status=403)
