"""Source posts: what was pulled from the accounts that are followed, and what can be made of it."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Prefetch, Q, Sum
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewqueue.clock import now, pace
from reviewqueue.forms.sources import MANY, CloneForm, GenerationForm, SourceFilter
from reviewqueue.models import GeneratedPost, Member, Persona, Source, SourceMedia, SourcePost, SyncJob
from reviewqueue.rules import money
from reviewqueue.rules.cadence import SPAN_WORDS
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import generating, looks, pricing, syncing
from reviewqueue.services.access import require
from reviewqueue.views import fragments, links, paging, queue, rows, shell

COUNTED = 500  # a count beyond this is shown as “500+”
HEAD = 120  # of the view's posts, among which a poll looks for pictures that have come
CHANGES_SHOWN = 60
MADE_SHOWN = 48


@dataclass(frozen=True)
class Ground:
    """Whom something can be made for, and what it costs: read once a request."""

    people: dict[UUID, Persona]  # by name
    sources: list[Source]
    price: money.Prices

    @classmethod
    def of(cls, member: Member) -> "Ground":
        people = {persona.pk: persona for persona in Persona.objects.visible_to(member)}
        followed = Source.objects.visible_to(member).filter(persona__in=people)
        return cls(people, list(followed), pricing.prices(member.workspace))

    def chosen(self, persona_id) -> Persona | None:
        return self.people.get(persona_id)

    def sources_of(self, persona: Persona | None) -> list[Source]:
        return [one for one in self.sources if persona is None or one.persona_id == persona.pk]

    def followers(self, post: SourcePost) -> list[Persona]:
        ids = {source.persona_id for source in self.sources if source.creator_id == post.creator_id}
        return [persona for persona in self.people.values() if persona.pk in ids]

    def own(self, post: SourcePost) -> Persona | None:
        """For whom it is made unless somebody chooses: the first who follows its account."""
        return next(iter(self.followers(post)), None) or next(iter(self.people.values()), None)

    def cost(self, post: SourcePost, persona: Persona | None) -> money.Estimate:
        return pricing.cost_of_source(post, persona or self.own(post), self.price)

    def frame(self, post: SourcePost, persona: Persona | None):
        made_at = post.face.get("made_at")
        return rows.source_frames.of(
            post,
            cost=self.cost(post, persona),
            persona=persona and persona.pk,
            made_at=made_at and datetime.fromisoformat(made_at),
        )


# ---- the contact sheet -------------------------------------------------------------------------


@require_safe
def source_posts(request):
    filters = SourceFilter(request.GET).values()
    context = page_of(request.member, filters)
    context["oob"] = fragments.is_fragment(request)
    return fragments.page(request, "reviewqueue/sources.html", context, part="page")


def page_of(member: Member, filters: dict, clone: CloneForm | None = None) -> dict:
    ground = Ground.of(member)
    persona = ground.chosen(filters["persona"])
    newest_first = filters["order"] == "newest"
    listing = paging.shown(
        matching(member, filters, persona).defer("caption"),
        "posted_at",
        newest_first=newest_first,
        after=filters["after"],
    )
    return {
        "filters": filters,
        "query": query_of(filters),
        "ground": ground,
        "persona": persona,
        "handles": sorted({source.handle for source in ground.sources_of(persona)}),
        "frames": [ground.frame(post, persona) for post in listing.rows],
        "shown": len(listing.rows),
        "after": listing.after,
        "after_query": query_of({**filters, "after": listing.after}),
        "is_filtered": any(filters[name] for name in ("q", "account")),
        "counts": counts(member, filters, persona),
        **cloning(ground, clone or CloneForm(initial={"persona": persona.pk if persona else ""})),
        "many": MANY,
        "section": "sources",
        **standing(member, filters, ground, persona),
    }


def matching(member: Member, filters: dict, persona: Persona | None):
    """The posts of the view, in no order."""
    posts = SourcePost.objects.visible_to(member)
    if persona:
        posts = posts.of_persona(persona)
    if filters["account"]:
        posts = posts.filter(handle=filters["account"])
    if filters["used"] == "no":
        posts = posts.filter(made=0)
    if filters["q"]:
        text = filters["q"].strip().replace("\x00", "")
        posts = posts.filter(Q(caption__icontains=text) | Q(handle__icontains=text.lstrip("@")))
    return posts


def counts(member: Member, filters: dict, persona: Persona | None) -> dict[str, str]:
    """How many posts either side of “used” holds, counted up to a cap; a search is not counted at all."""
    if filters["q"]:
        return {}
    found = {}
    for used in ("no", "all"):
        posts = matching(member, {**filters, "used": used}, persona)
        number = posts.order_by("-posted_at", "-id").values("pk")[: COUNTED + 1].count()
        found[used] = f"{COUNTED}+" if number > COUNTED else str(number)
    return found


def cloning(ground: Ground, form: CloneForm) -> dict:
    """The panel for a link: for each persona what one could cost, and for the one that is chosen."""
    offers = [
        {"persona": persona, "cost": money.clone(ground.price, discount=persona.discount_mode)}
        for persona in ground.people.values()
    ]
    wanted = str(form["persona"].value())
    chosen = next((offer for offer in offers if str(offer["persona"].pk) == wanted), None)
    return {"clone": form, "offers": offers, "offer": chosen or next(iter(offers), None)}


def query_of(filters: dict) -> str:
    """The query string that gives this view again, without what is the default."""
    default = {"used": "no", "order": "newest"}
    kept = {name: str(value) for name, value in filters.items() if value and default.get(name) != value}
    return f"?{urlencode(kept)}" if kept else ""


def standing(member: Member, filters: dict, ground: Ground, persona: Persona | None) -> dict:
    """What a poll may change: the syncs, the poller itself."""
    around = shell.around(member)
    running = syncing.running(member.workspace_id)
    shown = [persona] if persona else list(ground.people.values())
    syncs = [sync_of(member, one, ground, running) for one in shown]
    ended = [source.last_synced_at for source in ground.sources_of(persona) if source.last_synced_at]
    synced_at = max(ended, default=None)
    is_syncing = any(sync["running"] for sync in syncs)
    moving = around["scope"].pending + around["scope"].generating
    return {
        **around,
        "syncs": syncs,
        "synced_at": synced_at,
        "is_syncing": is_syncing,
        "sync_mark": f"{len(running)}.{int(synced_at.timestamp()) if synced_at else 0}",
        "stamp": int(now().timestamp()),
        "every": max(0.5, pace(2.0 if moving or is_syncing else 10.0)),
        "poll_query": urlencode({name: kept for name, kept in filters.items() if kept and name != "after"}),
    }


def sync_of(member: Member, persona: Persona, ground: Ground, running: set) -> dict:
    """Syncing one persona: its price, or why not now."""
    followed, is_running = len(ground.sources_of(persona)), persona.pk in running
    why = syncing.why_not(persona, by=member, followed=followed, is_running=is_running)
    return {
        "persona": persona,
        "cost": money.sync(ground.price, followed),
        "running": is_running,
        "why": why,
    }


# ---- live --------------------------------------------------------------------------------------


@require_safe
def live_sources(request):
    """What moved since the page (or its last poll) was made; 204 if nothing did."""
    member = request.member
    looks.note(member)
    if str(member.desk_version) == request.GET.get("v"):
        return fragments.unchanged()
    filters = SourceFilter(request.GET).values()
    ground = Ground.of(member)
    persona = ground.chosen(filters["persona"])
    loaded = request.GET.get("loaded", "")
    context = {
        "filters": filters,
        "query": query_of(filters),
        "persona": persona,
        "changes": [ground.frame(post, persona) for post in changed_since(request, filters, persona)],
        "loaded": loaded,
        "fresh": fresh_since(filters, ground, persona, loaded),
        "oob": True,
        **standing(member, filters, ground, persona),
    }
    context["resynced"] = context["sync_mark"] != request.GET.get("s")
    return fragments.answer(request, "/sources/", "reviewqueue/sources.html#live", context=context)


def changed_since(request, filters: dict, persona: Persona | None) -> list[SourcePost]:
    """Posts of which something was generated, and those of the view whose picture or caption came."""
    member, since = request.member, queue.moment(request.GET.get("t", ""))
    if since is None:
        return []
    since -= queue.OVERLAP
    made = GeneratedPost.objects.filter(workspace=member.workspace_id, changed_here_at__gte=since)
    moved = set(made.order_by("-changed_here_at").values_list("source_post_id", flat=True)[:CHANGES_SHOWN])
    sign = "-" if filters["order"] == "newest" else ""
    view = matching(member, {**filters, "used": "all"}, persona).order_by(f"{sign}posted_at", f"{sign}id")
    head = list(view.values_list("pk", flat=True)[:HEAD])
    came = SourcePost.objects.filter(pk__in=head).filter(
        Q(seen_at__gte=since) | Q(media__position=0, media__file__stored_at__gte=since)
    )
    moved.update(came.values_list("pk", flat=True))
    return list(SourcePost.objects.visible_to(member).filter(pk__in=moved).defer("caption"))


def fresh_since(filters: dict, ground: Ground, persona: Persona | None, stamp: str) -> int:
    """How many new posts the syncs brought since the page was loaded."""
    since = queue.moment(stamp)
    if since is None:
        return 0
    who = [persona] if persona else list(ground.people.values())
    ended = SyncJob.objects.filter(persona__in=who, ended_at__gte=since, status="completed")
    if filters["account"]:
        creators = {one.creator_id for one in ground.sources if one.handle == filters["account"]}
        ended = ended.filter(creator_id__in=creators)
    return ended.aggregate(new=Sum("new_posts_count"))["new"] or 0


# ---- making ------------------------------------------------------------------------------------


@require_POST
def clone(request):
    """Fetch a post by its link and generate from it; what is wrong with the link stands at the field."""
    member, form = request.member, CloneForm(request.POST)
    require(member, "generate")
    persona = None
    if form.is_valid():
        persona = Persona.objects.visible_to(member).filter(pk=form.cleaned_data["persona"]).first()
        if persona is None:
            form.add_error("persona", "Choose one of the list.")
    if persona is not None:
        try:
            operation = generating.clone(
                form.cleaned_data["url"], persona, by=member, token=form.cleaned_data["token"]
            )
        except NotAllowed as error:
            form.add_error("url", str(error))
        else:
            return cloned(request, operation)
    if fragments.is_fragment(request):
        context = cloning(Ground.of(member), form)
        return fragments.page(request, "reviewqueue/sources.html", context, part="clone", status=422)
    context = page_of(member, SourceFilter({}).values(), form)
    return fragments.page(request, "reviewqueue/sources.html", context, status=422)


def cloned(request, operation) -> HttpResponse:
    said = f"Post {operation.post.number} is queued. The service fetches the link"
    form = CloneForm(initial={"persona": operation.persona_id})
    context = cloning(Ground.of(request.member), form) | {"made": operation.post}
    parts = ("reviewqueue/sources.html#clone", "reviewqueue/sources.html#made_one")
    response = fragments.answer(request, "/sources/", *parts, context=context, said=said)
    response["HX-Trigger"] = "loupe:look"
    return response


@require_http_methods(["GET", "POST"])
def generation(request):
    """GET is the bill: these posts, for this persona, cost so much. POST is the yes."""
    member = request.member
    require(member, "generate")
    form = GenerationForm(request.POST if request.method == "POST" else request.GET)
    form.is_valid()
    ground = Ground.of(member)
    persona = ground.chosen(form.cleaned_data.get("persona"))
    picked = SourcePost.objects.visible_to(member).filter(pk__in=form.picked[:MANY])
    posts = list(picked.order_by("-posted_at", "-id"))
    if request.method == "POST" and posts and persona is None and form.data.get("persona"):
        raise NotAllowed("The persona that was chosen is not there any more. Nothing was sent.")
    wishes = [(post, owner) for post in posts if (owner := persona or ground.own(post))]
    if request.method == "GET" or not wishes:
        context = bill_of(member, ground, persona, wishes) | {"more": max(0, len(form.picked) - MANY)}
        status = 200 if request.method == "GET" else 422
        return fragments.page(
            request, "reviewqueue/bill_generate.html", context, part="dialog", status=status
        )
    outcomes = generating.generate_many(wishes, by=member, token=form.cleaned_data["token"])
    return generated(request, ground, outcomes)


def bill_of(member: Member, ground: Ground, persona: Persona | None, wishes: list) -> dict:
    posts = [post for post, _ in wishes]
    kinds = {media_type for post in posts for media_type, _ in post.face.get("items", [])}
    owners = {owner.pk: owner for _, owner in wishes}
    return {
        "posts": posts,
        "persona": persona or (next(iter(owners.values())) if len(owners) == 1 else None),
        "is_own": persona is None and len(owners) > 1,
        "bill": generating.bill(wishes, member.workspace),
        "choices": choices(ground, posts),
        "repeated": repeated(posts),
        "usual": [SPAN_WORDS[kind] for kind in ("image", "video") if kind in kinds],
        "section": "sources",
    }


def choices(ground: Ground, posts: list[SourcePost]) -> list[dict]:
    """The same question for each persona, and for everybody their own where the posts differ in that."""
    query = urlencode([("post", post.pk) for post in posts])
    found = [
        {"persona": persona, "query": f"{query}&persona={persona.pk}"} for persona in ground.people.values()
    ]
    if len({owner.pk for post in posts if (owner := ground.own(post))}) > 1:
        found.insert(0, {"persona": None, "query": query})
    return found


def repeated(posts: list[SourcePost]) -> str:
    """Which of them a post was generated from before, in a sentence; "" if none."""
    again = [post for post in posts if post.made]
    if not again:
        return ""
    last = max(datetime.fromisoformat(post.face["made_at"]) for post in again)
    when = "is being made now" if any(post.in_flight for post in again) else f"was made {day_of(last)}"
    if len(posts) == 1:
        return f"A post from this one {when}."
    if len(again) == 1:
        return f"A post from one of these {when}."
    return f"{len(again)} of these were generated from before; the last post {when}."


def day_of(at: datetime) -> str:
    """ "today", "yesterday", "on Tuesday", "on 8 May": in the person's own time."""
    local = timezone.localtime(at)
    days = (timezone.localdate() - local.date()).days
    if days < 1:
        return "today"
    if days == 1:
        return "yesterday"
    return f"on {local:%A}" if days < 7 else f"on {local:%-d %B}"


def generated(request, ground: Ground, outcomes: list[generating.Outcome]) -> HttpResponse:
    """What became of each: the frames anew, and in words whatever was refused."""
    refused = [outcome for outcome in outcomes if outcome.operation is None]
    done = len(outcomes) - len(refused)
    words = [f"{done} post{'s' if done != 1 else ''} queued"] if done else ["Nothing was sent"]
    words += [f"@{outcome.source.handle}: {outcome.reason}" for outcome in refused]
    here = fragments.asked_from(request)
    context = {"outcomes": refused, "done": done}
    parts = ["reviewqueue/sources.html#refusals"]
    if here.startswith("/sources/") and not here.startswith(f"/sources/{outcomes[0].source.pk}/"):
        shown_for = SourceFilter(QueryDict(fragments.parts_of(here).query)).values()["persona"]
        chosen = ground.chosen(shown_for)
        fresh = SourcePost.objects.filter(pk__in=[outcome.source.pk for outcome in outcomes])
        context["changes"] = [ground.frame(post, chosen) for post in fresh]
        parts.append("reviewqueue/sources.html#changes")
    said = ". ".join(word.rstrip(".") for word in words)
    response = fragments.answer(request, "/sources/", *parts, context=context, said=said)
    response["HX-Trigger"] = '{"loupe:look": {}, "loupe:generated": {}}'
    return response


# ---- one source post -----------------------------------------------------------------------------


@require_safe
def source_post(request, source_id: UUID):
    """One source post, for whom it can be made at what price, and all that was made from it."""
    member = request.member
    parts = SourceMedia.objects.select_related("file").order_by("position")
    visible = SourcePost.objects.visible_to(member).prefetch_related(Prefetch("media", parts))
    post = get_object_or_404(visible, pk=source_id)
    context = {"post": post, "parts": post.media.all(), "link": links.safe(post.url), "section": "sources"}
    return fragments.page(request, "reviewqueue/source_post.html", context | made_of(member, post))


def made_of(member: Member, post: SourcePost) -> dict:
    """What a poll may change on the page of one source post."""
    ground = Ground.of(member)
    followers = ground.followers(post)
    others = [persona for persona in ground.people.values() if persona not in followers]
    made = GeneratedPost.objects.visible_to(member).filter(source_post=post).defer("caption", "mark")
    shown = list(made.newest_first()[:MADE_SHOWN])
    return {
        "offers": [
            {"persona": persona, "cost": ground.cost(post, persona), "follows": persona in followers}
            for persona in followers + others
        ],
        "frames": [rows.frames.of(one) for one in shown],
        "made": shown,
        "made_mark": ".".join(str(one.number) for one in shown),
        "in_flight": next((one for one in shown if one.desk in ("pending", "generating")), None),
        "reasons": member.workspace.reasons.all(),
        "version": member.desk_version,
        "every": max(0.5, pace(2.0 if post.in_flight else 10.0)),
    }


@require_safe
def live_source(request, source_id: UUID):
    """What was made of one source post since; 204 if nothing moved."""
    member = request.member
    looks.note(member)
    if str(member.desk_version) == request.GET.get("v"):
        return fragments.unchanged()
    post = get_object_or_404(SourcePost.objects.visible_to(member), pk=source_id)
    context = made_of(member, post) | {"post": post, "oob": True}
    context["remade"] = context["made_mark"] != request.GET.get("made")
    context["changes"] = [] if context["remade"] else context["frames"]
    to = f"/sources/{post.pk}/"
    return fragments.answer(request, to, "reviewqueue/source_post.html#live", context=context)
