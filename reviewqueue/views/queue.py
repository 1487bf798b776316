"""The review queue: what waits for a decision, and what is on its way."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from reviewqueue.clock import now, pace
from reviewqueue.forms.queue import QueueFilter
from reviewqueue.forms.review import ManyForm
from reviewqueue.models import GeneratedPost, Member, Persona, Scope, Source, Tally
from reviewqueue.rules.states import DESK_TABS
from reviewqueue.services import looks, reviewing, scopes, setup
from reviewqueue.views import fragments, paging, rows

TABS = (
    ("ready", "Ready"),
    ("generating", "Generating"),
    ("attention", "Needs attention"),
    ("held", "Held"),
    ("decided", "Decided today"),
)
IN_FLIGHT_SHOWN = 8
TROUBLES_SHOWN = 4
CHANGES_SHOWN = 60
OVERLAP = timedelta(seconds=3)  # a change is stamped before its commit
NEW_AT_MOST = 99


@require_safe
def queue(request):
    filters = QueueFilter(request.GET).values()
    context = page_of(request.member, filters)
    left = setup_left(request.member, context["scope"])
    if left == setup.KEY and not request.GET:
        return redirect("/setup/")
    return fragments.page(request, "reviewqueue/queue.html", context | {"setup_left": left}, part="page")


def setup_left(member: Member, scope: Scope) -> str:
    """A new workspace has nothing to review: its admin is led to what there is to set up first."""
    if any(map(scope.tab, DESK_TABS)) or not member.may("key.change"):
        return ""
    return setup.left(member.workspace)


def page_of(member: Member, filters: dict) -> dict:
    listing = listed(member, filters)
    now_standing, own_pace = standing(member, filters), pace_of(member)
    return {
        "filters": filters,
        "query": query_of(filters),
        "frames": [rows.frames.of(post) for post in listing.rows],
        "first": listing.rows[0] if listing.rows else None,
        "after": listing.after,
        "after_query": query_of({**filters, "after": listing.after}),
        "shown": len(listing.rows),
        **choices(member),
        **now_standing,
        "pace": own_pace,
        "minutes_left": minutes_left(own_pace, now_standing["scope"].ready),
        "section": "review",
        "reasons": member.workspace.reasons.all(),
    }


def minutes_left(pace: float | None, ready: int) -> int | None:
    return max(1, round(pace * ready / 60)) if pace else None


def standing(member: Member, filters: dict) -> dict:
    """What a poll may change: counts, the live row, the poller itself."""
    scope = scopes.desk(member.workspace)
    counted = scope_of(member, filters) or scope
    tally = Tally.objects.filter(workspace_id=member.workspace_id, day=today(member)).first()
    decided = tally.decided if tally else 0
    live = live_row(member)
    return {
        "scope": scope,
        "tabs": tabs(filters, counted, decided),
        "tally": tally,
        "cards": [rows.cards.of(post) for post in live],
        "in_flight": scope.tab("generating"),
        "troubles": scope.tab("attention"),
        "checked_at": max((post.looked_at for post in live if post.looked_at), default=None),
        "stamp": int(now().timestamp()),
        "every": pace_of_polling(scope),
        "total": decided if filters["tab"] == "decided" else counted.tab(filters["tab"]),
        "is_filtered": any(filters[name] for name in ("q", "persona", "type", "source")),
        "poll_query": urlencode({name: kept for name, kept in filters.items() if kept and name != "after"}),
    }


def standing_total(member: Member, filters: dict) -> int:
    """How many posts the view holds, as far as the counts tell (a search has no count)."""
    counted = scope_of(member, filters) or scopes.desk(member.workspace)
    return counted.tab(filters["tab"])


def tabs(filters: dict, scope: Scope, decided: int) -> list[dict]:
    kept = {name: filters[name] for name in ("persona", "type", "source", "q", "view")}
    return [
        {
            "name": name,
            "label": label,
            "count": decided if name == "decided" else scope.tab(name),
            "is_current": name == filters["tab"],
            "query": query_of({**kept, "tab": name}),
        }
        for name, label in TABS
    ]


def query_of(filters: dict) -> str:
    """The query string that gives this view again, without what is the default."""
    default = {"tab": "ready", "view": "grid"}
    default["order"] = "newest" if filters.get("tab") == "decided" else "oldest"
    kept = {name: str(value) for name, value in filters.items() if value and default.get(name) != value}
    return f"?{urlencode(kept)}" if kept else ""


def scope_of(member: Member, filters: dict) -> Scope | None:
    if not filters["persona"]:
        return None
    key = scopes.persona_key(filters["persona"])
    return Scope.objects.filter(workspace_id=member.workspace_id, key=key).first()


def matching(member: Member, filters: dict):
    """The posts of the view, in no order."""
    posts = GeneratedPost.objects.visible_to(member)
    if filters["tab"] == "decided":
        posts = posts.filter(decided_at__gte=midnight(member)).filter(desk__in=DESK_TABS["decided"])
    elif filters["tab"] == "ready":
        posts = posts.filter(desk="ready")
    else:
        posts = posts.on_tab(filters["tab"])
    return narrowed(posts, filters)


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


def listed(member: Member, filters: dict) -> paging.Shown:
    """The posts of the view, one page of them."""
    column = "decided_at" if filters["tab"] == "decided" else "made_at"
    newest_first, posts = filters["order"] == "newest", matching(member, filters).defer("caption", "mark")
    return paging.shown(posts, column, newest_first=newest_first, after=filters["after"])


def search(text: str) -> Q:
    """Caption, account or number."""
    text = text.strip().replace("\x00", "")
    found = Q(caption__icontains=text) | Q(handle__icontains=text.lstrip("@"))
    if text.lstrip("#").isdecimal() and len(text) < 10:
        found |= Q(number=int(text.lstrip("#")))
    return found


def live_row(member: Member) -> list[GeneratedPost]:
    """What is being made, oldest first, then what went wrong."""
    posts = GeneratedPost.objects.visible_to(member).defer("caption", "mark")
    making = list(posts.in_flight().order_by("asked_at")[:IN_FLIGHT_SHOWN])
    return making + list(posts.on_tab("attention").order_by("-made_at")[:TROUBLES_SHOWN])


def choices(member: Member) -> dict:
    """What the filters offer."""
    personas = Persona.objects.visible_to(member).order_by("name").values_list("pk", "name")
    handles = Source.objects.visible_to(member).order_by("handle").values_list("handle", flat=True).distinct()
    return {"personas": list(personas), "handles": list(handles)}


def today(member: Member):
    return timezone.localdate(timezone=zone_of(member))


def midnight(member: Member) -> datetime:
    return datetime.combine(today(member), datetime.min.time(), zone_of(member)).astimezone(UTC)


def zone_of(member: Member):
    return ZoneInfo(member.workspace.time_zone)


def pace_of(member: Member) -> float | None:
    """The member's own seconds a decision, from their last twenty; None until there are four in a row."""
    recent = member.decisions.filter(item=None, at__gte=now() - timedelta(hours=8)).order_by("-at")
    made = list(recent.values_list("at", flat=True)[:20])
    gaps = [(later - earlier).total_seconds() for later, earlier in pairwise(made)]
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
    if str(scopes.version(member.workspace_id)) == request.GET.get("v"):
        return fragments.unchanged()
    filters = QueueFilter(request.GET).values()
    context = {
        "filters": filters,
        "query": query_of(filters),
        **standing(member, filters),
        "changes": [rows.frames.of(post) for post in changed_since(member, request.GET.get("t", ""))],
        "loaded": request.GET.get("loaded", ""),
        "fresh": fresh_since(member, filters, request.GET.get("loaded", "")),
        "oob": True,
    }
    return fragments.answer(request, "/", "reviewqueue/queue.html#live", context=context)


def changed_since(member: Member, stamp: str) -> list[GeneratedPost]:
    since = moment(stamp)
    if since is None:
        return []
    posts = GeneratedPost.objects.visible_to(member).filter(changed_here_at__gte=since - OVERLAP)
    return list(posts.defer("caption", "mark").order_by("-changed_here_at")[:CHANGES_SHOWN])


def fresh_since(member: Member, filters: dict, stamp: str) -> int:
    """How many posts became ready since the page was loaded, at most 99."""
    since = moment(stamp)
    if since is None or filters["tab"] != "ready":
        return 0
    posts = GeneratedPost.objects.visible_to(member).filter(desk="ready", ready_at__gt=since)
    if filters["persona"]:
        posts = posts.filter(persona_id=filters["persona"])
    return len(posts.values_list("pk")[:NEW_AT_MOST])


def moment(stamp: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(max(0, int(stamp)), UTC)
    except (ValueError, OverflowError, OSError):
        return None


# ---- many at once ------------------------------------------------------------------------------


def _decide_many(request, verb):
    form = ManyForm(request.POST)
    form.is_valid()
    seen = form.seen()
    posts = GeneratedPost.objects.visible_to(request.member).filter(pk__in=seen).order_by("made_at", "id")
    token, reason = form.cleaned_data["token"], form.spoken()
    outcomes = reviewing.decide_many(
        list(posts), verb, by=request.member, seen=seen, token=token, reason=reason
    )
    refused = [outcome for outcome in outcomes if outcome.decision is None]
    changed = GeneratedPost.objects.filter(pk__in=seen)
    context = {
        "changes": [rows.frames.of(post) for post in changed],
        "outcomes": refused,
        "done": len(outcomes) - len(refused),
    }
    said = f"{len(outcomes) - len(refused)} decided" + (f", {len(refused)} not" if refused else "")
    return fragments.answer(request, "/", "reviewqueue/queue.html#decided_many", context=context, said=said)


@require_POST
def approvals(request):
    return _decide_many(request, reviewing.APPROVE)


@require_POST
def rejections(request):
    return _decide_many(request, reviewing.REJECT)


@require_POST
def compositions(request):
    return _decide_many(request, reviewing.COMPOSE)
