"""The library: every post there is, and each one's own page with all that is known of it."""

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID
from zlib import crc32

from django.db.models import Count, Prefetch
from django.db.models.functions import Left
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from reviewqueue.clock import now, pace
from reviewqueue.forms.library import DEFAULTS, LibraryFilter
from reviewqueue.models import (
    Attempt,
    Decision,
    Delivery,
    GeneratedPost,
    MediaItem,
    Member,
    Operation,
    OutgoingPost,
    Scope,
    SourceMedia,
)
from reviewqueue.rules import money
from reviewqueue.rules.states import LIBRARY_TABS
from reviewqueue.services import generating, looks, notes, pricing
from reviewqueue.views import fragments, meanwhile, paging, queue, rows, shell
from reviewqueue.views.notes import board
from reviewqueue.views.posts import pieces_of

TABS = (
    ("all", "All"),
    ("ready", "Ready"),
    ("generating", "Generating"),
    ("held", "Held"),
    ("composing", "In compose"),
    ("published", "Published"),
    ("rejected", "Rejected"),
    ("attention", "Needs attention"),
)
EXCERPT = 160  # characters of a request or an answer in the list
OPERATIONS, HISTORY = 60, 200


@require_safe
def library(request):
    filters = LibraryFilter(request.GET).values()
    posts = matching(request.member, filters)
    listing = paging.shown(
        posts, "made_at", newest_first=filters["order"] == "newest", after=filters["after"]
    )
    context = {
        "filters": filters,
        "frames": [rows.frames.of(post) for post in listing.rows],
        "after_query": query_of({**filters, "after": listing.after}) if listing.after else "",
        "shown": len(listing.rows),
        "section": "library",
        "reasons": request.member.workspace.reasons.all(),
        **standing(request.member, filters),
        **queue.choices(request.member, filters),
    }
    part = "next" if filters["after"] else ""
    return fragments.page(request, "reviewqueue/library.html", context, part=part)


@require_safe
def live_library(request):
    """What moved since the page (or its last poll) was made; 204 if nothing did."""
    member = request.member
    if str(member.desk_version) == request.GET.get("v"):
        return fragments.unchanged()
    filters = LibraryFilter(request.GET).values()
    context = standing(member, filters) | queue.changed_since(member, request.GET.get("t", ""))
    return fragments.answer(request, "/library/", "reviewqueue/library.html#live", context=context)


def matching(member: Member, filters: dict):
    posts = GeneratedPost.objects.visible_to(member).defer("caption", "mark")
    if filters["tab"] != "all":
        posts = posts.filter(desk__in=LIBRARY_TABS[filters["tab"]])
    return queue.narrowed(queue.aged(posts, filters["age"], member), filters)


def standing(member: Member, filters: dict) -> dict:
    """What a poll may change: the counts of the tabs, and the poller itself."""
    around = shell.around(member, filters["persona"])
    scope = around["scope"]
    counted = queue.counted_of(scope, filters)
    is_searched = any(filters[name] for name in ("q", "type", "source", "age"))
    return {
        **around,
        "line": queue.line_of(member, scope),
        "tabs": tabs(filters, counted),
        "total": None if is_searched else count(counted, filters["tab"]),
        "is_filtered": is_searched or bool(filters["persona"]),
        "stamp": int(now().timestamp()),
        "every": queue.pace_of_polling(scope),
        "poll_query": urlencode({name: kept for name, kept in filters.items() if kept and name != "after"}),
    }


def tabs(filters: dict, scope: Scope) -> list[dict]:
    kept = {name: filters[name] for name in (*queue.FILTERS, "view", "order")}
    return [
        {
            "name": name,
            "label": label,
            "count": count(scope, name),
            "is_current": name == filters["tab"],
            "query": query_of({**kept, "tab": name}),
        }
        for name, label in TABS
    ]


def count(scope: Scope, tab: str) -> int:
    return sum(getattr(scope, place) for place in LIBRARY_TABS[tab])


def query_of(filters: dict) -> str:
    """The query string that gives this view again, without what is the default."""
    kept = {name: str(value) for name, value in filters.items() if value and DEFAULTS.get(name) != value}
    return f"?{urlencode(kept)}" if kept else ""


# ---- one post --------------------------------------------------------------------------------------


@dataclass
class Strip:
    """One place of the post: its source, and every version made for it, oldest first."""

    position: int
    source: SourceMedia | None
    takes: list["Version"]
    regenerate: money.Estimate | None  # None: not now
    is_only: bool
    has_new: bool = False  # a version has come that the page does not show yet

    @property
    def number(self) -> int:
        return self.position + 1


@dataclass
class Version:
    """One version of an item, with what was decided about it and what is under way."""

    item: MediaItem
    decisions: list[Decision]
    open: Operation | None
    locked_until: object
    is_new: bool = False


@require_safe
def post(request, post_id: UUID):
    """All that is known of one post. One that was deleted keeps its page: the record stays."""
    found = get_object_or_404(whole(request.member.workspace.posts), pk=post_id)
    looks.note(request.member, found)
    notes.see(request.member, found)
    context = {**everything(request.member, found), "section": "library"}
    context["members"] = notes.people(request.member)
    return fragments.page(request, "reviewqueue/library_post.html", context)


@require_safe
def live_post(request, post_id: UUID):
    """The parts that moved since what is on the screen; 204 if none did.

    A picture or a video is sent anew only if it is another one.
    """
    posts = request.member.workspace.posts
    marked = posts.only("pk", "version", "workspace_id").annotate(bills=Count("charges"))
    row = get_object_or_404(marked, pk=post_id)
    looks.note(request.member, row)
    since = meanwhile.version_of(request.GET.get("v", "").partition(".")[0])
    if request.GET.get("v") == f"{row.version}.{row.bills}" or since is None:
        return fragments.unchanged()
    notes.see(request.member, row)
    return moved(request, whole(posts).get(pk=post_id), since)


def moved(request, post: GeneratedPost, since: int) -> HttpResponse:
    """The page says in `have` how many versions of each item it shows ("1.2.1"), in `caption` which one."""
    context = everything(request.member, post) | {"since": since}
    context["recaptioned"] = request.GET.get("caption") != context["caption_mark"]
    have = map(meanwhile.version_of, request.GET.get("have", "").split("."))
    shown = [count for count in have if count is not None]
    strips = context["strips"]
    context["relaid"] = len(shown) != len(strips) or any(
        len(strip.takes) < count for strip, count in zip(strips, shown, strict=True)
    )
    for strip, already in zip(strips, shown, strict=False):
        for version in strip.takes[already:]:
            version.is_new = strip.has_new = True
    return fragments.answer(
        request, f"/library/{post.pk}/", "reviewqueue/library_post.html#moved", context=context
    )


def whole(posts):
    """With all that the page shows, in few queries."""
    exchanges = (
        Attempt.objects.filter(number__gt=0)
        .annotate(asked=Left("request", EXCERPT), said=Left("answer", EXCERPT))
        .defer("request", "answer", "headers")
    )
    operations = Operation.objects.order_by("-created_at", "-id").prefetch_related(
        Prefetch("exchanges", exchanges)
    )
    deliveries = Delivery.objects.select_related("account").order_by("username", "id")
    return posts.select_related("persona", "source_post", "workspace").prefetch_related(
        Prefetch(
            "items",
            MediaItem.objects.select_related("file", "voice_file").order_by("position", "take"),
        ),
        Prefetch("source_post__media", SourceMedia.objects.select_related("file").order_by("position")),
        Prefetch("decisions", Decision.objects.select_related("item", "hold").order_by("-at")),
        Prefetch("operations", operations),
        Prefetch("outgoing", OutgoingPost.objects.order_by("-asked_at")),
        Prefetch("outgoing__deliveries", deliveries),
        "charges",
    )


def everything(member: Member, post: GeneratedPost) -> dict:
    operations = list(post.operations.all())
    open_one = next((one for one in operations if one.is_open and one.lock_group != "item"), None)
    strips = strips_of(post, operations, may_change=not open_one and is_changeable(post))
    decisions = list(post.decisions.all())
    current = [version.item for strip in strips for version in strip.takes if version.item.is_current]
    failed = [item for item in current if item.status == "failed"]
    price = pricing.prices(post.workspace)
    return {
        "post": post,
        "strips": strips,
        "stamp": f"{post.version}.{len(post.charges.all())}",
        "have": ".".join(str(len(strip.takes)) for strip in strips),
        "caption_mark": f"{crc32(post.caption.encode()):08x}",
        "items_count": len(current),
        "open": open_one,
        "trouble_operation": next((one for one in operations if one.state in ("failed", "absent")), None),
        "may_change": not open_one and is_changeable(post),
        "whole": pricing.cost_of_items(current, post.persona, price),
        "failed_count": len(failed),
        "failed_cost": pricing.cost_of_items(failed, post.persona, price) if failed else None,
        "pieces": pieces_of(post),
        "outgoing": list(post.outgoing.all()),
        "decisions": decisions,
        "operations": operations[:OPERATIONS],
        "history": post.events.select_related("operation").order_by("-at", "-id")[:HISTORY],
        "every": max(0.5, pace(2.0 if is_moving(post, operations) else 10.0)),
        "deleted_by": post.events.filter(name="post.deleted").order_by("-at").first()
        if post.deleted_at
        else None,
        **money_of(post),
        **board(member, post),
    }


def is_changeable(post: GeneratedPost) -> bool:
    """Nothing is made anew of what is deleted, out, or was never made."""
    is_out = post.review_status == "published" or post.desk in ("published", "publishing")
    return bool(post.upstream_id) and not post.deleted_at and not is_out


def is_moving(post: GeneratedPost, operations: list[Operation]) -> bool:
    under_way = post.desk in ("pending", "generating", "held", "sending", "publishing")
    return under_way or any(operation.is_open for operation in operations)


def money_of(post: GeneratedPost) -> dict:
    """Its transactions, newest first, and what they come to; the service's own total where there are none."""
    charges = sorted(post.charges.all(), key=lambda charge: (charge.at, charge.amount_cents), reverse=True)
    spent = -sum(charge.amount_cents for charge in charges) if charges else post.total_cost_cents
    refunded = sum(charge.amount_cents for charge in charges if charge.amount_cents > 0)
    return {"charges": charges, "spent": spent, "refunded": refunded}


def strips_of(post: GeneratedPost, operations: list[Operation], *, may_change: bool) -> list[Strip]:
    takes: dict[int, list[MediaItem]] = {}
    for item in post.items.all():
        takes.setdefault(item.position, []).append(item)
    decided: dict = {}
    for decision in post.decisions.all():
        decided.setdefault(decision.item_id, []).append(decision)
    opened = {one.item_id: one for one in operations if one.is_open and one.item_id}
    sources = {part.position: part for part in post.source_post.media.all()} if post.source_post else {}
    price = pricing.prices(post.workspace)
    current = sum(item.is_current for item in post.items.all())
    strips = []
    for position, items in sorted(takes.items()):
        newest = items[-1]
        is_idle = may_change and newest.is_current and newest.is_ended and newest.pk not in opened
        strips.append(
            Strip(
                position=position,
                source=sources.get(position) or sources.get(0),
                takes=[
                    Version(
                        item, decided.get(item.pk, []), opened.get(item.pk), generating.locked_until(item)
                    )
                    for item in items
                ],
                regenerate=pricing.cost_of_items([newest], post.persona, price) if is_idle else None,
                is_only=current < 2,
            )
        )
    return strips
