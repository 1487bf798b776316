"""The review queue: what waits for a decision, and what is on its way."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache, partial
from itertools import cycle, islice, pairwise
from math import ceil
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import quote, urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    F,
    IntegerField,
    Q,
    UUIDField,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.http import QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_safe

from reviewqueue.clock import age, now, pace
from reviewqueue.forms.queue import AGES, QueueFilter
from reviewqueue.models import (
    Decision,
    GeneratedPost,
    Member,
    Operation,
    Persona,
    Reason,
    SavedView,
    Scope,
    Source,
)
from reviewqueue.models.prepared import ANYBODY, Given, Prepared
from reviewqueue.rules.cadence import SPANS
from reviewqueue.rules.states import DESK_TABS
from reviewqueue.services import desk, looks, notes, scopes, setup
from reviewqueue.views import fragments, ordering, paging, rows, shell

TABS = (
    ("ready", "Ready"),
    ("generating", "Generating"),
    ("attention", "Needs attention"),
    ("held", "Held"),
    ("decided", "Decided today"),
)
UNCOUNTED = ("q", "type", "source", "age")
FILTERS = (*UNCOUNTED, "persona")
ANY = dict.fromkeys(FILTERS, "")
COUNTED = 1000
IN_FLIGHT_SHOWN = 8
IN_LINE_TOLD = 200
TROUBLES_SHOWN = 4
LOOSE_SHOWN = 50
DECISIONS_TIMED = 20
OLDER_THAN = {"day": timedelta(days=1), "days": timedelta(days=3)}
CHANGES_SHOWN = 60
OVERLAP = timedelta(seconds=3)  # a change is stamped before its commit
NEW_AT_MOST = 99


@require_safe
def queue(request):
    filters = filters_of(request)
    context = page_of(request.member, filters)
    left = setup_left(request.member, context["scope"])
    if left == setup.KEY and not request.GET:
        return redirect("/setup/")
    if filters["after"] and not context["has_frames"] and not fragments.is_fragment(request):
        return redirect(f"/{query_of({**filters, 'after': ''})}")  # what stood behind it was decided since
    return fragments.page(request, "reviewqueue/queue.html", context | {"setup_left": left}, part="page")


def setup_left(member: Member, scope: Scope) -> str:
    """A new workspace has nothing to review: its admin is led to what there is to set up first."""
    if any(map(scope.rows, DESK_TABS)) or not member.may("key.change"):
        return ""
    return setup.left(member.workspace)


def page_of(member: Member, filters: dict) -> dict:
    found, listing = everything(member, filters)
    now_standing, own_pace = standing(member, filters, cards_of(found)), pace_of(found["decided"])
    frames = rows.frames.of_all(listing.rows, partial(whole, member))
    return {
        "filters": filters,
        "query": query_of(filters),
        "frames": frames,
        "has_frames": bool(frames),
        "after": listing.after,
        "after_query": query_of({**filters, "after": listing.after}),
        "shown": len(listing.rows),
        **choices_among(found, filters),
        **now_standing,
        "is_clear": not (listing.rows or now_standing["is_filtered"]) and filters["tab"] == "ready",
        "pace": own_pace,
        "minutes_left": minutes_left(own_pace, now_standing["total"]),
        "section": "review",
    }


def minutes_left(pace: float | None, ready: int) -> int | None:
    return max(1, round(pace * ready / 60)) if pace else None


def standing(member: Member, filters: dict, cards: list) -> dict:
    """What a poll may change: counts, the live row, the poller itself."""
    around = shell.around(member, filters["persona"])
    scope = around["scope"]
    counted = counted_of(scope, filters)
    decided = scope.tally.decided if scope.tally else 0
    if filters["persona"]:  # the day is counted for everybody together
        decided = None
    return {
        **around,
        "tabs": tabs(filters, counted, decided),
        "tally": scope.tally,
        "cards": rows.cards.of_all(cards, partial(whole, member)),
        "in_flight": scope.tab("generating"),
        "first_within": partial(first_within, member),  # asked only where it is shown
        "line": line_of(member, scope),
        "troubles": scope.rows("attention"),
        "loose": loose_of(member, scope, filters),
        "checked_at": max((post.looked_at for post in cards if post.looked_at), default=None),
        "stamp": int(now().timestamp()),
        "every": pace_of_polling(scope),
        "for_you": notes.for_member(member) if scope.has_notes else [],
        "total": decided if filters["tab"] == "decided" else counted.tab(filters["tab"]),
        "is_filtered": any(filters[name] for name in FILTERS),
        "poll_query": urlencode({name: kept for name, kept in filters.items() if kept and name != "after"}),
    }


def standing_total(member: Member, filters: dict) -> int:
    """How many posts the view holds; of what no scope counts at most a thousand."""
    if filters["tab"] == "decided" or any(filters[name] for name in UNCOUNTED):
        return matching(member, filters).values("pk")[:COUNTED].count()
    if filters["persona"]:
        counted = scopes.of_persona(member.workspace_id, filters["persona"]) or Scope()
    else:
        counted = scopes.desk(member.workspace)
    return counted.tab(filters["tab"])


class Tab(NamedTuple):
    name: str
    label: str
    count: int | None  # None: not counted
    is_current: bool
    query: str


def tabs(filters: dict, scope: Scope, decided: int | None) -> tuple[Tab, ...]:
    kept = {name: filters[name] for name in (*FILTERS, "view")}
    return tuple(
        Tab(
            name,
            label,
            count=decided if name == "decided" else scope.rows(name),
            is_current=name == filters["tab"],
            query=query_of({**kept, "tab": name}),
        )
        for name, label in TABS
    )


def filters_of(request) -> dict:
    return dict(_filters(request.GET.urlencode()))


@lru_cache(256)
def _filters(query: str) -> dict:
    return QueueFilter(QueryDict(query)).values()


def query_of(filters: dict) -> str:
    """The query string that gives this view again, without what is the default."""
    return _query_of(tuple(filters.items()))


@lru_cache(1024)
def _query_of(filters: tuple) -> str:
    default = {"tab": "ready", "view": "grid"}
    default["order"] = "newest" if dict(filters).get("tab") == "decided" else "oldest"
    kept = {name: str(value) for name, value in filters if value and default.get(name) != value}
    return f"?{urlencode(kept)}" if kept else ""


def normal(query: str) -> str:
    """A query string as the queue's own form would write it: nothing foreign is kept, and no page."""
    filters = QueueFilter(QueryDict(query.lstrip("?"))).values()
    return query_of({**filters, "after": ""})


def came_in(request) -> str:
    """The view that an address names, or that the page stood in which a plain form was sent from."""
    before = fragments.parts_of(request.headers.get("Referer", "")).query
    return normal(request.META["QUERY_STRING"]) or normal(before)


def counted_of(desk: Scope, filters: dict) -> Scope:
    """The desk, or what a persona's posts come to; nothing of one that is not there."""
    return (desk.counted or Scope()) if filters["persona"] else desk


def matching(member: Member, filters: dict):
    """The posts of the view, in no order."""
    posts = GeneratedPost.objects.visible_to(member)
    if filters["tab"] == "decided":
        posts = posts.filter(decided_at__gte=midnight(member)).filter(desk__in=DESK_TABS["decided"])
    elif filters["tab"] == "ready":
        posts = posts.filter(desk="ready")
    elif filters["tab"] == "generating":
        posts = posts.in_flight()
    else:
        posts = posts.open().on_tab(filters["tab"])
    return narrowed(aged(posts, filters["age"], member), filters)


def narrowed(posts, filters: dict):
    """Those of the posts that the filters beside the tabs let through."""
    if filters["persona"]:
        posts = posts.filter(persona_id=filters["persona"])
    if filters["type"]:
        posts = posts.filter(kind=filters["type"])
    if filters["source"]:
        posts = posts.filter(handle=filters["source"])
    if filters["q"]:
        posts = posts.filter(search(filters["q"]))
    return posts


def aged(posts, span: str, member: Member):
    """Those made in the span that the filter names; by the clock, so that an index can walk to it."""
    if span == "hour":
        return posts.filter(made_at__gt=now() - timedelta(hours=1))
    if span == "today":
        return posts.filter(made_at__gte=midnight(member))
    if span in OLDER_THAN:
        return posts.filter(made_at__lt=now() - OLDER_THAN[span])
    return posts


def everything(member: Member, filters: dict) -> tuple[dict, paging.Shown]:
    """What stands beside the posts, by its kind, and a page of the posts: what it takes to find them
    rendered, and to go on. Of what is ready and stands in an index both come by one query.
    """
    is_ready = filters["tab"] == "ready"
    if not is_indexed(filters):
        return found_by(_both if is_ready else _offered, member, filters), walked(member, filters)
    newest_first, place = filters["order"] == "newest", paging.read_cursor(filters["after"])
    named = tuple(name for name in GIVEN if filters[name])
    view = newest_first, named, bool(place)
    at, pk = place or (None, None)
    values = {name: filters[name] for name in named} | {"at": at, "pk": pk}
    if is_ready:
        found = found_by(_ready(*view), member, filters, **values)
        listed = sorted(found["listed"], key=attrgetter("at", "pk"), reverse=newest_first)
    else:
        found = found_by(_offered, member, filters)
        listed = _listing(filters["tab"], *view)(workspace=member.workspace_id, **values)
    return found, paging.cut(listed, "at")


def is_indexed(filters: dict) -> bool:
    """Whether the posts of the view stand in an index in their order."""
    is_walked = filters["order"] == "persona" or filters["tab"] == "decided"
    return not (is_walked or filters["q"] or filters["age"])


def walked(member: Member, filters: dict) -> paging.Shown:
    """A page of a view that no index holds as it is."""
    order = order_of(member, filters)
    if filters["order"] == "persona":
        posts = matching(member, filters).values_list("pk", "version", order.column, "persona_id", named=True)
        return order.page(posts, filters["after"])
    posts = matching(member, filters).values_list("pk", "version", order.column, named=True)
    return paging.shown(posts, order.column, newest_first=order.newest_first, after=filters["after"])


def order_of(member: Member, filters: dict) -> ordering.ByTime:
    column = "decided_at" if filters["tab"] == "decided" else "made_at"
    if filters["order"] == "persona":
        return ordering.by_persona(member, filters["tab"], column, newest_first=column == "decided_at")
    return ordering.ByTime(column, newest_first=filters["order"] == "newest")


GIVEN = {
    "persona": Given("persona", UUIDField()),
    "type": Given("type", CharField()),
    "source": Given("source", CharField()),
}
BEHIND = (Given("at", DateTimeField()), Given("pk", UUIDField()))


def indexed(tab: str, newest_first: bool, named: tuple[str, ...], is_behind: bool):
    """A page of a tab, narrowed by the filters that are `named`."""
    filters = ANY | {"tab": tab} | {name: GIVEN[name] for name in named}
    place = BEHIND if is_behind else None
    return paging.behind(matching(ANYBODY, filters), "made_at", place, newest_first=newest_first)


@cache
def _listing(*view) -> Prepared:
    return Prepared(
        lambda: indexed(*view).annotate(at=F("made_at")).values_list("pk", "version", "at", named=True)
    )


@cache
def _ready(*view) -> Prepared:
    """With all that stands beside it."""
    listed = {"number": F("version"), "at": F("made_at")}
    return Prepared(lambda: together(few(indexed("ready", *view), "listed", **listed), *beside(), *offered()))


AT_ONCE = paging.FRAMES
_whole = Prepared(
    lambda: (
        GeneratedPost.objects.visible_to(ANYBODY)
        .only(*rows.SHOWN)
        .filter(pk__in=[Given(f"pk{number}", UUIDField()) for number in range(AT_ONCE)])
    )
)


def whole(member: Member, keys: list) -> list[GeneratedPost]:
    """The posts of so many keys, at most a page of them."""
    places = islice(cycle(keys), AT_ONCE)  # those left over name a key again
    named = {f"pk{number}": key for number, key in enumerate(places)}
    return _whole(workspace=member.workspace_id, **named)


def search(text: str) -> Q:
    """Caption, account or number."""
    text = text.strip().replace("\x00", "")
    found = Q(caption__icontains=text) | Q(handle__icontains=text.lstrip("@"))
    if text.lstrip("#").isdecimal() and len(text) < 10:
        found |= Q(number=int(text.lstrip("#")))
    return found


class Line(NamedTuple):
    """What the queries of a page are united by: each kind of thing fills the columns that it needs."""

    pk: UUID | None
    number: int
    at: datetime | None
    looked_at: datetime | None
    text: str

    @property
    def version(self) -> int:
        return self.number


COLUMNS = {
    "pk_told": Cast(None, UUIDField()),
    "number_told": Value(0, IntegerField()),
    "at_told": Cast(None, DateTimeField()),
    "looked_told": Cast(None, DateTimeField()),
    "text_told": Value("", CharField()),
}


def lines(rows, what: str, **told):
    told = {f"{name}_told": column for name, column in told.items()}
    return rows.annotate(what=Value(what), **(COLUMNS | told)).values_list("what", *COLUMNS)


def few(rows, what: str, **told):
    """Of a list that is cut. Where a union takes no such list it is found first, its rows by their keys."""
    if not connection.features.supports_slicing_ordering_in_compound:
        rows = rows.model.objects.filter(pk__in=rows.values("pk")).order_by()
    return lines(rows, what, pk=F("pk"), **told)


def beside() -> list:
    """What is being made, what went wrong and what the member decided last: a few of each."""
    posts = GeneratedPost.objects.visible_to(ANYBODY)
    one_by_one = Decision.objects.filter(by_id=ANYBODY.pk, item=None, hold__count=1)
    decided = one_by_one.filter(at__gte=Given("since", DateTimeField()))
    post = {"number": F("version"), "looked": F("looked_at")}
    making = posts.in_flight().order_by("asked_at")[:IN_FLIGHT_SHOWN]
    troubled = posts.open().on_tab("attention").order_by("-made_at")[:TROUBLES_SHOWN]
    return [
        few(making, "making", at=F("asked_at"), **post),
        few(troubled, "troubled", at=F("made_at"), **post),
        few(decided.order_by("-at")[:DECISIONS_TIMED], "decided", at=F("at")),
    ]


def offered() -> list:
    """The names of personas, the handles of sources, the reasons for rejecting, and of the saved views that
    these filters are one's own before another's.
    """
    reasons = Reason.objects.filter(workspace_id=ANYBODY.workspace_id)
    whose = Case(When(owner_id=ANYBODY.pk, then=0), default=1)
    named = SavedView.objects.visible_to(ANYBODY).filter(query=Given("query", CharField()))
    return [
        lines(Persona.objects.visible_to(ANYBODY).order_by(), "persona", pk=F("pk"), text=F("name")),
        lines(Source.objects.visible_to(ANYBODY).order_by(), "handle", text=F("handle")).distinct(),
        lines(reasons.order_by(), "reason", number=F("position"), text=F("text")),
        lines(named.order_by(), "view", number=whose, text=F("name")),
    ]


def together(first, *others):
    """In no order: SQLite would sort each part by itself."""
    return first.union(*others, all=True)


_beside = Prepared(lambda: together(*beside()))
_offered = Prepared(lambda: together(*offered()))
_both = Prepared(lambda: together(*beside(), *offered()))


def found_by(asked: Prepared, member: Member, filters: dict, **values) -> dict[str, list[Line]]:
    """The lines of each kind, by one query."""
    values |= {"since": now() - timedelta(hours=8), "query": query_of({**filters, "after": ""})}
    found: dict[str, list[Line]] = defaultdict(list)
    for what, *line in asked(workspace=member.workspace_id, member=member.pk, **values):
        found[what].append(Line(*line))
    return found


def cards_of(found: dict[str, list[Line]]) -> list[Line]:
    """What is being made, oldest first, then the latest of what went wrong."""
    troubled = sorted(found.get("troubled", ()), key=attrgetter("at"), reverse=True)
    return sorted(found.get("making", ()), key=attrgetter("at")) + troubled


class Loose(NamedTuple):
    """An operation that needs attention and has no post to say so: told as the trouble of a post is."""

    operation: Operation
    trouble: str
    face: dict


def loose_of(member: Member, scope: Scope, filters: dict) -> list[Loose]:
    """The newest of them, in front of the posts; filters that tell posts apart leave them out."""
    is_shown = filters["tab"] == "attention" and not filters["after"]
    if not (is_shown and scope.loose) or any(filters[name] for name in FILTERS if name != "persona"):
        return []
    found = Operation.objects.visible_to(member).loose()
    if filters["persona"]:
        found = found.filter(persona_id=filters["persona"])
    return [Loose(one, *desk.trouble_of(one)) for one in found[:LOOSE_SHOWN]]


def line_of(member: Member, scope: Scope) -> list:
    """The posts that have not begun, in their order: told beside the kept rows, which know of no other."""
    if not scope.pending:
        return []
    return list(
        GeneratedPost.objects.visible_to(member).in_line().values_list("pk", flat=True)[:IN_LINE_TOLD]
    )


def first_within(member: Member) -> str:
    """When the first of those being made should be ready, by the documented range; "" if all are late."""
    left = []
    making = GeneratedPost.objects.visible_to(member).in_flight().order_by("asked_at")
    for post in making.only("asked_at", "face")[:IN_FLIGHT_SHOWN]:
        if post.face:
            span = SPANS[post.face["media"]].faster(post.face.get("speed", 1.0))
            left.append(pace(span.high - age(post.asked_at, now())))
    soonest = min((seconds for seconds in left if seconds > 0), default=0)
    if not soonest:
        return ""
    return "a minute" if soonest <= 60 else f"{ceil(soonest / 60)} minutes"


def choices(member: Member, filters: dict) -> dict:
    return choices_among(found_by(_offered, member, filters), filters)


def choices_among(found: dict[str, list[Line]], filters: dict) -> dict:
    """What the filters and the dialog under Reject offer, and what these filters are called."""
    offers = {what: sorted(found[what], key=by_name) for what in ("persona", "handle", "reason", "view")}
    chosen, personas = filters["persona"], tuple((line.pk, line.text) for line in offers["persona"])
    return {
        "personas": personas,
        "handles": tuple(line.text for line in offers["handle"]),
        "reasons": [line.text for line in offers["reason"]],
        "ages": AGES,
        "view_name": offers["view"][0].text if offers["view"] else "",
        "is_persona_gone": bool(chosen) and chosen not in {pk for pk, _ in personas},
    }


def by_name(line: Line) -> tuple:
    """In the order that was given them, and by name within it."""
    return line.number, line.text.casefold()


def today(member: Member):
    return timezone.localdate(timezone=zone_of(member))


def midnight(member: Member) -> datetime:
    return datetime.combine(today(member), datetime.min.time(), zone_of(member)).astimezone(UTC)


def zone_of(member: Member):
    return ZoneInfo(member.workspace.time_zone)


def pace_of(decided: list[Line]) -> float | None:
    """The member's own seconds a decision; None until there are four in a row."""
    moments = sorted((line.at for line in decided), reverse=True)
    gaps = [(later - earlier).total_seconds() for later, earlier in pairwise(moments)]
    gaps = [gap for gap in gaps if gap < 300]
    return sum(gaps) / len(gaps) if len(gaps) >= 3 else None


def pace_of_polling(scope: Scope) -> float:
    """Seconds between polls of a page: 2 while something on it is in flight, 10 otherwise."""
    moving = scope.pending + scope.generating + scope.held + scope.sending + scope.publishing
    return max(0.5, pace(2.0 if moving else 10.0))


# ---- live ------------------------------------------------------------------------------------


@require_safe
def live_queue(request):
    """What moved since the page (or its last poll) was made; 204 if nothing did."""
    member = request.member
    looks.note(member)
    if str(member.desk_version) == request.GET.get("v"):
        return fragments.unchanged()
    filters = filters_of(request)
    found = found_by(_beside, member, filters) if filters["tab"] == "ready" else {}
    context = {
        "filters": filters,
        "query": query_of(filters),
        **standing(member, filters, cards_of(found)),
        **changed_since(member, request.GET.get("t", "")),
        "loaded": request.GET.get("loaded", ""),
        "is_clear": request.GET.get("clear") == "1",
        "fresh": fresh_since(member, filters, request.GET.get("loaded", "")),
        "oob": True,
    }
    return fragments.answer(request, "/", "reviewqueue/queue.html#live", context=context)


def changed_since(member: Member, stamp: str, **narrowed) -> dict:
    """The frames that moved, in that order. What is more than one answer takes comes with the next polls, so
    that a page that nobody looked at for an hour is told all of it."""
    since, place = moment(stamp), paging.read_cursor(stamp)
    posts = GeneratedPost.objects.visible_to(member).filter(**narrowed).only(*rows.SHOWN, "changed_here_at")
    if since:
        posts = posts.filter(changed_here_at__gte=since - OVERLAP)
    elif not place:
        return {"changes": []}
    found = list(paging.behind(posts, "changed_here_at", place, newest_first=False, size=CHANGES_SHOWN))
    told = paging.cut(found, "changed_here_at", size=CHANGES_SHOWN)
    changes = {"changes": [rows.frames.of(post) for post in told.rows]}
    return changes | {"goes_on": True, "stamp": quote(told.after), "every": 1} if told.after else changes


def fresh_since(member: Member, filters: dict, stamp: str) -> int:
    """How many posts became ready since the page was loaded, at most 99."""
    since = moment(stamp)
    if since is None or filters["tab"] != "ready":
        return 0
    posts = GeneratedPost.objects.visible_to(member).filter(desk="ready", ready_at__gt=since)
    shown = narrowed(aged(posts, filters["age"], member), filters)
    return len(shown.values_list("pk")[:NEW_AT_MOST])


def moment(stamp: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(max(0, int(stamp)), UTC)
    except (ValueError, OverflowError, OSError):
        return None
