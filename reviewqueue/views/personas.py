"""Personas: whom posts are made for, what they follow, and where theirs go."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zlib import crc32

from django.db.models import Count, OuterRef, Subquery
from django.db.models.fields.json import KT
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewqueue.clock import age, now, pace
from reviewqueue.forms.personas import DiscountForm, PersonaForm, SettingsForm, StyleForm
from reviewqueue.models import (
    Checkout,
    ConnectedAccount,
    Event,
    GeneratedPost,
    Member,
    Operation,
    Persona,
    Scope,
    Source,
    SyncJob,
)
from reviewqueue.rules import cadence, money
from reviewqueue.services import billing, looks, personas, pricing, scopes, syncing
from reviewqueue.services.access import require
from reviewqueue.services.personas import MODES
from reviewqueue.views import fragments, links, paging, queue, rows

LATEST = 10
MOSAIC = 7
EVENTS_SHOWN = 50
TABS = (("", "Overview"), ("posts/", "Posts"), ("settings/", "Settings"), ("history/", "History"))


def mark(*facts) -> str:
    """A short word that differs when any of the facts does: which part of a page has moved."""
    return f"{crc32(repr(facts).encode('utf-8', 'replace')):08x}"


def find(request, persona_id: UUID) -> Persona:
    """The persona, with the `scope` that its pages count and compare by: as it was before all they show."""
    scope = scope_of(request.member, persona_id)
    visible = Persona.objects.visible_to(request.member).select_related("workspace")
    persona = get_object_or_404(visible, pk=persona_id)
    persona.scope = scope
    return persona


def scope_of(member: Member, persona_id: UUID) -> Scope:
    return scopes.of_persona(member.workspace_id, persona_id) or Scope(version=0)


# ---- what every tab shows ------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def index(request):
    """GET leads to the first persona, or says how to make one; POST makes one."""
    if request.method == "POST":
        return creation(request)
    first = Persona.objects.visible_to(request.member).order_by("name", "id").first()
    if first:
        return HttpResponseRedirect(f"/personas/{first.pk}/")
    return fragments.page(request, "reviewqueue/personas.html", nobody(request.member))


def nobody(member: Member) -> dict:
    """The page before there is a persona."""
    listed = picks(member, None)
    facts = {"version": member.desk_version, "every": every(listed["is_awaiting"])}
    return {"section": "personas", **facts, **listed}


def picks(member: Member, current: Persona | None) -> dict:
    """The list beside every tab: each persona with its newest picture and what waits for a decision."""
    pictured = GeneratedPost.objects.filter(persona=OuterRef("pk"), deleted_at=None).exclude(face__thumb="")
    newest = pictured.order_by("-made_at", "-id").values(thumb=KT("face__thumb"))[:1]
    people = Persona.objects.visible_to(member).order_by("name", "id")
    people = list(people.annotate(thumb=Subquery(newest), followed=Count("sources")))
    counted = Scope.objects.filter(workspace=member.workspace_id, key__startswith=scopes.persona_key(""))
    ready = dict(counted.values_list("key", "ready"))
    for persona in people:
        persona.ready = ready.get(scopes.persona_key(persona.pk), 0)
    awaited = personas.being_created(member.workspace)
    facts = [(one.pk, one.name, one.thumb, one.followed, one.ready, bool(one.accounts)) for one in people]
    return {
        "people": people,
        "awaited": awaited,
        "is_awaiting": any(one.is_open for one in awaited),
        "picks_mark": mark(facts, [standing_of(one) for one in awaited], current and current.pk),
    }


def standing_of(operation: Operation | None):
    return operation and (operation.pk, operation.state, operation.reason)


def page_of(request, persona: Persona, tab: str) -> dict:
    """The list, the head and the tabs."""
    member = request.member
    scope = getattr(persona, "scope", None) or scope_of(member, persona.pk)
    listed = picks(member, persona)
    total = sum(scope.tab(name) for name in ("ready", "generating", "attention", "held", "decided"))
    style = persona.writing_style
    return {
        "persona": persona,
        "section": "personas",
        "tab": tab,
        "tabs": TABS,
        "ready": scope.ready,
        "total": total,
        "head_mark": mark(persona.name, style, scope.ready, total),
        "scope_key": "desk" if listed["is_awaiting"] else "",
        "version": member.desk_version if listed["is_awaiting"] else scope.version,
        "stamp": int(now().timestamp()),
        "moving": scope.pending + scope.generating + scope.held + scope.sending + scope.publishing,
        "reasons": member.workspace.reasons.all(),
        **listed,
    }


def whole(request, persona: Persona, tab: str) -> dict:
    """Everything of one tab that may move while it is looked at."""
    context = page_of(request, persona, tab)
    if tab == "":
        context |= standing(request.member, persona)
    elif tab == "settings/":
        context |= saved(persona)
    is_busy = context.get("is_busy") or context["is_awaiting"] or context["moving"]
    return context | {"every": every(is_busy)}


def every(is_moving) -> float:
    return max(0.5, pace(2.0 if is_moving else 10.0))


# ---- overview ------------------------------------------------------------------------------------


@dataclass
class Followed:
    """One source account: how its last sync went, and what was asked for it."""

    source: Source
    job: SyncJob | None
    wish: Operation | None
    next_at: datetime | None  # a sync before this is skipped
    late: str  # of a running sync, once it takes longer than the service allows for

    @property
    def is_running(self) -> bool:
        return self.job is not None and self.job.ended_at is None

    @property
    def mode_mark(self) -> str:
        return mark(self.source.automation_mode, standing_of(self.wish))

    @property
    def sync_mark(self) -> str:
        job = self.job and (self.job.pk, self.job.status, self.job.error_message)
        return mark(job, self.source.last_synced_at, self.source.status, self.next_at is None, self.late)

    @property
    def profile(self) -> str:
        return links.profile(self.source.platform, self.source.handle)


@require_safe
def overview(request, persona_id: UUID):
    persona = find(request, persona_id)
    recent = latest(request.member, persona)
    context = whole(request, persona, "") | {"frames": [rows.frames.of(post) for post in recent]}
    context["mosaic"] = mosaic(recent)
    return fragments.page(request, "reviewqueue/persona_overview.html", context)


def standing(member: Member, persona: Persona) -> dict:
    """All that a poll or a command may change on the overview."""
    wishes = personas.wishes(persona)
    sources = list(persona.sources.all())
    followed = followed_of(persona, sources, wishes)
    adding = [one for one in wishes if one.kind == "add_source"]
    syncing_now = next((one for one in wishes if one.kind == "sync"), None)
    is_running = persona.pk in syncing.running(member.workspace_id)
    cost = money.sync(pricing.prices(member.workspace), len(sources))
    why = syncing.why_not(persona, by=member, followed=len(sources), is_running=is_running)
    saving = next((one for one in wishes if one.kind == "update_persona"), None)
    return {
        "followed": followed,
        "adding": adding,
        "followed_mark": mark([one.pk for one in sources], [standing_of(one) for one in adding]),
        "sync": {
            "cost": cost,
            "why": why,
            "running": is_running,
            "wish": syncing_now,
            "mark": mark(cost, why, is_running, standing_of(syncing_now)),
        },
        "modes": MODES,
        "saving": saving,
        "voice_mark": mark(persona.writing_style, standing_of(saving)),
        "making_mark": mark(
            persona.discount_mode, persona.has_voice, persona.voice_name, standing_of(saving)
        ),
        "is_busy": is_running or any(map(personas.is_under_way, wishes)),
        **publishing(member, persona, wishes),
    }


def followed_of(persona: Persona, sources: list[Source], wishes: list[Operation]) -> list[Followed]:
    """Each source with its newest sync. Whose a job is, the service says only once it was asked."""
    newest = persona.sync_jobs.order_by("-asked_at", "-id")[: 3 * len(sources) + 6]
    jobs: dict[str, SyncJob] = {}
    for job in newest:
        jobs.setdefault(job.creator_id, job)
    unplaced = jobs.pop("", None)
    if unplaced and unplaced.ended_at:
        unplaced = None
    asked = {one.source_id: one for one in wishes if one.source_id}
    speed = persona.workspace.speed
    found = []
    for source in sources:
        job = jobs.get(source.creator_id)
        if unplaced and (job is None or job.asked_at < unplaced.asked_at):
            job = unplaced
        next_at = syncing.next_possible(source.last_synced_at)
        found.append(Followed(source, job, asked.get(source.pk), next_at, lateness(job, speed)))
    return found


def lateness(job: SyncJob | None, speed: float) -> str:
    """What a sync past its limit is told as."""
    if job is None or job.ended_at:
        return ""
    span = cadence.SPANS["sync"].faster(speed)
    limit = f"{int(pace(span.limit)) // 60}:{int(pace(span.limit)) % 60:02d}"
    old = age(job.asked_at, now())
    if cadence.lateness(span, old) == "lost":
        return "It never ended, as far as the service says"
    pauses = [pause for begins, pause in cadence.late_phases(span)[:2] if old > begins]
    return f"No answer after {limit}. {cadence.checking(pace(pauses[-1]))}" if pauses else ""


def publishing(member: Member, persona: Persona, wishes: list[Operation]) -> dict:
    """The accounts its posts go to, and what is under way to make them more or fewer."""
    targets = list(persona.targets.select_related("account").order_by("account__username"))
    linking = [one for one in wishes if one.kind == "add_target"]
    names = dict(
        ConnectedAccount.objects.filter(workspace=member.workspace_id).values_list("upstream_id", "username")
    )
    for one in linking:
        one.username = names.get(one.params.get("account_id"), "")
    unlinking = {one.params.get("target_id"): one for one in wishes if one.kind == "remove_target"}
    for target in targets:
        target.wish = unlinking.get(target.upstream_id)
        target.initials = "".join(part[0] for part in target.account.username.split(".") if part)[:2].upper()
    connecting = next((one for one in wishes if one.kind == "connect_account"), None)
    page = billing.open_pages(member.workspace).get(Checkout.Kind.CONNECT)
    is_ours = page is not None and page.operation is not None and page.operation.persona_id == persona.pk
    facts = [(one.pk, one.account.username, one.account.status, standing_of(one.wish)) for one in targets]
    return {
        "targets": targets,
        "linking": linking,
        "connecting": connecting,
        "connect_page": onward(member, page) if is_ours else "",
        "targets_mark": mark(
            facts, [standing_of(one) for one in linking], standing_of(connecting), is_ours and page.pk
        ),
    }


def onward(member: Member, page: Checkout) -> str:
    """The service's page; the sandbox's can be told where to lead back to."""
    link = links.safe(page.url)
    if not (link and member.workspace.is_sandbox):
        return link
    return f"{link}{'&' if '?' in link else '?'}return=/personas/connect/return/"


# ---- posts, history --------------------------------------------------------------------------------


@require_safe
def posts(request, persona_id: UUID):
    """All its posts, newest first."""
    persona = find(request, persona_id)
    made = GeneratedPost.objects.visible_to(request.member).filter(persona=persona).defer("caption", "mark")
    listing = paging.shown(made, "made_at", newest_first=True, after=request.GET.get("after", ""))
    context = {
        "frames": [rows.frames.of(post) for post in listing.rows],
        "after": listing.after,
        "shown": len(listing.rows),
        "persona": persona,
        "oob": fragments.is_fragment(request),
    }
    if not fragments.is_fragment(request):
        context |= whole(request, persona, "posts/")
        context["mosaic"] = mosaic(listing.rows)
    return fragments.page(request, "reviewqueue/persona_posts.html", context, part="page")


def mosaic(made: list[GeneratedPost]) -> list[str]:
    return [post.face["thumb"] for post in made if post.face.get("thumb")][:MOSAIC]


def latest(member: Member, persona: Persona) -> list[GeneratedPost]:
    made = GeneratedPost.objects.visible_to(member).filter(persona=persona)
    return list(made.defer("caption", "mark").newest_first()[:LATEST])


@require_safe
def history(request, persona_id: UUID):
    """Who did what for this persona, newest first."""
    persona = find(request, persona_id)
    told = Event.objects.visible_to(request.member).filter(persona=persona).select_related("operation")
    listing = paging.shown(
        told, "at", newest_first=True, after=request.GET.get("after", ""), size=EVENTS_SHOWN
    )
    context = {"events": listing.rows, "after": listing.after, "persona": persona}
    context["oob"] = fragments.is_fragment(request)
    if not fragments.is_fragment(request):
        context |= whole(request, persona, "history/")
        context["mosaic"] = mosaic(latest(request.member, persona))
    return fragments.page(request, "reviewqueue/persona_history.html", context, part="page")


# ---- settings --------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def settings(request, persona_id: UUID):
    """GET shows name, voice and discount mode; POST asks the service for what was changed."""
    persona = find(request, persona_id)
    form = SettingsForm.of(persona)
    if request.method == "POST":
        require(request.member, "persona.edit")
        form = SettingsForm(request.POST)
        if form.is_valid():
            return change(request, persona, form.cleaned_data["token"], form.moved(persona))
    context = whole(request, persona, "settings/")
    context |= {"form": form, "mosaic": mosaic(latest(request.member, persona))}
    status = 422 if form.errors else 200
    return fragments.page(request, "reviewqueue/persona_settings.html", context, status=status)


def saved(persona: Persona) -> dict:
    saving = next((one for one in personas.wishes(persona) if one.kind == "update_persona"), None)
    is_busy = bool(saving) and saving.is_open
    return {"saving": saving, "saving_mark": mark(standing_of(saving)), "is_busy": is_busy}


def change(request, persona: Persona, token, values: dict) -> HttpResponse:
    """Ask for these values; the page then shows that they are being saved."""
    if not values:
        return acted(request, persona, "Nothing was changed")
    personas.update(persona, by=request.member, token=token, **values)
    return acted(request, persona, f"Being saved: {personas.words_for(values)}")


@require_http_methods(["GET", "POST"])
def writing_style(request, persona_id: UUID):
    """The voice of the captions, by itself."""
    persona = find(request, persona_id)
    require(request.member, "persona.edit")
    form = StyleForm(initial={"writing_style": persona.writing_style})
    if request.method == "POST":
        form = StyleForm(request.POST)
        if form.is_valid():
            style, token = form.cleaned_data["writing_style"], form.cleaned_data["token"]
            values = {"writing_style": style} if style != persona.writing_style else {}
            return change(request, persona, token, values)
    return asked(request, "reviewqueue/ask_style.html", {"persona": persona}, form)


@require_POST
def discount(request, persona_id: UUID):
    persona = find(request, persona_id)
    form = DiscountForm(request.POST)
    if not form.is_valid():
        return HttpResponse("Choose on or off.", status=422)
    on = form.cleaned_data["on"]
    values = {"discount_mode": on} if on != persona.discount_mode else {}
    return change(request, persona, form.cleaned_data["token"], values)


def creation(request):
    """GET asks for a name and a voice; POST makes the persona at the service."""
    require(request.member, "persona.edit")
    form = PersonaForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        data = form.cleaned_data
        personas.create(
            name=data["name"], writing_style=data["writing_style"], by=request.member, token=data["token"]
        )
        return acted(request, None, f"{data['name']} is being created")
    return asked(request, "reviewqueue/ask_persona.html", {}, form)


@require_safe
def new(request):
    return creation(request)


def asked(request, template: str, context: dict, form) -> HttpResponse:
    """A question with fields: a page, a dialog, or after a mistake in the dialog its fields anew."""
    part = "fields" if form.is_bound else "dialog"
    context |= {"form": form, "section": "personas"}
    return fragments.page(request, template, context, part=part, status=422 if form.is_bound else 200)


# ---- live ------------------------------------------------------------------------------------------


@require_safe
def live(request, persona_id: UUID):
    """What moved since the page (or its last poll) was made; 204 if nothing did."""
    member = request.member
    looks.note(member)
    scope = scopes.DESK if request.GET.get("of") == "desk" else scopes.persona_key(persona_id)
    version = scopes.version(member.workspace_id, scope)
    if version is not None and str(version) == request.GET.get("v"):
        return fragments.unchanged()
    persona = find(request, persona_id)
    if version is None:
        return fragments.unchanged()
    tab = request.GET.get("tab", "")
    context = whole(request, persona, tab)
    context |= queue.changed_since(member, request.GET.get("t", ""), persona=persona)
    to = f"/personas/{persona.pk}/{tab}"
    return fragments.answer(request, to, "reviewqueue/persona.html#live", context=context)


@require_safe
def live_index(request):
    """The page without a persona, until the first is there."""
    if str(request.member.desk_version) == request.GET.get("v"):
        return fragments.unchanged()
    context = nobody(request.member)
    response = fragments.answer(request, "/personas/", "reviewqueue/personas.html#live", context=context)
    if context["people"]:
        response["HX-Redirect"] = "/personas/"
    return response


# ---- after a command -------------------------------------------------------------------------------


def acted(request, persona: Persona | None, said: str) -> HttpResponse:
    """The parts of the page that asked; without script, back to that page."""
    if not fragments.is_fragment(request):
        tab = tab_of(request.headers.get("Referer", "")) or ""
        return fragments.answer(
            request, f"/personas/{persona.pk}/{tab}" if persona else "/personas/", said=said
        )
    here = fragments.asked_from(request)
    tab, shown = tab_of(here), persona_of(request, here)
    if shown is None:
        context, part = nobody(request.member), "reviewqueue/personas.html#moved"
    else:
        context, part = whole(request, shown, tab or "") | {"changes": []}, "reviewqueue/persona.html#moved"
    parts = [part] if tab is not None or fragments.parts_of(here).path == "/personas/" else []
    response = fragments.answer(request, "", *parts, context=context, said=said)
    response["HX-Trigger"] = "loupe:look"  # the poller is not replaced: its own answer may be on its way
    return response


def persona_of(request, address: str) -> Persona | None:
    """The persona whose page an address is."""
    parts = fragments.parts_of(address).path.strip("/").split("/")
    try:
        return Persona.objects.visible_to(request.member).filter(pk=UUID(parts[1])).first()
    except (IndexError, ValueError):
        return None


def tab_of(address: str) -> str | None:
    """Which tab of a persona's page an address is; None if it is none."""
    parts = fragments.parts_of(address).path.strip("/").split("/")
    if parts[0] != "personas" or len(parts) not in (2, 3):
        return None
    tab = f"{parts[2]}/" if len(parts) == 3 else ""
    return tab if tab in dict(TABS) else None
