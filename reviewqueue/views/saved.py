"""Saved views: filters kept under a name, and the page that renames and deletes them."""

from uuid import UUID

from django.http import QueryDict
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from reviewqueue.forms.queue import AGES, QueueFilter
from reviewqueue.forms.saved import ViewForm
from reviewqueue.models import Member, Persona, SavedView
from reviewqueue.services import views
from reviewqueue.views import fragments, queue

ORDER_WORDS = {"oldest": "oldest first", "newest": "newest first", "persona": "by persona"}


@require_http_methods(["GET", "POST"])
def saved(request):
    """GET lists them, beside the filters one comes with; POST keeps such filters under a name."""
    member = request.member
    if request.method == "GET":
        query, names = queue.normal(request.META["QUERY_STRING"]), names_of(member)
        kept = views.current(member, query)
        context = {
            "lines": lines(member, names),
            "query": query,
            "words": words_of(query, names),
            "current_view": kept,
            "is_own": bool(kept) and kept.owner_id == member.pk,
            "section": "review",
        }
        return fragments.page(request, "reviewqueue/queue/saved_views.html", context, part="menu")
    given = ViewForm(request.POST).values()
    view = views.save(given["name"], queue.normal(given["query"]), is_shared=bool(given["shared"]), by=member)
    told = f"“{view.name}” is kept, for everybody here" if view.is_shared else f"“{view.name}” is kept"
    return fragments.answer(request, f"/{view.query}", said=told)


@require_POST
def changed(request, view_id: UUID):
    given = ViewForm(request.POST).values()
    view = _view(request, view_id)
    views.change(view, name=given["name"], is_shared=bool(given["shared"]), by=request.member)
    return fragments.answer(request, "/views/", said=f"“{view.name}” is saved")


@require_POST
def removal(request, view_id: UUID):
    view = _view(request, view_id)
    views.remove(view, by=request.member)
    return fragments.answer(request, "/views/", said=f"“{view.name}” is deleted")


def _view(request, view_id: UUID) -> SavedView:
    return get_object_or_404(SavedView.objects.visible_to(request.member), pk=view_id)


def names_of(member: Member) -> dict:
    return dict(Persona.objects.visible_to(member).values_list("pk", "name"))


def lines(member: Member, names: dict) -> list[dict]:
    return [
        {
            "view": view,
            "words": words_of(view.query, names),
            "is_own": view.owner_id == member.pk,
            "may_remove": views.may_remove(view, member),
        }
        for view in views.of(member)
    ]


def words_of(query: str, names: dict) -> str:
    """What a view shows: “Ready, Ines Calder, video, over a day, newest first”."""
    filters = QueueFilter(QueryDict(query.lstrip("?"))).values()
    persona = filters["persona"] and names.get(filters["persona"], "a persona that is gone")
    default = "newest" if filters["tab"] == "decided" else "oldest"
    parts = [
        dict(queue.TABS)[filters["tab"]],
        persona,
        filters["type"],
        filters["source"] and f"@{filters['source']}",
        dict(AGES).get(filters["age"], "").lower(),
        filters["q"] and f"“{filters['q']}”",
        filters["order"] != default and ORDER_WORDS[filters["order"]],
        filters["view"] == "list" and "as a list",
    ]
    return ", ".join(part for part in parts if part)
