"""Focus mode: one post beside its source, and the decisions on it."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch, Sum
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewqueue.forms.queue import QueueFilter
from reviewqueue.forms.review import DecisionForm, RegenerationForm, RejectionForm, StripForm
from reviewqueue.models import Decision, GeneratedPost, MediaItem, Operation, SourceMedia
from reviewqueue.rules import captions, money
from reviewqueue.rules.preflight import stops
from reviewqueue.services import generating, looks, pricing, reviewing
from reviewqueue.services import notes as team_notes
from reviewqueue.services.access import AlreadyOpen, NotAllowed, Stale
from reviewqueue.services.checks import checks
from reviewqueue.views import fragments, meanwhile, notes, queue, rows

BEFORE, BEHIND = 4, 20  # neighbours on the strip
HISTORY = 30
REASONS = 5


@dataclass
class Slot:
    """One place of the carousel: the newest take, the older ones, its source, and what can be done."""

    item: MediaItem
    takes: list[MediaItem]
    source: SourceMedia | None
    regenerate: money.Estimate
    voice: money.Estimate | None
    locked_until: object
    rejection: Decision | None  # held or sent
    open: Operation | None
    is_last: bool  # rejecting it would leave nothing
    is_shown: bool = False
    shown_take: MediaItem | None = None

    @property
    def number(self) -> int:
        return self.item.position + 1

    @property
    def is_out(self) -> bool:
        return self.item.is_rejected or self.rejection is not None

    @property
    def aspect(self) -> str:
        for file in (self.item.file, self.source.file if self.source else None):
            if file and file.is_here:
                return file.aspect
        return "4:5"


@require_safe
def review(request, post_id: UUID):
    """The post in focus, with the strip of its neighbours in the view it was opened from."""
    post = get_object_or_404(complete(GeneratedPost.objects.visible_to(request.member)), pk=post_id)
    filters = QueueFilter(request.GET).values()
    if not fragments.is_fragment(request):  # a part is fetched before it is looked at
        team_notes.see(request.member, post)
    context = {
        "filters": filters,
        "query": queue.query_of({**filters, "after": ""}),
        "section": "review",
        "tray_hint": True,
        **article(request.member, post, request.GET),
    }
    if fragments.is_fragment(request):
        context |= {"hidden": True, **continuation(request, filters)}
        return fragments.page(request, "reviewqueue/review.html", context, part="arriving")
    looks.note(request.member, post)
    context |= strip_of(request.member, post, filters)
    context["company"] = looks.Company.of(request.member, post)
    context["members"] = team_notes.people(request.member)
    return fragments.page(request, "reviewqueue/review.html", context)


@require_safe
def start(request):
    """The first post of the view that nobody else has open, and from now on this member has."""
    filters = QueueFilter(request.GET).values()
    query = queue.query_of({**filters, "after": ""})
    order = queue.order_of(request.member, filters)
    listing = queue.matching(request.member, filters).only("pk", "persona")
    free = listing.exclude(pk__in=looks.taken(request.member))
    first = next(iter(order.walk(free, None, 1) or order.walk(listing, None, 1)), None)
    if first is None:
        return HttpResponseRedirect(f"/{query}")
    looks.note(request.member, first)
    return HttpResponseRedirect(f"/review/{first.pk}/{query}")


@require_safe
def strip(request, post_id: UUID):
    """The frames behind this one, for the end of the strip. Without a script the strip begins anew there."""
    post = get_object_or_404(GeneratedPost.objects.visible_to(request.member), pk=post_id)
    filters = QueueFilter(request.GET).values()
    query = queue.query_of({**filters, "after": ""})
    if not fragments.is_fragment(request):
        return HttpResponseRedirect(f"/review/{post.pk}/{query}")
    context = {"filters": filters, "query": query, **behind(request.member, post, filters)}
    return fragments.page(request, "reviewqueue/review.html", context, part="strip_behind")


def continuation(request, filters: dict) -> dict:
    """The frames behind the last one on the page, where a post is fetched near the end of the strip."""
    form = StripForm(request.GET)
    if not form.is_valid() or not form.cleaned_data["behind"]:
        return {}
    last = GeneratedPost.objects.visible_to(request.member).filter(pk=form.cleaned_data["behind"]).first()
    return behind(request.member, last, filters) if last else {}


def complete(posts):
    """With all that the stage shows, in few queries."""
    takes = MediaItem.objects.select_related("file", "voice_file").order_by("position", "take")
    sources = SourceMedia.objects.select_related("file").order_by("position")
    standing = Decision.objects.filter(stands=True).select_related("operation", "hold")
    return posts.select_related("persona", "source_post", "workspace").prefetch_related(
        Prefetch("items", takes),
        Prefetch("source_post__media", sources),
        Prefetch("decisions", standing),
        Prefetch("operations", Operation.objects.open().order_by("created_at")),
    )


def article(member, post: GeneratedPost, wanted=None) -> dict:
    """Everything of one post that focus mode shows."""
    slots = slots_of(post)
    place(slots, wanted or {})
    current = [slot.item for slot in slots]
    found = checks(post, current)
    decided = next((one for one in post.decisions.all() if one.item_id is None and not one.is_first), None)
    opened = next((one for one in post.operations.all() if one.lock_group != "item"), None)
    is_open = post.desk in ("ready", "attention") and post.review_status == "pending_review"
    is_complete = bool(current) and all(item.is_complete for item in current)  # else the service refuses it
    can_decide = is_open and is_complete and not (decided or opened)
    spent = post.charges.aggregate(total=Sum("amount_cents"))["total"]
    stopped = stops(found)
    return {
        "post": post,
        "slots": slots,
        "shown": next((slot for slot in slots if slot.is_shown), None),
        "pieces": pieces_of(post),
        "checks": found,
        "stop": stopped[0] if stopped else None,
        "decided": decided,
        "first_approval": first_of_two(post) if can_decide else None,
        "open": opened,
        "spent": -spent if spent else post.total_cost_cents,
        "history": post.events.select_related("operation").order_by("-at", "-id")[:HISTORY],
        "veil": meanwhile.veil_of(post, decided, member),
        "can_decide": can_decide,
        "whole": pricing.cost_of_items(current, post.persona, pricing.prices(post.workspace)),
        "failed": failed_cost(post, current),
        "reasons": post.workspace.reasons.all(),
        "told": reasons_told(post),
        **notes.board(member, post),
    }


def first_of_two(post: GeneratedPost) -> Decision | None:
    """The approval that waits for a second one: of what is here now, and as long as that is the policy."""
    firsts = (one for one in post.decisions.all() if one.is_first and one.fingerprint == post.fingerprint)
    return next(firsts, None) if post.workspace.approvers == 2 else None


def reasons_told(post: GeneratedPost) -> list[Decision]:
    """Why it or an item of it was rejected, newest first; also what a new version has replaced since."""
    given = Decision.objects.filter(post=post).exclude(reason="")
    still = given.filter(verdict__in=("reject", "reject_item"), ended__in=("", "overtaken"))
    return list(still.select_related("item").order_by("-at")[:REASONS])


def pieces_of(post: GeneratedPost) -> list[captions.Piece]:
    source = post.source_post
    return captions.changes(source.caption if source else "", post.caption, source.handle if source else "")


def failed_cost(post: GeneratedPost, items: list[MediaItem]) -> dict | None:
    failed = [item for item in items if item.status == "failed"]
    if not failed:
        return None
    price = pricing.prices(post.workspace)
    return {"count": len(failed), "cost": pricing.cost_of_items(failed, post.persona, price)}


def slots_of(post: GeneratedPost) -> list[Slot]:
    takes: dict[int, list[MediaItem]] = {}
    for item in post.items.all():
        takes.setdefault(item.position, []).append(item)
    sources = {part.position: part for part in post.source_post.media.all()} if post.source_post else {}
    rejections = {one.item_id: one for one in post.decisions.all() if one.item_id}
    opened = {one.item_id: one for one in post.operations.all() if one.lock_group == "item"}
    price = pricing.prices(post.workspace)
    current = [item for item in post.items.all() if item.is_current]
    left = [item for item in current if not item.is_rejected and item.pk not in rejections]
    return [
        Slot(
            item=item,
            takes=[take for take in takes[item.position] if take.take <= item.take],
            source=sources.get(item.position) or sources.get(0),
            regenerate=pricing.cost_of_items([item], post.persona, price),
            voice=money.voice(price, item.duration_seconds) if item.media_type == "video" else None,
            locked_until=generating.locked_until(item),
            rejection=rejections.get(item.pk),
            open=opened.get(item.pk),
            is_last=len(left) == 1 and left[0] is item,
        )
        for item in sorted(current, key=lambda item: item.position)
    ]


def place(slots: list[Slot], wanted) -> None:
    """Which item and which take the page opens on (`?item=3&take=A`)."""
    number = wanted.get("item", "")
    chosen = next((slot for slot in slots if str(slot.number) == number), slots[0] if slots else None)
    if chosen is None:
        return
    chosen.is_shown = True
    take = next((take for take in chosen.takes if take.letter == wanted.get("take")), None)
    chosen.shown_take = take if take and take is not chosen.item else None


def behind(member, post: GeneratedPost, filters: dict, order=None) -> dict:
    """The frames behind the post in the view, and whether there may be more."""
    order = order or queue.order_of(member, filters)
    listing = queue.matching(member, filters).defer("caption", "mark")
    found = order.walk(listing, order.place(post), BEHIND)
    return {"behind": found, "more_behind": len(found) == BEHIND}


def strip_of(member, post: GeneratedPost, filters: dict) -> dict:
    """Neighbours in the order of the view, and the place among them."""
    order = queue.order_of(member, filters)
    place = order.place(post)
    listing = queue.matching(member, filters)
    after = behind(member, post, filters, order)
    before = order.walk(listing.defer("caption", "mark"), place, BEFORE, back=True)[::-1]
    counted = listing.values_list("persona_id", named=True)
    position = 1 + len(order.walk(counted, place, queue.COUNTED, back=True))
    total = max(position, queue.standing_total(member, filters))
    return {
        "before": before,
        **after,
        "next": after["behind"][0] if after["behind"] else None,
        "previous": before[-1] if before else None,
        "position": position,
        "total": total,
        "short": max(0, len(str(total)) - len(str(position))),  # digits that it may still grow by
    }


# ---- live --------------------------------------------------------------------------------------


@require_safe
def live_post(request, post_id: UUID):
    """The parts of the post that moved since the version on the screen, and the banners if the desk did; 204
    if nothing moved."""
    member = request.member
    visible = GeneratedPost.objects.visible_to(member)
    ours = GeneratedPost.objects.filter(workspace_id=member.workspace_id)
    found = ours.annotate(around=looks.around(member))
    post = get_object_or_404(found.only("pk", "version", "workspace_id", "deleted_at"), pk=post_id)
    since = meanwhile.version_of(request.GET.get("v", ""))
    if post.deleted_at:  # meanwhile: the page that polls stays as it is
        return fragments.unchanged()
    looks.note(member, post)
    company = looks.Company(post.around, post)
    has_company = company.mark != request.GET.get("w", company.mark)
    has_seen = "named" in request.GET and team_notes.see(member, post)
    if since is not None and (post.version != since or has_seen):
        fresh = complete(visible).get(pk=post_id)
        if meanwhile.is_news(fresh, request.GET.get("f", ""), member):
            error = Stale(reviewing.what_changed(fresh, since))
            return in_place(request, fresh, error, since=since, status=200)
        return moved(request, fresh, since, company=company)
    has_desk_moved = request.GET.get("d", "") not in ("", str(member.desk_version))
    if has_company or has_desk_moved:
        parts = ["reviewqueue/review.html#presence", *["shell.html#banners"] * has_desk_moved]
        context = {"company": company, "in_focus": True}
        return fragments.answer(request, f"/review/{post.pk}/", *parts, context=context)
    return fragments.unchanged()


def moved(
    request, post: GeneratedPost, since: int, *, said: str = "", status: int = 200, **more
) -> HttpResponse:
    """The whole stage only if its items changed; a picture only if it is another one."""
    context = article(request.member, post, request.GET) | {
        "query": queue.query_of(QueueFilter(request.GET).values()),
        "oob": True,
        "since": since,
        "restaged": post.staged_in > since,
        **more,
    }
    parts = ["reviewqueue/review.html#moved"]
    if context.get("company"):
        parts.append("reviewqueue/review.html#presence")
    response = fragments.answer(request, f"/review/{post.pk}/", *parts, context=context, said=said)
    response.status_code = status
    return response


def in_place(request, post: GeneratedPost, error: Exception, *, since: int | None, status: int = 409):
    """The post as it was seen, greyed, with what happened to it meanwhile."""
    veil = meanwhile.refused(post, error, since)
    said = f"{veil.lead} {veil.rest}".strip()
    if fragments.asked_from(request).startswith("/review/"):
        if veil.state == "conflict":
            return moved(
                request, post, post.version if since is None else since, said=said, status=status, veil=veil
            )
        context = article(request.member, post) | {"veil": veil, "since": since or 0, "can_decide": False}
        context["query"] = queue.query_of(QueueFilter(request.GET).values())
        parts = ["reviewqueue/review.html#stale"]
    else:
        context = {"veil": veil, "post": post, "changes": [rows.frames.of(post)]}
        parts = ["reviewqueue/refused.html#plate", "reviewqueue/queue.html#changes"]
    response = fragments.answer(request, "/", *parts, context=context, said=said)
    response.status_code = status
    return response


# ---- decisions ---------------------------------------------------------------------------------


def _decided(request, decision: Decision):
    post = decision.post
    said = said_of(request, decision)
    here = fragments.asked_from(request)
    context = {"post": GeneratedPost.objects.get(pk=post.pk)}
    context["changes"] = [rows.frames.of(context["post"])]
    parts = (
        ["reviewqueue/review.html#strip_cell"]
        if here.startswith("/review/")
        else ["reviewqueue/queue.html#changes"]
    )
    response = fragments.answer(request, following(request, post), *parts, context=context, said=said)
    if here.startswith(("/library/", "/setup/")):  # these show more of it than the frame
        response["HX-Trigger"] = "loupe:look"
    return response


def said_of(request, decision: Decision) -> str:
    words = {"approve": "Approved", "reject": "Rejected", "compose": "Sent to compose"}[decision.verdict]
    if decision.is_first:
        return "First approval given. Somebody else gives the second"
    seconds = request.member.user.hold_seconds
    if seconds is None:
        return f"{words}. It is held until you send it"
    return f"{words}. {fragments.undo(request, seconds)}"


def following(request, post: GeneratedPost) -> str:
    """For a browser without script: the next post of the view, else the queue."""
    if "/review/" not in request.headers.get("Referer", ""):
        return fragments.came_from(request, "/library/", "/setup/") or f"/{queue.came_in(request)}"
    filters = QueueFilter(request.GET).values()
    coming = behind(request.member, post, filters)["behind"]
    taken = looks.taken(request.member)
    near = next((one for one in coming if one.pk not in taken), coming[0] if coming else None)
    query = queue.query_of({**filters, "after": ""})
    return f"/review/{near.pk}/{query}" if near else f"/{query}"


def _post(request, post_id: UUID) -> GeneratedPost:
    return get_object_or_404(GeneratedPost.objects.visible_to(request.member), pk=post_id)


def _decide(request, post_id: UUID, verb, form):
    post = _post(request, post_id)
    form.is_valid()
    try:
        decision = reviewing.decide(
            post,
            verb,
            by=request.member,
            fingerprint=form.cleaned_data.get("fingerprint", ""),
            token=form.cleaned_data["token"],
            reason=form.spoken() if isinstance(form, RejectionForm) else "",
        )
    except NotAllowed as error:
        return not_decided(request, error, form, post)
    return _decided(request, decision)


def not_decided(request, error: NotAllowed, form, post: GeneratedPost, item: MediaItem | None = None):
    """A script has kept what was typed and shows this in its place; else the page of reasons does both."""
    if isinstance(error, AlreadyOpen | Stale) and meanwhile.is_in_place(request):
        fresh = complete(GeneratedPost.objects.visible_to(request.member)).get(pk=post.pk)
        return in_place(request, fresh, error, since=meanwhile.version_seen(request))
    if fragments.is_fragment(request) or not any(map(form.data.get, ("reason", "words"))):
        raise error
    return reasons_page(request, post, item, refusal=str(error), typed=form.data)


def reasons_page(request, post: GeneratedPost, item: MediaItem | None = None, **refused) -> HttpResponse:
    """It rejects what was on the screen before it; what it shows itself where that is not told, or once it
    says why nothing was.
    """
    seen = "" if refused else request.GET.get("fingerprint", "")
    context = {"post": post, "item": item, "reasons": post.workspace.reasons.all(), "is_shown": not seen}
    context["fingerprint"] = seen or post.fingerprint
    context |= {"query": queue.came_in(request), **refused}
    return fragments.page(request, "reviewqueue/reasons.html", context, status=409 if refused else 200)


@require_POST
def approval(request, post_id: UUID):
    return _decide(request, post_id, reviewing.APPROVE, DecisionForm(request.POST))


@require_POST
def composition(request, post_id: UUID):
    return _decide(request, post_id, reviewing.COMPOSE, DecisionForm(request.POST))


@require_http_methods(["GET", "POST"])
def rejection(request, post_id: UUID):
    """POST decides; GET is the page of reasons for a browser without script."""
    if request.method == "POST":
        return _decide(request, post_id, reviewing.REJECT, RejectionForm(request.POST))
    return reasons_page(request, _post(request, post_id))


# ---- money and removal ---------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def regeneration(request, post_id: UUID):
    """GET is the bill: this is what it costs, and what else would do. POST is the yes."""
    if request.method == "GET":
        post = get_object_or_404(complete(GeneratedPost.objects.visible_to(request.member)), pk=post_id)
        context = article(request.member, post) | {"balance_after": balance_after(post, post.workspace)}
        return fragments.page(request, "reviewqueue/bill_regenerate.html", context, part="dialog")
    form = RegenerationForm(request.POST)
    if not form.is_valid():
        return HttpResponse("Choose what to make anew.", status=422)
    post = _post(request, post_id)
    failed_only = form.cleaned_data["scope"] == "failed"
    generating.regenerate_post(
        post, by=request.member, token=form.cleaned_data["token"], failed_only=failed_only
    )
    return acted(request, post, "Retry is queued" if failed_only else "Regeneration is queued")


def balance_after(post, workspace) -> int | None:
    estimate = pricing.cost_of_items(list(post.items.current()), post.persona, pricing.prices(workspace))
    if workspace.balance_cents is None or not estimate.known:
        return None
    return workspace.balance_cents - estimate.high_cents


@require_http_methods(["GET", "POST"])
def deletion(request, post_id: UUID):
    """GET asks, as it cannot be taken back; POST deletes."""
    post = _post(request, post_id)
    if request.method == "GET":
        return fragments.page(request, "reviewqueue/ask_delete.html", {"post": post}, part="dialog")
    form = DecisionForm(request.POST)
    form.is_valid()
    generating.delete_post(post, by=request.member, token=form.cleaned_data["token"])
    response = fragments.answer(request, "/", said="The post is being deleted")
    response["HX-Trigger"] = "loupe:look"
    return response


def acted(request, post: GeneratedPost, said: str, item: MediaItem | None = None):
    """After something was asked for a post: its parts on the page that asked."""
    here = fragments.asked_from(request)
    if here.startswith("/review/"):
        since = meanwhile.version_seen(request)
        fresh = complete(GeneratedPost.objects.visible_to(request.member)).get(pk=post.pk)
        return moved(request, fresh, fresh.version if since is None else since, said=said)
    fresh = GeneratedPost.objects.get(pk=post.pk)
    place = queue.came_in(request)
    back = fragments.came_from(request, "/library/", "/setup/") or f"/{place}"
    if item:
        place += f"{'&' if place else '?'}item={item.position + 1}"
    # A question about an item without script is a page of its own; it leads back to the post.
    came = fragments.came_from(request, "/review/", "/items/")
    to = f"/review/{post.pk}/{place}" if came else back
    context = {"changes": [rows.frames.of(fresh)]}
    response = fragments.answer(request, to, "reviewqueue/queue.html#changes", context=context, said=said)
    response["HX-Trigger"] = "loupe:look"
    return response
