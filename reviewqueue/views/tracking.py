"""The accounts a persona follows: add, remove, automate, sync."""

from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from reviewqueue.forms.personas import AutomationForm, SourceForm
from reviewqueue.forms.review import Pressed
from reviewqueue.forms.sources import SourceFilter
from reviewqueue.models import Persona, Source
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import personas as service
from reviewqueue.services import syncing
from reviewqueue.services.access import require
from reviewqueue.views import fragments, sources
from reviewqueue.views.personas import acted, asked, find


def _source(request, persona_id: UUID, source_id: UUID) -> Source:
    visible = Source.objects.visible_to(request.member).filter(persona__gone_at=None)
    return get_object_or_404(visible.select_related("persona"), pk=source_id, persona_id=persona_id)


def _token(request):
    form = Pressed(request.POST)
    form.is_valid()
    return form.cleaned_data["token"]


@require_http_methods(["GET", "POST"])
def followed(request, persona_id: UUID):
    """GET asks which account to follow; POST follows it. What is wrong with the name stands at the field."""
    persona = find(request, persona_id)
    require(request.member, "source.edit")
    form = SourceForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        data = form.cleaned_data
        mode = data["mode"] or "sync_only"
        try:
            service.add_source(persona, data["handle"], by=request.member, token=data["token"], mode=mode)
        except NotAllowed as error:
            form.add_error("handle", str(error))
        else:
            return acted(request, persona, f"@{data['handle'].lstrip('@')} is being added")
    return asked(request, "reviewqueue/ask_source.html", {"persona": persona}, form)


@require_http_methods(["GET", "POST"])
def removal(request, persona_id: UUID, source_id: UUID):
    """GET asks; POST stops following the account."""
    source = _source(request, persona_id, source_id)
    require(request.member, "source.edit")
    if request.method == "GET":
        context = {"source": source, "persona": source.persona, "section": "personas"}
        return fragments.page(request, "reviewqueue/ask_unfollow.html", context, part="dialog")
    service.remove_source(source, by=request.member, token=_token(request))
    return acted(request, source.persona, f"{source} is being removed")


@require_http_methods(["GET", "POST"])
def automation(request, persona_id: UUID, source_id: UUID):
    """POST sets what happens when new posts arrive; GET asks about publishing without review first."""
    source = _source(request, persona_id, source_id)
    require(request.member, "automation.change")
    if request.method == "GET":
        context = {"source": source, "persona": source.persona, "section": "personas"}
        return fragments.page(request, "reviewqueue/ask_automation.html", context, part="dialog")
    form = AutomationForm(request.POST, source)
    if not form.is_valid():
        return HttpResponse("Choose a mode.", status=422)
    mode = form.cleaned_data["mode"]
    if mode == "auto_publish" and not form.cleaned_data["confirmed"]:
        return to_question(request)
    service.set_automation(source, mode, by=request.member, token=form.cleaned_data["token"])
    return acted(request, source.persona, f"{source}: being saved")


def to_question(request) -> HttpResponse:
    """To the question at the same address, with a script too."""
    if not fragments.is_fragment(request):
        return HttpResponseRedirect(request.path)
    response = HttpResponse()
    response["HX-Redirect"] = request.path
    return response


@require_POST
def sync(request, persona_id: UUID):
    """Pull what is new from every account the persona follows."""
    persona = find(request, persona_id)
    syncing.start(persona, by=request.member, token=_token(request))
    said = f"Syncing {persona.name}"
    came_from = fragments.asked_from(request) or request.headers.get("Referer", "")
    page = fragments.parts_of(came_from)
    if page.path == "/sources/":
        return synced(request, page.query, said)
    return acted(request, persona, said)


def synced(request, query: str, said: str) -> HttpResponse:
    """The sync asked for from the source posts: their page shows it."""
    filters = SourceFilter(QueryDict(query)).values()
    ground = sources.Ground.of(request.member)
    persona: Persona | None = ground.chosen(filters["persona"])
    context = sources.standing(request.member, filters, ground, persona) | {"persona": persona}
    to = f"/sources/{sources.query_of(filters)}"
    response = fragments.answer(request, to, "reviewqueue/sources.html#sync", context=context, said=said)
    response["HX-Trigger"] = "loupe:look"
    return response
