"""The orders of the queue, for a page of it and for the strip beside a post.

By time there is an index for each tab. By persona there is none, for names change: the personas are walked by
name, each through its own index, and their counts say which to pass over and which to ask for together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from reviewqueue.models import Member, Persona, Scope
from reviewqueue.services import scopes
from reviewqueue.views import paging


class Place(NamedTuple):
    at: datetime
    pk: UUID
    persona: UUID | None = None


class Group(NamedTuple):
    """A persona, or None for posts without one, and at most how many posts of it the tab holds."""

    persona: UUID | None
    count: int


@dataclass(frozen=True)
class ByTime:
    column: str
    newest_first: bool

    def place(self, row) -> Place:
        """Where a post stands, or stood when it was still in the view."""
        return Place(getattr(row, self.column) or row.made_at, row.pk, row.persona_id)

    def walk(self, posts, place: Place | None, size: int, *, back: bool = False) -> list:
        """Up to `size` of the posts behind `place`, or before it: those first that are nearest to it."""
        newest_first = self.newest_first is not back
        place = place and place[:2]
        return list(paging.behind(posts, self.column, place, newest_first=newest_first, size=size - 1))


@dataclass(frozen=True)
class ByPersona(ByTime):
    """By the name of their persona, and by time within it; posts without one stand last."""

    groups: tuple[Group, ...] = ()

    def cursor(self, row) -> str:
        persona = row.persona_id.hex if row.persona_id else ""
        return f"{paging.cursor(row, self.column)}_{persona}"

    def read(self, text: str) -> Place | None:
        """The place a cursor names; None for nonsense, and for a persona that is not there."""
        when, _, persona = text.rpartition("_")
        place = paging.read_cursor(when)
        known = {group.persona.hex if group.persona else "": group.persona for group in self.groups}
        return Place(*place, known[persona]) if place and persona in known else None

    def page(self, posts, after: str) -> paging.Shown:
        rows = self.walk(posts, self.read(after), paging.FRAMES + 1)
        more = len(rows) > paging.FRAMES
        return paging.Shown(rows[: paging.FRAMES], self.cursor(rows[paging.FRAMES - 1]) if more else "")

    def walk(self, posts, place: Place | None, size: int, *, back: bool = False) -> list:
        groups = list(self.groups[::-1] if back else self.groups)
        found: list = []
        if place:
            personas = [group.persona for group in groups]
            del groups[: personas.index(place.persona) + 1 if place.persona in personas else None]
            found = super().walk(posts.filter(persona_id=place.persona), place, size, back=back)
        groups = [group for group in groups if group.count > 0]
        while groups and len(found) < size:
            few = list(together(groups, size - len(found)))
            del groups[: len(few)]
            asked = posts.filter(persona_id=few[0].persona)
            if len(few) > 1:
                asked = posts.filter(persona_id__in=[group.persona for group in few])
            rows = super().walk(asked, None, size - len(found), back=back)
            number = {group.persona: number for number, group in enumerate(few)}
            found += sorted(rows, key=lambda row: number[row.persona_id])  # stable: by time within each
        return found


def together(groups: list[Group], wanted: int) -> Iterator[Group]:
    """The first of the groups, and those behind it that fit in what is wanted with it."""
    for group in groups:
        wanted -= group.count
        if group is not groups[0] and (wanted < 0 or group.persona is None):
            return
        yield group
        if group.persona is None:
            return


def by_persona(member: Member, tab: str, column: str, *, newest_first: bool) -> ByPersona:
    """Two queries: the personas by name, also those that are gone, and what the tab holds of each."""
    counts = Scope.objects.filter(workspace=member.workspace_id)
    tells = {scope.key: scope.tab(tab) for scope in counts}
    named = Persona.objects.filter(workspace=member.workspace_id).order_by("name", "id")
    found = [Group(pk, tells.get(scopes.persona_key(pk), 0)) for pk in named.values_list("pk", flat=True)]
    without = tells.get(scopes.DESK, 0) - sum(group.count for group in found)
    return ByPersona(column, newest_first, (*found, Group(None, without)))
