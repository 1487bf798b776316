"""Who has what on the screen. A post that somebody looks at is looked at upstream more often, and is left
to them by whoever asks for the next one: a short lease, and a courtesy, never the guard."""

import time
import zlib
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from threading import Lock
from uuid import UUID

from django.db.models import Aggregate, CharField, F, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Concat

from reviewqueue.clock import now
from reviewqueue.models import GeneratedPost, Look, Member

EVERY_SECONDS = 10  # a page polls every two; its look is written once in ten
LEASE_SECONDS = 25
KEPT = timedelta(hours=1)
_written: dict = {}
_open: dict = {}  # the post a member opened last
_lock = Lock()


def note(member: Member, post: GeneratedPost | None = None) -> None:
    """The member has this post, or without one the queue, on the screen: at once if it is another one."""
    key, at = (member.pk, post.pk if post else None), time.monotonic()
    with _lock:
        has_moved = post is not None and _open.get(member.pk) != post.pk
        if not has_moved and at - _written.get(key, -EVERY_SECONDS) < EVERY_SECONDS:
            return
        if len(_written) > 10_000:
            _written.clear()
            _open.clear()
        _written[key] = at
        if post:
            _open[member.pk] = post.pk
    Look.objects.update_or_create(
        member=member, post=post, defaults={"at": now(), "workspace_id": member.workspace_id}
    )


def forget() -> int:
    """Take away what was looked at long ago: every poll and every plan would walk past it."""
    old = Look.objects.filter(at__lt=now() - KEPT)
    return old.delete()[0] if old.exists() else 0


def _leases(member: Member):
    """Of each other member the post they opened last; what stands in another window of theirs is free."""
    since = now() - timedelta(seconds=LEASE_SECONDS)
    of_them = Look.objects.filter(member=OuterRef("member")).exclude(post=None).order_by("-at", "-pk")
    held = Look.objects.filter(workspace_id=member.workspace_id, at__gte=since)
    return held.exclude(member=member).filter(pk=Subquery(of_them.values("pk")[:1]))


def taken(member: Member) -> set:
    """The posts that others have open just now."""
    return set(_leases(member).values_list("post_id", flat=True))


class Joined(Aggregate):
    """Many short words as one, so that a poll learns them in the query it makes anyway."""

    function = "GROUP_CONCAT"
    output_field = CharField()

    def as_postgresql(self, compiler, connection, **extra):
        return self.as_sql(
            compiler,
            connection,
            function="STRING_AGG",
            template="%(function)s(%(expressions)s, ',')",
            **extra,
        )


def _text(name: str):
    return Cast(F(name), CharField())


def around(member: Member) -> Subquery:
    """Who has which post open, to be read by `Company`: one column for the query of something else."""
    pair = Concat(_text("member_id"), Value(":"), _text("post_id"))
    rows = _leases(member).filter(workspace_id=OuterRef("workspace_id")).order_by().values("workspace_id")
    return Subquery(rows.annotate(pairs=Joined(pair)).values("pairs"), output_field=CharField())


@dataclass
class Company:
    """The others at work, and whether that is news to a page that has seen `mark`."""

    pairs: str
    post: GeneratedPost

    @classmethod
    def of(cls, member: Member, post: GeneratedPost) -> "Company":
        found = _leases(member).annotate(a=_text("member_id"), b=_text("post_id")).values_list("a", "b")
        return cls(",".join(f"{who}:{where}" for who, where in found), post)

    @cached_property
    def _sorted(self) -> list[tuple[UUID, UUID]]:
        """Each member and the post they have open."""
        pairs = (pair.split(":") for pair in (self.pairs or "").split(",") if pair)
        return sorted((UUID(post), UUID(member)) for member, post in pairs)

    @cached_property
    def mark(self) -> str:
        return f"{zlib.crc32(repr(self._sorted).encode()):x}" if self._sorted else ""

    @cached_property
    def taken(self) -> dict[str, str]:
        """Who has each post open: names by the post's id."""
        if not self._sorted:
            return {}
        people = Member.objects.select_related("user").in_bulk({member for _, member in self._sorted})
        found: dict[str, list[str]] = {}
        for post, member in self._sorted:
            found.setdefault(str(post), []).append(people[member].user.name)
        return {post: " and ".join(names) for post, names in found.items()}

    @property
    def here(self) -> str:
        """Who else has this one open."""
        return self.taken.get(str(self.post.pk), "")
